"""What can be asked of rollouts."""

from __future__ import annotations

from datetime import datetime

from andon.feedback.rollouts import storage
from andon.feedback.rollouts.contract import RolloutId, RolloutView
from andon.feedback.rollouts.model.records import LookRecord, Rollout, StageRecord, VerdictRecord
from andon.flow.deployments.contract import DeploymentId
from andon.flow.sources.contract import CommitHash, Service
from andon.kernel.access import Principal
from andon.kernel.db import Reading
from andon.kernel.errors import NotFound

_MOST_RUNNING = 200


class RolloutQuestions:
    """Reading only."""

    def get(self, reading: Reading, rollout: str) -> Rollout:
        """Raises ``NotFound``."""
        return self._found(storage.load(reading.connection, RolloutId(rollout)), rollout)

    def seen(self, reading: Reading, principal: Principal, rollout: str) -> Rollout:
        """As :meth:`get`, the same ``NotFound`` for one that the asker may not see."""
        found = storage.load(reading.connection, RolloutId(rollout))
        visible = principal.visible_services()
        hidden = found is not None and visible is not None and found.service not in visible
        return self._found(None if hidden else found, rollout)

    def of_deployment(self, reading: Reading, deployment: DeploymentId) -> Rollout | None:
        return storage.of_deployment(reading.connection, deployment)

    def at(self, reading: Reading, service: Service, environment: str | None) -> Rollout:
        """The one under way of a service, or else its newest. Raises ``NotFound``."""
        for running in (True, False):
            found = storage.newest(
                reading.connection, services=[service], environment=environment, running=running, limit=1
            )
            if found:
                return found[0]
        place = service if environment is None else f"{service}/{environment}"
        raise NotFound(
            f"Nothing of {place} was ever released in stages.",
            remedy="Let an environment in andon.yaml have `release: {strategy: canary}`.",
        )

    def running(
        self, reading: Reading, service: Service | None = None, environment: str | None = None
    ) -> tuple[RolloutView, ...]:
        found = storage.newest(
            reading.connection,
            services=None if service is None else [service],
            environment=environment,
            running=True,
            limit=_MOST_RUNNING,
        )
        return tuple(storage.view(reading.connection, one) for one in reversed(found))

    def under_way(self, reading: Reading) -> tuple[Rollout, ...]:
        """All of them."""
        return storage.newest(reading.connection, running=True, limit=None)

    def brought(self, reading: Reading, service: Service, environment: str, commit: CommitHash) -> Rollout | None:
        """The last rollout that gave a version of the service to everybody there."""
        return storage.passed(reading.connection, service, environment, commit)

    def recent(self, reading: Reading, service: Service | None = None, *, limit: int = 20) -> tuple[RolloutView, ...]:
        found = storage.newest(reading.connection, services=None if service is None else [service], limit=limit)
        return tuple(storage.view(reading.connection, one) for one in found)

    def visible(
        self,
        reading: Reading,
        principal: Principal,
        *,
        service: str | None = None,
        running: bool | None = None,
        before: datetime | None = None,
        limit: int = 50,
    ) -> tuple[Rollout, ...]:
        """Those that somebody may see, newest first."""
        if service is not None:
            principal.require_sight(service)
        services = principal.visible_services() if service is None else frozenset({service})
        return storage.newest(reading.connection, services=services, running=running, before=before, limit=limit)

    def view(self, reading: Reading, rollout: Rollout) -> RolloutView:
        return storage.view(reading.connection, rollout)

    def stage(self, reading: Reading, rollout: Rollout) -> StageRecord | None:
        return storage.stage(reading.connection, rollout.id, rollout.stage)

    def stages(self, reading: Reading, rollout: Rollout) -> tuple[StageRecord, ...]:
        return storage.stages_of(reading.connection, rollout.id)

    def looks(self, reading: Reading, rollout: Rollout) -> tuple[LookRecord, ...]:
        return storage.looks_of(reading.connection, rollout.id)

    def history(self, reading: Reading, rollout: Rollout) -> tuple[LookRecord, ...]:
        return storage.history(reading.connection, rollout.id)

    def verdict(self, reading: Reading, rollout: Rollout, number: int | None = None) -> VerdictRecord | None:
        return storage.verdict_of(reading.connection, rollout.id, number)

    @staticmethod
    def _found(rollout: Rollout | None, asked: str) -> Rollout:
        if rollout is None:
            raise NotFound(f"There is no rollout {asked[:60]!r}.", remedy="See which there are: /rollouts")
        return rollout
