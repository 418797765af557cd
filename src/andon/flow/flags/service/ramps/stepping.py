"""A step of a ramp and its end: what both change, and what they tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from andon.flow.flags.contract import (
    FLAGS_FILE,
    FlagRampEnded,
    FlagRampStepped,
    Judgement,
    Origin,
    RampGate,
    RampId,
    RampState,
    Verdict,
)
from andon.flow.flags.model import words
from andon.flow.flags.model.flag import Ramp, StoredFlag
from andon.flow.flags.model.outcomes import Author, FlagInvalid
from andon.flow.flags.model.ramping import ON_TIME, kept_apart, next_at, view, why_not
from andon.flow.flags.model.wishes import raised, reached, settled
from andon.flow.flags.service.changing import Changes, Manner
from andon.flow.flags.storage import flags as storage
from andon.flow.flags.storage import ramps as ramp_storage
from andon.flow.sources.contract import Service
from andon.kernel.db import Reading, Transaction
from andon.kernel.errors import AndonError, Conflict, NotFound
from andon.kernel.events import append

_ROUND = 0.0005
NOT_PAUSED: Mapping[str, str | None] = {"remaining": None, "paused_at": None, "paused_by": None, "paused_why": ""}


class Stepping:
    """``gates`` are asked in order; the first that does not say go is heeded."""

    def __init__(self, changes: Changes, gates: Sequence[RampGate] = ()) -> None:
        self._changes = changes
        self._gates = list(gates)

    def judged_by(self, gate: RampGate) -> None:
        """Let an upper room judge too."""
        self._gates.append(gate)

    def get(self, reading: Reading, identity: str) -> Ramp:
        """Raises ``NotFound``."""
        found = ramp_storage.find(reading.connection, RampId(identity))
        if found is not None and isinstance(reading, Transaction):
            found = held(reading, found)
        if found is None:
            raise no_ramp()
        return found

    def running(
        self, reading: Reading, service: Service | None = None, environment: str | None = None
    ) -> tuple[Ramp, ...]:
        return ramp_storage.running(reading.connection, service=service, environment=environment)

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
            **NOT_PAUSED,
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

    def _step(self, tx: Transaction, author: Author, flag: StoredFlag, ramp: Ramp, late: timedelta) -> None:
        """Make the step that is due, so long after its time because nothing ran then."""
        steps = kept_apart(ramp, tx.now, late)
        if steps != ramp.steps:
            ramp_storage.update(tx.connection, ramp.id, steps=steps)
        try:
            self._make(tx, author, flag, replace(ramp, steps=steps), late=late)
        except AndonError as error:
            # what it was to change is no longer so; nobody is there to be told but those who read the record
            self.stop(tx, author, ramp, RampState.STOPPED, error.message)

    def _make(
        self,
        tx: Transaction,
        author: Author,
        flag: StoredFlag,
        ramp: Ramp,
        *,
        promoted: bool = False,
        late: timedelta = timedelta(),
        why: str = "",
    ) -> None:
        step, done = ramp.steps[ramp.done], ramp.done + 1
        more = done < len(ramp.steps)
        comes = next_at(ramp.steps[done], tx.now) if more else None
        missed = late.total_seconds() if late > ON_TIME else 0.0
        which = f"step {done} of {len(ramp.steps)} of a ramp"
        if missed:
            which += f", {words.rest(missed)} late because nothing ran at its time"
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
                late=missed,
                next_at=comes,
            ),
            by=author.actor,
        )
        ramp_storage.update(
            tx.connection,
            ramp.id,
            state=RampState.RUNNING,
            done=done,
            percent=step.percent,
            next_at=comes,
            stepped_at=tx.now,
            said="",
            held=False,
            **NOT_PAUSED,
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


def held(tx: Transaction, ramp: Ramp) -> Ramp | None:
    """As it is now, held until the transaction ends: the flag first, as whoever pulls the kill switch does. The other
    way round each would wait for the other, and PostgreSQL would end one of them, which may be the kill switch."""
    storage.lock(tx.connection, ramp.service, ramp.flag)
    return ramp_storage.find(tx.connection, ramp.id, lock=True)


def no_ramp() -> NotFound:
    return NotFound("There is no such ramp.", remedy="See those there are: andon flags show SERVICE FLAG")
