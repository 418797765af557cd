"""Deployments of which telemetry could not say that they are well."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from andon.flow.deployments.contract import DeploymentId, DeploymentState, Kind, StepName, StepState
from andon.flow.deployments.model import is_same_again
from andon.flow.deployments.storage import deployments, steps
from andon.flow.environments.contract import SetId
from andon.flow.sources.contract import CommitHash, Service


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDoubt:
    """A version that nobody could confirm, with what only put it into fresh instances since."""

    id: DeploymentId
    """That brought it."""
    service: Service
    environment: str
    commit: CommitHash
    former_set: SetId
    began_at: datetime
    set: SetId
    """Its newest one."""
    switched_at: datetime
    among: tuple[DeploymentId, ...]
    """Those that are not confirmed with it, itself among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Served:
    """A deployment that got all traffic, and how its confirmation came out."""

    id: DeploymentId
    service: Service
    environment: str
    kind: Kind
    commit: CommitHash
    set: SetId
    former_set: SetId | None
    switched_at: datetime
    confirmed: StepState


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


def doubted(
    connection: Connection, since: datetime, place: tuple[Service, str] | None = None
) -> tuple[StoredDoubt, ...]:
    """Versions that got all traffic since then, that no other has followed, that nobody could confirm, and that came
    after another; ``place`` is a service and one of its environments."""
    plain = [deployments.c[name] for name in _Served.__slots__ if name != "confirmed"]
    query = (
        sa.select(*plain, steps.c.state.label("confirmed"))
        .join(steps, sa.and_(steps.c.deployment == deployments.c.id, steps.c.step == StepName.CONFIRM))
        .where(
            deployments.c.state == DeploymentState.SUCCEEDED,
            deployments.c.kind != Kind.CONTRACT,
            # those of an environment that was destroyed are given up
            deployments.c.given_up.is_(None),
            # by the index of what ended; a deployment ends right after its switch
            deployments.c.ended_at >= since,
            deployments.c.switched_at >= since,
        )
    )
    if place is not None:
        query = query.where(deployments.c.service == place[0], deployments.c.environment == place[1])
    places: dict[tuple[Service, str], list[_Served]] = {}
    for row in connection.execute(query.order_by(deployments.c.number)):
        one = _Served(**row._mapping)
        served = places.setdefault((one.service, one.environment), [])
        if served and not is_same_again(one.kind, one.commit, served[-1].commit):
            served.clear()
        served.append(one)
    found = (_doubt(served) for served in places.values())
    return tuple(sorted((one for one in found if one is not None), key=lambda one: one.id))


def _doubt(served: Sequence[_Served]) -> StoredDoubt | None:
    """``served`` are the deployments of the version that came last, oldest first."""
    open_ = [one for one in served if one.confirmed is not StepState.PASSED]
    first = next((one for one in open_ if one.kind is Kind.DEPLOY), None)
    if first is None or first.confirmed is not StepState.INCONCLUSIVE or first.former_set is None:
        return None
    last = served[-1]
    return StoredDoubt(
        id=first.id,
        service=first.service,
        environment=first.environment,
        commit=first.commit,
        former_set=first.former_set,
        began_at=first.switched_at,
        set=last.set,
        switched_at=last.switched_at,
        among=tuple(one.id for one in open_ if one.confirmed is StepState.INCONCLUSIVE),
    )


def settle(connection: Connection, deployment: DeploymentId, state: StepState, reason: str) -> None:
    """Say how the confirmation came out after all; the step's times stay."""
    connection.execute(steps.update().where(_confirmation(deployment)).values(state=state, reason=reason))


def add_reason(connection: Connection, deployment: DeploymentId, more: str) -> None:
    """Say more of why it is not confirmed."""
    reason = steps.c.reason + f"; {more}"
    connection.execute(steps.update().where(_confirmation(deployment)).values(reason=reason))


def being_taken_back(connection: Connection, service: Service, environment: str) -> tuple[DeploymentId, ...]:
    """Those that were refuted after they had ended, and that a roll-back was asked for."""
    rows = connection.execute(
        sa.select(deployments.c.id)
        .join(steps, steps.c.deployment == deployments.c.id)
        .where(
            deployments.c.service == service,
            deployments.c.environment == environment,
            deployments.c.state == DeploymentState.SUCCEEDED,
            steps.c.step == StepName.RESTORE,
            steps.c.state == StepState.RUNNING,
        )
        .order_by(deployments.c.number)
    ).scalars()
    return tuple(DeploymentId(identity) for identity in rows)


def _confirmation(deployment: DeploymentId) -> sa.ColumnElement[bool]:
    return sa.and_(steps.c.deployment == deployment, steps.c.step == StepName.CONFIRM)
