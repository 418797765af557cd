"""Runs from a push to their end: real git, real sandboxes, real durable workflows."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from andon.flow.artifacts.contract import ArtifactPublished
from andon.flow.deployments.contract import DeploymentState
from andon.flow.pipelines.contract import (
    FailureKind,
    JobLost,
    JobState,
    RunFinished,
    RunRefused,
    RunState,
    StageFinished,
    StageState,
)
from andon.flow.pipelines.model import CannotCancel, CannotRetry
from andon.kernel.access import Permission
from andon.kernel.errors import Forbidden, Invalid, NotFound
from tests.flow.pipelines.line import SHOP, Line, person, running, wait_for


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    with running(tmp_path_factory.mktemp("line")) as found:
        yield found


@pytest.fixture(autouse=True)
def _deployments_succeed(line: Line) -> None:
    line.deployments.outcome = DeploymentState.SUCCEEDED


def definition(commit: str, rest: str = "") -> dict[str, str]:
    return {"andon.yaml": f"stages:\n  commit:\n    jobs:\n{commit}{rest}"}


DEPLOYING = """\
  {name}:
    environment: {name}
    jobs:
      journey: {{run: 'echo to $ANDON_ENVIRONMENT'}}
"""
REST = """\
package: {files: [app/**]}
run:
  web: {command: ./app/serve}
environments:
  production: {}
"""


def test_jobs_run_in_parallel_and_after_what_they_need(line: Line) -> None:
    # Each of the two waits for a file only the other makes visible: its cache is not shared, so by time.
    commit = line.push(
        definition(
            "      one: {run: 'echo $ANDON_SERVICE $ANDON_BRANCH $ANDON_STAGE/$ANDON_JOB'}\n"
            "      two: {run: echo second}\n"
            "      three: {run: echo third, needs: [one, two]}\n"
        )
    )
    run = line.await_run(commit)
    assert run.state is RunState.PASSED
    jobs = line.jobs(run.run)
    assert {one.state for one in jobs.values()} == {JobState.PASSED}
    ends = [jobs[name].ended_at for name in ("one", "two")]
    assert all(end is not None and end <= (jobs["three"].started_at or end) for end in ends)
    assert "shop main commit/one" in line.log(run.run, "one")
    finished = [one for one in line.events(RunFinished) if isinstance(one, RunFinished) and one.run == run.run]
    assert [one.outcome for one in finished] == [RunState.PASSED]


def test_two_jobs_are_under_way_at_once(line: Line) -> None:
    job = "{run: 'echo begun; while :; do sleep 0.05; done'}"
    commit = line.push(definition(f"      one: {job}\n      two: {job}\n"))
    run = line.await_run(commit, RunState.RUNNING).run
    for name in ("one", "two"):
        line.await_job(run, name, JobState.RUNNING)
        line.await_printed(run, name, "begun")
    with line.database.transaction() as tx:
        line.service.cancel(tx, person("dev"), run)
    assert line.await_run(commit).state is RunState.CANCELLED
    assert set(line.states(run).values()) == {"cancelled"}


def test_a_failure_skips_what_needs_it_and_the_stages_behind(line: Line) -> None:
    commit = line.push(
        definition(
            "      bad: {run: 'echo broken; exit 7'}\n"
            "      good: {run: echo good}\n"
            "      after: {run: echo after, needs: [bad]}\n",
            DEPLOYING.format(name="production") + REST,
        )
    )
    run = line.await_run(commit)
    assert run.state is RunState.FAILED
    assert run.reason == "commit: bad ended with exit code 7"
    assert line.states(run.run) == {
        "bad": "failed",
        "good": "passed",
        "after": "skipped",
        "package": "skipped",
        "journey": "skipped",
    }
    assert line.jobs(run.run)["bad"].failure is FailureKind.EXIT
    assert [one.state for one in run.stages] == [StageState.FAILED, StageState.SKIPPED]
    assert line.package(run.run) is None


def test_the_package_is_built_once_and_deployed_by_the_pusher(line: Line) -> None:
    files = definition("      unit: {run: 'true'}\n", DEPLOYING.format(name="production") + REST)
    commit = line.push(files | {"app/serve": "#!/bin/sh\n", "secret.txt": "not packed"})
    run = line.await_run(commit)
    assert run.state is RunState.PASSED
    made = line.package(run.run)
    assert made is not None
    assert made.files == 1
    asked = line.deployments.asked[-1]
    assert (asked.commit, asked.person, asked.environment) == (commit, "dev", "production")
    assert "to production" in line.log(run.run, "journey")
    # A package cannot be built again; other jobs of its stage can, and leave it as it is.
    with pytest.raises(CannotRetry, match="built once"), line.database.transaction() as tx:
        line.service.retry_job(tx, person("dev"), line.jobs(run.run)["package"].id)
    with line.database.transaction() as tx:
        line.service.retry_job(tx, person("dev"), line.jobs(run.run)["unit"].id)
    line.await_job(run.run, "unit", JobState.PASSED, attempt=2)
    assert line.await_run(commit).state is RunState.PASSED
    published = [one for one in line.events(ArtifactPublished) if isinstance(one, ArtifactPublished)]
    assert [one.digest for one in published if one.run == run.run] == [made.digest]
    assert line.jobs(run.run)["package"].attempt == 1


def test_a_failed_deployment_fails_the_stage_before_its_jobs(line: Line) -> None:
    line.deployments.outcome = DeploymentState.FAILED
    files = definition("      unit: {run: 'true'}\n", DEPLOYING.format(name="production") + REST)
    run = line.await_run(line.push(files | {"app/serve": ""}))
    assert run.state is RunState.FAILED
    assert run.reason == "production: it was told to"
    assert line.jobs(run.run)["journey"].state is JobState.SKIPPED


def test_cancelling_a_run_cancels_its_deployment(line: Line) -> None:
    line.deployments.outcome = DeploymentState.RUNNING
    files = definition("      unit: {run: 'true'}\n", DEPLOYING.format(name="production") + REST)
    commit = line.push(files | {"app/serve": ""})
    run = wait_for(lambda: line.run_of(commit))
    wait_for(lambda: line.summary(run.run).stages[1].state is StageState.DEPLOYING or None)
    wait_for(lambda: any(one.run == run.run for one in line.deployments.asked) or None)
    with line.database.transaction() as tx:
        line.service.cancel(tx, person("dev"), run.run)
    assert line.await_run(commit).state is RunState.CANCELLED
    assert line.deployments.asked[-1].state is DeploymentState.CANCELLED
    with pytest.raises(CannotCancel), line.database.transaction() as tx:
        line.service.cancel(tx, person("dev"), run.run)


def test_one_job_is_cancelled_and_retried_with_the_next_attempt(line: Line) -> None:
    # Runs on for ever at its first attempt, passes at its second.
    commit = line.push(
        definition(
            "      slow: {run: 'echo attempt $ANDON_ATTEMPT; [ $ANDON_ATTEMPT = 2 ] || sleep 600'}\n"
            "      next: {run: 'true', needs: [slow]}\n"
        )
    )
    run = line.await_run(commit, RunState.RUNNING).run
    job = line.await_job(run, "slow", JobState.RUNNING)
    line.await_printed(run, "slow", "attempt 1")
    with pytest.raises(CannotRetry), line.database.transaction() as tx:
        line.service.retry_job(tx, person("dev"), job.id)
    with line.database.transaction() as tx:
        line.service.cancel_job(tx, person("dev"), job.id)
    assert line.await_run(commit).state is RunState.CANCELLED
    assert line.states(run) == {"slow": "cancelled", "next": "skipped"}
    with line.database.transaction() as tx:
        line.service.retry_job(tx, person("dev"), job.id)
    line.await_job(run, "slow", JobState.PASSED, attempt=2)
    assert line.await_run(commit).state is RunState.PASSED
    assert "attempt 2" in line.log(run, "slow")
    ended = [one for one in line.events(StageFinished) if isinstance(one, StageFinished) and one.run == run]
    assert [one.outcome for one in ended] == [StageState.CANCELLED, StageState.PASSED]


def test_a_manual_stage_waits_for_somebody_who_may(line: Line) -> None:
    manual = DEPLOYING.format(name="production").replace("jobs:", "when: manual\n    jobs:")
    commit = line.push(definition("      unit: {run: 'true'}\n", manual + REST) | {"app/serve": ""})
    run = line.await_run(commit, RunState.WAITING)
    assert run.reason == "production begins when somebody says so"
    with pytest.raises(Forbidden), line.database.transaction() as tx:
        line.service.proceed(tx, person("contributor"), run.run)
    before = len(line.deployments.asked)
    with line.database.transaction() as tx:
        line.service.proceed(tx, person("dev"), run.run)
    assert line.await_run(commit).state is RunState.PASSED
    assert len(line.deployments.asked) == before + 1
    # Whoever asks again for the stage needs a word of their own: the old one is used up.
    with line.database.transaction() as tx:
        line.service.retry_job(tx, person("contributor"), line.jobs(run.run)["journey"].id)
    assert line.await_run(commit, RunState.WAITING).state is RunState.WAITING
    assert len(line.deployments.asked) == before + 1
    with line.database.transaction() as tx:
        line.service.cancel(tx, person("dev"), run.run)
    assert line.await_run(commit).state is RunState.CANCELLED


def test_a_contributors_push_waits_for_somebody_who_may_deploy(line: Line) -> None:
    files = definition("      unit: {run: 'true'}\n", DEPLOYING.format(name="production") + REST)
    commit = line.push(files | {"app/serve": ""}, by="contributor")
    run = line.await_run(commit, RunState.WAITING)
    assert "may not deploy to production" in run.reason
    with line.database.transaction() as tx:
        line.service.proceed(tx, person("dev"), run.run)
    assert line.await_run(commit).state is RunState.PASSED
    assert line.deployments.asked[-1].person == "dev"


def test_a_token_that_may_only_push_and_run_does_not_deploy_by_way_of_a_run(line: Line) -> None:
    """Whoever steals it may not do by a push or a retry what it may not do itself."""
    files = definition("      unit: {run: 'true'}\n", DEPLOYING.format(name="production") + REST)
    before = len(line.deployments.asked)
    commit = line.push(files | {"app/serve": ""}, token=True)
    run = line.await_run(commit, RunState.WAITING)
    robot = replace(person("dev"), scopes=frozenset({Permission.READ, Permission.RUN}))
    with line.database.transaction() as tx:
        line.service.retry_job(tx, robot, line.jobs(run.run)["unit"].id)
    wait_for(lambda: line.summary(run.run).state is RunState.WAITING or None)
    with line.database.transaction() as tx:
        started = line.service.start_by_hand(tx, robot, SHOP, commit)
    wait_for(lambda: line.summary(started).state is RunState.WAITING or None)
    with pytest.raises(Forbidden), line.database.transaction() as tx:
        line.service.proceed(tx, robot, started)
    assert len(line.deployments.asked) == before
    with line.database.transaction() as tx:
        for one in (run.run, started):
            line.service.cancel(tx, person("dev"), one)


def test_a_branch_does_not_deploy(line: Line) -> None:
    files = definition("      unit: {run: 'true'}\n", DEPLOYING.format(name="production") + REST)
    before = len(line.deployments.asked)
    run = line.await_run(line.push(files | {"app/serve": ""}, branch="feature"))
    assert run.state is RunState.PASSED
    assert [one.state for one in run.stages] == [StageState.PASSED, StageState.SKIPPED]
    assert len(line.deployments.asked) == before


def test_a_faulty_definition_is_refused_and_told(line: Line) -> None:
    commit = line.push({"andon.yaml": "stages:\n  commit:\n    jbs: {}\n"})
    refused = wait_for(
        lambda: next(
            (one for one in line.events(RunRefused) if isinstance(one, RunRefused) and one.commit == commit), None
        )
    )
    assert any("andon.yaml:3:5" in fault for fault in refused.faults)
    assert line.run_of(commit) is None


def test_a_run_by_hand_counts_for_a_branch_its_commit_is_on(line: Line) -> None:
    commit = line.commit(definition("      unit: {run: 'true'}\n"), branch="topic")
    with pytest.raises(Invalid, match="not on the branch main"), line.database.transaction() as tx:
        line.service.start_by_hand(tx, person("dev"), SHOP, commit, branch="main")
    with pytest.raises(Invalid, match="names no branch"), line.database.transaction() as tx:
        line.service.start_by_hand(tx, person("dev"), SHOP, commit)
    with line.database.transaction() as tx:
        line.service.start_by_hand(tx, person("dev"), SHOP, "topic")
    run = line.await_run(commit)
    assert (run.branch, run.person, run.state) == ("topic", "dev", RunState.PASSED)
    with pytest.raises(Forbidden), line.database.transaction() as tx:
        line.service.start_by_hand(tx, person("viewer"), SHOP, "topic")
    with pytest.raises(NotFound), line.database.transaction() as tx:
        line.service.start_by_hand(tx, person("viewer"), type(SHOP)("other"), "topic")


def test_nothing_of_a_workspace_is_left(line: Line) -> None:
    commit = line.push(definition("      unit: {run: 'mkdir -p deep/er; echo x >deep/er/file; chmod 0 deep'}\n"))
    run = line.await_run(commit)
    job = line.jobs(run.run)["unit"]
    attempt = line.runner.folders.attempt(run.run, job.id, job.attempt)
    assert [one.name for one in attempt.iterdir()] == ["log"]
    wait_for(lambda: not line.runner.folders.source(run.run).exists() or None)
    line.runner.forget(run.run)
    line.runner.forget(run.run)
    assert not line.runner.folders.run(run.run).exists()


def test_a_worker_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    files = definition(
        "      done: {run: 'echo $ANDON_ATTEMPT'}\n"
        "      slow: {run: 'echo at $ANDON_ATTEMPT; [ $ANDON_ATTEMPT = 2 ] || sleep 600', needs: [done]}\n",
        "package: {files: [app/**], run: 'mkdir -p app; echo built >app/serve'}\nrun:\n  web: {command: ./app/serve}\n",
    )
    line = Line(tmp_path)
    line.create()
    worker = [sys.executable, "-m", "tests.flow.pipelines.worker", str(tmp_path)]
    with subprocess.Popen(worker, stdin=subprocess.PIPE) as first:
        commit = line.push(files)
        run = line.await_run(commit, RunState.RUNNING).run
        line.await_job(run, "slow", JobState.RUNNING)
        line.await_printed(run, "slow", "at 1")
        first.send_signal(signal.SIGKILL)
    assert line.jobs(run)["slow"].state is JobState.RUNNING
    with subprocess.Popen(worker, stdin=subprocess.PIPE) as second:
        assert line.await_run(commit).state is RunState.PASSED
        assert second.stdin is not None
        second.stdin.close()
        assert second.wait(60) == 0
    attempts = {name: job.attempt for name, job in line.jobs(run).items()}
    assert attempts == {"done": 1, "slow": 2, "package": 1}
    lost = [one for one in line.events(JobLost) if isinstance(one, JobLost)]
    assert [(one.job, one.attempt) for one in lost] == [(line.jobs(run)["slow"].id, 1)]
    assert len(line.events(ArtifactPublished)) == 1
    assert len(line.events(RunFinished)) == 1
    line.database.close()
