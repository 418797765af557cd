"""An Andon of the demo's own: in a folder of its own, on ports of its own, ended with the demo."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import msgspec

from andon.app.role import DIES_WITH
from andon.app.supervisor import end_all_kept
from andon.flow.environments.layout import remove_sockets
from andon.flow.environments.probing import port_is_free
from andon.kernel.errors import Unavailable
from andon.web.terminal.client import Client, connect
from andon.web.terminal.contexts import Context
from andon.web.terminal.whereabouts import whereabouts

START_SECONDS = 120.0
STOP_SECONDS = 90.0
_ROOM = 600 * 1024**2
STRETCH = 100
"""Ports that are claimed together, by the first of them."""
_PORTS = 40
_TELEMETRY = 50
"""Where the ports for telemetry begin in the stretch, above those for environments."""
_CONSOLE = 60
"""The console's in the stretch, where somebody has the usual one."""
_USUAL = 7766
_WAYS = ("STATSD", "OTLP", "OTLP_GRPC", "GRAPHITE")


class _Started(msgspec.Struct):
    address: str
    first_administrator: str | None = None


class DemoServer:
    """A context manager: starts Andon, offers a client, and leaves nothing behind."""

    address: str
    first_administrator: str | None
    token: str
    client: Client
    statsd_port: int

    def __init__(self, keep: Path | None) -> None:
        self._keep = keep
        self._things = ExitStack()

    def __enter__(self) -> DemoServer:
        with ExitStack() as things:
            self.folder = self._folder(things)
            self.data = self.folder / "data"
            self._start(things)
            self.token = (self.data / "operator.token").read_text("ascii").strip()
            context = Context(url=self.address, token=self.token, source="the demo")
            self.client = things.enter_context(connect(context))
            self._things = things.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._things.close()

    @property
    def checkout(self) -> Path:
        """Where the shop's working copy lies."""
        return self.folder / "checkout"

    @property
    def local(self) -> str:
        """Its address as the command line knows it: git is given the token for this one alone."""
        running = whereabouts(self.data)
        return self.address if running is None else running.local

    @property
    def line_for_shells(self) -> str:
        """What a shell has to be told so that `andon` is this program and asks this server."""
        program = Path(sys.executable).parent
        return f"export ANDON_DATA={shlex.quote(str(self.data))} PATH={shlex.quote(str(program))}:$PATH"

    def _folder(self, things: ExitStack) -> Path:
        if self._keep is not None:
            self._keep.mkdir(parents=True, exist_ok=True)
            folder = self._keep
        else:
            folder = Path(tempfile.mkdtemp(prefix="andon-demo-"))
            things.callback(shutil.rmtree, folder, ignore_errors=True)
            things.callback(remove_sockets, folder / "data")
        free = shutil.disk_usage(folder).free
        if free < _ROOM:
            raise Unavailable(
                f"There are only {free // 1024**2} MiB free for {folder}.",
                safe="Nothing was started.",
                remedy=f"Make {_ROOM // 1024**2} MiB free, or name another folder: andon demo --keep FOLDER",
            )
        return folder

    def _start(self, things: ExitStack) -> None:
        console, first = free_ports()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ANDON_")}
        environment |= {
            "ANDON_WEB_PORT": str(console),
            "ANDON_ENVIRONMENTS_FIRST_PORT": str(first),
            "ANDON_ENVIRONMENTS_LAST_PORT": str(first + _PORTS - 1),
            DIES_WITH: str(os.getpid()),
        }
        # The usual ones are left to an Andon that is here to stay.
        environment |= {
            f"ANDON_TELEMETRY_{way}_PORT": str(first + _TELEMETRY + number) for number, way in enumerate(_WAYS)
        }
        self.statsd_port = first + _TELEMETRY
        process = subprocess.Popen(
            [sys.executable, "-m", "andon", "up", "--json", "--data", str(self.data)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Ctrl-C is for the demo, which ends Andon in order.
            start_new_session=True,
        )
        things.callback(end_all_kept, self.data)
        things.callback(_stop, process)
        self.process = process
        line = _first_line(process)
        if line is None:
            assert process.stderr is not None  # noqa: S101 - asked for above
            process.terminate()
            told = process.stderr.read().decode("utf-8", "replace").strip()
            raise Unavailable(
                "Andon did not come up for the demo.", safe="Nothing is left running.", remedy=told or "andon doctor"
            )
        started = msgspec.json.decode(line, type=_Started)
        self.address = started.address
        self.first_administrator = started.first_administrator


def free_ports() -> tuple[int, int]:
    """A port for the console, and the first of a stretch of :data:`_PORTS` for environments, then telemetry; free now.

    They are this process's until it ends: two that start at once get different ones.
    """
    for first in range(7800, 60000, STRETCH):
        others = (*range(first + _TELEMETRY, first + _TELEMETRY + len(_WAYS)), first + _CONSOLE)
        if all(port_is_free("127.0.0.1", port) for port in (*range(first, first + 6), *others)) and claim(first):
            usual = port_is_free("127.0.0.1", _USUAL) and claim(_USUAL)
            return _USUAL if usual else first + _CONSOLE, first
    raise Unavailable(
        "No stretch of free ports was found on 127.0.0.1.", safe="Nothing was started.", remedy="Stop other programs."
    )


def claim(port: int) -> bool:
    """Whether nobody else on this machine has claimed it. What claims ends with the process.

    It is a socket with an abstract name, of which there is one in a network, as there is of the port: no folder has to
    be agreed on, and nothing is left of it.
    """
    claiming = socket.socket(socket.AF_UNIX)
    try:
        claiming.bind(f"\0andon-port-{port}")
    except OSError:
        claiming.close()
        return False
    claiming.detach()  # stays open, and with it the claim
    return True


def _first_line(process: subprocess.Popen[bytes]) -> bytes | None:
    """What it says once it is up; ``None`` when it ended or took too long."""
    assert process.stdout is not None  # noqa: S101 - asked for by the caller
    os.set_blocking(process.stdout.fileno(), False)
    deadline = time.monotonic() + START_SECONDS
    told = b""
    while time.monotonic() < deadline:
        told += process.stdout.read() or b""
        if told.endswith(b"\n"):
            return told.splitlines()[0]
        if process.poll() is not None:
            return None
        time.sleep(0.02)
    return None


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
