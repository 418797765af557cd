"""Ramps and schedules: shares that grow by themselves, each step a transaction, held by people, halted by whoever
judges."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec

from andon.flow.flags.contract import (
    FLAGS_FILE,
    FlagRampEnded,
    FlagRampHeld,
    FlagRampPaused,
    FlagRampResumed,
    FlagRampStepped,
    FlagScheduled,
    Judgement,
    Judging,
    Origin,
    RampGate,
    RampId,
    RampState,
    Verdict,
)
from andon.flow.flags.model import words
from andon.flow.flags.model.flag import Ramp, Step, StoredFlag
from andon.flow.flags.model.outcomes import Author, FlagInvalid, NothingToDo, Outcome, RampMoved, RampOver
from andon.flow.flags.model.ramping import (
    RampInvalid,
    faults_of,
    next_at,
    remaining_of,
    require_under_way,
    resumed,
    view,
    whom,
    why_not,
)
from andon.flow.flags.model.wishes import raised, reached, settled
from andon.flow.flags.service.changing import Changes, Manner, kept_in_code
from andon.flow.flags.storage import flags as storage
from andon.flow.flags.storage import ramps as ramp_storage
from andon.flow.sources.contract import Service
from andon.kernel.access import SYSTEM
from andon.kernel.db import Database, Reading, Transaction
from andon.kernel.errors import AndonError, Conflict, NotFound
from andon.kernel.events import append
from andon.kernel.ids import new_id

_log = logging.getLogger(__name__)
_ROUND = 0.0005
_NOT_PAUSED: Mapping[str, str | None] = {"remaining": None, "paused_at": None, "paused_by": None, "paused_why": ""}


class RampService:
    """``gates`` are asked in order; the first that does not say go is heeded."""

    def __init__(self, changes: Changes, gates: Sequence[RampGate] = ()) -> None:
        self._changes = changes
        self._gates = list(gates)

    def judged_by(self, gate: RampGate) -> None:
        """Let an upper room judge too."""
        self._gates.append(gate)

    def start(
        self,
        tx: Transaction,
        author: Author,
        flag: StoredFlag,
        environment: str,
        *,
        rule: str,
        variant: str,
        steps: tuple[Step, ...],
        why: str,
        judging: Judging = Judging.AUTO,
        approved: bool = False,
        second_person: bool = False,
    ) -> tuple[RampId | None, Outcome]:
        """Begin a ramp, or propose it; its first step is made at once when nothing is to be waited for.

        Raises :class:`FlagInvalid`, ``Conflict`` when one is under way for the same audience.
        """
        current = self._changes.current(tx, flag, environment)
        faults = faults_of(flag.head, current.setting, rule, variant, steps, tx.now)
        if faults:
            raise RampInvalid(f"This is no ramp for {flag.name}", faults)
        who = whom(current.setting, rule)
        sentence = words.ramp(variant, who, steps)
        if flag.origin is Origin.CODE:
            raise kept_in_code(flag)
        if any(one.rule == rule for one in ramp_storage.running(tx.connection, flag=flag.id, environment=environment)):
            raise Conflict(
                f"A ramp for {who} is under way already.",
                safe="It stays as it is.",
                remedy=f"Stop it first: andon flags ramp {flag.service} {flag.name} {environment} --stop",
            )
        if second_person and not approved:
            plan = msgspec.json.encode((rule, variant, steps, judging)).decode()
            outcome = self._changes.propose(tx, author, flag, current, current.setting, sentence, why, ramp=plan)
            return None, outcome
        can = any(gate.watches(tx, flag.service, environment) for gate in self._gates)
        # one step is all of it: there is nothing to go on to
        judged = len(steps) > 1 and (judging is Judging.JUDGED or (judging is Judging.AUTO and can))
        ramp = Ramp(
            id=RampId(new_id("ramp")),
            service=flag.service,
            flag=flag.name,
            environment=environment,
            rule=rule,
            variant=variant,
            steps=steps,
            done=0,
            percent=reached(current.setting, rule, variant) or 0.0,
            state=RampState.RUNNING,
            why=why,
            person=author.person,
            began_at=tx.now,
            next_at=next_at(steps[0], tx.now),
            ended_at=None,
            judged=judged,
        )
        ramp_storage.insert(tx.connection, flag.id, ramp)
        append(
            tx,
            FlagScheduled(
                flag=flag.name, service=flag.service, environment=environment, ramp=ramp.id, sentence=sentence
            ),
            by=author.actor,
        )
        if ramp.next_at is not None and ramp.next_at <= tx.now:
            self._step(tx, author, flag, ramp)
        told = words.judging(flag.service, environment, judging, judged=judged, can=can) if len(steps) > 1 else ()
        return ramp.id, Outcome(version=current.version, sentence=sentence, warnings=told)

    def start_planned(
        self, tx: Transaction, author: Author, flag: StoredFlag, environment: str, plan: str, why: str
    ) -> tuple[RampId | None, Outcome]:
        """Begin a ramp that was proposed and is agreed to."""
        rule, variant, steps, judging = msgspec.json.decode(plan, type=tuple[str, str, tuple[Step, ...], Judging])
        return self.start(
            tx,
            author,
            flag,
            environment,
            rule=rule,
            variant=variant,
            steps=steps,
            why=why,
            judging=judging,
            approved=True,
        )

    def stop(
        self, tx: Transaction, author: Author, ramp: Ramp, state: RampState, why: str, *, take_back: bool = False
    ) -> None:
        """End a ramp; the share stays where it is unless it is taken back. Does nothing to one that has ended."""
        if ramp.state.ended:
            return
        percent = ramp.percent
        if take_back:
            flag = storage.lock(tx.connection, ramp.service, ramp.flag)
            if flag is not None and flag.archived_at is None:
                self._put(tx, author, flag, ramp, 0.0, why)
                percent = 0.0
        ramp_storage.update(
            tx.connection,
            ramp.id,
            state=state,
            ended_at=tx.now,
            next_at=None,
            percent=percent,
            why=why or ramp.why,
            **_NOT_PAUSED,
        )
        if ramp.judged:  # nobody has to tell outcomes any more
            storage.raise_revision(tx.connection, ramp.service, ramp.environment, tx.now)
        append(
            tx,
            FlagRampEnded(
                flag=ramp.flag,
                service=ramp.service,
                environment=ramp.environment,
                ramp=ramp.id,
                state=state,
                percent=percent,
                why=why,
            ),
            by=author.actor,
        )

    def stop_all(self, tx: Transaction, author: Author, flag: StoredFlag, environment: str | None, why: str) -> None:
        for one in ramp_storage.running(tx.connection, flag=flag.id, environment=environment):
            self.stop(tx, author, one, RampState.STOPPED, why)

    def pause(self, tx: Transaction, author: Author, ramp: Ramp, why: str) -> None:
        """Make no step until it is resumed; the share stays where it is. Raises :class:`RampOver`,
        :class:`NothingToDo`."""
        require_under_way(ramp)
        if ramp.state is RampState.PAUSED:
            raise NothingToDo(
                f"The ramp of {ramp.flag} in {ramp.environment} is paused already.",
                safe=f"Its share stays at {words.percent(ramp.percent)}.",
            )
        remaining = remaining_of(ramp, tx.now)
        ramp_storage.update(
            tx.connection,
            ramp.id,
            state=RampState.PAUSED,
            next_at=None,
            held=False,
            remaining=remaining,
            paused_at=tx.now,
            paused_by=author.person,
            paused_why=why,
        )
        append(
            tx,
            FlagRampPaused(
                flag=ramp.flag,
                service=ramp.service,
                environment=ramp.environment,
                ramp=ramp.id,
                percent=ramp.percent,
                remaining=remaining,
                why=why,
            ),
            by=author.actor,
        )

    def resume(self, tx: Transaction, author: Author, ramp: Ramp, why: str) -> None:
        """Go on with what was left of the step. Raises :class:`RampOver`, :class:`NothingToDo`."""
        require_under_way(ramp)
        if ramp.state is not RampState.PAUSED:
            raise NothingToDo(
                f"The ramp of {ramp.flag} in {ramp.environment} is not paused.", safe="It goes on as it did."
            )
        comes, steps = resumed(ramp, tx.now)
        ramp_storage.update(tx.connection, ramp.id, state=RampState.RUNNING, next_at=comes, steps=steps, **_NOT_PAUSED)
        append(
            tx,
            FlagRampResumed(
                flag=ramp.flag,
                service=ramp.service,
                environment=ramp.environment,
                ramp=ramp.id,
                percent=ramp.percent,
                next_at=comes,
                why=why,
            ),
            by=author.actor,
        )

    def promote(self, tx: Transaction, author: Author, ramp: Ramp, step: int, why: str) -> None:
        """Make the next step now, without waiting for its time or a pass of the judge; a pause ends by it.

        ``step`` is how many were done when the author looked, so that two who promote at once make one step. Raises
        :class:`RampOver`, :class:`RampMoved`, ``Conflict`` where the judge has found harm.
        """
        require_under_way(ramp)
        if step != ramp.done:
            raise RampMoved(
                f"The ramp of {ramp.flag} in {ramp.environment} is not where you saw it: it is at "
                f"{words.percent(ramp.percent)}, step {ramp.done} of {len(ramp.steps)}.",
                safe="Nothing was changed.",
                remedy="See how it does there, and promote it again if you still want it.",
            )
        flag = storage.lock(tx.connection, ramp.service, ramp.flag)
        ends = self._ends(tx, flag, ramp)
        if flag is None or ends:
            raise RampOver(
                f"The ramp of {ramp.flag} in {ramp.environment} ends: {ends}.",
                safe="The share stays where it is.",
            )
        judgement = self._judge(tx, ramp, due=False) if ramp.done else Judgement(Verdict.GO)
        if judgement.verdict in {Verdict.HALT, Verdict.TAKE_BACK}:
            raise Conflict(
                f"The ramp of {ramp.flag} in {ramp.environment} does harm: {judgement.reason}",
                safe="Nobody more gets it: Andon ends the ramp in a moment.",
                remedy=f"See by which numbers: /ramps/{ramp.id}",
            )
        # moments that were missed meanwhile are not made at once behind it
        _, steps = resumed(replace(ramp, remaining=0.0), tx.now)
        ramp_storage.update(tx.connection, ramp.id, steps=steps)
        self._make(tx, author, flag, replace(ramp, steps=steps), promoted=True, why=why)

    def turn(self, database: Database) -> None:
        """Make the steps that are due and heed the gates; safe to repeat at any moment, in any process.

        One transaction a ramp: whatever happens in between, a step is made once, with its events, or not at all.
        """
        with database.reading() as reading:
            found = ramp_storage.running(reading.connection)
        for one in found:
            try:
                with database.transaction() as tx:
                    ramp = _held(tx, one)
                    if ramp is not None and not ramp.state.ended:
                        self._turn(tx, ramp)
            except AndonError as error:  # of the others each may have to be taken back
                _log.warning("the ramp of %s in %s of %s: %s", one.flag, one.environment, one.service, error)

    def get(self, reading: Reading, identity: str) -> Ramp:
        """Raises ``NotFound``."""
        found = ramp_storage.find(reading.connection, RampId(identity))
        if found is not None and isinstance(reading, Transaction):
            found = _held(reading, found)
        if found is None:
            raise no_ramp()
        return found

    def running(
        self, reading: Reading, service: Service | None = None, environment: str | None = None
    ) -> tuple[Ramp, ...]:
        return ramp_storage.running(reading.connection, service=service, environment=environment)

    def _turn(self, tx: Transaction, ramp: Ramp) -> None:
        author = Author(SYSTEM.actor, ramp.person)
        flag = storage.lock(tx.connection, ramp.service, ramp.flag)
        ends = self._ends(tx, flag, ramp)
        if flag is None or ends:
            return self.stop(tx, author, ramp, RampState.STOPPED, ends)
        # a paused one has no next step; whether it does harm is asked all the same
        due = ramp.next_at is not None and ramp.next_at <= tx.now
        judgement = self._judge(tx, ramp, due=due) if ramp.done else Judgement(Verdict.GO)
        self._note(tx, ramp, judgement, held=due and judgement.verdict is Verdict.WAIT)
        match judgement.verdict:
            case Verdict.HALT:
                self.stop(tx, author, ramp, RampState.HALTED, judgement.reason)
            case Verdict.TAKE_BACK:
                self.stop(tx, author, ramp, RampState.HALTED, judgement.reason, take_back=True)
            case Verdict.GO if due:
                self._step(tx, author, flag, ramp)
            case _:
                return None
        return None

    def _ends(self, reading: Reading, flag: StoredFlag | None, ramp: Ramp) -> str:
        """What has been changed otherwise, so that there is nothing left to ramp; empty for nothing."""
        if flag is None or flag.archived_at is not None:
            return "the flag is gone"
        if flag.origin is Origin.CODE:
            return f"the flag is kept in {FLAGS_FILE} now"
        setting = self._changes.current(reading, flag, ramp.environment).setting
        share = reached(setting, ramp.rule, ramp.variant)
        if not setting.enabled or share is None or (ramp.done and abs(share - ramp.percent) > _ROUND):
            return why_not(setting, share)
        return ""

    def _judge(self, reading: Reading, ramp: Ramp, *, due: bool) -> Judgement:
        seen = view(ramp)
        said = ""
        for gate in self._gates:
            found = gate.judge(reading, seen, due=due)
            if found.verdict is not Verdict.GO:
                return found
            said = said or found.reason
        return Judgement(Verdict.GO, said)

    def _note(self, tx: Transaction, ramp: Ramp, judgement: Judgement, *, held: bool) -> None:
        """What was said is kept for whoever looks, and told once when it keeps the ramp from going on."""
        if (judgement.reason, held) == (ramp.said, ramp.held):
            return
        ramp_storage.update(tx.connection, ramp.id, said=judgement.reason, held=held)
        if held and not ramp.held:
            append(
                tx,
                FlagRampHeld(
                    flag=ramp.flag,
                    service=ramp.service,
                    environment=ramp.environment,
                    ramp=ramp.id,
                    percent=ramp.percent,
                    why=judgement.reason,
                ),
                by=SYSTEM.actor,
            )

    def _step(self, tx: Transaction, author: Author, flag: StoredFlag, ramp: Ramp) -> None:
        try:
            self._make(tx, author, flag, ramp)
        except AndonError as error:
            # what it was to change is no longer so; nobody is there to be told but those who read the record
            self.stop(tx, author, ramp, RampState.STOPPED, error.message)

    def _make(
        self, tx: Transaction, author: Author, flag: StoredFlag, ramp: Ramp, *, promoted: bool = False, why: str = ""
    ) -> None:
        step, done = ramp.steps[ramp.done], ramp.done + 1
        which = f"step {done} of {len(ramp.steps)} of a ramp"
        self._put(tx, author, flag, ramp, step.percent, f"{which}: {why}" if why else which)
        append(
            tx,
            FlagRampStepped(
                flag=flag.name,
                service=flag.service,
                environment=ramp.environment,
                ramp=ramp.id,
                step=done,
                percent=step.percent,
                promoted=promoted,
            ),
            by=author.actor,
        )
        more = done < len(ramp.steps)
        ramp_storage.update(
            tx.connection,
            ramp.id,
            state=RampState.RUNNING,
            done=done,
            percent=step.percent,
            next_at=next_at(ramp.steps[done], tx.now) if more else None,
            stepped_at=tx.now,
            said="",
            held=False,
            **_NOT_PAUSED,
        )
        if ramp.judged and not ramp.done:  # also where the share was so already
            storage.raise_revision(tx.connection, ramp.service, ramp.environment, tx.now)
        if not more:
            found = ramp_storage.find(tx.connection, ramp.id)
            if found is not None:
                self.stop(tx, author, found, RampState.DONE, "")

    def _put(self, tx: Transaction, author: Author, flag: StoredFlag, ramp: Ramp, percent: float, why: str) -> None:
        setting = self._changes.current(tx, flag, ramp.environment).setting
        wanted = raised(setting, ramp.rule, ramp.variant, percent)
        if wanted is None:
            raise Conflict(f"The rule {ramp.rule!r} is no more.")
        new, faults = settled(wanted, flag.head, setting)
        if faults:
            raise FlagInvalid(f"The ramp of {flag.name} cannot go on", faults)
        self._changes.set(tx, author, flag, ramp.environment, new, Manner(why=why, by_ramp=True))


def _held(tx: Transaction, ramp: Ramp) -> Ramp | None:
    """As it is now, held until the transaction ends: the flag first, as whoever pulls the kill switch does. The other
    way round each would wait for the other, and PostgreSQL would end one of them, which may be the kill switch."""
    storage.lock(tx.connection, ramp.service, ramp.flag)
    return ramp_storage.find(tx.connection, ramp.id, lock=True)


def no_ramp() -> NotFound:
    return NotFound("There is no such ramp.", remedy="See those there are: andon flags show SERVICE FLAG")
