"""Read a log by line numbers, also while it is being written."""

from __future__ import annotations

import bisect
import json
import re
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from andon.kernel.logs.layout import CLOSED, CONTINUES, INDEX, SECTIONS, Segment, segments
from andon.kernel.logs.text import plain

_T = TypeVar("_T")
_GZIP = 31
_PAGE_BYTES = 1024 * 1024


class LineKind(StrEnum):
    """What a line is: text, the rest of a line too long to be stored as one, or a note that lines are missing."""

    TEXT = "text"
    CONTINUED = "continued"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class LogLine:
    """``number`` counts from 0, dropped lines included. ``at_ms`` is when the line began (since 1970).

    ``text`` is what was printed, with its colours (see :mod:`andon.kernel.logs.text`) and without the line end;
    bytes that are not UTF-8 are replaced. ``section`` names the section it is in.
    """

    number: int
    at_ms: int
    text: str
    section: str | None = None
    kind: LineKind = LineKind.TEXT


@dataclass(frozen=True, slots=True)
class LogPage:
    """``next`` is where to go on, ``total`` how many lines there are so far, ``dropped`` how many of them are gone.

    ``complete``: the log is closed, nothing more will come.
    """

    lines: tuple[LogLine, ...]
    next: int
    total: int
    dropped: int
    complete: bool


@dataclass(frozen=True, slots=True)
class Section:
    """A foldable part of the log; it ends where the next begins."""

    name: str
    first_line: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class _Held:
    """A segment's text in memory."""

    data: bytes
    marks: list[tuple[int, int, int, int]]
    lines: int

    def slice(self, start: int, limit: int) -> Iterator[tuple[int, int, bytes, bool]]:
        """(line in the segment, at_ms, text, continues) from ``start`` on."""
        mark = bisect.bisect_right(self.marks, start, key=lambda entry: entry[1]) - 1
        at, line, offset, flags = self.marks[mark] if mark >= 0 else (0, 0, 0, 0)
        while line < start:
            offset = self.data.index(b"\n", offset) + 1
            line += 1
        while line < min(start + limit, self.lines):
            while mark + 1 < len(self.marks) and self.marks[mark + 1][1] <= line:
                mark += 1
                at, _, _, flags = self.marks[mark]
            end = self.data.index(b"\n", offset)
            continues = mark >= 0 and bool(flags & CONTINUES) and self.marks[mark][1] == line
            yield line, at, self.data[offset:end], continues
            offset = end + 1
            line += 1


class LogReader:
    """Reads one log folder; a folder that does not exist (yet) is an empty log. Not shared between threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._closed_held: tuple[Segment, _Held] | None = None
        self._open_held: tuple[Segment, _Held] | None = None

    def lines(self, start: int = 0, limit: int = 1000) -> LogPage:
        """Up to ``limit`` lines (and about 1 MiB) from ``start`` on; a gap is one line of kind DROPPED."""
        return self._steady(lambda: self._page(start, limit))

    def tail(self, count: int = 100) -> LogPage:
        """The last ``count`` lines."""

        def last() -> LogPage:
            total = self._total(self._segments())
            return self._page(max(0, total - count), count)

        return self._steady(last)

    def follow(
        self, start: int = 0, stop: Callable[[], bool] = lambda: False, *, every: float = 0.05
    ) -> Iterator[LogLine]:
        """Lines as they come, until the log is closed or ``stop()`` is true; asked ``every`` seconds when idle.

        An idle look costs two stat calls.
        """
        seen: tuple[object, ...] | None = None
        while not stop():
            state = self._state()
            if state == seen:
                time.sleep(every)
                continue
            seen = state
            page = self.lines(start)
            yield from page.lines
            if page.next > start:
                start = page.next
                seen = None
            elif page.complete:
                return

    def search(self, text: str, limit: int = 100, start: int = 0) -> tuple[LogLine, ...]:
        """The first ``limit`` lines from ``start`` on that hold ``text``, whatever its case, colours left aside."""
        wanted = text.lower()
        found: list[LogLine] = []
        if not wanted or "\n" in wanted:
            return ()
        needle = wanted.encode() if wanted.isascii() else None
        for line in self._scan(start, lambda data: needle is None or b"\x1b" in data or needle in data):
            if wanted in plain(line.text).lower():
                found.append(line)
                if len(found) >= limit:
                    break
        return tuple(found)

    def first_error(self) -> int | None:
        """The number of the first line that looks like an error; None if none does. A guess, and cheap."""
        for line in self._scan(0, lambda data: any(word in data for word in _ERROR_BYTES)):
            if line.kind is LineKind.TEXT and looks_like_error(line.text):
                return line.number
        return None

    def sections(self) -> tuple[Section, ...]:
        """All sections, in order."""
        try:
            data = (self._folder / SECTIONS).read_bytes()
        except FileNotFoundError:
            return ()
        found: list[Section] = []
        for line in data.split(b"\n")[:-1]:  # what follows the last line end is being written
            try:
                entry = json.loads(line)
                found.append(Section(str(entry["name"]), int(entry["line"]), int(entry["at_ms"])))
            except (ValueError, KeyError, TypeError):
                continue
        return tuple(found)

    def gaps(self) -> tuple[tuple[int, int], ...]:
        """(first line, how many) of each run of lines that were dropped."""

        def look() -> tuple[tuple[int, int], ...]:
            found, end = [], 0
            for segment in self._segments():
                if segment.first_line > end:
                    found.append((end, segment.first_line - end))
                count = segment.lines if segment.closed else self._held(segment).lines
                end = segment.first_line + count
            return tuple(found)

        return self._steady(look)

    def _scan(self, start: int, maybe: Callable[[bytes], bool]) -> Iterator[LogLine]:
        """All lines (without notes on dropped ones) of the segments whose text in lower case may hold a hit."""
        number = start
        for _ in range(20):
            try:
                for segment in self._segments():
                    held = self._held(segment)
                    end = segment.first_line + held.lines
                    number = max(number, segment.first_line)
                    if number < end and not maybe(held.data.lower()):
                        number = end
                    while number < end:
                        page = self.lines(number, min(5000, end - number))
                        yield from (line for line in page.lines if line.kind is not LineKind.DROPPED)
                        if page.next <= number:
                            break
                        number = page.next
            except FileNotFoundError:  # closed or dropped since it was listed: list again, go on where we are
                continue
            return

    def _steady(self, read: Callable[[], _T]) -> _T:
        """Read again when the writer has closed or dropped a segment between our listing and our reading."""
        for _ in range(20):
            try:
                return read()
            except FileNotFoundError:
                continue
        return read()

    def _page(self, start: int, limit: int) -> LogPage:
        complete = (self._folder / CLOSED).exists()
        found = self._segments()
        sections = self.sections()
        starts = [section.first_line for section in sections]
        lines: list[LogLine] = []
        number = max(0, start)
        dropped = end = end_byte = size = 0
        for segment in found:
            gap, gap_bytes = segment.first_line - end, segment.first_byte - end_byte
            dropped += gap
            if gap and number < segment.first_line and len(lines) < limit:
                note = f"{gap:,} lines ({_bytes(gap_bytes)}) were left out here: the log is longer than what is kept."
                lines.append(LogLine(max(number, end), 0, note, None, LineKind.DROPPED))
                number = segment.first_line
            count = segment.lines if segment.closed else self._held(segment).lines
            end = segment.first_line + count
            if number >= segment.first_line and number < end and len(lines) < limit:
                held = self._held(segment)
                for line, at, data, continues in held.slice(number - segment.first_line, limit - len(lines)):
                    number = segment.first_line + line
                    place = bisect.bisect_right(starts, number) - 1
                    lines.append(
                        LogLine(
                            number,
                            at,
                            data.decode("utf-8", "replace"),
                            sections[place].name if place >= 0 else None,
                            LineKind.CONTINUED if continues else LineKind.TEXT,
                        )
                    )
                    number += 1
                    size += len(data)
                    if size > _PAGE_BYTES:
                        limit = len(lines)
                        break
            end_byte = segment.first_byte + (segment.size if segment.closed else len(self._held(segment).data))
        return LogPage(tuple(lines), number, end, dropped, complete)

    def _segments(self) -> list[Segment]:
        try:
            return segments(str(self._folder))
        except FileNotFoundError:
            return []

    def _total(self, found: list[Segment]) -> int:
        if not found:
            return 0
        last = found[-1]
        return last.first_line + (last.lines if last.closed else self._held(last).lines)

    def _held(self, segment: Segment) -> _Held:
        stem = self._folder / segment.stem
        if segment.closed:
            if self._closed_held is None or self._closed_held[0] != segment:
                data = zlib.decompress(stem.with_name(stem.name + ".gz").read_bytes(), _GZIP)
                marks = zlib.decompress(stem.with_name(stem.name + ".idz").read_bytes(), _GZIP)
                self._closed_held = (segment, _Held(data, _marks(marks), segment.lines))
            return self._closed_held[1]
        text = stem.with_name(stem.name + ".log")
        size = text.stat().st_size
        if self._open_held is None or self._open_held[0] != segment or len(self._open_held[1].data) > size:
            self._open_held = (segment, _Held(b"", [], 0))
        before = self._open_held[1]
        if len(before.data) < size:
            with text.open("rb") as file:
                file.seek(len(before.data))
                data = before.data + file.read()
            # after the text: a mark is written before the text it tells of
            marks = stem.with_name(stem.name + ".idx").read_bytes()
            whole = data.rfind(b"\n") + 1
            held = [mark for mark in _marks(marks) if mark[2] < whole]
            self._open_held = (segment, _Held(data, held, data.count(b"\n")))
        return self._open_held[1]

    def _state(self) -> tuple[object, ...]:
        """Changes whenever there may be something new."""
        try:
            folder = self._folder.stat()
            open_ = self._open_held
            size = (self._folder / f"{open_[0].stem}.log").stat().st_size if open_ else -1
        except FileNotFoundError:
            return (time.monotonic(),) if self._folder.exists() else ()
        return (folder.st_mtime_ns, size)


def _marks(data: bytes) -> list[tuple[int, int, int, int]]:
    whole = len(data) // INDEX.size * INDEX.size
    return [(at, line, offset, flags) for at, line, offset, flags in INDEX.iter_unpack(data[:whole])]


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


_ERROR = re.compile(
    r"\b(?:error|errors|exception|traceback|fatal|panic|panicked|failed|failure|failures|segfault"
    r"|segmentation fault|command not found|no such file|cannot|assertionerror|killed|out of memory)\b"
    r"|[a-z]error:|[a-z]exception:",
    re.IGNORECASE,
)
# every alternative above holds one of these: plain searches are ten times faster
_ERROR_WORDS = (
    *("error", "exception", "traceback", "fatal", "panic", "fail", "segfault", "segmentation", "not found"),
    *("no such file", "cannot", "killed", "out of memory"),
)
_ERROR_BYTES = tuple(word.encode() for word in _ERROR_WORDS)
_HARMLESS = re.compile(
    r"\b(?:0|no|without)\s+(?:errors?|failures?|failed|exceptions?)\b|\b(?:errors?|failures?|failed)\s*[:=]\s*0\b",
    re.IGNORECASE,
)


def looks_like_error(text: str) -> bool:
    """Whether a line reads like the report of a failure: "error", "Traceback", "failed", but not "0 errors"."""
    text = text[:2000]
    lower = text.lower()
    if not any(word in lower for word in _ERROR_WORDS):
        return False
    return bool(_ERROR.search(_HARMLESS.sub("", plain(text))))
