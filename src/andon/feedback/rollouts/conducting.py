"""How a version is brought to its customers: look, judge, go on or go back, and the same again.

Everything that is decided upon is stored before it is acted upon, so that whoever takes over after a crash goes on
where the last one was.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from andon.feedback.judge.contract import Because, Judge, Judgement, Verdict
from andon.feedback.rollouts.baseline import FreshInstances
from andon.feedback.rollouts.confirming import Confirmation
from andon.feedback.rollouts.contract import Hold, RolloutId, RolloutState, Wish
from andon.feedback.rollouts.foreseeing import Foreseeing
from andon.feedback.rollouts.mirroring import Mirroring
from andon.feedback.rollouts.model.counting import condensed, counters_of, look_of, seen_between, with_measured
from andon.feedback.rollouts.model.judging import kept, told
from andon.feedback.rollouts.model.pacing import Rhythm, is_over, phase_of, phase_seconds
from andon.feedback.rollouts.model.records import LookRecord, Rollout, Seen, StageRecord
from andon.feedback.rollouts.model.stages import Sets, compared, compared_share, divided
from andon.feedback.rollouts.model.tallying import served_in
from andon.feedback.rollouts.model.watching import judged
from andon.feedback.rollouts.ports import Measured, Side, Signals
from andon.feedback.rollouts.service import RolloutService
from andon.flow.deployments.contract.release import Candidate, ReleaseEnd, ReleaseOutcome
from andon.flow.environments.contract import Environments, SetId
from andon.flow.routing.contract import Comparisons, Router
from andon.kernel.db import Database, Reading, Transaction
from andon.kernel.errors import Unavailable
from andon.kernel.workflows import Interrupted

_TRIES = 20

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Memory:
    """What the looks of a phase were; it can be made anew from what is stored."""

    records: list[LookRecord]
    phase_began: datetime
    looked_at: datetime
    telemetry_until: int
    """Milliseconds since 1970 up to which telemetry was asked."""
    answered_at: datetime | None
    """When telemetry answered last."""
    next: int
    history: tuple[LookRecord, ...] = field(default=())


class Conductor:
    """Implements :class:`andon.flow.deployments.contract.release.Releasing`."""

    def __init__(
        self,
        *,
        database: Database,
        service: RolloutService,
        environments: Environments,
        router: Router,
        judge: Judge,
        signals: Signals,
        comparisons: Callable[[], Comparisons],
        rhythm: Rhythm | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._database = database
        self._service = service
        self._environments = environments
        self._router = router
        self._judge = judge
        self._signals = signals
        self._rhythm = rhythm or Rhythm()
        self._sleep = sleep
        self._mirroring = Mirroring(database=database, service=service, open_=comparisons)
        self._fresh = FreshInstances(database=database, service=service, environments=environments)
        self._foreseeing = Foreseeing(
            database=database,
            service=service,
            environments=environments,
            judge=judge,
            signals=signals,
            rhythm=self._rhythm,
        )
        self._confirmation = Confirmation(
            database=database, service=service, router=router, judge=judge, signals=signals, rhythm=self._rhythm
        )

    def release(
        self, candidate: Candidate, *, cancelled: Callable[[], bool], interrupted: Callable[[], bool]
    ) -> ReleaseOutcome:
        """See :class:`~andon.flow.deployments.contract.release.Releasing`."""
        rollout = self._foreseeing.begin(candidate)
        if not rollout.state.ended:
            if rollout.release.baseline:
                rollout = self._fresh.ready(rollout, lambda: interrupted() or cancelled())
            self._divide(candidate, rollout.id, rollout.stage)
            self._conduct(candidate, rollout.id, cancelled, interrupted)
        return self._ended(candidate, rollout.id)

    def confirm(self, candidate: Candidate, *, interrupted: Callable[[], bool]) -> ReleaseOutcome:
        """See :class:`~andon.flow.deployments.contract.release.Releasing`."""
        return self._confirmation.confirm(candidate, lambda seconds: self._wait(seconds, interrupted))

    # The loop

    def _conduct(
        self, candidate: Candidate, name: RolloutId, cancelled: Callable[[], bool], interrupted: Callable[[], bool]
    ) -> None:
        memory: _Memory | None = None
        while True:
            if interrupted():
                raise Interrupted
            with self._database.reading() as reading:
                rollout = self._service.get(reading, name)
                if memory is None:
                    memory = self._remember(reading, rollout)
            if rollout.state.ended:
                return
            if cancelled():
                self._abort(candidate, name, "The deployment was cancelled.")
                return
            match rollout.wish:
                case Wish.ABORT:
                    self._abort(candidate, name, "Somebody ended it.")
                    return
                case Wish.FINISH:
                    self._succeed(name, "Somebody gave it to everybody.", promoted=True)
                    return
                case Wish.PROMOTE:
                    if self._next(candidate, rollout, promoted=True):
                        return
                    memory = None
                    continue
                case _:
                    if self._tick(candidate, rollout, memory):
                        with self._database.reading() as reading:
                            if self._service.get(reading, name).state.ended:
                                return
                        memory = None
                        continue
            self._wait(self._rhythm.tick, interrupted)

    def _tick(self, candidate: Candidate, rollout: Rollout, memory: _Memory) -> bool:
        """Look, judge, and act on it; whether the stage was left."""
        judgement = self._look(rollout, memory)
        if judgement is None:
            return False
        if judgement.verdict is Verdict.FAIL:
            self._fail(candidate, rollout, judgement)
            return True
        with self._database.transaction() as tx:
            if judgement.should_pause:
                self._service.hold(tx, rollout.id, Hold.NO_DATA, judgement.sentence)
            else:
                self._service.go_on(tx, rollout.id, Hold.NO_DATA)
            rollout = self._service.get(tx, rollout.id)
            stage = self._service.stage(tx, rollout)
        if rollout.state is not RolloutState.RUNNING or rollout.wish is not None or stage is None:
            return False
        if not is_over(
            rollout.now,
            elapsed=stage.elapsed(self._now()),
            served=served_in(rollout.stage, memory.records),
            verdict=judgement.verdict,
            telemetry_answers=self._answers(rollout, memory),
        ):
            return False
        self._next(candidate, rollout, promoted=False)
        return True

    # Looking

    def _look(self, rollout: Rollout, memory: _Memory) -> Judgement | None:
        """What the judge says with one look more; ``None`` for the first of a stage, which only counts from there."""
        now = self._now()
        with self._database.reading() as reading:
            stage = self._service.stage(reading, rollout)
            other = compared(rollout.now, rollout.sets)
            canary, baseline = self._side(reading, rollout.set), self._side(reading, other)
            restarts = {one: self._restarts(reading, one) for one in (rollout.set, other)}
        assert stage is not None  # noqa: S101 - the loop runs in stages that were entered
        statistics = self._router.statistics()
        current = None if statistics is None else counters_of(statistics, rollout.now, rollout.sets, restarts)
        if rollout.counters is None and current is not None:
            with self._database.transaction() as tx:
                self._service.count_from(tx, rollout.id, current)
            memory.looked_at = now
            return None
        seen = (Seen(), Seen())
        if current is not None and rollout.counters is not None:
            seen = seen_between(rollout.counters, current)
        record = LookRecord(
            number=memory.next,
            stage=rollout.stage,
            at=now,
            offset=(now - memory.phase_began).total_seconds(),
            seconds=max(0.001, (now - memory.looked_at).total_seconds()),
            share=compared_share(rollout.now, rollout.sets),
            canary=seen[0],
            baseline=seen[1],
            slow=False,
            until=memory.telemetry_until,
        )
        record = self._with_telemetry(rollout, memory, record, canary, baseline)
        memory.records.append(record)
        memory.looked_at, memory.next = now, memory.next + 1
        if rollout.now.dark:
            self._mirroring.read(rollout)
        judgement = self._judged(rollout, stage, memory, now)
        with self._database.transaction() as tx:
            self._service.look(tx, rollout.id, record, current, kept(judgement, rollout.watched, now))
        return judgement

    def _with_telemetry(
        self, rollout: Rollout, memory: _Memory, record: LookRecord, canary: Side, baseline: Side
    ) -> LookRecord:
        asked = [one for one in rollout.watched if one.telemetry and (one.dark or not rollout.now.dark)]
        end = _milliseconds(record.at) - round(self._rhythm.lag * 1000)
        if not asked or end - memory.telemetry_until < self._rhythm.telemetry * 1000:
            return record
        since = [one for one in [*memory.records, record] if _milliseconds(one.at) > memory.telemetry_until]
        sides = (
            _serving(canary, sum(one.canary.traffic or 0.0 for one in since)),
            _serving(baseline, sum(one.baseline.traffic or 0.0 for one in since)),
        )
        try:
            measured = self._signals.measure(
                rollout.service, rollout.environment, asked, *sides, memory.telemetry_until, end
            )
        except Unavailable as error:
            _log.warning("telemetry does not answer a rollout of %s: %s", rollout.service, error.message)
            measured = Measured({}, {})
        else:
            memory.answered_at = record.at
        memory.telemetry_until = end
        return LookRecord(
            number=record.number,
            stage=record.stage,
            at=record.at,
            offset=record.offset,
            seconds=record.seconds,
            share=record.share,
            canary=with_measured(record.canary, measured.canary),
            baseline=with_measured(record.baseline, measured.baseline),
            slow=memory.answered_at == record.at,
            until=end,
        )

    def _judged(self, rollout: Rollout, stage: StageRecord, memory: _Memory, now: datetime) -> Judgement:
        offset = (now - memory.phase_began).total_seconds()
        plan = judged(
            rollout.watched,
            seconds=phase_seconds(rollout.stages, rollout.stage),
            dark=rollout.now.dark,
            both_phases=len({one.dark for one in rollout.stages}) > 1,
            until=offset + rollout.now.plan.seconds - stage.elapsed(now),
            since=(stage.entered_at - memory.phase_began).total_seconds(),
        )
        looks = [look_of(one, rollout.watched) for one in condensed(memory.records)]
        past = [look_of(one, rollout.watched) for one in memory.history]
        return self._judge.judge(plan, looks, history=past)

    def _answers(self, rollout: Rollout, memory: _Memory) -> bool:
        if not any(one.telemetry for one in rollout.watched):
            return True
        patience = timedelta(seconds=2 * self._rhythm.telemetry + self._rhythm.lag + self._rhythm.tick)
        return memory.answered_at is not None and self._now() - memory.answered_at <= patience

    # Acting

    def _divide(self, candidate: Candidate, name: RolloutId, number: int, *, promoted: bool = False) -> None:
        with self._database.transaction() as tx:
            entered = self._service.enter(tx, name, number, promoted=promoted)
            self._router.divide(
                tx,
                candidate.service,
                candidate.environment,
                divided(entered.now, entered.sets, entered.release.sticky),
                fence=candidate.fence,
                deployment=candidate.deployment,
            )
        self._apply(candidate)

    def _next(self, candidate: Candidate, rollout: Rollout, *, promoted: bool) -> bool:
        """Go into the next stage, or pass after the last one; whether that was the end."""
        if not rollout.is_last:
            self._divide(candidate, rollout.id, rollout.stage + 1, promoted=promoted)
            return False
        with self._database.reading() as reading:
            verdict = self._service.verdict(reading, rollout)
        said = "Somebody gave it to everybody." if promoted or verdict is None else verdict.sentence
        self._succeed(rollout.id, said, promoted=promoted)
        return True

    def _succeed(self, name: RolloutId, reason: str, *, promoted: bool) -> None:
        with self._database.transaction() as tx:
            self._service.succeed(tx, name, reason, promoted=promoted)

    def _fail(self, candidate: Candidate, rollout: Rollout, judgement: Judgement) -> None:
        cause = next((one for one in judgement.metrics if one.verdict is Verdict.FAIL), None)
        both = judgement.because in {Because.BOTH_WORSE, Because.BOTH_BROKEN}
        with self._database.transaction() as tx:
            self._service.fail(
                tx, rollout.id, metric="" if cause is None else cause.metric, reason=told(judgement), both=both
            )
            self._back(tx, candidate)
        self._apply(candidate)

    def _abort(self, candidate: Candidate, name: RolloutId, reason: str) -> None:
        with self._database.transaction() as tx:
            self._service.abort(tx, name, reason)
            self._back(tx, candidate)
        self._apply(candidate)

    def _back(self, tx: Transaction, candidate: Candidate) -> None:
        self._router.point(
            tx,
            candidate.service,
            candidate.environment,
            to=candidate.former,
            fence=candidate.fence,
            deployment=candidate.deployment,
        )

    def _ended(self, candidate: Candidate, name: RolloutId) -> ReleaseOutcome:
        """The outcome of a rollout that is over, and what is left to be done for it: an earlier life may not have."""
        with self._database.reading() as reading:
            rollout = self._service.get(reading, name)
            route = self._router.plan(reading, candidate.service, candidate.environment)
        if rollout.state is RolloutState.PASSED and rollout.baseline is not None and route is not None:
            # nobody is to be served by instances that are about to be stopped
            without = Sets(canary=rollout.set, former=rollout.former)
            with self._database.transaction() as tx:
                self._router.divide(
                    tx,
                    candidate.service,
                    candidate.environment,
                    divided(rollout.now, without, rollout.release.sticky),
                    fence=candidate.fence,
                    deployment=candidate.deployment,
                )
        self._apply(candidate)
        self._fresh.retire(rollout)
        self._mirroring.forget(name)
        end = {
            RolloutState.PASSED: ReleaseEnd.PASSED,
            RolloutState.ABORTED: ReleaseEnd.CANCELLED,
        }.get(rollout.state, ReleaseEnd.FAILED)
        return ReleaseOutcome(end=end, reason=rollout.reason)

    def _apply(self, candidate: Candidate) -> None:
        """Tell the router. What is recorded is what it will follow: a router that is away is told again."""
        for left in reversed(range(_TRIES)):
            try:
                self._router.apply((candidate.service, candidate.environment))
                return
            except Unavailable as error:
                if not left:
                    _log.warning("the router does not follow yet, it is told again: %s", error.message)
                    return
                self._sleep(self._rhythm.slice)

    # Inside

    def _remember(self, reading: Reading, rollout: Rollout) -> _Memory:
        every = self._service.looks(reading, rollout)
        phase = phase_of(rollout.stages, rollout.stage)
        records = [one for one in every if one.stage in phase]
        entered = {one.number: one for one in self._service.stages(reading, rollout)}
        began = entered[phase[0]].entered_at
        now = entered[rollout.stage].entered_at
        last = records[-1] if records else None
        return _Memory(
            records=records,
            phase_began=began,
            looked_at=max(now, last.at) if last is not None else now,
            telemetry_until=last.until if last is not None and last.until else _milliseconds(began),
            answered_at=next((one.at for one in reversed(records) if one.slow), None),
            next=every[-1].number + 1 if every else 0,
            history=self._service.history(reading, rollout),
        )

    def _side(self, reading: Reading, name: SetId) -> Side:
        found = self._environments.set(reading, name)
        return Side(set=name, commit=found.commit, instances=tuple(one.id for one in found.instances))

    def _restarts(self, reading: Reading, name: SetId) -> int:
        return sum(one.restarts for one in self._environments.set(reading, name).instances)

    def _wait(self, seconds: float, interrupted: Callable[[], bool]) -> None:
        left = seconds
        while left > 0:
            if interrupted():
                raise Interrupted
            self._sleep(min(self._rhythm.slice, left))
            left -= self._rhythm.slice

    def _now(self) -> datetime:
        return self._database.clock.now()


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _serving(side: Side, requests: float) -> Side:
    return Side(set=side.set, commit=side.commit, instances=side.instances, requests=requests)
