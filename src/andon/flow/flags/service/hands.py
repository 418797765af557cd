"""Ramps as people see and hold them: who may, and that it is done to the ramp that was meant."""

from __future__ import annotations

from andon.flow.flags.contract import RampGate, RampId, RampState, RampView, RampWish
from andon.flow.flags.model.flag import Ramp
from andon.flow.flags.model.naming import reason_of
from andon.flow.flags.model.outcomes import Author
from andon.flow.flags.model.ramping import over, view
from andon.flow.flags.ports import Places
from andon.flow.flags.service.documents import Documents
from andon.flow.flags.service.questions import Questions
from andon.flow.flags.service.ramps import RampService, no_ramp
from andon.flow.sources.contract import Service
from andon.kernel.access import Permission, Principal
from andon.kernel.db import Reading, Transaction
from andon.kernel.errors import Invalid


class Hands(Questions):
    """What is asked of ramps, and about them. In a transaction a ramp is held until that ends: whoever comes second
    decides upon what the first has made of it."""

    def __init__(self, documents: Documents, places: Places, gates: tuple[RampGate, ...] = ()) -> None:
        super().__init__(documents, places)
        self.ramping = RampService(self.changes, gates)

    def ramps(self, reading: Reading, service: Service, environment: str | None = None) -> tuple[RampView, ...]:
        return tuple(view(one) for one in self.ramping.running(reading, service, environment))

    def judged_ramps(self, reading: Reading) -> tuple[RampView, ...]:
        return tuple(view(one) for one in self.ramping.running(reading) if one.judged)

    def ramp_view(self, reading: Reading, ramp: RampId) -> RampView:
        """Raises ``NotFound``."""
        return view(self.ramping.get(reading, ramp))

    def ramp_seen(self, reading: Reading, principal: Principal, ramp: RampId) -> RampView:
        return view(self._visible(reading, principal, ramp))

    def halt(self, tx: Transaction, principal: Principal, ramp: RampId, *, take_back: bool, why: str) -> None:
        found = self._stoppable(tx, principal, ramp)
        if found.state.ended and take_back and found.percent:
            raise over(found)
        self.ramping.stop(tx, _author(principal), found, RampState.STOPPED, reason_of(why), take_back=take_back)

    def pause(self, tx: Transaction, principal: Principal, ramp: RampId, *, why: str = "") -> None:
        """Keep a ramp where it is. It waits for no second person, as nobody gets anything by it.

        Raises ``NotFound``, ``Forbidden``, ``Conflict`` for one that is paused or over.
        """
        found = self._stoppable(tx, principal, ramp)
        self.ramping.pause(tx, _author(principal), found, reason_of(why))

    def resume(self, tx: Transaction, principal: Principal, ramp: RampId, *, why: str = "") -> None:
        """Let a paused ramp go on, to what was agreed to when it began. Raises as :meth:`pause`."""
        found = self._raisable(tx, principal, ramp)
        self.ramping.resume(tx, _author(principal), found, reason_of(why))

    def promote(self, tx: Transaction, principal: Principal, ramp: RampId, *, step: int, why: str = "") -> None:
        """Make the next step of a ramp now, of those that were agreed to when it began; ``step`` is how many were done
        when the principal looked. Raises ``NotFound``, ``Forbidden``, ``Conflict``."""
        found = self._raisable(tx, principal, ramp)
        self.ramping.promote(tx, _author(principal), found, step, reason_of(why))

    def ask_ramp(
        self,
        tx: Transaction,
        principal: Principal,
        ramp: RampId,
        wish: RampWish,
        *,
        step: int | None = None,
        why: str = "",
    ) -> None:
        match wish:
            case RampWish.PAUSE:
                self.pause(tx, principal, ramp, why=why)
            case RampWish.RESUME:
                self.resume(tx, principal, ramp, why=why)
            case RampWish.PROMOTE:
                self._raisable(tx, principal, ramp)
                if step is None:
                    raise Invalid(
                        "A promotion says from which step.",
                        safe="Nothing was changed.",
                        remedy="Look at the ramp, and promote it from there.",
                    )
                self.promote(tx, principal, ramp, step=step, why=why)
            case RampWish.STOP | RampWish.TAKE_BACK:
                self.halt(tx, principal, ramp, take_back=wish is RampWish.TAKE_BACK, why=why)

    def _visible(self, reading: Reading, principal: Principal, ramp: RampId) -> Ramp:
        """Raises ``NotFound``, also for one that may not be seen."""
        found = self.ramping.get(reading, ramp)
        if not principal.may(Permission.READ, found.service):
            raise no_ramp()
        return found

    def _stoppable(self, tx: Transaction, principal: Principal, ramp: RampId) -> Ramp:
        """Whoever may release or roll back may keep others from getting it."""
        found = self._visible(tx, principal, ramp)
        if not principal.may(Permission.ROLL_BACK, found.service, found.environment):
            principal.require(Permission.RELEASE, found.service, found.environment)
        return found

    def _raisable(self, tx: Transaction, principal: Principal, ramp: RampId) -> Ramp:
        found = self._visible(tx, principal, ramp)
        principal.require(Permission.RELEASE, found.service, found.environment)
        return found


def _author(principal: Principal) -> Author:
    return Author(principal.actor, principal.person)
