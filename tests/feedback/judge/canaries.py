"""Rollouts to judge: looks of both arms, drawn from fixed seeds or told one by one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from andon.feedback.judge.contract import (
    Counts,
    Direction,
    Gauges,
    Judgement,
    Kind,
    Look,
    Metric,
    MetricJudgement,
    Observation,
    Plan,
    Traffic,
)
from andon.feedback.judge.service import Statistics

Arm = Mapping[str, Observation | None]
MINUTE = 60.0
ENVOY = (0.5, 1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0, 5_000.0, 10_000.0)
ERRORS = Metric(name="errors", kind=Kind.SHARE, title="Errors")
TRAFFIC = Metric(name="traffic", kind=Kind.TRAFFIC, title="Traffic")
MEMORY = Metric(name="memory", kind=Kind.GAUGE, title="Memory", unit="MB")
ORDERS = Metric(name="orders", kind=Kind.RATE, title="Orders", direction=Direction.LESS_IS_WORSE)
LOGGED = Metric(name="logged", kind=Kind.RATE, title="Log errors")


def plan(*metrics: Metric, horizon: float = 30 * MINUTE, alpha: float = 0.01, **more: float) -> Plan:
    return Plan(metrics=metrics or (ERRORS,), horizon=horizon, alpha=alpha, **more)


def looks(
    canary: Sequence[Arm], baseline: Sequence[Arm], *, seconds: float = MINUTE, share: float | None = 0.5
) -> list[Look]:
    return [
        Look(at=(index + 1) * seconds, seconds=seconds, share=share, canary=mine, baseline=other)
        for index, (mine, other) in enumerate(zip(canary, baseline, strict=True))
    ]


def errors(
    mine: Sequence[float], other: Sequence[float], n: float = 1_000, m: float | None = None, *, seconds: float = MINUTE
) -> list[Look]:
    """So many errors in each look, of ``n`` requests in the canary and ``m`` in the baseline."""
    return looks(
        [{"errors": Counts(x, n)} for x in mine],
        [{"errors": Counts(y, n if m is None else m)} for y in other],
        seconds=seconds,
    )


def drawn(
    seed: int,
    share: float | Callable[[int], float],
    base: float | Callable[[int], float],
    *,
    points: int = 30,
    n: int = 1_000,
    m: int | None = None,
    seconds: float = MINUTE,
) -> list[Look]:
    """Errors as chance has it."""
    random = np.random.default_rng(seed)
    m = n if m is None else m

    def of(level: float | Callable[[int], float], index: int) -> float:
        return level(index) if callable(level) else level

    return errors(
        [float(random.binomial(n, of(share, index))) for index in range(points)],
        [float(random.binomial(m, of(base, index))) for index in range(points)],
        n,
        m,
        seconds=seconds,
    )


def past(level: float, *, points: int = 60, n: int = 1_000, seed: int = 7, seconds: float = MINUTE) -> list[Look]:
    """What a service did before: errors of requests."""
    random = np.random.default_rng(seed)
    return [
        Look(
            at=-(points - index - 1) * seconds,
            seconds=seconds,
            baseline={"errors": Counts(float(random.binomial(n, level)), n), "traffic": Traffic(n)},
        )
        for index in range(points)
    ]


def gauges(values: Sequence[float], name: str = "one", metric: str = "memory") -> list[Arm]:
    return [{metric: Gauges({name: value})} for value in values]


def wandering(random: np.random.Generator, points: int, *, keep: float = 0.7, spread: float = 0.05) -> np.ndarray:
    """A level that is like the one before, around 1."""
    value, told = random.normal(0, spread), []
    for _ in range(points):
        value = keep * value + random.normal(0, spread * math.sqrt(1 - keep**2))
        told.append(math.exp(value))
    return np.asarray(told)


def judge(given: Plan, seen: Sequence[Look], history: Sequence[Look] = ()) -> Judgement:
    return Statistics().judge(given, seen, history=history)


def only(judgement: Judgement) -> MetricJudgement:
    (metric,) = judgement.metrics
    return metric


def most(share: float, trials: int) -> float:
    """So many of so many trials are at most had by chance with this share, but for one time in ten thousand."""
    total, chance, count = 0.0, (1 - share) ** trials, 0
    while total + chance < 1 - 1e-4:
        total += chance
        count += 1
        chance *= (trials - count + 1) / count * share / (1 - share)
    return count
