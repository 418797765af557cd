"""Traces are found by what one of their spans is, and shown as far as one may see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from andon.feedback.telemetry.asking.traces import StoredTraces
from andon.feedback.telemetry.contract.intake import Batch, Way
from andon.feedback.telemetry.contract.traces import (
    Call,
    Span,
    SpanEvent,
    SpanKind,
    SpanStatus,
    TraceQuery,
    TraceSummary,
)
from andon.flow.sources.contract import Service
from tests.feedback.telemetry.asking.filling import DAY, NOW, InStore

NS = NOW * 10**6
ANY = TraceQuery(start=NS - DAY * 10**6, end=NS + DAY * 10**6)


def span(
    trace: str,
    id_: str,
    parent: str = "",
    *,
    at: int = 0,
    lasts: int = 100,
    service: str = "shop",
    name: str = "GET /",
    kind: SpanKind = SpanKind.SERVER,
    status: SpanStatus = SpanStatus.UNSET,
    attributes: Mapping[str, str] | None = None,
) -> Span:
    return Span(
        trace=trace * 32,
        id=id_ * 16,
        parent=parent * 16,
        service=service,
        name=name,
        kind=kind,
        start=NS + at,
        duration=lasts,
        status=status,
        attributes=attributes or {},
    )


def filled(store: InStore) -> StoredTraces:
    spans = [
        span("a", "1", name="GET /basket"),
        span("a", "2", "1", at=10, lasts=50, kind=SpanKind.CLIENT, name="ask the till"),
        span("a", "3", "2", at=20, lasts=30, service="till", name="pay", status=SpanStatus.ERROR),
        span("b", "4", at=1000, lasts=5000, name="GET /slow", attributes={"user": "42"}),
        span("c", "5", "9", at=2000, service="till", name="cron"),
    ]
    assert store.writer.take(Batch(way=Way.OTLP, spans=spans)).result(30).spans == len(spans)
    return StoredTraces(store.engine)


def test_traces_are_found_by_what_one_span_is_newest_first(in_store: InStore) -> None:
    traces = filled(in_store)

    def of(query: TraceQuery, limit: int = 100) -> str:
        return "".join(one.trace[0] for one in traces.find(query, sight=None, limit=limit))

    assert of(ANY) == "cba"
    assert of(ANY, limit=2) == "cb"
    assert of(replace(ANY, service="till")) == "ca"
    assert of(replace(ANY, service="till", name="GET /basket")) == ""
    assert of(replace(ANY, failed=True)) == "a"
    assert of(replace(ANY, at_least=1000)) == "b"
    assert of(replace(ANY, at_most=30)) == "a"
    assert of(replace(ANY, attributes={"user": "42"})) == "b"
    assert of(replace(ANY, attributes={"user": "43"})) == ""
    assert of(replace(ANY, name="' OR 1=1 --")) == ""
    assert of(TraceQuery(start=NS + 500, end=NS + 1500)) == "b"


def test_a_summary_tells_of_the_root_and_of_all_that_may_be_seen(in_store: InStore) -> None:
    traces = filled(in_store)
    (whole,) = traces.find(replace(ANY, name="pay"), sight=None)
    assert whole == TraceSummary(
        trace="a" * 32,
        start=NS,
        duration=100,
        service="shop",
        name="GET /basket",
        spans=3,
        errors=1,
        services=("shop", "till"),
    )
    assert not traces.find(replace(ANY, name="pay"), sight=frozenset({Service("shop")}))
    (cut,) = traces.find(replace(ANY, name="pay"), sight=frozenset({Service("till")}))
    assert (cut.name, cut.spans, cut.services) == ("pay", 1, ("till",))


def test_a_trace_is_its_spans_in_the_order_in_which_they_began(in_store: InStore) -> None:
    traces = filled(in_store)
    assert [one.name for one in traces.trace("a" * 32, sight=None)] == ["GET /basket", "ask the till", "pay"]
    assert [one.name for one in traces.trace("a" * 32, sight=frozenset({Service("till")}))] == ["pay"]
    assert traces.trace("e" * 32, sight=None) == ()
    assert traces.trace("' OR 1=1 --", sight=None) == ()


def test_a_span_comes_back_as_it_was_sent(in_store: InStore) -> None:
    one = Span(
        trace="a" * 32,
        id="b" * 16,
        parent="c" * 16,
        service="shop",
        environment="production",
        version="abcdef0",
        instance="i-1",
        name="GET /",
        kind=SpanKind.PRODUCER,
        start=NS,
        duration=1500,
        status=SpanStatus.OK,
        message="<b>",
        attributes={"http.method": "GET"},
        events=(SpanEvent(time=NS, name="retry", attributes={"n": "2"}),),
        links=(("c" * 32, "d" * 16), ("e" * 32, "f" * 16)),
    )
    in_store.writer.take(Batch(way=Way.OTLP, spans=[one])).result(30)
    assert StoredTraces(in_store.engine).trace("a" * 32, sight=None) == (one,)


def test_calls_are_client_spans_with_a_child_of_another_service(in_store: InStore) -> None:
    traces = filled(in_store)
    assert traces.calls(ANY.start, ANY.end, sight=None) == (
        Call(caller="shop", callee="till", calls=1, errors=1, p95=50 / 1e9),
    )
    assert traces.calls(ANY.start, ANY.end, sight=frozenset({Service("shop")})) == ()
    assert traces.calls(NS + DAY, NS + 2 * DAY, sight=None) == ()
