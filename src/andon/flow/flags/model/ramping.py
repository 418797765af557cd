"""The rules of ramps: which can be, when their steps come, and what a pause does to that."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from andon.flow.flags.contract import RampState, RampView
from andon.flow.flags.model import words
from andon.flow.flags.model.flag import Head, Ramp, Setting, Step
from andon.flow.flags.model.outcomes import FlagInvalid, RampOver

MOST_STEPS = 50
LONGEST = timedelta(days=366)
ON_TIME = timedelta(minutes=1)
"""A step that comes later than that was missed: it takes more than a restart."""
_ENDED = {
    RampState.DONE: "arrived",
    RampState.STOPPED: "was stopped",
    RampState.HALTED: "was halted",
}


class RampPart(StrEnum):
    """What somebody says of a ramp who begins one."""

    VARIANT = "variant"
    RULE = "rule"
    STEPS = "steps"
    FLAG = "flag"
    """Nothing that was said: the flag itself stands in the way."""


@dataclass(frozen=True, slots=True)
class RampFault:
    part: RampPart
    says: str


class RampInvalid(FlagInvalid):
    """There can be no such ramp; ``found`` has every fault with what it is about."""

    def __init__(self, what: str, found: list[RampFault]) -> None:
        self.found = tuple(found)
        super().__init__(what, [one.says for one in found])


def faults_of(
    head: Head, setting: Setting, rule: str, variant: str, steps: tuple[Step, ...], now: datetime
) -> list[RampFault]:
    """Everything that keeps a ramp from being."""
    faults: list[RampFault] = []
    if variant not in head.variants:
        said = f"There is no variant {variant[:80]!r}; there are {', '.join(head.variants)}"
        faults.append(RampFault(RampPart.VARIANT, said))
    if rule and not any(one.id == rule for one in setting.rules):
        faults.append(RampFault(RampPart.RULE, f"There is no rule {rule[:80]!r}"))
    said_of_steps = []
    if not 1 <= len(steps) <= MOST_STEPS:
        said_of_steps.append(f"A ramp has between 1 and {MOST_STEPS} steps")
    before = now
    for number, one in enumerate(steps[: MOST_STEPS + 1], 1):
        if not 0 <= one.percent <= 100:
            said_of_steps.append(f"Step {number}: {one.percent:g} % is not between 0 and 100 %")
        if not 0 <= one.after <= LONGEST.total_seconds() or (one.at is not None and one.at > now + LONGEST):
            said_of_steps.append(f"Step {number}: a step waits for a year at most")
        elif one.at is not None and one.at <= before and number > 1:
            wrong = "has passed already" if one.at <= now else "is before the step ahead of it"
            said_of_steps.append(f"Step {number}: {one.at:%Y-%m-%d %H:%M} UTC {wrong}")
        else:
            # a first moment that has passed is now: what comes after it is not to be made in the same breath
            before = max(before, one.at or before + timedelta(seconds=one.after))
    faults += [RampFault(RampPart.STEPS, one) for one in said_of_steps]
    if not setting.enabled:
        faults.append(RampFault(RampPart.FLAG, "The flag is killed: revive it first"))
    return faults


def next_at(step: Step, now: datetime) -> datetime:
    """When a step comes if the one before it is made now."""
    return step.at if step.at is not None else now + timedelta(seconds=step.after)


def remaining_of(ramp: Ramp, now: datetime) -> float:
    """Seconds until its next step, at least 0; of a paused one, as many as there were."""
    if ramp.remaining is not None:
        return ramp.remaining
    return 0.0 if ramp.next_at is None else max(0.0, (ramp.next_at - now).total_seconds())


def resumed(ramp: Ramp, now: datetime) -> tuple[datetime, tuple[Step, ...]]:
    """When the next step of a paused ramp comes that goes on now, and its steps from then on.

    What was left of its step is left still. A moment that lies ahead of the ramp stays. One that has passed by the time
    its step is next, and those after it, come as long after the step before as was planned: otherwise everything that
    was missed would be made at once. How long the ramp takes as planned stays what it was, which the judge builds upon.
    """
    return _without_misses(ramp.steps, ramp.done, ramp.began_at, now, remaining_of(ramp, now))


def agreed(steps: tuple[Step, ...], proposed_at: datetime, now: datetime) -> tuple[Step, ...]:
    """The steps of a ramp that waited for a second person and begins now: what passed meanwhile comes later, as of one
    that was paused."""
    first = steps[0]
    passed = first.at is not None and first.at <= now
    _, moved = _without_misses(steps, 0, proposed_at, now, 0.0 if passed else first.after)
    return (Step(percent=first.percent), *moved[1:]) if passed else moved


def kept_apart(ramp: Ramp, now: datetime, late: timedelta) -> tuple[Step, ...]:
    """Its steps once the next one is made now, so long after its time.

    Nobody saw how a step fares that was not made. So one that comes late has its whole time all the same: the moments
    after it come as long after it as planned. Otherwise an hour in which nothing ran would end in all of them at once.
    """
    following = ramp.steps[ramp.done + 1 :]
    missed = bool(following) and following[0].at is not None and following[0].at <= now
    if not missed and late <= ON_TIME:
        return ramp.steps
    planned = _planned(ramp.steps, ramp.began_at)
    return (
        *ramp.steps[: ramp.done + 1],
        *(_after(one, planned[number - 1]) for number, one in enumerate(following, ramp.done + 1)),
    )


def _without_misses(
    steps: tuple[Step, ...], done: int, began_at: datetime, now: datetime, left: float
) -> tuple[datetime, tuple[Step, ...]]:
    planned = _planned(steps, began_at)
    moved, comes, late = list(steps[:done]), list[datetime](), False
    for number, one in enumerate(steps[done:], done):
        late = late or (one.at is not None and one.at <= (comes[-1] if comes else now))
        if late:
            one = _after(one, planned[number - 1] if number else began_at)  # noqa: PLW2901 - from here on
        if comes:
            comes.append(next_at(one, comes[-1]))
        else:
            comes.append(one.at or now + timedelta(seconds=left))
        moved.append(one)
    return comes[0], tuple(moved)


def _after(step: Step, planned: datetime) -> Step:
    """At no moment any more: as long after the step before it as planned."""
    return step if step.at is None else replace(step, at=None, after=max(0.0, (step.at - planned).total_seconds()))


def require_under_way(ramp: Ramp) -> None:
    """Raises :class:`RampOver`."""
    if ramp.state.ended:
        raise over(ramp)


def over(ramp: Ramp) -> RampOver:
    """It can be asked nothing any more."""
    at = f"it {_ENDED[ramp.state]} at {words.percent(ramp.percent)}"
    return RampOver(
        f"The ramp of {ramp.flag} in {ramp.environment} is over: {at}.",
        safe="Nothing was changed.",
        remedy=f"See who gets what now: andon flags show {ramp.service} {ramp.flag}",
    )


def view(ramp: Ramp) -> RampView:
    """As others see it."""
    return RampView(
        id=ramp.id,
        service=ramp.service,
        environment=ramp.environment,
        flag=ramp.flag,
        rule=ramp.rule,
        variant=ramp.variant,
        percent=ramp.percent,
        step=ramp.done,
        steps=len(ramp.steps),
        state=ramp.state,
        next_at=ramp.next_at,
        began_at=ramp.began_at,
        judged=ramp.judged,
        stepped_at=ramp.stepped_at,
        seconds=_seconds(ramp),
        said=ramp.said,
        following=None if ramp.state.ended or ramp.done >= len(ramp.steps) else ramp.steps[ramp.done].percent,
        step_seconds=_step_seconds(ramp),
        remaining=ramp.remaining if ramp.state is RampState.PAUSED else None,
        paused_at=ramp.paused_at,
        paused_by=ramp.paused_by,
        paused_why=ramp.paused_why,
    )


def _planned(steps: tuple[Step, ...], began_at: datetime) -> list[datetime]:
    """When each step would have come if nothing had held it up."""
    found: list[datetime] = []
    for one in steps:
        found.append(next_at(one, found[-1] if found else began_at))
    return found


def _seconds(ramp: Ramp) -> float:
    planned = _planned(ramp.steps, ramp.began_at)
    return max(0.0, (planned[-1] - planned[0]).total_seconds())


def _step_seconds(ramp: Ramp) -> float:
    if ramp.done >= len(ramp.steps):
        return 0.0
    since = ramp.stepped_at or ramp.began_at
    return max(0.0, (next_at(ramp.steps[ramp.done], since) - since).total_seconds())


def whom(setting: Setting, rule: str) -> str:
    """Whose share a ramp raises, in words."""
    if rule:
        found = next((one for one in setting.rules if one.id == rule), None)
        return words.audience(found.when) if found else rule
    return "others" if setting.rules or setting.individuals else "everybody"


def why_not(setting: Setting, share: float | None) -> str:
    """What somebody has changed by hand that ends a ramp."""
    if not setting.enabled:
        return "the flag was killed"
    return "its rule is no more" if share is None else f"somebody set the share to {words.percent(share)}"
