"""An order, told of by the OpenTelemetry SDK as its users do it: two spans, a counter, a histogram and a line of log.

Exporters are made without arguments: where to send and as whom they take from the environment. As a program this takes
one order for each of its arguments, which is the customer's plan, and says their traces' ids.
"""

from __future__ import annotations

import os
import sys

from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, format_trace_id


class Orders:
    """``protocol`` chooses the exporters, as a program's own imports would: ``grpc``, or else HTTP with protobuf."""

    def __init__(self, protocol: str) -> None:
        by_grpc = protocol == "grpc"
        reader = PeriodicExportingMetricReader(GrpcMetrics() if by_grpc else HttpMetrics())
        self._spans, self._metrics, self._logs = TracerProvider(), MeterProvider([reader]), LoggerProvider()
        self._spans.add_span_processor(BatchSpanProcessor(GrpcSpans() if by_grpc else HttpSpans()))
        self._logs.add_log_record_processor(BatchLogRecordProcessor(GrpcLogs() if by_grpc else HttpLogs()))
        self._tracer, self._logger = self._spans.get_tracer("orders"), self._logs.get_logger("orders")
        meter = self._metrics.get_meter("orders")
        self._placed = meter.create_counter("orders.placed", unit="1")
        bounds = (0.005, 0.05, 0.1, 0.25, 1.0)
        self._took = meter.create_histogram(
            "http.server.request.duration", unit="s", explicit_bucket_boundaries_advisory=bounds
        )

    def take(self, plan: str) -> str:
        """Everything of it has been sent when this returns; the trace's id."""
        with self._tracer.start_as_current_span("POST /orders", kind=SpanKind.SERVER) as span:
            with self._tracer.start_as_current_span("charge the card", attributes={"plan": plan}):
                self._placed.add(1, {"plan": plan})
            self._logger.emit(
                severity_number=SeverityNumber.WARN, body=f"the {plan} plan is sold out", attributes={"plan": plan}
            )
            self._took.record(0.12, {"http.request.method": "POST"})
        for one in (self._spans, self._metrics, self._logs):
            if not one.force_flush():
                raise SystemExit(f"{type(one).__name__} did not send everything")
        return format_trace_id(span.get_span_context().trace_id)

    def close(self) -> None:
        for one in (self._spans, self._metrics, self._logs):
            one.shutdown()


if __name__ == "__main__":
    orders = Orders(os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", ""))
    for one in sys.argv[1:]:
        print(orders.take(one))
    orders.close()
