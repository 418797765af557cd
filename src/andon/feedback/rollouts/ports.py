"""What rollouts ask of telemetry, which may be away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from andon.feedback.judge.contract import Observation
from andon.feedback.rollouts.model.records import LookRecord, Watched
from andon.flow.definition.contract import Harm
from andon.flow.deployments.contract import DeploymentId
from andon.flow.environments.contract import InstanceId, SetId
from andon.flow.sources.contract import CommitHash, Service
from andon.kernel.db import Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One arm as telemetry knows it."""

    set: SetId
    commit: CommitHash
    instances: tuple[InstanceId, ...]
    requests: float = 0.0
    """That it served in the time that is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watchable:
    """What telemetry can say of a service."""

    watched: tuple[Watched, ...]
    unwatched: tuple[str, ...] = ()
    """What was asked for and is not there, each in a sentence."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What telemetry said of both arms, by metric; what it did not measure is missing."""

    canary: Mapping[str, Observation]
    baseline: Mapping[str, Observation]


class Signals(Protocol):
    """Slower than the router and further away. Times are milliseconds since 1970; all raise ``Unavailable``."""

    def watchable(
        self,
        service: Service,
        environment: str,
        baseline: Side,
        *,
        business: Sequence[str],
        watch: Mapping[str, Harm],
        now: int,
    ) -> Watchable:
        """What can be watched of the service, judged by what its live version sends."""
        ...

    def measure(
        self,
        service: Service,
        environment: str,
        watched: Sequence[Watched],
        canary: Side,
        baseline: Side,
        start: int,
        end: int,
    ) -> Measured: ...

    def history(
        self, service: Service, environment: str, set_id: SetId, *, before: int, minutes: int
    ) -> tuple[LookRecord, ...]:
        """What the router saw of a set, a look a minute, oldest first: errors and latencies, as those of a baseline.

        Offsets are negative: seconds before ``before``.
        """
        ...


class Backing(Protocol):
    """Knows who stands behind what is deployed."""

    def sees(self, reading: Reading, deployment: DeploymentId, service: Service) -> bool:
        """Whether all of them may look at a service: whoever asked for the deployment, and whoever began the run that
        built what it deploys, by a push or otherwise. What Andon does by itself is not asked about."""
        ...


class NoSignals:
    """Telemetry is off: the router alone says how a version does."""

    def watchable(
        self,
        service: Service,
        environment: str,
        baseline: Side,
        *,
        business: Sequence[str],
        watch: Mapping[str, Harm],
        now: int,
    ) -> Watchable:
        named = [*business, *watch]
        lost = (f"{', '.join(named)}: telemetry is off",) if named else ()
        return Watchable(watched=(), unwatched=lost)

    def measure(
        self,
        service: Service,
        environment: str,
        watched: Sequence[Watched],
        canary: Side,
        baseline: Side,
        start: int,
        end: int,
    ) -> Measured:
        return Measured({}, {})

    def history(
        self, service: Service, environment: str, set_id: SetId, *, before: int, minutes: int
    ) -> tuple[LookRecord, ...]:
        return ()
