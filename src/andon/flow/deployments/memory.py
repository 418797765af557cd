"""Deployments that only remember what was asked; ships for tests of whoever asks for them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from andon.flow.artifacts.contract import Digest
from andon.flow.deployments.contract import (
    DeploymentId,
    DeploymentState,
    DeploymentView,
    Kind,
    LockView,
    RollbackTarget,
    StepState,
)
from andon.flow.deployments.model import SecretsMissing
from andon.flow.pipelines.contract import RunId
from andon.flow.sources.contract import CommitHash, Service
from andon.kernel.access import Permission, Principal
from andon.kernel.db import Reading, Transaction
from andon.kernel.errors import NotFound
from andon.kernel.ids import new_id


class InMemoryDeployments:
    """Implements :class:`andon.flow.deployments.contract.Deployments` without putting anything anywhere.

    Whatever is asked for ends at once with ``outcome``; while that is ``RUNNING`` it ends by :meth:`end` only.
    """

    def __init__(self, outcome: DeploymentState = DeploymentState.SUCCEEDED) -> None:
        self.outcome = outcome
        self.missing = ""
        """While it is said what is missing, whatever is asked for is refused with it."""
        self.asked: list[DeploymentView] = []
        self._keys: dict[str, DeploymentId] = {}
        self._changed = threading.Condition()

    def request(
        self,
        tx: Transaction,
        principal: Principal,
        *,
        service: Service,
        environment: str,
        commit: CommitHash,
        run: RunId | None = None,
        override: str | None = None,
        key: str | None = None,
    ) -> DeploymentId:
        principal.require(Permission.DEPLOY, service, environment)
        if self.missing:
            raise SecretsMissing(self.missing, safe="Nothing was changed.")
        with self._changed:
            if key is not None and key in self._keys:
                return self._keys[key]
            made = DeploymentView(
                id=DeploymentId(new_id("dep")),
                number=len(self.asked) + 1,
                service=service,
                environment=environment,
                kind=Kind.DEPLOY,
                state=self.outcome,
                reason="" if self.outcome is DeploymentState.SUCCEEDED else "it was told to",
                commit=commit,
                digest=Digest("0" * 64),
                run=run,
                set=None,
                person=principal.person,
                override=override,
                requested_at=tx.now,
                started_at=tx.now,
                switched_at=None,
                ended_at=tx.now if self.outcome.ended else None,
                lead_time=None,
                steps=(),
            )
            self.asked.append(made)
            if key is not None:
                self._keys[key] = made.id
            return made.id

    def roll_back(
        self, tx: Transaction, principal: Principal, service: Service, environment: str, *, to: CommitHash | None = None
    ) -> DeploymentId:
        raise NotFound("Nothing is kept here that could be rolled back to.")

    def cancel(self, tx: Transaction, principal: Principal, deployment: DeploymentId) -> None:
        self.end(deployment, DeploymentState.CANCELLED)

    def end(self, deployment: DeploymentId, state: DeploymentState, reason: str = "") -> None:
        """Let a deployment that runs come to its end."""
        with self._changed:
            self.asked = [
                replace(one, state=state, reason=reason or one.reason) if one.id == deployment else one
                for one in self.asked
            ]
            self._changed.notify_all()

    def get(self, reading: Reading, deployment: DeploymentId) -> DeploymentView:
        return self._find(deployment)

    def recent(
        self,
        reading: Reading,
        service: Service | None = None,
        environment: str | None = None,
        *,
        before: int | None = None,
        limit: int = 20,
    ) -> tuple[DeploymentView, ...]:
        found = [
            one
            for one in reversed(self.asked)
            if service in {None, one.service}
            and environment in {None, one.environment}
            and (before is None or one.number < before)
        ]
        return tuple(found[:limit])

    def unconfirmed(self, reading: Reading, among: Collection[DeploymentId]) -> Mapping[DeploymentId, StepState]:
        return {one.id: one.unconfirmed.state for one in self.asked if one.id in among and one.unconfirmed is not None}

    def lock(self, reading: Reading, service: Service, environment: str) -> LockView:
        return LockView(holder=None, since=None, fence=0, queue=())

    def live(self, reading: Reading, service: Service, environment: str) -> DeploymentView | None:
        done = (one for one in self.recent(reading, service, environment) if one.state is DeploymentState.SUCCEEDED)
        return next(done, None)

    def rollback_targets(self, reading: Reading, service: Service, environment: str) -> tuple[RollbackTarget, ...]:
        return ()

    def await_end(self, deployment: DeploymentId, stopping: Callable[[], bool]) -> DeploymentState:
        with self._changed:
            while not self._find(deployment).state.ended and not stopping():
                self._changed.wait(0.05)
            return self._find(deployment).state

    def _find(self, deployment: DeploymentId) -> DeploymentView:
        found = next((one for one in self.asked if one.id == deployment), None)
        if found is None:
            raise NotFound("There is no such deployment that you may see.")
        return found
