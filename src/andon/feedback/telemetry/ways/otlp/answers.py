"""What OTLP answers: successes, partial ones, and ``google.rpc.Status`` for the rest.

``Status`` and ``RetryInfo`` are three fields each; written here by hand, since the package that brings them brings a
hundred others and registers them for the whole process.
"""

from __future__ import annotations

import math
from enum import StrEnum

import msgspec
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from andon.kernel.errors import AndonError, TooMany

ExportRequest = ExportMetricsServiceRequest | ExportLogsServiceRequest | ExportTraceServiceRequest
ExportResponse = ExportMetricsServiceResponse | ExportLogsServiceResponse | ExportTraceServiceResponse

INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNAVAILABLE, INTERNAL = 3, 8, 14, 13
"""Of ``google.rpc.Code``."""
RETRY_SECONDS = 5.0
"""When to try again where the store does not say."""


class Signal(StrEnum):
    METRICS = "metrics"
    LOGS = "logs"
    TRACES = "traces"

    @property
    def request(self) -> type[ExportRequest]:
        found: type[ExportRequest]
        match self:
            case Signal.METRICS:
                found = ExportMetricsServiceRequest
            case Signal.LOGS:
                found = ExportLogsServiceRequest
            case Signal.TRACES:
                found = ExportTraceServiceRequest
        return found

    def response(self, rejected: int, message: str) -> ExportResponse:
        """Empty if everything was taken in."""
        match self:
            case Signal.METRICS:
                of_metrics = ExportMetricsServiceResponse()
                if rejected or message:
                    of_metrics.partial_success.rejected_data_points = rejected
                    of_metrics.partial_success.error_message = message
                return of_metrics
            case Signal.LOGS:
                of_logs = ExportLogsServiceResponse()
                if rejected or message:
                    of_logs.partial_success.rejected_log_records = rejected
                    of_logs.partial_success.error_message = message
                return of_logs
            case Signal.TRACES:
                of_traces = ExportTraceServiceResponse()
                if rejected or message:
                    of_traces.partial_success.rejected_spans = rejected
                    of_traces.partial_success.error_message = message
                return of_traces


def retry_after(error: AndonError) -> float | None:
    """Seconds after which the same may be sent again; ``None`` if it never may."""
    if isinstance(error, TooMany):
        return max(error.retry_after, 0.0)
    return RETRY_SECONDS if error.status >= 500 else None


def code_of(error: AndonError) -> int:
    if error.status == 429:
        return RESOURCE_EXHAUSTED
    return UNAVAILABLE if error.status >= 500 else INVALID_ARGUMENT


def status_message(error: AndonError) -> bytes:
    """A ``google.rpc.Status``, with ``RetryInfo`` where it may be tried again."""
    found = _number(1, code_of(error)) + _text(2, str(error).encode())
    seconds = retry_after(error)
    if seconds is not None:
        whole = int(seconds)
        duration = _number(1, whole) + _number(2, int((seconds - whole) * 1e9))
        info = _text(1, duration)
        found += _text(3, _text(1, b"type.googleapis.com/google.rpc.RetryInfo") + _text(2, info))
    return found


def status_json(error: AndonError) -> bytes:
    return msgspec.json.encode({"code": code_of(error), "message": str(error)})


def retry_header(error: AndonError) -> tuple[tuple[bytes, bytes], ...]:
    seconds = retry_after(error)
    return () if seconds is None else ((b"retry-after", str(max(math.ceil(seconds), 1)).encode()),)


def _number(field: int, value: int) -> bytes:
    return bytes([field << 3]) + _varint(value) if value else b""


def _text(field: int, value: bytes) -> bytes:
    return bytes([field << 3 | 2]) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    found.append(value)
    return bytes(found)
