"""The command of ramps: begin one, hold it, let it go on, end it."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import msgspec
import typer

from andon.flow.flags.commands.places import EnvironmentName, FlagNamed, Reason, ServiceName, flag_at, told
from andon.flow.flags.contract import Judging, RampWish
from andon.flow.flags.views.answers import Done, FlagDetails, RampShape
from andon.flow.flags.views.asking import RampEnd, RampOrder, RampPromotion, Reasoned
from andon.flow.flags.views.steps import step_of
from andon.kernel.errors import Invalid, NotFound
from andon.web.terminal.client import Client, connect
from andon.web.terminal.output import ago, say


def ramp_flag(
    service: ServiceName,
    flag: FlagNamed,
    environment: EnvironmentName,
    steps: Annotated[
        list[str] | None, typer.Argument(help="1 5@1h 25@1d 100@1d, or 100@2026-12-01T09:00", metavar="PERCENT[@WHEN]…")
    ] = None,
    variant: Annotated[str, typer.Option("--variant", help="Whose share grows.")] = "on",
    rule: Annotated[str, typer.Option("--rule", help="Of this rule's audience instead of everybody else.")] = "",
    judge: Annotated[
        Judging, typer.Option("--judge", help="Compare those who get it with those who do not before each step.")
    ] = Judging.AUTO,
    pause: Annotated[bool, typer.Option("--pause", help="Make no step until it is resumed; the share stays.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what was left of the step.")] = False,
    promote: Annotated[bool, typer.Option("--promote", help="Make the next step now, without waiting for it.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="End the ramp that is under way; the share stays.")] = False,
    take_back: Annotated[bool, typer.Option("--take-back", help="End it, and nobody gets the variant by it.")] = False,
    why: Reason = "",
) -> None:
    """Let a share grow by itself, step by step. It goes on through restarts, and stops when the flag is killed."""
    said = {
        RampWish.PAUSE: pause,
        RampWish.RESUME: resume,
        RampWish.PROMOTE: promote,
        RampWish.STOP: stop and not take_back,
        RampWish.TAKE_BACK: take_back,
    }
    wishes = [wish for wish, is_said in said.items() if is_said]
    if len(wishes) > 1 or (wishes and steps):
        raise Invalid(
            "One thing at a time can be asked of a ramp.",
            safe="Nothing was changed.",
            remedy="Name steps to begin one, or one of --pause, --resume, --promote, --stop and --take-back.",
        )
    with connect() as andon:
        if wishes:
            _ask(andon, _under_way(andon, service, flag, environment, rule), wishes[0], why)
            return
        order = RampOrder(steps=[step_of(one) for one in steps or []], variant=variant, rule=rule, why=why, judge=judge)
        told(f"{flag} in {environment}", andon.post(f"{flag_at(service, flag, environment)}/ramp", Done, order))


def _under_way(andon: Client, service: str, flag: str, environment: str, rule: str) -> RampShape:
    """The ramp that is meant: of the rule, or else of everybody else, or else the only one. Raises ``NotFound``."""
    details = andon.get(flag_at(service, flag), FlagDetails)
    found = [one for one in details.ramps if one.environment == environment and not one.state.ended]
    meant = [one for one in found if one.rule == rule]
    if not meant and not rule and len(found) == 1:
        meant = found
    if not meant:
        there = ", ".join(one.rule for one in found)
        raise NotFound(
            f"No ramp of {flag} is under way in {environment}{f' for the rule {rule!r}' if rule else ''}.",
            safe="Nothing was changed.",
            remedy=f"There are ramps of rules: say --rule with one of {there}." if there else "",
        )
    return meant[0]


def _ask(andon: Client, ramp: RampShape, wish: RampWish, why: str) -> None:
    address = f"/flags/ramps/{quote(ramp.id, safe='')}"
    wanted: dict[RampWish, tuple[str, msgspec.Struct]] = {
        RampWish.PAUSE: ("pause", Reasoned(why=why)),
        RampWish.RESUME: ("resume", Reasoned(why=why)),
        RampWish.PROMOTE: ("promote", RampPromotion(step=ramp.step, why=why)),
        RampWish.STOP: ("stop", RampEnd(why=why)),
        RampWish.TAKE_BACK: ("stop", RampEnd(take_back=True, why=why)),
    }
    deed, data = wanted[wish]
    found = andon.post(f"{address}/{deed}", RampShape, data)
    say(f"The ramp of {found.flag} in {found.environment} {_now(found, wish)}.", value=found)


def _now(one: RampShape, wish: RampWish) -> str:
    share = f"{one.percent:g} %"
    match wish:
        case RampWish.PAUSE:
            return f"is paused at {share}"
        case RampWish.RESUME:
            return f"goes on at {share}" + (f", the next step {ago(one.next_at)}" if one.next_at else "")
        case RampWish.PROMOTE if not one.state.ended:
            return f"is at {share}, step {one.step} of {one.steps}"
        case _:
            return f"has ended at {share}"
