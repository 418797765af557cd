"""Whether series were written down since one looked, told between processes without a question to the store.

A graph that draws itself anew every few seconds would look its series up each time, which takes longer than fetching
their samples. So the process that writes them down counts, in a small file that the others map into their memory: one
count for each of some hundred groups of names. Whoever remembers a selection looks at the count before and after.
"""

from __future__ import annotations

import mmap
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from zlib import crc32

_GROUPS = 1024
_BYTES = 8 * _GROUPS


class Editions:
    """The writing side. Everything begins anew with it: what was written before it was killed may not be counted."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # never another file: whoever has mapped this one would wait for it for ever
        self._counts = _mapped(path, os.O_RDWR | os.O_CREAT, mmap.PROT_READ | mmap.PROT_WRITE)
        self._lock = threading.Lock()
        self.turn_all()

    def turn_all(self) -> None:
        """Series of whatever name have been written down."""
        self._turn(range(_GROUPS))

    def turn(self, names: Iterable[str]) -> None:
        """Series of these names have been written down: to be called after that."""
        self._turn({_group(one) for one in names})

    def _turn(self, groups: Iterable[int]) -> None:
        with self._lock:
            for one in groups:
                self._counts[one] += 1


class EditionsRead:
    """The reading side. Before the file is there, nothing may be remembered."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._counts: memoryview | None = None

    def of(self, name: str | None) -> int | None:
        """Another number than before when series of this name (of any, for None) were written down since."""
        if self._counts is None:
            try:
                self._counts = _mapped(self._path, os.O_RDONLY, mmap.PROT_READ)
            except (OSError, ValueError):  # not there yet, or not of its size yet
                return None
        return sum(self._counts) if name is None else self._counts[_group(name)]


def _mapped(path: Path, flags: int, protection: int) -> memoryview:
    """The counts in the file, which live as long as the view of them does."""
    opened = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        if flags & os.O_CREAT:
            os.ftruncate(opened, _BYTES)
        return memoryview(mmap.mmap(opened, _BYTES, flags=mmap.MAP_SHARED, prot=protection)).cast("Q")
    finally:
        os.close(opened)


def _group(name: str) -> int:
    return crc32(name.encode(errors="replace")) % _GROUPS
