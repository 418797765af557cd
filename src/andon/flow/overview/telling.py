"""What of the record an overview tells: the outcomes, each in the sentence that its own room has for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from andon.flow.configuration.contract import ConfigSet, SecretSet
from andon.flow.deployments.contract import DeploymentFinished, RollbackGivenUp
from andon.flow.environments.contract import (
    EnvironmentCreated,
    EnvironmentDestroyed,
    InstanceHealthChanged,
    InstanceReplaced,
)
from andon.flow.pipelines.contract import RunContinued, RunFinished, RunRefused
from andon.flow.sources.contract import BranchDeleted, BranchPushed, RepositoryCreated
from andon.kernel.db import Reading
from andon.kernel.events import Envelope, Event, Facets, page
from andon.web.model import EventLine

TOLD: tuple[type[Event], ...] = (
    RepositoryCreated,
    BranchPushed,
    BranchDeleted,
    RunRefused,
    RunContinued,
    RunFinished,
    DeploymentFinished,
    RollbackGivenUp,
    EnvironmentCreated,
    EnvironmentDestroyed,
    InstanceHealthChanged,
    InstanceReplaced,
    ConfigSet,
    SecretSet,
)
Told = Callable[[Reading, Iterable[Envelope]], tuple[EventLine, ...]]
"""How events become lines: :meth:`andon.web.http.pages.PageContext.told`."""


def happened(reading: Reading, told: Told, wanted: Facets, limit: int) -> tuple[EventLine, ...]:
    """The newest events worth telling, newest first: one question a kind, each answered by an index."""
    found: list[Envelope] = []
    for kind in TOLD:
        facets = Facets(type=kind.type, service=wanted.service, sight=wanted.sight, since=wanted.since)
        # Instances change their health all the time; only what is bad news is told.
        found += page(reading, facets, limit=3 * limit)
    found.sort(key=lambda one: one.position, reverse=True)
    lines: list[EventLine] = []
    while found and len(lines) < limit:
        lines += (line for line in told(reading, found[:limit]) if not line.minor)
        del found[:limit]
    return tuple(lines[:limit])
