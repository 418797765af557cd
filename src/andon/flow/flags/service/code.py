"""Flags as code: what ``flags.yaml`` on the default branch says becomes so, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from andon.flow.flags.codefile import CodeFlag
from andon.flow.flags.contract import FLAGS_FILE, FlagHandedOver, FlagRestored, Origin
from andon.flow.flags.model.completing import completed
from andon.flow.flags.model.flag import StoredFlag
from andon.flow.flags.model.heads import switched_off
from andon.flow.flags.model.outcomes import Author, FlagInvalid
from andon.flow.flags.model.wishes import settled
from andon.flow.flags.service.changing import Manner, doubts_of
from andon.flow.flags.service.flags import FlagService
from andon.flow.flags.service.questions import found_flag
from andon.flow.flags.storage import flags as storage
from andon.flow.sources.contract import CommitHash, Service
from andon.kernel.access import Permission, Principal
from andon.kernel.db import Reading, Transaction
from andon.kernel.errors import AndonError
from andon.kernel.events import append


@dataclass(frozen=True, slots=True)
class Applied:
    flags: int
    changed: int
    proposed: int
    """Changes that wait for a second person."""
    given_back: tuple[str, ...]
    """Flags that the file no longer has; they are the console's now, as they are."""
    warnings: tuple[str, ...]


class CodeService:
    def __init__(self, flags: FlagService) -> None:
        self._flags = flags

    def keeps(self, reading: Reading, service: Service) -> bool:
        """Whether any flag of the service is kept in the file."""
        return any(one.origin is Origin.CODE for one in storage.of_service(reading.connection, service))

    def apply(
        self, tx: Transaction, principal: Principal, service: Service, commit: CommitHash, found: Iterable[CodeFlag]
    ) -> Applied:
        """Make what the file says so. Raises ``Forbidden`` for a pusher who may not release, :class:`FlagInvalid`;
        whoever calls takes everything back then."""
        principal.require(Permission.RELEASE, service)
        author = Author(principal.actor, principal.person)
        listed = tuple(found)
        why = f"{FLAGS_FILE} at {commit[:7]}"
        changed = proposed = 0
        warnings: list[str] = []
        for one in listed:
            changed += self._claim(tx, author, principal, service, one)
        for one in listed:
            flag = self._get(tx, service, one.name)
            head = completed(one.head, one.name)
            if head.salt != flag.head.salt:
                raise FlagInvalid(one.name, ["The salt of a flag stays for life: it decides who is in"])
            outcome = self._flags.heads.set(tx, author, flag, head, Manner(why=why, from_code=True, part=True))
            changed += outcome.version != flag.head_version
            proposed += outcome.proposal is not None
            warnings += outcome.warnings
        for one in listed:
            for environment in one.environments:
                flag = self._get(tx, service, one.name)
                principal.require(Permission.RELEASE, service, environment)
                self._flags.changes.known_environment(tx, service, environment)
                old = self._flags.changes.current(tx, flag, environment)
                new, faults = settled(one.wanted(environment, flag.head, old.setting), flag.head, old.setting)
                if faults:
                    raise FlagInvalid(f"{one.name} in {environment} would not do", faults)
                self._flags.changes.require_sight_of_segments(tx, principal, one.name, environment, old.setting, new)
                outcome = self._flags.changes.set(
                    tx, author, flag, environment, new, Manner(why=why, from_code=True, part=True)
                )
                changed += bool(outcome.sentence) and outcome.proposal is None
                proposed += outcome.proposal is not None
                warnings += [f"{one.name} in {environment}: {said}" for said in outcome.warnings]
        for environment in self._flags.changes.environments(tx, service) if listed else ():
            whole = self._flags.changes.check_whole(tx, service, environment)
            warnings += [
                f"{one.name} in {environment}: {said}"
                for one in listed
                if environment in one.environments
                for said in doubts_of(whole, one.name)
            ]
        given_back = self._give_back(tx, author, service, {one.name for one in listed})
        return Applied(len(listed), changed, proposed, given_back, tuple(warnings))

    def _claim(self, tx: Transaction, author: Author, principal: Principal, service: Service, one: CodeFlag) -> bool:
        """The flag is the file's from now on; whether that is new."""
        flag = storage.lock(tx.connection, service, one.name)
        if flag is None:
            head = completed(one.head, one.name)
            if self._flags.guarded(tx, service):  # a switch that is to be on waits as a change of what is there
                head = switched_off(head)
            self._flags.create(tx, principal, service, one.name, head, origin=Origin.CODE, author=author)
            return True
        if flag.archived_at is not None:
            storage.update(tx.connection, flag.id, archived_at=None)
            self._flags.changes.tell_everywhere(tx, service)
            append(tx, FlagRestored(flag=flag.name, service=service), by=author.actor)
        if flag.origin is not Origin.CODE:
            storage.update(tx.connection, flag.id, origin=Origin.CODE)
            append(tx, FlagHandedOver(flag=flag.name, service=service, origin=Origin.CODE), by=author.actor)
            return True
        return flag.archived_at is not None

    def _give_back(self, tx: Transaction, author: Author, service: Service, names: set[str]) -> tuple[str, ...]:
        gone = [
            one
            for one in storage.of_service(tx.connection, service)
            if one.origin is Origin.CODE and one.name not in names
        ]
        for one in gone:
            storage.update(tx.connection, one.id, origin=Origin.CONSOLE)
            append(tx, FlagHandedOver(flag=one.name, service=service, origin=Origin.CONSOLE), by=author.actor)
        return tuple(one.name for one in gone)

    def _get(self, tx: Transaction, service: Service, name: str) -> StoredFlag:
        return found_flag(storage.lock(tx.connection, service, name), service, name)


def faults_of(error: AndonError) -> tuple[str, ...]:
    """In sentences of their own."""
    return error.faults if isinstance(error, FlagInvalid) else (str(error),)
