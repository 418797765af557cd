"""What the forms of flags do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from andon.flow.flags.contract import RampId
from andon.flow.flags.desk import Desk
from andon.flow.flags.model.flag import Head, Setting
from andon.flow.flags.model.outcomes import Outcome
from andon.flow.flags.model.wishes import Wanted, wanted_of
from andon.flow.flags.pages.beginning import Written, begin
from andon.flow.flags.pages.drawing import flag_address
from andon.flow.flags.pages.looking import draw_flag
from andon.flow.flags.pages.ramping import number_of, wish_of
from andon.flow.flags.pages.written import read_yaml
from andon.flow.flags.service.segment_changes import is_segment_proposal
from andon.flow.flags.views.settings import SettingShape
from andon.flow.sources.contract import Service
from andon.kernel.access import Permission
from andon.kernel.db import Transaction
from andon.kernel.errors import Conflict, Invalid
from andon.web.http.pages import Handlers, Html, PageContext, deed
from andon_flags.document import Kind

_PLACE = "/flags/{service:str}/{flag:str}/{environment:str}"

Making = Callable[[Transaction, Service], object]


def deed_pages(desk: Desk) -> Handlers:
    return [*_of_places(desk), *_of_flags(desk), *_of_proposals(desk)]


def _of_places(desk: Desk) -> Handlers:
    def made(
        context: PageContext, service: str, flag: str, environment: str, making: Making, written: str = ""
    ) -> Html:
        """Do it and show the flag; what is wrong is shown where it was written."""
        try:
            with context.database.transaction() as tx:
                making(tx, desk.known(tx, context.principal, service))
        except (Invalid, Conflict) as error:
            wrong = {"environment": environment, "why": str(error), "written": written}
            return draw_flag(desk, context, service, flag, wrong=wrong, status=error.status)
        return context.go(f"{flag_address(service, flag)}#{environment}")

    @deed(f"{_PLACE}/shares")
    def set_shares(context: PageContext, service: str, flag: str, environment: str) -> Html:
        def making(tx: Transaction, owner: Service) -> Outcome:
            shares = {
                name.removeprefix("share-"): _number(text)
                for name, text in context.form.items()
                if name.startswith("share-") and text.strip()
            }

            def change(head: Head, old: Setting) -> Wanted:
                return replace(wanted_of(old), default=shares)

            return desk.flags.change(
                tx,
                context.principal,
                owner,
                environment,
                flag,
                change,
                why=context.form.get("why", ""),
                base=base_of(context),
            )

        return made(context, service, flag, environment, making)

    @deed(f"{_PLACE}/setting")
    def set_setting(context: PageContext, service: str, flag: str, environment: str) -> Html:
        written = context.form.get("setting", "")

        def making(tx: Transaction, owner: Service) -> Outcome:
            shape = read_yaml(written, SettingShape, "setting")

            def change(head: Head, old: Setting) -> Wanted:
                return replace(shape.meant(head), enabled=old.enabled)

            return desk.flags.change(
                tx,
                context.principal,
                owner,
                environment,
                flag,
                change,
                why=context.form.get("why", ""),
                base=base_of(context),
            )

        return made(context, service, flag, environment, making, written)

    @deed(f"{_PLACE}/kill")
    def kill(context: PageContext, service: str, flag: str, environment: str) -> Html:
        return made(
            context,
            service,
            flag,
            environment,
            lambda tx, owner: desk.flags.switch_off(tx, context.principal, owner, environment, flag),
        )

    @deed(f"{_PLACE}/revive")
    def revive(context: PageContext, service: str, flag: str, environment: str) -> Html:
        return made(
            context,
            service,
            flag,
            environment,
            lambda tx, owner: desk.flags.revive(tx, context.principal, owner, environment, flag),
        )

    @deed(f"{_PLACE}/restore")
    def restore(context: PageContext, service: str, flag: str, environment: str) -> Html:
        number = int(_number(context.required("version")))
        return made(
            context,
            service,
            flag,
            environment,
            lambda tx, owner: desk.flags.restore(tx, context.principal, owner, environment, flag, number),
        )

    @deed(f"{_PLACE}/wish")
    def ask_ramp(context: PageContext, service: str, flag: str, environment: str) -> Html:
        ramp = RampId(context.required("ramp"))
        return made(
            context,
            service,
            flag,
            environment,
            lambda tx, owner: desk.flags.ask_ramp(
                tx,
                context.principal,
                ramp,
                wish_of(context),
                step=number_of(context, "step"),
                why=context.form.get("why", ""),
            ),
        )

    @deed(f"{_PLACE}/ramp")
    def begin_ramp(context: PageContext, service: str, flag: str, environment: str) -> Html:
        order = Written.of(context.form)
        try:
            with context.database.transaction() as tx:
                begin(desk, tx, context.principal, desk.known(tx, context.principal, service), flag, environment, order)
        except (Invalid, Conflict) as error:
            wrong = {"environment": environment, **order.wrong(error)}
            return draw_flag(desk, context, service, flag, wrong=wrong, status=error.status)
        return context.go(f"{flag_address(service, flag)}#{environment}")

    return [set_shares, set_setting, kill, revive, restore, ask_ramp, begin_ramp]


def _of_flags(desk: Desk) -> Handlers:
    @deed("/flags/{service:str}")
    def create(context: PageContext, service: str) -> Html:
        name = context.required("name")
        head = Head(
            kind=Kind.BOOLEAN,
            variants={},
            description=context.form.get("description", "").strip(),
            owner=context.form.get("owner", "").strip(),
        )
        with context.database.transaction() as tx:
            desk.flags.create(tx, context.principal, desk.known(tx, context.principal, service), name, head)
        return context.go(flag_address(service, name))

    @deed("/flags/{service:str}/{flag:str}/archive")
    def archive(context: PageContext, service: str, flag: str) -> Html:
        with context.database.transaction() as tx:
            known = desk.known(tx, context.principal, service)
            if context.form.get("confirm") != flag:
                raise Invalid(f"Type {flag} to archive it.", safe="Nothing was changed.", remedy="Go back and type it.")
            desk.flags.archive(tx, context.principal, known, flag)
        return context.go(flag_address(service, flag))

    @deed("/flags/{service:str}/{flag:str}/unarchive")
    def unarchive(context: PageContext, service: str, flag: str) -> Html:
        with context.database.transaction() as tx:
            desk.flags.unarchive(tx, context.principal, desk.known(tx, context.principal, service), flag)
        return context.go(flag_address(service, flag))

    return [create, archive, unarchive]


def _of_proposals(desk: Desk) -> Handlers:
    def back(context: PageContext, proposal: str) -> Html:
        with context.database.reading() as reading:
            if is_segment_proposal(proposal):
                concerned = desk.segments.changes.proposal(reading, context.principal, proposal)
                sees = context.principal.may(Permission.READ, concerned.service)
                return context.go(f"/segments/{concerned.segment}" if sees else "/flags")
            found = desk.flags.proposal(reading, context.principal, proposal)
        return context.go(flag_address(found.service, found.flag))

    @deed("/flags/proposals/{proposal:str}/approve")
    def approve(context: PageContext, proposal: str) -> Html:
        with context.database.transaction() as tx:
            desk.approve(tx, context.principal, proposal)
        return back(context, proposal)

    @deed("/flags/proposals/{proposal:str}/reject")
    def reject(context: PageContext, proposal: str) -> Html:
        with context.database.transaction() as tx:
            desk.reject(tx, context.principal, proposal)
        return back(context, proposal)

    return [approve, reject]


def base_of(context: PageContext) -> int | None:
    return number_of(context, "base")


def _number(text: str) -> float:
    try:
        return float(text.strip().removesuffix("%").replace(",", "."))
    except ValueError as error:
        raise Invalid(f"{text[:40]!r} is no number.", safe="Nothing was changed.") from error
