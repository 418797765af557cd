"""Telemetry that could not say how a version does when it got all traffic, and finds harm in it later."""

from __future__ import annotations

from datetime import timedelta

from andon.flow.deployments.contract import DeploymentView, StepState
from andon.flow.deployments.service.doubts import DeploymentDoubts
from andon.flow.deployments.storage.doubts import settle
from tests.flow.installation import Installation


def refute(local: Installation, version: DeploymentView, reason: str = "3 % of requests failed") -> None:
    """It has all traffic, and a version before it; a roll-back is asked for."""
    doubts = DeploymentDoubts(local.deployments, local.environments)
    with local.database.transaction() as tx:
        settle(tx.connection, version.id, StepState.INCONCLUSIVE, "nobody asked it anything yet")
        (found,) = doubts.doubted(tx, since=tx.now - timedelta(hours=1))
        assert found.deployment == version.id
        assert doubts.refute(tx, found, reason) == ""
