"""OTLP spans."""

from __future__ import annotations

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from andon.feedback.telemetry.contract.intake import Dropped, Way
from andon.feedback.telemetry.contract.traces import Span, SpanEvent, SpanKind, SpanStatus
from andon.feedback.telemetry.ways.gathering import Gathering, Origin, Window
from andon.feedback.telemetry.ways.otlp.attributes import Resource, fields, resource_of
from andon.feedback.telemetry.ways.otlp.logs import identifier
from andon.feedback.telemetry.ways.texts import Fields, field_text

MOST_EVENTS = 128
MOST_LINKS = 128
LONGEST_DURATION = 24 * 3600 * 10**9

_KINDS: dict[int, SpanKind] = {
    SpanMessage.SPAN_KIND_SERVER: SpanKind.SERVER,
    SpanMessage.SPAN_KIND_CLIENT: SpanKind.CLIENT,
    SpanMessage.SPAN_KIND_PRODUCER: SpanKind.PRODUCER,
    SpanMessage.SPAN_KIND_CONSUMER: SpanKind.CONSUMER,
}
_STATUS: dict[int, SpanStatus] = {
    Status.STATUS_CODE_OK: SpanStatus.OK,
    Status.STATUS_CODE_ERROR: SpanStatus.ERROR,
}


def read_traces(request: ExportTraceServiceRequest, origin: Origin | None, window: Window) -> Gathering:
    gathering = Gathering(Way.OTLP, window)
    gathering.spend(len(request.resource_spans))
    for of_resource in request.resource_spans:
        gathering.spend(len(of_resource.scope_spans))
        resource = resource_of(of_resource.resource, origin)
        for scope in of_resource.scope_spans:
            gathering.spend(len(scope.spans))
            for message in scope.spans:
                if gathering.full:
                    gathering.drop(Dropped.TOO_LARGE, service=resource.service)
                    continue
                _take(message, resource, scope.scope.name, gathering)
    return gathering


def _take(message: SpanMessage, resource: Resource, scope: str, gathering: Gathering) -> None:
    trace, span = identifier(message.trace_id, 16), identifier(message.span_id, 8)
    if not trace or not span:
        gathering.drop(Dropped.MALFORMED, service=resource.service, example="a span without its ids")
        return
    start, end = message.start_time_unix_nano, message.end_time_unix_nano
    if not gathering.in_time(start // 1_000_000):
        gathering.drop(Dropped.TIME, service=resource.service, example=f"a span at {start} ns since 1970")
        return
    kept = Fields()
    if scope:
        kept.add("otel.scope.name", scope)
    fields(message.attributes, kept)
    if "host.name" in resource.others:
        kept.add("host.name", resource.others["host.name"])
    links = ((identifier(one.trace_id, 16), identifier(one.span_id, 8)) for one in message.links[:MOST_LINKS])
    gathering.spans.append(
        Span(
            trace=trace,
            id=span,
            parent=identifier(message.parent_span_id, 8),
            service=resource.service,
            environment=resource.environment,
            version=resource.version,
            instance=resource.instance,
            name=field_text(message.name),
            kind=_KINDS.get(message.kind, SpanKind.INTERNAL),
            start=start,
            # a clock that was set back within the span: it has no length, not a negative one
            duration=min(max(end - start, 0), LONGEST_DURATION),
            status=_STATUS.get(message.status.code, SpanStatus.UNSET),
            message=field_text(message.status.message),
            attributes=kept.kept,
            events=tuple(
                # far from its span is a broken clock: 63 bits are what the store's times have
                SpanEvent(
                    time=min(one.time_unix_nano, gathering.newest * 1_000_000),
                    name=field_text(one.name),
                    attributes=fields(one.attributes),
                )
                for one in message.events[:MOST_EVENTS]
            ),
            links=tuple(link for link in links if all(link)),
        )
    )
