"""Runs one sandbox to its end: its output into the log, its time, its end on request."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from andon.kernel.logs.writer import LogWriter
from andon.kernel.sandbox.launch import Sandboxed, launch
from andon.kernel.sandbox.limits import Limiter
from andon.kernel.sandbox.model import Exit, SandboxSpec

GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL."""
_LOOK = 0.05
_PIPE = 1024 * 1024
_CHUNK = 256 * 1024


class Cause(Enum):
    ITSELF = "itself"
    REQUEST = "request"
    TIMEOUT = "timeout"
    DISK = "disk"


@dataclass(frozen=True, slots=True)
class Ended:
    exit: Exit
    cause: Cause
    said: tuple[str, ...]
    """What the launcher told, see :mod:`andon.flow.pipelines.runner.script`."""


class Supervision:
    """What ends a sandbox before it ends by itself."""

    def __init__(
        self,
        *,
        timeout: float,
        stopping: Callable[[], bool],
        disk_full: Callable[[], bool],
        grace: float,
    ) -> None:
        self._deadline = time.monotonic() + timeout
        self._stopping = stopping
        self._disk_full = disk_full
        self._grace = grace
        self._kill_at = 0.0
        self.cause = Cause.ITSELF

    def look(self, sandbox: Sandboxed) -> None:
        """Called every so often while the sandbox runs."""
        if self.cause is Cause.ITSELF:
            if self._stopping():
                self.cause = Cause.REQUEST
            elif self._disk_full():
                # No time to clear up: whatever still writes takes from the last of the disk.
                self.cause = Cause.DISK
                sandbox.kill()
                return
            elif time.monotonic() >= self._deadline:
                self.cause = Cause.TIMEOUT
            else:
                return
            self._kill_at = time.monotonic() + self._grace
            sandbox.terminate()
        elif self._kill_at and time.monotonic() >= self._kill_at:
            self._kill_at = 0.0
            sandbox.kill()


def run_sandbox(
    spec: SandboxSpec,
    *,
    id: str,
    state: Path,
    log: LogWriter,
    supervision: Supervision,
    limiter: Limiter,
    toolchains: tuple[Path, ...],
    on_started: Callable[[], None] | None = None,
) -> Ended:
    """Run ``spec`` to its end. With ``on_started`` the sandbox is a launcher's, and it is called at its word.

    The reading never stalls because of the log: a program must not wait because a disk is full.
    """
    reading, writing = os.pipe2(os.O_CLOEXEC)
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            with suppress(OSError):  # only more than is allowed for all pipes together
                fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, _PIPE)
            try:
                sandbox = launch(
                    spec,
                    id=id,
                    state_dir=state,
                    stdout=writing,
                    stdin=theirs.fileno() if on_started else None,
                    limiter=limiter,
                    extra_toolchains=toolchains,
                )
            except BaseException:
                os.close(writing)
                _pour(reading, log)  # bubblewrap's own words
                os.close(reading)
                raise
            os.close(writing)
        ours.setblocking(False)
        os.set_blocking(reading, False)
        control = _Control(ours, on_started)
        watched = os.pidfd_open(sandbox.pid)
        try:
            poll = select.poll()
            poll.register(reading, select.POLLIN)
            poll.register(watched, select.POLLIN)
            looked = 0.0
            while True:
                ready = {descriptor for descriptor, _ in poll.poll(int(_LOOK * 1000))}
                control.read()
                if reading in ready and not _read(reading, log):
                    poll.unregister(reading)  # everybody has closed it; the program may go on silently
                if watched in ready:
                    break
                now = time.monotonic()
                if now - looked >= _LOOK:
                    looked = now
                    supervision.look(sandbox)
        except BaseException:
            sandbox.kill()
            raise
        finally:
            ended = sandbox.wait()
            control.read()
            _pour(reading, log)
            os.close(reading)
            os.close(watched)
    return Ended(ended, supervision.cause, tuple(control.said))


class _Control:
    def __init__(self, channel: socket.socket, on_started: Callable[[], None] | None) -> None:
        self._channel = channel
        self._on_started = on_started
        self._rest = b""
        self.said: list[str] = []

    def read(self) -> None:
        if self._on_started is None or len(self.said) > 10:
            return
        try:
            self._rest += self._channel.recv(1024)
        except OSError:
            return
        *lines, rest = self._rest.split(b"\n")
        self._rest = rest[-100:]
        for line in lines:
            word = line[:100].decode("ascii", "replace")
            if word == "started" and word not in self.said:
                self._on_started()
            self.said.append(word)


def _read(reading: int, log: LogWriter) -> bool:
    """Take what is there; false at the end."""
    try:
        data = os.read(reading, _CHUNK)
    except BlockingIOError:
        return True
    with suppress(OSError):
        log.write(data)
    return bool(data)


def _pour(reading: int, log: LogWriter) -> None:
    os.set_blocking(reading, False)
    while True:
        try:
            data = os.read(reading, _CHUNK)
        except OSError as error:
            if error.errno == errno.EINTR:
                continue
            return
        if not data:
            return
        with suppress(OSError):
            log.write(data)
