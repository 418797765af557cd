"""A private Andon in processes of its own, which can be stopped, killed at once, and started again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType

import msgspec
import psutil

from andon.app.supervisor import end_all_kept
from andon.kernel.errors import Unavailable
from andon.kernel.keeper.control import is_kept, kept
from andon.kernel.titles import role_of
from andon.web.terminal.client import Client, connect
from andon.web.terminal.contexts import Context
from benchmarks.harness.ports import free_stretch

PORTS = 20
"""For environments; the console's comes after them."""
_START_SECONDS = 180.0
_STOP_SECONDS = 60.0


class Service(msgspec.Struct):
    name: str


class Andon:
    """A context manager. Nothing of it is left at the end, whatever happened in between.

    ``up`` is the command that starts it; the default is the program of this Python.
    """

    def __init__(self, *, folder: Path | None = None, settings: dict[str, str] | None = None) -> None:
        self._given = folder
        self._settings = settings or {}
        self._things = ExitStack()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Andon:
        with ExitStack() as things:
            if self._given is None:
                self.folder = Path(tempfile.mkdtemp(prefix="andon-bench-"))
                things.callback(shutil.rmtree, self.folder, ignore_errors=True)
            else:
                self.folder = self._given
            self.data = self.folder / "data"
            self.first_port = free_stretch(PORTS + 1)
            self.port = self.first_port + PORTS
            self.address = f"http://127.0.0.1:{self.port}"
            things.callback(self._end)
            self.start()
            self.token = (self.data / "operator.token").read_text("ascii").strip()
            self.client: Client = things.enter_context(
                connect(Context(url=self.address, token=self.token, source="the benchmark"))
            )
            self._things = things.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._things.close()

    # Its life

    def start(self) -> None:
        """Return once web and worker are up. Raises :class:`Unavailable` with what it said."""
        if self._process is not None:
            self._process.wait()  # the one before, which has been killed or has ended
        told = self.folder / "up.out"
        with told.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "andon", "up", "--json", "--data", str(self.data)],
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_SECONDS
        while b'"address"' not in told.read_bytes():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise Unavailable("Andon did not come up.", remedy=told.read_text("utf-8", "replace")[-2000:])
            time.sleep(0.01)

    def environment(self) -> dict[str, str]:
        """The variables with which its commands are run."""
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("ANDON_")},
            "ANDON_WEB_PORT": str(self.port),
            "ANDON_ENVIRONMENTS_FIRST_PORT": str(self.first_port),
            "ANDON_ENVIRONMENTS_LAST_PORT": str(self.first_port + PORTS - 1),
            # the usual ports of telemetry are for one Andon on a machine; several may be measured side by side
            **{f"ANDON_TELEMETRY_{way}_PORT": "0" for way in ("STATSD", "OTLP", "OTLP_GRPC", "GRAPHITE")},
            **self._settings,
        }

    def roles(self) -> tuple[psutil.Process, ...]:
        """The supervisor, then its roles as far as they run."""
        if self._process is None:
            return ()
        try:
            supervisor = psutil.Process(self._process.pid)
            return (supervisor, *(one for one in supervisor.children(recursive=True) if _role(one)))
        except psutil.NoSuchProcess:
            return ()

    def role(self, name: str) -> psutil.Process:
        """Raises :class:`Unavailable`."""
        found = next((one for one in self.roles()[1:] if _role(one) == name), None)
        if found is None:
            raise Unavailable(f"There is no {name} process.")
        return found

    def keepers(self) -> dict[str, int]:
        """The process of each keeper that lives, by its id: one for Envoy, one for each instance."""
        return {one.id: one.keeper.pid for one in kept(self.data / "keepers") if is_kept(self.data / "keepers", one.id)}

    def kill(self) -> None:
        """SIGKILL for the supervisor and its roles at one moment; keepers and what they keep go on."""
        roles = self.roles()
        if roles:
            roles += tuple(roles[0].children())  # the nursery
        # Stopped first, so that none of them sees another one die.
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for one in roles:
                with suppress(psutil.NoSuchProcess):
                    one.send_signal(number)
        if self._process is not None:
            self._process.wait()
        psutil.wait_procs(list(roles[1:]), timeout=60)

    def stop(self) -> int:
        """SIGTERM, as ``andon down`` sends it; the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(_STOP_SECONDS)

    def _end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.kill()
        end_all_kept(self.data)

    # What it is asked

    def create(self, service: str) -> str:
        """Make a repository; its address for git."""
        self.client.post("/repositories", msgspec.Raw, Service(service))
        return f"{self.address}/git/{service}.git"


def left_behind(folder: Path) -> list[str]:
    """The command lines of processes that have to do with a folder."""
    found = []
    for one in psutil.process_iter(["cmdline"]):
        line = " ".join(one.info["cmdline"] or ())
        if str(folder) in line and one.pid != os.getpid():
            found.append(f"{one.pid} {line}")
    return found


def until(what: Callable[[], bool], says: str, seconds: float = 120.0, every: float = 0.02) -> None:
    """Wait. Raises :class:`Unavailable`."""
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            raise Unavailable(f"It did not happen within {seconds:g} s: {says}.")
        time.sleep(every)


def _role(process: psutil.Process) -> str | None:
    try:
        return role_of(process.cmdline())
    except psutil.Error:
        return None
