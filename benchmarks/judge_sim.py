"""The judge by simulation: what it finds and what it raises for nothing, beside what others would."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from andon.feedback.judge.contract import (
    Counts,
    Direction,
    Expected,
    Gauges,
    Histogram,
    Judgement,
    Kind,
    Look,
    Metric,
    Observation,
    Plan,
    Verdict,
)
from andon.feedback.judge.service import Statistics
from benchmarks.harness.canaries import argo, best_test, kayenta, knowing_test
from benchmarks.harness.figures import Figure, Goal, median, percentile
from benchmarks.harness.telling import Options, Outcome, chosen, main

SEED = 20_261_123
POINTS, MINUTE = 30, 60.0
METRICS, ALPHA = 10, 0.01
BASES, FACTORS, RATES = (0.001, 0.005, 0.01), (2, 5, 20), (100, 1_000, 10_000)
ENVOY = (0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000, 600_000, 1.8e6)
JUDGE = Statistics()
Random = np.random.Generator


def measure(options: Options, progress: Callable[[str], None]) -> Outcome:
    outcome = Outcome()
    # the seed is published: without one asked for it is not the clock's, as elsewhere
    seed = options.seed if any(one.startswith("--seed") for one in sys.argv) else SEED
    outcome.notes.append("Rates are per arm. Argo: success-rate, four points of 30 below the threshold.")
    outcome.notes.append(f"All random numbers come of the seed {seed} (--seed {seed} says the same).")
    for index, section in enumerate((_cost, _table, _latency, _seconds, _foreseen, _calm)):
        started = time.monotonic()
        section(options, np.random.default_rng([seed, index]), outcome, progress)
        progress(f"{section.__name__.strip('_')}: {time.monotonic() - started:.0f} s")
    return outcome


def found(plan: Plan, looks: Sequence[Look]) -> float | None:
    """When the rollout failed; ``None`` if it never did.

    A verdict follows the boundary at each look up to its own, with what it takes for the size of clusters by then. So
    the last one is asked first, and those on the way, which may have taken another size, every tenth look.
    """
    for end in (len(looks), *range(10, len(looks), 10)):
        told = JUDGE.judge(plan, looks[:end])
        if told.verdict is Verdict.FAIL:
            return min(one.since for one in told.metrics if one.since is not None)
    return None


# The table: errors


@dataclass(frozen=True, slots=True)
class Cell:
    base: float
    factor: float
    rate: int

    def name(self) -> str:
        return f"errors {self.base * 100:g} % ×{self.factor:g}, {self.rate:,}/min"


def _table(options: Options, random: Random, outcome: Outcome, progress: Callable[[str], None]) -> None:
    many = chosen(options, quick=40, full=400)
    calm = chosen(options, quick=40, full=1_500)
    plan = Plan(metrics=(Metric(name="errors", kind=Kind.SHARE),), horizon=POINTS * MINUTE, alpha=ALPHA / METRICS)
    bases = (0.005,) if options.quick else BASES
    rates = (100, 1_000) if options.quick else RATES
    raised, judged = 0, 0
    each = iter(random.spawn(len(bases) * len(rates)))
    for base in bases:
        for rate in rates:
            random = next(each)
            null = _drawn(random, base, rate, 1, 200_000 if not options.quick else 20_000)
            still, false = _alarms(plan, random, base, rate, calm, outcome)
            raised, judged = raised + false, judged + calm
            progress(f"base {base:g}, {rate}/min: no change done")
            for factor in FACTORS:
                _cell(plan, random, Cell(base, factor, rate), many, (null, still), outcome)
    outcome.figures.append(
        Figure(
            name="false alarms, errors, all of these together",
            value=100 * (1 - (1 - raised / judged) ** METRICS),
            unit="%",
            goal=Goal(at_most=100 * (1 - (1 - _reach(ALPHA / METRICS, judged)) ** METRICS)),
            note=f"any of {METRICS}; {raised} of {judged:,}; goal 1 % with the reach of chance",
        )
    )


def _drawn(random: Random, base: float, rate: int, factor: float, many: int) -> tuple[np.ndarray, np.ndarray]:
    """Sums of all points of both arms."""
    return (
        random.binomial(rate * POINTS, min(base * factor, 1), many).astype(float),
        random.binomial(rate * POINTS, base, many).astype(float),
    )


def _minutes(random: Random, cell: Cell, many: int) -> tuple[np.ndarray, np.ndarray]:
    return (
        random.binomial(cell.rate, min(cell.base * cell.factor, 1), (many, POINTS)).astype(float),
        random.binomial(cell.rate, cell.base, (many, POINTS)).astype(float),
    )


def _looks(mine: np.ndarray, other: np.ndarray, rate: float, seconds: float = MINUTE) -> list[Look]:
    return [
        Look(
            at=(index + 1) * seconds,
            seconds=seconds,
            share=0.5,
            canary={"errors": Counts(x, rate)},
            baseline={"errors": Counts(y, rate)},
        )
        for index, (x, y) in enumerate(zip(mine.tolist(), other.tolist(), strict=True))
    ]


def _alarms(plan: Plan, random: Random, base: float, rate: int, many: int, outcome: Outcome) -> tuple[float, int]:
    """Of 10 such metrics that do not change: Kayenta's share of false alarms, and how many the judge raised."""
    mine, other = _minutes(random, Cell(base, 1, rate), many)
    false = sum(found(plan, _looks(x, y, rate)) is not None for x, y in zip(mine, other, strict=True))
    theirs = [float(kayenta(mine, other).mean())]
    theirs += [float(argo(mine, rate, at_least).mean()) for at_least in (0.95, 0.99)]
    of_ten = [100 * (1 - (1 - one) ** METRICS) for one in theirs]
    outcome.figures.append(
        Figure(
            name=f"false alarms, errors {base * 100:g} %, {rate:,}/min",
            value=100 * (1 - (1 - false / many) ** METRICS),
            unit="%",
            goal=Goal(at_most=100 * (1 - (1 - _reach(ALPHA / METRICS, many)) ** METRICS)),
            note=f"any of {METRICS}, from {many} each; Kayenta {of_ten[0]:.0f} % ({theirs[0] * 100:.1f} % of one), "
            f"Argo at 95 % {of_ten[1]:.0f} %, at 99 % {of_ten[2]:.0f} %",
        )
    )
    return theirs[0], false


def _reach(share: float, many: int) -> float:
    """The most that a share may show in so many trials, but for one time in a thousand."""
    return share + 3.1 * math.sqrt(share * (1 - share) / many) + 2 / many


def _cell(
    plan: Plan,
    random: Random,
    cell: Cell,
    many: int,
    null: tuple[tuple[np.ndarray, np.ndarray], float],
    outcome: Outcome,
) -> None:
    mine, other = _minutes(random, cell, many)
    seen = sum(found(plan, _looks(x, y, cell.rate)) is not None for x, y in zip(mine, other, strict=True)) / many
    theirs = float(kayenta(mine, other).mean())
    sums = _drawn(random, cell.base, cell.rate, cell.factor, 20_000)
    best = float(best_test(*sums, ALPHA / METRICS, random).mean())
    knowing = knowing_test(*sums, null[0], ALPHA / METRICS)
    noise = 3.1 * math.sqrt(max(best * (1 - best), 0.01) / many)
    goal = best - 0.15
    if 1 - (1 - null[1]) ** METRICS <= 2 * ALPHA:
        goal = max(goal, theirs - noise)
    thresholds = [100 * float(argo(mine, cell.rate, at_least).mean()) for at_least in (0.95, 0.99)]
    outcome.figures.append(
        Figure(
            name=f"found, {cell.name()}",
            value=100 * seen,
            unit="%",
            goal=Goal(at_least=round(100 * (goal - noise), 1)) if goal > noise else None,
            note=f"best fixed-sample test {100 * best:.1f} % ({100 * knowing:.1f} % if told the base), "
            f"Kayenta {100 * theirs:.1f} %, Argo at 95 % {thresholds[0]:.0f} %, at 99 % {thresholds[1]:.0f} %",
        )
    )


# Ten metrics of all kinds, nothing changed


def _service(random: Random, looks: int, seconds: float, rate: float) -> list[Look]:
    """Ten metrics of a service that is the same in both arms, with the hour of the day and with bursts in its log."""
    hours = 1 + 0.5 * np.sin(np.arange(looks) * seconds / 1_500 + random.uniform(0, 6))
    memory = [_wandering(random, looks, seconds) for _ in range(2)]
    work = [_wandering(random, looks, seconds) for _ in range(2)]
    told = []
    for index in range(looks):
        arms = []
        for arm in range(2):
            n = int(random.poisson(rate * seconds * hours[index]))
            slow = hours[index] * random.lognormal(math.log(40), 0.9, n)
            arm_of: dict[str, Observation | None] = {
                "errors": Counts(int(random.binomial(n, 0.004 * hours[index])), n),
                "rare errors": Counts(int(random.binomial(n, 0.0005)), n),
                "common errors": Counts(int(random.binomial(n, 0.05)), n),
                "median": _histogram(slow),
                "p95": _histogram(slow),
                "p99": _histogram(slow),
                "log errors": Counts(int(random.geometric(0.25, random.poisson(0.004 * n)).sum()), n),
                "orders": Counts(int(random.binomial(n, 0.03)), n),
                "memory": Gauges({"one": float(300 * memory[arm][index])}),
                "processor": Gauges({"one": float(0.4 * hours[index] * work[arm][index])}),
            }
            arms.append(arm_of)
        told.append(Look(at=(index + 1) * seconds, seconds=seconds, share=0.5, canary=arms[0], baseline=arms[1]))
    return told


def _wandering(random: Random, looks: int, seconds: float) -> np.ndarray:
    """A level that is like the one before: autoregressive, with a minute and a half as its memory."""
    keep = math.exp(-seconds / 90)
    value, told = random.normal(0, 0.06), []
    for _ in range(looks):
        value = keep * value + random.normal(0, 0.06 * math.sqrt(1 - keep**2))
        told.append(math.exp(value))
    return np.asarray(told)


def _histogram(values: np.ndarray) -> Histogram:
    bounds = np.asarray(ENVOY)
    return Histogram(ENVOY, tuple(np.bincount(np.searchsorted(bounds, values), minlength=len(ENVOY) + 1).tolist()))


def _ten() -> tuple[Metric, ...]:
    return (
        *(Metric(name=name, kind=Kind.SHARE) for name in ("errors", "rare errors", "common errors")),
        *(Metric(name=n, kind=Kind.LATENCY, quantile=q) for n, q in (("median", 0.5), ("p95", 0.95), ("p99", 0.99))),
        Metric(name="log errors", kind=Kind.RATE),
        Metric(name="orders", kind=Kind.RATE, direction=Direction.LESS_IS_WORSE),
        *(Metric(name=name, kind=Kind.GAUGE) for name in ("memory", "processor")),
    )


def _calm(options: Options, random: Random, outcome: Outcome, progress: Callable[[str], None]) -> None:
    plan = Plan(metrics=_ten(), horizon=POINTS * MINUTE, alpha=ALPHA)
    many = chosen(options, quick=15, full=600)
    false: list[str] = []
    rollouts = 0
    for number in range(many):
        looks = _service(random, POINTS, MINUTE, 5.0)
        for end in (len(looks), *range(5, len(looks), 5)):
            told = JUDGE.judge(plan, looks[:end])
            if told.verdict is Verdict.FAIL:
                false.append(_failing(told))
                rollouts += 1
                break
        if number % 200 == 199:
            progress(f"nothing changed: {number + 1} rollouts, {rollouts} false alarms")
    outcome.figures.append(
        Figure(
            name="false alarms, 10 metrics of all kinds, 30 looks each",
            value=100 * rollouts / many,
            unit="%",
            goal=Goal(at_most=100 * _reach(ALPHA, many)),
            note=f"{many} rollouts with drift and bursts, 300/min an arm; "
            f"goal with the reach of chance; {', '.join(false) or 'none'}",
        )
    )


def _failing(told: Judgement) -> str:
    return next(one.metric for one in told.metrics if one.verdict is Verdict.FAIL)


# Latency


def _latency(options: Options, random: Random, outcome: Outcome, _progress: Callable[[str], None]) -> None:
    """p99 half as much again: of all requests, and of the slow ones alone."""
    plan = Plan(metrics=(Metric(name="p99", kind=Kind.LATENCY),), horizon=POINTS * MINUTE, alpha=ALPHA / METRICS)
    many = chosen(options, quick=15, full=200)
    slow_from = 40 * math.exp(0.9 * 1.8)
    for rate in (100, 1_000):
        for all_of_them in (True, False):
            hits = 0
            for _ in range(many):
                looks = []
                for index in range(POINTS):
                    two = random.lognormal(math.log(40), 0.9, (2, rate))
                    mine = two[0] * 1.5 if all_of_them else np.where(two[0] > slow_from, two[0] * 1.5, two[0])
                    arms = ({"p99": _histogram(one)} for one in (mine, two[1]))
                    canary, baseline = arms
                    looks.append(Look(at=(index + 1) * MINUTE, seconds=MINUTE, canary=canary, baseline=baseline))
                hits += JUDGE.judge(plan, looks).verdict is Verdict.FAIL
            which = "all requests" if all_of_them else "the slowest 4 %"
            outcome.figures.append(
                Figure(
                    name=f"found, p99 +50 % by {which}, {rate:,}/min",
                    value=100 * hits / many,
                    unit="%",
                    goal=Goal(at_least=90) if rate == 1_000 else None,
                    note=f"{many} rollouts, Envoy's buckets",
                )
            )


# Looking every two seconds


def _seconds(options: Options, random: Random, outcome: Outcome, _progress: Callable[[str], None]) -> None:
    plan = Plan(metrics=(Metric(name="errors", kind=Kind.SHARE),), horizon=POINTS * MINUTE, alpha=ALPHA / METRICS)
    many = chosen(options, quick=20, full=100)
    for quiet in (0, 60, 600):
        for share, base in ((0.2, 0.005), (0.05, 0.005)):
            times = []
            for _ in range(many):
                before = quiet // 2
                looks = before + 60
                chance = np.where(np.arange(looks) < before, base, share)
                mine, other = (
                    random.binomial(100, chance).astype(float),
                    random.binomial(100, base, looks).astype(float),
                )
                told = _looks(mine, other, 100, 2.0)
                for end in range(before + 1, looks + 1):
                    if JUDGE.judge(plan, told[:end]).verdict is Verdict.FAIL:
                        times.append(end * 2.0 - quiet)
                        break
                else:
                    times.append(math.inf)
            when = "from the start" if not quiet else f"after {quiet} quiet seconds"
            outcome.figures.append(
                Figure(
                    name=f"time to {share * 100:g} % errors {when}, 50/s an arm",
                    value=median(times),
                    unit="s",
                    goal=Goal(at_most=10) if share == 0.2 else None,
                    note=f"median of {many}, looked at every 2 s; p95 {percentile(times, 95):g} s, "
                    f"longest {max(times):g} s; base {base * 100:g} %",
                )
            )


# What was promised


def _foreseen(options: Options, random: Random, outcome: Outcome, _progress: Callable[[str], None]) -> None:
    many = chosen(options, quick=25, full=200)
    plan = Plan(metrics=(Metric(name="errors", kind=Kind.SHARE),), horizon=POINTS * MINUTE, alpha=ALPHA / METRICS)
    for rate, share, base in ((10.0, 0.5, 0.005), (20.0, 0.1, 0.01), (2.0, 0.5, 0.01)):
        stages = [(share, POINTS * MINUTE)]
        told = JUDGE.smallest_harm(plan, stages, [Expected(metric="errors", level=base, exposure=rate)])
        harm = told.visible[0].harm or math.nan
        hits = 0
        for _ in range(many):
            looks = []
            for index in range(POINTS):
                n, m = (int(random.poisson(rate * MINUTE * part)) for part in (share, 1 - share))
                looks.append(
                    Look(
                        at=(index + 1) * MINUTE,
                        seconds=MINUTE,
                        share=share,
                        canary={"errors": Counts(int(random.binomial(n, harm)), n)},
                        baseline={"errors": Counts(int(random.binomial(m, base)), m)},
                    )
                )
            hits += found(plan, looks) is not None
        reach = 310 * math.sqrt(0.09 / many)
        outcome.figures.append(
            Figure(
                name=f"found of what was foreseen, {rate * 60:,.0f}/min, {share * 100:g} % canary",
                value=100 * hits / many,
                unit="%",
                goal=Goal(at_least=round(86 - reach, 1), at_most=round(min(95 + reach, 100), 1)),
                note=f"said before: from {base * 100:g} % to {harm * 100:.2f} % with 90 % power",
            )
        )


def _cost(options: Options, random: Random, outcome: Outcome, _progress: Callable[[str], None]) -> None:
    plan = Plan(metrics=_ten(), horizon=1_000 * 2.0, alpha=ALPHA)
    looks = [
        Look(at=one.at, seconds=one.seconds, canary=one.canary, baseline=one.baseline, share=0.5)
        for one in _service(random, 1_000, 2.0, 25.0)
    ]
    times = []
    for _ in range(chosen(options, quick=5, full=15)):
        started = time.process_time()
        JUDGE.judge(plan, looks)
        times.append((time.process_time() - started) * 1_000)
    outcome.figures.append(
        Figure(
            name="processor time of a verdict, 10 metrics, 1,000 looks",
            value=median(times),
            unit="ms",
            goal=Goal(at_most=150 if options.quick else 100),
            note=f"all looks anew; median of {len(times)}, least {min(times):.0f}",
        )
    )


if __name__ == "__main__":
    sys.exit(main("judge_sim", __doc__, measure))
