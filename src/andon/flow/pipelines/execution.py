"""What each step of a run does: begin, one stage after another, finish.

A stage's jobs are rows with their own state. The scheduler below looks at the rows, hands what can run to the
pool, and looks again whenever a job has ended or somebody asked for something; so a stage that is begun again
after a crash goes on from the rows it finds, and a job that was under way runs again with the next attempt.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum

from andon.flow.artifacts.contract import Artifacts, Provenance
from andon.flow.deployments.contract import DeploymentId, Deployments, DeploymentState
from andon.flow.environments.contract import Environments
from andon.flow.pipelines import storage
from andon.flow.pipelines.contract import (
    FailureKind,
    JobFinished,
    JobId,
    JobLost,
    JobStarted,
    JobState,
    RunId,
    RunStarted,
    RunState,
    StageFinished,
    StageStarted,
    StageState,
)
from andon.flow.pipelines.model import (
    Job,
    JobKind,
    JobResult,
    JobTask,
    Run,
    Stage,
    applies,
    jobs_of,
    needs_person,
    runnable,
    stage_outcome,
)
from andon.flow.pipelines.ports import Authority, JobRunner
from andon.flow.pipelines.service import PipelineService
from andon.flow.sources.contract import Sources
from andon.kernel.access import Permission
from andon.kernel.db import Database, Transaction
from andon.kernel.errors import AndonError
from andon.kernel.events import Actor, ActorKind, Bell, append

_log = logging.getLogger(__name__)


class StageAnswer(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    WAITING = "waiting"


class Execution:
    """The bodies of the steps of :mod:`andon.flow.pipelines.workflows`."""

    def __init__(
        self,
        *,
        database: Database,
        bell: Bell,
        service: PipelineService,
        sources: Sources,
        artifacts: Artifacts,
        deployments: Deployments,
        environments: Environments,
        authority: Authority,
        runner: JobRunner,
        parallel: int,
        builder: str,
    ) -> None:
        self._database = database
        self._bell = bell
        self._service = service
        self._sources = sources
        self._artifacts = artifacts
        self._deployments = deployments
        self._environments = environments
        self._authority = authority
        self._runner = runner
        self._builder = builder
        self._pool = ThreadPoolExecutor(parallel, thread_name_prefix="job")
        self._guard = threading.Lock()
        self._cancelled_runs: set[RunId] = set()
        self._cancelled_jobs: set[JobId] = set()
        self._closing = threading.Event()

    def close(self) -> None:
        """End the jobs under way, for a stop of the worker: they count as lost and run again at the next start."""
        self._closing.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    # Told by reactions

    def cancel_run(self, run: RunId) -> None:
        with self._guard:
            self._cancelled_runs.add(run)

    def cancel_job(self, job: JobId) -> None:
        with self._guard:
            self._cancelled_jobs.add(job)

    # Steps

    def begin(self, run: RunId) -> int:
        """Record that the run works; how many stages it has, 0 when there is nothing to do any more."""
        with self._guard:
            self._cancelled_runs.discard(run)
        with self._database.transaction() as tx:
            found = self._require(tx, run)
            if found.state.ended:
                return 0
            if found.cancel_requested:
                self._service.end(tx, run, RunState.CANCELLED, "cancelled before it began")
                return 0
            if found.state is not RunState.RUNNING:
                values: dict[str, object] = {"state": RunState.RUNNING}
                if found.started_at is None:
                    values["started_at"] = tx.now
                storage.update_run(tx.connection, run, **values)
                append(tx, RunStarted(run=run, service=found.service, commit=found.commit), by=_actor(found))
            return len(found.definition.stages)

    def stage(self, run: RunId, position: int) -> StageAnswer:
        """Work through one stage to its end."""
        with self._database.transaction() as tx:
            found = self._require(tx, run)
            stage = storage.stages_of(tx.connection, run)[position]
            if stage.state in {StageState.PASSED, StageState.SKIPPED}:
                return StageAnswer.PASSED
            definition = found.definition.stages[position]
            if not applies(definition, found.branch, self._sources.default_branch(tx, found.service)):
                self._skip(tx, found, stage)
                return StageAnswer.PASSED
            why = self._why_wait(tx, found, stage)
            if why is not None:
                storage.update_stage(tx.connection, run, position, state=StageState.WAITING, reason=why)
                return StageAnswer.WAITING
            if stage.state is StageState.PENDING:
                first = StageState.RUNNING if definition.environment is None else StageState.DEPLOYING
                storage.update_stage(
                    tx.connection, run, position, state=first, started_at=tx.now, ended_at=None, reason=""
                )
                append(tx, StageStarted(run=run, service=found.service, stage=stage.name), by=_actor(found))
        url: str | None = None
        if definition.environment is not None:
            problem = self._deploy(found, position, definition.environment)
            if problem is not None:
                cancelled = self._is_cancelled(run)
                outcome = StageState.CANCELLED if cancelled else StageState.FAILED
                return self._end_stage(found, position, outcome, problem)
            with self._database.reading() as reading:
                place = self._environments.find(reading, found.service, definition.environment)
                url = None if place is None else place.address
        self._work(found, position, url)
        with self._database.reading() as reading:
            outcome = stage_outcome(storage.jobs_of(reading.connection, run, position))
        reason = "" if outcome is StageState.PASSED else self._why(run, position)
        return self._end_stage(found, position, outcome, reason)

    def finish(self, run: RunId, answer: StageAnswer) -> bool:
        """Record how the run ended, or that it waits."""
        with self._database.transaction() as tx:
            found = self._require(tx, run)
            if found.state is not RunState.RUNNING:
                return False
            if answer is StageAnswer.WAITING:
                waiting = next(one for one in storage.stages_of(tx.connection, run) if one.state is StageState.WAITING)
                storage.update_run(tx.connection, run, state=RunState.WAITING, reason=waiting.reason)
                return False
            outcome = {
                StageAnswer.PASSED: RunState.PASSED,
                StageAnswer.FAILED: RunState.FAILED,
                StageAnswer.CANCELLED: RunState.CANCELLED,
            }[answer]
            ended = [
                one
                for one in storage.stages_of(tx.connection, run)
                if one.state in {StageState.FAILED, StageState.CANCELLED}
            ]
            reason = f"{ended[0].name}: {ended[0].reason}" if ended else ""
            self._service.end(tx, run, outcome, reason, by=_actor(found))
        return True

    # A stage's deployment

    def _deploy(self, run: Run, position: int, environment: str) -> str | None:
        """Bring the run's package into the environment; what went wrong, or ``None``."""
        try:
            with self._database.transaction() as tx:
                stage = storage.stages_of(tx.connection, run.id)[position]
                person = stage.approved_by or run.person
                principal = self._authority.principal_of(tx, person)
                if principal is None:
                    return "nobody stands for this run any more"
                deployment = self._deployments.request(
                    tx,
                    principal,
                    service=run.service,
                    environment=environment,
                    commit=run.commit,
                    run=run.id,
                    key=f"{run.id}:{position}:{run.generation}",
                )
                storage.update_stage(tx.connection, run.id, position, deployment=deployment)
        except AndonError as error:
            return str(error)
        return self._await(run.id, deployment)

    def _await(self, run: RunId, deployment: DeploymentId) -> str | None:
        state = self._deployments.await_end(deployment, lambda: self._is_cancelled(run) or self._closing.is_set())
        if self._closing.is_set() and not state.ended:
            raise Stopping
        if not state.ended:
            with self._database.transaction() as tx:
                found = self._deployments.get(tx, deployment)
                principal = self._authority.principal_of(tx, found.person)
                if principal is not None:
                    self._deployments.cancel(tx, principal, deployment)
            state = self._deployments.await_end(deployment, self._closing.is_set)
        if state is DeploymentState.SUCCEEDED:
            return None
        with self._database.reading() as reading:
            found = self._deployments.get(reading, deployment)
        return found.reason or f"the deployment was {state.value}"

    # A stage's jobs

    def _work(self, run: Run, position: int, url: str | None) -> None:
        """Run the stage's jobs as their needs allow, until all have ended."""
        with self._database.transaction() as tx:
            storage.update_stage(tx.connection, run.id, position, state=StageState.RUNNING)
            for job in storage.jobs_of(tx.connection, run.id, position):
                if job.state is JobState.RUNNING:  # under way when Andon ended
                    storage.update_jobs(tx.connection, [job.id], state=JobState.READY)
                    append(
                        tx,
                        JobLost(job=job.id, run=run.id, service=run.service, attempt=job.attempt),
                        by=_actor(run),
                    )
        changed = threading.Condition()
        under_way: set[JobId] = set()
        failures: list[BaseException] = []

        def look_again() -> None:
            with changed:
                changed.notify_all()

        end_listening = self._bell.listen(lambda _position: look_again())
        try:
            while True:
                if self._closing.is_set():
                    raise Stopping
                if failures:
                    raise failures[0]
                waiting = self._advance(run, position, under_way)
                if waiting is None:
                    return
                for job in waiting:
                    under_way.add(job.id)

                    def run_job(job: Job = job) -> None:
                        try:
                            self._attempt(run, position, job, url)
                        except BaseException as error:  # noqa: BLE001 - raised again by the stage's own thread
                            failures.append(error)
                        finally:
                            with changed:
                                under_way.discard(job.id)
                                changed.notify_all()

                    self._pool.submit(run_job)
                with changed:
                    changed.wait(1.0)
        finally:
            end_listening()
            with changed:
                changed.wait_for(lambda: not under_way, 60.0)

    def _advance(self, run: Run, position: int, under_way: set[JobId]) -> tuple[Job, ...] | None:
        """Jobs to hand out now; ``None`` when all have ended."""
        with self._database.reading() as reading:
            rows = storage.jobs_of(reading.connection, run.id, position)
        if all(job.state.ended for job in rows) and not under_way:
            return None
        if self._is_cancelled(run.id):
            idle = [one.id for one in rows if one.state in {JobState.PENDING, JobState.READY}]
            idle = [one for one in idle if one not in under_way]
            if idle:
                with self._database.transaction() as tx:
                    storage.update_jobs(
                        tx.connection, idle, state=JobState.CANCELLED, ended_at=tx.now, reason="the run was cancelled"
                    )
            return () if under_way or idle else None
        ready, skipped = runnable(rows)
        if skipped:
            with self._database.transaction() as tx:
                storage.update_jobs(
                    tx.connection,
                    [one.id for one in skipped],
                    state=JobState.SKIPPED,
                    reason="a job it needs did not pass",
                )
            return self._advance(run, position, under_way)
        lost = tuple(one for one in rows if one.state is JobState.READY)
        return tuple(one for one in (*lost, *ready) if one.id not in under_way)

    def _attempt(self, run: Run, position: int, job: Job, url: str | None) -> None:
        if self._closing.is_set() or self._is_cancelled(run.id):
            return
        stage = run.definition.stages[position]
        with self._database.transaction() as tx:
            attempt = storage.begin_attempt(tx.connection, job.id, tx.now)
            if attempt is None:
                return
            append(
                tx,
                JobStarted(
                    job=job.id,
                    run=run.id,
                    service=run.service,
                    stage=stage.name,
                    name=job.name,
                    attempt=attempt,
                ),
                by=_actor(run),
            )
        with self._guard:
            self._cancelled_jobs.discard(job.id)
        definition = next(one for one, _kind in jobs_of(run.definition, position) if one.name == job.name)
        task = JobTask(
            job=job.id,
            run=run.id,
            attempt=attempt,
            kind=job.kind,
            service=run.service,
            commit=run.commit,
            branch=run.branch,
            stage=stage.name,
            name=job.name,
            definition=definition,
            whole=run.definition,
            environment=stage.environment,
            url=url,
        )
        result = self._runner.run(task, lambda: self._must_stop(run.id, job.id))
        if self._closing.is_set() and result.outcome is JobState.CANCELLED:
            return  # the row stays "running": the next start finds the attempt lost and begins another
        self._record(run, stage.name, job, attempt, result)

    def _record(self, run: Run, stage: str, job: Job, attempt: int, result: JobResult) -> None:
        with self._database.transaction() as tx:
            if not storage.end_attempt(tx.connection, job.id, attempt, result, tx.now):
                return
            if job.kind is JobKind.PACKAGE and result.package is not None and result.outcome is JobState.PASSED:
                package = run.definition.package
                self._artifacts.publish(
                    tx,
                    service=run.service,
                    digest=result.package.digest,
                    size=result.package.size,
                    files=result.package.files,
                    provenance=Provenance(
                        commit=run.commit,
                        run=run.id,
                        command="" if package is None else package.command,
                        builder=self._builder,
                        inputs=() if package is None else tuple(f"cache:{name}" for name in package.caches),
                    ),
                )
            failed = sum(case.state.value in {"failed", "error"} for case in result.tests)
            append(
                tx,
                JobFinished(
                    job=job.id,
                    run=run.id,
                    service=run.service,
                    stage=stage,
                    name=job.name,
                    attempt=attempt,
                    outcome=result.outcome,
                    failure=result.failure,
                    exit_code=result.exit_code,
                    seconds=result.seconds,
                    tests=len(result.tests),
                    tests_failed=failed,
                ),
                by=_actor(run),
            )

    # Inside

    def _why_wait(self, tx: Transaction, run: Run, stage: Stage) -> str | None:
        definition = run.definition.stages[stage.position]
        if needs_person(stage, definition):
            return f"{stage.name} begins when somebody says so"
        if definition.environment is None or stage.approved:
            return None
        principal = self._authority.principal_of(tx, run.person)
        if principal is None or not principal.may(Permission.DEPLOY, run.service, definition.environment):
            return f"whoever pushed this may not deploy to {definition.environment}; somebody who may lets it go on"
        return None

    def _skip(self, tx: Transaction, run: Run, stage: Stage) -> None:
        storage.update_stage(
            tx.connection, run.id, stage.position, state=StageState.SKIPPED, reason=f"not for branch {run.branch}"
        )
        own = storage.jobs_of(tx.connection, run.id, stage.position)
        storage.update_jobs(tx.connection, [one.id for one in own], state=JobState.SKIPPED)

    def _end_stage(self, run: Run, position: int, outcome: StageState, reason: str) -> StageAnswer:
        with self._database.transaction() as tx:
            stage = storage.stages_of(tx.connection, run.id)[position]
            storage.update_stage(tx.connection, run.id, position, state=outcome, ended_at=tx.now, reason=reason)
            if outcome is not StageState.PASSED:
                left = storage.jobs_of(tx.connection, run.id, position)
                storage.update_jobs(
                    tx.connection,
                    [one.id for one in left if not one.state.ended],
                    state=JobState.SKIPPED,
                    reason="its stage did not get that far",
                )
            append(
                tx,
                StageFinished(run=run.id, service=run.service, stage=stage.name, outcome=outcome, reason=reason),
                by=_actor(run),
            )
        return {
            StageState.PASSED: StageAnswer.PASSED,
            StageState.CANCELLED: StageAnswer.CANCELLED,
        }.get(outcome, StageAnswer.FAILED)

    def _why(self, run: RunId, position: int) -> str:
        with self._database.reading() as reading:
            rows = storage.jobs_of(reading.connection, run, position)
        failed = [one for one in rows if one.state is JobState.FAILED]
        if not failed:
            return "cancelled"
        told = ", ".join(f"{one.name} {_failure(one)}" for one in failed[:3])
        return told + (f" and {len(failed) - 3} more" if len(failed) > 3 else "")

    def _must_stop(self, run: RunId, job: JobId) -> bool:
        with self._guard:
            return self._closing.is_set() or run in self._cancelled_runs or job in self._cancelled_jobs

    def _is_cancelled(self, run: RunId) -> bool:
        with self._guard:
            if run in self._cancelled_runs:
                return True
        # The request may have come before this life of the worker.
        with self._database.reading() as reading:
            found = storage.run_of(reading.connection, run)
        if found is not None and found.cancel_requested:
            self.cancel_run(run)
            return True
        return False

    def _require(self, tx: Transaction, run: RunId) -> Run:
        found = storage.run_of(tx.connection, run)
        assert found is not None  # noqa: S101 - workflows are only started over runs that exist
        return found


class Stopping(BaseException):
    """The worker ends; the workflow stays as it is and is resumed at the next start."""


def _failure(job: Job) -> str:
    match job.failure:
        case FailureKind.TIMEOUT:
            return "ran out of time"
        case FailureKind.MEMORY:
            return "ran out of memory"
        case FailureKind.EXIT if job.tests_failed:
            return f"failed ({job.tests_failed} of {job.tests} tests)"
        case FailureKind.EXIT:
            return f"ended with {job.exit_code}"
        case _:
            return f"failed: {job.reason}" if job.reason else "failed"


def _actor(run: Run) -> Actor:
    return Actor(ActorKind.SYSTEM, "andon", run.person)
