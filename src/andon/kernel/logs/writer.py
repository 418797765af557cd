"""Write a log: any bytes in, bounded compressed segments out."""

from __future__ import annotations

import json
import os
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress

from andon.kernel.logs.layout import CLOSED, CONTINUES, INDEX, MAX_LINE, SECTIONS, Segment, segments
from andon.kernel.logs.mask import Mask

_MIB = 1024 * 1024
# a segment with more moments than this is closed early: an index must not outgrow its text
_MOST_RECORDS = 16384
_MOST_SECTIONS = 10_000
_GZIP = 31  # zlib's "window bits" for the gzip format


class LogWriter:
    """The one writer of a log folder (who owns the folder makes sure that there is no second one).

    ``head`` and ``tail`` are bytes of raw text kept from the beginning and from the end; ``segment`` is the raw
    size after which a piece is compressed. ``clock`` gives seconds since 1970. ``mask`` are secret values (see
    :class:`andon.kernel.logs.mask.Mask`). A folder that exists is continued: what an interrupted writer left of
    an unfinished line becomes a line of its own.

    Every byte given to :meth:`write` is in the file when it returns (not synced: a power cut may lose the end),
    except the few that a mask holds back.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        head: int = 32 * _MIB,
        tail: int = 32 * _MIB,
        segment: int = _MIB,
        clock: Callable[[], float] = time.time,
        mask: Sequence[bytes] = (),
    ) -> None:
        self._folder = os.fspath(folder)
        self._head, self._tail, self._limit = head, tail, segment
        self._clock = clock
        self._mask = Mask(mask) if mask else None
        self._kept: list[Segment] = []
        self._sections = 0
        self._data = self._index = -1
        self._marked = False  # the line about to begin has its record, which says that it continues another
        os.makedirs(self._folder, mode=0o700, exist_ok=True)  # noqa: PTH103 - keepers do without pathlib
        self._recover()

    # What is in the open segment: whole lines, bytes, bytes of the unfinished line, index records.
    _open: Segment
    _lines: int
    _size: int
    _partial: int
    _records: int
    _last_ms: int

    def write(self, data: bytes) -> None:
        """Append bytes as they came. Raises OSError (a full disk): then the log is as it was up to some line."""
        if self._mask is not None:
            data = self._mask.feed(data)
        if data:
            self._append(data)

    def section(self, name: str) -> None:
        """What follows belongs to a foldable section with this name, until the next one begins."""
        self._end_line()
        if self._sections >= _MOST_SECTIONS:
            return
        self._sections += 1
        entry = {"line": self._open.first_line + self._lines, "at_ms": self._now(), "name": name[:200]}
        fd = self._file(SECTIONS, os.O_APPEND)
        try:
            os.write(fd, json.dumps(entry).encode() + b"\n")
        finally:
            os.close(fd)

    def close(self) -> None:
        """End the log: readers that follow it stop. Safe to repeat."""
        if self._data < 0:
            return
        self._end_line()
        if self._size:
            self._compress()
        else:
            self._drop_open()
        os.close(self._file(CLOSED))

    @property
    def lines(self) -> int:
        """How many lines have been begun so far."""
        return self._open.first_line + self._lines + (1 if self._partial else 0)

    def _append(self, data: bytes) -> None:
        view = memoryview(data)
        position = 0
        while position < len(data):
            end = min(position + MAX_LINE, len(data))
            first = data.find(b"\n", position, end)
            length = (end if first < 0 else first) - position
            if self._partial + length > MAX_LINE:
                end = position + MAX_LINE - self._partial
                self._put(view[position:end], -1)
                self._put(memoryview(b"\n"), 0)
                if self._size >= self._limit:  # a line without an end must not make a segment without one
                    self._roll()
                self._mark(self._lines, self._size, self._now(), CONTINUES)
                self._marked = True
            elif self._size + end - position >= self._limit and first >= 0:
                end = data.rindex(b"\n", position, end) + 1
                self._put(view[position:end], first - position)
                self._roll()
            else:
                self._put(view[position:end], first - position if first >= 0 else -1)
            if self._records >= _MOST_RECORDS and not self._partial:
                self._roll()
            position = end

    def _put(self, chunk: memoryview, first: int) -> None:
        """Write at most MAX_LINE bytes; ``first`` is where the first line end in it is, -1 for none."""
        if not chunk:
            return
        now = self._now()
        if now != self._last_ms:
            if not self._partial and not self._marked:
                self._mark(self._lines, self._size, now)
            elif 0 <= first < len(chunk) - 1:
                self._mark(self._lines + 1, self._size + first + 1, now)
        self._store(self._data, chunk, self._size)
        self._marked = False
        data = bytes(chunk)
        self._lines += data.count(b"\n")
        self._size += len(data)
        last = data.rfind(b"\n")
        self._partial = self._partial + len(data) if last < 0 else len(data) - last - 1

    def _mark(self, line: int, offset: int, now: int, flags: int = 0) -> None:
        self._store(self._index, memoryview(INDEX.pack(now, line, offset, flags)), self._records * INDEX.size)
        self._records += 1
        self._last_ms = now

    @staticmethod
    def _store(fd: int, chunk: memoryview, size: int) -> None:
        """Append all or nothing, as far as the file system lets us."""
        try:
            while chunk:
                chunk = chunk[os.write(fd, chunk) :]
        except OSError:
            with suppress(OSError):
                os.ftruncate(fd, size)
            raise

    def _end_line(self) -> None:
        if self._mask is not None and (held := self._mask.flush()):
            self._append(held)
        if self._partial:
            self._put(memoryview(b"\n"), 0)

    def _now(self) -> int:
        return int(self._clock() * 1000)

    def _file(self, name: str, flags: int = 0) -> int:
        options = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        return os.open(f"{self._folder}/{name}", options | flags, 0o600)

    def _start(self, sequence: int, line: int, byte: int) -> None:
        self._open = Segment(sequence, line, byte, -1, -1)
        self._data = self._file(f"{self._open.stem}.log", os.O_APPEND)
        self._index = self._file(f"{self._open.stem}.idx", os.O_APPEND)
        self._lines = self._size = self._partial = self._records = 0
        self._last_ms = -1

    def _roll(self) -> None:
        """Close the open segment, start the next, and let go of the oldest of the tail."""
        next_ = (self._open.sequence + 1, self._open.first_line + self._lines, self._open.first_byte + self._size)
        self._compress()
        self._start(*next_)
        tail = [segment for segment in self._kept if segment.first_byte >= self._head]
        excess = sum(segment.size for segment in tail) - self._tail
        for segment in tail:
            if excess <= 0:
                break
            for ending in (".gz", ".idz"):
                with suppress(FileNotFoundError):
                    os.unlink(f"{self._folder}/{segment.stem}{ending}")  # noqa: PTH108 - keepers do without pathlib
            self._kept.remove(segment)
            excess -= segment.size

    def _compress(self) -> None:
        closed = self._open._replace(lines=self._lines, size=self._size)
        for fd, ending in ((self._index, ".idz"), (self._data, ".gz")):  # .gz last: with it the segment is closed
            size = os.fstat(fd).st_size
            packer = zlib.compressobj(1, zlib.DEFLATED, _GZIP)
            draft = self._file("draft", os.O_TRUNC)
            try:
                for part in (packer.compress(os.pread(fd, size, 0)), packer.flush()):
                    view = memoryview(part)
                    while view:
                        view = view[os.write(draft, view) :]
            finally:
                os.close(draft)
            os.rename(f"{self._folder}/draft", f"{self._folder}/{closed.stem}{ending}")  # noqa: PTH104 - keepers do without pathlib
        self._kept.append(closed)
        self._drop_open()

    def _drop_open(self) -> None:
        os.close(self._data)
        os.close(self._index)
        self._data = self._index = -1
        _remove_open(self._folder, self._open)

    def _recover(self) -> None:
        """Go on where the folder ends, whatever state its last writer left it in."""
        with suppress(FileNotFoundError):
            os.unlink(f"{self._folder}/{CLOSED}")  # noqa: PTH108 - keepers do without pathlib
        with suppress(FileNotFoundError), open(f"{self._folder}/{SECTIONS}", "rb") as file:  # noqa: PTH123 - keepers do without pathlib
            self._sections = file.read().count(b"\n")
        found = segments(self._folder)
        self._kept = [segment for segment in found if segment.closed]
        for segment in self._kept:
            _remove_open(self._folder, segment._replace(lines=-1, size=-1))
        if not found:
            self._start(0, 0, 0)
        elif found[-1].closed:
            last = found[-1]
            self._start(last.sequence + 1, last.first_line + last.lines, last.first_byte + last.size)
        else:
            self._resume(found[-1])

    def _resume(self, segment: Segment) -> None:
        self._start(segment.sequence, segment.first_line, segment.first_byte)
        self._size = os.fstat(self._data).st_size
        data = os.pread(self._data, self._size, 0)
        self._lines = data.count(b"\n")
        self._partial = self._size - data.rfind(b"\n") - 1
        marks = os.pread(self._index, os.fstat(self._index).st_size, 0)
        whole = len(marks) // INDEX.size
        while whole and INDEX.unpack_from(marks, (whole - 1) * INDEX.size)[2] > self._size:
            whole -= 1
        os.ftruncate(self._index, whole * INDEX.size)
        self._records = whole
        self._end_line()
        if self._size >= self._limit:
            self._roll()


def _remove_open(folder: str, segment: Segment) -> None:
    for ending in (".log", ".idx"):
        with suppress(FileNotFoundError):
            os.unlink(f"{folder}/{segment.stem}{ending}")  # noqa: PTH108 - keepers do without pathlib


def pump(fd: int, writer: LogWriter) -> int:
    """Read a pipe until its end and write all of it; how many bytes came. The descriptor stays open.

    A write that fails (a full disk) loses its chunk but not the reading: the program at the other end of the pipe
    must not stall because of its log.
    """
    count = 0
    while data := os.read(fd, MAX_LINE):
        count += len(data)
        with suppress(OSError):
            writer.write(data)
    return count
