"""Metrics that are counts, from looks to a verdict: errors, log errors, orders, requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from andon.feedback.judge.boundaries import Floats
from andon.feedback.judge.chances import binomial_low
from andon.feedback.judge.contract import (
    Because,
    Bin,
    Counts,
    Direction,
    Effect,
    Evidence,
    Kind,
    Look,
    MetricJudgement,
    Observation,
    Traffic,
    Verdict,
)
from andon.feedback.judge.counting import BURSTY, INDEPENDENT, Bursts, Found, Matters, Pairs, clusters, compare
from andon.feedback.judge.gates import NOTHING_YET, Gate, Setting, arms, bins, gate, silent
from andon.feedback.judge.model import GROSS, HISTORY, Terms
from andon.feedback.judge.past import beside, restlessness
from andon.feedback.judge.reading import Read, read
from andon.feedback.judge.saying import confidence, count, level, number, percent, times

_BURST = 30.0  # seconds that a burst may last, or a twentieth of a short rollout
_FEW = 20  # of so many requests one may say that half of them fail


@dataclass(frozen=True, slots=True)
class Outcome:
    """The worst that was found; ``more`` is whether it is too much rather than too little."""

    found: Found | None
    more: bool = True
    because: Because | None = None


def events(one: Observation, seconds: float) -> tuple[float, float]:
    match one:
        case Counts(events=events, exposure=exposure):
            return float(events), float(exposure)
        case Traffic(requests=requests):
            return float(requests), seconds
    return 0.0, 0.0


def pairs_of(told: Sequence[tuple[Look, Observation, Observation]], *, traffic: bool) -> Pairs:
    """Of traffic the exposure is what the router should send to each arm; looks without a known share say nothing."""
    rows = []
    for look, mine, other in told:
        x, n = events(mine, look.seconds)
        y, m = events(other, look.seconds)
        share = np.nan if look.share is None else look.share
        if traffic:
            if not 0 < share < 1:
                continue
            n, m = share, 1 - share
        rows.append((look.at, x, n, y, m, share))
    return Pairs(*(np.asarray(rows, dtype=np.float64).reshape(-1, 6).T))


@dataclass(frozen=True, slots=True)
class Material:
    """What a metric's looks come to as counts.

    ``alone`` has a row for each look of the canary: at, seconds, events, exposure; ``before`` one for each look of the
    past: events, exposure. ``both`` are pairs that can be laid beside the past, where ``pairs`` cannot.
    """

    pairs: Pairs
    alone: Floats
    before: Floats
    both: Pairs
    things: str = "requests"
    threshold: float | None = None
    last_bound: float | None = None
    levels: tuple[float | None, float | None] | None = None
    """Of the canary and the baseline, where they are no rates."""
    matters: Matters | None = None
    """What else has to hold for ``pairs``, look by look."""
    bins: tuple[Bin, ...] | None = None


def judge_counts(setting: Setting, terms: Terms) -> MetricJudgement:
    metric = terms.metric
    seen, past = read(metric, setting.looks), read(metric, setting.history)
    pairs = pairs_of(seen.both(terms.grace), traffic=metric.kind is Kind.TRAFFIC)
    alone = [(look.at, look.seconds, *events(one, look.seconds)) for look, one in seen.alone(terms.grace)]
    before = [events(one.baseline, one.look.seconds) for one in past.entries if one.baseline is not None]
    return judged(setting, terms, seen, Material(pairs, matrix(alone, 4), matrix(before, 2), pairs))


def judged(setting: Setting, terms: Terms, seen: Read, material: Material) -> MetricJudgement:
    """From counts to a verdict."""
    metric = terms.metric
    pairs, before = material.pairs, material.before
    alone = seen.last(canary=False) is None
    outcome = Outcome(None)
    if alone and len(before):
        pairs, outcome = _against_past(terms, material)
    elif len(pairs):
        asked = len(before) > 0 and metric.kind is not Kind.TRAFFIC
        alpha = terms.alpha * (1 - HISTORY if asked else 1)
        outcome = weigh(terms, pairs, alpha=alpha, matters=material.matters)
        if asked and not (outcome.found and outcome.found.failed):
            outcome = _both_against_past(terms, material.both, before) or outcome
    return _told(setting, terms, seen, replace(material, pairs=pairs), outcome, alone=alone, past=len(before) > 0)


def matrix(rows: Sequence[Sequence[float]], columns: int) -> Floats:
    return np.asarray(rows, dtype=np.float64).reshape(-1, columns)


def weigh(
    terms: Terms,
    pairs: Pairs,
    *,
    alpha: float,
    size: float | None = None,
    ratio: float | None = None,
    matters: Matters | None = None,
) -> Outcome:
    """In the directions that the metric has; ``matters`` is asked of what is more."""
    metric = terms.metric
    known = INDEPENDENT if metric.kind in {Kind.SHARE, Kind.LATENCY} else BURSTY
    direction = Direction.LESS_IS_WORSE if metric.kind is Kind.TRAFFIC else metric.direction
    each = alpha / 2 if direction is Direction.EITHER else alpha
    whole = metric.kind in {Kind.SHARE, Kind.LATENCY}
    every = pairs
    if metric.clusters is not None:
        known, size = Bursts(metric.clusters, 1e6, True), max(1.0, metric.clusters) if size is None else size
    elif metric.kind is Kind.RATE:
        size = clusters(pairs, whole, known, each) if size is None else size
        pairs = without_worst(pairs, terms.horizon, more=direction is not Direction.LESS_IS_WORSE)
    # the router's share is never met exactly; other levels are the same when nothing was changed
    null = ratio or (terms.ratio if metric.kind is Kind.TRAFFIC else 1.0)
    worst = Outcome(None)
    for more in (True, False):
        if direction is (Direction.LESS_IS_WORSE if more else Direction.MORE_IS_WORSE):
            continue
        found = compare(
            pairs if more else pairs.swapped(),
            ratio=null,
            relevant=terms.ratio,
            alpha=each,
            horizon=terms.horizon,
            whole=whole,
            known=known,
            size=size,
            matters=matters if more else None,
        )
        if found is None:
            continue
        because = None
        if found.failed:
            because = Because.WORSE if found.lately is None else Because.WORSE_LATELY
            if metric.kind is Kind.TRAFFIC:
                because = Because.TRAFFIC_GONE
        if worst.found is None or (found.failed, -found.p) > (worst.found.failed, -worst.found.p):
            worst = Outcome(found if more else inverse(found), more, because)
    x, n, y, m = (float(one.sum()) for one in (every.x, every.n, every.y, every.m))
    if worst.found is not None and metric.kind is Kind.RATE and y > 0 and n > 0:
        worst = replace(worst, found=replace(worst.found, ratio=x / n / (y / m)))
    return worst


def without_worst(pairs: Pairs, horizon: float, *, more: bool) -> Pairs:
    """Without the stretch that speaks most against the canary: a look, or half a minute if that is longer.

    One burst is one event, however many lines it wrote: what is worse has to be so more than once.
    """
    if not len(pairs):
        return pairs
    stretch = np.floor(pairs.at / min(_BURST, horizon / 20) - 1e-9)
    starts = np.flatnonzero(np.diff(stretch, prepend=-np.inf) > 0)
    total = pairs.x + pairs.y
    both = pairs.n + pairs.m
    excess = pairs.x - np.divide(total * pairs.n, both, out=np.zeros_like(total), where=both > 0)
    sums = np.add.reduceat(excess if more else -excess, starts)
    kept = stretch != stretch[starts[int(np.argmax(sums))]]
    return Pairs(*(one[kept] for one in (pairs.at, pairs.x, pairs.n, pairs.y, pairs.m, pairs.share)))


def inverse(found: Found) -> Found:
    """The same as seen from the other arm."""

    def over(value: float | None) -> float | None:
        return None if value is None or value <= 0 else 1 / value

    return replace(found, ratio=over(found.ratio), low=over(found.high) or 0.0, high=over(found.low))


def _against_past(terms: Terms, material: Material) -> tuple[Pairs, Outcome]:
    before = material.before
    at, lengths, x, n = material.alone.T
    pairs = beside(at, lengths, x, n, before[:, 0], before[:, 1], terms.horizon)
    if not len(pairs):
        return pairs, Outcome(None)
    size = restlessness(before[:, 0], before[:, 1], terms.alpha, len(pairs))
    ratio = max(terms.ratio, 4.0) if terms.metric.kind is Kind.TRAFFIC else None
    outcome = weigh(terms, pairs, alpha=terms.alpha, size=size, ratio=ratio)
    if outcome.because in {Because.WORSE, Because.WORSE_LATELY}:
        outcome = replace(outcome, because=Because.WORSE_THAN_HISTORY)
    return pairs, outcome


def _both_against_past(terms: Terms, pairs: Pairs, before: Floats) -> Outcome | None:
    """Whether both arms together are grossly worse than the past was."""
    lengths = np.diff(pairs.at, prepend=0.0)
    both = beside(pairs.at, lengths, pairs.x + pairs.y, pairs.n + pairs.m, before[:, 0], before[:, 1], terms.horizon)
    size = restlessness(before[:, 0], before[:, 1], terms.alpha * HISTORY, len(pairs))
    outcome = weigh(terms, both, alpha=terms.alpha * HISTORY, size=size, ratio=GROSS)
    if outcome.found is None or not outcome.found.failed:
        return None
    return replace(outcome, because=Because.BOTH_WORSE)


def _told(
    setting: Setting, terms: Terms, seen: Read, material: Material, outcome: Outcome, *, alone: bool, past: bool
) -> MetricJudgement:
    metric, found, pairs = terms.metric, outcome.found, material.pairs
    traffic = metric.kind is Kind.TRAFFIC
    n = (pairs.x + pairs.y) * pairs.n / (pairs.n + pairs.m) if traffic else pairs.n
    # of a past as much has to be known as of an old version beside it: less would confirm whatever comes
    m = np.full(len(pairs), np.nan) if traffic else pairs.m
    at = pairs.at
    if traffic and not alone and not (at > setting.plan.since).any():
        # employees by a header, or everybody: what should arrive nobody knows, but something has to
        at, n = material.alone[:, 0], material.alone[:, 2]
        m = np.full(len(at), np.nan)
    passed = decide(setting, terms, seen, outcome, n, m, at, alone=alone, past=past, things=material.things)
    if passed.verdict is not Verdict.FAIL and metric.kind is Kind.SHARE:
        passed = _limit(terms, seen, passed, past=past)
    effect = _effect(terms, material, found)
    return MetricJudgement(
        metric=metric.name,
        title=terms.title,
        verdict=passed.verdict,
        because=passed.because,
        reason=_reason(terms, material, outcome, effect, passed, alone=alone),
        n=arms(pairs.x, pairs.y) if traffic else arms(pairs.n, pairs.m),
        effect=effect,
        evidence=None if found is None else Evidence(found.p, found.boundary),
        bins=_levels(pairs) if material.bins is None else material.bins,
        against_history=(alone and past) or passed.because is Because.BOTH_WORSE,
        since=found.at if found is not None and found.failed else None,
        unreadable=seen.unreadable,
    )


def decide(
    setting: Setting,
    terms: Terms,
    seen: Read,
    outcome: Outcome,
    n: Floats,
    m: Floats,
    at: Floats,
    *,
    alone: bool,
    past: bool,
    things: str,
) -> Gate:
    """What failed has failed; then silence, then nothing to compare with, then too early, then too few."""
    if outcome.found is not None and outcome.found.failed and outcome.because is not None:
        return Gate(Verdict.FAIL, outcome.because, "")
    quiet = silent(setting, seen, alone=alone)
    if quiet is not None:
        return quiet
    if alone and not past and seen.last(canary=True) is None:
        return NOTHING_YET
    if alone and not past:
        words = "there is neither an old version beside it nor a past to compare with"
        return Gate(Verdict.INCONCLUSIVE, Because.NO_BASELINE, words)
    return gate(setting, terms, n, m, at, things=things)


def _limit(terms: Terms, seen: Read, passed: Gate, *, past: bool) -> Gate:
    """What is bad whatever the other arm shows, where nothing better than the other arm is known."""
    if past:
        return passed
    sums = np.zeros((2, 2))
    for one in seen.entries[-20:]:
        for row, arm in enumerate((one.canary, one.baseline)):
            if arm is not None:
                sums[row] += events(arm, one.look.seconds)
    (x, n), (y, m) = sums
    if n < _FEW or binomial_low(x, n, terms.alpha / 100) <= terms.limit:
        return passed
    if m < _FEW:
        return Gate(Verdict.FAIL, Because.WORSE, f"more than {percent(terms.limit)} of all are bad by any measure")
    if y / m > terms.limit:
        words = (
            f"both are broken: both versions are past {percent(terms.limit)}, and nothing says what the new one would "
            "do by itself"
        )
        return Gate(Verdict.INCONCLUSIVE, Because.BOTH_BROKEN, words)
    return passed


def _effect(terms: Terms, material: Material, found: Found | None) -> Effect | None:
    pairs = material.pairs
    if not len(pairs):
        return None
    x, n, y, m = (float(one.sum()) for one in (pairs.x, pairs.n, pairs.y, pairs.m))
    mine: float | None
    other: float | None
    if material.levels is not None:
        mine, other = material.levels
    elif terms.metric.kind is Kind.TRAFFIC:
        seconds = float(pairs.at[-1]) or 1.0
        mine, other = x / seconds, _expected(pairs) / seconds
    else:
        mine, other = x / n if n > 0 else None, y / m if m > 0 else None
    return Effect(
        canary=mine,
        baseline=other,
        ratio=None if found is None else found.ratio,
        low=None if found is None else found.low,
        high=None if found is None else found.high,
        confidence=terms.confidence,
        threshold=material.threshold,
        last_bound=material.last_bound,
    )


def _expected(pairs: Pairs) -> float:
    """Requests that the router should have sent to the canary."""
    return float(((pairs.x + pairs.y) * pairs.n / (pairs.n + pairs.m)).sum())


def _levels(pairs: Pairs) -> tuple[Bin, ...]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return bins(pairs.x / pairs.n, pairs.y / pairs.m)


def _reason(
    terms: Terms, material: Material, outcome: Outcome, effect: Effect | None, passed: Gate, *, alone: bool
) -> str:
    head = f"{terms.title}: "
    other = "before, when the old one ran" if alone else "in the old one running beside it"
    if effect is None and passed.verdict is Verdict.PASS:
        reached = count(float(material.alone[:, 2].sum()))
        return f"{head}{reached} requests reached the new version; how many should have is not known."
    if effect is None:
        return f"{head}{passed.words or 'nothing was seen'}."
    if passed.because is Because.BOTH_WORSE:
        head += "both versions are worse than this service was before; "
    pairs = material.pairs
    x, n, y, m = (float(one.sum()) for one in (pairs.x, pairs.n, pairs.y, pairs.m))
    mine, theirs = x / n if n else None, y / m if m else None
    match terms.metric.kind:
        case Kind.TRAFFIC:
            told = f"{count(x)} requests reached the new version, where {count(_expected(pairs))} were to be expected"
        case Kind.SHARE:
            told = f"{percent(mine)} of {count(n)} requests in the new version, {percent(theirs)} of {count(m)} {other}"
        case Kind.LATENCY:
            told = f"{level(terms, effect.canary, effect.last_bound)} in the new version"
            told += f", {level(terms, effect.baseline, effect.last_bound)} {other}"
            if effect.threshold is not None and passed.verdict is not Verdict.INCONCLUSIVE:
                slow = level(terms, effect.threshold)
                told += f"; {percent(mine)} of {count(n)} took more than {slow}, {percent(theirs)} of {count(m)} there"
        case _:
            told = f"{level(terms, mine)} for each of {count(n)} requests in the new version"
            told += f", {level(terms, theirs)} of {count(m)} {other}"
    return f"{head}{told}{compared(terms, outcome, passed)}."


def compared(terms: Terms, outcome: Outcome, passed: Gate) -> str:
    """The end of a sentence: how many times as much, or why nothing can be said."""
    found = outcome.found
    if passed.verdict is Verdict.INCONCLUSIVE:
        return f"; {passed.words}" if passed.words else ""
    if found is None:
        return f"; {passed.words}" if passed.words else ""
    sure = confidence(terms.confidence)
    if passed.verdict is Verdict.FAIL:
        if found.lately is not None:
            return f"; so much came in the last {count(found.lately)} looks that chance is out of the question"
        if not outcome.more:
            fell = "to nothing" if not found.ratio else f"to {percent(found.ratio)}"
            return f": it fell {fell}" + (f", at most {percent(found.high)} ({sure})" if found.high else "")
        rose = "" if found.ratio is None else f": {times(found.ratio)}"
        least = f", at least {number(float(f'{found.low:.2g}'))} ({sure})" if found.low else ""
        if rose:
            return f"{rose}{least}"
        return f": at least {times(found.low)} as many ({sure})" if found.low else ""
    if outcome.more:
        return "; no worse" + (f", at most {times(found.high)} as much ({sure})" if found.high else "")
    return "; no worse" + (f", at least {percent(found.low)} of it ({sure})" if found.low else "")
