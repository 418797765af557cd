"""Making a change: checked, written down as a version, told in the record, and on its way to whoever evaluates."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from andon.flow.flags.contract import (
    FLAGS_FILE,
    FlagChanged,
    FlagChangeProposed,
    FlagChangeRejected,
    FlagKilled,
    FlagRevived,
    Origin,
    ProposalId,
    ProposalState,
)
from andon.flow.flags.model import words
from andon.flow.flags.model.flag import (
    Head,
    Proposal,
    Setting,
    StoredFlag,
    StoredSetting,
    Version,
    compose,
)
from andon.flow.flags.model.outcomes import Author, FlagInvalid, KeptInCode, Outcome
from andon.flow.flags.model.outcomes import FlagChanged as ChangedMeanwhile
from andon.flow.flags.ports import Places
from andon.flow.flags.service.documents import Documents
from andon.flow.flags.storage import flags as storage
from andon.flow.flags.storage import segments as segment_storage
from andon.flow.sources.contract import Service
from andon.kernel.access import Principal
from andon.kernel.db import Reading, Transaction
from andon.kernel.errors import NotFound
from andon.kernel.events import append
from andon.kernel.ids import new_id
from andon_flags.document import Document, DocumentError, Kind, changed, read, write
from andon_flags.document.doubts import warnings_of
from andon_flags.document.limits import MOST_BYTES
from andon_flags.document.writing import write_change


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a change is made."""

    why: str = ""
    base: int | None = None
    """The version that it was made from; ``None`` takes whatever is there."""
    by_ramp: bool = False
    """A step of a ramp: somebody has agreed to it already."""
    from_code: bool = False
    switch: bool = False
    """The kill switch and its release, which are the console's also where the rest is kept in code."""
    approved: bool = False
    part: bool = False
    """One of many changes in a transaction: whoever makes them checks the whole at its end."""


class Changes:
    """The ways in which what a flag says is changed. The asker's permission has been looked at."""

    def __init__(self, documents: Documents, places: Places) -> None:
        self._documents = documents
        self._places = places

    def current(self, reading: Reading, flag: StoredFlag, environment: str) -> StoredSetting:
        """What is set there; version 0 where nobody has set anything."""
        found = storage.setting(reading.connection, flag.id, environment)
        if found is not None:
            return found
        return StoredSetting(environment=environment, version=0, setting=Setting.first(flag.head), changed_at=None)

    def known_environment(self, reading: Reading, service: Service, environment: str) -> None:
        """Raises ``NotFound``: a slip of the pen would otherwise be a flag that nobody gets."""
        there = self._places.environments(reading, service)
        if environment in there or storage.revision(reading.connection, service, environment) is not None:
            return
        listed = ", ".join(there) or "none yet: its andon.yaml names them"
        raise NotFound(
            f"{service} has no environment {environment[:80]!r}.",
            safe="Nothing was changed.",
            remedy=f"There are: {listed}.",
        )

    def require_sight_of_segments(
        self, reading: Reading, principal: Principal, flag: str, environment: str, old: Setting, new: Setting
    ) -> None:
        """What a flag names stands in its document, members and all, for whoever may look at the flag's service.

        Raises :class:`FlagInvalid`, the same for a segment that is not there and for one that may not be seen.
        """
        visible = principal.visible_services()
        named = new.segments() - old.segments()
        if visible is None or not named:
            return
        seen = {str(one.name) for one in segment_storage.named(reading.connection, named) if one.service in visible}
        if named - seen:
            raise FlagInvalid(
                f"{flag} in {environment} would not do",
                [f"there is no segment {name!r}" for name in sorted(named - seen)],
            )

    def set(
        self, tx: Transaction, author: Author, flag: StoredFlag, environment: str, new: Setting, manner: Manner
    ) -> Outcome:
        """Make a setting count, or propose it where a second person has to agree.

        Raises :class:`FlagInvalid`, :class:`ChangedMeanwhile`, :class:`KeptInCode`.
        """
        old = self.current(tx, flag, environment)
        if manner.base is not None and manner.base != old.version:
            raise meanwhile(flag, environment)
        sentences = words.changes(old.setting, new)
        if not sentences:
            return Outcome(version=old.version)
        if flag.origin is Origin.CODE and not (manner.from_code or manner.switch or manner.by_ramp):
            raise kept_in_code(flag)
        sentence = ", ".join(sentences)
        pulls = manner.switch and old.setting.enabled and not new.enabled
        free = pulls or manner.approved or manner.by_ramp
        waits = not free and self._places.needs_second_person(tx, flag.service, environment)
        doubts = self.check(tx, flag, environment, new) if waits or not manner.part else ()
        if waits:
            return self.propose(tx, author, flag, old, new, sentence, manner.why, doubts=doubts)
        version = self._store(tx, author, flag, old, new, sentence, manner.why)
        self.overtake(tx, author, flag, lambda one: one.environment == environment)
        if manner.switch and old.setting.enabled != new.enabled:
            kind = FlagRevived if new.enabled else FlagKilled
            append(
                tx,
                kind(
                    flag=flag.name,
                    service=flag.service,
                    environment=environment,
                    version=version,
                    why=manner.why,
                ),
                by=author.actor,
            )
        else:
            append(
                tx,
                FlagChanged(
                    flag=flag.name,
                    service=flag.service,
                    environment=environment,
                    version=version,
                    sentence=sentence,
                    why=manner.why,
                ),
                by=author.actor,
            )
        return Outcome(version=version, sentence=sentence, warnings=doubts)

    def propose(
        self,
        tx: Transaction,
        author: Author,
        flag: StoredFlag,
        old: StoredSetting,
        new: Setting,
        sentence: str,
        why: str,
        *,
        ramp: str = "",
        doubts: tuple[str, ...] = (),
    ) -> Outcome:
        """Let a change wait for a second person."""
        proposal = Proposal(
            id=ProposalId(new_id("prop")),
            service=flag.service,
            flag=flag.name,
            environment=old.environment,
            base=old.version,
            setting=new,
            ramp=ramp,
            sentence=sentence,
            why=why,
            person=author.person,
            at=tx.now,
            state=ProposalState.OPEN,
            decided_by=None,
            decided_at=None,
        )
        return self.wait(tx, author, flag, proposal, doubts)

    def wait(
        self, tx: Transaction, author: Author, flag: StoredFlag, proposal: Proposal, doubts: tuple[str, ...] = ()
    ) -> Outcome:
        storage.add_proposal(tx.connection, flag.id, proposal)
        append(
            tx,
            FlagChangeProposed(
                flag=flag.name,
                service=flag.service,
                environment=proposal.environment or None,
                proposal=proposal.id,
                sentence=proposal.sentence,
                why=proposal.why,
            ),
            by=author.actor,
        )
        return Outcome(version=proposal.base, proposal=proposal.id, sentence=proposal.sentence, warnings=doubts)

    def check(
        self, reading: Reading, flag: StoredFlag, environment: str, setting: Setting, *, head: Head | None = None
    ) -> tuple[str, ...]:
        """What is doubtful about the flag as it would be. Raises :class:`FlagInvalid` with every fault of the whole
        document: types, circles of prerequisites, segments and flags that are not there."""
        instead = compose(flag.name, head or flag.head, setting)
        says = f"{flag.name} in {environment} would not do"
        # what is there was checked when it came, so that only what the change can break is looked at
        there, segments, others = self._documents.around(reading, flag.service, environment, instead)
        change = write_change(
            replace(there, flags={}, segments={}),
            replace(there, revision=there.revision + 1, flags={flag.name: instead}, segments=segments),
        )
        if others + len(change) > MOST_BYTES:
            raise FlagInvalid(says, [f"with all the others it is more than {MOST_BYTES // 2**20} MiB"])
        try:
            return doubts_of(changed(there, change, strict=True), flag.name)
        except DocumentError as error:
            raise _faulty(says, flag.name, error) from error

    def check_alone(self, flag: StoredFlag) -> None:
        """A flag that is new: nobody asks for it, and it asks for nobody. Raises :class:`FlagInvalid`."""
        made = compose(flag.name, flag.head, Setting.first(flag.head))
        _checked(Document(flag.service, "new", 0, {flag.name: made}), flag.name, f"{flag.name} would not do")

    def check_whole(self, reading: Reading, service: Service, environment: str) -> Document:
        """All flags of an environment as they are now. Raises :class:`FlagInvalid`."""
        document = self._documents.compose(reading, service, environment, light=True)
        return _checked(document, "", f"The flags of {environment} would not do")

    def environments(self, reading: Reading, service: Service) -> tuple[str, ...]:
        """Where somebody may evaluate: those that there are, and those that something was set for."""
        known = self._places.environments(reading, service)
        told = [name for owner, name in storage.all_revisions(reading.connection) if owner == service]
        return tuple(dict.fromkeys((*known, *sorted(told))))

    def tell_everywhere(self, tx: Transaction, service: Service) -> None:
        for environment in self.environments(tx, service):
            storage.raise_revision(tx.connection, service, environment, tx.now)

    def _store(
        self,
        tx: Transaction,
        author: Author,
        flag: StoredFlag,
        old: StoredSetting,
        new: Setting,
        sentence: str,
        why: str,
    ) -> int:
        stored = StoredSetting(environment=old.environment, version=old.version + 1, setting=new, changed_at=tx.now)
        if not storage.put_setting(tx.connection, flag.id, old.environment, stored, tx.now):
            raise meanwhile(flag, old.environment)
        storage.add_version(
            tx.connection,
            flag.id,
            Version(
                environment=old.environment,
                number=stored.version,
                sentence=sentence,
                why=why,
                actor=str(author.actor),
                person=author.person,
                at=tx.now,
                setting=new,
                head=None,
            ),
        )
        storage.raise_revision(tx.connection, flag.service, old.environment, tx.now)
        return stored.version

    def overtake(
        self, tx: Transaction, author: Author, flag: StoredFlag, concerned: Callable[[Proposal], bool]
    ) -> None:
        """What waits was made from what is no more: nobody has agreed to it upon this."""
        for one in storage.proposals_of(tx.connection, flag=flag.id, limit=None):
            if concerned(one) and storage.decide(tx.connection, one.id, ProposalState.OVERTAKEN, author.person, tx.now):
                append(
                    tx,
                    FlagChangeRejected(
                        flag=flag.name,
                        service=flag.service,
                        environment=one.environment or None,
                        proposal=one.id,
                        sentence=one.sentence,
                        why="overtaken by another change",
                    ),
                    by=author.actor,
                )


def _checked(document: Document, name: str, says: str) -> Document:
    try:
        # through its own reader: what is not good for services is not kept either
        return read(write(document), strict=True)
    except DocumentError as error:
        raise _faulty(says, name, error) from error


def _faulty(says: str, name: str, error: DocumentError) -> FlagInvalid:
    own = f"flags.{name}." if name else ""
    return FlagInvalid(says, [str(fault).removeprefix(own) for fault in error.faults])


def doubts_of(document: Document, name: str) -> tuple[str, ...]:
    """The warnings about one flag of a document."""
    own = f"flags.{name}"
    # a switch that is on for everybody serves "off" to nobody, and nobody doubts it
    switch = document.flags[name].kind is Kind.BOOLEAN
    found = [
        one
        for one in warnings_of(document, document.flags[name])
        if one.path.startswith(f"{own}.") and not (switch and one.path.startswith(f"{own}.variants."))
    ]
    return tuple(f"{one.path.removeprefix(own).lstrip('.') or name}: {one.says}." for one in found)


def meanwhile(flag: StoredFlag, environment: str) -> ChangedMeanwhile:
    where = f" in {environment}" if environment else ""
    return ChangedMeanwhile(
        f"Somebody changed {flag.name}{where} since you read it.",
        safe="Their change counts, yours was not made.",
        remedy="Look at what it is now and try again.",
    )


def kept_in_code(flag: StoredFlag) -> KeptInCode:
    return KeptInCode(
        f"{flag.name} is kept in {FLAGS_FILE} of {flag.service}.",
        safe="Nothing was changed. The kill switch works here too.",
        remedy=f"Change {FLAGS_FILE} on the default branch and push, or take the flag out of it.",
    )


def listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
