"""Requests from bytes: protobuf, and OTLP's own dialect of protobuf's JSON."""

from __future__ import annotations

import base64

import msgspec
from google.protobuf.json_format import ParseDict, ParseError  # type: ignore[import-untyped]  # carries no types
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # carries no types

from andon.feedback.telemetry.ways.otlp.answers import ExportRequest, Signal
from andon.kernel.errors import Invalid

_IDS = frozenset({"traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id"})
_DEEPEST = 60


def from_protobuf(body: bytes, signal: Signal) -> ExportRequest:
    """Raises ``Invalid``."""
    try:
        request: ExportRequest = signal.request.FromString(body)
    except DecodeError as error:
        raise _malformed(f"not protobuf of an Export request for {signal}") from error
    return request


def from_json(body: bytes, signal: Signal) -> ExportRequest:
    """Ids are hexadecimal here, not base 64; fields nobody knows are passed over. Raises ``Invalid``."""
    try:
        found = msgspec.json.decode(body)
        if not isinstance(found, dict):
            raise _malformed("not a JSON object")
        request: ExportRequest = ParseDict(_with_ids(found, 0), signal.request(), ignore_unknown_fields=True)
    except (msgspec.DecodeError, ParseError) as error:
        raise _malformed(str(error)) from error
    except RecursionError as error:
        raise _malformed("nested too deeply") from error
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        # what protobuf's parser stumbles over instead of refusing it, such as text where an object should be
        raise _malformed("a value is of another type than the protocol's") from error
    return request


def _with_ids(value: object, depth: int) -> object:
    if depth > _DEEPEST:
        raise _malformed("nested too deeply")
    if isinstance(value, list):
        return [_with_ids(one, depth + 1) if isinstance(one, dict | list) else one for one in value]
    if isinstance(value, dict):
        return {
            key: base64.b64encode(bytes.fromhex(one)).decode()
            if key in _IDS and isinstance(one, str)
            else _with_ids(one, depth + 1)
            if isinstance(one, dict | list)
            else one
            for key, one in value.items()
        }
    return value


def _malformed(what: str) -> Invalid:
    return Invalid(
        f"The request cannot be read: {what[:300]}.",
        safe="Nothing of it was taken in.",
        remedy="Send what the OpenTelemetry protocol describes; sending the same again will not help.",
    )
