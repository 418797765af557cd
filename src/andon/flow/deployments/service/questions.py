"""Questions about deployments; nothing here changes anything."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import lru_cache

from andon.flow.artifacts.contract import Digest
from andon.flow.configuration.contract import Configuration
from andon.flow.definition.contract import DEFINITION_FILE, Definition, DefinitionReader, EnvironmentDefinition
from andon.flow.deployments import storage
from andon.flow.deployments.contract import (
    DeploymentId,
    DeploymentState,
    DeploymentView,
    LockView,
    Outcome,
    RollbackTarget,
    StepState,
)
from andon.flow.deployments.model import Deployment
from andon.flow.deployments.storage import doubts
from andon.flow.environments.contract import Environments, SetId, Standing
from andon.flow.pipelines.contract import Pipelines
from andon.flow.routing.contract import Router
from andon.flow.schema.contract.guarding import ContractGuard
from andon.flow.sources.contract import CommitHash, Service, Sources
from andon.kernel.access import Permission, Principal
from andon.kernel.db import Database, Reading
from andon.kernel.errors import Invalid, NotFound
from andon.kernel.events import Bell

KEPT_FOR_ROLLBACK = 5
"""How many former versions of an environment keep their artifact whatever its age."""
DEFINITIONS = 512
"""Parsed definitions that are kept in memory."""


class DeploymentQuestions:
    """The asking half of :class:`andon.flow.deployments.contract.Deployments`."""

    def __init__(
        self,
        *,
        database: Database,
        bell: Bell,
        sources: Sources,
        definitions: DefinitionReader,
        configuration: Configuration,
        environments: Environments,
        router: Router,
        pipelines: Pipelines,
    ) -> None:
        self._database = database
        self._bell = bell
        self._sources = sources
        self._definitions = definitions
        self._configuration = configuration
        self._environments = environments
        self._router = router
        self._pipelines = pipelines
        self._guards: tuple[ContractGuard, ...] = ()
        # What a commit says never changes; a page over a hundred services asks for a hundred definitions.
        self._definition = lru_cache(DEFINITIONS)(self._read_definition)

    def get(self, reading: Reading, deployment: DeploymentId) -> DeploymentView:
        found = storage.views(reading.connection, deployment=deployment)
        if not found:
            raise _no_deployment()
        return found[0]

    def seen(self, reading: Reading, principal: Principal, deployment: str) -> DeploymentView:
        """As :meth:`get`, for somebody: ``NotFound``, in the same words, also for what they may not see."""
        found = self.get(reading, DeploymentId(deployment))
        see(principal, found.service)
        return found

    def recent(
        self,
        reading: Reading,
        service: Service | None = None,
        environment: str | None = None,
        *,
        before: int | None = None,
        limit: int = 20,
    ) -> tuple[DeploymentView, ...]:
        return storage.views(reading.connection, service=service, environment=environment, before=before, limit=limit)

    def history(
        self,
        reading: Reading,
        *,
        services: Iterable[str] | None = None,
        service: Service | None = None,
        environment: str | None = None,
        states: Iterable[DeploymentState] | None = None,
        older_than: DeploymentId | None = None,
        limit: int = 20,
    ) -> tuple[DeploymentView, ...]:
        """Newest first; ``services`` is what the asker may see, ``older_than`` the last one of the page before."""
        return storage.views(
            reading.connection,
            services=services,
            service=service,
            environment=environment,
            states=states,
            older_than=older_than,
            limit=limit,
        )

    # Over all services at once: implements :class:`andon.flow.deployments.contract.DeploymentSurvey`

    def serving(self, reading: Reading, service: Service | None = None) -> tuple[DeploymentView, ...]:
        live = [place.live.id for place in self._environments.all(reading, service) if place.live is not None]
        found: dict[SetId, DeploymentView] = {}
        for view in storage.views(reading.connection, carried_by=live, limit=None) if live else ():
            # A roll-back to a warm set leaves the set with the deployment that made it; the newest one counts.
            if view.set is not None:
                found.setdefault(view.set, view)
        return tuple(found.values())

    def under_way(self, reading: Reading, service: Service | None = None) -> tuple[DeploymentView, ...]:
        open_states = [state for state in DeploymentState if not state.ended]
        found = storage.views(reading.connection, service=service, states=open_states, limit=None)
        return tuple(reversed(found))

    def outcomes(self, reading: Reading, *, since: datetime, service: Service | None = None) -> tuple[Outcome, ...]:
        return storage.outcomes(reading.connection, since, service)

    def places_with_work(self, reading: Reading) -> tuple[tuple[Service, str], ...]:
        """Services and environments with deployments that have not ended."""
        return storage.places_with_work(reading.connection)

    def unconfirmed(self, reading: Reading, among: Collection[DeploymentId]) -> Mapping[DeploymentId, StepState]:
        return doubts.unconfirmed(reading.connection, among)

    def lock(self, reading: Reading, service: Service, environment: str) -> LockView:
        return storage.lock_view(reading.connection, service, environment)

    def live(self, reading: Reading, service: Service, environment: str) -> DeploymentView | None:
        place = self._environments.find(reading, service, environment)
        return None if place is None or place.live is None else self.behind(reading, place.live.id)

    def behind(self, reading: Reading, of: SetId) -> DeploymentView | None:
        """The deployment that gave a set the traffic last."""
        found = storage.views(reading.connection, carried_by=[of], limit=1)
        return found[0] if found else None

    def rollback_targets(self, reading: Reading, service: Service, environment: str) -> tuple[RollbackTarget, ...]:
        place = self._environments.find(reading, service, environment)
        if place is None or place.live is None:
            return ()
        warm = {one.id for one in place.sets if one.standing is Standing.WARM}
        found: dict[str, RollbackTarget] = {}
        rows = storage.successes(reading.connection, service, environment)
        # with which deployment each version came here first; by number, as clocks are set back
        arrived: dict[str, int] = {}
        for row in rows:
            known, number = str(row._mapping["commit"]), int(str(row._mapping["number"]))
            arrived[known] = min(number, arrived.get(known, number))
        for row in rows:
            values = row._mapping
            commit = CommitHash(str(values["commit"]))
            if commit == place.live.commit or commit in found:
                continue
            given_up = values["given_up"]
            had = values["set"]
            found[commit] = RollbackTarget(
                set=SetId(str(had)) if had in warm else None,
                commit=commit,
                digest=Digest(str(values["digest"])),
                deployment=DeploymentId(str(values["id"])),
                refusal=None if given_up is None else str(given_up),
                newer=arrived[commit] > arrived.get(place.live.commit, arrived[commit]),
            )
        return tuple(found.values())[:KEPT_FOR_ROLLBACK]

    def await_end(self, deployment: DeploymentId, stopping: Callable[[], bool]) -> DeploymentState:
        while True:
            position = self._bell.position
            with self._database.reading() as reading:
                state = self.get(reading, deployment).state
            if state.ended or stopping():
                return state
            # The time-out covers a bell that cannot look because the database is busy.
            started = time.monotonic()
            self._bell.wait(position, 1.0)
            if self._bell.stopping and time.monotonic() - started < 0.01:
                return state

    def digests_in_use(self, reading: Reading) -> frozenset[Digest]:
        """What must stay in the artifact store: deployed, under way, or a rollback target."""
        return frozenset(Digest(one) for one in storage.digests_in_use(reading.connection, KEPT_FOR_ROLLBACK + 1))

    def definition(self, service: Service, commit: CommitHash) -> Definition:
        """The commit's definition. Raises ``NotFound`` without one, ``DefinitionInvalid`` for a faulty one."""
        return self._definition(service, commit)

    def _read_definition(self, service: Service, commit: CommitHash) -> Definition:
        source = self._sources.read(service, commit, DEFINITION_FILE)
        if source is None:
            raise NotFound(f"{commit[:7]} has no {DEFINITION_FILE}.", remedy="Write one: andon init")
        return self._definitions.read(source)

    def place(
        self, reading: Reading, service: Service, environment: str, commit: CommitHash
    ) -> EnvironmentDefinition | None:
        """What the commit says of an environment; for one made by hand, what it says of the one it is like."""
        known = self._environments.find(reading, service, environment)
        found = self.definition(service, commit).environment(known.like if known else environment)
        if found is None:
            return None
        # A port is one environment's: the one that declares it.
        return replace(found, name=environment, port=None if known is not None and known.by_hand else found.port)

    def is_meant(self, reading: Reading, service: Service, name: str) -> bool:
        """Whether the default branch has an environment of this name, though it may not have been made yet."""
        try:
            head = self._sources.resolve(service, self._sources.default_branch(reading, service))
            return self.definition(service, head).environment(name) is not None
        except (NotFound, Invalid):
            return False  # nothing there, or nothing that can be read: then nothing is deployed from it either

    def _require(self, reading: Reading, deployment: DeploymentId) -> Deployment:
        found = storage.load(reading.connection, deployment)
        if found is None:
            raise _no_deployment()
        return found

    def _require_live(self, reading: Reading, service: Service, environment: str) -> Deployment:
        live = self.live(reading, service, environment)
        if live is None:
            raise NotFound(
                f"Nothing of {service} runs in {environment}.",
                remedy=f"Deploy a build first: andon deploy {service} {environment}",
            )
        return self._require(reading, live.id)


def see(principal: Principal, service: Service) -> None:
    """Raises ``NotFound`` for a deployment of a service that may not be seen, as for one that is not there."""
    if not principal.may(Permission.READ, service):
        raise _no_deployment()


def _no_deployment() -> NotFound:
    return NotFound("There is no such deployment that you may see.", remedy="List them: andon deployments")
