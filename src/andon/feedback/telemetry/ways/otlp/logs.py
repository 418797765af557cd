"""OTLP log records as lines."""

from __future__ import annotations

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from andon.feedback.telemetry.contract.intake import Dropped, Way
from andon.feedback.telemetry.contract.logs import LogLine, LogSource, Severity
from andon.feedback.telemetry.ways.gathering import Gathering, Origin, Window
from andon.feedback.telemetry.ways.lines.severity import severity_of
from andon.feedback.telemetry.ways.otlp.attributes import Resource, fields, resource_of, text
from andon.feedback.telemetry.ways.texts import Fields, body_text, sound

_INDEXED = ("host.name", "k8s.pod.name", "container.id")
"""Attributes of the resource that a line is searched by; the others tell nothing of the line."""
_SEVERITIES = tuple(Severity(max((number - 1) // 4 * 4 + 1, Severity.DEBUG)) for number in range(25))
_ZEROS = bytes(16)


def read_logs(request: ExportLogsServiceRequest, origin: Origin | None, window: Window) -> Gathering:
    gathering = Gathering(Way.OTLP, window)
    gathering.spend(len(request.resource_logs))
    for of_resource in request.resource_logs:
        gathering.spend(len(of_resource.scope_logs))
        resource = resource_of(of_resource.resource, origin)
        for scope in of_resource.scope_logs:
            gathering.spend(len(scope.log_records))
            name = sound(scope.scope.name)
            for record in scope.log_records:
                if gathering.full:
                    gathering.drop(Dropped.TOO_LARGE, service=resource.service)
                    continue
                line = _line(record, resource, name, gathering.now)
                if gathering.in_time(line.time // 1000):
                    gathering.logs.append(line)
                else:
                    gathering.drop(Dropped.TIME, service=resource.service, example=f"a line at {line.time} µs")
    return gathering


def _line(record: LogRecord, resource: Resource, scope: str, now: int) -> LogLine:
    severity = severity_of_number(record.severity_number)
    if severity is Severity.UNKNOWN and record.severity_text:
        severity = severity_of(record.severity_text)
    kept = Fields()
    if record.event_name:
        kept.add("event.name", record.event_name)
    if scope:
        kept.add("otel.scope.name", scope)
    fields(record.attributes, kept)
    for name in _INDEXED:
        if name in resource.others:
            kept.add(name, resource.others[name])
    nanoseconds = record.time_unix_nano or record.observed_time_unix_nano
    return LogLine(
        time=nanoseconds // 1000 if nanoseconds else now * 1000,
        body=body_text(text(record.body) or record.event_name),
        severity=severity,
        service=resource.service,
        environment=resource.environment,
        version=resource.version,
        instance=resource.instance,
        fields=kept.kept,
        trace=identifier(record.trace_id, 16),
        span=identifier(record.span_id, 8),
        source=LogSource.OTLP,
    )


def identifier(raw: bytes, length: int) -> str:
    """In hexadecimal; empty where it is missing, all zeros or of another length."""
    return raw.hex() if len(raw) == length and raw != _ZEROS[:length] else ""


def severity_of_number(number: int) -> Severity:
    """OpenTelemetry's 1 to 24, of which each of ours begins a four; its TRACE is our DEBUG."""
    return _SEVERITIES[number] if 0 < number < len(_SEVERITIES) else Severity.UNKNOWN
