"""Runs as rows, on both databases: who makes them, what ends them, what can be asked of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from andon.flow.artifacts.service import ArtifactService
from andon.flow.artifacts.store import FileStore
from andon.flow.definition.reader import YamlDefinitionReader
from andon.flow.pipelines.contract import (
    FailureKind,
    JobFinished,
    JobState,
    RunFinished,
    RunId,
    RunQueued,
    RunState,
    StageState,
    Verdict,
)
from andon.flow.pipelines.model import Job, JobKind, JobResult, Package, StageAnswer, TestCase, TestState
from andon.flow.pipelines.service import PipelineService, Progress
from andon.flow.sources import service as repositories
from andon.flow.sources.adapters.sources import GitSources
from andon.flow.sources.contract import CommitHash
from andon.flow.sources.git import Git
from andon.kernel.access import SYSTEM
from andon.kernel.clock import SettableClock
from andon.kernel.db import Database
from andon.kernel.errors import NotFound
from andon.kernel.events import Facets, page
from tests.flow.pipelines.line import SHOP, Roles, commit_files, person

YAML = """\
stages:
  commit:
    jobs:
      unit: {run: make test, reports: [r.xml]}
      lint: {run: make lint}
  acceptance:
    environment: acceptance
    jobs:
      journey: {run: make journey}
  production:
    environment: production
package: {files: [app/**]}
run:
  web: {command: ./app/serve}
environments:
  acceptance: {}
  production: {}
"""


@dataclass
class Desk:
    database: Database
    clock: SettableClock
    service: PipelineService
    progress: Progress
    artifacts: ArtifactService
    data: Path
    git: Git

    def commit(self, yaml: str = YAML, **files: str) -> CommitHash:
        return commit_files(self.data, self.git, {"andon.yaml": yaml, "app/serve": "", **files})

    def queue(self, commit: CommitHash, key: str, branch: str = "main") -> RunId:
        with self.database.transaction() as tx:
            found = self.service.queue(
                tx,
                service=SHOP,
                commit=commit,
                branch=branch,
                pushed_at=tx.now,
                person="dev",
                by=person("dev").actor,
                key=key,
            )
        assert found is not None
        return found

    def state(self, run: RunId) -> RunState:
        with self.database.reading() as reading:
            return self.service.run(reading, run).state

    def jobs(self, run: RunId) -> dict[str, Job]:
        with self.database.reading() as reading:
            return {one.name: one for one in self.service.jobs(reading, run)}

    def work(self, run: RunId, results: Mapping[str, JobResult], stages: int = 1, seconds: float = 2.0) -> StageAnswer:
        """What the workflow would record, with jobs that end as told; the rest passes."""
        with self.database.transaction() as tx:
            assert self.progress.begin(tx, run) == 3
        answer: StageAnswer | None = StageAnswer.PASSED
        for position in range(stages):
            with self.database.transaction() as tx:
                entry = self.progress.enter(tx, run, position)
            if entry.answer is not None:
                answer = entry.answer
                continue
            with self.database.transaction() as tx:
                self.progress.begin_jobs(tx, entry.run, position)
            while True:
                with self.database.transaction() as tx:
                    ready = self.progress.advance(tx, entry.run, position)
                if not ready:
                    break
                for job in ready:
                    with self.database.transaction() as tx:
                        attempt = self.progress.start_attempt(tx, entry.run, job)
                    assert attempt is not None
                    self.clock.advance(seconds)
                    result = results.get(job.name, JobResult(outcome=JobState.PASSED, exit_code=0))
                    if job.kind is JobKind.PACKAGE:
                        result = JobResult(outcome=JobState.PASSED, package=self.pack())
                    with self.database.transaction() as tx:
                        assert self.progress.end_attempt(tx, entry.run, job, attempt, result)
                        assert not self.progress.end_attempt(tx, entry.run, job, attempt, result), "exactly once"
            with self.database.transaction() as tx:
                answer = self.progress.end_stage(tx, entry.run, position)
            assert answer is not None
            if answer is not StageAnswer.PASSED:
                break
        assert answer is not None
        return answer

    def finish(self, run: RunId, answer: StageAnswer) -> None:
        for _ in range(2):  # a step may be repeated
            with self.database.transaction() as tx:
                self.progress.finish(tx, run, answer)

    def pack(self) -> Package:
        digest, size, files = self.artifacts.pack(self.data / "checkout", ["app/**"])
        return Package(digest=digest, size=size, files=files)

    def count(self, kind: type[RunQueued] | type[RunFinished] | type[JobFinished]) -> int:
        with self.database.reading() as reading:
            return len(page(reading, Facets(type=kind.type), after=0))


@pytest.fixture
def desk(tmp_path: Path, database: Database, clock: SettableClock) -> Desk:
    git = Git(tmp_path / "repositories")
    git.prepare()
    with database.transaction() as tx:
        repositories.create_repository(tx, git, SYSTEM, SHOP, "main")
    sources = GitSources(git)
    artifacts = ArtifactService(FileStore(tmp_path / "artifacts"), keep_days=30)
    service = PipelineService(sources=sources, definitions=YamlDefinitionReader(), artifacts=artifacts)
    progress = Progress(service=service, sources=sources, artifacts=artifacts, authority=Roles(), builder="tests")
    return Desk(database, clock, service, progress, artifacts, tmp_path, git)


def failing(*cases: TestCase) -> JobResult:
    return JobResult(outcome=JobState.FAILED, failure=FailureKind.EXIT, exit_code=1, tests=cases)


def case(name: str, state: TestState) -> TestCase:
    return TestCase(suite="s", name=name, state=state, seconds=0.1, message="")


def test_a_push_told_twice_makes_one_run(desk: Desk) -> None:
    commit = desk.commit()
    first = desk.queue(commit, "key")
    assert desk.queue(commit, "key") == first
    assert desk.count(RunQueued) == 1
    again = desk.queue(commit, "other")
    with desk.database.reading() as reading:
        assert [one.number for one in desk.service.recent(reading, SHOP)] == [2, 1]
        assert desk.service.find(reading, "#2", SHOP).run == again
        assert [one.run for one in desk.service.list_runs(reading, older_than=again)] == [first]
        with pytest.raises(NotFound):
            desk.service.find(reading, "7", SHOP)


def test_a_newer_push_takes_the_place_of_what_has_not_begun(desk: Desk) -> None:
    superseding = desk.commit("on_newer_push: supersede\n" + YAML)
    running = desk.queue(superseding, "1")
    with desk.database.transaction() as tx:
        desk.progress.begin(tx, running)
    waiting = desk.queue(superseding, "2")
    other_branch = desk.queue(superseding, "3", branch="topic")
    newest = desk.queue(superseding, "4")
    assert desk.state(waiting) is RunState.SUPERSEDED
    assert [desk.state(one) for one in (running, other_branch, newest)] == [
        RunState.RUNNING,
        RunState.QUEUED,
        RunState.QUEUED,
    ]
    with desk.database.transaction() as tx:
        assert desk.progress.begin(tx, waiting) == 0
    with desk.database.transaction() as tx, pytest.raises(Exception, match="superseded"):
        desk.service.retry_job(tx, person("dev"), desk.jobs(waiting)["unit"].id)


def test_a_run_that_is_cancelled_before_it_begins_does_nothing(desk: Desk) -> None:
    run = desk.queue(desk.commit(), "key")
    with desk.database.transaction() as tx:
        desk.service.cancel(tx, person("dev"), run)
    with desk.database.transaction() as tx:
        assert desk.progress.begin(tx, run) == 0
    assert desk.state(run) is RunState.CANCELLED
    assert {one.state for one in desk.jobs(run).values()} == {JobState.SKIPPED}
    assert desk.count(RunFinished) == 1


def test_every_step_may_be_repeated(desk: Desk) -> None:
    run = desk.queue(desk.commit(), "key")
    answer = desk.work(run, {"unit": failing(case("t", TestState.FAILED))})
    assert answer is StageAnswer.FAILED
    with desk.database.transaction() as tx:
        assert desk.progress.enter(tx, run, 0).answer is StageAnswer.FAILED
        assert desk.progress.end_stage(tx, desk.progress.enter(tx, run, 0).run, 0) is StageAnswer.FAILED
    desk.finish(run, answer)
    assert desk.state(run) is RunState.FAILED
    assert desk.count(RunFinished) == 1
    assert desk.count(JobFinished) == 2
    assert desk.jobs(run)["package"].state is JobState.SKIPPED


def test_a_retry_at_the_last_moment_keeps_the_stage_open(desk: Desk) -> None:
    run = desk.queue(desk.commit(), "key")
    with desk.database.transaction() as tx:
        desk.progress.begin(tx, run)
        entry = desk.progress.enter(tx, run, 0)
        desk.progress.begin_jobs(tx, entry.run, 0)
    lint = desk.jobs(run)["lint"]
    with desk.database.transaction() as tx:
        assert desk.progress.start_attempt(tx, entry.run, lint) == 1
        desk.progress.end_attempt(tx, entry.run, lint, 1, failing())
    with desk.database.transaction() as tx:
        desk.service.retry_job(tx, person("dev"), lint.id)
    assert desk.jobs(run)["lint"].state is JobState.PENDING
    with desk.database.transaction() as tx:
        assert desk.progress.end_stage(tx, entry.run, 0) is None
        assert {one.name for one in desk.progress.advance(tx, entry.run, 0)} == {"unit", "lint"}


def test_a_lost_job_that_was_to_be_cancelled_stays_so(desk: Desk) -> None:
    run = desk.queue(desk.commit(), "key")
    with desk.database.transaction() as tx:
        desk.progress.begin(tx, run)
        entry = desk.progress.enter(tx, run, 0)
        for name in ("unit", "lint"):
            desk.progress.start_attempt(tx, entry.run, next(j for j in desk.service.jobs(tx, run) if j.name == name))
    with desk.database.transaction() as tx:
        desk.service.cancel_job(tx, person("dev"), desk.jobs(run)["lint"].id)
        assert desk.progress.cancelled_jobs(tx, [one.id for one in desk.service.jobs(tx, run)])
    with desk.database.transaction() as tx:  # after a crash
        desk.progress.begin_jobs(tx, entry.run, 0)
    states = {name: job.state for name, job in desk.jobs(run).items()}
    assert states["unit"] is JobState.READY
    assert states["lint"] is JobState.CANCELLED


def test_a_build_may_go_where_the_stages_before_have_passed(desk: Desk) -> None:
    commit = desk.commit()
    run = desk.queue(commit, "key")
    with desk.database.reading() as reading:
        assert desk.service.build_of(reading, SHOP, commit, environment="production") is None
    desk.work(run, {}, stages=1)
    with desk.database.reading() as reading:
        verdicts = {
            name: desk.service.build_of(reading, SHOP, commit, environment=name)
            for name in ("acceptance", "production")
        }
    assert {name: build.verdict for name, build in verdicts.items() if build is not None} == {
        "acceptance": Verdict.PASSED,
        "production": Verdict.UNDER_WAY,
    }
    answer = desk.work(run, {"journey": failing()}, stages=2)
    desk.finish(run, answer)
    with desk.database.reading() as reading:
        build = desk.service.build_of(reading, SHOP, commit, environment="production")
        assert build is not None
        assert (build.verdict, build.failed_stage, build.passed_stages) == (Verdict.FAILED, "acceptance", ("commit",))
        assert [one.run for one in desk.service.builds(reading, SHOP, environment="acceptance")] == [run]


def test_history_durations_and_the_last_green_run(desk: Desk) -> None:
    commit = desk.commit()
    for number, seconds in enumerate((1.0, 3.0, 9.0)):
        run = desk.queue(commit, f"green {number}")
        cases = (case("steady", TestState.PASSED), case("flaky", TestState.PASSED if number else TestState.FAILED))
        passed = JobResult(outcome=JobState.PASSED, exit_code=0, tests=cases)
        desk.finish(run, desk.work(run, {"unit": passed}, stages=3, seconds=seconds))
        assert desk.state(run) is RunState.PASSED
    red = desk.queue(commit, "red")
    unit = failing(case("steady", TestState.PASSED), case("flaky", TestState.ERROR), case("new", TestState.FAILED))
    desk.finish(red, desk.work(red, {"unit": unit}, stages=3, seconds=30.0))
    with desk.database.reading() as reading:
        expected = desk.service.expected(reading, SHOP)
        assert (expected["commit", "unit"].seconds, expected["commit", "unit"].n) == (3.0, 3)
        assert expected["commit", None].seconds == 9.0
        compared = desk.service.compare(reading, red)
        assert compared is not None
        assert compared.number == 3
        assert {one.job: (one.before_state, one.state) for one in compared.jobs}["unit"] == (
            JobState.PASSED,
            JobState.FAILED,
        )
        job = desk.jobs(red)["unit"]
        shown = desk.service.tests(reading, job.id, 1)
        assert [one.name for one in shown] == ["flaky", "new", "steady"]
        history = desk.service.history(reading, job, shown)
    assert history["s", "flaky"] == (TestState.FAILED, TestState.PASSED, TestState.PASSED, TestState.ERROR)
    assert history["s", "new"] == (None, None, None, TestState.FAILED)


def test_the_bulk_of_old_runs_goes_and_their_outcome_stays(desk: Desk) -> None:
    run = desk.queue(desk.commit(), "key")
    desk.finish(run, desk.work(run, {"unit": failing(case("t", TestState.FAILED))}))
    desk.clock.advance(89 * 86400)
    with desk.database.reading() as reading:
        assert desk.service.old_runs(reading, days=90) == ()
    desk.clock.advance(2 * 86400)
    with desk.database.reading() as reading:
        assert desk.service.old_runs(reading, days=90) == (run,)
    with desk.database.transaction() as tx:
        desk.service.clear(tx, run)
    with desk.database.reading() as reading:
        assert desk.service.old_runs(reading, days=90) == ()
        job = desk.jobs(run)["unit"]
        assert desk.service.tests(reading, job.id, 1) == ()
        assert (job.state, job.tests_failed) == (JobState.FAILED, 1)
        assert desk.service.run(reading, run).stages[0].state is StageState.FAILED


def test_what_andon_cannot_go_on_with_ends(desk: Desk) -> None:
    run = desk.queue(desk.commit(), "key")
    with desk.database.transaction() as tx:
        desk.progress.begin(tx, run)
        entry = desk.progress.enter(tx, run, 0)
        desk.progress.begin_jobs(tx, entry.run, 0)
    for _ in range(2):
        with desk.database.transaction() as tx:
            desk.progress.give_up(tx, run, "Andon could not go on: the export failed")
    assert desk.state(run) is RunState.FAILED
    assert all(one.state.ended for one in desk.jobs(run).values())
    assert desk.count(RunFinished) == 1
