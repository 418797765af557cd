"""The API of traces."""

from __future__ import annotations

from andon.feedback.telemetry.contract.traces import SpanStatus, TraceSummary
from andon.feedback.traces.addresses import Wanted
from andon.feedback.traces.model.waterfall import Node, Waterfall, waterfall
from andon.feedback.traces.service import LONGEST_TRACE, TracesService, nanoseconds
from andon.feedback.traces.views import LinkShape, SpanEventShape, SpanShape, TraceRow, Traces, TraceShape
from andon.kernel.errors import Invalid
from andon.web.http import api
from andon.web.http.api import Call, Handlers

_LONGEST = 300


def trace_routes(traces: TracesService) -> Handlers:
    @api.get("/traces")
    def find_traces(
        call: Call,
        service: str = "",
        environment: str = "",
        version: str = "",
        name: str = "",
        at_least: str = "",
        at_most: str = "",
        failed: bool = False,
        attributes: str = "",
        since: str = "1h",
        until: str = "",
        limit: int = 100,
    ) -> Traces:
        """Requests in which one span is all that is asked for, newest first. `since` and `until` are `6h` (ago),
        moments or milliseconds since 1970; `at_least` and `at_most` durations such as `250ms`; `attributes` are
        `key=value` with spaces between."""
        asked = Wanted(
            service=service,
            environment=environment,
            version=version,
            name=name,
            at_least=at_least,
            at_most=at_most,
            failed=failed,
            attributes=attributes,
            start=since,
            end=until,
        )
        if any(len(value) > _LONGEST or "\0" in value for _, value in asked.pairs()):
            raise Invalid(f"Nothing that is asked for has more than {_LONGEST} characters.")
        found = traces.find(call.principal, asked.query(asked.span(nanoseconds())), limit=limit)
        return Traces(traces=[_row(one) for one in found], more=len(found) == limit)

    @api.get("/traces/{trace:str}")
    def show_trace(call: Call, trace: str) -> TraceShape:
        """One request through services, span by span."""
        spans = traces.spans(call.principal, trace)
        return shape(spans[0].trace, waterfall(spans), whole_was_read=len(spans) < LONGEST_TRACE)

    return [find_traces, show_trace]


def _row(one: TraceSummary) -> TraceRow:
    return TraceRow(
        trace=one.trace,
        start=one.start,
        duration=one.duration,
        service=one.service,
        name=one.name,
        spans=one.spans,
        errors=one.errors,
        services=list(one.services),
    )


def shape(trace: str, whole: Waterfall, *, whole_was_read: bool) -> TraceShape:
    return TraceShape(
        trace=trace,
        start=whole.start,
        duration=whole.duration,
        errors=sum(one.span.status is SpanStatus.ERROR for one in whole.nodes),
        complete=whole_was_read and not whole.orphans,
        repeated=whole.repeated,
        spans=[_span(whole.nodes[place]) for place in whole.order],
    )


def _span(one: Node) -> SpanShape:
    span = one.span
    return SpanShape(
        id=span.id,
        parent=span.parent,
        service=span.service,
        environment=span.environment,
        version=span.version,
        instance=span.instance,
        name=span.name,
        kind=span.kind.value,
        start=one.start,
        duration=span.duration,
        status=span.status.value,
        message=span.message,
        depth=one.depth,
        moved=one.moved,
        self_time=one.self_time,
        critical=list(one.critical),
        orphan=one.orphan,
        cut=one.cut,
        attributes=dict(span.attributes),
        events=[
            SpanEventShape(time=each.time + one.moved, name=each.name, attributes=dict(each.attributes))
            for each in span.events
        ],
        links=[LinkShape(trace=other, span=linked) for other, linked in span.links],
    )
