"""Lines of logs, out of the store."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, cast

from andon.feedback.telemetry.asking.searching import fitting, value_of
from andon.feedback.telemetry.asking.statements import BOUNDS, Conditions, understood
from andon.feedback.telemetry.contract.logs import (
    Cursor,
    Found,
    LogCount,
    LogLine,
    LogQuery,
    LogSource,
    Severity,
    Template,
)
from andon.feedback.telemetry.contract.metrics import Sight
from andon.feedback.telemetry.store.engine import Engine
from andon.kernel.errors import Invalid

_LINE: Final = (
    "time, seq, severity, service, environment, version, instance, source, origin, position, template, trace, span, "
    "body, fields"
)
_MOST_LINES: Final = 10_000
_MOST_BUCKETS: Final = 10_000
_ONE_PART_AFTER_THE_OTHER: Final = "read_in_order_use_virtual_row = 1"
"""The newest first, by what their indexes say of their times: else each part is begun before any is needed."""
_AROUND_US: Final = 24 * 3600 * 1_000_000
_POLL_SECONDS: Final = 0.25
_FOLLOWED: Final = 1_000
_LATELY_NS: Final = 3600 * 10**9
_SEVERITIES = {int(one): one for one in Severity}
_SOURCES = {one.value: one for one in LogSource}


class StoredLogs:
    """Implements :class:`~andon.feedback.telemetry.contract.logs.LogStore` on the store's tables.

    Words and phrases are found whatever their case; values of fields as they are. A word with anything but letters and
    digits in it is searched for as a phrase.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def search(self, query: LogQuery, *, sight: Sight, limit: int = 200, before: Cursor | None = None) -> Found:
        _bounded(limit, _MOST_LINES, "lines")
        asked = fitting(query, sight)
        if before is not None:
            when, tie = asked.value(before.time, "Int64"), asked.value(before.tie, "UInt64")
            # the first of both lets the store pass over what is newer without looking at it
            asked.say(f"time <= {when} AND (time < {when} OR seq < {tie})")
        rows, more = self._nearest(asked, "DESC", limit)
        older = Cursor(time=rows[-1][0].time, tie=rows[-1][1]) if more else None
        return Found(lines=tuple(line for line, _ in rows), older=older)

    def histogram(self, query: LogQuery, *, sight: Sight, buckets: int = 60) -> tuple[LogCount, ...]:
        _bounded(buckets, _MOST_BUCKETS, "buckets")
        asked = fitting(query, sight)
        width = max(1, -(-(query.end - query.start) // buckets))
        start, wide = asked.value(query.start, "Int64"), asked.value(width, "Int64")
        with understood():
            rows = self._engine.rows(
                f"SELECT {start} + intDiv(time - {start}, {wide}) * {wide} AS bucket, severity, count() FROM logs "
                f"WHERE {asked} GROUP BY bucket, severity ORDER BY bucket, severity SETTINGS {BOUNDS}",
                asked.values,
            )
        return tuple(
            LogCount(time=_whole(bucket), severity=_severity(severity), lines=_whole(count))
            for bucket, severity, count in rows
        )

    def facets(self, query: LogQuery, field: str, *, sight: Sight, limit: int = 20) -> Mapping[str, int]:
        _bounded(limit, _MOST_LINES, "values")
        asked = fitting(query, sight)
        column = value_of(asked, field)
        none = "0" if field == "template" else ""
        with understood():
            rows = self._engine.rows(
                f"SELECT {column} AS text, count() AS lines FROM logs WHERE {asked} AND text != {asked.value(none)} "
                f"GROUP BY text ORDER BY lines DESC, text LIMIT {asked.value(limit, 'UInt64')} SETTINGS {BOUNDS}",
                asked.values,
            )
        return {str(value): _whole(count) for value, count in rows}

    def around(self, line: LogLine, *, sight: Sight, lines: int = 20) -> Sequence[LogLine]:
        """``lines`` before it and as many after, of the day before and after at most."""
        _bounded(lines, _MOST_LINES, "lines")

        def said(when: str) -> Conditions:
            asked = Conditions()
            asked.see(sight)
            if line.origin:
                asked.say(f"origin = {asked.value(line.origin)}")
            else:
                for name, value in (
                    ("service", line.service),
                    ("environment", line.environment),
                    ("instance", line.instance),
                ):
                    asked.say(f"{name} = {asked.value(value)}")
            asked.say(when.format(at=asked.value(line.time, "Int64")))
            return asked

        before, _ = self._nearest(said(f"time < {{at}} AND time > {{at}} - {_AROUND_US}"), "DESC", lines)
        at = self._lines(said("time = {at}"), "seq", 2 * lines + 1)
        after, _ = self._nearest(said(f"time > {{at}} AND time < {{at}} + {_AROUND_US}"), "ASC", lines)
        return tuple(one for one, _ in [*reversed(before), *at, *after])

    def follow(self, query: LogQuery, *, sight: Sight) -> Iterator[tuple[LogLine, ...]]:
        """Asks four times a second for what has been written since; the end of the query plays no part. What comes
        faster than 4,000 lines a second is told as fast as it is read."""
        last = self._newest(time.time_ns() - _LATELY_NS)
        while True:
            newest = self._newest(last)
            if newest <= last:
                yield ()
                time.sleep(_POLL_SECONDS)
                continue
            asked = fitting(query, sight, timeless=True)
            asked.say(f"seq > {asked.value(last, 'UInt64')} AND seq <= {asked.value(newest, 'UInt64')}")
            found = self._lines(asked, "seq", _FOLLOWED)
            last = found[-1][1] if len(found) == _FOLLOWED else newest
            yield tuple(line for line, _ in found)

    def templates(self, query: LogQuery, *, sight: Sight, limit: int = 200) -> tuple[Template, ...]:
        _bounded(limit, _MOST_LINES, "templates")
        asked = fitting(query, sight)
        with understood():
            rows = self._engine.rows(
                "SELECT template, said, service, since, release, lines FROM ("
                f"SELECT template, service, count() AS lines FROM logs WHERE {asked} AND template != 0 "
                "GROUP BY template, service) AS counted INNER JOIN ("
                "SELECT id AS template, service, argMax(text, version) AS said, argMax(first_seen, version) AS since, "
                "argMax(first_version, version) AS release FROM templates GROUP BY id, service) AS known "
                "USING (template, service) "
                f"ORDER BY lines DESC, template LIMIT {asked.value(limit, 'UInt64')} SETTINGS {BOUNDS}",
                asked.values,
            )
        return tuple(
            Template(
                id=_whole(id_),
                text=str(text),
                service=str(service),
                first_seen=_whole(since),
                first_version=str(release),
                lines=_whole(lines),
            )
            for id_, text, service, since, release, lines in rows
        )

    def _newest(self, last: int) -> int:
        with understood():
            ((found,),) = self._engine.rows(
                f"SELECT max(seq) FROM logs WHERE seq > {{last:UInt64}} SETTINGS {BOUNDS}", {"last": last}
            )
        return max(_whole(found), last)

    def _nearest(self, asked: Conditions, way: str, limit: int) -> tuple[list[tuple[LogLine, int]], bool]:
        """The first lines in one direction of time, and whether there are more.

        Lines lie in the order of their times: asked for that order alone the store stops where it has enough, asked
        for their numbers too it would read them all. So those of the last time are put in order by themselves, in the
        rare case that not all of them fit.
        """

        def place(one: tuple[LogLine, int]) -> tuple[int, int]:
            return (one[0].time, one[1])

        rows = sorted(self._lines(asked, f"time {way}", limit + 1), key=place, reverse=way == "DESC")
        if len(rows) <= limit:
            return rows, False
        last = rows[limit][0].time
        if rows[limit - 1][0].time == last:
            sure = [one for one in rows if one[0].time != last]
            asked.say(f"time = {asked.value(last, 'Int64')}")
            rows = sure + self._lines(asked, f"seq {way}", limit + 1 - len(sure))
        return rows[:limit], True

    def _lines(self, asked: Conditions, order: str, limit: int) -> list[tuple[LogLine, int]]:
        """Lines with their number. ``order`` is our own."""
        with understood():
            rows = self._engine.rows(
                f"SELECT {_LINE} FROM logs WHERE {asked} ORDER BY {order} LIMIT {asked.value(limit, 'UInt64')} "
                f"SETTINGS {BOUNDS}, {_ONE_PART_AFTER_THE_OTHER}",
                asked.values,
            )
        return [_line(row) for row in rows]


def _line(row: Sequence[object]) -> tuple[LogLine, int]:
    when, seq, severity, service, environment, version, instance, source, origin = row[:9]
    position, template, trace, span, body, fields = row[9:]
    line = LogLine(
        time=_whole(when),
        body=str(body),
        severity=_severity(severity),
        service=str(service),
        environment=str(environment),
        version=str(version),
        instance=str(instance),
        fields=cast("Mapping[str, str]", fields),
        trace=str(trace),
        span=str(span),
        source=_SOURCES[str(source)],
        origin=str(origin),
        position=_whole(position),
        template=_whole(template),
    )
    return line, _whole(seq)


def _severity(value: object) -> Severity:
    return _SEVERITIES.get(_whole(value), Severity.UNKNOWN)


def _whole(value: object) -> int:
    return int(cast("int", value))


def _bounded(asked: int, most: int, what: str) -> None:
    if not 1 <= asked <= most:
        raise Invalid(f"One question is answered with 1 to {most:,} {what}.", remedy="Ask for fewer, and go on later.")
