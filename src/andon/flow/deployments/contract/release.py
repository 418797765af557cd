"""How upper rooms take part in a deployment: they bring a candidate to its customers, and say whether it did well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from andon.flow.definition.contract import ReleaseDefinition
from andon.flow.deployments.contract import DeploymentId
from andon.flow.environments.contract import SetId
from andon.flow.sources.contract import CommitHash, Service
from andon.kernel.db import Reading, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A version that is healthy and has passed its smoke tests, beside the one that has the traffic."""

    deployment: DeploymentId
    service: Service
    environment: str
    commit: CommitHash
    set: SetId
    former: SetId
    former_commit: CommitHash
    fence: int
    """With which the deployment holds the environment's lock, for :class:`~andon.flow.routing.contract.Router`."""
    release: ReleaseDefinition
    business: tuple[str, ...]
    """Names or patterns of the service's business metrics."""


class ReleaseEnd(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    """It did harm: all traffic is on the former set again."""
    CANCELLED = "cancelled"
    """Somebody asked for the end: all traffic is on the former set again."""
    INCONCLUSIVE = "inconclusive"
    """No harm was seen, and too little to say that there is none: only of what is confirmed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseOutcome:
    end: ReleaseEnd
    reason: str
    """A sentence for people, with the figures that it rests on."""


DOUBTED_FOR = timedelta(hours=1)
"""How long a version that nobody could confirm is looked at after its switch: later the hour is another one, and what
was before says little of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubted:
    """A version that has all traffic, and of which telemetry could not say that it is well."""

    deployment: DeploymentId
    service: Service
    environment: str
    commit: CommitHash
    set: SetId
    """That has the traffic now: it may have been put into fresh instances since."""
    former: SetId
    former_commit: CommitHash
    began_at: datetime
    """When the version got all traffic; what was before is the former one's."""
    switched_at: datetime
    """When the set did."""


class Doubts(Protocol):
    """Where telemetry says later what it could not when a deployment ended."""

    def doubted(self, reading: Reading, *, since: datetime) -> tuple[Doubted, ...]:
        """Those that got all traffic ``since`` then and still have it, where there was another version before them."""
        ...

    def confirm(self, tx: Transaction, doubted: Doubted, reason: str) -> bool:
        """It is well. False when that has been settled, or something else has the traffic by now."""
        ...

    def refute(self, tx: Transaction, doubted: Doubted, reason: str) -> str | None:
        """It does harm: a roll-back is asked for, in Andon's name; its end is the end of the deployment's way back.

        What is to be told of that: empty, or why it cannot be rolled back. ``None`` as :meth:`confirm` answers false.
        """
        ...


class Releasing(Protocol):
    """Brings a candidate to its customers.

    Both methods run inside a step of the deployment's workflow, which holds the environment's lock. They are called at
    least once: after a crash with the same candidate again, and go on where they were. Both wait as long as it takes;
    ``cancelled`` answers whether somebody asked for the end, ``interrupted`` whether Andon is about to stop: they then
    raise :class:`~andon.kernel.workflows.Interrupted`.
    """

    def release(
        self, candidate: Candidate, *, cancelled: Callable[[], bool], interrupted: Callable[[], bool]
    ) -> ReleaseOutcome:
        """Give the candidate its traffic stage by stage, as far as its last stage.

        Called when the release has stages or a mirror. Whatever the end but ``PASSED``, all traffic is on the former
        set when this returns.
        """
        ...

    def confirm(self, candidate: Candidate, *, interrupted: Callable[[], bool]) -> ReleaseOutcome:
        """Whether telemetry confirms the version that has just been given all traffic.

        ``FAILED`` leaves the traffic where it is: the deployment brings it back. Without traffic, a past or telemetry
        that could say it the answer is ``INCONCLUSIVE``, never ``PASSED``.
        """
        ...


class AtOnce:
    """Nobody takes part: all customers get a version at once, and its health alone confirms it."""

    def release(
        self, candidate: Candidate, *, cancelled: Callable[[], bool], interrupted: Callable[[], bool]
    ) -> ReleaseOutcome:
        return ReleaseOutcome(end=ReleaseEnd.PASSED, reason="nobody here can release in stages: all traffic follows")

    def confirm(self, candidate: Candidate, *, interrupted: Callable[[], bool]) -> ReleaseOutcome:
        return ReleaseOutcome(end=ReleaseEnd.PASSED, reason="")
