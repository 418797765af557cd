"""Changing flags."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from andon.flow.flags.contract import RampId
from andon.flow.flags.desk import Desk
from andon.flow.flags.model.flag import Head, Setting
from andon.flow.flags.model.wishes import Wanted, raised
from andon.flow.flags.views.answers import Done, FlagShape, RampShape
from andon.flow.flags.views.asking import (
    HeadChange,
    NewFlag,
    RampEnd,
    RampOrder,
    RampPromotion,
    Reasoned,
    SettingChange,
    ShareChange,
    VersionChosen,
)
from andon.kernel.db import Transaction
from andon.kernel.errors import NotFound
from andon.web.http import api
from andon.web.http.api import Call, Handlers

_FLAG = "/services/{service:str}/flags/{flag:str}"
_PLACE = f"{_FLAG}/environments/{{environment:str}}"
_IN_HEAD = ("variants", "off", "unit", "description", "owner", "ends", "permanent", "card", "code")


def deed_routes(desk: Desk) -> Handlers:
    return [*_heads(desk), *_settings(desk), *_ramps(desk), *_proposals(desk)]


def _heads(desk: Desk) -> Handlers:
    @api.post("/services/{service:str}/flags", status=201)
    def create_flag(call: Call, service: str, data: NewFlag) -> FlagShape:
        """A new flag; everybody gets what it serves when it is off until somebody sets something."""
        with call.database.transaction() as tx:
            owner = desk.known(tx, call.principal, service)
            made = desk.flags.create(tx, call.principal, owner, data.name, data.meant())
            return desk.shapes(tx, owner, [made])[0]

    @api.put(_FLAG)
    def change_flag(call: Call, service: str, flag: str, data: HeadChange) -> Done:
        """Change what holds in all environments; what is left out stays."""

        def change(head: Head) -> Head:
            said = {name: getattr(data, name) for name in _IN_HEAD}
            return replace(head, **{name: value for name, value in said.items() if value is not msgspec.UNSET})

        with call.database.transaction() as tx:
            owner = desk.known(tx, call.principal, service)
            return Done.of(desk.flags.set_head(tx, call.principal, owner, flag, change, why=data.why, base=data.base))

    @api.post(f"{_FLAG}/archive")
    def archive_flag(call: Call, service: str, flag: str, data: Reasoned) -> FlagShape:
        """Take a flag out of all documents; its history stays. With a ``proposal`` it waits for a second person."""
        with call.database.transaction() as tx:
            owner = desk.known(tx, call.principal, service)
            outcome = desk.flags.archive(tx, call.principal, owner, flag, why=data.why)
            made = desk.shapes(tx, owner, [desk.flags.get(tx, call.principal, owner, flag)])[0]
            made.proposal = outcome.proposal
            return made

    @api.post(f"{_FLAG}/unarchive")
    def unarchive_flag(call: Call, service: str, flag: str) -> FlagShape:
        """Restore an archived flag as it was. With a ``proposal`` it waits for a second person."""
        with call.database.transaction() as tx:
            owner = desk.known(tx, call.principal, service)
            outcome = desk.flags.unarchive(tx, call.principal, owner, flag)
            made = desk.shapes(tx, owner, [desk.flags.get(tx, call.principal, owner, flag)])[0]
            made.proposal = outcome.proposal
            return made

    return [create_flag, change_flag, archive_flag, unarchive_flag]


def _settings(desk: Desk) -> Handlers:
    @api.put(_PLACE)
    def set_flag(call: Call, service: str, flag: str, environment: str, data: SettingChange) -> Done:
        """Say anew who gets what in an environment. Whoever has a variant keeps it as far as its share allows."""

        def change(head: Head, old: Setting) -> Wanted:
            return data.setting.meant(head)

        with call.database.transaction() as tx:
            owner = desk.known(tx, call.principal, service)
            outcome = desk.flags.change(
                tx, call.principal, owner, environment, flag, change, why=data.why, base=data.base
            )
            return Done.of(outcome)

    @api.post(f"{_PLACE}/share")
    def set_flag_share(call: Call, service: str, flag: str, environment: str, data: ShareChange) -> Done:
        """Give a variant to so many percent; raising a share takes nobody out."""

        def change(head: Head, old: Setting) -> Wanted:
            wanted = raised(old, data.rule, data.variant, data.percent)
            if wanted is None:
                raise NotFound(f"{flag} has no rule {data.rule!r} in {environment}.", safe="Nothing was changed.")
            return wanted

        with call.database.transaction() as tx:
            owner = desk.known(tx, call.principal, service)
            return Done.of(desk.flags.change(tx, call.principal, owner, environment, flag, change, why=data.why))

    @api.post(f"{_PLACE}/kill")
    def kill_flag(call: Call, service: str, flag: str, environment: str, data: Reasoned) -> Done:
        """The kill switch: everybody gets what the flag serves when it is off, at once. Waits for nobody."""
        with call.database.transaction() as tx:
            owner = desk.known(tx, call.principal, service)
            return Done.of(desk.flags.switch_off(tx, call.principal, owner, environment, flag, why=data.why))

    @api.post(f"{_PLACE}/revive")
    def revive_flag(call: Call, service: str, flag: str, environment: str, data: Reasoned) -> Done:
        """Release the kill switch: the flag serves what it did before."""
        with call.database.transaction() as tx:
            owner = desk.known(tx, call.principal, service)
            return Done.of(desk.flags.revive(tx, call.principal, owner, environment, flag, why=data.why))

    @api.post(f"{_PLACE}/restore")
    def restore_flag(call: Call, service: str, flag: str, environment: str, data: VersionChosen) -> Done:
        """Restore a former version, to the last user."""
        with call.database.transaction() as tx:
            owner = desk.known(tx, call.principal, service)
            return Done.of(desk.flags.restore(tx, call.principal, owner, environment, flag, data.version, why=data.why))

    return [set_flag, set_flag_share, kill_flag, revive_flag, restore_flag]


def _ramps(desk: Desk) -> Handlers:
    @api.post(f"{_PLACE}/ramp", status=201)
    def ramp_flag(call: Call, service: str, flag: str, environment: str, data: RampOrder) -> Done:
        """Let a share grow by itself, step by step; or switch something on at a moment, which is a ramp of one step."""
        with call.database.transaction() as tx:
            owner = desk.known(tx, call.principal, service)
            ramp, outcome = desk.flags.ramp(
                tx,
                call.principal,
                owner,
                environment,
                flag,
                variant=data.variant,
                rule=data.rule,
                steps=tuple(one.meant() for one in data.steps),
                why=data.why,
                judging=data.judge,
            )
            return Done.of(outcome, ramp=ramp)

    def shaped(tx: Transaction, ramp: str) -> RampShape:
        return desk.ramp_shapes(tx, [desk.flags.ramp_view(tx, RampId(ramp))])[0]

    @api.post("/flags/ramps/{ramp:str}/stop")
    def stop_flag_ramp(call: Call, ramp: str, data: RampEnd) -> RampShape:
        """End a ramp; the share stays, or is taken back."""
        with call.database.transaction() as tx:
            desk.flags.halt(tx, call.principal, RampId(ramp), take_back=data.take_back, why=data.why)
            return shaped(tx, ramp)

    @api.post("/flags/ramps/{ramp:str}/pause")
    def pause_flag_ramp(call: Call, ramp: str, data: Reasoned) -> RampShape:
        """Keep a ramp where it is until it is resumed. What does harm is taken back all the same."""
        with call.database.transaction() as tx:
            desk.flags.pause(tx, call.principal, RampId(ramp), why=data.why)
            return shaped(tx, ramp)

    @api.post("/flags/ramps/{ramp:str}/resume")
    def resume_flag_ramp(call: Call, ramp: str, data: Reasoned) -> RampShape:
        """Let a paused ramp go on with what was left of its step."""
        with call.database.transaction() as tx:
            desk.flags.resume(tx, call.principal, RampId(ramp), why=data.why)
            return shaped(tx, ramp)

    @api.post("/flags/ramps/{ramp:str}/promote")
    def promote_flag_ramp(call: Call, ramp: str, data: RampPromotion) -> RampShape:
        """Make the next step of a ramp now, without waiting for its time or for the judge."""
        with call.database.transaction() as tx:
            desk.flags.promote(tx, call.principal, RampId(ramp), step=data.step, why=data.why)
            return shaped(tx, ramp)

    return [ramp_flag, stop_flag_ramp, pause_flag_ramp, resume_flag_ramp, promote_flag_ramp]


def _proposals(desk: Desk) -> Handlers:
    @api.post("/flags/proposals/{proposal:str}/approve")
    def approve_flag_change(call: Call, proposal: str) -> Done:
        """Say yes to somebody else's change of a flag or a segment; it is made at once."""
        with call.database.transaction() as tx:
            return Done.of(desk.approve(tx, call.principal, proposal))

    @api.post("/flags/proposals/{proposal:str}/reject")
    def reject_flag_change(call: Call, proposal: str, data: Reasoned) -> Done:
        """Say no to a change, or take one's own back."""
        with call.database.transaction() as tx:
            return Done.of(desk.reject(tx, call.principal, proposal, why=data.why))

    return [approve_flag_change, reject_flag_change]
