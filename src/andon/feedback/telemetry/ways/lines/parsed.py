"""What one line says, as far as it can be told; and objects as popular loggers write them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo

from andon.feedback.telemetry.contract.logs import Severity
from andon.feedback.telemetry.ways.lines.severity import severity_of, severity_of_level
from andon.feedback.telemetry.ways.lines.times import moment
from andon.feedback.telemetry.ways.texts import Fields, body_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """``time`` is microseconds since 1970, ``None`` where the line does not say it beyond doubt. ``body`` is text that
    somebody else wrote. ``fields`` hold what is neither of the others."""

    severity: Severity = Severity.UNKNOWN
    body: str
    fields: Mapping[str, str] = field(default_factory=dict)
    trace: str = ""
    span: str = ""
    time: int | None = None


_TIME = ("time", "ts", "@timestamp", "timestamp", "@t", "datetime", "asctime", "date", "eventTime", "timeMillis")
_LEVEL = ("level", "severity", "lvl", "log.level", "levelname", "loglevel", "@l", "severityText", "severity_text")
_BODY = ("msg", "message", "body", "event", "@m", "short_message", "@mt", "log", "text")
_TRACE = ("trace_id", "traceId", "trace.id", "traceid", "traceID", "otelTraceID", "TraceId", "@tr")
_GOOGLE_TRACE = "logging.googleapis.com/trace"
_SPAN = ("span_id", "spanId", "span.id", "spanid", "spanID", "otelSpanID", "SpanId", "@sp")
_GOOGLE_SPAN = "logging.googleapis.com/spanId"
_HEX_TRACE, _HEX_SPAN = re.compile(r"[0-9a-fA-F]{32}"), re.compile(r"[0-9a-fA-F]{16}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
_TRACING = {*_TRACE, *_SPAN, _GOOGLE_TRACE, _GOOGLE_SPAN, "traceparent"}
_DEEPEST = 6
_MOST_LOOKED_AT = 256


def from_object(found: Mapping[str, object], zone: tzinfo | None = UTC) -> Parsed:
    """A line that is an object. What has no known name is flattened to fields: ``{"http": {"status": 200}}`` is
    ``http.status``."""
    flat = dict(_flat(found, "", 0))
    time = _first_time(flat, zone)
    severity = _take_severity(flat)
    body = next(
        (str(flat.pop(name)) for name in _BODY if isinstance(flat.get(name), str | int | float) and flat[name] != ""),
        "",
    )
    trace, span = take_trace(flat)
    kept = Fields()
    for name, value in flat.items():
        kept.add(name, plain(value))
    if not body:
        body = plain(found)
    return Parsed(severity=severity, body=body_text(body), fields=kept.kept, trace=trace, span=span, time=time)


def take_trace(flat: dict[str, object]) -> tuple[str, str]:
    """Trace and span, taken out of the fields; each empty if it is none."""
    if _TRACING.isdisjoint(flat):
        return "", ""
    trace = _taken(flat, _TRACE, _HEX_TRACE)
    span = _taken(flat, _SPAN, _HEX_SPAN)
    if not trace and isinstance(google := flat.get(_GOOGLE_TRACE), str):
        last = google.rpartition("/")[2]
        if _HEX_TRACE.fullmatch(last):
            trace = last.lower()
            del flat[_GOOGLE_TRACE]
    if not span:
        span = _taken(flat, (_GOOGLE_SPAN,), _HEX_SPAN)
    if not trace and isinstance(parent := flat.get("traceparent"), str) and (parts := _TRACEPARENT.fullmatch(parent)):
        trace, span = parts[1], parts[2]
        del flat["traceparent"]
    return (trace if trace.strip("0") else ""), (span if span.strip("0") else "")


def _taken(flat: dict[str, object], names: tuple[str, ...], pattern: re.Pattern[str]) -> str:
    for name in names:
        value = flat.get(name)
        if isinstance(value, str) and pattern.fullmatch(value):
            del flat[name]
            return value.lower()
    return ""


def _first_time(flat: dict[str, object], zone: tzinfo | None) -> int | None:
    for name in _TIME:
        if name in flat and (found := moment(flat[name], zone)) is not None:
            del flat[name]
            return found
    return None


def _take_severity(flat: dict[str, object]) -> Severity:
    for name in _LEVEL:
        value = flat.get(name)
        found = Severity.UNKNOWN
        if isinstance(value, str):
            found = severity_of(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found = severity_of_level(value)
        if found is not Severity.UNKNOWN:
            del flat[name]
            return found
    return Severity.UNKNOWN


def _flat(found: Mapping[str, object], prefix: str, depth: int) -> Iterator[tuple[str, object]]:
    for index, (name, value) in enumerate(found.items()):
        if index >= _MOST_LOOKED_AT:
            return
        if isinstance(value, dict) and depth < _DEEPEST:
            yield from _flat(value, f"{prefix}{name}.", depth + 1)
        else:
            yield f"{prefix}{name}", value


def plain(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return "" if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
