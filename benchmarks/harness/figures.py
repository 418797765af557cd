"""Statistics, and figures with their goals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

import msgspec

__all__ = ["Figure", "Goal", "median", "percentile", "spread"]


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile; NaN of nothing."""
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


class Goal(msgspec.Struct, kw_only=True, frozen=True):
    """Both bounds are met by equality."""

    at_most: float | None = None
    at_least: float | None = None

    def met_by(self, value: float) -> bool:
        """Never by NaN: a figure that was not measured is no success."""
        if math.isnan(value):
            return False
        return (self.at_most is None or value <= self.at_most) and (self.at_least is None or value >= self.at_least)

    def words(self) -> str:
        bounds = [("≤", self.at_most), ("≥", self.at_least)]
        return ", ".join(f"{sign} {bound:g}" for sign, bound in bounds if bound is not None)


class Figure(msgspec.Struct, kw_only=True, frozen=True):
    """One line of a benchmark. ``note`` says from where to where, or what the peer is."""

    name: str
    value: float
    unit: str
    goal: Goal | None = None
    note: str = ""

    @property
    def missed(self) -> bool:
        return self.goal is not None and not self.goal.met_by(self.value)


def spread(
    name: str, values: Sequence[float], unit: str, *, goal: Goal | None = None, note: str = ""
) -> tuple[Figure, ...]:
    """Median (which the goal is for), p95 and the largest of some measurements."""
    middle = median(values) if values else math.nan
    return (
        Figure(name=f"{name}, median of {len(values)}", value=middle, unit=unit, goal=goal, note=note),
        Figure(name=f"{name}, p95", value=percentile(values, 95), unit=unit),
        Figure(name=f"{name}, largest", value=max(values, default=math.nan), unit=unit),
    )
