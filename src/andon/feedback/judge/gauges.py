"""Levels such as memory: few values, each like the one before, so what counts is not how many there are.

Values are taken as logarithms (levels differ by factors) and put into some sixteen batches of equal time, long enough
that one batch says little of the next (batch means, Conway 1963). Student's t on batches asks five things of the
difference between the two arms, which drift of both leaves alone: is it higher than the other by its own variation and
by the other's, has it become so of late, does it grow, does it swing more. The verdict is looked for at a few moments
fixed beforehand, each with its part of the false alarms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from andon.feedback.judge.boundaries import Floats
from andon.feedback.judge.chances import t_quantile, t_tail
from andon.feedback.judge.contract import Because, Direction, Effect, Evidence, Gauges, MetricJudgement, Verdict
from andon.feedback.judge.gates import NOTHING_YET, Gate, Setting, arms, bins, gate, silent
from andon.feedback.judge.model import Terms
from andon.feedback.judge.reading import Read, read
from andon.feedback.judge.saying import confidence, level, percent, span, times

_BATCHES = 16
_FEWEST = 5
_LONG = 30.0  # seconds: what memory or processor time do now says little of what they do then
_MOMENTS = (0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)  # of the horizon; afterwards each a quarter later
_FLOOR = 0.01  # readings are not trusted to less than a hundredth of their level
_SWING = 1.25  # so many times as restless is put up with
_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class _Sign:
    """What a test found: ``p`` in the direction that is worse."""

    p: float
    because: Because
    amount: float


@dataclass(frozen=True, slots=True)
class _Series:
    """``of`` what of the instances: their mean or the highest. Values of both arms at ``at``, as logarithms."""

    of: str
    at: Floats
    canary: Floats
    baseline: Floats
    paired: bool


@dataclass(frozen=True, slots=True)
class _Found:
    failed: bool
    at: float | None
    sign: _Sign | None
    p: float
    boundary: float
    ratio: float | None = None
    low: float | None = None
    high: float | None = None


def judge_gauges(setting: Setting, terms: Terms) -> MetricJudgement:
    metric = terms.metric
    seen, past = read(metric, setting.looks), read(metric, setting.history)
    alone = seen.last(canary=False) is None
    at, mine, other = _values(seen, past, terms.grace, alone=alone)
    sets = _series(at, mine, other, paired=not alone)
    found = _Found(False, None, None, 1.0, 0.0)
    which = ""
    for series in sets:
        part = terms.alpha * (1.0 if len(sets) == 1 else 0.7 if series.of == "mean" else 0.3)
        tried = _over_time(series, terms, setting.now, part)
        if tried.failed or series.of == "mean":
            found, which = tried, series.of
        if tried.failed:
            break
    n = np.asarray([len(one) for one in mine], dtype=np.float64)
    m = np.asarray([len(one) for one in other], dtype=np.float64)
    passed = _gate(setting, terms, seen, found, n, m, at, alone=alone, past=bool(past.entries))
    effect = _effect(terms, mine, other, found)
    return MetricJudgement(
        metric=metric.name,
        title=terms.title,
        verdict=passed.verdict,
        because=passed.because,
        reason=_reason(terms, setting, effect, found, passed, mine, which=which, alone=alone),
        n=arms(n, m),
        effect=effect,
        evidence=Evidence(found.p, found.boundary) if len(at) else None,
        bins=bins(_flat(mine), _flat(other)),
        against_history=alone and bool(past.entries),
        since=found.at if found.failed else None,
        unreadable=seen.unreadable,
    )


def _values(
    seen: Read, past: Read, grace: float, *, alone: bool
) -> tuple[Floats, list[dict[str, float]], list[dict[str, float]]]:
    """Per look the values of the instances. Where no old version runs, the last looks of the past are laid beside."""
    at, mine, other = [], [], []
    if not alone:
        for look, a, b in seen.both(grace):
            if isinstance(a, Gauges) and isinstance(b, Gauges) and a.values and b.values:
                at.append(look.at)
                mine.append(dict(a.values))
                other.append(dict(b.values))
        return np.asarray(at, dtype=np.float64), mine, other
    for look, a in seen.alone(grace):
        if isinstance(a, Gauges) and a.values:
            at.append(look.at)
            mine.append(dict(a.values))
    old = [
        dict(one.baseline.values) for one in past.entries if isinstance(one.baseline, Gauges) and one.baseline.values
    ]
    if not old:
        return np.zeros(0), [], []
    first = max(0, len(old) - len(at))
    return np.asarray(at, dtype=np.float64), mine, [old[first + index % (len(old) - first)] for index in range(len(at))]


def _series(
    at: Floats, mine: Sequence[dict[str, float]], other: Sequence[dict[str, float]], *, paired: bool
) -> list[_Series]:
    if not len(at):
        return []
    every = np.abs(np.concatenate((_flat(mine), _flat(other))))
    scale = float(np.median(every)) or float(every.max()) or 1.0

    def logs(values: Floats) -> Floats:
        # asinh is the logarithm for what is large and goes through zero: levels may be nothing, or below
        return np.arcsinh(values / (scale * _FLOOR))

    def made(of: str) -> _Series:
        two = []
        for arm in (mine, other):
            picked = [sum(one.values()) / len(one) if of == "mean" else max(one.values()) for one in arm]
            two.append(logs(np.asarray(picked, dtype=np.float64)))
        return _Series(of, at, two[0], two[1], paired)

    counts = {len(one) for one in (*mine, *other)}
    return [made("mean"), made("highest")] if len(counts) == 1 and counts != {1} else [made("mean")]


def _over_time(series: _Series, terms: Terms, now: float, alpha: float) -> _Found:
    """The first of the moments at which something is certain, else the last one."""
    horizon = terms.horizon
    moments = [part * horizon for part in _MOMENTS]
    while moments[-1] * 1.25 <= now and len(moments) < 60:
        moments.append(moments[-1] * 1.25)
    found = _Found(False, None, None, 1.0, 0.0)
    for index, moment in enumerate(moments):
        if moment > now + 1e-9:
            break
        late = index - len(_MOMENTS)
        part = 0.9 / len(_MOMENTS) if late < 0 else 0.1 / ((late + 1) * (late + 2))
        tried = _at_moment(series, terms, moment, alpha * part)
        found = tried or found
        if found.failed:
            break
    return found


def _at_moment(series: _Series, terms: Terms, moment: float, alpha: float) -> _Found | None:
    inside = series.at <= moment + 1e-9
    at, a, b = series.at[inside], series.canary[inside], series.baseline[inside]
    if len(at) < _FEWEST:
        return None
    length = max((moment - at[0]) / _BATCHES, min(_LONG, terms.horizon / _BATCHES))
    numbers = np.floor((at - at[0]) / length * (1 - 1e-12)).astype(np.int64)
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    if len(starts) < _FEWEST:
        return None
    size = np.diff(starts, append=len(at)).astype(np.float64)

    def batched(values: Floats) -> Floats:
        return np.asarray(np.add.reduceat(values, starts) / size)

    signs: list[_Sign] = []
    ways = {Direction.MORE_IS_WORSE: (1,), Direction.LESS_IS_WORSE: (-1,), Direction.EITHER: (1, -1)}
    mean_a, mean_b = batched(a), batched(b)
    swings = [batched(np.abs(np.diff(one, prepend=one[0])))[1:] + _FLOOR for one in (a, b)]
    for way in ways[terms.metric.direction]:
        signs += _signs(way * (mean_a - mean_b), mean_b, terms, at, length, paired=series.paired)
    signs.append(_unsteady(np.log(swings[0]) - np.log(swings[1])))
    worst = min(signs, key=lambda one: one.p)
    p = min(1.0, worst.p * len(signs))
    # what is high because it grows is told as growing: that is what somebody has to look for
    grows = [one for one in signs if one.because is Because.GROWING and one.p < 1e-3]
    if worst.because is Because.WORSE and grows:
        worst = grows[0]
    apart = mean_a - mean_b
    error = _error(apart, len(apart)) * t_quantile(alpha / len(signs), len(apart) - 1)
    middle = float(apart.mean())
    return _Found(
        p <= alpha,
        moment,
        worst,
        p,
        alpha,
        math.exp(middle),
        math.exp(middle - error) if error < 50 else 0.0,
        math.exp(middle + error) if error < 50 else None,
    )


def _signs(apart: Floats, baseline: Floats, terms: Terms, at: Floats, length: float, *, paired: bool) -> list[_Sign]:
    count = len(apart)
    above = float(apart.mean()) - math.log(terms.ratio)
    signs = [
        _Sign(t_tail(above / _error(baseline, count / 2), count - 1), Because.WORSE, math.exp(float(apart.mean())))
    ]
    if paired:
        signs.append(_Sign(t_tail(above / _error(apart, count), count - 1), Because.WORSE, signs[0].amount))
    # growth: the steps from batch to batch, so that what wanders about without an aim is no growth
    steps = np.diff(apart)
    # of late: by the variance of those steps (von Neumann 1941), which a level that moves does not widen
    late = apart[-max(3, count // 4) :]
    error = max(math.sqrt(float((steps**2).mean()) / 2), _FLOOR) / math.sqrt(len(late))
    recent = float(late.mean())
    signs.append(
        _Sign(t_tail((recent - math.log(terms.ratio)) / error, count * 2 / 3), Because.WORSE, math.exp(recent))
    )
    half = len(steps) // 2
    pace = float(steps.mean()) / length
    grown = float(steps.sum())
    far = pace * max(terms.horizon, _HOUR)
    slows = half and float(steps[half:].mean()) < 0.4 * float(steps[:half].mean())
    p = 1.0
    if grown > math.log(1.05) and far > math.log(terms.ratio) and not slows:
        p = t_tail(float(steps.mean()) / _error(steps, len(steps)), len(steps) - 1)
    return [*signs, _Sign(p, Because.GROWING, math.exp(min(pace * _HOUR, 50.0)))]


def _unsteady(apart: Floats) -> _Sign:
    mean = float(apart.mean())
    p = t_tail((mean - math.log(_SWING)) / _error(apart, len(apart)), len(apart) - 1)
    return _Sign(p, Because.UNSTEADY, math.exp(mean))


def _error(values: Floats, count: float) -> float:
    return max(float(values.std(ddof=1)), _FLOOR) / math.sqrt(count)


def _gate(
    setting: Setting,
    terms: Terms,
    seen: Read,
    found: _Found,
    n: Floats,
    m: Floats,
    at: Floats,
    *,
    alone: bool,
    past: bool,
) -> Gate:
    if found.failed and found.sign is not None:
        because = found.sign.because
        if alone and because is Because.WORSE:
            because = Because.WORSE_THAN_HISTORY
        return Gate(Verdict.FAIL, because, "")
    quiet = silent(setting, seen, alone=alone)
    if quiet is not None:
        return quiet
    if alone and not past and seen.last(canary=True) is None:
        return NOTHING_YET
    if alone and not past:
        words = "there is neither an old version beside it nor a past to compare with"
        return Gate(Verdict.INCONCLUSIVE, Because.NO_BASELINE, words)
    passed = gate(setting, terms, n, m, at, things="values")
    if passed.verdict is Verdict.PASS and found.sign is None:
        words = "too few values, or over too short a time, to tell a change from a whim"
        return Gate(Verdict.INCONCLUSIVE, Because.TOO_FEW, words)
    return passed


def _effect(
    terms: Terms, mine: Sequence[dict[str, float]], other: Sequence[dict[str, float]], found: _Found
) -> Effect | None:
    if not mine or not other:
        return None
    return Effect(
        canary=float(_flat(mine).mean()),
        baseline=float(_flat(other).mean()),
        ratio=found.ratio,
        low=found.low,
        high=found.high,
        confidence=terms.confidence,
    )


def _flat(arm: Sequence[dict[str, float]]) -> Floats:
    return np.asarray([value for one in arm for value in one.values()], dtype=np.float64)


def _reason(
    terms: Terms,
    setting: Setting,
    effect: Effect | None,
    found: _Found,
    passed: Gate,
    mine: Sequence[dict[str, float]],
    *,
    which: str,
    alone: bool,
) -> str:
    head = f"{terms.title}: "
    if effect is None:
        return f"{head}{passed.words or 'nothing was seen'}."
    other = "before, when the old one ran" if alone else "in the old one running beside it"
    told = f"{level(terms, effect.canary)} on average in the new version, {level(terms, effect.baseline)} {other}"
    if passed.verdict is Verdict.INCONCLUSIVE:
        return f"{head}{told}; {passed.words}."
    if passed.verdict is Verdict.PASS:
        most = f", at most {times(found.high)} as much ({confidence(terms.confidence)})" if found.high else ""
        return f"{head}{told}; it is not higher, does not grow and is as steady{most}."
    last = mine[-1]
    worst = max(last, key=lambda name: last[name])
    named = f", {worst} the most" if len(last) > 1 else ""
    sign = found.sign
    if sign is None:
        return f"{head}{told}."
    match sign.because:
        case Because.GROWING:
            pace = f"by {percent(sign.amount - 1)} an hour" if sign.amount < 100 else "without an end"
            return f"{head}{told}; at this pace it grows {pace}, and the old one does not{named}."
        case Because.UNSTEADY:
            return f"{head}{told}; it swings {times(sign.amount)} as much{named}."
    where = "the highest of its instances" if which == "highest" else "it"
    ratio = "" if found.ratio is None else f": {where} is {times(found.ratio)} as high"
    least = f", at least {times(found.low)} ({confidence(terms.confidence)})" if found.low and found.low > 1 else ""
    return f"{head}{told}{ratio}{least}{named}, seen over {span(setting.now)}."
