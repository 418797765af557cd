"""Changes of segments as they are kept: what was changed, and what waits for somebody to agree."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from andon.flow.flags.contract import ProposalId, ProposalState, SegmentName
from andon.flow.flags.model import words
from andon.flow.flags.model.flag import SHOWN_MEMBERS
from andon.flow.sources.contract import Service
from andon_flags.document import Condition

MOST_NAMED = 100
"""Members that a version names, of those it added and of those it removed."""
MOST_PROPOSED = 1_000
"""Members in a change that waits; a list that is exchanged as a whole waits where it will count, however long."""
MOST_WAITING = 20
"""Changes of one segment that wait at once, one of them at most an exchanged list."""

When = tuple[tuple[Condition, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentChange:
    """What is to become of a segment; what is left out stays."""

    when: When | None = None
    description: str | None = None
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    edition: int | None = None
    """A list of members that is complete, to count instead of the present one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberChange:
    """What a change does to the members, without being a list of them."""

    size: int
    """Members afterwards."""
    was: int
    added: int = 0
    removed: int = 0
    named_added: tuple[str, ...] = ()
    """The first of them, sorted. A version of a large segment names none: its members are nothing to be read."""
    named_removed: tuple[str, ...] = ()
    digest: str = ""
    """Of an exchanged list: BLAKE2b, 8 bytes, of its members' hashes in ascending order, as hexadecimal."""

    @classmethod
    def of(cls, was: int, added: Iterable[str], removed: Iterable[str]) -> MemberChange:
        new, gone = sorted(added), sorted(removed)
        return cls(
            size=was + len(new) - len(gone),
            was=was,
            added=len(new),
            removed=len(gone),
            named_added=tuple(new[:MOST_NAMED]),
            named_removed=tuple(gone[:MOST_NAMED]),
        )

    @property
    def large(self) -> bool:
        return max(self.size, self.was) > SHOWN_MEMBERS

    @property
    def any(self) -> bool:
        return bool(self.added or self.removed)

    def unnamed(self) -> MemberChange:
        return replace(self, named_added=(), named_removed=())

    def sentence(self) -> str:
        """Names nobody; empty where nobody comes or goes."""
        if not self.any:
            return ""
        parts = [f"{number:,} {word}" for number, word in ((self.added, "added"), (self.removed, "removed")) if number]
        how = f"exchanged by the list {self.digest}, " if self.digest else ""
        members = "member" if self.size == 1 else "members"
        return f"{how}{' and '.join(parts)}: {self.size:,} {members}, was {self.was:,}"

    def lines(self) -> tuple[str, ...]:
        """Of a diff."""
        found: list[str] = []
        for sign, number, names in (("-", self.removed, self.named_removed), ("+", self.added, self.named_added)):
            found += [f"{sign} {one}" for one in names]
            if rest := number - len(names):
                found.append(f"{sign} {rest:,} {'more ' if names else ''}{'member' if rest == 1 else 'members'}")
        return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentVersion:
    """What a segment was made once."""

    segment: SegmentName
    service: Service
    """Whose it was: a name may be another's later."""
    number: int
    description: str
    when: When
    members: MemberChange
    sentence: str
    why: str
    actor: str
    person: str | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentProposal:
    id: ProposalId
    segment: SegmentName
    service: Service
    """The segment's; flags of others may name it."""
    base: int
    """The version that it was made from."""
    change: SegmentChange
    """Empty once somebody has decided."""
    members: MemberChange
    places: tuple[tuple[Service, str], ...]
    """Service and environment of each flag that names it where a second person has to agree."""
    sentence: str
    why: str
    person: str | None
    at: datetime
    state: ProposalState
    decided_by: str | None
    decided_at: datetime | None


def condition_lines(old: When, new: When) -> tuple[str, ...]:
    """Of a diff: each list of conditions is a line."""
    before, after = [words.audience(one) for one in old], [words.audience(one) for one in new]
    gone = [f"- {one}" for one in before if one not in after]
    return (*gone, *(f"+ {one}" for one in after if one not in before))


def version_lines(older: SegmentVersion | None, one: SegmentVersion) -> tuple[str, ...]:
    """What a version changed of the one before it."""
    described = () if older is None else description_lines(older.description, one.description)
    return (*described, *condition_lines(() if older is None else older.when, one.when), *one.members.lines())


def description_lines(old: str, new: str) -> tuple[str, ...]:
    if old == new:
        return ()
    return tuple(f"{sign} described as: {text}" for sign, text in (("-", old), ("+", new)) if text)


def conditions_sentence(when: When) -> str:
    return " or ".join(words.audience(every) for every in when[:5]) or "no conditions, members only"
