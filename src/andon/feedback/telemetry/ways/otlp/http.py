"""OTLP over HTTP."""

from __future__ import annotations

import msgspec
from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]  # carries no types

from andon.feedback.telemetry.contract.intake import Way
from andon.feedback.telemetry.ways.compression import too_large
from andon.feedback.telemetry.ways.doors.requests import Answer, Request, Route
from andon.feedback.telemetry.ways.otlp.answers import Signal, retry_header, status_json, status_message
from andon.feedback.telemetry.ways.otlp.exporting import Otlp
from andon.kernel.errors import AndonError, Invalid

MOST_JSON = 4 * 1024**2
"""Bytes, opened: as objects they are many times as large, and protobuf is for those who send much."""
_PROTOBUF, _JSON = "application/x-protobuf", "application/json"


def otlp_routes(otlp: Otlp) -> tuple[Route, ...]:
    """``/v1/metrics``, ``/v1/logs`` and ``/v1/traces``."""
    return tuple(_route(otlp, signal) for signal in Signal)


def _route(otlp: Otlp, signal: Signal) -> Route:
    async def export(request: Request) -> Answer:
        kind = request.content_type
        if kind not in {_PROTOBUF, "application/protobuf", _JSON}:
            raise UnknownContent(f"OTLP is not sent as {kind[:60]!r}.", remedy=f"Send {_PROTOBUF} or {_JSON}.")
        if kind == _JSON and len(request.body) > MOST_JSON:
            raise too_large(MOST_JSON)
        response = await otlp.export(signal, request.body, request.origin, json=kind == _JSON)
        if kind == _JSON:
            return Answer(200, msgspec.json.encode(MessageToDict(response)), _JSON)
        return Answer(200, response.SerializeToString(), _PROTOBUF)

    return Route(f"/v1/{signal}", ("POST",), export, refuse=_refusal, way=Way.OTLP)


def _refusal(request: Request, error: AndonError) -> Answer:
    if request.content_type == _JSON:
        return Answer(error.status, status_json(error), _JSON, retry_header(error))
    return Answer(error.status, status_message(error), _PROTOBUF, retry_header(error))


class UnknownContent(Invalid):
    """A content type that the way in does not speak."""

    code = "telemetry.unknown_content"
    status = 415
