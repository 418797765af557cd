"""What each step of a run does: begin, one stage after another, finish.

A stage's jobs are rows with their own state. The scheduler below looks at the rows, hands what can run to the
pool, and looks again whenever a job has ended or somebody asked for something; so a stage that is begun again
after a crash goes on from the rows it finds, and a job that was under way runs again with the next attempt.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from andon.flow.deployments.contract import DeploymentId, Deployments, DeploymentState
from andon.flow.environments.contract import Environments
from andon.flow.pipelines.contract import FailureKind, JobId, JobState, Pretences, RunId, StageState
from andon.flow.pipelines.model import Entry, Job, JobKind, JobResult, JobTask, Run, StageAnswer, flags_of, jobs_of
from andon.flow.pipelines.ports import Authority, JobRunner
from andon.flow.pipelines.pretending import FlagsOfTests, NoPretences
from andon.flow.pipelines.service import Progress
from andon.flow.sources.contract import CommitHash
from andon.kernel.db import Database
from andon.kernel.errors import AndonError, Unavailable
from andon.kernel.workflows import Interrupted

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class Execution:
    """The bodies of the steps of :mod:`andon.flow.pipelines.workflows`."""

    def __init__(
        self,
        *,
        database: Database,
        progress: Progress,
        deployments: Deployments,
        environments: Environments,
        authority: Authority,
        runner: JobRunner,
        parallel: int,
        pretences: Pretences | None = None,
    ) -> None:
        """``parallel`` jobs run at once, of all runs together."""
        self._database = database
        self._progress = progress
        self._deployments = deployments
        self._environments = environments
        self._authority = authority
        self._runner = runner
        self._flags = FlagsOfTests(database, progress, pretences or NoPretences())
        self._pool = ThreadPoolExecutor(parallel, thread_name_prefix="job")
        self._guard = threading.Lock()
        self._cancelled_runs: set[RunId] = set()
        self._cancelled_jobs: set[JobId] = set()
        self._at_work: dict[RunId, _Scheduler] = {}
        self._closing = threading.Event()

    def close(self) -> None:
        """End the jobs under way, for a stop of the worker: they count as lost and run again at the next start."""
        self._closing.set()
        self._pool.shutdown(wait=True)

    # Told by reactions

    def cancel_run(self, run: RunId) -> None:
        """End what runs of it; the request is in the database already."""
        with self._guard:
            self._cancelled_runs.add(run)
        self.look_again(run)

    def cancel_job(self, job: JobId) -> None:
        """End its attempt; the request is in the database already."""
        with self._guard:
            self._cancelled_jobs.add(job)

    def look_again(self, run: RunId) -> None:
        """Something was asked of one of its jobs."""
        with self._guard:
            at_work = self._at_work.get(run)
        if at_work is not None:
            at_work.tell()

    def return_flags(self, why: str, *, all_of_them: bool = False) -> None:
        """Let environments serve their own flags again that pretend others for jobs that no longer run.

        ``all_of_them``: none runs. Safe to repeat."""
        self._flags.settle(why, all_of_them=all_of_them)

    # Steps

    def begin(self, run: RunId) -> int:
        """How many stages there are to work through, 0 when there is nothing to do any more."""
        with self._guard:
            self._cancelled_runs.discard(run)
        return self._patiently(lambda: self._begin(run))

    def _begin(self, run: RunId) -> int:
        with self._database.transaction() as tx:
            return self._progress.begin(tx, run)

    def stage(self, run: RunId, position: int) -> StageAnswer:
        """Work through one stage to its end."""
        return self._patiently(lambda: self._stage(run, position))

    def _stage(self, run: RunId, position: int) -> StageAnswer:
        with self._database.transaction() as tx:
            entry = self._progress.enter(tx, run, position)
        if entry.answer is not None:
            return entry.answer
        url: str | None = None
        environment = entry.run.definition.stages[position].environment
        if environment is not None:
            problem = self._deploy(entry.run, position, environment)
            if problem is not None:
                failed = StageState.CANCELLED if self._is_cancelled(run) else StageState.FAILED
                with self._database.transaction() as tx:
                    answer = self._progress.end_stage(tx, entry.run, position, failed=failed, reason=problem)
                assert answer is not None  # noqa: S101 - a stage that failed before its jobs has an answer
                return answer
            with self._database.reading() as reading:
                place = self._environments.find(reading, entry.run.service, environment)
                url = None if place is None else place.address
        with self._database.transaction() as tx:
            self._progress.begin_jobs(tx, entry.run, position)
        while True:
            try:
                _Scheduler(self, entry, position, url).work()
            finally:
                self._flags.give_back(entry.run)
            with self._database.transaction() as tx:
                answer = self._progress.end_stage(tx, entry.run, position)
            if answer is not None:
                return answer

    def finish(self, run: RunId, answer: StageAnswer) -> bool:
        """Record how the run ended, or that it waits; its workspace tree is no longer needed."""
        self._patiently(lambda: self._finish(run, answer))
        try:
            self._runner.release(run)
        except OSError as error:
            _log.warning("what run %s left on the disk is kept until it is cleared away: %s", run, error)
        return True

    def _finish(self, run: RunId, answer: StageAnswer) -> None:
        with self._database.transaction() as tx:
            self._progress.finish(tx, run, answer)

    def give_up(self, run: RunId, reason: str) -> bool:
        """End a run that Andon itself could not go on with."""

        def end() -> bool:
            with self._database.transaction() as tx:
                self._progress.give_up(tx, run, reason)
            return True

        _log.error("run %s was given up: %s", run, reason)
        return self._patiently(end)

    def _patiently(self, action: Callable[[], _T]) -> _T:
        """Try again as long as something Andon needs does not answer: that is no failure of the run."""
        pause = 0.5
        while True:
            try:
                return action()
            except Unavailable as error:
                _log.warning("a run waits: %s", error)
            if self._closing.wait(pause):
                raise Interrupted
            pause = min(pause * 2, 30.0)

    # A stage's deployment

    def _deploy(self, run: Run, position: int, environment: str) -> str | None:
        """Bring the run's package into the environment; what went wrong, or ``None``."""
        try:
            with self._database.transaction() as tx:
                person = self._progress.deployer_of(tx, run, position)
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
                self._progress.note_deployment(tx, run.id, position, deployment)
        except Unavailable:
            raise
        except AndonError as error:
            return str(error)
        return self._await(run.id, deployment)

    def _await(self, run: RunId, deployment: DeploymentId) -> str | None:
        state = self._deployments.await_end(deployment, lambda: self._is_cancelled(run) or self._closing.is_set())
        if not state.ended and not self._closing.is_set():
            try:
                with self._database.transaction() as tx:
                    found = self._deployments.get(tx, deployment)
                    principal = self._authority.principal_of(tx, found.person)
                    if principal is not None:
                        self._deployments.cancel(tx, principal, deployment)
            except AndonError as error:
                # It may have ended, or be past the point where it can be cancelled: its end tells.
                _log.info("deployment %s is not cancelled with its run: %s", deployment, error)
            state = self._deployments.await_end(deployment, self._closing.is_set)
        if not state.ended:
            raise Interrupted
        if state is DeploymentState.SUCCEEDED:
            return None
        with self._database.reading() as reading:
            found = self._deployments.get(reading, deployment)
        return found.reason or f"the deployment was {state.value}"

    # One job, in a thread of the pool

    def attempt(self, entry: Entry, job: Job, url: str | None) -> None:
        """Run a job once and record how that ended."""
        run = entry.run
        if self._closing.is_set() or self._is_cancelled(run.id):
            return
        with self._guard:
            self._cancelled_jobs.discard(job.id)
        with self._database.transaction() as tx:
            attempt = self._progress.start_attempt(tx, run, job)
        if attempt is None:
            return
        stage = run.definition.stages[job.stage]
        definition = next(one for one, _kind in jobs_of(run.definition, job.stage) if one.name == job.name)
        task = JobTask(
            job=job.id,
            run=run.id,
            attempt=attempt,
            kind=job.kind,
            service=run.service,
            commit=run.commit,
            branch=run.branch,
            default_branch=entry.default_branch,
            stage=stage.name,
            name=job.name,
            definition=definition,
            whole=run.definition,
            environment=stage.environment,
            url=url,
            live=self._live(run) if job.kind is JobKind.MIGRATIONS else (),
            flags=flags_of(run.definition, job),
        )
        problem = self._flags.await_set(run, job, lambda: self._must_stop(run.id, job.id))
        if problem is None:
            result = self._runner.run(task, lambda: self._must_stop(run.id, job.id))
        else:
            result = JobResult(outcome=JobState.FAILED, failure=FailureKind.SETUP, reason=problem[:2000])
        if self._closing.is_set() and result.outcome is JobState.CANCELLED:
            return  # the row stays "running": the next start finds the attempt lost and begins another
        self._patiently(lambda: self._record(run, job, attempt, result))

    def _live(self, run: Run) -> tuple[CommitHash, ...]:
        """The versions that serve, environment by environment; a rehearsal's counts as well, it has data, too."""
        with self._database.reading() as reading:
            places = [self._environments.find(reading, run.service, one.name) for one in run.definition.environments]
        return tuple({one.live.commit: None for one in places if one is not None and one.live is not None})

    def _record(self, run: Run, job: Job, attempt: int, result: JobResult) -> None:
        with self._database.transaction() as tx:
            self._progress.end_attempt(tx, run, job, attempt, result)

    def _must_stop(self, run: RunId, job: JobId) -> bool:
        with self._guard:
            return self._closing.is_set() or run in self._cancelled_runs or job in self._cancelled_jobs

    def _is_cancelled(self, run: RunId) -> bool:
        with self._guard:
            if run in self._cancelled_runs:
                return True
        # The request may have come before this life of the worker.
        with self._database.reading() as reading:
            cancelled = self._progress.is_cancelled(reading, run)
        if cancelled:
            with self._guard:
                self._cancelled_runs.add(run)
        return cancelled


class _Scheduler:
    """Hands one stage's jobs to the pool as their needs allow, until all have ended."""

    def __init__(self, execution: Execution, entry: Entry, position: int, url: str | None) -> None:
        self._execution = execution
        self._entry = entry
        self._position = position
        self._url = url
        self._changed = threading.Condition()
        self._news = False
        self._under_way: set[JobId] = set()
        self._failures: list[BaseException] = []

    def work(self) -> None:
        with self._execution._guard:
            self._execution._at_work[self._entry.run.id] = self
        try:
            while self._advance():
                with self._changed:
                    self._changed.wait_for(lambda: self._news, 1.0)
                    self._news = False
        finally:
            with self._execution._guard:
                del self._execution._at_work[self._entry.run.id]
            with self._changed:
                self._changed.wait_for(lambda: not self._under_way)

    def tell(self) -> None:
        with self._changed:
            self._news = True
            self._changed.notify_all()

    def _advance(self) -> bool:
        """Hand out what can run; false once all jobs have ended."""
        execution, run = self._execution, self._entry.run
        if execution._closing.is_set():
            raise Interrupted
        if self._failures:
            raise self._failures[0]
        with self._changed:
            under_way = frozenset(self._under_way)
        with execution._database.reading() as reading:
            left = execution._progress.open_jobs(reading, run, self._position)
        idle = [job for job, state in left.items() if state is not JobState.RUNNING and job not in under_way]
        if not left and not under_way:
            return False
        if execution._is_cancelled(run.id):
            if idle:
                with execution._database.transaction() as tx:
                    execution._progress.cancel_waiting(tx, run, self._position)
                self.tell()
            return True
        if idle:
            with execution._database.transaction() as tx:
                ready = execution._progress.advance(tx, run, self._position, under_way)
            if ready and not execution._flags.set_for(run, ready[0]):
                return True  # another run has them: looked at again in a second
            for job in ready:
                if job.id not in under_way:
                    self._submit(job)
            # When all that was left has been skipped, nobody else will tell.
            if not ready and not under_way:
                self.tell()
        return True

    def _submit(self, job: Job) -> None:
        with self._changed:
            self._under_way.add(job.id)
        try:
            self._execution._pool.submit(self._run, job)
        except RuntimeError:  # the pool is shut down
            with self._changed:
                self._under_way.discard(job.id)
            raise Interrupted from None

    def _run(self, job: Job) -> None:
        try:
            self._execution.attempt(self._entry, job, self._url)
        except BaseException as error:  # noqa: BLE001 - raised again by the stage's own thread
            self._failures.append(error)
        finally:
            with self._changed:
                self._under_way.discard(job.id)
            self.tell()
