"""Use cases of flags: what people and programs ask for, and what they may."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from andon.flow.flags import contract
from andon.flow.flags.contract import (
    FlagChangeApproved,
    FlagChangeRejected,
    FlagCreated,
    FlagName,
    Judging,
    Origin,
    ProposalKind,
    ProposalState,
    RampGate,
    RampId,
)
from andon.flow.flags.model.completing import completed
from andon.flow.flags.model.flag import (
    MOST_OF_A_SERVICE,
    Head,
    Proposal,
    Setting,
    Step,
    StoredFlag,
    Version,
)
from andon.flow.flags.model.heads import starts_off
from andon.flow.flags.model.naming import reason_of, require_name
from andon.flow.flags.model.outcomes import Author, FlagInvalid, NeedsSecondPerson, Outcome
from andon.flow.flags.model.wishes import Wanted, raised, settled
from andon.flow.flags.ports import Places
from andon.flow.flags.service.changing import Manner, listed
from andon.flow.flags.service.documents import Documents
from andon.flow.flags.service.hands import Hands
from andon.flow.flags.service.heads import Heads
from andon.flow.flags.service.questions import found_flag, no_proposal
from andon.flow.flags.storage import flags as storage
from andon.flow.sources.contract import Service
from andon.kernel.access import Permission, Principal
from andon.kernel.db import Reading, Transaction
from andon.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from andon.kernel.events import append


class FlagService(Hands, contract.Flags):
    """Safe to share between threads."""

    def __init__(self, documents: Documents, places: Places, gates: tuple[RampGate, ...] = ()) -> None:
        super().__init__(documents, places, gates)
        self.heads = Heads(self.changes, self.ramping, places)

    def create(
        self,
        tx: Transaction,
        principal: Principal,
        service: Service,
        name: str,
        head: Head,
        *,
        origin: Origin = Origin.CONSOLE,
        author: Author | None = None,
    ) -> StoredFlag:
        """A new flag that serves everybody what it serves when it is off; a switch that is on then is refused where a
        second person is asked for.

        Raises ``Forbidden``, :class:`FlagInvalid`, ``Conflict`` for a name that is taken.
        """
        principal.require_sight(service)
        principal.require(Permission.RELEASE, service)
        author = author or _author(principal)
        require_name(name, "a flag")
        if storage.count(tx.connection, service) >= MOST_OF_A_SERVICE:
            raise Conflict(f"{service} has {MOST_OF_A_SERVICE} flags.", remedy="See what can go: andon flags prune")
        head = completed(head, name)
        guarded = () if starts_off(head) else self.guarded(tx, service)
        if guarded:
            says = f"A new switch starts off where a second person is asked for: in {listed(guarded)}. "
            says += "Let it serve false when it is off, and turn it on then: somebody else agrees to that"
            raise FlagInvalid(f"{name} would not do", [says])
        identity = storage.insert(tx.connection, service, FlagName(name), origin, head, tx.now)
        if identity is None:
            known = storage.find(tx.connection, service, name)
            where = "in the archive: restore it" if known is not None and known.archived_at else "already"
            raise Conflict(
                f"{service} has a flag {name} {where}.", safe="Nothing was created.", remedy="Choose another name."
            )
        flag = found_flag(storage.lock(tx.connection, service, name), service, name)
        self.changes.check_alone(flag)
        storage.add_version(
            tx.connection,
            identity,
            Version(
                environment="",
                number=1,
                sentence="created",
                why="",
                actor=str(author.actor),
                person=author.person,
                at=tx.now,
                setting=None,
                head=head,
            ),
        )
        self.changes.tell_everywhere(tx, service)
        append(
            tx,
            FlagCreated(flag=FlagName(name), service=service, kind=head.kind.value, origin=origin),
            by=author.actor,
        )
        return flag

    def guarded(self, reading: Reading, service: Service) -> tuple[str, ...]:
        """Environments that ask for a second person before a flag is changed."""
        known = self.changes.environments(reading, service)
        return tuple(one for one in known if self._places.needs_second_person(reading, service, one))

    def set_head(
        self,
        tx: Transaction,
        principal: Principal,
        service: Service,
        name: str,
        change: Callable[[Head], Head],
        *,
        why: str = "",
        base: int | None = None,
    ) -> Outcome:
        """Change what holds in all environments; what changes who gets what waits where a second person has to agree.

        Raises ``Forbidden``, ``NotFound``, :class:`FlagInvalid`, ``Conflict``.
        """
        principal.require_sight(service)
        principal.require(Permission.RELEASE, service)
        flag = self._lock(tx, service, name)
        head = completed(change(flag.head), name)
        if head.salt != flag.head.salt:
            raise Invalid("The salt of a flag stays for life.", safe="Nothing was changed.")
        return self.heads.set(tx, _author(principal), flag, head, Manner(why=reason_of(why), base=base))

    def change(
        self,
        tx: Transaction,
        principal: Principal,
        service: Service,
        environment: str,
        name: str,
        change: Callable[[Head, Setting], Wanted],
        *,
        why: str = "",
        base: int | None = None,
    ) -> Outcome:
        """Change who gets what in an environment.

        Raises ``Forbidden``, ``NotFound``, :class:`FlagInvalid` with every fault, ``Conflict``.
        """
        principal.require_sight(service)
        principal.require(Permission.RELEASE, service, environment)
        flag = self._lock(tx, service, name)
        self.changes.known_environment(tx, service, environment)
        old = self.changes.current(tx, flag, environment)
        wanted = change(flag.head, old.setting)
        new, faults = settled(wanted, flag.head, old.setting)
        if faults:
            raise FlagInvalid(f"{name} in {environment} would not do", faults)
        self.changes.require_sight_of_segments(tx, principal, name, environment, old.setting, new)
        switch = old.setting.enabled != new.enabled
        return self.changes.set(
            tx,
            _author(principal),
            flag,
            environment,
            new,
            Manner(
                why=reason_of(why),
                base=base,
                switch=switch and replace(new, enabled=old.setting.enabled) == old.setting,
            ),
        )

    def set_share(
        self,
        tx: Transaction,
        principal: Principal,
        service: Service,
        environment: str,
        flag: str,
        variant: str,
        percent: float,
        *,
        why: str,
    ) -> None:
        def change(head: Head, setting: Setting) -> Wanted:
            if variant not in head.variants:
                raise NotFound(f"{flag} has no variant {variant!r}.", remedy=f"There are: {', '.join(head.variants)}.")
            wanted = raised(setting, "", variant, percent)
            assert wanted is not None  # noqa: S101 - only a rule can be missing
            return wanted

        outcome = self.change(tx, principal, service, environment, flag, change, why=why)
        if outcome.proposal is not None:
            raise NeedsSecondPerson(
                f"{environment} of {service} asks for a second person before {flag} is changed.",
                safe="Nothing was changed.",
                remedy="Change it by hand, so that somebody can approve it.",
            )

    def kill(
        self, tx: Transaction, principal: Principal, service: Service, environment: str, flag: str, *, why: str
    ) -> None:
        self.switch_off(tx, principal, service, environment, flag, why=why)

    def switch_off(
        self, tx: Transaction, principal: Principal, service: Service, environment: str, name: str, *, why: str = ""
    ) -> Outcome:
        """The kill switch: waits for nobody, and for no file. Whoever may release or roll back may pull it."""
        principal.require_sight(service)
        if not principal.may(Permission.ROLL_BACK, service, environment):
            principal.require(Permission.RELEASE, service, environment)
        flag = self._lock(tx, service, name)
        self.changes.known_environment(tx, service, environment)
        author = _author(principal)
        old = self.changes.current(tx, flag, environment)
        outcome = self.changes.set(
            tx, author, flag, environment, replace(old.setting, enabled=False), Manner(why=reason_of(why), switch=True)
        )
        self.ramping.stop_all(tx, author, flag, environment, "the flag was killed")
        return outcome

    def revive(
        self, tx: Transaction, principal: Principal, service: Service, environment: str, name: str, *, why: str = ""
    ) -> Outcome:
        """Release the kill switch. Raises as :meth:`change`."""
        principal.require_sight(service)
        principal.require(Permission.RELEASE, service, environment)
        flag = self._lock(tx, service, name)
        self.changes.known_environment(tx, service, environment)
        old = self.changes.current(tx, flag, environment)
        return self.changes.set(
            tx,
            _author(principal),
            flag,
            environment,
            replace(old.setting, enabled=True),
            Manner(why=reason_of(why), switch=True),
        )

    def restore(
        self,
        tx: Transaction,
        principal: Principal,
        service: Service,
        environment: str,
        name: str,
        number: int,
        *,
        why: str = "",
    ) -> Outcome:
        """Restore a former version, to the last bucket. Raises as :meth:`change`."""
        principal.require_sight(service)
        principal.require(Permission.RELEASE, service, environment)
        flag = self._lock(tx, service, name)
        found = storage.version(tx.connection, flag.id, environment, number)
        if found is None or found.setting is None:
            raise NotFound(f"{name} has no version {number} in {environment}.", remedy="See them: andon flags history")
        said = reason_of(why) or f"as in version {number}"
        return self.changes.set(tx, _author(principal), flag, environment, found.setting, Manner(why=said))

    def ramp(
        self,
        tx: Transaction,
        principal: Principal,
        service: Service,
        environment: str,
        name: str,
        *,
        variant: str,
        steps: tuple[Step, ...],
        rule: str = "",
        why: str = "",
        judging: Judging = Judging.AUTO,
    ) -> tuple[RampId | None, Outcome]:
        """Let a share grow by itself; with a second person to agree the ramp is proposed, and there is no id yet."""
        principal.require_sight(service)
        principal.require(Permission.RELEASE, service, environment)
        flag = self._lock(tx, service, name)
        self.changes.known_environment(tx, service, environment)
        return self.ramping.start(
            tx,
            _author(principal),
            flag,
            environment,
            rule=rule,
            variant=variant,
            steps=steps,
            why=reason_of(why),
            judging=judging,
            second_person=self._places.needs_second_person(tx, service, environment),
        )

    def approve(self, tx: Transaction, principal: Principal, proposal: str) -> Outcome:
        """Say yes to somebody else's change, and make it. Raises ``NotFound``, ``Forbidden``, ``Conflict``."""
        found = self._proposal(tx, principal, proposal)
        if principal.person is None or principal.person == found.person:
            where = found.environment or listed(found.places)
            raise Forbidden(
                "You proposed this change yourself.",
                safe="It waits.",
                remedy=f"Ask somebody else who may release {found.service} to {where}.",
            )
        comes_back = found.kind is ProposalKind.UNARCHIVE
        flag = self._archived(tx, found) if comes_back else self._lock(tx, found.service, found.flag)
        if found.kind is not ProposalKind.SETTING:
            self.heads.require_all(tx, principal, flag, found)
        author = _author(principal)
        storage.decide(tx.connection, found.id, ProposalState.APPROVED, principal.person, tx.now)
        append(
            tx,
            FlagChangeApproved(
                flag=found.flag,
                service=found.service,
                environment=found.environment or None,
                proposal=found.id,
                sentence=found.sentence,
            ),
            by=author.actor,
        )
        if found.setting is None:
            return self.heads.make(tx, author, flag, found)
        if found.ramp:
            _, outcome = self.ramping.start_planned(
                tx, author, flag, found.environment, found.ramp, found.why, found.at
            )
            return outcome
        manner = Manner(why=found.why, base=found.base, approved=True, from_code=flag.origin is Origin.CODE)
        return self.changes.set(tx, author, flag, found.environment, found.setting, manner)

    def reject(self, tx: Transaction, principal: Principal, proposal: str, *, why: str = "") -> Outcome:
        """Say no, or take one's own proposal back. Raises ``NotFound``, ``Forbidden``, ``Conflict``."""
        found = self._proposal(tx, principal, proposal)
        storage.decide(tx.connection, found.id, ProposalState.REJECTED, principal.person, tx.now)
        append(
            tx,
            FlagChangeRejected(
                flag=found.flag,
                service=found.service,
                environment=found.environment or None,
                proposal=found.id,
                sentence=found.sentence,
                why=reason_of(why),
            ),
            by=principal.actor,
        )
        return Outcome(version=found.base)

    def archive(self, tx: Transaction, principal: Principal, service: Service, name: str, *, why: str = "") -> Outcome:
        """Take a flag out of all documents, or propose it. Raises ``Conflict`` while another flag asks for it."""
        principal.require_sight(service)
        principal.require(Permission.RELEASE, service)
        return self.heads.archive(tx, _author(principal), self._lock(tx, service, name), reason_of(why))

    def unarchive(self, tx: Transaction, principal: Principal, service: Service, name: str) -> Outcome:
        """Bring an archived flag back as it was, or propose it. Raises ``NotFound``, :class:`FlagInvalid`."""
        principal.require_sight(service)
        principal.require(Permission.RELEASE, service)
        flag = found_flag(storage.lock(tx.connection, service, name), service, name)
        if flag.archived_at is None:
            return Outcome(version=flag.head_version)
        return self.heads.unarchive(tx, _author(principal), flag)

    def note_asked(self, tx: Transaction, service: Service, environment: str, times: dict[str, int]) -> None:
        storage.note_asked(tx.connection, service, environment, times, tx.now)

    def _proposal(self, tx: Transaction, principal: Principal, proposal: str) -> Proposal:
        """With its flag, in the order in which a change that overtakes it locks them."""
        known = self.proposal(tx, principal, proposal)
        if not any(principal.may(Permission.RELEASE, known.service, place) for place in known.places):
            principal.require(Permission.RELEASE, known.service, known.environment or None)
        storage.lock(tx.connection, known.service, known.flag)
        found = storage.proposal(tx.connection, known.id, lock=True)
        if found is None:
            raise no_proposal()
        if found.state is not ProposalState.OPEN:
            raise Conflict(f"This proposal was {found.state.value}.", safe="Nothing was changed.")
        return found

    def _archived(self, tx: Transaction, proposal: Proposal) -> StoredFlag:
        flag = found_flag(storage.lock(tx.connection, proposal.service, proposal.flag), proposal.service, proposal.flag)
        if flag.archived_at is None:
            raise Conflict(f"{flag.name} is back already.", safe="Nothing was changed.")
        return flag

    def _lock(self, tx: Transaction, service: Service, name: str) -> StoredFlag:
        flag = found_flag(storage.lock(tx.connection, service, name), service, name)
        if flag.archived_at is not None:
            raise Conflict(
                f"{name} is archived.",
                safe="Nothing was changed.",
                remedy=f"Restore it first: andon flags restore {service} {name}",
            )
        return flag


def _author(principal: Principal) -> Author:
    return Author(principal.actor, principal.person)
