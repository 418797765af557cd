"""What a run's workflow records on its way: each method is a part of one transaction and safe to repeat."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from andon.flow.artifacts.contract import Artifacts, Provenance
from andon.flow.deployments.contract import DeploymentId
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
    STAGE_ANSWERS,
    Entry,
    Job,
    JobKind,
    JobResult,
    Run,
    Stage,
    StageAnswer,
    TestState,
    applies,
    in_turn,
    needs_person,
    runnable,
    stage_outcome,
)
from andon.flow.pipelines.ports import Authority
from andon.flow.pipelines.service.runs import PipelineService
from andon.flow.sources.contract import Sources
from andon.kernel.access import Permission
from andon.kernel.db import Reading, Transaction
from andon.kernel.events import Actor, ActorKind, append

_WAITING = (JobState.PENDING, JobState.READY)


class Progress:
    """The transactions of :class:`andon.flow.pipelines.execution.Execution`."""

    def __init__(
        self,
        *,
        service: PipelineService,
        sources: Sources,
        artifacts: Artifacts,
        authority: Authority,
        builder: str,
    ) -> None:
        self._service = service
        self._sources = sources
        self._artifacts = artifacts
        self._authority = authority
        self._builder = builder

    # The run

    def lends(self, reading: Reading, actor: Actor) -> bool:
        """See :meth:`andon.flow.pipelines.ports.Authority.lends`."""
        return self._authority.lends(reading, actor)

    def begin(self, tx: Transaction, run: RunId) -> int:
        """Record that the run works; how many stages it has, 0 when there is nothing to do any more."""
        found = self._require(tx, run, lock=True)
        if found.state.ended:
            return 0
        if found.cancel_requested:
            self._service.end(tx, run, RunState.CANCELLED, "cancelled before it began", by=_actor(found))
            return 0
        if found.state is not RunState.RUNNING:
            values: dict[str, object] = {"state": RunState.RUNNING}
            if found.started_at is None:
                values["started_at"] = tx.now
            storage.update_run(tx.connection, run, **values)
            append(tx, RunStarted(run=run, service=found.service, commit=found.commit), by=_actor(found))
        return len(found.definition.stages)

    def finish(self, tx: Transaction, run: RunId, answer: StageAnswer) -> None:
        """Record how the run ended, or that it waits."""
        found = self._require(tx, run, lock=True)
        if found.state is not RunState.RUNNING:
            return
        stages = storage.stages_of(tx.connection, run)
        if answer is StageAnswer.WAITING:
            waiting = next(one for one in stages if one.state is StageState.WAITING)
            if found.cancel_requested:  # asked for while the run was about to wait
                self._service.end(tx, run, RunState.CANCELLED, "cancelled on request", by=_actor(found))
                return
            storage.update_run(tx.connection, run, state=RunState.WAITING, reason=waiting.reason)
            return
        outcome = {
            StageAnswer.PASSED: RunState.PASSED,
            StageAnswer.FAILED: RunState.FAILED,
            StageAnswer.CANCELLED: RunState.CANCELLED,
        }[answer]
        ended = next((one for one in stages if one.state in {StageState.FAILED, StageState.CANCELLED}), None)
        reason = "" if ended is None else f"{ended.name}: {ended.reason}"
        self._service.end(tx, run, outcome, reason, by=_actor(found))

    def give_up(self, tx: Transaction, run: RunId, reason: str) -> None:
        """Andon itself could not go on with the run: it ends, with everything that was still open in it."""
        found = self._require(tx, run, lock=True)
        if found.state.ended:
            return
        for stage in storage.stages_of(tx.connection, run):
            if stage.state in {StageState.RUNNING, StageState.DEPLOYING}:
                open_jobs = storage.jobs_of(tx.connection, run, stage.position)
                storage.update_jobs(
                    tx.connection,
                    [one.id for one in open_jobs],
                    given=[*_WAITING, JobState.RUNNING],
                    state=JobState.CANCELLED,
                    ended_at=tx.now,
                    reason="its run could not go on",
                )
                self._record_stage_end(tx, found, stage, StageState.FAILED, reason)
        self._service.end(tx, run, RunState.FAILED, reason, by=_actor(found))

    # A stage

    def enter(self, tx: Transaction, run: RunId, position: int) -> Entry:
        """Begin a stage, or find that it has ended, is not for this branch, or waits for somebody."""
        found = self._require(tx, run, lock=True)
        stage = storage.stages_of(tx.connection, run)[position]
        default_branch = self._sources.default_branch(tx, found.service)
        answer = STAGE_ANSWERS.get(stage.state)
        if answer is None:
            answer = self._answer_at_once(tx, found, stage, default_branch)
        if answer is None and stage.state in {StageState.PENDING, StageState.WAITING}:
            definition = found.definition.stages[position]
            storage.update_stage(
                tx.connection,
                run,
                position,
                state=StageState.RUNNING if definition.environment is None else StageState.DEPLOYING,
                started_at=tx.now,
                ended_at=None,
                reason="",
            )
            append(tx, StageStarted(run=run, service=found.service, stage=stage.name), by=_actor(found))
        return Entry(run=found, answer=answer, default_branch=default_branch)

    def _answer_at_once(self, tx: Transaction, run: Run, stage: Stage, default_branch: str) -> StageAnswer | None:
        definition = run.definition.stages[stage.position]
        if stage.state not in {StageState.PENDING, StageState.WAITING}:
            return None
        if run.cancel_requested:
            self._record_stage_end(tx, run, stage, StageState.CANCELLED, "cancelled on request")
            return StageAnswer.CANCELLED
        if not applies(definition, run.branch, default_branch):
            reason = f"not for branch {run.branch}"
            storage.update_stage(tx.connection, run.id, stage.position, state=StageState.SKIPPED, reason=reason)
            own = storage.jobs_of(tx.connection, run.id, stage.position)
            storage.update_jobs(tx.connection, [one.id for one in own], state=JobState.SKIPPED, reason=reason)
            return StageAnswer.PASSED
        reason = self._why_wait(tx, run, stage)
        if reason:
            storage.update_stage(tx.connection, run.id, stage.position, state=StageState.WAITING, reason=reason)
            return StageAnswer.WAITING
        return None

    def _why_wait(self, tx: Transaction, run: Run, stage: Stage) -> str:
        definition = run.definition.stages[stage.position]
        if needs_person(stage, definition):
            return f"{stage.name} begins when somebody says so"
        if definition.environment is None or stage.approved:
            return ""
        principal = self._authority.principal_of(tx, run.acting_person)
        if principal is None or not principal.may(Permission.DEPLOY, run.service, definition.environment):
            return f"whoever pushed this may not deploy to {definition.environment}; somebody who may lets it go on"
        return ""

    def deployer_of(self, reading: Reading, run: Run, position: int) -> str | None:
        """The person by whose authority a stage deploys."""
        stage = storage.stages_of(reading.connection, run.id)[position]
        return stage.approved_by if stage.approved else run.acting_person

    def note_deployment(self, tx: Transaction, run: RunId, position: int, deployment: DeploymentId) -> None:
        storage.update_stage(tx.connection, run, position, deployment=deployment)

    def end_stage(
        self, tx: Transaction, run: Run, position: int, *, failed: StageState | None = None, reason: str = ""
    ) -> StageAnswer | None:
        """Record how a stage ended: ``failed`` before its jobs began, else by what its jobs came to.

        ``None`` when a job is to run again: somebody asked for that at the last moment.
        """
        self._require(tx, run.id, lock=True)
        stage = storage.stages_of(tx.connection, run.id)[position]
        if stage.state in STAGE_ANSWERS:
            return STAGE_ANSWERS[stage.state]
        jobs = storage.jobs_of(tx.connection, run.id, position)
        if failed is None:
            if not all(one.state.ended for one in jobs):
                return None
            outcome = stage_outcome(jobs)
            reason = "" if outcome is StageState.PASSED else _why(jobs)
        else:
            outcome = failed
            storage.update_jobs(
                tx.connection,
                [one.id for one in jobs],
                given=_WAITING,
                state=JobState.SKIPPED,
                reason="its stage did not get that far",
            )
        self._record_stage_end(tx, run, stage, outcome, reason)
        return STAGE_ANSWERS[outcome]

    def _record_stage_end(self, tx: Transaction, run: Run, stage: Stage, outcome: StageState, reason: str) -> None:
        storage.update_stage(
            tx.connection, run.id, stage.position, state=outcome, ended_at=tx.now, reason=reason[:2000]
        )
        append(
            tx,
            StageFinished(run=run.id, service=run.service, stage=stage.name, outcome=outcome, reason=reason[:2000]),
            by=_actor(run),
        )

    # Its jobs

    def begin_jobs(self, tx: Transaction, run: Run, position: int) -> None:
        """The stage works on its jobs from now on; what ran when Andon ended is lost and begins again."""
        storage.update_stage(tx.connection, run.id, position, state=StageState.RUNNING)
        for job in storage.jobs_of(tx.connection, run.id, position):
            if job.state is not JobState.RUNNING:
                continue
            append(tx, JobLost(job=job.id, run=run.id, service=run.service, attempt=job.attempt), by=_actor(run))
            if job.cancel_requested:
                storage.update_jobs(
                    tx.connection,
                    [job.id],
                    state=JobState.CANCELLED,
                    ended_at=tx.now,
                    reason="cancelled on request",
                )
            else:
                storage.update_jobs(tx.connection, [job.id], state=JobState.READY)

    def open_jobs(self, reading: Reading, run: Run, position: int) -> Mapping[JobId, JobState]:
        """The stage's jobs that have not come to their end."""
        return storage.open_jobs(reading.connection, run.id, position)

    def advance(self, tx: Transaction, run: Run, position: int, under_way: Collection[JobId] = ()) -> tuple[Job, ...]:
        """Skip what cannot run any more; the jobs that are ready to run, of those whose turn it is."""
        rows = storage.jobs_of(tx.connection, run.id, position)
        ready, skipped = runnable(rows)
        while skipped:
            storage.update_jobs(
                tx.connection,
                [one.id for one in skipped],
                given=[JobState.PENDING],
                state=JobState.SKIPPED,
                reason="a job it needs did not pass",
            )
            rows = storage.jobs_of(tx.connection, run.id, position)
            ready, skipped = runnable(rows)
        turn = in_turn(run.definition, rows, under_way)
        ready = tuple(one for one in ready if one.id in turn)
        if ready:
            storage.update_jobs(
                tx.connection, [one.id for one in ready], given=[JobState.PENDING], state=JobState.READY
            )
        return tuple(one for one in rows if (one.state is JobState.READY and one.id in turn) or one in ready)

    def works_on(self, reading: Reading, run: RunId, position: int) -> bool:
        """Whether a stage's jobs are what the run is at."""
        found = storage.run_of(reading.connection, run)
        if found is None or found.state is not RunState.RUNNING:
            return False
        return storage.stages_of(reading.connection, run)[position].state is StageState.RUNNING

    def cancel_waiting(self, tx: Transaction, run: Run, position: int) -> None:
        """The run is cancelled: what has not begun will not."""
        own = storage.jobs_of(tx.connection, run.id, position)
        storage.update_jobs(
            tx.connection,
            [one.id for one in own],
            given=_WAITING,
            state=JobState.CANCELLED,
            ended_at=tx.now,
            reason="the run was cancelled",
        )

    def start_attempt(self, tx: Transaction, run: Run, job: Job) -> int | None:
        """Take a job into work; its attempt number, or ``None`` when it is no longer waiting."""
        attempt = storage.begin_attempt(tx.connection, job.id, tx.now)
        if attempt is not None:
            append(
                tx,
                JobStarted(
                    job=job.id,
                    run=run.id,
                    service=run.service,
                    stage=run.definition.stages[job.stage].name,
                    name=job.name,
                    attempt=attempt,
                ),
                by=_actor(run),
            )
        return attempt

    def end_attempt(self, tx: Transaction, run: Run, job: Job, attempt: int, result: JobResult) -> bool:
        """Record how an attempt ended and publish its package; false when it is not the current one any more."""
        if not storage.end_attempt(tx.connection, job.id, attempt, result, tx.now):
            return False
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
        append(
            tx,
            JobFinished(
                job=job.id,
                run=run.id,
                service=run.service,
                stage=run.definition.stages[job.stage].name,
                name=job.name,
                attempt=attempt,
                outcome=result.outcome,
                failure=result.failure,
                exit_code=result.exit_code,
                seconds=result.seconds,
                tests=len(result.tests),
                tests_failed=sum(case.state in {TestState.FAILED, TestState.ERROR} for case in result.tests),
            ),
            by=_actor(run),
        )
        return True

    # What people asked for

    def is_cancelled(self, reading: Reading, run: RunId) -> bool:
        return storage.cancel_requested(reading.connection, run)

    def cancelled_jobs(self, reading: Reading, jobs: Collection[JobId]) -> frozenset[JobId]:
        """Those of the jobs whose present attempt somebody asked to end."""
        found = (storage.job_of(reading.connection, one) for one in jobs)
        return frozenset(
            one.id for one in found if one is not None and one.cancel_requested and one.state is JobState.RUNNING
        )

    def _require(self, tx: Transaction, run: RunId, *, lock: bool = False) -> Run:
        found = storage.run_of(tx.connection, run, lock=lock)
        assert found is not None  # noqa: S101 - workflows are only started over runs that exist
        return found


def _why(jobs: Sequence[Job]) -> str:
    failed = [one for one in jobs if one.state is JobState.FAILED]
    if not failed:
        return "cancelled on request"
    told = ", ".join(f"{one.name} {_failure(one)}" for one in failed[:3])
    return told + (f" and {len(failed) - 3} more" if len(failed) > 3 else "")


def _failure(job: Job) -> str:
    match job.failure:
        case FailureKind.TIMEOUT:
            return "ran out of time"
        case FailureKind.MEMORY:
            return "ran out of memory"
        case FailureKind.EXIT if job.tests_failed:
            return f"failed ({job.tests_failed} of {job.tests} tests)"
        case FailureKind.EXIT:
            return f"ended with exit code {job.exit_code}"
        case _:
            return f"failed: {job.reason}" if job.reason else "failed"


def _actor(run: Run) -> Actor:
    return Actor(ActorKind.SYSTEM, "andon", run.acting_person)
