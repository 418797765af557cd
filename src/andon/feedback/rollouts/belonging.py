"""The segments of flags that stages go to, as they are at the moment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from andon.feedback.rollouts.contract import StageKind
from andon.feedback.rollouts.model.belonging import refusal, trouble
from andon.feedback.rollouts.model.stages import Stage, segments_of
from andon.flow.definition.contract import ReleaseDefinition
from andon.flow.flags.contract.audiences import Segments
from andon.flow.routing.contract import Plan, SegmentUse
from andon.kernel.db import Reading


class Belonging:
    def __init__(self, segments: Segments) -> None:
        self._segments = segments

    def refused(self, reading: Reading, release: ReleaseDefinition) -> str:
        """Why a release cannot begin; empty when it can."""
        named = [one.audience.segment for one in release.stages if one.audience is not None and one.audience.segment]
        return self._first(refusal(name, self._segments.audience(reading, name)) for name in named)

    def trouble(self, reading: Reading, stage: Stage) -> str:
        """Why a stage that is under way cannot be passed; empty when there is no reason."""
        alone, named = stage.plan.kind is StageKind.AUDIENCE, segments_of(stage)
        return self._first(trouble(name, self._segments.audience(reading, name), alone=alone) for name in named)

    def used(self, reading: Reading, stage: Stage) -> tuple[SegmentUse, ...]:
        """What the plan of a stage says of its segments."""
        found = ((name, self._segments.audience(reading, name)) for name in segments_of(stage))
        return tuple(SegmentUse(name=name, version=0 if one is None else one.version) for name, one in found)

    def changed(self, reading: Reading, stage: Stage, plan: Plan | None) -> Plan | None:
        """The plan with the segments as they are by now; ``None`` while nothing of them has changed."""
        if plan is None or not plan.segments:
            return None
        used = self.used(reading, stage)
        return None if plan.segments == used else replace(plan, segments=used)

    @staticmethod
    def _first(reasons: Iterable[str]) -> str:
        return next((one for one in reasons if one), "")
