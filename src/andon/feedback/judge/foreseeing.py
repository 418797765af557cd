"""What a rollout could see, before it starts: the same boundary, with the counts that are to be expected."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from andon.feedback.judge.boundaries import Floats, Strata, boundary, spent
from andon.feedback.judge.chances import binomial_tail, normal_quantile, t_quantile
from andon.feedback.judge.contract import Direction, Expected, Foresight, Kind, Plan, Proposal, Visible
from andon.feedback.judge.counting import BURSTY, URGENT
from andon.feedback.judge.model import TAIL, Terms, terms
from andon.feedback.judge.saying import count, level, number, percent, span, times

Stages = Sequence[tuple[float, float]]

_LOOKS = 30
_NODES = ((-math.sqrt(3), 1 / 6), (0.0, 2 / 3), (math.sqrt(3), 1 / 6))  # Gauss and Hermite, for a count that varies
_FAR = 1_000.0
_WANTED = 2.0  # proposals go for a harm that doubles


def foresee(plan: Plan, shares: Stages, expected: Sequence[Expected], power: float) -> Foresight:
    """See ``contract.Judge.smallest_harm``. Raises ValueError for stages that are none."""
    if not shares or any(not (0 < share <= 1 and 0 < seconds < math.inf) for share, seconds in shares):
        raise ValueError("stages have a share above 0 and up to 1, and some seconds")
    if not 0.5 <= power < 1:
        raise ValueError(f"a power of {power}: from 0.5 to below 1 makes sense")
    told = {one.metric: one for one in expected}
    agreed = [(one, told[one.metric.name]) for one in terms(plan) if one.metric.name in told]
    visible = [_visible(one, what, shares, power) for one, what in agreed]
    proposals: tuple[Proposal, ...] = ()
    if visible:
        # a loss of traffic is looked for from a half on, and a gauge has as many values whatever the traffic
        counted = [at for at, (one, _) in enumerate(agreed) if one.metric.kind not in {Kind.GAUGE, Kind.TRAFFIC}]
        worst = max(counted, key=lambda at: _badness(visible[at].ratio), default=None)
        if worst is not None and _badness(visible[worst].ratio) > 1.5:
            proposals = tuple(_proposals(*agreed[worst], shares, power))
    return Foresight(power=power, visible=tuple(visible), proposals=proposals, sentence=_sentence(visible, proposals))


def chance(one: Terms, what: Expected, shares: Stages, ratio: float) -> float:
    """The probability that a harm of ``ratio`` (above 1 more, below 1 less) is found by the end; counts only.

    At the end, given the totals that are likely then; what is found sooner is found then too, but for a hair.
    """
    kind = one.metric.kind
    base = 1.0 if kind is Kind.TRAFFIC else 1 - one.metric.quantile if kind is Kind.LATENCY else what.level
    less = ratio < 1
    mine, other = _exposures(what.exposure, shares)
    if kind in {Kind.SHARE, Kind.LATENCY} and base * max(ratio, 1.0) >= 1:
        return 0.0
    means = base * (ratio * mine + other)
    whole = float(means.sum())
    alone = any(share >= 1 for share, _ in shares)
    null = max(one.ratio, 4.0 if alone else 1.0) if kind is Kind.TRAFFIC else 1.0
    first, second, harm = (other, mine, 1 / ratio) if less else (mine, other, ratio)
    if not whole > 0 or not float(first.sum()) > 0 or not float(second.sum()) > 0 or harm < max(one.ratio, null):
        return 0.0
    alpha = one.alpha / (2 if one.metric.direction is Direction.EITHER and kind is not Kind.TRAFFIC else 1)
    size = _clusters(one, what, whole, alpha, alone=alone)
    clock = np.cumsum([seconds for _, seconds in _steps(shares)]) / one.horizon
    found = 0.0
    for node, weight in _NODES:
        total = max(whole + node * math.sqrt(whole * size), 0.0)
        strata = Strata(means * (total / whole), first, second, False)
        critical = float(boundary(strata, null, (1 - URGENT) * alpha, spent(clock), size).critical[-1])
        part = float((strata.total * strata.parts(harm)).sum()) / total if total > 0 else 0.0
        if math.isfinite(critical):
            found += weight * binomial_tail(math.ceil(critical / size - 1e-9), total / size, part)
    return found


def _clusters(one: Terms, what: Expected, whole: float, alpha: float, *, alone: bool) -> float:
    if alone:
        return max(2.0, what.dispersion)
    if one.metric.clusters is not None or one.metric.kind in {Kind.SHARE, Kind.LATENCY}:
        return max(1.0, one.metric.clusters or what.dispersion)
    looks = min(float(_LOOKS), whole / 8)
    freedom = BURSTY.freedom + looks
    size = (BURSTY.size * BURSTY.freedom + max(what.dispersion, 1.0) * looks) / freedom
    return max(1.0, size * (t_quantile(alpha, freedom) / normal_quantile(alpha)) ** 2)


def _steps(shares: Stages) -> list[tuple[float, float]]:
    """Stages cut into looks, some thirty in all."""
    whole = sum(seconds for _, seconds in shares)
    cut = []
    for share, seconds in shares:
        pieces = max(1, round(_LOOKS * seconds / whole))
        cut += [(share, seconds / pieces)] * pieces
    return cut


def _exposures(rate: float, shares: Stages) -> tuple[Floats, Floats]:
    steps = _steps(shares)
    mine = np.asarray([share * seconds * rate for share, seconds in steps])
    other = np.asarray([(1 - share if share < 1 else 1.0) * seconds * rate for share, seconds in steps])
    return mine, other


def _smallest(one: Terms, what: Expected, shares: Stages, power: float) -> float | None:
    """The ratio nearest to one that is found with ``power``; in the direction that the metric fears."""
    fears_less = one.metric.kind is Kind.TRAFFIC or one.metric.direction is Direction.LESS_IS_WORSE
    if one.metric.kind is Kind.GAUGE:
        return _smallest_of_gauge(one, what, shares, power)

    def of(log: float) -> float:
        return math.exp(-log if fears_less else log)

    far = math.log(_FAR)
    if one.metric.kind in {Kind.SHARE, Kind.LATENCY} and not fears_less:
        base = 1 - one.metric.quantile if one.metric.kind is Kind.LATENCY else what.level
        far = min(far, math.log(0.999 / base)) if 0 < base < 0.999 else far
    if chance(one, what, shares, of(far)) < power:
        return None
    low, high = 0.0, far
    for _ in range(14):
        middle = (low + high) / 2
        low, high = (low, middle) if chance(one, what, shares, of(middle)) >= power else (middle, high)
    return of(high)


def _smallest_of_gauge(one: Terms, what: Expected, shares: Stages, power: float) -> float | None:
    """Sixteen batches, Student's t, a tenth of the false alarms at each of ten moments for each of six questions."""
    whole = sum(seconds for _, seconds in shares)
    batches = min(16.0, whole / min(30.0, one.horizon / 16))
    if batches < 5:
        return None
    spread = what.variation * math.sqrt(min(1.0, 180.0 / (whole / batches)))
    reach = t_quantile(one.alpha / 60, batches - 1) + normal_quantile(1 - power)
    ratio = one.ratio * math.exp(reach * spread * math.sqrt(2 / batches))
    return 1 / ratio if one.metric.direction is Direction.LESS_IS_WORSE else ratio


def _visible(one: Terms, what: Expected, shares: Stages, power: float) -> Visible:
    ratio = _smallest(one, what, shares, power)
    harm = None if ratio is None else _level(one, what, ratio)
    canary = sum(share * seconds for share, seconds in shares) * what.exposure
    return Visible(
        metric=one.metric.name,
        title=one.title,
        level=what.level,
        harm=harm,
        ratio=ratio,
        canary=canary,
        sentence=_said(one, what, harm, ratio, power, canary),
    )


def _level(one: Terms, what: Expected, ratio: float) -> float:
    if one.metric.kind is Kind.LATENCY:
        return what.level + max(what.level * (math.pow(ratio, 1 / TAIL) - 1), one.metric.least)
    return what.level * ratio


def _said(one: Terms, what: Expected, harm: float | None, ratio: float | None, power: float, canary: float) -> str:
    sure = f"with {percent(power)} power"
    if harm is None or ratio is None:
        return f"{one.title}: {count(canary)} requests in the new version are too few to find anything {sure}."
    if one.metric.kind is Kind.TRAFFIC:
        return f"{one.title}: a loss of {percent(1 - ratio)} or more of the new version's requests is found {sure}."
    many = f" ({times(ratio)} as many slow requests)" if one.metric.kind is Kind.LATENCY else ""
    return f"{one.title}: from {level(one, what.level)} to {level(one, harm)}{many} is found {sure}."


def _badness(ratio: float | None) -> float:
    return math.inf if ratio is None else max(ratio, 1 / ratio)


def _proposals(one: Terms, what: Expected, shares: Stages, power: float) -> list[Proposal]:
    """A larger share for the same time, and the same shares for longer: the least of each that sees a doubling."""
    now = _badness(_smallest(one, what, shares, power))
    whole = sum(seconds for _, seconds in shares)
    largest = max(share for share, _ in shares)
    wider = [[(share, whole)] for share in (0.05, 0.1, 0.25, 0.5) if share > largest]
    longer = [[(share, seconds * factor) for share, seconds in shares] for factor in (2, 4, 8, 16, 48)]
    found = []
    for choices in (wider, longer):
        best: Proposal | None = None
        for stages in choices:
            time = sum(seconds for _, seconds in stages)
            ratio = _smallest(replace(one, horizon=one.horizon * time / whole), what, stages, power)
            if _badness(ratio) < now * 0.95:
                best = _proposal(one, what, stages, time, ratio)
            if _badness(ratio) <= _WANTED:
                break
        if best is not None:
            found.append(best)
    return found


def _proposal(one: Terms, what: Expected, stages: Stages, time: float, ratio: float | None) -> Proposal:
    share = max(share for share, _ in stages)
    harm = None if ratio is None else _level(one, what, ratio)
    shown = "nothing more" if ratio is None else f"{number(ratio)} times" if harm is None else level(one, harm)
    if one.metric.kind is Kind.TRAFFIC and ratio is not None:
        shown = f"a loss of {percent(1 - ratio)}"
    return Proposal(
        share=share,
        horizon=time,
        metric=one.metric.name,
        harm=harm,
        ratio=ratio,
        sentence=f"With {percent(share)} of the traffic for {span(time)}, {one.title} would be seen at {shown}.",
    )


def _sentence(visible: Sequence[Visible], proposals: Sequence[Proposal]) -> str:
    if not visible:
        return "Nothing is known of this service's traffic, so nothing can be said of what this rollout would see."
    told = " ".join(one.sentence for one in visible)
    more = " ".join(one.sentence for one in proposals)
    return f"{told} {more}".strip()
