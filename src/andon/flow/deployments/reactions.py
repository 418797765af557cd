"""What deployments do because something happened."""

from __future__ import annotations

from andon.flow.deployments.contract import DeploymentRequested, DeploymentStarted
from andon.flow.deployments.service import DeploymentService
from andon.flow.deployments.workflows import DEPLOY
from andon.kernel.db import Transaction
from andon.kernel.events import Envelope, Reaction
from andon.kernel.workflows import Workflows


def reactions(service: DeploymentService, workflows: Workflows) -> tuple[Reaction, ...]:
    def dispatch(tx: Transaction, envelope: Envelope) -> None:
        happened = envelope.decode()
        assert isinstance(happened, DeploymentRequested)  # noqa: S101 - the reaction's only type
        service.dispatch(tx, happened.service, happened.environment)

    def start(tx: Transaction, envelope: Envelope) -> None:
        happened = envelope.decode()
        assert isinstance(happened, DeploymentStarted)  # noqa: S101 - the reaction's only type
        workflows.start(DEPLOY, happened.deployment)

    return (
        Reaction("deployments.dispatch", (DeploymentRequested,), dispatch),
        Reaction("deployments.start", (DeploymentStarted,), start),
    )
