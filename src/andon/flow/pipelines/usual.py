"""Whether something took longer than it usually does."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from andon.flow.pipelines.contract import StageSummary
from andon.flow.pipelines.model import Stage
from andon.web.rendering import duration

LEAST = 5
"""With fewer there is no usual."""
TWICE = 2.0
DEVIATIONS = 3.0
SCALE = 1.4826
"""Makes the median absolute deviation of Gaussian data their standard deviation (Rousseeuw and Croux, 1993)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusual:
    seconds: float
    usual: float
    """The median, in seconds."""
    of: int
    """How many it was compared with."""

    @property
    def times(self) -> float:
        """How many times as long as usual."""
        return self.seconds / self.usual if self.usual else float("inf")

    @property
    def says(self) -> str:
        """``It took 8 m 20 s, 2.2 times the usual 3 m 50 s (the median of the last 12 that passed).``"""
        times = f", {self.times:.1f} times the usual {duration(self.usual)}" if self.usual else ""
        return f"It took {duration(self.seconds)}{times} (the median of the last {self.of} that passed)."


def unusual(seconds: float, before: Sequence[float]) -> Unusual | None:
    """``None`` for what took no longer than such things do, or where too few have passed to tell.

    It took at least twice the median of those ``before``, and more than three of their (scaled) median absolute
    deviations beyond it: twice alone would cry about what varies that much every day, deviations alone about two
    seconds more of what always takes ten.
    """
    if len(before) < LEAST:
        return None
    usual = statistics.median(before)
    spread = SCALE * statistics.median(abs(one - usual) for one in before)
    if seconds < TWICE * usual or seconds <= usual + DEVIATIONS * spread:
        return None
    return Unusual(seconds=seconds, usual=usual, of=len(before))


def worked_seconds(stages: Iterable[StageSummary | Stage]) -> float:
    """How long a run's stages took together, without the time that it waited for a person between them."""
    return sum(
        (one.ended_at - one.started_at).total_seconds()
        for one in stages
        if one.started_at is not None and one.ended_at is not None
    )
