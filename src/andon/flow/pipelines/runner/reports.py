"""Reads JUnit reports. A report comes from a job, so it may be anything: bombs, a million cases, endless messages.

The file is read as a stream with a fixed amount of memory; a document type (and with it every entity) is refused.
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from xml.parsers import expat

from andon.flow.pipelines.model import TestCase, TestState
from andon.kernel.globs import Globs
from andon.kernel.logs.text import plain

MOST_CASES = 20_000
"""Of one job; what comes behind is left out, with a note."""
MOST_BYTES = 64 * 1024**2
MOST_FILES = 500
MOST_DEPTH = 64
_NAME = 400
_MESSAGE = 8_000
_CHUNK = 64 * 1024
_ENDINGS = {"failure": TestState.FAILED, "error": TestState.ERROR, "skipped": TestState.SKIPPED}


class _Refused(Exception):
    """The file is no report that can be read; the words are for the log."""


def read_reports(
    folder: Path, patterns: Sequence[str], *, unchanged_in: Path | None = None
) -> Iterator[TestCase | str]:
    """The cases of all reports below ``folder`` that match, and notes (as ``str``) for the log.

    Nobody may write to ``folder`` meanwhile. A file that stands with the same size and time in ``unchanged_in``
    (the commit's tree) is not this job's report.
    """
    chosen = Globs(patterns)
    names = [name for name in sorted(_files(folder)) if chosen.match(name)]
    if unchanged_in is not None:
        names = [name for name in names if not _same(folder / name, unchanged_in / name)]
    if not names:
        yield f"No report matches {', '.join(patterns)}."
    if len(names) > MOST_FILES:
        yield f"{len(names)} reports match; only the first {MOST_FILES} are read."
    left = MOST_CASES
    for name in names[:MOST_FILES]:
        reader = _Reader(left)
        try:
            _read(folder / name, reader)
        except (_Refused, OSError, expat.ExpatError) as error:
            yield f"{plain(name)} is not a JUnit report that can be read: {plain(str(error))}."
        yield from reader.cases
        left -= len(reader.cases)
        if reader.full:
            yield f"There are more than {MOST_CASES:,} test cases; the rest is left out."
            return


def _files(top: Path) -> Iterator[str]:
    pending = [""]
    while pending:
        prefix = pending.pop()
        try:
            with os.scandir(top / prefix) as entries:
                for entry in entries:
                    name = prefix + entry.name
                    if entry.is_dir(follow_symlinks=False):
                        if entry.name != ".git":
                            pending.append(name + "/")
                    elif entry.is_file(follow_symlinks=False):
                        yield name
        except OSError:
            continue  # a folder closed to us, or nested deeper than a path may be long: no report is in there


def _same(one: Path, other: Path) -> bool:
    try:
        here, there = one.lstat(), other.lstat()
    except OSError:
        return False
    return (here.st_size, here.st_mtime_ns) == (there.st_size, there.st_mtime_ns)


def _read(path: Path, reader: _Reader) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise _Refused("it is not a file")
        if found.st_size > MOST_BYTES:
            raise _Refused(f"it has {found.st_size // 1024**2} MiB, more than {MOST_BYTES // 1024**2}")
        while not reader.full and (chunk := file.read(_CHUNK)):
            reader.feed(chunk)
        if not reader.full:
            reader.feed(b"", last=True)


class _Reader:
    """Takes a report in pieces. ``full`` once it has as many cases as it may."""

    def __init__(self, most: int) -> None:
        self.cases: list[TestCase] = []
        self.full = False
        self._most = most
        self._suites: list[str] = []
        self._depth = 0
        self._case: Mapping[str, str] | None = None
        self._state = TestState.PASSED
        self._message = ""
        self._in_text = False
        parser = expat.ParserCreate(namespace_separator=None)
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        self._parser = parser

    def feed(self, chunk: bytes, *, last: bool = False) -> None:
        self._parser.Parse(chunk, last)

    @staticmethod
    def _doctype(*_what: object) -> None:
        raise _Refused("it declares a document type, which Andon does not read")

    def _start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise _Refused(f"its elements are nested more than {MOST_DEPTH} deep")
        if tag == "testsuite":
            self._suites.append(attributes.get("name", ""))
        elif tag == "testcase":
            self._case, self._state, self._message = attributes, TestState.PASSED, ""
        elif self._case is not None and tag in _ENDINGS:
            # A case may bear an error of its teardown beside its failure: the first one names the state.
            if self._state is TestState.PASSED:
                self._state = _ENDINGS[tag]
            self._add(attributes.get("message", ""))
            self._in_text = True

    def _end(self, tag: str) -> None:
        self._depth -= 1
        if tag == "testsuite" and self._suites:
            self._suites.pop()
        elif tag in _ENDINGS:
            self._in_text = False
        elif tag == "testcase" and self._case is not None:
            self._keep(self._case)
            self._case = None

    def _text(self, text: str) -> None:
        if self._in_text:
            self._add(text if self._message.endswith("\n") else "\n" + text)

    def _add(self, text: str) -> None:
        if len(self._message) < _MESSAGE:
            self._message += text[: _MESSAGE - len(self._message)]

    def _keep(self, case: Mapping[str, str]) -> None:
        if len(self.cases) >= self._most:
            self.full = True
            return
        suite = case.get("classname") or next((one for one in reversed(self._suites) if one), "")
        lines = self._message.strip().splitlines()
        self.cases.append(
            TestCase(
                suite=_name(suite),
                name=_name(case.get("name", "")) or "unnamed",
                state=self._state,
                seconds=_seconds(case.get("time", "")),
                message="\n".join(plain(line) for line in lines),
            )
        )


def _name(text: str) -> str:
    return plain(text[:_NAME].replace("\n", " "))


def _seconds(text: str) -> float:
    try:
        found = float(text[:40].replace(",", ""))
    except ValueError:
        return 0.0
    return min(max(found, 0.0), 1e9) if math.isfinite(found) else 0.0
