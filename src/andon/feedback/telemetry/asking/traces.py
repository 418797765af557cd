"""Spans, out of the store."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, cast

from andon.feedback.telemetry.asking.statements import BOUNDS, Conditions, understood
from andon.feedback.telemetry.contract.metrics import Sight
from andon.feedback.telemetry.contract.traces import Call, Span, SpanKind, SpanStatus, TraceQuery, TraceSummary
from andon.feedback.telemetry.store.engine import Engine
from andon.feedback.telemetry.store.tables import decode_events
from andon.kernel.errors import Invalid

_MOST_SPANS: Final = 20_000
_MOST_TRACES: Final = 1_000
_HOUR_NS: Final = 3600 * 10**9
_TRACE = re.compile(r"[0-9a-f]{1,64}")


class StoredTraces:
    """Implements :class:`~andon.feedback.telemetry.contract.traces.TraceStore` on the store's tables."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def find(self, query: TraceQuery, *, sight: Sight, limit: int = 100) -> tuple[TraceSummary, ...]:
        """Traces in which one span is all that is asked for. What is told of them is of their visible spans up to an
        hour before and after the time asked for."""
        if not 1 <= limit <= _MOST_TRACES:
            raise Invalid(f"One question is answered with 1 to {_MOST_TRACES:,} traces.", remedy="Ask for fewer.")
        asked = _fitting(query, sight)
        traces = self._rows(
            f"SELECT trace FROM spans WHERE {asked} GROUP BY trace ORDER BY max(start) DESC, trace "
            f"LIMIT {asked.value(limit, 'UInt64')}",
            asked,
        )
        if not traces:
            return ()
        about = Conditions()
        about.see(sight)
        about.say(f"trace IN {about.value([str(trace) for (trace,) in traces], 'Array(String)')}")
        about.say(f"start >= {about.value(query.start - _HOUR_NS, 'Int64')}")
        about.say(f"start < {about.value(query.end + _HOUR_NS, 'Int64')}")
        rows = self._rows(
            "SELECT trace, min(start) AS began, max(start + duration) - began, "
            "argMin(service, (parent != '', start)), argMin(name, (parent != '', start)), count(), "
            "countIf(status = 'error'), arraySort(arrayFilter(one -> one != '', groupUniqArray(service))) "
            f"FROM spans WHERE {about} GROUP BY trace ORDER BY began DESC, trace",
            about,
        )
        return tuple(
            TraceSummary(
                trace=str(trace),
                start=_whole(start),
                duration=_whole(duration),
                service=str(service),
                name=str(name),
                spans=_whole(spans),
                errors=_whole(errors),
                services=tuple(str(one) for one in cast("Sequence[str]", services)),
            )
            for trace, start, duration, service, name, spans, errors, services in rows
        )

    def trace(self, trace: str, *, sight: Sight) -> tuple[Span, ...]:
        if not _TRACE.fullmatch(trace):
            return ()
        asked = Conditions()
        asked.see(sight)
        asked.say(f"trace = {asked.value(trace)}")
        rows = self._rows(
            "SELECT id, parent, service, environment, version, instance, name, kind, start, duration, status, message, "
            f"attributes, events, links FROM spans WHERE {asked} ORDER BY start, id LIMIT {_MOST_SPANS}",
            asked,
        )
        return tuple(_span(trace, row) for row in rows)

    def calls(self, start: int, end: int, *, sight: Sight) -> tuple[Call, ...]:
        """The most frequent first; the duration is the caller's."""
        asked = Conditions()
        asked.say(f"start >= {asked.value(start, 'Int64')}")
        asked.say(f"start < {asked.value(end, 'Int64')}")
        asked.see(sight)
        rows = self._rows(
            "SELECT caller, callee, count() AS calls, countIf(failed OR child_failed), quantile(0.95)(duration) / 1e9 "
            "FROM (SELECT trace, id, service AS caller, duration, status = 'error' AS failed FROM spans "
            f"WHERE {asked} AND kind = 'client') AS ours INNER JOIN ("
            "SELECT trace, parent AS id, service AS callee, status = 'error' AS child_failed FROM spans "
            f"WHERE {asked} AND parent != '') AS theirs USING (trace, id) "
            "WHERE caller != callee AND caller != '' AND callee != '' "
            "GROUP BY caller, callee ORDER BY calls DESC, caller, callee",
            asked,
        )
        return tuple(
            Call(
                caller=str(caller),
                callee=str(callee),
                calls=_whole(calls),
                errors=_whole(errors),
                p95=cast("float", p95),
            )
            for caller, callee, calls, errors, p95 in rows
        )

    def _rows(self, statement: str, asked: Conditions) -> Sequence[Sequence[object]]:
        with understood():
            return self._engine.rows(f"{statement} SETTINGS {BOUNDS}", asked.values)


def _fitting(query: TraceQuery, sight: Sight) -> Conditions:
    found = Conditions()
    found.say(f"start >= {found.value(query.start, 'Int64')}")
    found.say(f"start < {found.value(query.end, 'Int64')}")
    found.see(sight)
    for column, value in (
        ("service", query.service),
        ("environment", query.environment),
        ("version", query.version),
        ("name", query.name),
    ):
        if value:
            found.say(f"{column} = {found.value(value)}")
    if query.at_least:
        found.say(f"duration >= {found.value(query.at_least, 'Int64')}")
    if query.at_most:
        found.say(f"duration <= {found.value(query.at_most, 'Int64')}")
    if query.failed:
        found.say("status = 'error'")
    for name, value in query.attributes.items():
        sought = found.value(value)
        # the index knows which values there are, not of which attribute
        found.say(f"has(mapValues(attributes), {sought}) AND attributes[{found.value(name)}] = {sought}")
    return found


def _span(trace: str, row: Sequence[object]) -> Span:
    id_, parent, service, environment, version, instance, name, kind, start, duration = row[:10]
    status, message, attributes, events, links = row[10:]
    pairs = [one.partition(":") for one in str(links).split()]
    return Span(
        trace=trace,
        id=str(id_),
        parent=str(parent),
        service=str(service),
        environment=str(environment),
        version=str(version),
        instance=str(instance),
        name=str(name),
        kind=SpanKind(str(kind)),
        start=_whole(start),
        duration=_whole(duration),
        status=SpanStatus(str(status)),
        message=str(message),
        attributes=cast("Mapping[str, str]", attributes),
        events=decode_events(str(events)),
        links=tuple((linked, span) for linked, _, span in pairs),
    )


def _whole(value: object) -> int:
    return int(cast("int", value))
