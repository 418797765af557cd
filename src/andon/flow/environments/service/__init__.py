"""What is recorded of environments, sets and instances. Transactions come from outside; nothing here has effects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from andon.flow.definition.contract import DEFINITION_FILE, DefinitionReader, EnvironmentDefinition
from andon.flow.environments import storage
from andon.flow.environments.contract import (
    EnvironmentCreated,
    EnvironmentDestroyed,
    EnvironmentView,
    Health,
    InstanceHealthChanged,
    InstanceId,
    InstanceReplaced,
    InstanceReplacementRequested,
    InstanceRestarted,
    InstanceView,
    ReplacementReason,
    SetId,
    SetPrepared,
    SetSpec,
    SetStandingChanged,
    SetState,
    SetView,
    Standing,
)
from andon.flow.environments.model import (
    Instance,
    InstanceSet,
    SetDefinition,
    StillInUse,
    check_endpoint,
    check_name,
    state_of,
    wanted,
)
from andon.flow.environments.service.ends import EnvironmentEnds
from andon.flow.environments.service.ports import RouterPorts
from andon.flow.sources.contract import Service, Sources
from andon.kernel.access import Permission, Principal
from andon.kernel.db import Reading, Transaction
from andon.kernel.errors import NotFound
from andon.kernel.events import ANDON, Actor, append
from andon.kernel.ids import new_id

_ORDER = {Standing.LIVE: 0, Standing.CANDIDATE: 1, Standing.WARM: 2, Standing.QUARANTINED: 3, Standing.RETIRED: 4}


class EnvironmentService(EnvironmentEnds):
    """The recorded half of :class:`andon.flow.environments.contract.Environments`."""

    def __init__(
        self,
        *,
        sources: Sources,
        definitions: DefinitionReader,
        first_port: int,
        last_port: int,
        host: str,
        endpoint: Callable[[InstanceSet, Instance], str],
        log: Callable[[InstanceSet, Instance], Path],
        port_is_free: Callable[[str, int], bool],
    ) -> None:
        self._sources = sources
        self._definitions = definitions
        self._ports = RouterPorts(first_port, last_port, host, port_is_free)
        self._host = host
        self._endpoint = endpoint
        self._log = log

    # Environments

    def ensure(
        self,
        tx: Transaction,
        principal: Principal,
        service: Service,
        definition: EnvironmentDefinition,
        *,
        like: str | None = None,
    ) -> EnvironmentView:
        check_name(definition.name)
        known = storage.environment(tx.connection, service, definition.name)
        if known is None:
            permission = Permission.DEPLOY if like is None else Permission.CREATE_ENVIRONMENT
            principal.require(permission, service, definition.name)
            self._create(tx, principal, service, definition, like or definition.name)
        elif definition.port is not None and known._mapping["port"] != definition.port:
            port = self._ports.choose(tx, service, definition)
            storage.update_environment(tx.connection, service, definition.name, port=port)
        found = self.find(tx, service, definition.name)
        assert found is not None  # noqa: S101 - it was there or has just been made
        return found

    def _create(
        self, tx: Transaction, principal: Principal, service: Service, definition: EnvironmentDefinition, like: str
    ) -> None:
        lives = definition.time_to_live
        expires_at = None if lives is None else tx.now + timedelta(seconds=lives)
        while storage.environment(tx.connection, service, definition.name) is None:
            # Again when another transaction has taken the port in the meantime.
            port = self._ports.choose(tx, service, definition)
            if storage.insert_environment(
                tx.connection,
                service=service,
                name=definition.name,
                like=like,
                port=port,
                created_at=tx.now,
                created_by=str(principal.actor),
                expires_at=expires_at,
            ):
                append(
                    tx,
                    EnvironmentCreated(environment=definition.name, service=service, port=port, expires_at=expires_at),
                    by=principal.actor,
                )

    def remove(self, tx: Transaction, service: Service, name: str, *, reason: str, by: Actor) -> None:
        if storage.has_standing(tx.connection, service, name):
            raise StillInUse(
                f"{service}/{name} still has versions that run.",
                safe="Nothing was changed.",
                remedy="Retire them first; andon env destroy does both.",
            )
        if storage.delete_environment(tx.connection, service, name):
            append(tx, EnvironmentDestroyed(environment=name, service=service, reason=reason), by=by)

    def find(self, reading: Reading, service: Service, name: str) -> EnvironmentView | None:
        return next((one for one in self.all(reading, service) if one.name == name), None)

    def services(self, reading: Reading) -> tuple[Service, ...]:
        """Every service there is, with environments or without."""
        return self._sources.services(reading)

    def all(self, reading: Reading, service: Service | None = None) -> tuple[EnvironmentView, ...]:
        views: dict[tuple[str, str], list[SetView]] = {}
        standing = storage.standing_sets(reading.connection, service)
        members: dict[SetId, list[Instance]] = {one.id: [] for one in standing}
        for instance in storage.instances_of_sets(reading.connection, members):
            members[instance.set].append(instance)
        for one in standing:
            views.setdefault((one.service, one.environment), []).append(self._view(one, tuple(members[one.id])))
        found: list[EnvironmentView] = []
        for row in storage.all_environments(reading.connection, service):
            values = row._mapping
            own = views.get((str(values["service"]), str(values["name"])), [])
            own.sort(key=lambda view: _ORDER[view.standing])
            found.append(
                EnvironmentView(
                    service=values["service"],
                    name=values["name"],
                    port=values["port"],
                    address=f"http://{self._host}:{values['port']}",
                    like=values["like"],
                    created_at=values["created_at"],
                    expires_at=values["expires_at"],
                    sets=tuple(own),
                )
            )
        return tuple(found)

    # Sets

    def set(self, reading: Reading, set_id: SetId) -> SetView:
        found = self.require_set(reading, set_id)
        return self._view(found, storage.instances_of(reading.connection, set_id))

    def prepare(self, tx: Transaction, spec: SetSpec) -> SetId:
        known = storage.set_of_deployment(tx.connection, spec.deployment)
        if known is not None:
            return known
        place = storage.environment(tx.connection, spec.service, spec.environment)
        if place is None:
            raise NotFound(f"There is no environment {spec.service}/{spec.environment}.")
        definition = self._set_definition(spec, str(place._mapping["like"]))
        made = InstanceSet(
            id=SetId(new_id("set")),
            service=spec.service,
            environment=spec.environment,
            deployment=spec.deployment,
            commit=spec.commit,
            digest=spec.digest,
            config_version=spec.config_version,
            standing=Standing.CANDIDATE,
            state=SetState.STARTING,
            definition=definition,
            unpacked=0,
            drift="",
            created_at=tx.now,
            stopped_at=None,
        )
        storage.insert_set(tx.connection, made)
        storage.insert_instances(
            tx.connection,
            (
                Instance(
                    id=InstanceId(new_id("in")),
                    set=made.id,
                    process=process.name,
                    number=number,
                    health=Health.UNKNOWN,
                    reason="",
                    since=tx.now,
                    restarts=0,
                    earlier=0,
                    life=1,
                    port=None,
                    rebuild=False,
                )
                for process, count in wanted(definition)
                for number in range(1, count + 1)
            ),
        )
        for one in storage.instances_of(tx.connection, made.id):
            check_endpoint(one.process, self._endpoint(made, one))
        append(
            tx,
            SetPrepared(
                set=made.id,
                service=spec.service,
                environment=spec.environment,
                deployment=spec.deployment,
                commit=spec.commit,
                digest=spec.digest,
                config_version=spec.config_version,
            ),
            by=ANDON,
        )
        return made.id

    def mark(self, tx: Transaction, set_id: SetId, standing: Standing, *, reason: str) -> None:
        found = self.require_set(tx, set_id)
        if found.standing is standing:
            return
        storage.update_set(tx.connection, set_id, standing=standing)
        append(
            tx,
            SetStandingChanged(
                set=set_id,
                service=found.service,
                environment=found.environment,
                standing=standing,
                reason=reason,
            ),
            by=ANDON,
        )

    def retired_running(self, reading: Reading, service: Service, name: str) -> tuple[SetId, ...]:
        return storage.retired_running(reading.connection, service, name)

    def all_retired_running(self, reading: Reading) -> tuple[SetId, ...]:
        return storage.retired_running(reading.connection)

    def standing_sets(self, reading: Reading) -> tuple[InstanceSet, ...]:
        return storage.standing_sets(reading.connection)

    def note_unpacked(self, tx: Transaction, set_id: SetId, count: int) -> None:
        """Its package was unpacked again, which mends whatever had drifted."""
        storage.update_set(tx.connection, set_id, unpacked=count, drift="")

    def note_drift(self, tx: Transaction, set_id: SetId, told: str) -> None:
        storage.update_set(tx.connection, set_id, drift=told)

    def note_stopped(self, tx: Transaction, set_id: SetId) -> None:
        if self.require_set(tx, set_id).stopped_at is not None:
            return
        storage.update_set(tx.connection, set_id, state=SetState.STOPPED, stopped_at=tx.now)
        for instance in storage.instances_of(tx.connection, set_id):
            storage.update_instance(
                tx.connection, instance.id, health=Health.STOPPED, reason="", since=tx.now, rebuild=False
            )

    def require_set(self, reading: Reading, set_id: SetId) -> InstanceSet:
        """Raises ``NotFound``."""
        found = storage.load_set(reading.connection, set_id)
        if found is None:
            raise NotFound("There is no such set of instances.", remedy="See what runs: andon env")
        return found

    # Instances

    def instances(self, reading: Reading, set_id: SetId) -> tuple[Instance, ...]:
        return storage.instances_of(reading.connection, set_id)

    def instance(self, reading: Reading, instance: InstanceId) -> tuple[Instance, InstanceSet]:
        """Raises ``NotFound``."""
        found = storage.load_instance(reading.connection, instance)
        if found is None:
            raise NotFound("There is no such instance.", remedy="See what runs: andon env")
        return found, self.require_set(reading, found.set)

    def definition_here(self, owner: InstanceSet) -> EnvironmentDefinition:
        """The definition a set was made from, under the name of the environment it runs in."""
        return replace(owner.definition.environment, name=owner.environment)

    def note_health(self, tx: Transaction, instance: InstanceId, health: Health, reason: str) -> bool:
        """Record an instance's health; an event only when it changed. Whether it did."""
        before, owner = self.instance(tx, instance)
        if before.health is health:
            return False
        storage.update_instance(tx.connection, instance, health=health, reason=reason, since=tx.now)
        append(
            tx,
            InstanceHealthChanged(
                instance=instance,
                set=before.set,
                service=owner.service,
                environment=owner.environment,
                health=health,
                reason=reason,
            ),
            by=ANDON,
        )
        self._note_state(tx, before.set)
        return True

    def note_restarts(self, tx: Transaction, instance: InstanceId, by_keeper: int, reason: str) -> None:
        """Record how often its present keeper has started it again."""
        before, owner = self.instance(tx, instance)
        times = before.earlier + by_keeper - before.restarts
        if times <= 0:
            return
        storage.update_instance(tx.connection, instance, restarts=before.restarts + times)
        append(
            tx,
            InstanceRestarted(
                instance=instance,
                set=before.set,
                service=owner.service,
                environment=owner.environment,
                times=times,
                reason=reason,
            ),
            by=ANDON,
        )

    def note_replaced(
        self, tx: Transaction, instance: InstanceId, reason: ReplacementReason, details: str, *, starting: bool = True
    ) -> None:
        """Record that an instance has a new keeper; ``starting`` unless it is known to be healthy already."""
        before, owner = self.instance(tx, instance)
        append(
            tx,
            InstanceReplaced(
                instance=instance,
                set=owner.id,
                service=owner.service,
                environment=owner.environment,
                reason=reason,
                details=details,
            ),
            by=ANDON,
        )
        count = before.restarts + 1
        storage.update_instance(tx.connection, instance, restarts=count, earlier=count, rebuild=False)
        if starting:
            storage.update_instance(tx.connection, instance, health=Health.STARTING, reason=details, since=tx.now)
            self._note_state(tx, owner.id)

    def begin_life(self, tx: Transaction, instance: InstanceId, life: int, port: int | None) -> None:
        """From now on the instance is its life number ``life``."""
        storage.update_instance(tx.connection, instance, life=life, port=port)

    def give_up_rebuild(self, tx: Transaction, instance: InstanceId, reason: str) -> None:
        """Leave an instance whose replacement somebody asked for as it is, and say why."""
        storage.update_instance(tx.connection, instance, rebuild=False, reason=reason)

    def request_replacement(self, tx: Transaction, principal: Principal, instance: InstanceId) -> InstanceView:
        """Have an instance replaced; the worker does it. Raises ``NotFound``, ``Forbidden``, ``Conflict``."""
        found, owner = self.instance(tx, instance)
        principal.require_sight(owner.service)
        principal.require(Permission.DEPLOY, owner.service, owner.environment)
        if owner.standing not in {Standing.LIVE, Standing.WARM}:
            raise StillInUse(
                f"{found.process} {found.number} belongs to a {owner.standing.value} version.",
                safe="Nothing was changed.",
                remedy="Its deployment looks after it; only live and warm versions have their instances replaced.",
            )
        if not found.rebuild:
            storage.update_instance(tx.connection, instance, rebuild=True)
            append(
                tx,
                InstanceReplacementRequested(
                    instance=instance, set=owner.id, service=owner.service, environment=owner.environment
                ),
                by=principal.actor,
            )
        view = self._view(owner, storage.instances_of(tx.connection, owner.id))
        return next(one for one in view.instances if one.id == instance)

    # Inside

    def _note_state(self, tx: Transaction, set_id: SetId) -> None:
        storage.update_set(tx.connection, set_id, state=state_of(storage.instances_of(tx.connection, set_id)))

    def _view(self, found: InstanceSet, members: tuple[Instance, ...]) -> SetView:
        routed = {process.name for process in found.definition.processes if process.routed}
        return SetView(
            id=found.id,
            service=found.service,
            environment=found.environment,
            deployment=found.deployment,
            commit=found.commit,
            digest=found.digest,
            config_version=found.config_version,
            standing=found.standing,
            state=found.state,
            created_at=found.created_at,
            instances=tuple(
                InstanceView(
                    id=one.id,
                    process=one.process,
                    number=one.number,
                    health=one.health,
                    reason=one.reason,
                    restarts=one.restarts,
                    since=one.since,
                    endpoint=self._endpoint(found, one) if one.process in routed else "",
                    log=self._log(found, one),
                )
                for one in members
            ),
            drift=found.drift,
        )

    def _set_definition(self, spec: SetSpec, like: str) -> SetDefinition:
        source = self._sources.read(spec.service, spec.commit, DEFINITION_FILE)
        if source is None:
            raise NotFound(f"{spec.commit[:7]} has no {DEFINITION_FILE}.", remedy="Write one: andon init")
        definition = self._definitions.read(source)
        place = definition.environment(like)
        if place is None:
            raise NotFound(
                f"{DEFINITION_FILE} at {spec.commit[:7]} has no environment {like!r}.",
                remedy=f"Add it under environments in {DEFINITION_FILE}.",
            )
        return SetDefinition(processes=definition.processes, environment=place)
