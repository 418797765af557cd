"""Rows as Graphite answers them: JSON, CSV, raw."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, tzinfo

import msgspec
import numpy as np

from andon.feedback.graphite.rows import Row


class Told(msgspec.Struct, kw_only=True):
    """A series: ``datapoints`` are pairs of a value or null and seconds since 1970."""

    target: str
    tags: dict[str, str]
    datapoints: list[tuple[float | None, int]]


def drawable(row: Row, seconds: int, most: int | None) -> Row:
    """The row with as many points at most, of a window of so many seconds.

    Points that become one begin at a multiple of their length, so that the same ones do whenever they are asked for.
    """
    if most is None or not len(row):
        return row
    if most == 1:
        return row.coarser(len(row))
    if most >= seconds / row.step:
        return row
    points = math.ceil(seconds / row.step / most)
    length = points * row.step
    # Graphite leaves out one value less than that, and so tells each a step too late
    lost = (-row.start % length) // row.step
    return replace(row, start=row.start + lost * row.step, values=row.values[lost:]).coarser(points)


def told(rows: Sequence[Row], most: int | None = None, *, nulls: bool = True) -> list[Told]:
    if not rows:
        return []
    seconds = max(row.end for row in rows) - min(row.start for row in rows)
    found = []
    for row in rows:
        drawn = drawable(row, seconds, most)
        # Graphite has one time more than slots, and as many points as there are both of
        times = range(drawn.start, drawn.end + 1, drawn.step)
        points: list[tuple[float | None, int]] = [
            (value if math.isfinite(value) else None, at)
            for value, at in zip(drawn.values.tolist(), times, strict=False)
        ]
        if not nulls:
            points = [point for point in points if point[0] is not None]
            if not points:
                continue
        found.append(Told(target=drawn.name, tags=dict(drawn.tags), datapoints=points))
    return found


def as_csv(rows: Sequence[Row], zone: tzinfo) -> str:
    text = io.StringIO()
    writer = csv.writer(text, dialect="excel")
    for row in rows:
        for at, value in zip(_times(row), row.values.tolist(), strict=True):
            when = datetime.fromtimestamp(at, zone).strftime("%Y-%m-%d %H:%M:%S")
            writer.writerow((_harmless(row.name), when, value if math.isfinite(value) else ""))
    return text.getvalue()


def _times(row: Row) -> list[int]:
    return (row.start + np.arange(len(row), dtype=np.int64) * row.step).tolist()


def _harmless(name: str) -> str:
    """A spreadsheet takes what begins like this for a formula."""
    return f"'{name}" if name[:1] in {"=", "+", "-", "@", "\t", "\r"} else name


def as_raw(rows: Sequence[Row]) -> str:
    return "".join(
        f"{row.name.replace(chr(10), ' ')},{row.start},{row.end},{row.step}|"
        + ",".join(repr(value) if math.isfinite(value) else "None" for value in row.values.tolist())
        + "\n"
        for row in rows
    )
