"""Spans that are held in memory: for tests, and as the contract's plain meaning."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from andon.feedback.telemetry.contract.metrics import Sight
from andon.feedback.telemetry.contract.traces import Call, Span, SpanKind, SpanStatus, TraceQuery, TraceSummary
from andon.flow.sources.contract import Service
from andon.kernel.errors import Invalid, Unavailable

MOST_SPANS = 20_000
MOST_TRACES = 1_000


class MemoryTraces:
    """Implements :class:`~andon.feedback.telemetry.contract.traces.TraceStore`; every question looks at all spans.

    ``down`` makes it answer as a store does that is not there. Safe to use from every thread.
    """

    def __init__(self, spans: Iterable[Span] = ()) -> None:
        self.down = False
        self._lock = threading.Lock()
        self._traces: dict[str, list[Span]] = defaultdict(list)
        self.add(*spans)

    def add(self, *spans: Span) -> None:
        with self._lock:
            for one in spans:
                self._traces[one.trace].append(one)

    def find(self, query: TraceQuery, *, sight: Sight, limit: int = 100) -> tuple[TraceSummary, ...]:
        if not 1 <= limit <= MOST_TRACES:
            raise Invalid(f"One question is answered with 1 to {MOST_TRACES:,} traces.", remedy="Ask for fewer.")
        newest: list[tuple[int, str]] = []
        seen: dict[str, list[Span]] = {}
        for trace, spans in self._visible(sight).items():
            fitting = [one.start for one in spans if _fits(one, query)]
            if fitting:
                newest.append((-max(fitting), trace))
                seen[trace] = spans
        found = [_summary(trace, seen[trace]) for _, trace in sorted(newest)[:limit]]
        return tuple(sorted(found, key=lambda one: (-one.start, one.trace)))

    def trace(self, trace: str, *, sight: Sight) -> tuple[Span, ...]:
        spans = self._visible(sight).get(trace, [])
        return tuple(sorted(spans, key=lambda one: (one.start, one.id))[:MOST_SPANS])

    def calls(self, start: int, end: int, *, sight: Sight) -> tuple[Call, ...]:
        met: dict[tuple[str, str], list[tuple[int, bool]]] = defaultdict(list)
        for spans in self._visible(sight).values():
            within = [one for one in spans if start <= one.start < end]
            clients = {one.id: one for one in within if one.kind is SpanKind.CLIENT}
            for one in within:
                caller = clients.get(one.parent)
                if caller is None or not caller.service or not one.service or caller.service == one.service:
                    continue
                failed = SpanStatus.ERROR in (caller.status, one.status)
                met[caller.service, one.service].append((caller.duration, failed))
        found = (
            Call(
                caller=caller,
                callee=callee,
                calls=len(calls),
                errors=sum(failed for _, failed in calls),
                p95=float(np.quantile([duration for duration, _ in calls], 0.95)) / 1e9,
            )
            for (caller, callee), calls in met.items()
        )
        return tuple(sorted(found, key=lambda one: (-one.calls, one.caller, one.callee)))

    def _visible(self, sight: Sight) -> dict[str, list[Span]]:
        if self.down:
            raise Unavailable(
                "The telemetry store does not answer.",
                safe="What it has taken in is kept.",
                remedy="See what it says of itself: andon status",
            )
        with self._lock:
            every = {trace: list(spans) for trace, spans in self._traces.items()}
        if sight is None:
            return every
        return {
            trace: seen
            for trace, spans in every.items()
            if (seen := [one for one in spans if not one.service or Service(one.service) in sight])
        }


def _fits(span: Span, query: TraceQuery) -> bool:
    return (
        query.start <= span.start < query.end
        and query.service in ("", span.service)
        and query.environment in ("", span.environment)
        and query.version in ("", span.version)
        and query.name in ("", span.name)
        and span.duration >= query.at_least
        and (not query.at_most or span.duration <= query.at_most)
        and (not query.failed or span.status is SpanStatus.ERROR)
        and all(span.attributes.get(name) == value for name, value in query.attributes.items())
    )


def _summary(trace: str, spans: list[Span]) -> TraceSummary:
    begins = min(one.start for one in spans)
    root = min(spans, key=lambda one: (one.parent != "", one.start))
    return TraceSummary(
        trace=trace,
        start=begins,
        duration=max(one.start + one.duration for one in spans) - begins,
        service=root.service,
        name=root.name,
        spans=len(spans),
        errors=sum(one.status is SpanStatus.ERROR for one in spans),
        services=tuple(sorted({one.service for one in spans if one.service})),
    )
