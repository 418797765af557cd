"""One live process per executor id: two that share one would each run the other's steps a second time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from andon.kernel.errors import Conflict


class Lease:
    """A lock that the kernel of the machine gives back when its holder dies, however it dies."""

    def __init__(self, folder: Path, executor: str) -> None:
        self.path = folder / f"{executor}.lock"
        self._executor = executor
        self._handle: int | None = None

    def take(self) -> None:
        """Raises :class:`Conflict`, naming the holder's process, when another process has it."""
        if not self.try_take():
            raise Conflict(
                f"Process {self.holder()} is already at work as {self._executor!r} on {self.path.parent}.",
                safe="Its work goes on undisturbed.",
                remedy="Stop that process first (`andon down`), or give this one another data directory.",
            )

    def try_take(self) -> bool:
        """Take it, or answer ``False`` when another process has it."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        self._handle = handle
        return True

    def holder(self) -> str:
        """The process that has it, as far as can be told."""
        try:
            return self.path.read_text("ascii", "replace").strip() or "unknown"
        except FileNotFoundError:
            return "unknown"

    def give_back(self) -> None:
        # The file stays: removing it would let two processes lock two files of the same name.
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
