"""The client in a real gunicorn that loads the application before it forks its workers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

import andon_flags
from benchmarks.harness.flag_stream import FlagStream
from tests.flags_client.test_client import OFF, ON, until

APPLICATION = """
    import os
    from andon_flags import flags

    # in the master, before any worker is there: this starts the client's thread, which no fork copies
    assert flags.ready(60)
    assert flags.boolean("checkout") is False

    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"{os.getpid()} {flags.boolean('checkout')}".encode()]
"""


@contextmanager
def gunicorn(folder: Path, stream: str, kind: str) -> Iterator[httpx.Client]:
    (folder / "shop.py").write_text(textwrap.dedent(APPLICATION))
    bound = folder / "http.sock"
    log = folder / "log"
    with log.open("wb") as written:
        master = subprocess.Popen(
            [
                sys.executable, "-m", "gunicorn", "--preload", "--workers", "2", "--worker-class", kind,
                "--no-control-socket", "--timeout", "0", "--bind", f"unix:{bound}", "shop:application",
            ],
            cwd=folder,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": f"{folder}:{Path(andon_flags.__file__).parents[1]}",
                "ANDON_FLAGS": stream,
                "ANDON_FLAGS_FILE": str(folder / "flags.json"),
            },
            stdout=written,
            stderr=written,
        )  # fmt: skip
        try:
            until(lambda: listens(bound) or master.poll() is not None)
            assert master.poll() is None, log.read_text()
            transport = httpx.HTTPTransport(uds=str(bound))
            with httpx.Client(transport=transport, base_url="http://shop", timeout=60) as client:
                yield client
            master.send_signal(signal.SIGTERM)
            assert master.wait(60) == 0, log.read_text()
        finally:
            master.kill()
            master.wait()
    assert "Traceback" not in log.read_text()


def listens(path: Path) -> bool:
    """A socket is there a moment before anybody listens."""
    with socket.socket(socket.AF_UNIX) as trying:
        return trying.connect_ex(str(path)) == 0


def asked(client: httpx.Client) -> tuple[int, bool]:
    """Which worker answered, and what the flag is there."""
    pid, value = client.get("/", headers={"Connection": "close"}).text.split()
    return int(pid), value == "True"


@pytest.mark.parametrize("kind", ["sync", "gthread"])
def test_workers_of_a_preloaded_gunicorn_follow_their_flags_and_so_does_one_that_replaces_another(
    tmp_path: Path, kind: str
) -> None:
    with FlagStream(OFF) as stream, gunicorn(tmp_path, stream.url, kind) as client:
        seen: dict[int, bool] = {}

        def everywhere(value: bool, *, without: int = 0) -> bool:
            for _ in range(20):
                seen.update([asked(client)])
            living = [found for pid, found in seen.items() if pid != without]
            return len(living) == 2 and set(living) == {value}

        until(lambda: everywhere(False))
        stream.publish(ON)
        until(lambda: everywhere(True))
        lost = next(iter(seen))
        os.kill(lost, signal.SIGKILL)
        until(lambda: everywhere(True, without=lost))
