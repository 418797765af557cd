"""Deployments of which telemetry could not say that they are well."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from andon.flow.deployments.contract import DeploymentId, DeploymentState, Kind, StepName, StepState
from andon.flow.deployments.storage import deployments, steps
from andon.flow.environments.contract import SetId
from andon.flow.sources.contract import CommitHash, Service


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDoubt:
    id: DeploymentId
    service: Service
    environment: str
    commit: CommitHash
    set: SetId
    former_set: SetId
    switched_at: datetime


def unconfirmed(connection: Connection, among: Collection[DeploymentId]) -> Mapping[DeploymentId, StepState]:
    """Those of which nobody could say that they are well, or which were refuted later."""
    if not among:
        return {}
    found = connection.execute(
        sa.select(steps.c.deployment, steps.c.state).where(
            steps.c.deployment.in_(sorted(among)),
            steps.c.step == StepName.CONFIRM,
            steps.c.state.in_([StepState.INCONCLUSIVE, StepState.FAILED]),
        )
    )
    return {DeploymentId(one.deployment): one.state for one in found}


def is_open(connection: Connection, deployment: DeploymentId) -> bool:
    """Whether it has not been settled how its confirmation came out."""
    state = sa.select(steps.c.state).where(steps.c.deployment == deployment, steps.c.step == StepName.CONFIRM)
    return connection.execute(state).scalar() == StepState.INCONCLUSIVE


def doubted(connection: Connection, since: datetime) -> tuple[StoredDoubt, ...]:
    """Those switched since then that nobody could confirm, where there was a version before; oldest first."""
    names = tuple(StoredDoubt.__slots__)
    rows = connection.execute(
        sa.select(*(deployments.c[name] for name in names))
        .join(steps, steps.c.deployment == deployments.c.id)
        .where(
            deployments.c.state == DeploymentState.SUCCEEDED,
            deployments.c.kind == Kind.DEPLOY,
            deployments.c.set.is_not(None),
            deployments.c.former_set.is_not(None),
            # by the index of what ended; a deployment ends right after its switch
            deployments.c.ended_at >= since,
            deployments.c.switched_at >= since,
            steps.c.step == StepName.CONFIRM,
            steps.c.state == StepState.INCONCLUSIVE,
        )
        .order_by(deployments.c.id)
    )
    return tuple(StoredDoubt(**row._mapping) for row in rows)


def settle(connection: Connection, deployment: DeploymentId, state: StepState, reason: str) -> None:
    """Say how the confirmation came out after all; the step's times stay."""
    here = sa.and_(steps.c.deployment == deployment, steps.c.step == StepName.CONFIRM)
    connection.execute(steps.update().where(here).values(state=state, reason=reason))
