"""Geometry of the small server-drawn figures. Pure functions; the templates put the numbers into SVG attributes,
so that the figures need neither script nor inline style."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from andon.web.model import Share, Stage


@dataclass(frozen=True, slots=True)
class Spark:
    """`lines` are the polylines between gaps, `dots` lone values; `last` is the newest value's place."""

    width: int
    height: int
    lines: tuple[str, ...]
    area: tuple[str, ...]
    dots: tuple[tuple[float, float], ...]
    last: tuple[float, float] | None


def spark(values: Sequence[float | None], width: int = 120, height: int = 28) -> Spark:
    """A sparkline with its foot at zero: what is twice as much is drawn twice as high."""
    known = [value for value in values if value is not None]
    top = max(known, default=0.0) or 1.0
    pad = 3.0
    step = (width - 2 * pad) / max(1, len(values) - 1)
    places = [
        None if value is None else (round(pad + i * step, 1), round(height - pad - value / top * (height - 2 * pad), 1))
        for i, value in enumerate(values)
    ]
    runs: list[list[tuple[float, float]]] = [[]]
    for place in places:
        if place is None:
            runs.append([])
        else:
            runs[-1].append(place)
    runs = [run for run in runs if run]
    foot = height - pad
    return Spark(
        width=width,
        height=height,
        lines=tuple(" ".join(f"{x},{y}" for x, y in run) for run in runs if len(run) > 1),
        area=tuple(
            f"M{run[0][0]},{foot} " + " ".join(f"L{x},{y}" for x, y in run) + f" L{run[-1][0]},{foot}Z"
            for run in runs
            if len(run) > 1
        ),
        dots=tuple(run[0] for run in runs if len(run) == 1),
        last=runs[-1][-1] if runs else None,
    )


@dataclass(frozen=True, slots=True)
class Band:
    """A stream from the router to one set: an SVG path, filled."""

    path: str
    series: int
    empty: bool


STREAM_ROW = 104  # pixels per set; the stylesheet's .stream-set has the same height
STREAM_WIDTH = 200


def stream(shares: Sequence[Share]) -> tuple[int, list[Band]]:
    """Height of the picture and one band a set; a band's width is its share of the traffic."""
    height = max(1, len(shares)) * STREAM_ROW
    thickest = STREAM_ROW * 0.6
    total = sum(share.share for share in shares) or 1.0
    top = (height - thickest) / 2
    bands = []
    for row, share in enumerate(shares):
        part = share.share / total
        thick = max(thickest * part, 0.0)
        left = (top, top + thick)
        middle = row * STREAM_ROW + STREAM_ROW / 2
        right = (middle - thick / 2, middle + thick / 2)
        bend = STREAM_WIDTH / 2
        if part <= 0:
            start = min(max(middle, (height - thickest) / 2), (height + thickest) / 2)
            path = f"M0,{start:.1f} C{bend},{start:.1f} {bend},{middle:.1f} {STREAM_WIDTH},{middle:.1f}"
        else:
            path = (
                f"M0,{left[0]:.1f} C{bend},{left[0]:.1f} {bend},{right[0]:.1f} {STREAM_WIDTH},{right[0]:.1f} "
                f"L{STREAM_WIDTH},{right[1]:.1f} C{bend},{right[1]:.1f} {bend},{left[1]:.1f} 0,{left[1]:.1f}Z"
            )
            top += thick
        bands.append(Band(path=path, series=share.series, empty=part <= 0))
    return height, bands


@dataclass(frozen=True, slots=True)
class Bar:
    """A job's bar in percent of the run's length; `width` is at least a hair so that short jobs can be seen."""

    x: float
    width: float


def length_of(stages: Sequence[Stage]) -> float:
    """Seconds from the run's start to the end of its last known job, at least one."""
    ends = [(job.start or 0.0) + (job.length or 0.0) for stage in stages for job in stage.jobs if job.start is not None]
    return max([1.0, *ends])


def bar(start: float | None, length: float | None, total: float) -> Bar | None:
    """Where a job's bar lies; None for one that has not begun."""
    if start is None:
        return None
    x = min(100.0, start / total * 100)
    return Bar(x=round(x, 2), width=round(max(0.8, min(100.0 - x, (length or 0.0) / total * 100)), 2))


SERIES = 6
"""Colours there are for versions."""


def version_series(commits: Iterable[str]) -> dict[str, int]:
    """A colour (1 to :data:`SERIES`) for each version, given by their hashes, oldest first.

    A version has its own colour on every page, unless an older one beside it has that already.
    """
    given: dict[str, int] = {}
    for commit in commits:
        if commit in given:
            continue
        wanted = int(commit[:6], 16) % SERIES
        order = [(wanted + step) % SERIES + 1 for step in range(SERIES)]
        given[commit] = next((free for free in order if free not in given.values()), order[0])
    return given
