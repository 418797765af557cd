"""Shapes of the API of traffic; server and command line share them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from andon.flow.definition.contract import PARTS

if TYPE_CHECKING:  # the command line reads these shapes without loading what makes them
    from andon.flow.routing.contract import Condition, Forwarding, Mirror, Plan
    from andon.flow.routing.differences import Differences


class ConditionShape(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """``where`` is ``header``, ``cookie``, ``query`` or ``path``; ``how`` is ``is``, ``prefix`` or ``present``, in
    what a release divides also ``member-of``: ``value`` is then the name of a segment of flags."""

    where: str
    name: str = ""
    how: str = "is"
    value: str = ""

    @classmethod
    def of(cls, one: Condition) -> ConditionShape:
        return cls(where=one.where.value, name=one.name, how=one.how.value, value=one.value)


class ArmShape(msgspec.Struct, kw_only=True):
    """A set of instances and its part in the division; ``arm`` is ``stable``, ``canary`` or ``baseline``."""

    set: str
    commit: str
    arm: str
    parts: int


class MatchShape(msgspec.Struct, kw_only=True):
    set: str
    commit: str
    when: list[ConditionShape]


class SegmentUseShape(msgspec.Struct, kw_only=True):
    """A segment of flags whose members a match leads; 0 is the version of one that is gone."""

    segment: str
    version: int


class MirrorShape(msgspec.Struct, kw_only=True):
    set: str
    commit: str
    parts: int
    methods: list[str]

    @classmethod
    def of(cls, mirror: Mirror, commits: Mapping[str, str]) -> MirrorShape:
        return cls(set=mirror.set, commit=commits.get(mirror.set, ""), parts=mirror.parts, methods=list(mirror.methods))


class ForwardShape(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Requests of which all of ``when`` hold; ``parts`` of 100,000 of them go to the other service."""

    service: str
    environment: str
    when: list[ConditionShape] = []
    parts: int = PARTS


class ForwardsWanted(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """All rules, in the place of those of ``version``; the first that fits a request counts."""

    version: int
    forwards: list[ForwardShape]


class ForwardingShape(msgspec.Struct, kw_only=True):
    version: int
    forwards: list[ForwardShape]

    @classmethod
    def of(cls, found: Forwarding) -> ForwardingShape:
        return cls(
            version=found.version,
            forwards=[
                ForwardShape(
                    service=one.service,
                    environment=one.environment,
                    when=[ConditionShape.of(asked) for asked in one.when],
                    parts=one.parts,
                )
                for one in found.forwards
            ],
        )


class TrafficShape(msgspec.Struct, kw_only=True):
    """Who gets the requests of an environment: what is forwarded, then matches, then shares of 100,000 parts.

    ``sticky`` says by what a customer stays on their side: ``visitor`` for the router's own cookie, ``cookie``,
    ``header``, or ``null``.
    """

    service: str
    environment: str
    arms: list[ArmShape]
    matches: list[MatchShape]
    segments: list[SegmentUseShape]
    mirror: MirrorShape | None
    sticky: str | None
    forwarding: ForwardingShape

    @classmethod
    def of(
        cls, service: str, environment: str, plan: Plan, forwarding: Forwarding, commits: Mapping[str, str]
    ) -> TrafficShape:
        def commit(one: str) -> str:
            return commits.get(one, "")

        return cls(
            service=service,
            environment=environment,
            arms=[
                ArmShape(set=one.set, commit=commit(one.set), arm=plan.arms[one.set].value, parts=one.parts)
                for one in plan.shares
            ],
            matches=[
                MatchShape(set=one.set, commit=commit(one.set), when=[ConditionShape.of(asked) for asked in one.when])
                for one in plan.matches
            ],
            segments=[SegmentUseShape(segment=one.name, version=one.version) for one in plan.segments],
            mirror=None if plan.mirror is None else MirrorShape.of(plan.mirror, commits),
            sticky=None if plan.sticky is None else plan.sticky.by.value,
            forwarding=ForwardingShape.of(forwarding),
        )


class DifferenceShape(msgspec.Struct, kw_only=True):
    """Requests of one kind. ``status``, ``content_type``, ``size`` and ``body`` count those whose answers differ so;
    times are medians in milliseconds."""

    method: str
    path: str
    pairs: int
    differing: int
    status: int
    content_type: int
    size: int
    body: int
    served_ms: float
    dark_ms: float
    example: str
    """The ``x-request-id`` of the newest that differs; empty when none does."""


class ComparisonShape(msgspec.Struct, kw_only=True):
    """What the last mirrored requests were answered by both versions, as far as the router's log has it at hand."""

    service: str
    environment: str
    pairs: int
    differing: int
    requests: list[DifferenceShape]
    """Those with most differences first; at most 100."""

    @classmethod
    def of(cls, service: str, environment: str, found: Differences) -> ComparisonShape:
        return cls(
            service=service,
            environment=environment,
            pairs=found.pairs,
            differing=found.differing,
            requests=[
                DifferenceShape(
                    method=one.method,
                    path=one.path,
                    pairs=one.pairs,
                    differing=one.differing,
                    status=one.status,
                    content_type=one.content_type,
                    size=one.size,
                    body=one.body,
                    served_ms=one.served_ms,
                    dark_ms=one.dark_ms,
                    example=one.example,
                )
                for one in found.requests
            ],
        )
