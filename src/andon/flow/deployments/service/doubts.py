"""Versions that nobody could confirm when they got the traffic, and what telemetry says of them later."""

from __future__ import annotations

from datetime import datetime

from andon.flow.deployments.contract import DeploymentConfirmed, DeploymentId, Deployments, StepState
from andon.flow.deployments.contract.release import Doubted
from andon.flow.deployments.storage import doubts as storage
from andon.flow.deployments.storage import lock_row
from andon.flow.environments.contract import Environments
from andon.flow.sources.contract import Service
from andon.kernel.access import SYSTEM
from andon.kernel.db import Reading, Transaction
from andon.kernel.errors import AndonError
from andon.kernel.events import append


class DeploymentDoubts:
    """Implements :class:`andon.flow.deployments.contract.release.Doubts`."""

    def __init__(self, deployments: Deployments, environments: Environments) -> None:
        self._deployments = deployments
        self._environments = environments

    def doubted(self, reading: Reading, *, since: datetime) -> tuple[Doubted, ...]:
        found = []
        for one in storage.doubted(reading.connection, since):
            if not self._serves(reading, one.service, one.environment, one.id):
                continue
            found.append(
                Doubted(
                    deployment=one.id,
                    service=one.service,
                    environment=one.environment,
                    commit=one.commit,
                    set=one.set,
                    former=one.former_set,
                    former_commit=self._environments.set(reading, one.former_set).commit,
                    switched_at=one.switched_at,
                )
            )
        return tuple(found)

    def confirm(self, tx: Transaction, doubted: Doubted, reason: str) -> bool:
        if not self._is_open(tx, doubted):
            return False
        self._settle(tx, doubted, StepState.PASSED, reason)
        append(
            tx,
            DeploymentConfirmed(
                deployment=doubted.deployment,
                service=doubted.service,
                environment=doubted.environment,
                commit=doubted.commit,
                seconds=(tx.now - doubted.switched_at).total_seconds(),
                reason=reason,
            ),
            by=SYSTEM.actor,
        )
        return True

    def refute(self, tx: Transaction, doubted: Doubted, reason: str) -> str | None:
        if not self._is_open(tx, doubted):
            return None
        self._settle(tx, doubted, StepState.FAILED, reason)
        try:
            self._deployments.roll_back(tx, SYSTEM, doubted.service, doubted.environment, to=doubted.former_commit)
        except AndonError as error:
            return str(error)
        return ""

    def _is_open(self, tx: Transaction, doubted: Doubted) -> bool:
        """Whether it still has the traffic, nobody has settled it, and nothing is about to take its place."""
        # On PostgreSQL nobody else settles it, or asks for anything to be put there, until this transaction ends.
        lock_row(tx.connection, doubted.service, doubted.environment)
        lock = self._deployments.lock(tx, doubted.service, doubted.environment)
        return (
            lock.holder is None
            # a roll-back that came behind what waits would take that back
            and not lock.queue
            and storage.is_open(tx.connection, doubted.deployment)
            and self._serves(tx, doubted.service, doubted.environment, doubted.deployment)
        )

    def _serves(self, reading: Reading, service: Service, environment: str, deployment: DeploymentId) -> bool:
        """Whether it is this deployment that customers have: who went back to its version has decided upon that."""
        live = self._deployments.live(reading, service, environment)
        return live is not None and live.id == deployment

    @staticmethod
    def _settle(tx: Transaction, doubted: Doubted, state: StepState, reason: str) -> None:
        minutes = (tx.now - doubted.switched_at).total_seconds() / 60
        said = f"{minutes:.0f} min after the switch: {reason}"
        storage.settle(tx.connection, doubted.deployment, state, said)
