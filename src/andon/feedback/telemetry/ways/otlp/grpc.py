"""OTLP over gRPC: the three Export services, by their names alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import grpc  # type: ignore[import-untyped]  # grpcio carries no types

from andon.feedback.telemetry.ways.compression import too_large
from andon.feedback.telemetry.ways.gathering import Origin
from andon.feedback.telemetry.ways.otlp.answers import Signal, code_of, status_message
from andon.feedback.telemetry.ways.otlp.exporting import Otlp
from andon.kernel.errors import AndonError, NotAuthenticated

METHODS = {
    "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export": Signal.METRICS,
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export": Signal.LOGS,
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export": Signal.TRACES,
}
LARGEST = 4 * 1024**2
"""Bytes of a call, the default of gRPC and of OpenTelemetry's collector: they are in memory before we are asked."""
_CODES = {code.value[0]: code for code in grpc.StatusCode}

Export = Callable[[object, "grpc.aio.ServicerContext"], Awaitable[bytes]]


class OtlpHandlers(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpcio carries no types
    """For one listening place. Messages stay bytes until a worker thread decodes them.

    ``admits`` is asked with the bearer token, which may be empty.
    """

    def __init__(self, otlp: Otlp, origin: Origin | None, admits: Callable[[str], bool] | None) -> None:
        self._otlp, self._origin, self._admits = otlp, origin, admits

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        signal = METHODS.get(handler_call_details.method)
        # On the wire a call with one message is a stream of one. Only of a stream are we told that the message did not
        # come because it was too large, which is to be counted.
        return None if signal is None else grpc.stream_unary_rpc_method_handler(self._export(signal))

    def _export(self, signal: Signal) -> Export:
        async def export(_messages: object, context: grpc.aio.ServicerContext) -> bytes:
            body = await context.read()
            if not isinstance(body, bytes):
                # gRPC itself has refused it before it was all there, and answered
                self._otlp.refuse(too_large(LARGEST), self._origin)
                raise asyncio.CancelledError
            try:
                self._admit(context)
                response = await self._otlp.export(signal, body, self._origin)
            except AndonError as error:
                self._otlp.refuse(error, self._origin)
                await _abort(context, error)
                raise  # abort has raised
            return bytes(response.SerializeToString())

        return export

    def _admit(self, context: grpc.aio.ServicerContext) -> None:
        if self._admits is None:
            return
        told = dict(context.invocation_metadata() or ()).get("authorization", "")
        scheme, _, token = str(told).partition(" ")
        if not self._admits(token if scheme.lower() == "bearer" else ""):
            raise NotAuthenticated("The token is missing or wrong.", remedy="Send `authorization: Bearer TOKEN`.")


async def _abort(context: grpc.aio.ServicerContext, error: AndonError) -> None:
    code = grpc.StatusCode.UNAUTHENTICATED if error.status == 401 else _CODES[code_of(error)]
    # percent-encoded by gRPC; a proxy on the way may cut long ones
    await context.abort(code, str(error)[:500], trailing_metadata=(("grpc-status-details-bin", status_message(error)),))
