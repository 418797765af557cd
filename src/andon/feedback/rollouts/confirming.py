"""Whether telemetry confirms a version that has just been given all traffic.

Nothing runs beside it any more, so it is compared with what the former version did in its last minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from andon.feedback.judge.contract import Judge, Judgement, Plan, Verdict
from andon.feedback.rollouts.contract import RolloutState
from andon.feedback.rollouts.model.counting import alone, condensed, look_of, seen_between, solitary
from andon.feedback.rollouts.model.judging import told
from andon.feedback.rollouts.model.pacing import Rhythm
from andon.feedback.rollouts.model.records import Counters, LookRecord, Seen
from andon.feedback.rollouts.model.watching import ALPHA, ERRORS, ROUTED
from andon.feedback.rollouts.ports import Signals
from andon.feedback.rollouts.service import RolloutService
from andon.flow.deployments.contract.release import Candidate, ReleaseEnd, ReleaseOutcome
from andon.flow.routing.contract import Router
from andon.kernel.db import Database
from andon.kernel.errors import Unavailable

_WATCHED = (
    *(one for one in ROUTED if one.name == ERRORS),
    # Another time is another load, and fresh instances have to get warm: only what is slow beyond all that is harm.
    *(replace(one, tolerance=5.0) for one in ROUTED if one.name == "latency-p95"),
)
_EVERY = 1.0


class Confirmation:
    """Stateless: after a crash it looks anew, as the version has all traffic then as well."""

    def __init__(
        self,
        *,
        database: Database,
        service: RolloutService,
        router: Router,
        judge: Judge,
        signals: Signals,
        rhythm: Rhythm,
    ) -> None:
        self._database = database
        self._service = service
        self._router = router
        self._judge = judge
        self._signals = signals
        self._rhythm = rhythm

    def confirm(self, candidate: Candidate, wait: Callable[[float], None]) -> ReleaseOutcome:
        now = self._now()
        with self._database.reading() as reading:
            rollout = self._service.of_deployment(reading, candidate.deployment)
            beside = () if rollout is None else self._service.looks(reading, rollout)
        staged = rollout is not None and rollout.state is RolloutState.PASSED
        history = self._history(candidate, beside, now)
        if not any(one.baseline.traffic for one in history):
            return _undecided("it knows no traffic of the former version")
        looks: list[LookRecord] = []
        before = self._counters(candidate)
        judgement: Judgement | None = None
        for number in range(max(1, round(self._rhythm.confirm / _EVERY))):
            wait(_EVERY)
            after = self._counters(candidate)
            seen = Seen() if before is None or after is None else seen_between(before, after)[0]
            offset = (self._now() - now).total_seconds()
            looks.append(
                LookRecord(
                    number=number,
                    stage=0,
                    at=self._now(),
                    offset=offset,
                    seconds=max(0.001, offset - (looks[-1].offset if looks else 0.0)),
                    share=None,
                    canary=Seen(counts=seen.counts, histograms=seen.histograms, traffic=seen.traffic),
                    baseline=Seen(),
                    slow=False,
                )
            )
            before = after if after is not None else before
            seconds = self._rhythm.confirm
            judgement = judged(self._judge, looks, history, seconds=seconds, soonest=seconds)
            if judgement.verdict is Verdict.FAIL:
                return self._refuted(candidate, judgement, looks)
        return _concluded(judgement, looks, staged=staged)

    def _refuted(self, candidate: Candidate, judgement: Judgement, looks: Sequence[LookRecord]) -> ReleaseOutcome:
        cause = next(one for one in judgement.metrics if one.verdict is Verdict.FAIL)
        reason = told(judgement)
        _, harmed = served(looks)
        with self._database.transaction() as tx:
            self._service.refute(tx, candidate, metric=cause.metric, reason=reason, harmed=harmed)
        return ReleaseOutcome(end=ReleaseEnd.FAILED, reason=reason)

    def _history(self, candidate: Candidate, beside: Sequence[LookRecord], now: datetime) -> tuple[LookRecord, ...]:
        """What the former version did: beside the new one, when that came in stages, or else in its last minutes."""
        past = solitary(beside, now)
        if any(one.baseline.traffic for one in past):
            return past
        try:
            return self._signals.history(
                candidate.service,
                candidate.environment,
                candidate.former,
                before=round(now.timestamp() * 1000),
                minutes=self._rhythm.past_minutes,
            )
        except Unavailable:
            return ()

    def _counters(self, candidate: Candidate) -> Counters | None:
        statistics = self._router.statistics()
        return None if statistics is None else alone(statistics, candidate.set)

    def _now(self) -> datetime:
        return self._database.clock.now()


def judged(
    judge: Judge,
    looks: Sequence[LookRecord],
    history: Sequence[LookRecord],
    *,
    seconds: float,
    soonest: float,
    grace: float = 0.0,
) -> Judgement:
    """What is to be said of a version by itself, beside what the former one did before.

    It is watched for ``seconds``, and does not pass before ``soonest``; how long it takes counts after ``grace``.
    """
    metrics = tuple(one.metric for one in _WATCHED)
    plan = Plan(metrics=metrics, horizon=seconds, alpha=ALPHA, until=soonest, grace=grace)
    past = [look_of(one, _WATCHED) for one in condensed(history)]
    return judge.judge(plan, [look_of(one, _WATCHED) for one in looks], history=past)


def served(looks: Sequence[LookRecord]) -> tuple[int, int]:
    """How many requests the version had, and how many of them failed."""
    requests = sum(one.canary.traffic or 0.0 for one in looks)
    return round(requests), round(sum(one.canary.counts.get(ERRORS, (0.0, 0.0))[0] for one in looks))


def _undecided(why: str) -> ReleaseOutcome:
    return ReleaseOutcome(end=ReleaseEnd.INCONCLUSIVE, reason=f"telemetry did not confirm it: {why}")


def _concluded(judgement: Judgement | None, looks: Sequence[LookRecord], *, staged: bool) -> ReleaseOutcome:
    """``staged``: it was judged beside the former version before, and passed."""
    requests, failed = served(looks)
    counted = f"{requests:,} requests, {failed:,} failed"
    if judgement is not None and judgement.verdict is Verdict.PASS:
        return ReleaseOutcome(end=ReleaseEnd.PASSED, reason=f"no worse than before: {counted}")
    if staged:
        return ReleaseOutcome(
            end=ReleaseEnd.PASSED, reason=f"it passed its stages, and nothing is worse since: {counted}"
        )
    if not requests:
        return _undecided("nobody asked it anything yet")
    return _undecided(f"too little was seen; nothing is worse than before so far: {counted}")
