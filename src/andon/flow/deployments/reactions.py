"""What deployments do because something happened."""

from __future__ import annotations

from andon.flow.deployments.contract import DeploymentRequested, DeploymentStarted
from andon.flow.deployments.service.deployments import DeploymentService
from andon.flow.deployments.workflows import DEPLOY
from andon.flow.environments.contract import EnvironmentDestroyed
from andon.flow.routing.contract import Router
from andon.kernel.db import Transaction
from andon.kernel.events import Envelope, Reaction
from andon.kernel.workflows import Workflows


def reactions(service: DeploymentService, workflows: Workflows, router: Router) -> tuple[Reaction, ...]:
    def dispatch(tx: Transaction, envelope: Envelope) -> None:
        happened = envelope.decode()
        assert isinstance(happened, DeploymentRequested)  # noqa: S101 - the reaction's only type
        service.dispatch(tx, happened.service, happened.environment)

    def start(tx: Transaction, envelope: Envelope) -> None:
        happened = envelope.decode()
        assert isinstance(happened, DeploymentStarted)  # noqa: S101 - the reaction's only type
        workflows.start(DEPLOY, happened.deployment)

    def clear(tx: Transaction, envelope: Envelope) -> None:
        happened = envelope.decode()
        assert isinstance(happened, EnvironmentDestroyed)  # noqa: S101 - the reaction's only type
        # Reads the routes as they are now and writes files: safe within this transaction, and to repeat. The sets
        # and the data are ended by the environments' reconciler, which may take its time.
        router.apply()

    return (
        Reaction("deployments.dispatch", (DeploymentRequested,), dispatch),
        Reaction("deployments.start", (DeploymentStarted,), start),
        Reaction("deployments.clear", (EnvironmentDestroyed,), clear),
    )
