"""Exemplars as marks on a graph: single observations, each of which leads to the trace in which it was made."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from andon.feedback.telemetry.contract.metrics import Exemplar, Kind, Labels, Series

MOST = 120
"""Marks on one graph."""
_BOUND = "le"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    time: int
    """Milliseconds since 1970."""
    value: float | None
    """Where it is on the graph's axis; ``None`` where the axis shows something else, such as a rate."""
    trace: str
    span: str
    labels: Labels
    """Of what was measured, without the bucket's bound."""


def part_of(length: int) -> int:
    """The milliseconds of which two exemplars may be kept, so that a graph of this length has no more than ``MOST``."""
    return max(1, math.ceil(length / (MOST // 2 - 1)))


def mark_of(one: Exemplar, series: Series, *, measured: bool) -> Mark | None:
    """``measured`` says that the graph's axis has what is observed; ``None`` for what is no number."""
    if not math.isfinite(one.value):
        return None
    # a running total that is no bucket's has a value of its own for what it counts, mostly one
    placed = measured and (series.label(_BOUND) != "" or series.kind in (Kind.OBSERVATION, Kind.GAUGE))
    return Mark(
        time=one.time,
        value=one.value if placed else None,
        trace=one.trace,
        span=one.span,
        labels=tuple(pair for pair in series.labels if pair[0] != _BOUND),
    )


def chosen(found: Iterable[Mark]) -> tuple[Mark, ...]:
    """By time, each once; where there are more than ``MOST``, the highest."""
    each = {(one.trace, one.span, one.time, one.value): one for one in found}.values()
    highest = sorted(each, key=lambda one: -math.inf if one.value is None else one.value, reverse=True)[:MOST]
    return tuple(sorted(highest, key=lambda one: (one.time, one.trace)))
