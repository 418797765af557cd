"""Changing what holds for a flag in all environments, and its way into the archive and back: at once, or with a second
person where an environment that is concerned asks for one."""

from __future__ import annotations

from dataclasses import replace

from andon.flow.flags.contract import (
    FlagArchived,
    FlagChanged,
    FlagRestored,
    Origin,
    ProposalId,
    ProposalKind,
    ProposalState,
)
from andon.flow.flags.model import words
from andon.flow.flags.model.flag import Head, Proposal, Setting, StoredFlag, Version
from andon.flow.flags.model.heads import concerns, counts, unconcerning, variants_changed
from andon.flow.flags.model.outcomes import Author, Outcome
from andon.flow.flags.ports import Places
from andon.flow.flags.service.changing import Changes, Manner, kept_in_code, listed, meanwhile
from andon.flow.flags.service.questions import askers
from andon.flow.flags.service.ramps import RampService
from andon.flow.flags.storage import flags as storage
from andon.flow.flags.storage import ramps as ramp_storage
from andon.kernel.access import Permission, Principal
from andon.kernel.db import Reading, Transaction
from andon.kernel.errors import Conflict, Forbidden
from andon.kernel.events import append
from andon.kernel.ids import new_id

MOST_WAITING = 20
"""Changes of one flag everywhere that wait at once: each holds all of its variants."""

_ARCHIVING = (ProposalKind.ARCHIVE, ProposalKind.UNARCHIVE)


class Heads:
    """Safe to share between threads. The asker's permission to change the flag has been looked at."""

    def __init__(self, changes: Changes, ramping: RampService, places: Places) -> None:
        self._changes = changes
        self._ramping = ramping
        self._places = places

    def set(self, tx: Transaction, author: Author, flag: StoredFlag, new: Head, manner: Manner) -> Outcome:
        """Change what holds in all environments, or propose it where a second person has to agree.

        Raises :class:`FlagInvalid`, :class:`ChangedMeanwhile`, :class:`KeptInCode`.
        """
        if manner.base is not None and manner.base != flag.head_version:
            raise meanwhile(flag, "")
        sentences = words.head_changes(flag.head, new)
        if not sentences:
            return Outcome(version=flag.head_version)
        if flag.origin is Origin.CODE and not manner.from_code:
            raise kept_in_code(flag)
        found: list[str] = []
        for environment in self._changes.environments(tx, flag.service):
            setting = storage.setting(tx.connection, flag.id, environment)
            there = Setting.first(new) if setting is None else setting.setting
            found += () if manner.part else self._changes.check(tx, flag, environment, there, head=new)
        doubts = tuple(dict.fromkeys(found))
        sentence = ", ".join(sentences)
        guards = () if manner.approved else self._guards(tx, flag, new)
        if guards and manner.from_code:
            return self._from_code(tx, author, flag, new, manner, guards)
        if guards:
            proposal = self._proposal(tx, author, flag, ProposalKind.HEAD, guards, sentence, manner.why, head=new)
            return self._changes.wait(tx, author, flag, proposal, doubts)
        everything = counts(flag.head, new)
        self._changes.overtake(tx, author, flag, lambda one: everything or one.kind is ProposalKind.HEAD)
        version = flag.head_version + 1
        storage.update(tx.connection, flag.id, head=new, head_version=version)
        storage.add_version(
            tx.connection,
            flag.id,
            Version(
                environment="",
                number=version,
                sentence=sentence,
                why=manner.why,
                actor=str(author.actor),
                person=author.person,
                at=tx.now,
                setting=None,
                head=new,
            ),
        )
        added, _, _ = variants_changed(flag.head, new)
        if everything or added:
            self._changes.tell_everywhere(tx, flag.service)
        append(
            tx,
            FlagChanged(
                flag=flag.name,
                service=flag.service,
                environment=None,
                version=version,
                sentence=sentence,
                why=manner.why,
            ),
            by=author.actor,
        )
        return Outcome(version=version, sentence=sentence, warnings=doubts)

    def _from_code(
        self, tx: Transaction, author: Author, flag: StoredFlag, new: Head, manner: Manner, guards: tuple[str, ...]
    ) -> Outcome:
        """What concerns nobody counts with the push, and the rest of what the file says waits, once however often it is
        pushed."""
        now = unconcerning(flag.head, new)
        version = self.set(tx, author, flag, now, manner).version
        waiting = storage.proposals_of(tx.connection, flag=flag.id, limit=None)
        for one in waiting:
            if one.kind is ProposalKind.HEAD and (one.head, one.base) == (new, version):
                return Outcome(version=version, proposal=one.id, sentence=one.sentence)
        self._changes.overtake(tx, author, flag, lambda one: one.kind is ProposalKind.HEAD)
        changed = replace(flag, head=now, head_version=version)
        sentence = ", ".join(words.head_changes(now, new))
        proposal = self._proposal(tx, author, changed, ProposalKind.HEAD, guards, sentence, manner.why, head=new)
        return self._changes.wait(tx, author, changed, proposal)

    def archive(
        self, tx: Transaction, author: Author, flag: StoredFlag, why: str, *, approved: bool = False
    ) -> Outcome:
        """Raises ``Conflict`` while another flag asks for it, :class:`KeptInCode`."""
        if flag.origin is Origin.CODE:
            raise kept_in_code(flag)
        users = askers(tx, flag)
        if users:
            raise Conflict(
                f"{flag.name} is a prerequisite of {listed(users)}.",
                safe="Nothing was changed.",
                remedy="Take it out of their prerequisites first.",
            )
        guards = () if approved else self._guards(tx, flag)
        if guards:
            says = "leaves all documents for the archive"
            proposal = self._proposal(tx, author, flag, ProposalKind.ARCHIVE, guards, says, why)
            return self._changes.wait(tx, author, flag, proposal)
        self._changes.overtake(tx, author, flag, lambda one: one.kind in _ARCHIVING)
        self._ramping.stop_all(tx, author, flag, None, "the flag was archived")
        storage.update(tx.connection, flag.id, archived_at=tx.now)
        self._changes.tell_everywhere(tx, flag.service)
        append(tx, FlagArchived(flag=flag.name, service=flag.service, why=why), by=author.actor)
        return Outcome(version=flag.head_version, sentence="archived")

    def unarchive(self, tx: Transaction, author: Author, flag: StoredFlag, *, approved: bool = False) -> Outcome:
        """Raises :class:`FlagInvalid`."""
        for environment in self._changes.environments(tx, flag.service):
            self._changes.check(tx, flag, environment, self._changes.current(tx, flag, environment).setting)
        guards = () if approved else self._guards(tx, flag)
        if guards:
            says = "comes back from the archive as it was"
            proposal = self._proposal(tx, author, flag, ProposalKind.UNARCHIVE, guards, says, "")
            return self._changes.wait(tx, author, flag, proposal)
        self._changes.overtake(tx, author, flag, lambda one: one.kind in _ARCHIVING)
        storage.update(tx.connection, flag.id, archived_at=None)
        self._changes.tell_everywhere(tx, flag.service)
        append(tx, FlagRestored(flag=flag.name, service=flag.service), by=author.actor)
        return Outcome(version=flag.head_version, sentence="back as it was")

    def require_all(self, reading: Reading, principal: Principal, flag: StoredFlag, proposal: Proposal) -> None:
        """Whoever agrees may release wherever the change counts: where it did when it was proposed, and where it does
        now. Raises ``Forbidden``."""
        now = self._guards(reading, flag, proposal.head)
        for environment in sorted({*proposal.places, *now}):
            if not principal.may(Permission.RELEASE, flag.service, environment):
                raise Forbidden(
                    f"You may not release {flag.service} to {environment}, where this counts too.",
                    safe="The change waits.",
                    remedy="Ask somebody who may release in all of the environments that are concerned.",
                )

    def make(self, tx: Transaction, author: Author, flag: StoredFlag, proposal: Proposal) -> Outcome:
        """What a second person has agreed to. Raises as the change itself."""
        if proposal.kind is ProposalKind.ARCHIVE:
            return self.archive(tx, author, flag, proposal.why, approved=True)
        if proposal.kind is ProposalKind.UNARCHIVE:
            return self.unarchive(tx, author, flag, approved=True)
        assert proposal.head is not None  # noqa: S101 - the only kind that is left has one
        from_code = flag.origin is Origin.CODE
        manner = Manner(why=proposal.why, base=proposal.base, approved=True, from_code=from_code)
        return self.set(tx, author, flag, proposal.head, manner)

    def _guards(self, reading: Reading, flag: StoredFlag, new: Head | None = None) -> tuple[str, ...]:
        """Environments that ask for a second person, in which what somebody has agreed to would change: by another
        head, or without one by the archive."""
        found = []
        for environment in self._changes.environments(reading, flag.service):
            # a ramp that has not begun yet will serve what was agreed to
            is_set = storage.setting(reading.connection, flag.id, environment) is not None or bool(
                ramp_storage.running(reading.connection, flag=flag.id, environment=environment)
            )
            concerned = is_set if new is None else concerns(flag.head, new, is_set=is_set)
            if concerned and self._places.needs_second_person(reading, flag.service, environment):
                found.append(environment)
        return tuple(found)

    def _proposal(
        self,
        tx: Transaction,
        author: Author,
        flag: StoredFlag,
        kind: ProposalKind,
        places: tuple[str, ...],
        sentence: str,
        why: str,
        *,
        head: Head | None = None,
    ) -> Proposal:
        """Raises ``Conflict`` where as much waits already as may."""
        found = storage.proposals_of(tx.connection, flag=flag.id, limit=None)
        waiting = [one for one in found if one.kind is kind]
        if waiting and kind in _ARCHIVING:
            raise Conflict(
                f"{flag.name} waits for a second person already: {waiting[0].sentence}.",
                safe="Nothing was changed.",
                remedy=f"Somebody else agrees: andon flags approve {waiting[0].id}",
            )
        if len(waiting) >= MOST_WAITING:
            raise Conflict(
                f"{MOST_WAITING} changes of {flag.name} everywhere wait for a second person already.",
                safe="Nothing was changed.",
                remedy="Decide on those first: andon flags approve, or andon flags reject",
            )
        return Proposal(
            id=ProposalId(new_id("prop")),
            service=flag.service,
            flag=flag.name,
            kind=kind,
            environment="",
            places=places,
            base=flag.head_version,
            setting=None,
            head=head,
            ramp="",
            sentence=sentence,
            why=why,
            person=author.person,
            at=tx.now,
            state=ProposalState.OPEN,
            decided_by=None,
            decided_at=None,
        )
