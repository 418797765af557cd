"""What backfills do because something happened."""

from __future__ import annotations

from andon.flow.deployments.contract import DeploymentFinished, DeploymentState, Kind
from andon.flow.schema.contract.backfills import BackfillResumed, BackfillStarted
from andon.flow.schema.filling import Filling
from andon.flow.schema.service import BackfillService
from andon.flow.schema.workflows import BACKFILL
from andon.kernel.db import Transaction
from andon.kernel.events import Envelope, Reaction
from andon.kernel.workflows import Workflows


def reactions(service: BackfillService, filling: Filling, workflows: Workflows) -> tuple[Reaction, ...]:
    def deployed(tx: Transaction, envelope: Envelope) -> None:
        happened = envelope.decode()
        assert isinstance(happened, DeploymentFinished)  # noqa: S101 - the reaction's only type
        if happened.state is not DeploymentState.SUCCEEDED or happened.kind is Kind.CONTRACT:
            return
        # Back to an older version: it writes the old shape again, and what it left empty is filled after the next one.
        forward = happened.kind is not Kind.ROLL_BACK
        migrations = filling.migrations(happened.service, happened.commit) if forward else None
        service.begin(tx, happened.service, happened.environment, happened.commit, migrations)

    def start(tx: Transaction, envelope: Envelope) -> None:
        happened = envelope.decode()
        assert isinstance(happened, BackfillStarted | BackfillResumed)  # noqa: S101 - the reaction's only types
        times = service.starts(tx, happened.backfill)
        workflows.start(BACKFILL, happened.backfill, key=f"{happened.backfill}:{times}")

    return (
        Reaction("schema.deployed", (DeploymentFinished,), deployed),
        Reaction("schema.start", (BackfillStarted, BackfillResumed), start),
    )
