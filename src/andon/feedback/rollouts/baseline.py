"""Fresh instances of the former version, as young as the new one's, to compare with."""

from __future__ import annotations

from collections.abc import Callable

from andon.feedback.rollouts.contract import StageKind
from andon.feedback.rollouts.model.records import Rollout
from andon.feedback.rollouts.service import RolloutService
from andon.flow.environments.contract import Environments, SetId, SetSpec, Standing
from andon.kernel.db import Database
from andon.kernel.errors import AndonError


class FreshInstances:
    """They are made once for a rollout and gone with it, whatever its end."""

    def __init__(self, *, database: Database, service: RolloutService, environments: Environments) -> None:
        self._database = database
        self._service = service
        self._environments = environments

    def ready(self, rollout: Rollout, stopping: Callable[[], bool]) -> Rollout:
        """The rollout with its baseline healthy; without one, and with a note, where that cannot be had."""
        if not any(one.plan.kind is StageKind.SHARE for one in rollout.stages):
            return rollout
        if rollout.baseline is None:
            if rollout.unwatched and rollout.unwatched[-1].startswith(_NONE):
                return rollout
            with self._database.transaction() as tx:
                former = self._environments.set(tx, rollout.former)
                made = self._environments.prepare(
                    tx,
                    SetSpec(
                        service=rollout.service,
                        environment=rollout.environment,
                        # a set of its own: the deployment's is the candidate
                        deployment=rollout.id,
                        commit=former.commit,
                        digest=former.digest,
                        config_version=former.config_version,
                    ),
                )
                rollout = self._service.compare_with(tx, rollout.id, made)
        assert rollout.baseline is not None  # noqa: S101 - made just now, or by an earlier life
        problem = self._start(rollout.baseline, stopping)
        if not problem or stopping():
            return rollout
        self.retire(rollout)
        with self._database.transaction() as tx:
            return self._service.compare_with(tx, rollout.id, None, f"{_NONE}: {problem}")

    def retire(self, rollout: Rollout) -> None:
        """Safe to repeat."""
        if rollout.baseline is None:
            return
        with self._database.transaction() as tx:
            if self._environments.set(tx, rollout.baseline).standing is not Standing.RETIRED:
                self._environments.mark(tx, rollout.baseline, Standing.RETIRED, reason="the comparison is over")
        self._environments.stop(rollout.baseline)

    def _start(self, made: SetId, stopping: Callable[[], bool]) -> str:
        try:
            self._environments.start(made)
            return self._environments.await_healthy(made, stopping).reason
        except AndonError as error:
            # the former version that has the traffic is there to compare with
            return error.message


_NONE = "Fresh instances of the former version"
