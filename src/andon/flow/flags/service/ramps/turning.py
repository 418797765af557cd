"""Ramps that go on by themselves: steps whose time has come, and the gates."""

from __future__ import annotations

import logging
from datetime import timedelta

from andon.flow.flags.contract import FlagRampHeld, Judgement, RampState, Verdict
from andon.flow.flags.model.flag import Ramp
from andon.flow.flags.model.outcomes import Author
from andon.flow.flags.service.ramps.stepping import Stepping, held
from andon.flow.flags.storage import flags as storage
from andon.flow.flags.storage import ramps as ramp_storage
from andon.kernel.access import SYSTEM
from andon.kernel.db import Database, Transaction
from andon.kernel.errors import AndonError
from andon.kernel.events import append

_log = logging.getLogger(__name__)


class Turning(Stepping):
    def turn(self, database: Database) -> None:
        """Make the steps that are due and heed the gates; safe to repeat at any moment, in any process.

        One transaction a ramp: whatever happens in between, a step is made once, with its events, or not at all.
        """
        with database.reading() as reading:
            found = ramp_storage.running(reading.connection)
        for one in found:
            try:
                with database.transaction() as tx:
                    ramp = held(tx, one)
                    if ramp is not None and not ramp.state.ended:
                        self._turn(tx, ramp)
            except AndonError as error:  # of the others each may have to be taken back
                _log.warning("the ramp of %s in %s of %s: %s", one.flag, one.environment, one.service, error)

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
                # what was held is not late because nothing ran
                held_up = ramp.held or (ramp.judged and ramp.done)
                late = timedelta() if held_up or ramp.next_at is None else tx.now - ramp.next_at
                self._step(tx, author, flag, ramp, late)
            case _:
                return None
        return None

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
