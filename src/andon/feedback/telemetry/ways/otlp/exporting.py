"""One Export, whatever it came through: read, handed over, answered once it is stored."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from andon.feedback.telemetry.contract.intake import Intake, Receipt, Way
from andon.feedback.telemetry.ways.gathering import Gathering, Origin, Window, handed_over
from andon.feedback.telemetry.ways.known import Known
from andon.feedback.telemetry.ways.otlp.answers import ExportRequest, ExportResponse, Signal
from andon.feedback.telemetry.ways.otlp.logs import read_logs
from andon.feedback.telemetry.ways.otlp.metrics import MetricsDecoder, Reading
from andon.feedback.telemetry.ways.otlp.parsing import from_json, from_protobuf
from andon.feedback.telemetry.ways.otlp.traces import read_traces
from andon.feedback.telemetry.ways.refusing import why_lost
from andon.kernel.errors import AndonError


class Otlp:
    """Takes in metrics, logs and spans as OpenTelemetry sends them. ``executor`` is where requests are decoded."""

    def __init__(self, intake: Intake, window: Window, executor: Executor) -> None:
        self._intake, self._window, self._executor = intake, window, executor
        self._metrics = MetricsDecoder(Known(intake.knows), window)

    async def export(self, signal: Signal, body: bytes, origin: Origin | None, *, json: bool = False) -> ExportResponse:
        """Returns once everything that was taken in survives the end of this process.

        Raises ``Invalid``, and ``TooMany`` or ``Unavailable`` when nothing was taken in.
        """
        loop = asyncio.get_running_loop()
        read = await loop.run_in_executor(self._executor, self._read, signal, body, origin, json)
        if isinstance(read, Reading):
            receipt = await handed_over(self._intake, read.gathering)
            self._metrics.stored(read, receipt.disputed)
            rejected, gathering = min(read.rejected + _refused(receipt), read.points), read.gathering
        else:
            receipt = await handed_over(self._intake, read)
            rejected, gathering = sum(read.dropped.values()) + _refused(receipt), read
        return signal.response(rejected, gathering.told(receipt))

    def refuse(self, error: AndonError, origin: Origin | None) -> None:
        """Count a request that is lost, where nobody else does."""
        why = why_lost(error)
        if why is not None:
            self._intake.drop(Way.OTLP, why, service=origin.service if origin is not None else "")

    def _read(self, signal: Signal, body: bytes, origin: Origin | None, json: bool) -> Reading | Gathering:
        request: ExportRequest = from_json(body, signal) if json else from_protobuf(body, signal)
        if isinstance(request, ExportMetricsServiceRequest):
            return self._metrics.read(request, origin)
        if isinstance(request, ExportLogsServiceRequest):
            return read_logs(request, origin, self._window)
        return read_traces(request, origin, self._window)


def _refused(receipt: Receipt) -> int:
    return sum(receipt.dropped.values())
