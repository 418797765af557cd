"""What the judge answers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


class Because(StrEnum):
    """Why, for programs; people get the sentence."""

    # fail
    WORSE = "worse"
    """Worse than the old version beside it, since the start."""
    WORSE_LATELY = "worse-lately"
    """Suddenly much worse than the old version beside it, in the last few looks."""
    WORSE_THAN_HISTORY = "worse-than-history"
    """Worse than what this service did before; there is no old version beside it."""
    BOTH_WORSE = "both-worse"
    """Both versions are worse than before: going back mends nothing by itself, going on neither."""
    GROWING = "growing"
    UNSTEADY = "unsteady"
    """It swings more than the old version does."""
    TRAFFIC_GONE = "traffic-gone"
    # pass
    NOT_WORSE = "not-worse"
    # inconclusive
    TOO_EARLY = "too-early"
    """All is well so far; the stage is not over. Wait."""
    TOO_FEW = "too-few"
    """The time is over and too little was seen. Wait longer, send more traffic, or let somebody decide."""
    NO_TELEMETRY = "no-telemetry"
    """Measurements have stopped, or never began. Pause."""
    NO_BASELINE = "no-baseline"
    """Nothing to compare with: neither an old version beside it nor a history. Pause."""
    BOTH_BROKEN = "both-broken"
    """Both versions are past the metric's limit, and there is no history. Pause."""


@dataclass(frozen=True, slots=True)
class Arms:
    canary: float
    baseline: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """How much the new version differs.

    ``low`` and ``high`` hold the true ratio with the stated confidence *for all metrics and all looks at once*: one may
    look as often as one likes and stop because of what one sees. ``None`` is not to be had (yet), or without bound.
    """

    canary: float | None
    """Level of the new version in the metric's unit: a share, a rate, a quantile (see ``last_bound``), a mean."""
    baseline: float | None
    ratio: float | None
    """New to old of what is compared; of a ``LATENCY`` that is the share of requests slower than ``threshold``."""
    low: float | None = None
    high: float | None = None
    confidence: float = 0.99
    threshold: float | None = None
    last_bound: float | None = None
    """Of a ``LATENCY``: up to here values are told apart. A level that is infinite lies above it."""

    @property
    def canary_above(self) -> float | None:
        """What the new version's level lies above of, where more of it is not known."""
        return self.last_bound if self.canary is not None and math.isinf(self.canary) else None

    @property
    def baseline_above(self) -> float | None:
        return self.last_bound if self.baseline is not None and math.isinf(self.baseline) else None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Fails when ``p`` is at most ``boundary``: how rarely so much comes by chance, and how rare it has to be now."""

    p: float
    boundary: float


@dataclass(frozen=True, slots=True)
class Bin:
    """Both arms' part, 0 to 1, of the values above ``low`` and up to ``high``. The last ``high`` may be infinite."""

    low: float
    high: float
    canary: float
    baseline: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricJudgement:
    metric: str
    title: str
    verdict: Verdict
    because: Because
    reason: str
    """One sentence with the numbers, in plain words."""
    n: Arms
    """Requests, visits or values that were compared."""
    effect: Effect | None = None
    evidence: Evidence | None = None
    bins: tuple[Bin, ...] = ()
    """Both distributions: of latencies and gauges their values, of counts the levels of single looks."""
    against_history: bool = False
    since: float | None = None
    """Of a failure, the look (``at``) at which it was first certain."""
    unreadable: int = 0
    """Observations that could not be so: NaN, negative counts. They are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """``FAIL`` if any metric fails, else ``INCONCLUSIVE`` if any is, else ``PASS``; of no metrics never ``PASS``."""

    verdict: Verdict
    because: Because
    sentence: str
    metrics: tuple[MetricJudgement, ...]
    at: float | None
    """The end of the last look."""
    looks: int

    @property
    def should_pause(self) -> bool:
        """Neither go on nor go back: what is needed to judge is missing, and time alone does not mend it."""
        return self.because in {Because.NO_TELEMETRY, Because.NO_BASELINE, Because.BOTH_BROKEN}
