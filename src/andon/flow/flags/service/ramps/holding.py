"""What people do to a ramp that is under way: they keep it where it is, and let it go on."""

from __future__ import annotations

from dataclasses import replace

from andon.flow.flags.contract import FlagRampPaused, FlagRampResumed, Judgement, RampState, Verdict
from andon.flow.flags.model import words
from andon.flow.flags.model.flag import Ramp
from andon.flow.flags.model.outcomes import Author, NothingToDo, RampMoved, RampOver
from andon.flow.flags.model.ramping import remaining_of, require_under_way, resumed
from andon.flow.flags.service.ramps.stepping import NOT_PAUSED, Stepping
from andon.flow.flags.storage import flags as storage
from andon.flow.flags.storage import ramps as ramp_storage
from andon.kernel.db import Transaction
from andon.kernel.errors import Conflict
from andon.kernel.events import append


class Holding(Stepping):
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
        ramp_storage.update(tx.connection, ramp.id, state=RampState.RUNNING, next_at=comes, steps=steps, **NOT_PAUSED)
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
