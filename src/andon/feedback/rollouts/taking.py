"""How a new service takes over from an old one: look, judge, raise the share or take it back.

As with a version, everything that is decided upon is stored before it is acted upon. The share is a rule of forwarding,
so it stands in the router's table and holds while Andon is away.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import datetime

from andon.feedback.judge.contract import Because, Judgement, Verdict
from andon.feedback.rollouts.contract import Hold, RolloutId, Wish
from andon.feedback.rollouts.foretelling import sides_of
from andon.feedback.rollouts.looking import Looking, Memory
from andon.feedback.rollouts.model.judging import kept, of_services, told
from andon.feedback.rollouts.model.pacing import Rhythm, may_go_on
from andon.feedback.rollouts.model.records import LookRecord, Rollout, Seen
from andon.feedback.rollouts.model.takeovers import Takeover
from andon.feedback.rollouts.model.taking import Side, seen_of, sorted_out
from andon.feedback.rollouts.model.tallying import served_in
from andon.feedback.rollouts.service import RolloutService
from andon.flow.definition.contract import PARTS
from andon.flow.environments.contract import Environments, SetId
from andon.flow.routing.contract import Access, AccessLog, AccessPosition, Router
from andon.kernel.db import Database, Transaction
from andon.kernel.errors import AndonError
from andon.kernel.events import ANDON
from andon.kernel.workflows import Interrupted

_PAGES = 40
"""Pages of the router's log in one look, 5,000 lines each: what is behind is caught up with in the next."""
_SETTLED = 1.5
"""Seconds after which the log tells of no request that was still divided as in the stage before."""
_BY_HAND = "Somebody changed by hand what is forwarded; it stays as they left it."

_log = logging.getLogger(__name__)


class Taking:
    """Conducts takeovers. Each is one step of a workflow, which runs again from what is stored."""

    def __init__(
        self,
        *,
        database: Database,
        service: RolloutService,
        environments: Environments,
        router: Router,
        looking: Looking,
        log: Callable[[], AccessLog],
        rhythm: Rhythm | None = None,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self._database = database
        self._service = service
        self._environments = environments
        self._router = router
        self._looking = looking
        self._open = log
        self._rhythm = rhythm or Rhythm()
        self._stopping = threading.Event()
        self._sleep = sleep or self._stopping.wait

    def stop(self) -> None:
        """Let those under way be interrupted; they go on with the next start."""
        self._stopping.set()

    def conduct(self, name: RolloutId) -> None:
        """Until it is over. Raises ``Interrupted`` when Andon is about to stop."""
        watch: _Watch | None = None
        self._apply(name)
        while True:
            if self._stopping.is_set():
                raise Interrupted
            try:
                with self._database.reading() as reading:
                    rollout = self._service.get(reading, name)
                    if watch is None or watch.stage != rollout.stage:
                        watch = _Watch(rollout.stage, self._looking.remember(reading, rollout))
                if rollout.state.ended:
                    return
                if self._turn(rollout, watch):
                    self._apply(name)
                    continue
            except AndonError as error:
                # such as a rule that somebody changes at this moment: the next turn sees what has become of it
                _log.warning("the takeover %s waits: %s", name, error.message)
            self._sleep(self._rhythm.tick)

    # One turn

    def _turn(self, rollout: Rollout, watch: _Watch) -> bool:
        """Look, judge, and act on it; whether the share was changed."""
        takeover = _of(rollout)
        with self._database.reading() as reading:
            forwarding = self._router.forwarding(reading, rollout.service, rollout.environment)
        if takeover.parts_in(forwarding) != rollout.now.plan.parts:
            with self._database.transaction() as tx:
                self._service.abort(tx, rollout.id, _BY_HAND)
            return True
        match rollout.wish:
            case Wish.ABORT:
                return self._abort(rollout)
            case Wish.FINISH:
                return self._succeed(rollout, "Somebody gave it everything.", promoted=True)
            case Wish.PROMOTE:
                return self._next(rollout, promoted=True)
            case _:
                return self._judged(rollout, watch)

    def _judged(self, rollout: Rollout, watch: _Watch) -> bool:
        judgement = self._look(rollout, watch)
        if judgement is None:
            return False
        if judgement.verdict is Verdict.FAIL:
            return self._fail(rollout, judgement)
        with self._database.transaction() as tx:
            if judgement.should_pause:
                self._service.hold(tx, rollout.id, Hold.NO_DATA, judgement.sentence)
            else:
                self._service.go_on(tx, rollout.id, Hold.NO_DATA)
            rollout = self._service.get(tx, rollout.id)
            stage = self._service.stage(tx, rollout)
        if not may_go_on(
            rollout,
            stage,
            now=self._now(),
            served=served_in(rollout.stage, watch.memory.records),
            verdict=judgement.verdict,
            telemetry_answers=True,
        ):
            return False
        return self._next(rollout, promoted=False)

    def _look(self, rollout: Rollout, watch: _Watch) -> Judgement | None:
        """What the judge says with one look more; ``None`` for the first of a stage, which only counts from there."""
        now, takeover, memory = self._now(), _of(rollout), watch.memory
        unreached = self._unreached(rollout, watch)
        if takeover.position is None:
            with self._database.reading() as reading:
                stage = self._service.stage(reading, rollout)
            if stage is None or (now - stage.entered_at).total_seconds() < _SETTLED:
                return None
            try:
                end = self._open().end()
            except OSError as error:
                _log.warning("the router's log cannot be read for %s: %s", takeover.words, error)
                return None
            with self._database.transaction() as tx:
                self._service.read_to(tx, rollout.id, end)
            memory.looked_at = now
            return None
        read = self._read(rollout, takeover.position)
        # a log that cannot be read says nothing, and what says nothing is not held for zero
        new, old = Seen(), Seen()
        if read is not None:
            new, old = map(seen_of, sorted_out(read[0], self._sides(rollout, read[0]), unreached))
        record = LookRecord(
            number=memory.next,
            stage=rollout.stage,
            at=now,
            offset=(now - memory.phase_began).total_seconds(),
            seconds=max(0.001, (now - memory.looked_at).total_seconds()),
            share=rollout.now.plan.parts / PARTS,
            canary=new,
            baseline=old,
            slow=False,
        )
        memory.records.append(record)
        memory.looked_at, memory.next = now, memory.next + 1
        with self._database.reading() as reading:
            stage = self._service.stage(reading, rollout)
        assert stage is not None  # noqa: S101 - it is in a stage that was entered
        judgement = of_services(self._looking.judged(rollout, stage, memory, now))
        with self._database.transaction() as tx:
            self._service.look(tx, rollout.id, record, None, kept(judgement, rollout.watched, now))
            if read is not None:
                self._service.read_to(tx, rollout.id, read[1])
        return judgement

    def _read(self, rollout: Rollout, position: AccessPosition) -> tuple[list[Access], AccessPosition] | None:
        """The requests that the rule took since then, whoever served them."""
        rule, found, log = _of(rollout).rule, list[Access](), self._open()
        here = (rollout.service, rollout.environment)
        try:
            for _ in range(_PAGES):
                page = log.read(position)
                found += [one for one in page.requests if one.rule == rule and (one.service, one.environment) == here]
                ended, position = page.position == position, page.position
                if ended:
                    break
        except OSError as error:
            _log.warning("the router's log cannot be read for %s: %s", rollout.taking, error)
            return None
        return found, position

    def _sides(self, rollout: Rollout, requests: list[Access]) -> Mapping[SetId, Side]:
        takeover = _of(rollout)
        old, new = (rollout.service, rollout.environment), (takeover.service, takeover.environment)
        with self._database.reading() as reading:
            return sides_of(reading, self._environments, old, new, requests)

    def _unreached(self, rollout: Rollout, watch: _Watch) -> int:
        """Connections to the new side that could not be made since the last look."""
        takeover, statistics = _of(rollout), self._router.statistics()
        if statistics is None:
            return 0
        with self._database.reading() as reading:
            place = self._environments.find(reading, takeover.service, takeover.environment)
        ours = set() if place is None else {one.id for one in place.sets}
        counted = sum(one.connection_failures for one in statistics.sets if one.set in ours)
        before, watch.unreached = watch.unreached, counted
        return 0 if before is None else max(0, counted - before)

    # Acting

    def _next(self, rollout: Rollout, *, promoted: bool) -> bool:
        if rollout.is_last:
            with self._database.reading() as reading:
                verdict = self._service.verdict(reading, rollout)
            said = "Somebody gave it everything." if promoted or verdict is None else verdict.sentence
            return self._succeed(rollout, said, promoted=promoted)
        with self._database.transaction() as tx:
            entered = self._service.enter(tx, rollout.id, rollout.stage + 1, promoted=promoted)
            self._service.read_to(tx, rollout.id, None)
            self._forward(tx, rollout, entered.now.plan.parts)
        return True

    def _succeed(self, rollout: Rollout, reason: str, *, promoted: bool) -> bool:
        with self._database.transaction() as tx:
            self._service.succeed(tx, rollout.id, reason, promoted=promoted)
            self._forward(tx, rollout, PARTS)
        return True

    def _fail(self, rollout: Rollout, judgement: Judgement) -> bool:
        cause = next((one for one in judgement.metrics if one.verdict is Verdict.FAIL), None)
        both = judgement.because in {Because.BOTH_WORSE, Because.BOTH_BROKEN}
        with self._database.transaction() as tx:
            metric = "" if cause is None else cause.metric
            self._service.fail(tx, rollout.id, metric=metric, reason=told(judgement), both=both)
            self._forward(tx, rollout, 0)
        return True

    def _abort(self, rollout: Rollout) -> bool:
        with self._database.transaction() as tx:
            self._service.abort(tx, rollout.id, "Somebody ended it.")
            self._forward(tx, rollout, 0)
        return True

    def _forward(self, tx: Transaction, rollout: Rollout, parts: int) -> None:
        before = self._router.forwarding(tx, rollout.service, rollout.environment)
        wanted = _of(rollout).applied(before, parts)
        self._router.forward(tx, rollout.service, rollout.environment, wanted, by=ANDON)

    def _apply(self, name: RolloutId) -> None:
        """Tell the router. What is recorded is what it will follow: a router that is away is told again."""
        with self._database.reading() as reading:
            found = self._service.get(reading, name)
        try:
            self._router.apply((found.service, found.environment))
        except AndonError as error:
            _log.warning("the router does not follow yet, it is told again: %s", error.message)

    def _now(self) -> datetime:
        return self._database.clock.now()


class _Watch:
    """What is known between two turns of a stage; made anew after a crash."""

    def __init__(self, stage: int, memory: Memory) -> None:
        self.stage = stage
        self.memory = memory
        self.unreached: int | None = None


def _of(rollout: Rollout) -> Takeover:
    assert rollout.takeover is not None  # noqa: S101 - only takeovers are conducted here
    return rollout.takeover
