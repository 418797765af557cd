"""The rules of environments and instances, as values."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from andon.flow.artifacts.contract import Digest
from andon.flow.configuration.contract import ConfigVersion
from andon.flow.definition.contract import EnvironmentDefinition, HealthDefinition, ProcessDefinition
from andon.flow.environments.contract import LONGEST_LIFE, Health, InstanceId, SetId, SetState, Standing
from andon.flow.environments.contract.equipment import version_of
from andon.flow.sources.contract import CommitHash, Service
from andon.kernel.errors import Conflict, Invalid, Unavailable
from andon.kernel.sockets import LONGEST_PATH


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
    drift: str
    """What :mod:`andon.flow.environments.package` found and nobody has mended yet; empty is nothing."""
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
    """All of them, those by earlier keepers included."""
    earlier: int
    """Of these, the restarts before its present keeper began to count."""
    life: int
    """Grows when it is replaced beside itself: the next life has its own keeper, sockets and log."""
    port: int | None
    """On the machine's loopback, for a process that shares the machine's network."""
    rebuild: bool
    """Somebody asked for it to be replaced, and that has not been done yet."""

    @property
    def keeper(self) -> str:
        """Its keeper's id."""
        return f"{self.id}.{self.life}"


class NoPortFree(Unavailable):
    code = "environments.no_port_free"


class PortTaken(Conflict):
    code = "environments.port_taken"


class StillInUse(Conflict):
    code = "environments.still_in_use"


class NoEnd(Conflict):
    code = "environments.no_end"


class TimeOver(Conflict):
    code = "environments.time_over"


class EndMoved(Conflict):
    code = "environments.end_moved"


class TooFarAhead(Invalid):
    code = "environments.too_far_ahead"


class SocketTooLong(Invalid):
    code = "environments.socket_too_long"


class NameInvalid(Invalid):
    code = "environments.name_invalid"


_NAME = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")


def check_name(name: str) -> None:
    """Raises :class:`NameInvalid`. A name becomes part of paths, of Envoy's files and of addresses."""
    if not _NAME.fullmatch(name):
        raise NameInvalid(
            f"{name[:80]!r} is no name for an environment.",
            safe="Nothing was made.",
            remedy="Use small letters, digits and dashes, at most 40, beginning with a letter.",
        )


def extended(ends: datetime | None, by: timedelta, now: datetime, *, name: str) -> datetime:
    """When an environment ends that is given more time.

    Raises :class:`NoEnd` for one that stays anyway, :class:`TimeOver` for one that is about to be taken away, and
    :class:`TooFarAhead` when that is more than :data:`LONGEST_LIFE` from now.
    """
    if ends is None:
        raise NoEnd(
            f"{name} has no time to live: it stays until somebody destroys it.",
            safe="Nothing was changed.",
            remedy="There is nothing to extend.",
        )
    if ends <= now:
        raise TimeOver(
            f"The time of {name} was over at {ends:%Y-%m-%d %H:%M} UTC; it is being taken away.",
            safe="Nothing was changed.",
            remedy="Make another one, with a longer time: andon env create … --ttl 2d",
        )
    latest = now + timedelta(seconds=LONGEST_LIFE)
    if ends + by > latest:
        raise TooFarAhead(
            f"{name} would live until {ends + by:%Y-%m-%d}, more than {LONGEST_LIFE / 86400:.0f} days from now.",
            safe=f"It ends at {ends:%Y-%m-%d %H:%M} UTC, as before.",
            remedy="Choose a shorter time. It can be extended again later.",
        )
    return ends + by


def check_endpoint(process: str, endpoint: str) -> None:
    """Raises :class:`SocketTooLong` for a socket that nobody could connect to."""
    path = endpoint.removeprefix("unix:")
    if endpoint != path and len(os.fsencode(path)) > LONGEST_PATH:
        raise SocketTooLong(
            f"The socket of {process} would lie at {path}, which is longer than {LONGEST_PATH} bytes.",
            safe="Nothing was started.",
            remedy=f"Give run.{process}.socket a shorter name, or Andon a shorter data directory.",
        )


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


LONGEST_PAUSE = 300.0
_STEADY = 600.0


@dataclass(slots=True)
class Watched:
    """What the watch remembers of one instance between two looks. Moments are of the monotonic clock, in s."""

    since: float
    """When its present health began."""
    failures: int = 0
    answers: int = 0
    pause: float = 0.0
    """How long to leave it alone after the next attempt to mend it: nothing at first, then longer each time."""
    mend_at: float = 0.0

    def judge(self, before: Health, *, answered: bool, health: HealthDefinition, now: float) -> Health | None:
        """Its new health, or ``None`` while there is no reason to think otherwise than before.

        One that is starting has its time; one that was healthy may miss some probes; one that was not has to
        answer as many in a row before it is believed.
        """
        self.failures = 0 if answered else self.failures + 1
        self.answers = self.answers + 1 if answered else 0
        match before:
            case Health.HEALTHY:
                found = Health.UNHEALTHY if self.failures >= health.failures else None
                if now - self.since > _STEADY:
                    self.pause = 0.0
            case Health.UNHEALTHY:
                found = Health.HEALTHY if self.answers >= health.failures else None
            case _:
                found = Health.HEALTHY if answered else Health.UNHEALTHY if now - self.since > health.within else None
        if found is not None:
            self.since = now
        return found

    def may_mend(self, now: float) -> bool:
        return now >= self.mend_at

    def mended(self, now: float) -> None:
        """It is being started anew; the next attempt waits longer."""
        self.mend_at = now + self.pause
        self.pause = min(LONGEST_PAUSE, max(5.0, self.pause * 2))
        self.since = now
        self.failures = self.answers = 0


def base_variables(found: InstanceSet) -> Mapping[str, str]:
    """Variables that every process and command of a set sees."""
    return {
        "ANDON_SERVICE": found.service,
        "ANDON_ENVIRONMENT": found.environment,
        "ANDON_COMMIT": found.commit,
        "ANDON_VERSION": version_of(found.commit),
        "ANDON_DATA": "/data",
    }
