"""The rules of environments and instances, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from andon.flow.artifacts.contract import Digest
from andon.flow.configuration.contract import ConfigVersion
from andon.flow.definition.contract import EnvironmentDefinition, ProcessDefinition
from andon.flow.environments.contract import Health, InstanceId, SetId, SetState, Standing
from andon.flow.sources.contract import CommitHash, Service
from andon.kernel.errors import Conflict, Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class SetDefinition:
    """What of ``andon.yaml`` a set was made from, as it was at its commit."""

    processes: tuple[ProcessDefinition, ...]
    environment: EnvironmentDefinition


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceSet:
    id: SetId
    service: Service
    environment: str
    deployment: str
    commit: CommitHash
    digest: Digest
    config_version: ConfigVersion
    standing: Standing
    state: SetState
    definition: SetDefinition
    unpacked: int
    """Counts how often the package was unpacked for it; drift makes it grow."""
    created_at: datetime
    stopped_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    id: InstanceId
    set: SetId
    process: str
    number: int
    health: Health
    reason: str
    since: datetime
    restarts: int
    port: int | None
    """On the machine's loopback, for a process that shares the machine's network."""


class NoPortFree(Unavailable):
    code = "environments.no_port_free"


class PortTaken(Conflict):
    code = "environments.port_taken"


class NoSuchInstance(Conflict):
    code = "environments.no_such_instance"


def wanted(definition: SetDefinition) -> tuple[tuple[ProcessDefinition, int], ...]:
    """Each process with how many instances of it there should be: one, unless the environment says otherwise."""
    return tuple((process, definition.environment.instances.get(process.name, 1)) for process in definition.processes)


def state_of(instances: Sequence[Instance]) -> SetState:
    """What the health of its instances makes of a set."""
    found = {one.health for one in instances}
    if not found or found == {Health.STOPPED}:
        return SetState.STOPPED
    if found == {Health.HEALTHY}:
        return SetState.HEALTHY
    if Health.UNHEALTHY in found or Health.STOPPED in found:
        return SetState.DEGRADED if Health.HEALTHY in found else SetState.FAILED
    return SetState.STARTING


def base_variables(found: InstanceSet) -> Mapping[str, str]:
    """Variables that every process and command of a set sees."""
    return {
        "ANDON_SERVICE": found.service,
        "ANDON_ENVIRONMENT": found.environment,
        "ANDON_COMMIT": found.commit,
        "ANDON_DATA": "/data",
    }
