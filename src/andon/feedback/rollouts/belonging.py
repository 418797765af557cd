"""The segments of flags that stages go to, as they are at the moment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from andon.feedback.rollouts.contract import StageKind
from andon.feedback.rollouts.model.belonging import refusal, segments_named, trouble
from andon.feedback.rollouts.model.stages import Stage, segments_of
from andon.feedback.rollouts.ports import Backing
from andon.feedback.rollouts.service import RolloutService
from andon.flow.deployments.contract.release import Candidate
from andon.flow.flags.contract.audiences import AudienceUses, SegmentAudience, Segments
from andon.flow.routing.contract import Plan, SegmentUse
from andon.flow.sources.contract import Service
from andon.kernel.db import Reading


class Belonging:
    """What stages and plans say of segments, and who may name them."""

    def __init__(self, segments: Segments, service: RolloutService, backing: Backing) -> None:
        self._segments = segments
        self._service = service
        self._backing = backing

    def refused(self, reading: Reading, candidate: Candidate) -> str:
        """Why a release cannot begin; empty when it can.

        A segment that it names anew is to be seen by who stands behind it: who gets which version tells who belongs to
        it. Of one that the version before was released by already, nobody is asked again.
        """
        before = self._service.brought(reading, candidate.service, candidate.environment, candidate.former_commit)
        known = frozenset() if before is None else segments_named(before.release)
        return self._first(
            refusal(name, self._seen(reading, candidate, name, known=name in known))
            for name in sorted(segments_named(candidate.release))
        )

    def _seen(self, reading: Reading, candidate: Candidate, name: str, *, known: bool) -> SegmentAudience | None:
        found = self._segments.audience(reading, name)
        if found is None or known or self._backing.sees(reading, candidate.deployment, found.service):
            return found
        return None

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


class Releases(AudienceUses):
    """Where a release that names a segment is under way."""

    def __init__(self, service: RolloutService) -> None:
        self._service = service

    def places(self, reading: Reading, name: str) -> tuple[tuple[Service, str], ...]:
        """See :class:`~andon.flow.flags.contract.audiences.AudienceUses`."""
        running = self._service.under_way(reading)
        return tuple((one.service, one.environment) for one in running if name in segments_named(one.release))
