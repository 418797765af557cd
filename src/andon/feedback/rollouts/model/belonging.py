"""Stages that go to the members of a segment of flags: when that can be done, and when nothing can be said."""

from __future__ import annotations

from andon.flow.definition.contract import ReleaseDefinition
from andon.flow.flags.contract.audiences import SegmentAudience

MOST_MEMBERS = 1_000
"""That the router looks for: of a larger segment no names are kept."""
_SAFE = "No customer was given the new version."
_REMEDY = (
    "Let the service ask a flag that is on for the segment when somebody signs in, and set a cookie; then send the "
    "stage to that cookie, with `to: {cookie: …}` in andon.yaml."
)


def segments_named(release: ReleaseDefinition) -> frozenset[str]:
    """In whichever stage: whom one of them gives the version keeps it in those behind."""
    return frozenset(
        one.audience.segment for one in release.stages if one.audience is not None and one.audience.segment
    )


def refusal(name: str, found: SegmentAudience | None) -> str:
    """Why a release cannot go to a segment at all, with what to do instead; empty when it can. ``None`` is told of one
    that is not there as of one that may not be seen."""
    if found is None:
        return (
            f"There is no segment {name}, or whoever pushed or deployed this may not look at the service whose it is. "
            f"{_SAFE} Make it, or correct its name in andon.yaml, and deploy again."
        )
    why = _unfit(name, found)
    return f"{why} {_SAFE} {_REMEDY}" if why else ""


def trouble(name: str, found: SegmentAudience | None, *, alone: bool) -> str:
    """Why a stage that is under way cannot go on; empty when there is no reason. ``alone``: only its audience gets the
    new version, so that without anybody in it there is nothing to judge."""
    if found is None:
        return f"The segment {name} is gone: nobody gets the new version by it."
    if alone and not found.size and not found.conditional:
        return f"The segment {name} is empty: nobody gets the new version by it."
    return _unfit(name, found)


def _unfit(name: str, found: SegmentAudience) -> str:
    if found.conditional:
        return f"The segment {name} has conditions, which only the service can answer; the router knows members alone."
    if found.members is None:
        return (
            f"The segment {name} has {found.size:,} members, or had too many once: the router looks for at most "
            f"{MOST_MEMBERS:,}, whose names are kept."
        )
    return ""
