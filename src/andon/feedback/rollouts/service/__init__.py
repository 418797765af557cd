"""Use cases of rollouts; the transaction is supplied from outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from andon.feedback.rollouts import storage
from andon.feedback.rollouts.contract import (
    Hold,
    Left,
    ReleaseRefuted,
    RolloutAborted,
    RolloutFailed,
    RolloutId,
    RolloutPassed,
    RolloutPaused,
    RolloutResumed,
    RolloutStarted,
    RolloutState,
    RolloutWished,
    StageEntered,
    Wish,
)
from andon.feedback.rollouts.model.differing import Differences
from andon.feedback.rollouts.model.records import (
    Counters,
    LookRecord,
    NothingToDo,
    Rollout,
    VerdictRecord,
    Watched,
)
from andon.feedback.rollouts.model.tallying import Tally, tally
from andon.feedback.rollouts.service.questions import RolloutQuestions
from andon.feedback.rollouts.service.saying import over, require_say
from andon.flow.deployments.contract.release import Candidate, Doubted
from andon.flow.environments.contract import SetId
from andon.flow.routing.contract import AccessPosition
from andon.kernel.access import PersonId, Principal
from andon.kernel.db import Transaction
from andon.kernel.events import ANDON, Actor, ActorKind, append
from andon.kernel.ids import new_id


class RolloutService(RolloutQuestions):
    """Implements :class:`andon.feedback.rollouts.contract.Rollouts`. Safe to share between threads."""

    def begin(
        self,
        tx: Transaction,
        candidate: Candidate,
        *,
        watched: Sequence[Watched],
        unwatched: Sequence[str],
        smallest_harm: str,
        proposal: str,
        history: Sequence[LookRecord],
    ) -> Rollout:
        """The rollout of a candidate, made if there is none yet."""
        known = storage.of_deployment(tx.connection, candidate.deployment)
        if known is not None:
            return known
        made = Rollout(
            id=RolloutId(new_id("rol")),
            deployment=candidate.deployment,
            service=candidate.service,
            environment=candidate.environment,
            commit=candidate.commit,
            former_commit=candidate.former_commit,
            set=candidate.set,
            former=candidate.former,
            baseline=None,
            state=RolloutState.RUNNING,
            hold=None,
            reason="",
            stage=0,
            wish=None,
            wished_by=None,
            release=candidate.release,
            watched=tuple(watched),
            unwatched=tuple(unwatched),
            smallest_harm=smallest_harm,
            proposal=proposal,
            counters=None,
            differences=None,
            started_at=tx.now,
            ended_at=None,
        )
        self.started(tx, made, history, by=ANDON)
        return made

    def started(self, tx: Transaction, made: Rollout, history: Sequence[LookRecord] = (), *, by: Actor) -> None:
        """Store a rollout that begins, and say so."""
        storage.insert(tx.connection, made, history)
        append(
            tx,
            RolloutStarted(
                rollout=made.id,
                deployment=made.deployment,
                service=made.service,
                environment=made.environment,
                takeover=made.taking,
                commit=made.commit,
                former=made.former_commit,
                stages=tuple(one.plan for one in made.stages),
                smallest_harm=made.smallest_harm,
                proposal=made.proposal,
            ),
            by=by,
        )

    def compare_with(self, tx: Transaction, rollout: RolloutId, baseline: SetId | None, note: str = "") -> Rollout:
        """The fresh instances of the former version that the new one is compared with; ``note`` says why there are
        none."""
        found = self._held(tx, rollout)
        unwatched = (*found.unwatched, note) if note else found.unwatched
        storage.update(tx.connection, rollout, baseline=baseline, unwatched=unwatched)
        return replace(found, baseline=baseline, unwatched=unwatched)

    def enter(self, tx: Transaction, rollout: RolloutId, number: int, *, promoted: bool = False) -> Rollout:
        """Go into a stage; nothing happens when it was entered before. The router is divided in this transaction."""
        found = self._held(tx, rollout)
        if not storage.enter(tx.connection, rollout, number, tx.now):
            return found
        if number > 0:
            self._leave(tx, found, Left.PROMOTED if promoted else Left.PASSED)
        by = _for(found.wished_by) if promoted else ANDON
        changed = replace(
            found,
            stage=number,
            counters=None,
            state=RolloutState.RUNNING,
            hold=None,
            reason="",
            wish=None,
            wished_by=None,
        )
        self._store(tx, changed)
        stage = changed.now.plan
        append(
            tx,
            StageEntered(
                rollout=found.id,
                deployment=found.deployment,
                service=found.service,
                environment=found.environment,
                takeover=found.taking,
                commit=found.commit,
                stage=stage.name,
                number=number + 1,
                of=len(found.stages),
                kind=stage.kind,
                parts=stage.parts,
                promoted=promoted,
            ),
            by=by,
        )
        return changed

    def read_to(self, tx: Transaction, rollout: RolloutId, position: AccessPosition | None) -> None:
        """How far the router's log was read for a takeover; ``None`` at the beginning of a stage."""
        found = self._held(tx, rollout)
        if found.takeover is not None:
            storage.update(tx.connection, rollout, takeover=replace(found.takeover, position=position))

    def look(
        self,
        tx: Transaction,
        rollout: RolloutId,
        look: LookRecord,
        counters: Counters | None,
        verdict: VerdictRecord | None,
    ) -> None:
        """Keep what was seen, so that the judge can be asked again after a crash; and what it said."""
        storage.add_look(tx.connection, rollout, look)
        if counters is not None:
            storage.update(tx.connection, rollout, counters=counters)
        if verdict is not None:
            storage.set_verdict(tx.connection, rollout, look.stage, verdict)

    def count_from(self, tx: Transaction, rollout: RolloutId, counters: Counters) -> None:
        """What the counters showed when the stage began."""
        storage.update(tx.connection, rollout, counters=counters)

    def compare(self, tx: Transaction, rollout: RolloutId, differences: Differences) -> None:
        """Keep what was answered differently in the dark."""
        before = self._held(tx, rollout).differences
        accepted = () if before is None else before.accepted  # somebody may have said so meanwhile
        storage.update(tx.connection, rollout, differences=replace(differences, accepted=accepted))

    # Pauses

    def hold(self, tx: Transaction, rollout: RolloutId, hold: Hold, reason: str, *, by: Actor = ANDON) -> None:
        """Pause it; a person's pause stands above one for missing data."""
        found = self._held(tx, rollout)
        if found.state.ended or found.hold in {hold, Hold.PERSON}:
            if found.hold is Hold.NO_DATA and reason != found.reason:
                self._store(tx, replace(found, reason=reason))  # what is missing by now may be something else
            return
        if found.hold is None:
            storage.change_stage(tx.connection, rollout, found.stage, held_since=tx.now)
        self._store(tx, replace(found, state=RolloutState.PAUSED, hold=hold, reason=reason))
        append(
            tx,
            RolloutPaused(
                rollout=found.id,
                deployment=found.deployment,
                service=found.service,
                environment=found.environment,
                takeover=found.taking,
                commit=found.commit,
                hold=hold,
                reason=reason,
            ),
            by=by,
        )

    def go_on(self, tx: Transaction, rollout: RolloutId, hold: Hold, *, by: Actor = ANDON) -> None:
        """End a pause of this kind."""
        found = self._held(tx, rollout)
        if found.state.ended or found.hold is not hold:
            return
        self._end_pause(tx, found)
        self._store(tx, replace(found, state=RolloutState.RUNNING, hold=None, reason=""))
        append(
            tx,
            RolloutResumed(
                rollout=found.id,
                deployment=found.deployment,
                service=found.service,
                environment=found.environment,
                takeover=found.taking,
                commit=found.commit,
                hold=hold,
            ),
            by=by,
        )

    # What people ask

    def wish(self, tx: Transaction, principal: Principal, rollout: RolloutId, wish: Wish) -> Rollout:
        """Ask something of a rollout that is under way.

        Raises ``Forbidden``, :class:`RolloutEnded`, :class:`NothingToDo`.
        """
        self.seen(tx, principal, rollout)
        found = self._held(tx, rollout)
        require_say(principal, found, wish)
        if found.state.ended:
            raise over(found)
        match wish:
            case Wish.PAUSE:
                if found.hold is Hold.PERSON:
                    raise NothingToDo("It is paused already.", safe="Nothing was changed.")
                self.hold(tx, rollout, Hold.PERSON, "Somebody paused it.", by=principal.actor)
            case Wish.RESUME:
                if found.hold is None:
                    raise NothingToDo("It is not paused.", safe="Nothing was changed.")
                if found.hold is Hold.DIFFERENCES and found.differences is not None:
                    accepted = (*found.differences.accepted, found.stage)
                    storage.update(tx.connection, rollout, differences=replace(found.differences, accepted=accepted))
                self.go_on(tx, rollout, found.hold, by=principal.actor)
            case _:
                storage.update(tx.connection, rollout, wish=wish, wished_by=principal.person)
                append(
                    tx,
                    RolloutWished(
                        rollout=found.id,
                        deployment=found.deployment,
                        service=found.service,
                        environment=found.environment,
                        takeover=found.taking,
                        commit=found.commit,
                        wish=wish,
                    ),
                    by=principal.actor,
                )
        return self._held(tx, rollout)

    # Ends

    def fail(self, tx: Transaction, rollout: RolloutId, *, metric: str, reason: str, both: bool) -> None:
        """Record that it did harm. The router is pointed back in this transaction."""
        found = self._held(tx, rollout)
        if found.state.ended:
            return
        stage = storage.stage(tx.connection, rollout, found.stage)
        self._end(tx, found, RolloutState.FAILED, reason, Left.FAILED)
        append(
            tx,
            RolloutFailed(
                rollout=found.id,
                deployment=found.deployment,
                service=found.service,
                environment=found.environment,
                takeover=found.taking,
                commit=found.commit,
                former=found.former_commit,
                stage=found.now.plan.name,
                metric=metric,
                reason=reason,
                both=both,
                harmed=self.tally(tx, found).failed,
                seconds=_since(None if stage is None else stage.entered_at, tx.now),
            ),
            by=ANDON,
        )

    def succeed(self, tx: Transaction, rollout: RolloutId, reason: str, *, promoted: bool) -> None:
        """Record that the rest of the traffic may follow; the deployment gives it."""
        found = self._held(tx, rollout)
        if found.state.ended:
            return
        self._end(tx, found, RolloutState.PASSED, reason, Left.PROMOTED if promoted else Left.PASSED)
        append(
            tx,
            RolloutPassed(
                rollout=found.id,
                deployment=found.deployment,
                service=found.service,
                environment=found.environment,
                takeover=found.taking,
                commit=found.commit,
                reason=reason,
                seconds=_since(found.started_at, tx.now),
                requests=self.tally(tx, found).requests,
            ),
            by=_for(found.wished_by) if promoted else ANDON,
        )

    def abort(self, tx: Transaction, rollout: RolloutId, reason: str) -> None:
        """Record that somebody ended it. The router is pointed back in this transaction."""
        found = self._held(tx, rollout)
        if found.state.ended:
            return
        self._end(tx, found, RolloutState.ABORTED, reason, Left.ABORTED)
        append(
            tx,
            RolloutAborted(
                rollout=found.id,
                deployment=found.deployment,
                service=found.service,
                environment=found.environment,
                takeover=found.taking,
                commit=found.commit,
                former=found.former_commit,
                reason=reason,
            ),
            by=_for(found.wished_by),
        )

    def refute(
        self,
        tx: Transaction,
        candidate: Candidate | Doubted,
        *,
        metric: str,
        reason: str,
        harmed: int,
        stays: str = "",
    ) -> None:
        """Record that telemetry does not confirm a version that has all traffic."""
        append(
            tx,
            ReleaseRefuted(
                deployment=candidate.deployment,
                service=candidate.service,
                environment=candidate.environment,
                commit=candidate.commit,
                former=candidate.former_commit,
                metric=metric,
                reason=reason,
                harmed=harmed,
                stays=stays,
            ),
            by=ANDON,
        )

    # Inside

    def tally(self, tx: Transaction, rollout: Rollout) -> Tally:
        return tally(rollout, storage.looks_of(tx.connection, rollout.id))

    def _held(self, tx: Transaction, rollout: RolloutId) -> Rollout:
        return self._found(storage.load(tx.connection, rollout, lock=True), rollout)

    def _leave(self, tx: Transaction, found: Rollout, left: Left) -> None:
        self._end_pause(tx, found)
        storage.change_stage(tx.connection, found.id, found.stage, left_at=tx.now, left=left)

    def _end_pause(self, tx: Transaction, found: Rollout) -> None:
        stage = storage.stage(tx.connection, found.id, found.stage)
        if stage is not None and stage.held_since is not None:
            held = stage.held_seconds + _since(stage.held_since, tx.now)
            storage.change_stage(tx.connection, found.id, found.stage, held_seconds=held, held_since=None)

    def _end(self, tx: Transaction, found: Rollout, state: RolloutState, reason: str, left: Left) -> None:
        self._leave(tx, found, left)
        self._store(tx, replace(found, state=state, hold=None, wish=None, reason=reason, ended_at=tx.now))

    @staticmethod
    def _store(tx: Transaction, changed: Rollout) -> None:
        storage.update(
            tx.connection,
            changed.id,
            state=changed.state,
            hold=changed.hold,
            reason=changed.reason,
            stage=changed.stage,
            counters=changed.counters,
            wish=changed.wish,
            wished_by=changed.wished_by,
            ended_at=changed.ended_at,
        )


def _since(start: datetime | None, end: datetime) -> float:
    return 0.0 if start is None else max(0.0, (end - start).total_seconds())


def _for(person: PersonId | None) -> Actor:
    """Andon, for whoever asked."""
    return ANDON if person is None else Actor(ActorKind.SYSTEM, "andon", person)
