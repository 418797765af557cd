"""What pipelines do because something happened."""

from __future__ import annotations

from andon.flow.pipelines.contract import (
    JobCancelRequested,
    JobRetryRequested,
    RunCancelRequested,
    RunContinued,
    RunQueued,
)
from andon.flow.pipelines.execution import Execution
from andon.flow.pipelines.service import PipelineService, Progress
from andon.flow.pipelines.workflows import RUN
from andon.flow.sources.contract import BranchPushed
from andon.kernel.db import Transaction
from andon.kernel.events import Envelope, Reaction
from andon.kernel.workflows import Workflows


def reactions(
    service: PipelineService, progress: Progress, execution: Execution, workflows: Workflows
) -> tuple[Reaction, ...]:
    def queue(tx: Transaction, envelope: Envelope) -> None:
        happened = envelope.decode()
        assert isinstance(happened, BranchPushed)  # noqa: S101 - the reaction's only type
        service.queue(
            tx,
            service=happened.service,
            commit=happened.commit,
            branch=happened.branch,
            pushed_at=envelope.at,
            person=envelope.actor.person,
            by=envelope.actor,
            key=envelope.id,
            lends=progress.lends(tx, envelope.actor),
        )

    def start(tx: Transaction, envelope: Envelope) -> None:
        happened = envelope.decode()
        if isinstance(happened, RunQueued):
            workflows.start(RUN, happened.run)
        elif isinstance(happened, RunContinued):
            workflows.start(RUN, happened.run, key=f"{RUN}:{happened.run}:{happened.generation}")

    def asked(tx: Transaction, envelope: Envelope) -> None:
        happened = envelope.decode()
        # Told late or twice, a request must not end what was begun since: what holds is in the database.
        if isinstance(happened, RunCancelRequested):
            if progress.is_cancelled(tx, happened.run):
                execution.cancel_run(happened.run)
        elif isinstance(happened, JobCancelRequested):
            for job in progress.cancelled_jobs(tx, [happened.job]):
                execution.cancel_job(job)
            execution.look_again(happened.run)
        elif isinstance(happened, JobRetryRequested):
            execution.look_again(happened.run)

    return (
        Reaction("pipelines.queue", (BranchPushed,), queue),
        Reaction("pipelines.start", (RunQueued, RunContinued), start),
        Reaction("pipelines.asked", (RunCancelRequested, JobCancelRequested, JobRetryRequested), asked),
    )
