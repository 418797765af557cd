"""Whether two answers to one query are the same."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from andon.feedback.promql.contract import Answer, Matrix, Scalar, String, Vector
from andon.feedback.telemetry.contract.metrics import Labels
from benchmarks.promql.prometheus import Said

CLOSE = 1e-9
"""Relative to the larger of two numbers."""


class _Result(msgspec.Struct, kw_only=True):
    resultType: str
    result: msgspec.Raw


class _Series(msgspec.Struct, kw_only=True):
    metric: dict[str, str]
    values: list[tuple[float, str]] = []
    value: tuple[float, str] | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """An answer of either side: its type, and for every series the numbers by time (ms)."""

    kind: str
    series: Mapping[Labels, Mapping[int, float]] = field(default_factory=dict)
    order: tuple[Labels, ...] = ()
    text: str = ""


def of_prometheus(said: Said) -> Told:
    data = msgspec.json.decode(said.data, type=_Result)
    if data.resultType in {"scalar", "string"}:
        at, text = msgspec.json.decode(data.result, type=tuple[float, str])
        if data.resultType == "string":
            return Told("string", text=text)
        return Told("scalar", {(): {round(at * 1000): float(text)}})
    found = msgspec.json.decode(data.result, type=list[_Series])
    series = {
        tuple(sorted(one.metric.items())): {
            round(at * 1000): float(text) for at, text in ([one.value] if one.value else one.values)
        }
        for one in found
    }
    return Told(data.resultType, series, tuple(series))


def of_andon(answer: Answer) -> Told:
    match answer:
        case Scalar(time=at, value=value):
            return Told("scalar", {(): {at: value}})
        case String(value=text):
            return Told("string", text=text)
        case Vector(points):
            series = {point.labels: {point.time: point.value} for point in points}
            return Told("vector", series, tuple(series))
        case Matrix(lines):
            told = {line.labels: dict(zip(line.times.tolist(), line.values.tolist(), strict=True)) for line in lines}
            return Told("matrix", told, tuple(told))


def difference(theirs: Told, ours: Told, *, ordered: bool) -> str:
    """Where the answers differ first; empty where they do not."""
    if theirs.kind != ours.kind or theirs.text != ours.text:
        return f"{theirs.kind} {theirs.text!r} is not {ours.kind} {ours.text!r}"
    missing, more = theirs.series.keys() - ours.series.keys(), ours.series.keys() - theirs.series.keys()
    if missing or more:
        return f"series missing: {sorted(missing)[:2]}, too many: {sorted(more)[:2]}"
    if ordered and theirs.order != ours.order:
        return "the order differs"
    for labels, points in theirs.series.items():
        mine = ours.series[labels]
        if points.keys() != mine.keys():
            return f"{labels}: times differ, such as {sorted(points.keys() ^ mine.keys())[:2]}"
        for at, value in points.items():
            if not close(value, mine[at]):
                return f"{labels} at {at}: {value!r} is not {mine[at]!r}"
    return ""


def close(theirs: float, ours: float) -> bool:
    if math.isnan(theirs) or math.isnan(ours):
        return math.isnan(theirs) and math.isnan(ours)
    if math.isinf(theirs) or math.isinf(ours):
        return theirs == ours
    return abs(theirs - ours) <= CLOSE * max(abs(theirs), abs(ours))
