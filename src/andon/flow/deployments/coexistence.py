"""Two versions against one schema: in a rehearsal, the version that serves is tried on the new one's database.

The migration has run in the rehearsal's environment; nobody is served there. What production runs is started beside,
asked its own smoke tests, and put away again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from andon.flow.definition.contract import SmokeTest
from andon.flow.deployments.contract import DeploymentId, DeploymentView, StepName
from andon.flow.deployments.model import Deployment, NewVersionBroken, OldVersionBroken, is_rehearsal
from andon.flow.deployments.service.deployments import DeploymentService
from andon.flow.deployments.service.steps import StepRecord
from andon.flow.environments.contract import Environments, SetId, SetSpec, Standing
from andon.flow.sources.contract import CommitHash
from andon.kernel.db import Database
from andon.kernel.errors import AndonError, NotFound

_LOOKED_AT = 20
"""Deployments to the rehearsal's environment, newest first."""

EXPAND = "expand"
"""What the migration's command is called among those of a deployment."""

Smoke = Callable[[Deployment, Sequence[SmokeTest]], None]
"""Puts smoke tests to the deployment's set; raises an :class:`AndonError` for one that fails."""


class Coexistence:
    def __init__(self, *, database: Database, service: DeploymentService, environments: Environments) -> None:
        self._database = database
        self._service = service
        self._environments = environments

    def around(self, found: Deployment, expand: Callable[[], None], smoke: Smoke, stopping: Callable[[], bool]) -> str:
        """Run ``expand`` between trying the new version on the old schema and the old version on the new one."""
        before = self._early(found, smoke, stopping)
        expand()
        after = "" if stopping() else self.check(found, smoke, stopping)
        return "; ".join(one for one in (before, after) if one)

    def _early(self, found: Deployment, smoke: Smoke, stopping: Callable[[], bool]) -> str:
        """Try the new version before its migration, where its definition says that it works there."""
        definition = self._service.definition(found.service, found.commit)
        if self._serving(found) is None:
            return ""
        if not definition.migrations.old_schema:
            return "not tried on the old schema, because andon.yaml does not say that it works there (old_schema)"
        if self._has_been_expanded(found):
            return "not tried on the old schema, because its migrations have run here before"
        assert found.set is not None  # noqa: S101 - the plan has chosen it
        try:
            self._environments.start(found.set)
            report = self._environments.await_healthy(found.set, stopping)
            if stopping():
                return ""
            if not report.healthy:
                raise NewVersionBroken(report.reason)
            smoke(found, [replace(one, name=f"{one.name} (old schema)") for one in definition.smoke_tests])
        except AndonError as error:
            raise NewVersionBroken(
                f"{found.commit[:7]} does not work on the old schema, as andon.yaml says it does: {error.message}",
                safe="Nothing was migrated.",
                remedy="Let the new version do without what expand adds, or take migrations.old_schema away.",
            ) from error
        return "it works on the old schema, too"

    def check(self, found: Deployment, smoke: Smoke, stopping: Callable[[], bool]) -> str:
        """Try the version that serves on the new schema; what there is to say of it, or nothing.

        Raises :class:`OldVersionBroken`. Safe to repeat: the same set is found again.
        """
        old = self._serving(found)
        if old is None:
            return ""
        tests = [
            replace(test, name=f"{test.name} ({old.commit[:7]})")
            for test in self._service.definition(found.service, old.commit).smoke_tests
        ]
        running = self._running(found, old)
        beside = running or self._prepare(found, old)
        try:
            if running is None:
                self._environments.start(beside)
            report = self._environments.await_healthy(beside, stopping)
            if stopping():
                return ""
            if not report.healthy:
                raise _broken(found, old, report.reason)
            smoke(replace(found, set=beside), tests)
        except OldVersionBroken:
            raise
        except AndonError as error:
            raise _broken(found, old, error.message) from error
        finally:
            if running is None:
                self._put_away(beside)
        said = f"{len(tests)} smoke test{'' if len(tests) == 1 else 's'}" if tests else "health"
        return f"{old.commit[:7]}, which serves, passes its {said} on the new schema"

    def _serving(self, found: Deployment) -> DeploymentView | None:
        """What runs in the last environment behind this rehearsal, if this commit brings it other migrations."""
        definition = self._service.definition(found.service, found.commit)
        if found.run is None or not is_rehearsal(definition, found.environment):
            return None
        behind = [stage.environment for stage in definition.stages if stage.environment is not None][-1]
        with self._database.reading() as reading:
            live = self._service.live(reading, found.service, behind)
        if live is None or not self._service.brings_migrations(found.service, live.commit, found.commit):
            return None
        return live

    def _has_been_expanded(self, found: Deployment) -> bool:
        """Whether these very migrations have run here before: then there is no old schema to try anything on."""
        record = StepRecord()
        with self._database.reading() as reading:
            recent = self._service.recent(reading, found.service, found.environment, limit=_LOOKED_AT)
            ran = [
                one.commit
                for one in recent
                if any(
                    command.step is StepName.EXPAND and command.name == EXPAND
                    for command in record.commands(reading, one.id)
                )
            ]
        return any(self._has_the_same(found, one) for one in dict.fromkeys(ran))

    def _has_the_same(self, found: Deployment, other: CommitHash) -> bool:
        try:
            return not self._service.brings_migrations(found.service, other, found.commit)
        except NotFound:
            return False  # that commit is gone from the repository

    def _running(self, found: Deployment, old: DeploymentView) -> SetId | None:
        with self._database.reading() as reading:
            place = self._environments.find(reading, found.service, found.environment)
        up = {Standing.LIVE, Standing.WARM}
        return (
            next((one.id for one in place.sets if one.commit == old.commit and one.standing in up), None)
            if place
            else None
        )

    def _prepare(self, found: Deployment, old: DeploymentView) -> SetId:
        spec = SetSpec(
            service=found.service,
            environment=found.environment,
            deployment=DeploymentId(f"{found.id}:old"),
            commit=old.commit,
            digest=old.digest,
            config_version=found.config_version,
        )
        with self._database.transaction() as tx:
            return self._environments.prepare(tx, spec)

    def _put_away(self, beside: SetId) -> None:
        with self._database.transaction() as tx:
            self._environments.mark(tx, beside, Standing.RETIRED, reason="it was only tried on the new schema")
        self._environments.stop(beside)


def _broken(found: Deployment, old: DeploymentView, reason: str) -> OldVersionBroken:
    return OldVersionBroken(
        f"{old.commit[:7]}, which serves in {old.environment}, does not work on the schema of {found.commit[:7]}: "
        f"{reason}",
        safe=f"{old.environment.capitalize()} and its database are as they were.",
        remedy="Change the migration so that it only adds; `andon migrations check` tells the safe way.",
    )
