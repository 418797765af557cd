"""A new service takes over from an old one: the rule that is raised in stages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from andon.flow.definition.contract import PARTS, ReleaseDefinition, ReleaseStage, Strategy, share_text
from andon.flow.routing.contract import AccessPosition, Comparison, Condition, Forward, Forwarding, Where
from andon.flow.sources.contract import Service
from andon.kernel.errors import Invalid

MOST_STAGES = 20
LONGEST_STAGE = 30 * 86_400.0
"""Seconds."""
MOST_REQUESTS = 1_000_000_000


class StagesInvalid(Invalid):
    """Stages that cannot be: shares that do not grow, a time without end."""

    code = "rollouts.stages_invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeoverStage:
    parts: int
    """Of :data:`PARTS` of the requests that fit; more than in the stage before, and less than all."""
    seconds: float = 300.0
    requests: int = 100
    """How many the new service must have served in it at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Takeover:
    """Who takes over what. The service that has the requests so far is the rollout's own."""

    service: Service
    environment: str
    when: tuple[Condition, ...]
    position: AccessPosition | None = None
    """Up to where the router's log was read; ``None`` at the beginning of a stage."""

    @property
    def place(self) -> str:
        return f"{self.service}/{self.environment}"

    @property
    def asked(self) -> str:
        """Which requests, for people."""
        return condition_words(self.when) or "all requests"

    @property
    def words(self) -> str:
        return f"{self.asked} to {self.place}"

    @property
    def rule(self) -> str:
        return self.forward(PARTS).rule

    def forward(self, parts: int) -> Forward:
        return Forward(service=self.service, environment=self.environment, when=self.when, parts=parts)

    def parts_in(self, forwarding: Forwarding) -> int:
        """How much is forwarded by its rule; 0 where there is none."""
        return sum(one.parts for one in forwarding.forwards if one.rule == self.rule)

    def applied(self, forwarding: Forwarding, parts: int) -> Forwarding:
        """The same rules with this one at ``parts``; without it at 0."""
        others = [one for one in forwarding.forwards if one.rule != self.rule]
        wanted = [self.forward(parts)] if parts else []
        # what says more comes first: it would never be reached behind what says less
        rules = sorted([*others, *wanted], key=lambda one: (-len(_path(one.when)), -len(one.when)))
        return replace(forwarding, forwards=tuple(rules))


def release_of(stages: Sequence[TakeoverStage]) -> ReleaseDefinition:
    """The stages as those of any rollout. Raises :class:`StagesInvalid`."""
    if not 1 <= len(stages) <= MOST_STAGES:
        raise StagesInvalid(f"A takeover has 1 to {MOST_STAGES} stages.", remedy="Write them like 1%,10%,50%.")
    before = 0
    for one in stages:
        if not before < one.parts < PARTS:
            raise StagesInvalid(
                f"A stage of {share_text(one.parts)} behind one of {share_text(before)}.",
                remedy="Let shares grow, and stay below 100 %: everything follows the last stage.",
            )
        if not 1 <= one.seconds <= LONGEST_STAGE or not 0 <= one.requests <= MOST_REQUESTS:
            raise StagesInvalid("A stage lasts from a second to 30 days, and waits for at most 1,000,000,000 requests.")
        before = one.parts
    return ReleaseDefinition(
        strategy=Strategy.CANARY,
        stages=tuple(
            ReleaseStage(name=share_text(one.parts), parts=one.parts, seconds=one.seconds, requests=one.requests)
            for one in stages
        ),
    )


def condition_words(when: Iterable[Condition]) -> str:
    return " and ".join(map(_condition, when))


def _path(when: Iterable[Condition]) -> str:
    return next((one.value for one in when if one.where is Where.PATH), "")


def _condition(one: Condition) -> str:
    if one.where is Where.PATH:
        return f"{one.value.rstrip('/')}/…" if one.how is Comparison.PREFIX else one.value
    said = {Comparison.IS: f" {one.value}", Comparison.PREFIX: f" {one.value}…", Comparison.PRESENT: ""}[one.how]
    return f"{one.where.value} {one.name}{said}"
