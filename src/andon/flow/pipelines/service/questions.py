"""What can be asked about runs, their jobs and tests, and the builds they made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median

from andon.flow.artifacts.contract import Artifacts
from andon.flow.pipelines import storage
from andon.flow.pipelines.contract import Build, JobId, RunId, RunState, RunSummary, StageState, Verdict
from andon.flow.pipelines.model import (
    Comparison,
    Expected,
    Job,
    JobComparison,
    Run,
    Stage,
    TestCase,
    TestState,
)
from andon.flow.pipelines.storage import history
from andon.flow.sources.contract import CommitHash, Service
from andon.kernel.access import Permission, Principal
from andon.kernel.clock import seconds_between
from andon.kernel.db import Reading
from andon.kernel.errors import NotFound
from andon.kernel.ids import is_id

_MEDIAN_OF = 10


class Questions:
    """Implements :class:`andon.flow.pipelines.contract.Pipelines`, and answers more for the room's own edges."""

    def __init__(self, *, artifacts: Artifacts) -> None:
        self._artifacts = artifacts

    # Runs and jobs

    def run(self, reading: Reading, run: RunId) -> RunSummary:
        found = storage.summaries(reading.connection, run=run)
        if not found:
            raise _no_run()
        return found[0]

    def seen(self, reading: Reading, principal: Principal, name: str, service: Service | None = None) -> RunSummary:
        """As :meth:`find`, for somebody: ``NotFound`` also for what they may not see."""
        found = self.find(reading, name, service)
        see(principal, found.service)
        return found

    def seen_job(self, reading: Reading, principal: Principal, job: str) -> tuple[RunSummary, Job]:
        """A job by its id, with its run. Raises ``NotFound``."""
        found = self._require_job(reading, JobId(job))
        run = self.run(reading, found.run)
        if not principal.may(Permission.READ, run.service):
            raise _no_job()
        return run, found

    def find(self, reading: Reading, name: str, service: Service | None = None) -> RunSummary:
        """A run by its id, or by its number (``12`` or ``#12``) within ``service``. Raises ``NotFound``."""
        if is_id(name, "run"):
            return self.run(reading, RunId(name))
        number = name.removeprefix("#")
        if service is None or not number.isdecimal() or len(number) > 9:
            raise _no_run()
        found = storage.by_number(reading.connection, service, int(number))
        if found is None:
            raise _no_run()
        return self.run(reading, found)

    def recent(
        self, reading: Reading, service: Service | None = None, *, before: int | None = None, limit: int = 20
    ) -> tuple[RunSummary, ...]:
        return storage.summaries(reading.connection, service=service, before=before, limit=limit)

    def list_runs(
        self,
        reading: Reading,
        *,
        services: Iterable[str] | None = None,
        service: Service | None = None,
        branch: str | None = None,
        states: Iterable[RunState] | None = None,
        commit: str | None = None,
        older_than: RunId | None = None,
        limit: int = 20,
    ) -> tuple[RunSummary, ...]:
        """Newest first; ``services`` is what the asker may see, ``older_than`` the last run of the page before."""
        return storage.summaries(
            reading.connection,
            services=services,
            service=service,
            branch=branch,
            states=states,
            commit=commit,
            older_than=older_than,
            limit=limit,
        )

    def stages(self, reading: Reading, run: RunId) -> tuple[Stage, ...]:
        return storage.stages_of(reading.connection, run)

    def jobs(self, reading: Reading, run: RunId) -> tuple[Job, ...]:
        return storage.jobs_of(reading.connection, run)

    def job(self, reading: Reading, job: JobId) -> Job:
        return self._require_job(reading, job)

    # Tests

    def tests(self, reading: Reading, job: JobId, attempt: int) -> tuple[TestCase, ...]:
        """Failed ones first."""
        return history.reported_tests(reading.connection, job, attempt)

    def history(
        self, reading: Reading, job: Job, cases: Iterable[TestCase], limit: int = 10
    ) -> Mapping[tuple[str, str], tuple[TestState | None, ...]]:
        """How each of the cases ended in this job's last ``limit`` runs, oldest first; ``None``: it was missing."""
        run = self._require(reading, job.run)
        before = history.same_job_before(reading.connection, job, run.service, run.number, limit)
        wanted = [(case.suite, case.name) for case in cases]
        found = history.outcomes(
            reading.connection, [(one.id, one.attempt) for one in before], {name for _, name in wanted}
        )
        return {
            (suite, name): tuple(found.get((one.id, suite, name)) for one in reversed(before)) for suite, name in wanted
        }

    # How long things take

    def expected(self, reading: Reading, service: Service) -> Mapping[tuple[str, str | None], Expected]:
        """By stage and job (``None``: the stage as a whole). Whoever has never passed is missing."""
        taken: dict[tuple[str, str | None], list[float]] = {}
        for stage, job, start, end in history.recent_durations(reading.connection, service):
            found = taken.setdefault((stage, job), [])
            if len(found) < _MEDIAN_OF:
                found.append(seconds_between(start, end) or 0.0)
        return {what: Expected(seconds=median(found), n=len(found)) for what, found in taken.items()}

    def compare(self, reading: Reading, run: RunId) -> Comparison | None:
        """The run beside the last one of its branch that passed before it; ``None`` when there is none."""
        here = self._require(reading, run)
        before = history.last_passed(reading.connection, here.service, here.branch, before=here.number)
        if before is None:
            return None
        there = self._require(reading, before)
        former = {
            (there.definition.stages[one.stage].name, one.name): one
            for one in storage.jobs_of(reading.connection, before)
        }
        compared = []
        for job in storage.jobs_of(reading.connection, run):
            stage = here.definition.stages[job.stage].name
            other = former.get((stage, job.name))
            compared.append(
                JobComparison(
                    stage=stage,
                    job=job.name,
                    state=job.state,
                    seconds=seconds_between(job.started_at, job.ended_at),
                    before_state=None if other is None else other.state,
                    before_seconds=None if other is None else seconds_between(other.started_at, other.ended_at),
                )
            )
        return Comparison(run=before, number=there.number, commit=there.commit, jobs=tuple(compared))

    # Builds

    def build_of(self, reading: Reading, service: Service, commit: CommitHash, *, environment: str) -> Build | None:
        builds = (
            self._build(reading, run, environment)
            for run in storage.runs_of_commit(reading.connection, service, commit)
        )
        found = [one for one in builds if one is not None]
        passed = next((one for one in found if one.verdict is Verdict.PASSED), None)
        return passed or (found[0] if found else None)

    def builds(self, reading: Reading, service: Service, *, environment: str, limit: int = 20) -> tuple[Build, ...]:
        recent = storage.summaries(reading.connection, service=service, limit=limit * 2)
        found = (self._build(reading, one.run, environment) for one in recent)
        return tuple(one for one in found if one is not None)[:limit]

    def _build(self, reading: Reading, run: RunId, environment: str) -> Build | None:
        artifact = self._artifacts.of_run(reading, run)
        if artifact is None or artifact.removed_at is not None:
            return None
        found = self._require(reading, run)
        own = storage.stages_of(reading.connection, run)
        upto = next((one.position for one in own if one.environment == environment), 1)
        before = own[:upto]
        failed = next((one for one in before if one.state in {StageState.FAILED, StageState.CANCELLED}), None)
        if failed is not None:
            verdict = Verdict.FAILED
        elif all(one.state is StageState.PASSED for one in before):
            verdict = Verdict.PASSED
        elif found.state.ended:
            verdict = Verdict.UNKNOWN
        else:
            verdict = Verdict.UNDER_WAY
        return Build(
            run=run,
            service=found.service,
            commit=found.commit,
            branch=found.branch,
            digest=artifact.digest,
            pushed_at=found.pushed_at,
            verdict=verdict,
            passed_stages=tuple(one.name for one in own if one.state is StageState.PASSED),
            failed_stage=None if failed is None else failed.name,
        )

    def _require(self, reading: Reading, run: RunId, *, lock: bool = False) -> Run:
        found = storage.run_of(reading.connection, run, lock=lock)
        if found is None:
            raise _no_run()
        return found

    def _require_job(self, reading: Reading, job: JobId) -> Job:
        found = storage.job_of(reading.connection, job)
        if found is None:
            raise _no_job()
        return found


def see(principal: Principal, service: Service) -> None:
    """Raises ``NotFound`` for a run of a service that may not be seen: the same words as for one that is not there."""
    if not principal.may(Permission.READ, service):
        raise _no_run()


def _no_run() -> NotFound:
    return NotFound("There is no such run that you may see.", remedy="List them: andon runs")


def _no_job() -> NotFound:
    return NotFound("There is no such job that you may see.", remedy="See a run's jobs: andon runs show RUN")
