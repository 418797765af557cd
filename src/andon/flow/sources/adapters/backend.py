"""One run of git's ``http-backend``: a CGI program, its pipes, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

from andon.flow.sources.git import HOOK_DESCRIPTOR
from andon.flow.sources.model import printable

LARGEST_HEAD = 16 * 1024
"""Bytes of a CGI answer's header."""
CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Head:
    status: int
    headers: tuple[tuple[bytes, bytes], ...]


class Backend:
    """A running ``http-backend``. Made by :meth:`start`; :meth:`finish` must be awaited whatever happens."""

    def __init__(
        self, pid: int, stdin: asyncio.StreamWriter, stdout: asyncio.StreamReader, complaints: BinaryIO
    ) -> None:
        self.pid = pid
        self.stdin = stdin
        self.stdout = stdout
        self._complaints = complaints
        self._status: int | None = None

    @classmethod
    async def start(cls, program: str, environment: Mapping[str, str], hooks: socket.socket | None) -> Backend:
        """Raises ``OSError`` when the machine cannot start another process."""
        complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed by finish()
        to_read, to_write = os.pipe()
        from_read, from_write = os.pipe()
        try:
            pid = await asyncio.to_thread(
                _spawn,
                program,
                environment,
                {0: to_read, 1: from_write, 2: complaints.fileno()}
                | ({} if hooks is None else {HOOK_DESCRIPTOR: hooks.fileno()}),
            )
        except BaseException:
            os.close(to_write)
            os.close(from_read)
            complaints.close()
            raise
        finally:
            os.close(to_read)
            os.close(from_write)
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(CHUNK)
        await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(from_read, "rb", buffering=0)
        )
        transport, protocol = await loop.connect_write_pipe(
            asyncio.streams.FlowControlMixin, os.fdopen(to_write, "wb", buffering=0)
        )
        return cls(pid, asyncio.StreamWriter(transport, protocol, None, loop), reader, complaints)

    async def head(self) -> Head | None:
        """The answer's header; ``None`` when the program ended before it gave one."""
        status = 200
        headers: list[tuple[bytes, bytes]] = []
        size = 0
        while True:
            try:
                line = await self.stdout.readuntil(b"\n")
            except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                return None
            size += len(line)
            if size > LARGEST_HEAD:
                return None
            if not line.strip():
                return Head(status, tuple(headers))
            name, _, value = line.strip().partition(b":")
            if name.lower() == b"status":
                digits = value.split()[:1]
                status = int(digits[0]) if digits and digits[0].isdigit() else 500
            else:
                headers.append((name.lower(), value.strip()))

    async def finish(self, *, patience: float) -> int:
        """Let it end within ``patience`` seconds, else end it and all it has started; its exit status."""
        if self._status is not None:
            return self._status
        with contextlib.suppress(OSError, RuntimeError):
            self.stdin.close()
        ended = asyncio.create_task(self._drain())
        for sign, seconds in ((None, patience), (signal.SIGTERM, 5.0), (signal.SIGKILL, 60.0)):
            if sign is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.pid, sign)
            done, _ = await asyncio.wait({ended}, timeout=seconds)
            if done:
                break
        self._status = await ended
        return self._status

    async def _drain(self) -> int:
        while await self.stdout.read(CHUNK):
            pass
        _, status = await asyncio.to_thread(os.waitpid, self.pid, 0)
        return os.waitstatus_to_exitcode(status)

    def complaint(self) -> str:
        """What git wrote to its error output; hostile text made printable. To be called once, at the end."""
        with self._complaints as file:
            file.seek(0)
            return printable(file.read(4000).decode("utf-8", "replace").strip().replace("\n", "; "))


def _spawn(program: str, environment: Mapping[str, str], descriptors: Mapping[int, int]) -> int:
    # subprocess cannot hand a descriptor down under another number, and a shell's script can only name one digit.
    high = {target: fcntl.fcntl(source, fcntl.F_DUPFD_CLOEXEC, 10) for target, source in descriptors.items()}
    try:
        return os.posix_spawn(
            program,
            [program],
            environment,
            file_actions=[(os.POSIX_SPAWN_DUP2, source, target) for target, source in high.items()],
            setsid=True,
            setsigmask=(),
            setsigdef=(signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGXFSZ),
        )
    finally:
        for source in high.values():
            os.close(source)
