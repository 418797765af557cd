"""Use cases of pipelines: making runs, continuing, cancelling, answering about builds."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from andon.flow.artifacts.contract import Artifacts
from andon.flow.definition.contract import DEFINITION_FILE, Definition, DefinitionReader, OnNewerPush
from andon.flow.pipelines import storage
from andon.flow.pipelines.contract import (
    Build,
    JobCancelRequested,
    JobId,
    JobRetryRequested,
    JobState,
    RunCancelRequested,
    RunContinued,
    RunFinished,
    RunId,
    RunQueued,
    RunRefused,
    RunState,
    RunSummary,
    StageState,
    Verdict,
)
from andon.flow.pipelines.model import (
    CannotCancel,
    CannotRetry,
    Job,
    JobKind,
    NotWaiting,
    Run,
    Stage,
    TestCase,
    dependents,
    jobs_of,
)
from andon.flow.sources.contract import CommitHash, Service, Sources
from andon.kernel.access import Permission, Principal
from andon.kernel.db import Reading, Transaction
from andon.kernel.errors import Invalid, NotFound
from andon.kernel.events import ANDON, Actor, append
from andon.kernel.ids import new_id


class PipelineService:
    """Implements :class:`andon.flow.pipelines.contract.Pipelines`."""

    def __init__(self, *, sources: Sources, definitions: DefinitionReader, artifacts: Artifacts) -> None:
        self._sources = sources
        self._definitions = definitions
        self._artifacts = artifacts

    # Making runs

    def queue(
        self,
        tx: Transaction,
        *,
        service: Service,
        commit: CommitHash,
        branch: str,
        pushed_at: datetime,
        person: str | None,
        by: Actor,
        key: str,
    ) -> RunId | None:
        """Make a run of a commit from its ``andon.yaml``; ``None`` when that is missing or faulty (recorded).

        A repeated call with the same ``key`` answers the same run.
        """
        if (known := storage.by_key(tx.connection, key)) is not None:
            return known
        try:
            definition = self._definition(service, commit)
        except (Invalid, NotFound) as error:
            faults = tuple(str(error).splitlines())[:50]
            append(tx, RunRefused(service=service, commit=commit, branch=branch, faults=faults), by=by)
            return None
        if definition.on_newer_push is OnNewerPush.SUPERSEDE:
            for older in storage.queued_on_branch(tx.connection, service, branch):
                self.end(tx, older, RunState.SUPERSEDED, f"{commit[:7]} was pushed before it began")
        run = Run(
            id=RunId(new_id("run")),
            number=storage.next_number(tx.connection, service),
            service=service,
            commit=commit,
            branch=branch,
            state=RunState.QUEUED,
            reason="",
            definition=definition,
            generation=0,
            person=person,
            cancel_requested=False,
            pushed_at=pushed_at,
            queued_at=tx.now,
            started_at=None,
            ended_at=None,
        )
        storage.insert_run(tx.connection, run, _stages(run), _jobs(run), request_key=key)
        append(tx, RunQueued(run=run.id, service=service, commit=commit, branch=branch), by=by)
        return run.id

    def start_by_hand(
        self, tx: Transaction, principal: Principal, service: Service, revision: str, *, branch: str | None = None
    ) -> RunId:
        """A new run of a commit that is already there. Raises :class:`Invalid` with the faults of its definition."""
        principal.require(Permission.RUN, service)
        commit = self._sources.resolve(service, revision)
        self._definition(service, commit)
        run = self.queue(
            tx,
            service=service,
            commit=commit,
            branch=branch or self._sources.default_branch(tx, service),
            pushed_at=tx.now,
            person=principal.person,
            by=principal.actor,
            key=new_id("key"),
        )
        assert run is not None  # noqa: S101 - the definition was read above
        return run

    # What people ask of a run

    def cancel(self, tx: Transaction, principal: Principal, run: RunId) -> None:
        found = self._require(tx, run)
        principal.require(Permission.RUN, found.service)
        if found.state.ended:
            raise CannotCancel(f"Run {found.number} has already ended.", remedy="There is nothing to cancel.")
        append(tx, RunCancelRequested(run=run, service=found.service), by=principal.actor)
        storage.update_run(tx.connection, run, cancel_requested=True)
        if found.state is RunState.WAITING:
            # Nothing is under way that could notice the request.
            self.end(tx, run, RunState.CANCELLED, "cancelled on request", by=principal.actor)

    def cancel_job(self, tx: Transaction, principal: Principal, job: JobId) -> None:
        found = self._require_job(tx, job)
        run = self._require(tx, found.run)
        principal.require(Permission.RUN, run.service)
        if found.state.ended:
            raise CannotCancel(f"Job {found.name} has already ended.", remedy="There is nothing to cancel.")
        append(
            tx,
            JobCancelRequested(job=job, run=run.id, service=run.service, name=found.name),
            by=principal.actor,
        )
        if found.state is not JobState.RUNNING:
            storage.update_jobs(
                tx.connection, [job], state=JobState.CANCELLED, ended_at=tx.now, reason="cancelled on request"
            )

    def retry_job(self, tx: Transaction, principal: Principal, job: JobId) -> None:
        """Run a job again, and with it what needs it and every stage behind its own."""
        found = self._require_job(tx, job)
        run = self._require(tx, found.run)
        principal.require(Permission.RUN, run.service)
        if not found.state.ended:
            raise CannotRetry(f"Job {found.name} has not ended yet.", remedy="Wait for it, or cancel it first.")
        if run.state is RunState.SUPERSEDED:
            raise CannotRetry("A superseded run never began.", remedy="Retry the newer run.")
        if found.kind is JobKind.PACKAGE and self._artifacts.of_run(tx, run.id) is not None:
            raise CannotRetry(
                "This run's package has been published, and a package is built once.",
                remedy="Push a commit, or start a new run of this one: andon run",
            )
        append(
            tx,
            JobRetryRequested(job=job, run=run.id, service=run.service, name=found.name),
            by=principal.actor,
        )
        siblings = storage.jobs_of(tx.connection, run.id, found.stage)
        again = {found.name} | {
            name
            for name in dependents(siblings, found.name)
            if not (name == _package_name(siblings) and self._artifacts.of_run(tx, run.id) is not None)
        }
        storage.update_jobs(
            tx.connection, [one.id for one in siblings if one.name in again], state=JobState.PENDING, reason=""
        )
        stage = storage.stages_of(tx.connection, run.id)[found.stage]
        if run.state is RunState.RUNNING and stage.state is StageState.RUNNING:
            return  # the stage's scheduler takes it up
        self._reopen(tx, run, found.stage, by=principal.actor)

    def proceed(self, tx: Transaction, principal: Principal, run: RunId) -> None:
        """Let a waiting run go on into the stage it waits for."""
        found = self._require(tx, run)
        waiting = next((one for one in storage.stages_of(tx.connection, run) if one.state is StageState.WAITING), None)
        if found.state is not RunState.WAITING or waiting is None:
            raise NotWaiting(f"Run {found.number} does not wait for anybody.", remedy="See it: andon runs")
        if waiting.environment is not None:
            principal.require(Permission.DEPLOY, found.service, waiting.environment)
        else:
            principal.require(Permission.RUN, found.service)
        storage.update_stage(tx.connection, run, waiting.position, approved=True, approved_by=principal.person)
        self._reopen(tx, found, waiting.position, by=principal.actor)

    def _reopen(self, tx: Transaction, run: Run, position: int, *, by: Actor) -> None:
        names = [stage.name for stage in run.definition.stages]
        for stage in storage.stages_of(tx.connection, run.id)[position:]:
            storage.update_stage(
                tx.connection,
                run.id,
                stage.position,
                state=StageState.PENDING,
                reason="",
                ended_at=None,
                # What was deployed for the stage before may not be what is there now.
                deployment=None,
            )
            if stage.position > position:
                later = storage.jobs_of(tx.connection, run.id, stage.position)
                storage.update_jobs(tx.connection, [one.id for one in later], state=JobState.PENDING, reason="")
        storage.update_run(
            tx.connection,
            run.id,
            state=RunState.QUEUED,
            reason="",
            ended_at=None,
            cancel_requested=False,
            generation=run.generation + 1,
        )
        append(
            tx,
            RunContinued(run=run.id, service=run.service, stage=names[position], generation=run.generation + 1),
            by=by,
        )

    def end(self, tx: Transaction, run: RunId, outcome: RunState, reason: str, *, by: Actor = ANDON) -> None:
        """Record a run's end. Does nothing when it has ended."""
        found = self._require(tx, run)
        if found.state.ended:
            return
        dropped = StageState.CANCELLED if outcome is RunState.CANCELLED else StageState.SKIPPED
        for stage in storage.stages_of(tx.connection, run):
            if stage.state in {StageState.PENDING, StageState.WAITING}:
                storage.update_stage(tx.connection, run, stage.position, state=dropped)
                waiting = storage.jobs_of(tx.connection, run, stage.position)
                storage.update_jobs(
                    tx.connection,
                    [one.id for one in waiting if one.state is JobState.PENDING],
                    state=JobState.SKIPPED,
                )
        storage.update_run(tx.connection, run, state=outcome, reason=reason, ended_at=tx.now)
        append(
            tx,
            RunFinished(run=run, service=found.service, commit=found.commit, outcome=outcome, reason=reason),
            by=by,
        )

    # Questions

    def run(self, reading: Reading, run: RunId) -> RunSummary:
        found = storage.summaries(reading.connection, run=run)
        if not found:
            raise NotFound("There is no such run.", remedy="List them: andon runs")
        return found[0]

    def recent(
        self, reading: Reading, service: Service | None = None, *, before: int | None = None, limit: int = 20
    ) -> tuple[RunSummary, ...]:
        return storage.summaries(reading.connection, service=service, before=before, limit=limit)

    def jobs(self, reading: Reading, run: RunId) -> tuple[Job, ...]:
        return storage.jobs_of(reading.connection, run)

    def job(self, reading: Reading, job: JobId) -> Job:
        return self._require_job(reading, job)

    def tests(self, reading: Reading, job: JobId, attempt: int) -> tuple[TestCase, ...]:
        return storage.reported_tests(reading.connection, job, attempt)

    def definition_of(self, reading: Reading, run: RunId) -> Definition:
        return self._require(reading, run).definition

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

    # Inside

    def _definition(self, service: Service, commit: CommitHash) -> Definition:
        source = self._sources.read(service, commit, DEFINITION_FILE)
        if source is None:
            raise NotFound(f"{commit[:7]} has no {DEFINITION_FILE}, so nothing runs.", remedy="Write one: andon init")
        return self._definitions.read(source)

    def _require(self, reading: Reading, run: RunId) -> Run:
        found = storage.run_of(reading.connection, run)
        if found is None:
            raise NotFound("There is no such run.", remedy="List them: andon runs")
        return found

    def _require_job(self, reading: Reading, job: JobId) -> Job:
        found = storage.job_of(reading.connection, job)
        if found is None:
            raise NotFound("There is no such job.", remedy="See a run's jobs: andon runs RUN")
        return found


def _stages(run: Run) -> list[Stage]:
    return [
        Stage(
            run=run.id,
            position=position,
            name=stage.name,
            state=StageState.PENDING,
            environment=stage.environment,
            deployment=None,
            approved_by=None,
            approved=False,
            started_at=None,
            ended_at=None,
            reason="",
        )
        for position, stage in enumerate(run.definition.stages)
    ]


def _jobs(run: Run) -> list[Job]:
    blank = Job(
        id=JobId(""),
        run=run.id,
        stage=0,
        position=0,
        name="",
        kind=JobKind.JOB,
        needs=(),
        state=JobState.PENDING,
        attempt=0,
        failure=None,
        exit_code=None,
        reason="",
        started_at=None,
        ended_at=None,
        tests=0,
        tests_failed=0,
    )
    return [
        replace(
            blank,
            id=JobId(new_id("job")),
            stage=stage,
            position=position,
            name=definition.name,
            kind=kind,
            needs=definition.needs,
        )
        for stage in range(len(run.definition.stages))
        for position, (definition, kind) in enumerate(jobs_of(run.definition, stage))
    ]


def _package_name(jobs: tuple[Job, ...]) -> str | None:
    return next((one.name for one in jobs if one.kind is JobKind.PACKAGE), None)
