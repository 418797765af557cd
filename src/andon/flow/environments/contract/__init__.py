"""What others may know of environments: where versions run, as sets of instances made from a definition."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, NewType, Protocol

from andon.flow.artifacts.contract import Digest
from andon.flow.configuration.contract import ConfigVersion
from andon.flow.definition.contract import EnvironmentDefinition
from andon.flow.sources.contract import CommitHash, Service
from andon.kernel.access import Principal
from andon.kernel.events import Actor, Event, event

if TYPE_CHECKING:  # the command line shows what is told here, and knows no database
    from andon.kernel.db import Reading, Transaction

SetId = NewType("SetId", str)
InstanceId = NewType("InstanceId", str)

LONGEST_LIFE = 90 * 24 * 3600.0
"""Seconds that somebody can give an environment from now on, when they make it and each time they extend it."""


class Standing(StrEnum):
    """What a set of instances is for, as the deployments see it."""

    CANDIDATE = "candidate"
    LIVE = "live"
    WARM = "warm"
    """Runs without traffic: the switch back is instant."""
    QUARANTINED = "quarantined"
    """Runs without traffic after production refused it, so that somebody can look; nobody goes back to it."""
    RETIRED = "retired"


class SetState(StrEnum):
    STARTING = "starting"
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    """Some instances are not healthy."""
    FAILED = "failed"
    STOPPED = "stopped"


class Health(StrEnum):
    UNKNOWN = "unknown"
    STARTING = "starting"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    STOPPED = "stopped"


HEALTH_WORDS: Mapping[Health, str] = {
    Health.UNKNOWN: "not started",
    Health.STARTING: "starting",
    Health.HEALTHY: "healthy",
    Health.UNHEALTHY: "not healthy",
    Health.STOPPED: "stopped",
}


class ReplacementReason(StrEnum):
    DRIFT = "drift"
    UNHEALTHY = "unhealthy"
    LOST = "lost"
    """Its process was gone: a crash of the machine, or somebody ended its keeper."""
    REBUILD = "rebuild"


@event("dev.andon.environment.created.v1", subject="environment", cdevents="dev.cdevents.environment.created.0.3.0")
@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentCreated(Event):
    """An environment has a port and a folder for its data from now on."""

    environment: str
    service: Service
    port: int
    expires_at: datetime | None


@event("dev.andon.environment.destroyed.v1", subject="environment", cdevents="dev.cdevents.environment.deleted.0.3.0")
@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentDestroyed(Event):
    """An environment is gone with its instances and its data; what happened in it stays in the record."""

    environment: str
    service: Service
    reason: str


@event("dev.andon.environment.extended.v1", subject="environment")
@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentExtended(Event):
    """Somebody gave an environment more time to live."""

    environment: str
    service: Service
    expires_at: datetime
    expired_at: datetime
    """When it would have ended."""


@event("dev.andon.set.prepared.v1", subject="set")
@dataclass(frozen=True, slots=True, kw_only=True)
class SetPrepared(Event):
    """A set of instances is to be made of an artifact and a version of the configuration."""

    set: SetId
    service: Service
    environment: str
    deployment: str
    commit: CommitHash
    digest: Digest
    config_version: int


@event("dev.andon.set.standing-changed.v1", subject="set")
@dataclass(frozen=True, slots=True, kw_only=True)
class SetStandingChanged(Event):
    """A set changed its part: candidate, live, warm or retired."""

    set: SetId
    service: Service
    environment: str
    standing: Standing
    reason: str


@event("dev.andon.instance.health-changed.v1", subject="instance")
@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceHealthChanged(Event):
    """An instance became healthy or ceased to be."""

    instance: InstanceId
    set: SetId
    service: Service
    environment: str
    health: Health
    reason: str


@event("dev.andon.instance.replaced.v1", subject="instance")
@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceReplaced(Event):
    """An instance was ended and another one made from the same definition took its place."""

    instance: InstanceId
    set: SetId
    service: Service
    environment: str
    reason: ReplacementReason
    details: str


@event("dev.andon.instance.replacement-requested.v1", subject="instance")
@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceReplacementRequested(Event):
    """Somebody asked for an instance to be replaced."""

    instance: InstanceId
    set: SetId
    service: Service
    environment: str


@event("dev.andon.instance.restarted.v1", subject="instance")
@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceRestarted(Event):
    """Its program ended by itself and was started again by its keeper, which waits longer each time."""

    instance: InstanceId
    set: SetId
    service: Service
    environment: str
    times: int
    """How often since the last such event."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSpec:
    """What a set of instances is made of."""

    service: Service
    environment: str
    deployment: str
    commit: CommitHash
    digest: Digest
    config_version: ConfigVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceView:
    id: InstanceId
    process: str
    number: int
    health: Health
    reason: str
    restarts: int
    """How often it was started again, by its keeper or by being replaced."""
    since: datetime | None
    endpoint: str
    """``unix:/…`` or ``127.0.0.1:port``; empty for a process that is not routed. Changes when it is replaced."""
    log: Path
    """Folder of its output since it was last replaced, for :mod:`andon.kernel.logs`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetView:
    id: SetId
    service: Service
    environment: str
    deployment: str
    commit: CommitHash
    digest: Digest
    config_version: ConfigVersion
    standing: Standing
    state: SetState
    created_at: datetime
    instances: tuple[InstanceView, ...]
    drift: str = ""
    """How its package on the disk differs from the one that was deployed, until that is mended."""

    @property
    def condition(self) -> SetState:
        """Its state as it matters: what has the traffic and is stopped has failed, what has none was put away."""
        stopped = self.state is SetState.STOPPED and self.standing is Standing.LIVE
        return SetState.FAILED if stopped else self.state

    @property
    def says(self) -> str:
        """Its health in two or three words: "healthy", "1 of 2 healthy"."""
        match self.state:
            case SetState.DEGRADED:
                healthy = sum(one.health is Health.HEALTHY for one in self.instances)
                return f"{healthy} of {len(self.instances)} healthy"
            case SetState.FAILED:
                return "not healthy"
            case _:
                return self.state.value


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentView:
    service: Service
    name: str
    port: int
    address: str
    """Where the router serves it, such as ``http://127.0.0.1:7801``."""
    like: str
    """Name of the environment in ``andon.yaml`` it is made from; its own name unless somebody made it by hand."""
    created_at: datetime
    expires_at: datetime | None
    sets: tuple[SetView, ...]
    """Live first, then candidate, warm; retired ones are left out."""

    @property
    def by_hand(self) -> bool:
        """Whether somebody made it for themselves, so that no run makes it again once it has gone."""
        return self.like != self.name

    @property
    def live(self) -> SetView | None:
        return next((one for one in self.sets if one.standing is Standing.LIVE), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandOutcome:
    """How a migration, smoke test or clean-up ended."""

    exit_code: int | None
    """``None`` when it was ended by a signal or its time was over."""
    timed_out: bool
    seconds: float
    log: Path
    """Folder of its output, for :mod:`andon.kernel.logs`."""

    @property
    def passed(self) -> bool:
        return self.exit_code == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthReport:
    healthy: bool
    reason: str
    """Empty when healthy; else which instance and why, with its last lines of log."""


class Environments(Protocol):
    """Makes and runs environments. Methods without a transaction have effects; all of them are safe to repeat."""

    def ensure(
        self,
        tx: Transaction,
        principal: Principal,
        service: Service,
        definition: EnvironmentDefinition,
        *,
        like: str | None = None,
    ) -> EnvironmentView:
        """The environment, made if it is not there: its port, and its end if it has a time to live.

        ``definition`` bears the environment's own name; ``like`` is the one in ``andon.yaml`` it is made from, for
        an environment somebody makes by hand. Raises ``Forbidden``, ``Invalid`` for a name that is none, and
        ``Conflict`` or ``Unavailable`` when its port cannot be had.
        """
        ...

    def remove(self, tx: Transaction, service: Service, name: str, *, reason: str, by: Actor) -> None:
        """Record that the environment is gone; its sets must be retired and stopped, its route withdrawn.

        Raises ``Conflict`` while a set of it is not retired.
        """
        ...

    def remove_data(self, service: Service, name: str) -> None:
        """Remove the data folder of an environment that is gone."""
        ...

    def expired(self, reading: Reading) -> tuple[tuple[Service, str], ...]:
        """Environments whose time is over, as far as one can tell without a lock: ask :meth:`is_over` before acting."""
        ...

    def is_over(self, tx: Transaction, service: Service, name: str) -> bool:
        """Whether its time is over. Until the transaction ends, nobody can give it more."""
        ...

    def find(self, reading: Reading, service: Service, name: str) -> EnvironmentView | None: ...

    def all(self, reading: Reading, service: Service | None = None) -> tuple[EnvironmentView, ...]: ...

    def set(self, reading: Reading, set_id: SetId) -> SetView:
        """Raises ``NotFound``."""
        ...

    def retired_running(self, reading: Reading, service: Service, name: str) -> tuple[SetId, ...]:
        """Retired sets that have not been stopped yet."""
        ...

    def prepare(self, tx: Transaction, spec: SetSpec) -> SetId:
        """Record a candidate set; the same deployment gets the same set again."""
        ...

    def start(self, set_id: SetId) -> None:
        """Unpack the package and start the instances."""
        ...

    def await_healthy(self, set_id: SetId, stopping: Callable[[], bool]) -> HealthReport:
        """Wait until every instance is healthy or one cannot become so within its time."""
        ...

    def probe(self, set_id: SetId) -> HealthReport:
        """Ask every instance now; one that does not answer is asked again, as often as its health allows."""
        ...

    def run_command(
        self,
        set_id: SetId,
        *,
        key: str,
        command: str,
        timeout: float,
        variables: Mapping[str, str],
        stopping: Callable[[], bool],
    ) -> CommandOutcome:
        """Run a command in the set's package, sandboxed like its instances, with their configuration and data folder.

        ``key`` names it within the set; a repeated call runs it again with a log of its own attempt. The
        variable ``ANDON_URL`` leads to one of the set's routed instances.
        """
        ...

    def mark(self, tx: Transaction, set_id: SetId, standing: Standing, *, reason: str) -> None:
        """Record what the set is for from now on."""
        ...

    def stop(self, set_id: SetId) -> None:
        """End the instances of a retired set and remove its files; its logs stay."""
        ...
