"""Requests as OpenTelemetry's SDKs send them."""

from __future__ import annotations

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    Gauge,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from tests.feedback.telemetry.ways.places import NOW

CUMULATIVE, DELTA = 2, 1
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def attribute(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def resource(**others: str) -> Resource:
    told = {
        "service.name": "shop",
        "deployment.environment.name": "production",
        "service.version": COMMIT,
        "service.instance.id": "one",
        **{key.replace("_", "."): value for key, value in others.items()},
    }
    return Resource(attributes=[attribute(key, value) for key, value in told.items()])


def metrics(*found: Metric, of: Resource | None = None, scope: str = "") -> ExportMetricsServiceRequest:
    return ExportMetricsServiceRequest(
        resource_metrics=[
            ResourceMetrics(
                resource=of or resource(),
                scope_metrics=[ScopeMetrics(scope=InstrumentationScope(name=scope), metrics=found)],
            )
        ]
    )


def gauge(name: str, *values: float, time: int = NOW, unit: str = "", flags: int = 0, **attributes: str) -> Metric:
    return Metric(
        name=name,
        unit=unit,
        gauge=Gauge(
            data_points=[
                NumberDataPoint(
                    time_unix_nano=time * 1_000_000,
                    as_double=value,
                    flags=flags,
                    attributes=[attribute(key, told) for key, told in attributes.items()],
                )
                for value in values
            ]
        ),
    )


def counter(
    name: str,
    value: int,
    *,
    time: int = NOW,
    start: int = 0,
    temporality: int = CUMULATIVE,
    monotonic: bool = True,
    unit: str = "",
    **attributes: str,
) -> Metric:
    point = NumberDataPoint(
        time_unix_nano=time * 1_000_000,
        start_time_unix_nano=start * 1_000_000,
        as_int=value,
        attributes=[attribute(key, told) for key, told in attributes.items()],
    )
    return Metric(
        name=name,
        unit=unit,
        sum=Sum(
            data_points=[point],
            aggregation_temporality=temporality,  # type: ignore[arg-type]  # an enum's number, as on the wire
            is_monotonic=monotonic,
        ),
    )


def logs(*records: LogRecord, of: Resource | None = None) -> ExportLogsServiceRequest:
    return ExportLogsServiceRequest(
        resource_logs=[ResourceLogs(resource=of or resource(), scope_logs=[ScopeLogs(log_records=records)])]
    )


def traces(*spans: Span, of: Resource | None = None) -> ExportTraceServiceRequest:
    return ExportTraceServiceRequest(
        resource_spans=[ResourceSpans(resource=of or resource(), scope_spans=[ScopeSpans(spans=spans)])]
    )
