"""What holds for metrics of every kind before one may pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from andon.feedback.judge.boundaries import Floats
from andon.feedback.judge.contract import Arms, Because, Bin, Look, Plan, Verdict
from andon.feedback.judge.model import Terms
from andon.feedback.judge.reading import Read
from andon.feedback.judge.saying import count, span

_LAST_PART = 3  # something must have been seen in the last third of a stage


@dataclass(frozen=True, slots=True)
class Setting:
    """What a metric is judged in: the plan, all looks, and the past where there is one."""

    plan: Plan
    looks: Sequence[Look]
    history: Sequence[Look]

    @property
    def now(self) -> float:
        return self.looks[-1].at

    @property
    def until(self) -> float:
        return self.plan.horizon if self.plan.until is None else self.plan.until

    @property
    def silence(self) -> float:
        lengths = [look.seconds for look in self.looks[-20:]]
        return max(self.plan.silence, 2 * float(np.median(lengths)))


@dataclass(frozen=True, slots=True)
class Gate:
    """How far it is to a pass: which verdict, why, and the part of the sentence that says so."""

    verdict: Verdict
    because: Because
    words: str


NOTHING_YET = Gate(Verdict.INCONCLUSIVE, Because.TOO_EARLY, "nothing has come of it yet")
"""Of a metric that is asked for more rarely than is looked, before it counts as silent."""


def silent(setting: Setting, read: Read, *, alone: bool) -> Gate | None:
    """Whether telemetry has stopped, or one arm never began. ``alone``: no old version runs beside it."""
    arms = ((True, "the new version"),) if alone else ((True, "the new version"), (False, "the old version"))
    begun = setting.looks[0].at - setting.looks[0].seconds
    for canary, name in arms:
        last = read.last(canary)
        quiet = setting.now - (begun if last is None else last)
        if quiet >= setting.silence - 1e-9:
            since = "has come since the start" if last is None else f"has come for {span(quiet)}"
            return Gate(Verdict.INCONCLUSIVE, Because.NO_TELEMETRY, f"no telemetry of {name} {since}")
    return None


def gate(setting: Setting, terms: Terms, n: Floats, m: Floats, at: Floats, *, things: str) -> Gate:
    """For a metric that neither fails nor is silent. ``n`` and ``m`` of each look at ``at``; ``m`` may be all NaN."""
    if setting.now < setting.until - 1e-6:
        return Gate(Verdict.INCONCLUSIVE, Because.TOO_EARLY, f"{span(setting.now)} of {span(setting.until)} are over")
    inside = at > setting.plan.since
    fewest = min(float(n[inside].sum()), np.inf if np.isnan(m).all() else float(np.nansum(m[inside])))
    if fewest < terms.minimum or not fewest > 0:
        return Gate(
            Verdict.INCONCLUSIVE,
            Because.TOO_FEW,
            f"{count(fewest)} {things} in one of the versions are too few, {count(terms.minimum)} are asked for",
        )
    last = at > setting.now - (setting.now - setting.plan.since) / _LAST_PART
    if not float(n[last].sum()) > 0:
        return Gate(Verdict.INCONCLUSIVE, Because.TOO_FEW, f"the new version has had no {things} of late")
    return Gate(Verdict.PASS, Because.NOT_WORSE, "")


def arms(n: Floats, m: Floats) -> Arms:
    return Arms(float(n.sum()), float(np.nansum(m)))


def bins(canary: Floats, baseline: Floats, most: int = 12) -> tuple[Bin, ...]:
    """Both arms' values in the same bins of equal width; NaN are left out."""
    canary, baseline = canary[np.isfinite(canary)], baseline[np.isfinite(baseline)]
    both = np.concatenate((canary, baseline))
    if not len(both):
        return ()
    low, high = float(both.min()), float(both.max())
    if high <= low:
        # nothing that is counted is below none
        low, high = (low - abs(low) * 0.5, high + abs(high) * 0.5) if low else (0.0, 1.0)
    edges = np.linspace(low, high, min(most, max(4, len(both) // 2)) + 1)
    parts = [
        np.histogram(values, edges)[0] / max(len(values), 1) if len(values) else np.zeros(len(edges) - 1)
        for values in (canary, baseline)
    ]
    return tuple(
        Bin(float(a), float(b), float(mine), float(other))
        for a, b, mine, other in zip(edges, edges[1:], *parts, strict=False)
    )
