"""Changing segments: a change counts at once, or waits for a second person where a flag or a release under way names
the segment in an environment that asks for one."""

from __future__ import annotations

from dataclasses import replace

from andon.flow.flags.contract import (
    ProposalId,
    ProposalState,
    SegmentChangeApproved,
    SegmentChanged,
    SegmentChangeProposed,
    SegmentChangeRejected,
)
from andon.flow.flags.contract.audiences import AudienceUses, NoUses
from andon.flow.flags.model.flag import MOST_MEMBERS, SHOWN_MEMBERS, StoredSegment
from andon.flow.flags.model.outcomes import Author, Outcome
from andon.flow.flags.model.segment import (
    MOST_PROPOSED,
    MOST_WAITING,
    MemberChange,
    SegmentChange,
    SegmentProposal,
    SegmentVersion,
    conditions_sentence,
)
from andon.flow.flags.ports import Places
from andon.flow.flags.storage import flags as flag_storage
from andon.flow.flags.storage import segment_changes as storage
from andon.flow.flags.storage import segments as segment_storage
from andon.flow.sources.contract import Service
from andon.kernel.access import Permission, Principal
from andon.kernel.db import Reading, Transaction
from andon.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from andon.kernel.events import append
from andon.kernel.ids import is_id, new_id

Place = tuple[Service, str]

_PREFIX = "segprop"


def is_segment_proposal(proposal: str) -> bool:
    """Whether an id is that of a change of a segment, and not of a flag."""
    return is_id(proposal, _PREFIX)


class SegmentChanges:
    """Safe to share between threads. The asker's permission to change the segment has been looked at."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._uses: AudienceUses = NoUses()

    def used_by(self, uses: AudienceUses) -> None:
        """See :class:`~andon.flow.flags.contract.audiences.Segments`."""
        self._uses = uses

    def releases(self, reading: Reading, name: str) -> tuple[Place, ...]:
        """Where it is named by something else than a flag, sorted."""
        return tuple(sorted(set(self._uses.places(reading, name))))

    def guards(self, reading: Reading, name: str) -> tuple[Place, ...]:
        """Where a second person has to agree, because a flag names the segment there: also one that is archived, which
        comes back as it was, and one that will if a change that waits is approved. And where a release does that is
        under way, in a stage behind it too: its members keep the version."""
        # those that wait first: one that is approved meanwhile is found among the settings
        found = set(flag_storage.proposals_naming_segment(reading.connection, name))
        named = flag_storage.naming_segment(reading.connection, name, archived=True)
        found |= {(service, environment) for service, environment, _ in named}
        found |= set(self.releases(reading, name))
        return tuple(one for one in sorted(found) if self._places.needs_second_person(reading, *one))

    def make(self, tx: Transaction, author: Author, segment: StoredSegment, change: SegmentChange, why: str) -> Outcome:
        """Make a change of a segment that is locked, or let it wait. Raises ``Invalid``, ``Conflict``."""
        members = self._members(tx, segment, change)
        parts = []
        if change.when is not None and change.when != segment.when:
            parts.append(conditions_sentence(change.when))
        if told := members.sentence():
            parts.append(told)
        counts = bool(parts)
        if change.description is not None and change.description != segment.description:
            parts.append("another description")
        if change.edition is not None:  # complete: nobody can be added to it any more
            segment_storage.update(tx.connection, segment.name, uploading=0)
        if not parts:
            self._drop(tx, segment, change.edition)
            return Outcome(version=segment.version)
        check_size(members.size)
        if change.edition is not None and members.size > SHOWN_MEMBERS:
            segment_storage.blur(tx.connection, segment.name, change.edition)
        sentence = ", ".join(parts)
        guards = self.guards(tx, segment.name) if counts else ()
        if guards:
            return self._propose(tx, author, segment, change, members, guards, sentence, why)
        return self._apply(tx, author, segment, change, members, sentence, why)

    def first(self, tx: Transaction, author: Author, segment: StoredSegment, why: str) -> None:
        """Tell of a segment that was made just now."""
        sentence = f"new: {conditions_sentence(segment.when)}"
        self._tell(tx, author, segment, MemberChange(size=0, was=0), sentence, why)

    def approve(self, tx: Transaction, principal: Principal, proposal: str) -> Outcome:
        """Say yes to somebody else's change, and make it. Raises ``NotFound``, ``Forbidden``, ``Conflict``."""
        found, segment = self._waiting(tx, principal, proposal)
        if principal.person is None or principal.person == found.person:
            raise Forbidden(
                "You proposed this change yourself.",
                safe="It waits.",
                remedy="Ask somebody else who may release wherever the segment is named.",
            )
        self._require_all(principal, {*found.places, *self.guards(tx, segment.name)})
        members = self._members(tx, segment, found.change)
        check_size(members.size)
        author = Author(principal.actor, principal.person)
        storage.decide(tx.connection, found, ProposalState.APPROVED, principal.person, tx.now)
        approved = SegmentChangeApproved(
            segment=found.segment, service=found.service, proposal=found.id, sentence=found.sentence
        )
        append(tx, approved, by=author.actor)
        return self._apply(tx, author, segment, found.change, members, found.sentence, found.why)

    def reject(self, tx: Transaction, principal: Principal, proposal: str, why: str) -> Outcome:
        """Say no, or take one's own proposal back: whoever may change the segment, or release in one of the places.
        Raises ``NotFound``, ``Forbidden``, ``Conflict``."""
        found, segment = self._waiting(tx, principal, proposal)
        if not any(principal.may(Permission.RELEASE, *place) for place in found.places):
            principal.require(Permission.RELEASE, found.service)
        storage.decide(tx.connection, found, ProposalState.REJECTED, principal.person, tx.now)
        self._drop(tx, segment, found.change.edition)
        self._tell_rejected(tx, Author(principal.actor, principal.person), found, why)
        return Outcome(version=segment.version)

    def overtake(self, tx: Transaction, author: Author, segment: StoredSegment, why: str) -> None:
        """What waits was made from what is no more: nobody has agreed to it upon this."""
        for one in storage.waiting(tx.connection, segment.name):
            if storage.decide(tx.connection, one, ProposalState.OVERTAKEN, author.person, tx.now):
                self._drop(tx, segment, one.change.edition)
                self._tell_rejected(tx, author, one, why)

    def kept_editions(self, reading: Reading, segment: StoredSegment) -> set[int]:
        """Lists that count, or would if somebody agreed."""
        waiting = storage.waiting(reading.connection, segment.name)
        return {segment.edition, *(one.change.edition for one in waiting if one.change.edition is not None)}

    def waiting(
        self, reading: Reading, principal: Principal, segment: StoredSegment | None = None
    ) -> tuple[SegmentProposal, ...]:
        """Those that may be seen, newest first."""
        found = storage.waiting(reading.connection, None if segment is None else segment.name)
        return tuple(one for one in found if _seen(principal, one))

    def proposal(self, reading: Reading, principal: Principal, proposal: str) -> SegmentProposal:
        """Raises ``NotFound``, the same for what is not there and for what may not be seen."""
        found = storage.proposal(reading.connection, ProposalId(proposal))
        if found is None or not _seen(principal, found):
            raise no_proposal()
        return found

    def _waiting(self, tx: Transaction, principal: Principal, proposal: str) -> tuple[SegmentProposal, StoredSegment]:
        """Both locked, in the order in which a change does it."""
        known = self.proposal(tx, principal, proposal)
        segment = segment_storage.find(tx.connection, known.segment, lock=True)
        found = storage.proposal(tx.connection, known.id, lock=True)
        if found is None:
            raise no_proposal()
        if found.state is not ProposalState.OPEN or segment is None:
            raise Conflict(f"This proposal was {found.state.value}.", safe="Nothing was changed.")
        return found, segment

    def _require_all(self, principal: Principal, places: set[Place]) -> None:
        missing = sorted(one for one in places if not principal.may(Permission.RELEASE, *one))
        if not missing:
            return
        told = [f"{service}/{name}" for service, name in missing if principal.may(Permission.READ, service)]
        hidden = len(missing) - len(told)
        if hidden:
            told.append(f"{hidden} {'place' if hidden == 1 else 'places'} that you may not see")
        raise Forbidden(
            f"This segment is named where you may not release: {', '.join(told)}.",
            safe="The change waits.",
            remedy="Ask somebody who may release in all of the environments that are concerned.",
        )

    def _propose(
        self,
        tx: Transaction,
        author: Author,
        segment: StoredSegment,
        change: SegmentChange,
        members: MemberChange,
        guards: tuple[Place, ...],
        sentence: str,
        why: str,
    ) -> Outcome:
        waiting = storage.waiting(tx.connection, segment.name)
        if len(waiting) >= MOST_WAITING:
            raise Conflict(
                f"{MOST_WAITING} changes of {segment.name} wait for a second person already.",
                safe="Nothing was changed.",
                remedy="Decide on those first: andon flags approve, or andon flags reject",
            )
        if change.edition is not None and any(one.change.edition is not None for one in waiting):
            raise Conflict(
                f"Another list of members of {segment.name} waits for a second person already.",
                safe="Nothing was changed.",
                remedy="Decide on that one first: andon flags approve, or andon flags reject",
            )
        if len(change.add) + len(change.remove) > MOST_PROPOSED:
            raise Conflict(
                f"A second person has to agree, and at most {MOST_PROPOSED:,} members can be added and removed by a "
                "change that waits.",
                safe="Nothing was changed.",
                remedy=f"Send the whole list: andon flags upload {segment.name} people.csv",
            )
        proposal = SegmentProposal(
            id=ProposalId(new_id(_PREFIX)),
            segment=segment.name,
            service=segment.service,
            base=segment.version,
            change=change,
            members=members,
            places=guards,
            sentence=sentence,
            why=why,
            person=author.person,
            at=tx.now,
            state=ProposalState.OPEN,
            decided_by=None,
            decided_at=None,
        )
        storage.add_proposal(tx.connection, proposal)
        proposed = SegmentChangeProposed(
            segment=segment.name, service=segment.service, proposal=proposal.id, sentence=sentence, why=why
        )
        append(tx, proposed, by=author.actor)
        return Outcome(version=segment.version, proposal=proposal.id, sentence=sentence)

    def _apply(
        self,
        tx: Transaction,
        author: Author,
        segment: StoredSegment,
        change: SegmentChange,
        members: MemberChange,
        sentence: str,
        why: str,
    ) -> Outcome:
        self.overtake(tx, author, segment, "overtaken by another change")
        edition = segment.edition if change.edition is None else change.edition
        # what is removed first may come again by the same change
        segment_storage.remove_members(tx.connection, segment.name, edition, change.remove)
        segment_storage.add_members(tx.connection, segment.name, edition, change.add)
        if members.size > SHOWN_MEMBERS:
            segment_storage.blur(tx.connection, segment.name, edition)
        new = replace(
            segment,
            version=segment.version + 1,
            when=segment.when if change.when is None else change.when,
            description=segment.description if change.description is None else change.description,
            edition=edition,
            size=members.size,
        )
        segment_storage.update(
            tx.connection,
            segment.name,
            version=new.version,
            when=new.when,
            description=new.description,
            edition=edition,
            size=new.size,
            changed_at=tx.now,
        )
        if edition != segment.edition:
            self._drop(tx, segment, segment.edition)
        self._tell(tx, author, new, members, sentence, why)
        return Outcome(version=new.version, sentence=sentence)

    def _members(self, reading: Reading, segment: StoredSegment, change: SegmentChange) -> MemberChange:
        """What it does to the members as they are now. A list is compared where it is kept, and never read as a
        whole but where it is small."""
        connection, name = reading.connection, segment.name
        if change.edition is None:
            new = segment_storage.among(connection, name, segment.edition, [*change.add, *change.remove])
            coming = set(change.add) - new
            going = (set(change.remove) & new) - set(change.add)
            return MemberChange.of(segment.size, coming, going)
        size = segment_storage.size(connection, name, change.edition)
        digest = segment_storage.digest(connection, name, change.edition)
        if max(size, segment.size) <= SHOWN_MEMBERS:
            before = segment_storage.members_of(connection, name, segment.edition)
            after = segment_storage.members_of(connection, name, change.edition)
            if isinstance(before, frozenset) and isinstance(after, frozenset):
                told = MemberChange.of(segment.size, after - before, before - after)
                return replace(told, digest=digest)
        both = segment_storage.common(connection, name, segment.edition, change.edition)
        return MemberChange(size=size, was=segment.size, added=size - both, removed=segment.size - both, digest=digest)

    def _tell(
        self, tx: Transaction, author: Author, segment: StoredSegment, members: MemberChange, sentence: str, why: str
    ) -> None:
        """Write a version down and say so, wherever a flag names the segment."""
        version = SegmentVersion(
            segment=segment.name,
            service=segment.service,
            number=segment.version,
            description=segment.description,
            when=segment.when,
            members=members.unnamed() if members.large else members,
            sentence=sentence,
            why=why,
            actor=str(author.actor),
            person=author.person,
            at=tx.now,
        )
        storage.add_version(tx.connection, version)
        named = flag_storage.naming_segment(tx.connection, segment.name)
        for service, environment in sorted({(one[0], one[1]) for one in named}):
            flag_storage.raise_revision(tx.connection, service, environment, tx.now)
        changed = SegmentChanged(
            segment=segment.name, service=segment.service, version=segment.version, sentence=sentence, why=why
        )
        append(tx, changed, by=author.actor)

    def _tell_rejected(self, tx: Transaction, author: Author, one: SegmentProposal, why: str) -> None:
        rejected = SegmentChangeRejected(
            segment=one.segment, service=one.service, proposal=one.id, sentence=one.sentence, why=why
        )
        append(tx, rejected, by=author.actor)

    def _drop(self, tx: Transaction, segment: StoredSegment, edition: int | None) -> None:
        if edition is not None:
            segment_storage.drop_edition(tx.connection, segment.name, edition)


def _seen(principal: Principal, one: SegmentProposal) -> bool:
    """Whoever answers for a place where the segment counts may see what would change there."""
    return principal.may(Permission.READ, one.service) or any(
        principal.may(Permission.RELEASE, *place) for place in one.places
    )


def check_size(size: int) -> None:
    if size > MOST_MEMBERS:
        raise Invalid(
            f"A segment has at most {MOST_MEMBERS:,} members.",
            safe="Nothing was changed.",
            remedy="Let your service send an attribute, and make a condition of it.",
        )


def no_proposal() -> NotFound:
    return NotFound("There is no such proposal.", remedy="See those that wait: andon flags approve")
