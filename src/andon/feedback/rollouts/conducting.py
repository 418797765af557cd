"""How a version is brought to its customers: look, judge, go on or go back, and the same again.

Everything that is decided upon is stored before it is acted upon, so that whoever takes over after a crash goes on
where the last one was.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime

from andon.feedback.judge.contract import Because, Judge, Judgement, Verdict
from andon.feedback.rollouts.baseline import FreshInstances
from andon.feedback.rollouts.belonging import Belonging
from andon.feedback.rollouts.confirming import Confirmation
from andon.feedback.rollouts.contract import Hold, RolloutId, RolloutState, Wish
from andon.feedback.rollouts.foreseeing import Foreseeing
from andon.feedback.rollouts.looking import Looking, Memory
from andon.feedback.rollouts.mirroring import Mirroring
from andon.feedback.rollouts.model.differing import too_many
from andon.feedback.rollouts.model.judging import told
from andon.feedback.rollouts.model.pacing import Rhythm, may_go_on
from andon.feedback.rollouts.model.records import Rollout
from andon.feedback.rollouts.model.stages import Sets, divided, segments_of
from andon.feedback.rollouts.model.tallying import counted_in
from andon.feedback.rollouts.ports import Backing, Signals
from andon.feedback.rollouts.service import RolloutService
from andon.flow.deployments.contract.release import Candidate, ReleaseEnd, ReleaseOutcome
from andon.flow.environments.contract import Environments
from andon.flow.flags.contract.audiences import Segments
from andon.flow.routing.contract import Comparisons, Router
from andon.kernel.db import Database, Transaction
from andon.kernel.errors import Unavailable
from andon.kernel.workflows import Interrupted

_TRIES = 20

_log = logging.getLogger(__name__)


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
        segments: Segments,
        backing: Backing,
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
        self._belonging = Belonging(segments, service, backing)
        self._mirroring = Mirroring(database=database, service=service, open_=comparisons)
        self._looking = Looking(
            database=database,
            service=service,
            environments=environments,
            router=router,
            judge=judge,
            signals=signals,
            mirroring=self._mirroring,
            rhythm=self._rhythm,
        )
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

    @property
    def looking(self) -> Looking:
        """What takeovers look with as well."""
        return self._looking

    def release(
        self, candidate: Candidate, *, cancelled: Callable[[], bool], interrupted: Callable[[], bool]
    ) -> ReleaseOutcome:
        """See :class:`~andon.flow.deployments.contract.release.Releasing`."""
        refused = self._refused(candidate)
        if refused:
            return ReleaseOutcome(end=ReleaseEnd.FAILED, reason=refused)
        rollout = self._foreseeing.begin(candidate)
        if not rollout.state.ended:
            if rollout.release.baseline:
                rollout = self._fresh.ready(rollout, lambda: interrupted() or cancelled())
            if interrupted():
                raise Interrupted
            if cancelled():  # before anybody is sent to instances that may not be ready
                self._abort(candidate, rollout.id, "The deployment was cancelled.")
            else:
                self._divide(candidate, rollout.id, rollout.stage)
                self._conduct(candidate, rollout.id, cancelled, interrupted)
        return self._ended(candidate, rollout.id)

    def confirm(self, candidate: Candidate, *, interrupted: Callable[[], bool]) -> ReleaseOutcome:
        """See :class:`~andon.flow.deployments.contract.release.Releasing`."""
        return self._confirmation.confirm(candidate, lambda seconds: self._wait(seconds, interrupted))

    def _refused(self, candidate: Candidate) -> str:
        """Why it cannot begin; what an earlier life began goes on, and pauses where it must."""
        with self._database.reading() as reading:
            begun = self._service.of_deployment(reading, candidate.deployment) is not None
            return "" if begun else self._belonging.refused(reading, candidate)

    # The loop

    def _conduct(
        self, candidate: Candidate, name: RolloutId, cancelled: Callable[[], bool], interrupted: Callable[[], bool]
    ) -> None:
        memory: Memory | None = None
        while True:
            if interrupted():
                raise Interrupted
            with self._database.reading() as reading:
                rollout = self._service.get(reading, name)
                if memory is None:
                    memory = self._looking.remember(reading, rollout)
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

    def _tick(self, candidate: Candidate, rollout: Rollout, memory: Memory) -> bool:
        """Look, judge, and act on it; whether the stage was left."""
        self._follow(candidate, rollout)
        judgement = self._looking.look(rollout, memory)
        if judgement is None:
            return False
        if judgement.verdict is Verdict.FAIL:
            self._fail(candidate, rollout, judgement)
            return True
        with self._database.transaction() as tx:
            differing = _differing(self._service.get(tx, rollout.id))
            if differing:
                self._service.go_on(tx, rollout.id, Hold.NO_DATA)
                self._service.hold(tx, rollout.id, Hold.DIFFERENCES, differing)
            elif missing := self._belonging.trouble(tx, rollout.now):
                self._service.hold(tx, rollout.id, Hold.NO_DATA, missing)
            elif judgement.should_pause:
                self._service.hold(tx, rollout.id, Hold.NO_DATA, judgement.sentence)
            else:
                self._service.go_on(tx, rollout.id, Hold.NO_DATA)
            rollout = self._service.get(tx, rollout.id)
            stage = self._service.stage(tx, rollout)
        if not may_go_on(
            rollout,
            stage,
            now=self._now(),
            served=counted_in(rollout, memory.records),
            verdict=judgement.verdict,
            telemetry_answers=self._looking.answers(rollout, memory),
        ):
            return False
        self._next(candidate, rollout, promoted=False)
        return True

    # Acting

    def _divide(self, candidate: Candidate, name: RolloutId, number: int, *, promoted: bool = False) -> None:
        with self._database.transaction() as tx:
            entered = self._service.enter(tx, name, number, promoted=promoted)
            self._router.divide(
                tx,
                candidate.service,
                candidate.environment,
                divided(entered.now, entered.sets, entered.release.sticky, self._belonging.used(tx, entered.now)),
                fence=candidate.fence,
                deployment=candidate.deployment,
            )
        self._apply(candidate)

    def _follow(self, candidate: Candidate, rollout: Rollout) -> None:
        """Let the router know who belongs to a segment by now, and the record which version of it counts."""
        if not segments_of(rollout.now):
            return
        with self._database.reading() as reading:
            plan = self._router.plan(reading, candidate.service, candidate.environment)
            changed = self._belonging.changed(reading, rollout.now, plan)
        if changed is None:
            return
        with self._database.transaction() as tx:
            self._router.divide(
                tx,
                candidate.service,
                candidate.environment,
                changed,
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
                    divided(rollout.now, without, rollout.release.sticky, self._belonging.used(tx, rollout.now)),
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

    def _wait(self, seconds: float, interrupted: Callable[[], bool]) -> None:
        left = seconds
        while left > 0:
            if interrupted():
                raise Interrupted
            self._sleep(min(self._rhythm.slice, left))
            left -= self._rhythm.slice

    def _now(self) -> datetime:
        return self._database.clock.now()


def _differing(rollout: Rollout) -> str:
    """Why what is answered differently in the dark holds it up; empty when it does not."""
    mirror = rollout.release.mirror
    if not rollout.now.dark or mirror is None or rollout.differences is None:
        return ""
    if rollout.stage in rollout.differences.accepted:
        return ""
    return too_many(rollout.differences.of(rollout.stage), mirror.differing)
