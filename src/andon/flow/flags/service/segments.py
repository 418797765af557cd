"""Use cases of segments: who belongs to them, and whom a change of theirs concerns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from andon.flow.flags.contract import SegmentChanged, SegmentName, SegmentRemoved
from andon.flow.flags.model import words
from andon.flow.flags.model.flag import MOST_MEMBERS, SHOWN_MEMBERS, StoredSegment
from andon.flow.flags.model.naming import require_name
from andon.flow.flags.model.outcomes import FlagInvalid
from andon.flow.flags.service.documents import Documents
from andon.flow.flags.storage import flags as flag_storage
from andon.flow.flags.storage import segments as storage
from andon.flow.sources.contract import Service
from andon.kernel.access import Permission, Principal
from andon.kernel.db import Reading, Transaction
from andon.kernel.errors import Conflict, Invalid, NotFound
from andon.kernel.events import append
from andon_flags.document import Condition, Document, DocumentError, Segment, read, warnings, write
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

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

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

    # Deeds

    def put(
        self,
        tx: Transaction,
        principal: Principal,
        service: Service,
        name: str,
        *,
        when: tuple[tuple[Condition, ...], ...],
        description: str = "",
        base: int | None = None,
    ) -> tuple[str, ...]:
        """Make a segment, or change its conditions; its members stay. Answers doubts, such as that nobody is in it.
        ``base`` is the version that the change was made from, 0 for a new one; ``None`` takes whatever is there.

        Raises ``Forbidden``, ``Invalid``, ``Conflict`` for a name that another service has.
        """
        principal.require_sight(service)
        principal.require(Permission.RELEASE, service)
        require_name(name, "a segment")
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
        size = 0 if old is None else old.size
        doubts = self._check(name, when, size)
        if old is None:
            if len(storage.named(tx.connection)) >= MOST_SEGMENTS:
                raise Conflict(f"There are {MOST_SEGMENTS} segments.", remedy="Remove one that nobody uses.")
            storage.insert(tx.connection, SegmentName(name), service, description, when, tx.now)
            self._tell(tx, principal, name, service, 1, f"new: {_conditions(when)}")
            return doubts
        if (old.when, old.description) == (when, description):
            return doubts
        version = old.version + 1
        storage.update(tx.connection, name, when=when, description=description, version=version, changed_at=tx.now)
        sentence = _conditions(when) if old.when != when else "another description"
        self._tell(tx, principal, name, service, version, sentence)
        return doubts

    def change_members(
        self, tx: Transaction, principal: Principal, name: str, *, add: Sequence[str], remove: Sequence[str]
    ) -> StoredSegment:
        """Add and remove a few. Raises ``NotFound``, ``Forbidden``, ``Invalid``."""
        segment = self._own(tx, principal, name)
        _check_members(add)
        _check_members(remove)
        storage.remove_members(tx.connection, name, segment.edition, remove)
        storage.add_members(tx.connection, name, segment.edition, add)
        return self._settled(tx, principal, segment, segment.edition)

    def begin_upload(self, tx: Transaction, principal: Principal, name: str) -> int:
        """A new list, to be sent in parts; nobody belongs to it until it is complete. Another one that was begun and
        never completed is thrown away."""
        segment = self._own(tx, principal, name)
        storage.drop_editions(tx.connection, name, but=segment.edition)
        return segment.edition + 1

    def upload(self, tx: Transaction, principal: Principal, name: str, upload: int, found: Sequence[str]) -> int:
        """Some of the new list; how many it has by now. Safe to repeat."""
        segment = self._own(tx, principal, name)
        _check_upload(segment, upload)
        _check_members(found)
        storage.add_members(tx.connection, name, upload, found)
        size = storage.size(tx.connection, name, upload)
        _check_size(size)
        return size

    def complete_upload(self, tx: Transaction, principal: Principal, name: str, upload: int) -> StoredSegment:
        """The new list counts instead of the old one, at once for everybody."""
        segment = self._own(tx, principal, name)
        _check_upload(segment, upload)
        done = self._settled(tx, principal, segment, upload)
        storage.drop_editions(tx.connection, name, but=upload)
        return done

    def remove(self, tx: Transaction, principal: Principal, name: str) -> None:
        """Raises ``Conflict`` while a flag names it."""
        segment = self._own(tx, principal, name)
        uses = self.uses(tx, name)
        if uses:
            shown = ", ".join(f"{one.flag} ({one.service}/{one.environment})" for one in uses[:10])
            raise Conflict(
                f"{name} is named by {shown}.",
                safe="Nothing was changed.",
                remedy="Take it out of their rules first.",
            )
        storage.delete(tx.connection, name)
        append(tx, SegmentRemoved(segment=segment.name, service=segment.service), by=principal.actor)

    def _own(self, tx: Transaction, principal: Principal, name: str) -> StoredSegment:
        principal.require(Permission.RELEASE, self.get(tx, principal, name).service)
        found = storage.find(tx.connection, name, lock=True)
        if found is None:
            raise NotFound("This segment was removed just now.")
        return found

    def _settled(self, tx: Transaction, principal: Principal, old: StoredSegment, edition: int) -> StoredSegment:
        size = storage.size(tx.connection, old.name, edition)
        _check_size(size)
        if size > SHOWN_MEMBERS:
            storage.blur(tx.connection, old.name, edition)
        version = old.version + 1
        storage.update(tx.connection, old.name, version=version, edition=edition, size=size, changed_at=tx.now)
        sentence = f"{size:,} members, was {old.size:,}" if size != old.size else f"other members, {size:,} as before"
        self._tell(tx, principal, old.name, old.service, version, sentence)
        found = storage.find(tx.connection, old.name)
        assert found is not None  # noqa: S101 - it was there a moment ago, and nobody else can remove it now
        return found

    def _tell(
        self, tx: Transaction, principal: Principal, name: str, service: Service, version: int, sentence: str
    ) -> None:
        for place in sorted({(one.service, one.environment) for one in self.uses(tx, name)}):
            flag_storage.raise_revision(tx.connection, place[0], place[1], tx.now)
        changed = SegmentChanged(segment=SegmentName(name), service=service, version=version, sentence=sentence)
        append(tx, changed, by=principal.actor)

    def _check(self, name: str, when: tuple[tuple[Condition, ...], ...], size: int) -> tuple[str, ...]:
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


def _conditions(when: tuple[tuple[Condition, ...], ...]) -> str:
    return " or ".join(words.audience(every) for every in when[:5]) or "no conditions, members only"


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


def _check_size(size: int) -> None:
    if size > MOST_MEMBERS:
        raise Invalid(
            f"A segment has at most {MOST_MEMBERS:,} members.",
            safe="Nothing was changed.",
            remedy="Let your service send an attribute, and make a condition of it.",
        )


def _check_upload(segment: StoredSegment, upload: int) -> None:
    if upload != segment.edition + 1:
        raise Conflict(
            "This upload is no more: another one was begun or completed.",
            safe="Nothing was changed.",
            remedy="Begin again.",
        )
