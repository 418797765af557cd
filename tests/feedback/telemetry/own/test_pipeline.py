"""What the record tells of the pipeline, as numbers; each once, whoever dies when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from andon.feedback.telemetry.contract.metrics import Kind, Level
from andon.feedback.telemetry.memory_intake import MemoryIntake
from andon.feedback.telemetry.own.pipeline import PipelineMetrics, needs_in
from andon.feedback.telemetry.own.positions import Positions, StoredPositions
from andon.feedback.telemetry.store.engine import EmbeddedEngine
from andon.flow.artifacts.contract import Digest
from andon.flow.definition.reader import YamlDefinitionReader
from andon.flow.deployments.contract import (
    DeploymentFinished,
    DeploymentId,
    DeploymentRequested,
    DeploymentStarted,
    DeploymentState,
    StepFinished,
    StepName,
    StepState,
)
from andon.flow.deployments.contract import Kind as DeploymentKind
from andon.flow.pipelines.contract import (
    JobFinished,
    JobId,
    JobStarted,
    JobState,
    RunContinued,
    RunFinished,
    RunId,
    RunQueued,
    RunStarted,
    RunState,
    StageFinished,
    StageStarted,
    StageState,
)
from andon.flow.sources.contract import NO_COMMIT, BranchPushed, CommitHash, PushId
from andon.kernel.access import SYSTEM
from andon.kernel.clock import SettableClock
from andon.kernel.events import Event, append
from andon.kernel.ids import new_id
from tests.feedback.telemetry.conftest import door
from tests.feedback.telemetry.own.conftest import undeclared
from tests.flow.installation import STORE, Installation

COMMIT = CommitHash("a" * 40)
NEEDS = {("commit", "unit"): (), ("commit", "package"): ("unit",)}


class Stored:
    """As the store would answer, of what has come."""

    def __init__(self, intake: MemoryIntake) -> None:
        self._intake = intake

    def of_logs(self) -> Mapping[str, int]:
        return {}

    def of_record(self) -> int | None:
        found = self._intake.samples("andon_record_position")
        return round(found[-1][1]) if found else None


class Line:
    """A record that tells of one run after another; each event some seconds after the one before."""

    def __init__(self, local: Installation, clock: SettableClock) -> None:
        self.local, self.clock = local, clock
        self.intake = MemoryIntake()

    def metrics(self, positions: Positions | None = None) -> PipelineMetrics:
        return PipelineMetrics(
            self.intake,
            reading=self.local.database.reading,
            positions=positions or Stored(self.intake),
            sources=self.local.sources,
            needs=lambda _service, _commit: NEEDS,
            kept=timedelta(days=14),
        )

    def after(self, seconds: float, happened: Event) -> None:
        self.clock.advance(seconds)
        with self.local.database.transaction() as tx:
            append(tx, happened, by=SYSTEM.actor)

    def begin(self, *, branch: str = "main", wait: float = 1.0) -> RunId:
        run = RunId(new_id("run"))
        self.after(0, RunQueued(run=run, service=STORE, commit=COMMIT, branch=branch))
        self.after(wait, RunStarted(run=run, service=STORE, commit=COMMIT))
        return run

    def end(self, run: RunId, outcome: RunState = RunState.PASSED, *, after: float = 10.0) -> None:
        self.after(after, RunFinished(run=run, service=STORE, commit=COMMIT, outcome=outcome, reason=""))

    def stage(self, run: RunId, name: str = "commit", *, after: float = 0.0) -> None:
        self.after(after, StageStarted(run=run, service=STORE, stage=name))

    def stage_ends(self, run: RunId, name: str = "commit", *, after: float = 0.0) -> None:
        self.after(after, StageFinished(run=run, service=STORE, stage=name, outcome=StageState.PASSED, reason=""))

    def job(self, run: RunId, name: str, *, wait: float, seconds: float, tests: int = 0, attempt: int = 1) -> None:
        job = JobId(new_id("job"))
        self.after(wait, JobStarted(job=job, run=run, service=STORE, stage="commit", name=name, attempt=attempt))
        self.after(
            seconds,
            JobFinished(
                job=job,
                run=run,
                service=STORE,
                stage="commit",
                name=name,
                attempt=attempt,
                outcome=JobState.PASSED,
                failure=None,
                exit_code=0,
                seconds=seconds - 0.5,
                tests=tests,
                tests_failed=tests // 10,
            ),
        )

    def step(self, deployment: DeploymentId, step: StepName, state: StepState, seconds: float, *, after: float) -> None:
        self.after(
            after,
            StepFinished(
                deployment=deployment,
                service=STORE,
                environment="acceptance",
                step=step,
                state=state,
                seconds=seconds,
                reason="",
            ),
        )

    def values(self, name: str, **labels: str) -> list[float]:
        return [value for _, value in self.intake.samples(name, **labels)]

    def tell(self) -> None:
        metrics = self.metrics()
        for _ in range(10):
            metrics.round()


@pytest.fixture
def line(local: Installation, clock: SettableClock) -> Line:
    return Line(local, clock)


def test_a_run_its_stages_and_its_jobs_tell_how_long_they_took_and_waited(line: Line) -> None:
    run = line.begin(wait=7)
    line.stage(run, after=1)
    line.job(run, "unit", wait=2, seconds=30, tests=40)
    line.job(run, "package", wait=5, seconds=10)
    line.stage_ends(run, after=1)
    line.end(run, after=1)
    line.tell()
    assert line.values("andon_run_queue_seconds", service="store") == [7]
    assert line.values("andon_run_seconds", service="store", outcome="passed") == [1 + 2 + 30 + 5 + 10 + 1 + 1]
    assert line.values("andon_stage_seconds", stage="commit", outcome="passed") == [2 + 30 + 5 + 10 + 1]
    assert line.values("andon_job_seconds", stage="commit", job="unit", outcome="passed") == [29.5]
    assert line.values("andon_job_queue_seconds", job="unit") == [2]
    assert line.values("andon_job_queue_seconds", job="package") == [5]  # since the one it needs had ended
    assert line.values("andon_tests", job="unit") == [40]
    assert line.values("andon_tests_failed", job="unit") == [4]
    assert line.values("andon_tests", job="package") == []
    end = int(line.clock.now().timestamp() * 1000)
    assert line.intake.samples("andon_run_seconds")[0][0] == end
    told = {one.name: one for one in line.intake.series}
    assert {one.level for one in told.values()} == {Level.PIPELINE}
    assert told["andon_run_seconds"].kind is Kind.OBSERVATION


def test_jobs_that_need_nothing_wait_for_a_place_and_not_for_each_other(line: Line) -> None:
    run = line.begin()
    line.stage(run)
    line.job(run, "unit", wait=1, seconds=30)
    line.job(run, "lint", wait=2, seconds=10)
    line.job(run, "lint", wait=2, seconds=10, attempt=2)  # again: nobody asked it to wait
    line.tell()
    assert line.values("andon_job_queue_seconds", job="lint") == [33]


def test_a_job_of_a_stage_with_an_environment_does_not_wait_while_that_is_deployed(line: Line) -> None:
    run, deployment = line.begin(), DeploymentId("dep_1")
    line.stage(run)
    line.after(
        1,
        DeploymentRequested(
            deployment=deployment,
            service=STORE,
            environment="acceptance",
            kind=DeploymentKind.DEPLOY,
            commit=COMMIT,
            digest=Digest("d"),
            run=run,
            override=None,
        ),
    )
    line.after(1, DeploymentStarted(deployment=deployment, service=STORE, environment="acceptance", fence=1))
    line.step(deployment, StepName.HEALTH, StepState.PASSED, 12.5, after=50)
    line.step(deployment, StepName.SMOKE, StepState.SKIPPED, 0, after=0)
    line.after(
        9,
        DeploymentFinished(
            deployment=deployment,
            service=STORE,
            environment="acceptance",
            kind=DeploymentKind.DEPLOY,
            commit=COMMIT,
            state=DeploymentState.SUCCEEDED,
            reason="",
            lead_time=321.0,
        ),
    )
    line.job(run, "unit", wait=3, seconds=1)
    line.tell()
    assert line.values("andon_job_queue_seconds", job="unit") == [3]
    where = {"service": "store", "environment": "acceptance"}
    assert line.values("andon_deployment_seconds", outcome="succeeded", kind="deploy", **where) == [59]
    assert line.values("andon_deployment_step_seconds", step="health", outcome="passed", **where) == [12.5]
    assert line.values("andon_deployment_step_seconds", step="smoke") == []
    assert line.values("andon_lead_time_seconds", **where) == [321]
    assert line.values("andon_deployments", outcome="succeeded", **where) == [1]


def test_time_in_which_a_run_waits_for_a_person_is_not_the_runs(line: Line) -> None:
    run = line.begin()
    line.stage(run)
    line.stage_ends(run, after=20)
    line.after(3600, RunContinued(run=run, service=STORE, stage="production", generation=1))
    line.stage(run, "production")
    line.stage_ends(run, "production", after=30)
    line.end(run, RunState.FAILED, after=0)
    line.after(500, RunContinued(run=run, service=STORE, stage="production", generation=2))
    line.stage(run, "production")
    line.stage_ends(run, "production", after=7)
    line.end(run, after=0)
    line.tell()
    assert line.values("andon_run_seconds", outcome="failed") == [50]
    assert line.values("andon_run_seconds", outcome="passed") == [7]  # begun again: from there


def test_the_line_is_red_from_the_first_failure_until_a_run_of_the_default_branch_passes(line: Line) -> None:
    line.end(line.begin())
    line.end(line.begin(), RunState.FAILED)
    line.end(line.begin(branch="idea"), RunState.PASSED, after=100)
    line.end(line.begin(), RunState.CANCELLED, after=100)
    line.end(line.begin(), RunState.FAILED, after=100)
    line.end(line.begin(branch="idea"), RunState.FAILED, after=100)
    line.end(line.begin(), after=100)
    line.end(line.begin(), after=100)
    line.end(line.begin(branch="idea"), after=100)
    line.tell()
    assert line.values("andon_red_seconds", service="store") == [5 * 101]


def test_a_run_that_never_began_took_no_time(line: Line) -> None:
    run = RunId(new_id("run"))
    line.after(0, RunQueued(run=run, service=STORE, commit=COMMIT, branch="main"))
    line.end(run, RunState.SUPERSEDED)
    line.tell()
    assert line.values("andon_run_seconds") == []


def test_pushes_are_counted(line: Line) -> None:
    for number in range(3):
        line.after(
            1,
            BranchPushed(
                push=PushId(f"push_{number}"),
                service=STORE,
                branch="main",
                before=NO_COMMIT,
                commit=COMMIT,
                forced=False,
            ),
        )
    line.tell()
    assert sum(line.values("andon_pushes", service="store")) == 3


def test_a_real_run_and_a_real_deployment_are_told(line: Line) -> None:
    line.local.deploy(line.local.built(), environment="acceptance")
    line.tell()
    assert line.values("andon_deployments", service="store", environment="acceptance", outcome="succeeded") == [1]
    steps = {one.label("step") for one in line.intake.series if one.name == "andon_deployment_step_seconds"}
    assert {"start", "health", "switch"} <= steps
    assert len(line.values("andon_lead_time_seconds")) == 1
    assert undeclared(line.intake) == set()


def test_events_of_two_days_are_two_batches(line: Line) -> None:
    line.end(line.begin())
    line.end(line.begin(), after=24 * 3600)
    line.tell()
    days = [{int(time) // 86_400_000 for time in batch.times} for batch in line.intake.batches]
    assert [len(one) for one in days] == [1, 1]


def test_what_is_older_than_samples_are_kept_is_not_told(line: Line) -> None:
    line.end(line.begin())
    line.clock.advance(15 * 24 * 3600)
    line.end(line.begin())
    line.tell()
    assert len(line.values("andon_run_seconds")) == 1


def test_an_installation_that_was_restored_from_a_backup_goes_on_telling(line: Line) -> None:
    class Further(Stored):
        def of_record(self) -> int | None:
            return 1_000_000

    metrics = line.metrics(Further(line.intake))
    metrics.round()
    line.end(line.begin())
    metrics.round()
    assert len(line.values("andon_run_seconds")) == 1


def test_everything_is_in_the_store_once_whenever_telemetry_dies(
    line: Line, engine: EmbeddedEngine, tmp_path: Path
) -> None:
    positions = StoredPositions(engine, log_days=14)
    assert positions.of_record() is None
    runs = 0
    for life in range(7):
        store = door(engine, tmp_path)
        if life % 3:
            store.start()  # else it dies before it has written anything
        metrics = PipelineMetrics(
            store,
            reading=line.local.database.reading,
            positions=positions,
            sources=line.local.sources,
            needs=lambda _service, _commit: {},
            kept=timedelta(days=14),
        )
        for _ in range(3):
            line.end(line.begin())
            runs += 1
            metrics.round()
            if life % 3 == 2:
                metrics.stop()
        if life % 3:
            store.stop()
    store = door(engine, tmp_path)
    store.start()
    metrics = PipelineMetrics(
        store,
        reading=line.local.database.reading,
        positions=positions,
        sources=line.local.sources,
        needs=lambda _service, _commit: {},
        kept=timedelta(days=14),
    )
    for _ in range(5):
        metrics.round()
        metrics.stop()
    store.stop()
    counted = engine.rows(
        "SELECT count(), uniqExact(time) FROM samples "
        "WHERE series IN (SELECT id FROM series WHERE name = 'andon_run_seconds')"
    )
    assert counted == [(runs, runs)]
    assert positions.of_record() is not None


def test_what_jobs_need_is_read_from_the_definition_of_their_commit(local: Installation) -> None:
    text = """
stages:
  commit:
    jobs:
      unit: { run: "true" }
      package: { run: "true", needs: [unit] }
"""
    commit = local.commit(files={"andon.yaml": text})
    broken = local.commit(files={"andon.yaml": "stages: 7"})
    needs = needs_in(local.sources, YamlDefinitionReader())
    assert needs(STORE, commit) == {("commit", "unit"): (), ("commit", "package"): ("unit",)}
    assert needs(STORE, broken) == {}
    assert needs(STORE, CommitHash("f" * 40)) == {}
