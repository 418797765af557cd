"""Use cases of segments: who belongs to them, and whom a change of theirs concerns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from andon.flow.flags.contract import SegmentName, SegmentRemoved
from andon.flow.flags.model.flag import StoredSegment
from andon.flow.flags.model.naming import reason_of, require_name
from andon.flow.flags.model.outcomes import Author, FlagInvalid, Outcome
from andon.flow.flags.model.segment import (
    SegmentChange,
    SegmentProposal,
    SegmentVersion,
    When,
    condition_lines,
    conditions_sentence,
    description_lines,
    version_lines,
)
from andon.flow.flags.ports import Places
from andon.flow.flags.service.documents import Documents
from andon.flow.flags.service.segment_changes import SegmentChanges, check_size
from andon.flow.flags.storage import flags as flag_storage
from andon.flow.flags.storage import segment_changes as change_storage
from andon.flow.flags.storage import segments as storage
from andon.flow.sources.contract import Service
from andon.kernel.access import Permission, Principal
from andon.kernel.db import Reading, Transaction
from andon.kernel.errors import Conflict, Invalid, NotFound
from andon.kernel.events import append
from andon_flags.document import Document, DocumentError, Segment, read, warnings, write
from andon_flags.document.model import SEGMENTAL, hash_of

MOST_AT_ONCE = 50_000
"""Members in one request; more come in an upload of several."""
LONGEST_MEMBER = 1_000
MOST_SEGMENTS = 1_000


@dataclass(frozen=True, slots=True)
class Use:
    """A flag, in an environment, whose rules name a segment."""

    service: Service
    environment: str
    flag: str


class SegmentService:
    """A segment belongs to a service, whose people change it; every service's flags may name it."""

    def __init__(self, documents: Documents, places: Places) -> None:
        self._documents = documents
        self.changes = SegmentChanges(places)

    # Questions

    def all(self, reading: Reading, principal: Principal) -> tuple[StoredSegment, ...]:
        """Those of services that may be seen, sorted by name."""
        visible = principal.visible_services()
        return tuple(one for one in storage.named(reading.connection) if visible is None or one.service in visible)

    def get(self, reading: Reading, principal: Principal, name: str) -> StoredSegment:
        """Raises ``NotFound``, the same for what is not there and for what may not be seen."""
        found = storage.find(reading.connection, name)
        visible = principal.visible_services()
        if found is None or (visible is not None and found.service not in visible):
            raise NotFound(f"There is no segment {name[:100]!r}.", remedy="See those there are: andon flags segments")
        return found

    def stored(self, reading: Reading, names: Iterable[str]) -> tuple[StoredSegment, ...]:
        """Whoever asks."""
        return storage.named(reading.connection, names)

    def members(self, reading: Reading, segment: StoredSegment) -> tuple[str, ...] | None:
        """Sorted; ``None`` for a large segment, of which only hashes are kept."""
        found = self._documents.segment(reading, segment).members
        return tuple(sorted(found)) if isinstance(found, frozenset) else None

    def has(self, reading: Reading, segment: StoredSegment, member: str) -> bool:
        """Whether somebody is among the members; conditions are not looked at."""
        return member in self._documents.segment(reading, segment).members

    def uses(self, reading: Reading, name: str) -> tuple[Use, ...]:
        """Where flags name it, those of the archive left out."""
        found = flag_storage.naming_segment(reading.connection, name)
        return tuple(Use(service, environment, flag) for service, environment, flag in found)

    def history(
        self, reading: Reading, segment: StoredSegment, *, limit: int = 100
    ) -> tuple[tuple[SegmentVersion, tuple[str, ...]], ...]:
        """Every version, newest first, each with what it changed of the one before it."""
        found = change_storage.history(reading.connection, segment.name, segment.service, limit=limit + 1)
        older: tuple[SegmentVersion | None, ...] = (*found[1:], None)
        return tuple((one, version_lines(before, one)) for one, before in zip(found, older, strict=True))[:limit]

    def difference(self, segment: StoredSegment, proposal: SegmentProposal) -> tuple[str, ...]:
        """What a change that waits would change."""
        change = proposal.change
        found = () if change.description is None else description_lines(segment.description, change.description)
        conditions = () if change.when is None else condition_lines(segment.when, change.when)
        return (*found, *conditions, *proposal.members.lines())

    # Deeds

    def put(
        self,
        tx: Transaction,
        principal: Principal,
        service: Service,
        name: str,
        *,
        when: When,
        description: str = "",
        base: int | None = None,
        why: str = "",
    ) -> Outcome:
        """Make a segment, or change its conditions; its members stay. Answers doubts, such as that nobody is in it.
        ``base`` is the version that the change was made from, 0 for a new one; ``None`` takes whatever is there.

        Raises ``Forbidden``, ``Invalid``, ``Conflict`` for a name that another service has.
        """
        principal.require_sight(service)
        principal.require(Permission.RELEASE, service)
        require_name(name, "a segment")
        why = reason_of(why)
        if len(description) > 2000:
            raise Invalid("The description has more than 2,000 characters.", safe="Nothing was changed.")
        old = storage.find(tx.connection, name, lock=True)
        if old is not None and old.service != service:
            raise Conflict(
                f"There is a segment {name} already; another service owns it.",
                safe="Nothing was changed.",
                remedy="Use that one, or choose another name.",
            )
        if base is not None and base != (0 if old is None else old.version):
            raise Conflict(
                f"There is a segment {name} already." if not base else f"Somebody changed {name} since you read it.",
                safe="It is as it was: nothing of yours was changed.",
                remedy="Look at what it is now and try again.",
            )
        doubts = self._check(name, when, 0 if old is None else old.size)
        author = _author(principal)
        if old is not None:
            change = SegmentChange(when=when, description=description)
            return replace(self.changes.make(tx, author, old, change, why), warnings=doubts)
        if len(storage.named(tx.connection)) >= MOST_SEGMENTS:
            raise Conflict(f"There are {MOST_SEGMENTS} segments.", remedy="Remove one that nobody uses.")
        if self.changes.guards(tx, name):
            raise Conflict(
                f"A flag of the archive, a change that waits, or a release under way names a segment {name} where a "
                "second person has to agree to who belongs to it.",
                safe="Nothing was created.",
                remedy="Choose another name.",
            )
        version = change_storage.newest_version(tx.connection, name) + 1
        storage.insert(tx.connection, SegmentName(name), service, description, when, version, tx.now)
        made = storage.find(tx.connection, name)
        assert made is not None  # noqa: S101 - it was made a moment ago
        self.changes.first(tx, author, made, why)
        return Outcome(version=version, sentence=f"new: {conditions_sentence(when)}", warnings=doubts)

    def change_members(
        self,
        tx: Transaction,
        principal: Principal,
        name: str,
        *,
        add: Sequence[str],
        remove: Sequence[str],
        why: str = "",
    ) -> Outcome:
        """Add and remove a few. Raises ``NotFound``, ``Forbidden``, ``Invalid``, ``Conflict``."""
        segment = self._own(tx, principal, name)
        _check_members(add)
        _check_members(remove)
        change = SegmentChange(add=tuple(dict.fromkeys(add)), remove=tuple(dict.fromkeys(remove)))
        return self.changes.make(tx, _author(principal), segment, change, reason_of(why))

    def begin_upload(self, tx: Transaction, principal: Principal, name: str) -> int:
        """A new list, to be sent in parts; nobody belongs to it until it is complete. Another one that was begun and
        never completed is thrown away."""
        segment = self._own(tx, principal, name)
        storage.drop_editions(tx.connection, name, but=self.changes.kept_editions(tx, segment))
        number = max(segment.handed, segment.edition) + 1
        storage.update(tx.connection, name, uploading=number, handed=number)
        return number

    def upload(self, tx: Transaction, principal: Principal, name: str, upload: int, found: Sequence[str]) -> int:
        """Some of the new list; how many it has by now. Safe to repeat."""
        segment = self._own(tx, principal, name)
        _check_upload(segment, upload)
        _check_members(found)
        storage.add_members(tx.connection, name, upload, found)
        size = storage.size(tx.connection, name, upload)
        check_size(size)
        return size

    def complete_upload(
        self, tx: Transaction, principal: Principal, name: str, upload: int, *, why: str = ""
    ) -> Outcome:
        """The new list counts instead of the old one, at once for everybody; or it waits where it is, and nobody can
        add to it any more."""
        segment = self._own(tx, principal, name)
        _check_upload(segment, upload)
        return self.changes.make(tx, _author(principal), segment, SegmentChange(edition=upload), reason_of(why))

    def remove(self, tx: Transaction, principal: Principal, name: str) -> None:
        """Raises ``Conflict`` while a flag names it."""
        segment = self._own(tx, principal, name)
        uses = self.uses(tx, name)
        if uses:
            seen = [one for one in uses if principal.may(Permission.READ, one.service)][:10]
            shown = ", ".join(f"{one.flag} ({one.service}/{one.environment})" for one in seen) or "flags"
            raise Conflict(
                f"{name} is named by {shown}.",
                safe="Nothing was changed.",
                remedy="Take it out of their rules first.",
            )
        if self.changes.guards(tx, name):
            raise Conflict(
                f"A flag of the archive, a change that waits, or a release under way names {name} where a second "
                "person has to agree to who belongs to it.",
                safe="Nothing was changed.",
                remedy="Restore the flag and take the segment out of its rules, turn the change down, or wait for "
                "the end of the release.",
            )
        self.changes.overtake(tx, _author(principal), segment, "the segment was removed")
        storage.delete(tx.connection, name)
        change_storage.forget_names(tx.connection, name)
        append(tx, SegmentRemoved(segment=segment.name, service=segment.service), by=principal.actor)

    def _own(self, tx: Transaction, principal: Principal, name: str) -> StoredSegment:
        principal.require(Permission.RELEASE, self.get(tx, principal, name).service)
        found = storage.find(tx.connection, name, lock=True)
        if found is None:
            raise NotFound("This segment was removed just now.")
        return found

    def _check(self, name: str, when: When, size: int) -> tuple[str, ...]:
        if any(one.operator in SEGMENTAL for every in when for one in every):
            raise FlagInvalid(f"The segment {name} would not do", ["a segment cannot be made of segments"])
        somebody = frozenset({"somebody"}) if size else frozenset()
        document = Document("andon", "segments", 0, {}, {name: Segment(name, somebody, when)})
        try:
            found = warnings(read(write(document), strict=True))
        except DocumentError as error:
            own = f"segments.{name}."
            faults = [str(fault).removeprefix(own) for fault in error.faults]
            raise FlagInvalid(f"The segment {name} would not do", faults) from error
        return tuple(one.says for one in found)


def _author(principal: Principal) -> Author:
    return Author(principal.actor, principal.person)


def _check_members(found: Sequence[str]) -> None:
    if len(found) > MOST_AT_ONCE:
        raise Invalid(
            f"Send at most {MOST_AT_ONCE:,} members at once.", remedy="Send them in an upload of several parts."
        )
    for one in found:
        if not 0 < len(one) <= LONGEST_MEMBER or "\0" in one or not _is_text(one):
            raise Invalid(
                f"{ascii(one)[:80]} cannot be a member: it has between 1 and {LONGEST_MEMBER} characters.",
                safe="Nothing was changed.",
            )


def _is_text(text: str) -> bool:
    try:
        hash_of(text)
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_upload(segment: StoredSegment, upload: int) -> None:
    if upload <= 0 or upload != segment.uploading:
        raise Conflict(
            "This upload is no more: another one was begun or completed.",
            safe="Nothing was changed.",
            remedy="Begin again.",
        )
