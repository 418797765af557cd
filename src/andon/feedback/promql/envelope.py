"""Answers as Prometheus' HTTP interface writes them: numbers are strings, times are seconds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from andon.feedback.promql.aggregations import plain_number
from andon.feedback.promql.contract import (
    Answer,
    BadQuery,
    Line,
    Matrix,
    Point,
    QueryFailed,
    QueryTimeout,
    Scalar,
    String,
    Vector,
)
from andon.feedback.telemetry.contract.metrics import Labels
from andon.kernel.errors import AndonError, Invalid, NotFound, Unavailable

Plain = str | int | float | Sequence["Plain"] | Mapping[str, "Plain"]

_MEANING: tuple[tuple[type[AndonError], str], ...] = (
    (BadQuery, "bad_data"),
    (QueryFailed, "execution"),
    (QueryTimeout, "timeout"),
    (Unavailable, "unavailable"),
    (NotFound, "not_found"),
    (Invalid, "bad_data"),
)


class Refusal(msgspec.Struct, kw_only=True):
    status: str = "error"
    errorType: str
    error: str


def refused(error: AndonError) -> tuple[int, bytes] | None:
    """Status and body for an error that Prometheus has a word for."""
    for kind, meaning in _MEANING:
        if isinstance(error, kind):
            return error.status, msgspec.json.encode(Refusal(errorType=meaning, error=str(error.message)))
    return None


def answered(answer: Answer) -> bytes:
    match answer:
        case Matrix(lines):
            return _result("matrix", b"[%b]" % b",".join(_line(one) for one in lines))
        case Vector(points):
            return _result("vector", b"[%b]" % b",".join(_point(one) for one in points))
        case Scalar(time=at, value=value):
            return _result("scalar", _pair(at, value))
        case String(time=at, value=text):
            return _result("string", b"[%b,%b]" % (seconds(at), msgspec.json.encode(text)))


def listed(data: Plain, *, warnings: Sequence[str] = ()) -> bytes:
    """Anything else than numbers over time."""
    return _success(msgspec.json.encode(data), warnings)


def cut(found: Sequence[Plain], limit: int) -> bytes:
    """No more than so many (0 is all), which is said."""
    if not limit or len(found) <= limit:
        return listed(found)
    return listed(found[:limit], warnings=["results truncated due to limit"])


def _success(data: bytes, warnings: Sequence[str] = ()) -> bytes:
    told = b',"warnings":%b' % msgspec.json.encode(warnings) if warnings else b""
    return b'{"status":"success","data":%b%b}' % (data, told)


def _result(kind: str, result: bytes) -> bytes:
    return _success(b'{"resultType":"%b","result":%b}' % (kind.encode(), result))


def _line(line: Line) -> bytes:
    pairs = b",".join(_pair(at, value) for at, value in zip(line.times.tolist(), line.values.tolist(), strict=True))
    return b'{"metric":%b,"values":[%b]}' % (metric(line.labels), pairs)


def _point(point: Point) -> bytes:
    return b'{"metric":%b,"value":%b}' % (metric(point.labels), _pair(point.time, point.value))


def metric(labels: Labels) -> bytes:
    return msgspec.json.encode(dict(labels))


def _pair(at: int, value: float) -> bytes:
    return b'[%b,"%b"]' % (seconds(at), number(value).encode())


def seconds(at: int) -> bytes:
    """1435781430 or 1435781430.781"""
    whole, rest = divmod(abs(at), 1000)
    sign = b"-" if at < 0 else b""
    return sign + (b"%d.%03d" % (whole, rest) if rest else b"%d" % whole)


_SMALLEST_PLAIN, _LARGEST_PLAIN = 1e-6, 1e21


def number(value: float) -> str:
    """The shortest digits that make the number; an exponent only for very small and very large ones."""
    if math.isfinite(value) and value and not _SMALLEST_PLAIN <= abs(value) < _LARGEST_PLAIN:
        return repr(value)
    if math.isfinite(value) and value == math.trunc(value) and abs(value) < 2**53:
        return "-0" if value == 0 and math.copysign(1, value) < 0 else str(int(value))
    return plain_number(value)


def dictionaries(series: Iterable[Labels]) -> list[Mapping[str, str]]:
    return [dict(labels) for labels in series]
