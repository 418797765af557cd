"""Reading on in a log that is being written, for a few microseconds a look.

:class:`andon.kernel.logs.reader.LogReader` answers questions about any part of a log and keeps its last piece in memory
for that. Here hundreds of logs are followed at once, so a log is a place in a file: an idle look is one ``stat``, a new
line costs the reading of that line.
"""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass
from pathlib import Path

from andon.kernel.logs.layout import CLOSED, CONTINUES, INDEX, Segment, segments

_GZIP = 31
_MOST_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class TailLine:
    number: int
    """From 0, lines that are gone included."""
    at: int
    """When it began, in microseconds since 1970."""
    text: str
    continues: bool = False
    """It is the rest of the line before, which was too long to be kept as one."""
    gone: int = 0
    """Not a line: so many before this one's place are not kept any more."""


class Tail:
    """``next`` is the number of the line to go on with. A folder that is not there yet is an empty log."""

    def __init__(self, folder: Path, next_line: int = 0) -> None:
        self.folder = folder
        self.next = next_line
        self._segment: Segment | None = None
        self._offset = 0  # of the line `next` in the open segment
        self._marks = 0  # records of its index that are behind us
        self._at = 0
        self._size = -1
        self.complete = False
        """Everything has been read and nothing more will come, unless somebody opens it again."""

    def read(self, most: int) -> list[TailLine]:
        """The next lines, at most so many and about a megabyte; none when there are none by now."""
        for _ in range(20):
            try:
                if self._segment is not None and not self._segment.closed:
                    return self._read_open(most)
                return self._read_any(most)
            except FileNotFoundError:
                self._segment = None  # closed, or dropped, since it was listed
        return []

    def _read_open(self, most: int) -> list[TailLine]:
        assert self._segment is not None  # noqa: S101 - looked at by the caller
        stem = f"{self.folder}/{self._segment.stem}"
        size = os.stat(f"{stem}.log").st_size  # noqa: PTH116 - hundreds of them, several times a second
        if size == self._size:
            return []
        began = self._offset
        with open(f"{stem}.log", "rb") as file:  # noqa: PTH123 - as above
            file.seek(began)
            data = file.read(_MOST_BYTES)
        # after the text: a mark is written before the text it tells of
        with open(f"{stem}.idx", "rb") as file:  # noqa: PTH123 - as above
            file.seek(self._marks * INDEX.size)
            marks = file.read()
        found = self._lines(self._segment, data, marks, most)
        # only when all of it has been taken is there nothing to do until it grows
        self._size = size if len(found) < most and began + len(data) >= size else -1
        return found

    def _read_any(self, most: int) -> list[TailLine]:
        """Find where the line is, whatever has become of the segments meanwhile."""
        self._segment = None
        # looked at first: what is written before it is closed is then in the list
        closed = (self.folder / CLOSED).exists()
        self.complete = False
        try:
            listed = segments(str(self.folder))
        except FileNotFoundError:
            return []  # not there yet, or not any more
        for one in listed:
            if one.closed and one.first_line + one.lines <= self.next:
                continue
            found: list[TailLine] = []
            if one.first_line > self.next:
                gone = one.first_line - self.next
                note = f"{gone:,} lines were left out here: the log is longer than what is kept."
                found.append(TailLine(one.first_line - 1, self._at, note, gone=gone))
                self.next = one.first_line
            stem = f"{self.folder}/{one.stem}"
            if not one.closed:
                self._segment, self._size = one, -1
                self._begin(one, b"" if self.next == one.first_line else Path(f"{stem}.log").read_bytes())
                return found + self._read_open(most - len(found))
            data = zlib.decompress(Path(f"{stem}.gz").read_bytes(), _GZIP)
            marks = zlib.decompress(Path(f"{stem}.idz").read_bytes(), _GZIP)
            self._begin(one, data)
            return found + self._lines(one, data[self._offset :], marks, most - len(found))
        self.complete = closed
        return []

    def _begin(self, segment: Segment, data: bytes) -> None:
        """Put the place at the line ``next`` of this segment."""
        self._offset = self._marks = self._at = 0
        for _ in range(self.next - segment.first_line):
            end = data.find(b"\n", self._offset)
            if end < 0:
                break
            self._offset = end + 1

    def _lines(self, segment: Segment, data: bytes, marks: bytes, most: int) -> list[TailLine]:
        """Take whole lines off ``data``, which begins with the line ``next``."""
        records = list(INDEX.iter_unpack(marks[: len(marks) // INDEX.size * INDEX.size]))
        found: list[TailLine] = []
        place = used = 0
        while len(found) < most:
            end = data.find(b"\n", place)
            if end < 0:
                break
            line = self.next - segment.first_line
            continues = False
            while used < len(records) and records[used][1] <= line:
                self._at = records[used][0] * 1000
                continues = records[used][1] == line and bool(records[used][3] & CONTINUES)
                used += 1
            found.append(TailLine(self.next, self._at, data[place:end].decode("utf-8", "replace"), continues))
            self.next += 1
            place = end + 1
        self._offset += place
        self._marks += used
        return found
