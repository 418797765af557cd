"""Looks a service's code through for the names of its flags."""

from __future__ import annotations

import re
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from andon.flow.flags.contract import FLAGS_FILE
from andon.flow.flags.model.stale import Reference
from andon.flow.sources.contract import CommitHash, Service, Sources

MOST_FILES = 50_000
LARGEST_FILE = 1024 * 1024
MOST_BYTES = 512 * 2**20
MOST_REFERENCES = 200
"""Of one flag."""
LONGEST_LINE = 300
MOST_AGED = 20
"""Files whose lines are asked for their age, of one flag: each is a process of git."""
_REMEMBERED = 32
_LEFT_OUT = frozenset({"node_modules", ".git", "vendor", "dist", "build", "__pycache__"})


@dataclass(frozen=True, slots=True)
class Search:
    found: dict[str, tuple[Reference, ...]]
    complete: bool
    """Whether every file was looked at."""


def search(sources: Sources, service: Service, commit: CommitHash, names: Iterable[str]) -> Search:
    """Lines that hold a name as a word of its own, by name; files that are no text are passed over."""
    wanted = sorted(set(names))
    if not wanted:
        return Search({}, True)
    with tempfile.TemporaryDirectory(prefix="andon-flags-") as folder:
        root = Path(folder) / "tree"
        sources.export(service, commit, root)
        return looked(root, wanted)


def looked(root: Path, names: Iterable[str]) -> Search:
    """The same, in files on the disk."""
    wanted = sorted(set(names), key=len, reverse=True)
    # one pass for all names; the longest first, so that none is found inside another
    pattern = re.compile(rb"(?<![\w.-])(" + b"|".join(re.escape(one.encode()) for one in wanted) + rb")(?![\w-])")
    found: dict[str, list[Reference]] = {}
    complete, files, read = True, 0, 0
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root)
        if path.is_symlink() or not path.is_file() or _LEFT_OUT.intersection(inside.parts):
            continue
        size = path.stat().st_size
        files, read = files + 1, read + size
        if files > MOST_FILES or read > MOST_BYTES:
            return Search(_kept(found), False)
        if size > LARGEST_FILE:
            complete = False
            continue
        if str(inside) == FLAGS_FILE:
            continue
        content = path.read_bytes()
        if b"\0" in content[:8192] or pattern.search(content) is None:
            continue
        for number, line in enumerate(content.split(b"\n"), 1):
            for match in {one[1] for one in pattern.finditer(line)}:
                lines = found.setdefault(match.decode(), [])
                if len(lines) < MOST_REFERENCES:
                    text = line.strip()[:LONGEST_LINE].decode("utf-8", "replace")
                    lines.append(Reference(str(inside), number, text))
    return Search(_kept(found), complete)


def _kept(found: dict[str, list[Reference]]) -> dict[str, tuple[Reference, ...]]:
    return {name: tuple(lines) for name, lines in found.items()}


@dataclass(frozen=True, slots=True)
class Aged:
    """A reference, and when its line was last changed; ``None`` where that was not looked up."""

    reference: Reference
    at: datetime | None


class Remembered:
    """Searches of the newest commits: a commit never changes, and looking through one takes its time. Safe to share."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._found: OrderedDict[tuple[Service, CommitHash], tuple[frozenset[str], Search]] = OrderedDict()
        self._aged: OrderedDict[tuple[Service, CommitHash, str], tuple[Aged, ...]] = OrderedDict()
        self._guard = threading.Lock()
        self._looking = threading.Lock()

    def known(self, service: Service, commit: CommitHash, names: Iterable[str]) -> Search | None:
        """What was found before, without looking."""
        with self._guard:
            found = self._found.get((service, commit))
        return found[1] if found is not None and found[0].issuperset(names) else None

    def search(self, service: Service, commit: CommitHash, names: Iterable[str]) -> Search:
        """As :func:`search`; one at a time, since each has a whole tree on the disk."""
        wanted = frozenset(names)
        with self._looking:
            found = self.known(service, commit, wanted)
            if found is None:
                found = search(self._sources, service, commit, wanted)
                with self._guard:
                    self._found[service, commit] = (wanted, found)
                    while len(self._found) > _REMEMBERED:
                        self._found.popitem(last=False)
        return found

    def aged(self, service: Service, commit: CommitHash, name: str, found: Iterable[Reference]) -> tuple[Aged, ...]:
        """With the age of their lines."""
        key = (service, commit, name)
        with self._guard:
            known = self._aged.get(key)
        if known is not None:
            return known
        references = tuple(found)
        files: dict[str, list[int]] = {}
        for one in references:
            files.setdefault(one.path, []).append(one.line)
        ages: dict[tuple[str, int], datetime] = {}
        for path, lines in list(files.items())[:MOST_AGED]:
            for line, at in self._sources.written(service, commit, path, lines).items():
                ages[path, line] = at
        listed = tuple(Aged(one, ages.get((one.path, one.line))) for one in references)
        with self._guard:
            self._aged[key] = listed
            while len(self._aged) > _REMEMBERED * 32:
                self._aged.popitem(last=False)
        return listed
