"""All metrics of a rollout, and what follows of them together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from andon.feedback.judge.contract import (
    Arms,
    Because,
    Expected,
    Foresight,
    Judgement,
    Kind,
    Look,
    MetricJudgement,
    Plan,
    Verdict,
)
from andon.feedback.judge.foreseeing import foresee
from andon.feedback.judge.gates import Setting
from andon.feedback.judge.gauges import judge_gauges
from andon.feedback.judge.latencies import judge_latency
from andon.feedback.judge.model import Terms, terms
from andon.feedback.judge.reading import ordered
from andon.feedback.judge.weighing import judge_counts

_KINDS: Mapping[Kind, Callable[[Setting, Terms], MetricJudgement]] = {
    Kind.SHARE: judge_counts,
    Kind.RATE: judge_counts,
    Kind.TRAFFIC: judge_counts,
    Kind.LATENCY: judge_latency,
    Kind.GAUGE: judge_gauges,
}
# of several causes the one that is told: what to act on first
_FIRST = (
    Because.TRAFFIC_GONE,
    Because.WORSE_LATELY,
    Because.WORSE,
    Because.WORSE_THAN_HISTORY,
    Because.GROWING,
    Because.UNSTEADY,
    Because.BOTH_WORSE,
    Because.BOTH_BROKEN,
    Because.NO_TELEMETRY,
    Because.NO_BASELINE,
    Because.TOO_FEW,
    Because.TOO_EARLY,
    Because.NOT_WORSE,
)


class Statistics:
    """The judge as the rollouts know it (``contract.Judge``). It holds nothing."""

    def judge(self, plan: Plan, looks: Sequence[Look], *, history: Sequence[Look] = ()) -> Judgement:
        """See ``contract.Judge``. Raises ValueError for a plan that cannot be followed."""
        agreed = terms(plan)
        seen = ordered(looks)
        if not seen:
            found = tuple(_unseen(one) for one in agreed)
        else:
            setting = Setting(plan, seen, ordered(history))
            found = tuple(_KINDS[one.metric.kind](setting, one) for one in agreed)
        return together(found, seen[-1].at if seen else None, len(seen))

    def smallest_harm(
        self, plan: Plan, shares: Sequence[tuple[float, float]], expected: Sequence[Expected], *, power: float = 0.9
    ) -> Foresight:
        """See ``contract.Judge``. Raises ValueError for stages that are none."""
        return foresee(plan, shares, expected, power)


def together(found: Sequence[MetricJudgement], at: float | None, looks: int) -> Judgement:
    """One failure fails, one doubt leaves all in doubt, and nothing at all is no pass."""
    if not found:
        sentence = "No metric is watched, so nothing can be said."
        return Judgement(
            verdict=Verdict.INCONCLUSIVE,
            because=Because.NO_TELEMETRY,
            sentence=sentence,
            metrics=(),
            at=at,
            looks=looks,
        )
    verdicts = {one.verdict for one in found}
    verdict = next(one for one in (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS) if one in verdicts)
    telling = sorted((one for one in found if one.verdict is verdict), key=lambda one: _FIRST.index(one.because))
    return Judgement(
        verdict=verdict,
        because=telling[0].because,
        sentence=_sentence(verdict, telling, len(found)),
        metrics=tuple(found),
        at=at,
        looks=looks,
    )


def _sentence(verdict: Verdict, telling: Sequence[MetricJudgement], count: int) -> str:
    first = telling[0]
    others = [one.title for one in telling[1:]]
    match verdict:
        case Verdict.FAIL:
            more = f" So do {_listed(others)}." if others else ""
            return f"The new version fails. {first.reason}{more}"
        case Verdict.INCONCLUSIVE if first.because is Because.TOO_EARLY:
            return f"No harm is certain so far in {_things(count)}. {first.reason}"
        case Verdict.INCONCLUSIVE:
            more = f" The same goes for {_listed(others)}." if others else ""
            return f"Nobody can say yet. {first.reason}{more}"
    return f"The new version is not worse in {_things(count)}."


def _things(count: int) -> str:
    return "the one thing that is watched" if count == 1 else f"any of {count} things that are watched"


def _listed(names: Sequence[str]) -> str:
    if len(names) == 1:
        return names[0]
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _unseen(one: Terms) -> MetricJudgement:
    return MetricJudgement(
        metric=one.metric.name,
        title=one.title,
        verdict=Verdict.INCONCLUSIVE,
        because=Because.TOO_EARLY,
        reason=f"{one.title}: nothing was looked at yet.",
        n=Arms(0, 0),
    )
