"""Keeps room on the data disk: of the jobs under way, the one that takes most ends before the disk is full."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from andon.flow.pipelines.folders import bytes_in
from andon.kernel.errors import Unavailable

_GIB = 1024**3
_EVERY = 0.05
"""Seconds between two looks: at 2 GB/s a job writes 100 MB between them."""


class DiskGuard:
    """``reserve`` bytes stay free for the record, the database and the logs.

    It is 5 % of the disk or 1 GiB, whichever is less, unless given. One guard watches over all jobs of a worker:
    that the disk fills is no one job's doing until one has looked which takes most.
    """

    def __init__(self, folder: Path, *, reserve: int | None = None, free: Callable[[], int] | None = None) -> None:
        self._folder = folder
        self._free = free or self._free_bytes
        if reserve is None:
            found = os.statvfs(folder)
            reserve = min(found.f_frsize * found.f_blocks // 20, _GIB)
        self.reserve = reserve
        self._guard = threading.Lock()
        self._watched: set[Path] = set()
        self._to_end: Path | None = None
        self._looked = 0.0

    def room(self) -> int:
        """Bytes that jobs may still take together; not positive when there is none left."""
        return self._free() - self.reserve

    def require_room(self) -> None:
        """Raises ``Unavailable`` when nothing may be written any more."""
        room = self.room()
        if room <= 0:
            raise Unavailable(
                f"The disk of the data directory is all but full: {(room + self.reserve) // 1024**2} MiB are free.",
                safe="The job was not started.",
                remedy="Make room (andon doctor says what takes it), then retry the job.",
            )

    @contextmanager
    def watch(self, folder: Path) -> Iterator[Callable[[], bool]]:
        """Watch over the job that writes to ``folder``: the answer says whether it has to end."""
        with self._guard:
            self._watched.add(folder)
        try:
            yield lambda: self._must_end(folder)
        finally:
            with self._guard:
                self._watched.discard(folder)
                if self._to_end == folder:
                    self._to_end = None

    def _must_end(self, folder: Path) -> bool:
        with self._guard:
            if self._to_end is None and time.monotonic() - self._looked >= _EVERY:
                self._looked = time.monotonic()
                if self.room() <= 0:
                    # One at a time: when it is gone, the next look says whether that was enough.
                    self._to_end = max(sorted(self._watched), key=bytes_in)
            return self._to_end == folder

    def _free_bytes(self) -> int:
        found = os.statvfs(self._folder)
        return found.f_frsize * found.f_bavail
