"""Use cases of pipelines: making runs, letting them go on, cancelling, ending, clearing away."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from andon.flow.artifacts.contract import Artifacts
from andon.flow.definition.contract import DEFINITION_FILE, Definition, DefinitionReader, OnNewerPush
from andon.flow.pipelines import storage
from andon.flow.pipelines.contract import (
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
    StageState,
)
from andon.flow.pipelines.model import (
    CannotCancel,
    CannotRetry,
    Job,
    JobKind,
    NotWaiting,
    Run,
    Stage,
    dependents,
    jobs_of,
)
from andon.flow.pipelines.service.questions import Questions, see
from andon.flow.sources.contract import CommitHash, Service, Sources
from andon.kernel.access import Permission, Principal
from andon.kernel.db import Reading, Transaction
from andon.kernel.errors import Invalid, NotFound
from andon.kernel.events import ANDON, Actor, append
from andon.kernel.ids import new_id


class PipelineService(Questions):
    """Implements :class:`andon.flow.pipelines.contract.Pipelines`."""

    def __init__(self, *, sources: Sources, definitions: DefinitionReader, artifacts: Artifacts) -> None:
        super().__init__(artifacts=artifacts)
        self._sources = sources
        self._definitions = definitions

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
        lends: bool = True,
    ) -> RunId | None:
        """Make a run of a commit from its ``andon.yaml``; ``None`` when that is missing or faulty (recorded).

        A repeated call with the same ``key`` answers the same run. Unless ``person`` ``lends`` it their authority,
        it waits before each deployment for somebody who may.
        """
        storage.lock_service(tx.connection, service)
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
            acting_person=person if lends else None,
            cancel_requested=False,
            pushed_at=pushed_at,
            queued_at=tx.now,
            started_at=None,
            ended_at=None,
        )
        storage.insert_run(tx.connection, run, _stages(run), _jobs(run), request_key=key)
        append(tx, RunQueued(run=run.id, service=service, commit=commit, branch=branch), by=by)
        return run.id

    def refuses(self, service: Service, commit: CommitHash) -> bool:
        """Whether :meth:`queue` makes no run of this commit, because its ``andon.yaml`` is missing or faulty."""
        try:
            self._definition(service, commit)
        except (Invalid, NotFound):
            return True
        return False

    def start_by_hand(
        self, tx: Transaction, principal: Principal, service: Service, revision: str, *, branch: str | None = None
    ) -> RunId:
        """A new run of a commit that is already there. Raises :class:`Invalid` with the faults of its definition."""
        principal.require_sight(service)
        principal.require(Permission.RUN, service)
        commit = self._sources.resolve(service, revision)
        self._definition(service, commit)
        run = self.queue(
            tx,
            service=service,
            commit=commit,
            branch=self._branch_of(tx, service, revision, commit, branch),
            pushed_at=tx.now,
            person=principal.person,
            by=principal.actor,
            key=new_id("key"),
            lends=_lends(principal),
        )
        assert run is not None  # noqa: S101 - the definition was read above
        return run

    def _branch_of(
        self, tx: Transaction, service: Service, revision: str, commit: CommitHash, branch: str | None
    ) -> str:
        """The branch a run by hand counts for. What deploys from a branch, and its caches, are for its commits only."""
        default = self._sources.default_branch(tx, service)
        for candidate in (branch,) if branch is not None else (default, revision):
            try:
                if self._sources.contains(service, candidate, commit):
                    return candidate
            except NotFound:
                continue
        where = f"the branch {branch}" if branch is not None else f"{default}, and {revision!r} names no branch"
        raise Invalid(
            f"{commit[:7]} is not on {where}.",
            safe="Nothing was started.",
            remedy="Name the branch it is on: andon run COMMIT --branch NAME",
        )

    # What people ask of a run

    def cancel(self, tx: Transaction, principal: Principal, run: RunId) -> None:
        found = self._require(tx, run, lock=True)
        self._may(principal, found)
        if found.state.ended:
            raise CannotCancel(f"Run {found.number} has already ended.", remedy="There is nothing to cancel.")
        append(tx, RunCancelRequested(run=run, service=found.service), by=principal.actor)
        storage.update_run(tx.connection, run, cancel_requested=True)
        if found.state is RunState.WAITING:
            # Nothing is under way that could notice the request.
            self.end(tx, run, RunState.CANCELLED, "cancelled on request", by=principal.actor)

    def cancel_job(self, tx: Transaction, principal: Principal, job: JobId) -> None:
        self.seen_job(tx, principal, job)
        run = self._require(tx, self._require_job(tx, job).run, lock=True)
        found = self._require_job(tx, job)
        self._may(principal, run)
        if found.state.ended:
            raise CannotCancel(f"Job {found.name} has already ended.", remedy="There is nothing to cancel.")
        append(
            tx,
            JobCancelRequested(job=job, run=run.id, service=run.service, name=found.name),
            by=principal.actor,
        )
        waiting = (JobState.PENDING, JobState.READY)
        storage.update_jobs(
            tx.connection,
            [job],
            given=waiting,
            state=JobState.CANCELLED,
            ended_at=tx.now,
            reason="cancelled on request",
        )
        storage.update_jobs(tx.connection, [job], given=[JobState.RUNNING], cancel_requested=True)

    def retry_job(self, tx: Transaction, principal: Principal, job: JobId) -> None:
        """Run a job again, and with it what needs it and every stage behind its own.

        What then deploys, deploys by the authority of whoever asked for this, or waits for somebody who may.
        """
        self.seen_job(tx, principal, job)
        run = self._require(tx, self._require_job(tx, job).run, lock=True)
        found = self._require_job(tx, job)
        self._may(principal, run)
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
        storage.renew_jobs(tx.connection, [one.id for one in siblings if one.name in again])
        stage = storage.stages_of(tx.connection, run.id)[found.stage]
        if run.state is RunState.RUNNING and stage.state is StageState.RUNNING:
            return  # the stage's scheduler takes it up
        if not run.state.ended and run.state is not RunState.WAITING:
            raise CannotRetry(
                "The run is still under way in another stage.",
                remedy="Wait until it has ended, or cancel it, then retry the job.",
            )
        self._reopen(tx, run, found.stage, by=principal.actor, acting=principal.person if _lends(principal) else None)

    def proceed(self, tx: Transaction, principal: Principal, run: RunId) -> None:
        """Let a waiting run go on into the stage it waits for."""
        found = self._require(tx, run, lock=True)
        see(principal, found.service)
        waiting = next((one for one in storage.stages_of(tx.connection, run) if one.state is StageState.WAITING), None)
        if found.state is not RunState.WAITING or waiting is None:
            raise NotWaiting(f"Run {found.number} does not wait for anybody.", remedy="See it: andon runs")
        if waiting.environment is not None:
            principal.require(Permission.DEPLOY, found.service, waiting.environment)
        else:
            principal.require(Permission.RUN, found.service)
        storage.update_stage(tx.connection, run, waiting.position, approved=True, approved_by=principal.person)
        self._reopen(tx, found, waiting.position, by=principal.actor, acting=found.acting_person, approved=True)

    def _reopen(
        self, tx: Transaction, run: Run, position: int, *, by: Actor, acting: str | None, approved: bool = False
    ) -> None:
        names = [stage.name for stage in run.definition.stages]
        for stage in storage.stages_of(tx.connection, run.id)[position:]:
            # What somebody let begin is done with; whoever asks again needs a word of their own.
            kept: dict[str, object] = {} if approved else {"approved": False, "approved_by": None}
            storage.update_stage(
                tx.connection,
                run.id,
                stage.position,
                state=StageState.PENDING,
                reason="",
                ended_at=None,
                # What was deployed for the stage before may not be what is there now.
                deployment=None,
                **kept,
            )
            if stage.position > position:
                later = storage.jobs_of(tx.connection, run.id, stage.position)
                storage.renew_jobs(tx.connection, [one.id for one in later])
        storage.update_run(
            tx.connection,
            run.id,
            state=RunState.QUEUED,
            reason="",
            ended_at=None,
            cancel_requested=False,
            acting_person=acting,
            generation=run.generation + 1,
        )
        append(
            tx,
            RunContinued(run=run.id, service=run.service, stage=names[position], generation=run.generation + 1),
            by=by,
        )

    def end(self, tx: Transaction, run: RunId, outcome: RunState, reason: str, *, by: Actor = ANDON) -> None:
        """Record a run's end. Does nothing when it has ended."""
        found = self._require(tx, run, lock=True)
        if found.state.ended:
            return
        dropped = StageState.CANCELLED if outcome is RunState.CANCELLED else StageState.SKIPPED
        for stage in storage.stages_of(tx.connection, run):
            if stage.state in {StageState.PENDING, StageState.WAITING}:
                storage.update_stage(tx.connection, run, stage.position, state=dropped)
                waiting = storage.jobs_of(tx.connection, run, stage.position)
                storage.update_jobs(
                    tx.connection,
                    [one.id for one in waiting if one.state in {JobState.PENDING, JobState.READY}],
                    state=JobState.SKIPPED,
                )
        storage.update_run(tx.connection, run, state=outcome, reason=reason, ended_at=tx.now)
        append(
            tx,
            RunFinished(run=run, service=found.service, commit=found.commit, outcome=outcome, reason=reason),
            by=by,
        )

    # Clearing away

    def old_runs(self, reading: Reading, *, days: float, limit: int = 50) -> tuple[RunId, ...]:
        """Runs that ended so many days ago and whose files and test results are still there."""
        return storage.ended_before(reading.connection, reading.now - timedelta(days=days), limit)

    def clear(self, tx: Transaction, run: RunId) -> None:
        """Let go of a run's test results; its files are gone already. Its events and what it came to stay."""
        storage.clear(tx.connection, run, tx.now)

    # Inside

    @staticmethod
    def _may(principal: Principal, run: Run) -> None:
        see(principal, run.service)
        principal.require(Permission.RUN, run.service)

    def _definition(self, service: Service, commit: CommitHash) -> Definition:
        source = self._sources.read(service, commit, DEFINITION_FILE)
        if source is None:
            raise NotFound(f"{commit[:7]} has no {DEFINITION_FILE}, so nothing runs.", remedy="Write one: andon init")
        return self._definitions.read(source)


def _lends(principal: Principal) -> bool:
    """A token that may run and not deploy does not deploy by way of a run."""
    return principal.scopes is None or Permission.DEPLOY in principal.scopes


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
