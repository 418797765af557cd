"""Versions that nobody could confirm when they got the traffic, and what becomes of them later."""

from __future__ import annotations

from datetime import datetime

from andon.flow.deployments import storage
from andon.flow.deployments.contract import (
    DeploymentConfirmed,
    DeploymentLeftUnconfirmed,
    Deployments,
    DeploymentState,
    Kind,
    StepName,
    StepState,
)
from andon.flow.deployments.contract.release import DOUBTED_FOR, Doubted
from andon.flow.deployments.model import Deployment, is_same_again
from andon.flow.deployments.service.steps import StepRecord
from andon.flow.deployments.storage import doubts
from andon.flow.deployments.storage.doubts import StoredDoubt
from andon.flow.environments.contract import Environments
from andon.kernel.access import SYSTEM
from andon.kernel.db import Reading, Transaction
from andon.kernel.errors import AndonError
from andon.kernel.events import Actor, append

_RECORD = StepRecord()


class DeploymentDoubts:
    """Implements :class:`andon.flow.deployments.contract.release.Doubts`."""

    def __init__(self, deployments: Deployments, environments: Environments) -> None:
        self._deployments = deployments
        self._environments = environments

    def doubted(self, reading: Reading, *, since: datetime) -> tuple[Doubted, ...]:
        found = []
        for one in doubts.doubted(reading.connection, since):
            former = self._environments.set(reading, one.former_set)
            # beside itself it would always do well
            if former.commit == one.commit or not self._serves(reading, one):
                continue
            found.append(
                Doubted(
                    deployment=one.id,
                    service=one.service,
                    environment=one.environment,
                    commit=one.commit,
                    set=one.set,
                    former=former.id,
                    former_commit=former.commit,
                    began_at=one.began_at,
                    switched_at=one.switched_at,
                )
            )
        return tuple(found)

    def confirm(self, tx: Transaction, doubted: Doubted, reason: str) -> bool:
        doubt = self._open(tx, doubted)
        if doubt is None:
            return False
        _settle(tx, doubt, StepState.PASSED, reason)
        append(
            tx,
            DeploymentConfirmed(
                deployment=doubted.deployment,
                service=doubted.service,
                environment=doubted.environment,
                commit=doubted.commit,
                seconds=(tx.now - doubted.began_at).total_seconds(),
                reason=reason,
            ),
            by=SYSTEM.actor,
        )
        return True

    def refute(self, tx: Transaction, doubted: Doubted, reason: str) -> str | None:
        doubt = self._open(tx, doubted)
        if doubt is None:
            return None
        _settle(tx, doubt, StepState.FAILED, reason)
        refuted = [_RECORD.load(tx, one) for one in doubt.among]
        for one in refuted:
            _RECORD.begin(tx, one, StepName.RESTORE)
        try:
            self._deployments.roll_back(tx, SYSTEM, doubted.service, doubted.environment, to=doubted.former_commit)
        except AndonError as error:
            for one in refuted:
                _RECORD.end(tx, one, StepName.RESTORE, StepState.FAILED, str(error))
            return str(error)
        return ""

    def _open(self, tx: Transaction, doubted: Doubted) -> StoredDoubt | None:
        """``None`` when it has lost the traffic, somebody has settled it, or something is about to take its place."""
        # On PostgreSQL nobody else settles it, or asks for anything to be put there, until this transaction ends.
        storage.lock_row(tx.connection, doubted.service, doubted.environment)
        lock = self._deployments.lock(tx, doubted.service, doubted.environment)
        # a roll-back that came behind what waits would take that back
        if lock.holder is not None or lock.queue:
            return None
        found = doubts.doubted(tx.connection, doubted.began_at, (doubted.service, doubted.environment))
        same = (one for one in found if (one.id, one.set) == (doubted.deployment, doubted.set))
        return next((one for one in same if self._serves(tx, one)), None)

    def _serves(self, reading: Reading, doubt: StoredDoubt) -> bool:
        place = self._environments.find(reading, doubt.service, doubt.environment)
        return place is not None and place.live is not None and place.live.id == doubt.set


def follow(tx: Transaction, ending: Deployment, state: DeploymentState, reason: str, *, by: Actor) -> None:
    """What the end of a deployment, which is about to be stored, is for the versions that were there before it."""
    if ending.kind is Kind.ROLL_BACK:
        _taken_back(tx, ending, state, reason)
    if state is DeploymentState.SUCCEEDED and ending.kind is not Kind.CONTRACT:
        _left(tx, ending, by)


def _taken_back(tx: Transaction, back: Deployment, state: DeploymentState, reason: str) -> None:
    done = state is DeploymentState.SUCCEEDED
    said = f"{back.commit[:7]} has all traffic again"
    if not done:
        said = f"The roll-back to {back.commit[:7]} was not done: {reason}"
    for one in doubts.being_taken_back(tx.connection, back.service, back.environment):
        outcome = StepState.PASSED if done else StepState.FAILED
        _RECORD.end(tx, _RECORD.load(tx, one), StepName.RESTORE, outcome, said)


def _left(tx: Transaction, newer: Deployment, by: Actor) -> None:
    for one in doubts.doubted(tx.connection, tx.now - DOUBTED_FOR, (newer.service, newer.environment)):
        if is_same_again(newer.kind, newer.commit, one.commit):
            continue
        for each in one.among:
            doubts.add_reason(tx.connection, each, f"{newer.commit[:7]} took its place before it could")
        append(
            tx,
            DeploymentLeftUnconfirmed(
                deployment=one.id,
                service=one.service,
                environment=one.environment,
                commit=one.commit,
                successor=newer.id,
                successor_commit=newer.commit,
                seconds=(tx.now - one.began_at).total_seconds(),
            ),
            by=by,
        )


def _settle(tx: Transaction, doubt: StoredDoubt, state: StepState, reason: str) -> None:
    minutes = (tx.now - doubt.began_at).total_seconds() / 60
    for one in doubt.among:
        doubts.settle(tx.connection, one, state, f"{minutes:.0f} min after it got all traffic: {reason}")
