"""What a shop's customers leave behind: requests through the router, orders, lines, and traces of four services."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import groupby

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from andon.app.demo.shop import SERVICE
from andon.app.demo.story import Environments
from andon.app.demo.traffic import Traffic
from andon.feedback.telemetry.contract.traces import Span, SpanKind, SpanStatus
from tests.feedback.traces.request import CHECKOUT, day
from tests.journeys.line import Line

__all__ = ["CHECKOUT", "customers", "send_traces"]
_KINDS = {one: number for number, one in enumerate((SpanKind.INTERNAL, SpanKind.SERVER, SpanKind.CLIENT), 1)}
_STATUS = {SpanStatus.UNSET: 0, SpanStatus.OK: 1, SpanStatus.ERROR: 2}


@contextmanager
def customers(line: Line, pause: float = 0.1) -> Iterator[Traffic]:
    """Some who look and one who buys, in production, until the block ends; ``pause`` is of each, in seconds."""
    found = line.andon.client.get(f"/services/{SERVICE}/environments", Environments).environments
    address = next(one.address for one in found if one.name == "production")
    traffic = Traffic(address, customers=3, pause=pause, buys=True)
    traffic.start()
    try:
        yield traffic
    finally:
        traffic.end()


def send_traces(line: Line) -> None:
    """Requests of the last hour as services send them that speak OpenTelemetry, the failed checkout among them."""
    made = [replace(one, version=line.commits[-1]) if one.service == SERVICE else one for one in day(time.time_ns())]
    answer = httpx.post(
        f"http://127.0.0.1:{line.otlp_port}/v1/traces",
        content=_exported(made).SerializeToString(),
        headers={"content-type": "application/x-protobuf"},
        timeout=60,
    )
    assert answer.status_code == httpx.codes.OK, answer.text


def _exported(spans: Iterable[Span]) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()

    def sender(one: Span) -> tuple[str, str, str, str]:
        return one.service, one.environment, one.version, one.instance

    for who, of_sender in groupby(sorted(spans, key=sender), sender):
        resource = request.resource_spans.add()
        names = ("service.name", "deployment.environment.name", "service.version", "service.instance.id")
        for name, value in zip(names, who, strict=True):
            resource.resource.attributes.add(key=name).value.string_value = value
        scope = resource.scope_spans.add()
        for one in of_sender:
            made = scope.spans.add(
                trace_id=bytes.fromhex(one.trace),
                span_id=bytes.fromhex(one.id),
                parent_span_id=bytes.fromhex(one.parent),
                name=one.name,
                kind=_KINDS.get(one.kind, 1),
                start_time_unix_nano=one.start,
                end_time_unix_nano=one.start + one.duration,
            )
            made.status.code = _STATUS[one.status]
            made.status.message = one.message
            for name, value in one.attributes.items():
                made.attributes.add(key=name).value.string_value = value
            for event in one.events:
                told = made.events.add(time_unix_nano=event.time, name=event.name)
                for name, value in event.attributes.items():
                    told.attributes.add(key=name).value.string_value = value
            for trace, span in one.links:
                made.links.add(trace_id=bytes.fromhex(trace), span_id=bytes.fromhex(span))
    return request
