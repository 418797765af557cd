"""Questions about flags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from andon.flow.flags.contract import FlagDocument, ProposalId, RampView
from andon.flow.flags.model.flag import Proposal, Setting, StoredFlag, StoredSetting, Version
from andon.flow.flags.model.heads import difference
from andon.flow.flags.model.ramping import view
from andon.flow.flags.model.wishes import reached
from andon.flow.flags.ports import Places
from andon.flow.flags.service.changing import Changes
from andon.flow.flags.service.documents import Built, Documents
from andon.flow.flags.storage import flags as storage
from andon.flow.flags.storage import pretences as pretence_storage
from andon.flow.flags.storage import ramps as ramp_storage
from andon.flow.pipelines.contract import Pretence
from andon.flow.sources.contract import Service
from andon.kernel.access import Permission, Principal
from andon.kernel.db import Reading
from andon.kernel.errors import NotFound


class Questions:
    """Safe to share between threads."""

    def __init__(self, documents: Documents, places: Places) -> None:
        self._documents = documents
        self._places = places
        self.changes = Changes(documents, places)

    def all(
        self, reading: Reading, principal: Principal, service: Service, *, archived: bool = False
    ) -> tuple[StoredFlag, ...]:
        """Sorted by name."""
        principal.require_sight(service)
        return storage.of_service(reading.connection, service, archived=archived)

    def names(self, reading: Reading, principal: Principal, limit: int = 500) -> tuple[tuple[str, str], ...]:
        """Service and name of the newest flags of services that may be seen."""
        return storage.names(reading.connection, principal.visible_services(), limit)

    def all_of(self, reading: Reading, service: Service, *, archived: bool = False) -> tuple[StoredFlag, ...]:
        """Whoever asks."""
        return storage.of_service(reading.connection, service, archived=archived)

    def counts(self, reading: Reading, principal: Principal) -> dict[str, int]:
        """Flags that are not archived, of each service that may be seen."""
        return storage.counts(reading.connection, principal.visible_services())

    def get(self, reading: Reading, principal: Principal, service: Service, name: str) -> StoredFlag:
        """Raises ``NotFound``."""
        principal.require_sight(service)
        return found_flag(storage.find(reading.connection, service, name), service, name)

    def settings(self, reading: Reading, flag: StoredFlag) -> tuple[StoredSetting, ...]:
        """What it serves in each environment, those included where nobody has set anything."""
        return self.settings_in(reading, flag, self._places.environments(reading, flag.service))

    def settings_in(self, reading: Reading, flag: StoredFlag, environments: Iterable[str]) -> tuple[StoredSetting, ...]:
        """The same for environments that are known already, and those that something was set for."""
        return _in_all(flag, storage.settings_of(reading.connection, flag.id), environments)

    def settings_of_all(
        self, reading: Reading, found: Iterable[StoredFlag], service: Service, environments: Iterable[str]
    ) -> list[tuple[StoredFlag, tuple[StoredSetting, ...]]]:
        """The same for many flags of a service, in one question."""
        settings = storage.settings_of_service(reading.connection, service)
        names = tuple(environments)
        return [(one, _in_all(one, settings.get(one.id, {}), names)) for one in found]

    def setting(self, reading: Reading, flag: StoredFlag, environment: str) -> StoredSetting:
        """Raises ``NotFound`` for an environment that there is not."""
        found = storage.setting(reading.connection, flag.id, environment)
        if found is None:
            self.changes.known_environment(reading, flag.service, environment)
            return _first(flag, environment)
        return found

    def history(
        self, reading: Reading, flag: StoredFlag, environment: str | None = None, *, limit: int = 100
    ) -> tuple[Version, ...]:
        """Newest first."""
        return storage.history(reading.connection, flag.id, environment, limit=limit)

    def proposals(
        self, reading: Reading, principal: Principal, *, service: Service | None = None, flag: StoredFlag | None = None
    ) -> tuple[Proposal, ...]:
        """Changes that wait for a second person, newest first."""
        visible = principal.visible_services()
        return storage.proposals_of(
            reading.connection, service=service, flag=None if flag is None else flag.id, services=visible
        )

    def proposal(self, reading: Reading, principal: Principal, proposal: str) -> Proposal:
        """Raises ``NotFound``."""
        found = storage.proposal(reading.connection, ProposalId(proposal), lock=False)
        if found is None or not principal.may(Permission.READ, found.service):
            raise no_proposal()
        return found

    def difference(self, reading: Reading, proposal: Proposal) -> tuple[str, ...]:
        """What a change of the head that waits would change, line by line; empty for every other."""
        flag = storage.find(reading.connection, proposal.service, proposal.flag)
        return () if proposal.head is None or flag is None else difference(flag.head, proposal.head)

    def ramps_of(self, reading: Reading, flag: StoredFlag) -> tuple[RampView, ...]:
        """Newest first, the last ones that have ended included."""
        found = ramp_storage.of_flag(reading.connection, flag.id)
        known = {one.id for one in found}
        # one of them may be paused for longer than all that came after it took
        older = [one for one in ramp_storage.running(reading.connection, flag=flag.id) if one.id not in known]
        return tuple(view(one) for one in (*found, *reversed(older)))

    def asked_for(self, reading: Reading, service: Service) -> dict[str, dict[str, tuple[int, datetime]]]:
        """How often each name was asked for over OFREP and when last, by name and environment."""
        return storage.asked_for(reading.connection, service)

    def environments(self, reading: Reading, service: Service) -> tuple[str, ...]:
        return self.changes.environments(reading, service)

    def needs_second_person(self, reading: Reading, service: Service, environment: str) -> bool:
        return self._places.needs_second_person(reading, service, environment)

    def pretences(self, reading: Reading, service: Service) -> dict[str, Pretence]:
        """What its environments serve instead of their own flags, by environment, while a stage's jobs run."""
        return {one.environment: one for one in pretence_storage.named(reading.connection, service=service)}

    def revisions(self, reading: Reading) -> dict[tuple[Service, str], int]:
        """The present revision of every place that has one."""
        return storage.all_revisions(reading.connection)

    def built(self, reading: Reading, service: Service, environment: str) -> Built:
        return self._documents.of(reading, service, environment)

    def document(self, reading: Reading, service: Service, environment: str) -> FlagDocument:
        return self._documents.of(reading, service, environment).told

    def share(self, reading: Reading, service: Service, environment: str, flag: str, variant: str) -> float:
        found = found_flag(storage.find(reading.connection, service, flag), service, flag)
        return reached(self.changes.current(reading, found, environment).setting, "", variant) or 0.0

    def asked_by(self, reading: Reading, flag: StoredFlag) -> frozenset[str]:
        """Flags whose prerequisite it is, in whatever environment."""
        return askers(reading, flag)


def askers(reading: Reading, flag: StoredFlag) -> frozenset[str]:
    settings = storage.settings_of_service(reading.connection, flag.service)
    return frozenset(
        one.name
        for one in storage.of_service(reading.connection, flag.service)
        for there in settings.get(one.id, {}).values()
        if any(prerequisite.flag == flag.name for prerequisite in there.setting.prerequisites)
    )


def found_flag(flag: StoredFlag | None, service: Service, name: str) -> StoredFlag:
    """Raises ``NotFound``."""
    if flag is None:
        raise NotFound(
            f"{service} has no flag {name[:100]!r}.",
            remedy=f"See those it has: andon flags list {service}; make one: andon flags create {service} NAME",
        )
    return flag


def _first(flag: StoredFlag, environment: str) -> StoredSetting:
    return StoredSetting(environment=environment, version=0, setting=Setting.first(flag.head), changed_at=None)


def _in_all(
    flag: StoredFlag, found: Mapping[str, StoredSetting], environments: Iterable[str]
) -> tuple[StoredSetting, ...]:
    names = dict.fromkeys((*environments, *sorted(found)))
    return tuple(found[name] if name in found else _first(flag, name) for name in names)


def no_proposal() -> NotFound:
    return NotFound("There is no such proposal.", remedy="See those that wait: andon flags approve")
