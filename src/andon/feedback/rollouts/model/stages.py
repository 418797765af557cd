"""The way of a version to its customers: stages, and how each divides the traffic."""

from __future__ import annotations

from dataclasses import dataclass, field

from andon.feedback.rollouts.contract import StageKind, StagePlan
from andon.flow.definition.contract import Audience, Ignored, MirrorDefinition, MirrorStep, ReleaseDefinition, Unit
from andon.flow.definition.contract import Sticky as Stickiness
from andon.flow.environments.contract import SetId
from andon.flow.routing.contract import (
    PARTS,
    Arm,
    Comparison,
    Condition,
    Match,
    Mirror,
    Plan,
    SegmentUse,
    Share,
    Sticky,
    Where,
)

MIRROR_NAME = "dark"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage with all that stands in force in it: audiences stay from the stage that names them on."""

    plan: StagePlan
    audiences: tuple[Audience, ...] = ()
    unit: Unit | None = None
    """By what the members of a segment are known."""
    methods: tuple[str, ...] = ()
    """Of a mirror."""
    ignore: Ignored = field(default_factory=Ignored)
    """What is no difference between its answers."""

    @property
    def dark(self) -> bool:
        return self.plan.kind is StageKind.MIRROR


@dataclass(frozen=True, slots=True, kw_only=True)
class Sets:
    """Who takes part."""

    canary: SetId
    former: SetId
    baseline: SetId | None = None
    """Fresh instances of the former version."""


def stages_of(release: ReleaseDefinition) -> tuple[Stage, ...]:
    """In order; the mirror first. After the last one the rest of the traffic follows, which is no stage."""
    found = []
    mirror = release.mirror
    for step in () if mirror is None else mirror.steps or (_only(mirror),):
        plan = StagePlan(
            name=step.name,
            kind=StageKind.MIRROR,
            parts=step.parts,
            seconds=step.seconds,
            requests=step.requests,
        )
        assert mirror is not None  # noqa: S101 - the steps are its own
        found.append(Stage(plan=plan, methods=mirror.methods, ignore=mirror.ignore))
    parts = 0
    audiences: tuple[Audience, ...] = ()
    for one in release.stages:
        parts = parts if one.parts is None else one.parts
        audiences = audiences if one.audience is None else (*audiences, one.audience)
        plan = StagePlan(
            name=one.name,
            kind=StageKind.SHARE if parts else StageKind.AUDIENCE,
            parts=parts,
            seconds=one.seconds,
            requests=one.requests,
        )
        found.append(Stage(plan=plan, audiences=audiences, unit=release.unit))
    return tuple(found)


def _only(mirror: MirrorDefinition) -> MirrorStep:
    return MirrorStep(name=MIRROR_NAME, parts=mirror.parts, seconds=mirror.seconds, requests=mirror.requests)


def baseline_parts(stage: Stage, sets: Sets) -> int:
    """What fresh instances of the former version get: as much as the canary, as far as there is as much."""
    if sets.baseline is None or stage.dark:
        return 0
    return min(stage.plan.parts, PARTS - stage.plan.parts)


def compared(stage: Stage, sets: Sets) -> SetId:
    """Whom the canary is compared with: the fresh instances of the former version where they have a share."""
    return sets.baseline if sets.baseline is not None and baseline_parts(stage, sets) else sets.former


def segments_of(stage: Stage) -> tuple[str, ...]:
    """Segments of flags that stand in force in a stage, each once."""
    return tuple(dict.fromkeys(one.segment for one in stage.audiences if one.segment is not None))


def divided(stage: Stage, sets: Sets, sticky: Stickiness, segments: tuple[SegmentUse, ...] = ()) -> Plan:
    """How the router divides the traffic in a stage; ``segments`` are those of :func:`segments_of`."""
    if stage.dark:
        return Plan(
            shares=(Share(sets.former, PARTS),),
            arms={sets.former: Arm.STABLE, sets.canary: Arm.DARK},
            mirror=Mirror(sets.canary, stage.plan.parts, stage.methods, stage.ignore),
            sticky=None,
        )
    beside = baseline_parts(stage, sets)
    shares = [Share(sets.former, PARTS - stage.plan.parts - beside), Share(sets.canary, stage.plan.parts)]
    arms = {sets.former: Arm.STABLE, sets.canary: Arm.CANARY}
    if sets.baseline is not None and beside:
        shares.append(Share(sets.baseline, beside))
        arms[sets.baseline] = Arm.BASELINE
    return Plan(
        shares=tuple(shares),
        arms=arms,
        matches=tuple(Match((condition(one, stage.unit),), sets.canary) for one in stage.audiences),
        segments=segments,
        sticky=Sticky() if sticky is Stickiness.COOKIE else None,
    )


def condition(audience: Audience, unit: Unit | None) -> Condition:
    if audience.segment is not None:
        assert unit is not None  # noqa: S101 - a definition that names a segment without it is refused
        where, name = (Where.HEADER, unit.header) if unit.header is not None else (Where.COOKIE, unit.cookie)
        return Condition(where, name or "", Comparison.MEMBER, audience.segment)
    where, name = (Where.HEADER, audience.header) if audience.header is not None else (Where.COOKIE, audience.cookie)
    how = Comparison.PRESENT if audience.value is None else Comparison.IS
    return Condition(where, name or "", how, audience.value or "")


def compared_share(stage: Stage, sets: Sets) -> float | None:
    """Which share of both compared arms the canary gets at least, 0 to 1; ``None`` where nobody knows.

    An audience adds to it: only what is lost against this counts.
    """
    if stage.dark or not stage.plan.parts:
        return None
    beside = baseline_parts(stage, sets) or PARTS - stage.plan.parts
    return stage.plan.parts / (stage.plan.parts + beside)


def audience_words(audience: Audience) -> str:
    if audience.segment is not None:
        return f"segment {audience.segment}"
    kind, name = ("header", audience.header) if audience.header is not None else ("cookie", audience.cookie)
    return f"{kind} {name}" if audience.value is None else f"{kind} {name} = {audience.value}"
