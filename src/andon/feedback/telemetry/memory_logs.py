"""Lines of logs that are held in memory: for tests, and as the contract's plain meaning."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from andon.feedback.telemetry.contract.logs import (
    Cursor,
    Found,
    LogCount,
    LogLine,
    LogQuery,
    Template,
)
from andon.feedback.telemetry.contract.metrics import Sight
from andon.feedback.telemetry.contract.searching import Matching
from andon.feedback.telemetry.store.templates import Templates
from andon.flow.sources.contract import Service
from andon.kernel.errors import Unavailable

_PATIENCE = 0.25


class MemoryLogs:
    """Implements :class:`~andon.feedback.telemetry.contract.logs.LogStore`; every question looks at all lines.

    ``down`` makes it answer as a store does that is not there. Safe to use from every thread.
    """

    def __init__(self, lines: Iterable[LogLine] = ()) -> None:
        self.down = False
        self._lines: list[LogLine] = []
        self._templates = Templates()
        self._known: dict[int, Template] = {}
        self._grown = threading.Condition()
        self.add(*lines)

    def add(self, *lines: LogLine) -> None:
        """Take lines in; each gets the pattern that it is one of, as in the store."""
        with self._grown:
            ids, new = self._templates.assign(lines)
            self._known |= {one.id: one for one in new}
            self._lines += [replace(line, template=id_) for line, id_ in zip(lines, ids, strict=True)]
            self._grown.notify_all()

    def search(self, query: LogQuery, *, sight: Sight, limit: int = 200, before: Cursor | None = None) -> Found:
        found = [
            (line.time, tie, line)
            for tie, line in self._fitting(query, sight)
            if before is None or (line.time, tie) < (before.time, before.tie)
        ]
        found.sort(key=lambda one: one[:2], reverse=True)
        shown = found[:limit]
        older = Cursor(time=shown[-1][0], tie=shown[-1][1]) if len(found) > limit else None
        return Found(lines=tuple(line for _, _, line in shown), older=older)

    def histogram(self, query: LogQuery, *, sight: Sight, buckets: int = 60) -> tuple[LogCount, ...]:
        width = max(1, -(-(query.end - query.start) // buckets))
        counted = Counter(
            (query.start + (line.time - query.start) // width * width, line.severity)
            for _, line in self._fitting(query, sight)
        )
        return tuple(
            LogCount(time=time, severity=severity, lines=count) for (time, severity), count in sorted(counted.items())
        )

    def facets(self, query: LogQuery, field: str, *, sight: Sight, limit: int = 20) -> Mapping[str, int]:
        counted = Counter(value_of(line, field) for _, line in self._fitting(query, sight))
        del counted["0" if field == "template" else ""]
        return dict(sorted(counted.items(), key=lambda one: (-one[1], one[0]))[:limit])

    def around(self, line: LogLine, *, sight: Sight, lines: int = 20) -> Sequence[LogLine]:
        def same(one: LogLine) -> bool:
            if line.origin:
                return one.origin == line.origin
            return (one.service, one.environment, one.instance) == (line.service, line.environment, line.instance)

        with self._grown:
            self._answer()
            said = sorted((one for one in self._lines if same(one) and _is_seen(one, sight)), key=lambda one: one.time)
        before = [one for one in said if one.time < line.time][-lines:]
        after = [one for one in said if one.time > line.time][:lines]
        return [*before, *(one for one in said if one.time == line.time), *after]

    def follow(self, query: LogQuery, *, sight: Sight) -> Iterator[tuple[LogLine, ...]]:
        matching = Matching(query.terms, query.at_least)
        with self._grown:
            self._answer()
            seen = len(self._lines)
        while True:
            with self._grown:
                if len(self._lines) == seen:
                    self._grown.wait(_PATIENCE)
                self._answer()
                fresh, seen = self._lines[seen:], len(self._lines)
            yield tuple(one for one in fresh if one.time >= query.start and _is_seen(one, sight) and matching.fits(one))

    def templates(self, query: LogQuery, *, sight: Sight, limit: int = 200) -> tuple[Template, ...]:
        counted = Counter(line.template for _, line in self._fitting(query, sight))
        found = [replace(self._known[id_], lines=count) for id_, count in counted.items() if id_ in self._known]
        return tuple(sorted(found, key=lambda one: (-one.lines, one.id))[:limit])

    def _fitting(self, query: LogQuery, sight: Sight) -> list[tuple[int, LogLine]]:
        """Lines with their number, in the order in which they came."""
        matching = Matching(query.terms, query.at_least)
        with self._grown:
            self._answer()
            return [
                (number, line)
                for number, line in enumerate(self._lines)
                if query.start <= line.time < query.end and _is_seen(line, sight) and matching.fits(line)
            ]

    def _answer(self) -> None:
        if self.down:
            raise Unavailable(
                "The telemetry store does not answer.",
                safe="What it has taken in is kept.",
                remedy="See what it says of itself: andon status",
            )


def value_of(line: LogLine, field: str) -> str:
    """A line's own field, or one that came with it; empty where there is none."""
    match field:
        case "service" | "environment" | "version" | "instance" | "trace" | "span" | "origin":
            return str(getattr(line, field))
        case "source":
            return line.source.value
        case "template":
            return str(line.template)
        case _:
            return line.fields.get(field, "")


def _is_seen(line: LogLine, sight: Sight) -> bool:
    return sight is None or not line.service or Service(line.service) in sight
