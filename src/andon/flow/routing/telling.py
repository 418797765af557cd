"""How traffic is told."""

from __future__ import annotations

from urllib.parse import quote

from andon.flow.definition.contract import share_text
from andon.flow.routing.contract import (
    PARTS,
    Arm,
    ArmShare,
    ForwardedShare,
    TrafficDivided,
    TrafficForwarded,
    TrafficSwitched,
)
from andon.kernel.events import Event
from andon.web.model import State
from andon.web.telling import Names, Sentence, Telling

_SHOWN = 3


def tell(happened: Event, names: Names) -> Sentence | None:
    match happened:
        case TrafficSwitched(environment=environment, deployment=deployment, set=to, before=before):
            if before == to:
                told = "no other version has a share any more"
            else:
                told = f"from {names.of('set', before, 'a former version')}" if before is not None else "the first here"
            return Sentence(
                "gave back all traffic of" if before == to else "switched the traffic of",
                environment,
                f"/deployments/{deployment}",
                f"to {names.of('set', to, 'another version')}",
                told,
                "route",
                State.OK,
            )
        case TrafficDivided(environment=environment, deployment=deployment, shares=shares):
            return Sentence(
                "divided the traffic of",
                environment,
                f"/deployments/{deployment}",
                ", ".join(_share(one, names) for one in shares if one.arm is not Arm.STABLE) or "no longer",
                _rest(happened),
                "route",
            )
        case TrafficForwarded(environment=environment, service=service, forwards=forwards):
            return Sentence(
                "forwarded traffic of" if forwards else "took back what was forwarded from",
                environment,
                f"/services/{quote(service, safe='')}/environments/{quote(environment, safe='')}",
                f"to others: {_forwarded(forwards)}" if forwards else "",
                "",
                "route",
            )
    return None


def _share(one: ArmShare, names: Names) -> str:
    name = names.of("set", one.set, "another version")
    if one.arm is Arm.DARK:
        return f"{share_text(one.parts)} copied to {name}"
    return f"{share_text(one.parts)} to {name}" + (" as its baseline" if one.arm is Arm.BASELINE else "")


def _rest(happened: TrafficDivided) -> str:
    stable = sum(one.parts for one in happened.shares if one.arm is Arm.STABLE)
    rules = {0: "", 1: "; one rule comes before"}.get(happened.matches, f"; {happened.matches} rules come before")
    people = "".join(f"; members of {one.name} as of version {one.version}" for one in happened.segments[:_SHOWN])
    return f"{share_text(stable)} stay{rules}{people}"


def _forwarded(forwards: tuple[ForwardedShare, ...]) -> str:
    told = [
        (f"{share_text(one.parts)} of " if one.parts < PARTS else "")
        + (one.path or "all requests")
        + (" under conditions" if one.conditions else "")
        + f" by {one.service}/{one.environment}"
        for one in forwards[:_SHOWN]
    ]
    more = len(forwards) - _SHOWN
    return ", ".join(told) + (f" and {more} more" if more > 0 else "")


TELLING = Telling(tell=tell)
