"""The record of a deployment's steps: when each began and ended, and what was run."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from andon.flow.deployments import storage
from andon.flow.deployments.contract import (
    CommandRan,
    DeploymentId,
    StepFinished,
    StepName,
    StepStarted,
    StepState,
)
from andon.flow.deployments.model import Deployment
from andon.flow.environments.contract import CommandOutcome, SetId
from andon.kernel.access import PersonId
from andon.kernel.db import Reading, Transaction
from andon.kernel.events import Actor, ActorKind, append
from andon.kernel.ids import new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class RanCommand:
    """A command of the repository that ran in an environment, with the end of its output."""

    step: StepName
    name: str
    command: str
    exit_code: int | None
    seconds: float
    output: str
    started_at: datetime


class StepRecord:
    """Writes and reads what the steps of deployments did."""

    def load(self, reading: Reading, deployment: DeploymentId) -> Deployment:
        found = storage.load(reading.connection, deployment)
        assert found is not None  # noqa: S101 - workflows are only started over deployments that exist
        return found

    def choose_set(self, tx: Transaction, deployment: DeploymentId, chosen: SetId, former: SetId | None) -> None:
        """Note the set a deployment works on and the one that had the traffic when it began."""
        found = self.load(tx, deployment)
        if found.former_set is None and former != chosen:
            storage.update(tx.connection, deployment, former_set=former)
        storage.update(tx.connection, deployment, set=chosen)

    def go_cold(self, tx: Transaction, deployment: DeploymentId) -> Deployment:
        """A roll-back whose warm set is gone starts instances of its own."""
        storage.update(tx.connection, deployment, warm_set=None)
        return self.load(tx, deployment)

    def note_switched(self, tx: Transaction, deployment: DeploymentId) -> None:
        storage.update(tx.connection, deployment, switched_at=tx.now)

    def passed(self, reading: Reading, deployment: DeploymentId, step: StepName) -> bool:
        """Whether an earlier life has finished this step."""
        done = storage.step_of(reading.connection, deployment, step)
        return done is not None and done._mapping["state"] in {
            StepState.PASSED,
            StepState.SKIPPED,
            StepState.INCONCLUSIVE,
        }

    def began(self, reading: Reading, deployment: DeploymentId, step: StepName) -> bool:
        return storage.step_of(reading.connection, deployment, step) is not None

    def begin(self, tx: Transaction, found: Deployment, step: StepName) -> None:
        attempt = storage.begin_step(tx.connection, found.id, step, tx.now)
        append(
            tx,
            StepStarted(
                deployment=found.id,
                service=found.service,
                environment=found.environment,
                step=step,
                attempt=attempt,
            ),
            by=actor_of(found),
        )

    def end(self, tx: Transaction, found: Deployment, step: StepName, state: StepState, reason: str) -> None:
        seconds = storage.end_step(tx.connection, found.id, step, state, reason, tx.now)
        append(
            tx,
            StepFinished(
                deployment=found.id,
                service=found.service,
                environment=found.environment,
                step=step,
                state=state,
                seconds=seconds,
                reason=reason,
            ),
            by=actor_of(found),
        )

    def why_failed(self, reading: Reading, deployment: DeploymentId) -> str:
        view = storage.views(reading.connection, deployment=deployment)[0]
        failed = next((one for one in view.steps if one.state is StepState.FAILED), None)
        return "" if failed is None else f"{failed.name.value}: {failed.reason}"

    def add_command(
        self,
        tx: Transaction,
        found: Deployment,
        step: StepName,
        *,
        name: str,
        command: str,
        outcome: CommandOutcome,
        output: str,
        started_at: datetime,
    ) -> None:
        storage.add_command(
            tx.connection,
            id=new_id("cmd"),
            deployment=found.id,
            step=step,
            name=name,
            command=command,
            exit_code=outcome.exit_code,
            seconds=outcome.seconds,
            log=str(outcome.log),
            output=output,
            started_at=started_at,
        )
        append(
            tx,
            CommandRan(
                deployment=found.id,
                service=found.service,
                environment=found.environment,
                step=step,
                name=name,
                command=command,
                exit_code=outcome.exit_code,
                seconds=outcome.seconds,
                output_digest=hashlib.sha256(output.encode()).hexdigest(),
            ),
            by=actor_of(found),
        )

    def commands(self, reading: Reading, deployment: DeploymentId) -> tuple[RanCommand, ...]:
        """What ran, in order."""
        return tuple(
            RanCommand(**{name: row._mapping[name] for name in RanCommand.__slots__})
            for row in storage.commands_of(reading.connection, deployment)
        )


def actor_of(found: Deployment) -> Actor:
    """Andon, for the person who asked."""
    person = None if found.person is None else PersonId(found.person)
    return Actor(ActorKind.SYSTEM, "andon", person)
