"""A stage's jobs with flags as in production, all on and all off: real sandboxes, real flags, real workflows."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from andon.flow.definition.contract import FlagState
from andon.flow.definition.reader import YamlDefinitionReader
from andon.flow.flags.model.flag import Head
from andon.flow.pipelines.contract import FlagsGivenBack, FlagsPretended, JobId, JobState, RunId, RunState
from andon.flow.pipelines.model import Job, in_turn, jobs_of
from andon.flow.sources.contract import NO_COMMIT
from andon.kernel.access import SYSTEM
from andon.kernel.errors import Conflict
from andon.kernel.events import ANDON
from andon_flags.document import Kind
from andon_flags.explaining import explain
from tests.flow.pipelines.line import SHOP, Line, person, wait_for

ON, OFF, AS = "journey (all flags on)", "journey (all flags off)", "journey (flags as in production)"
RUN = """\
stages:
  commit: {{jobs: {{unit: {{run: 'true'}}}}}}
  acceptance:
    environment: acceptance
    flags: [{states}]
    jobs:
      journey:
        run: |
          {command}
  production:
    environment: production
package: {{files: [app/**], run: 'mkdir -p app; echo built >app/serve'}}
run:
  web: {{command: ./app/serve}}
environments:
  acceptance:
  production:
"""


def andon_yaml(command: str, states: str = "as-in-production, all-on, all-off") -> dict[str, str]:
    return {"andon.yaml": RUN.format(command=command, states=states)}


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    line = Line(tmp_path, flagged=True)
    line.create()
    line.start()
    try:
        yield line
    finally:
        line.stop()


def flags(line: Line) -> None:
    """Two flags; in production half of all get the new checkout, in acceptance everybody."""
    line.commit(andon_yaml("true"))
    made = line.flags.flags
    with line.database.transaction() as tx:
        made.create(tx, SYSTEM, SHOP, "new-checkout", Head(kind=Kind.BOOLEAN, variants={}))
        made.create(
            tx, SYSTEM, SHOP, "banner", Head(kind=Kind.STRING, variants={"none": "", "sale": "Sale", "ads": "Ads"})
        )
        for environment, percent in (("production", 50.0), ("acceptance", 100.0)):
            made.set_share(tx, SYSTEM, SHOP, environment, "new-checkout", "on", percent, why="")


def served(line: Line) -> str:
    with line.database.reading() as reading:
        document = line.flags.flags.built(reading, SHOP, "acceptance").document
    return json.dumps(document.flags["new-checkout"].default)


def test_each_state_has_jobs_of_its_own_which_find_the_flags_so_and_the_environment_gets_its_own_back(
    line: Line,
) -> None:
    flags(line)
    own = served(line)
    say = "cat $ANDON_FLAGS_FILE; echo; echo is $ANDON_FLAGS_STATE; [ $ANDON_FLAGS_STATE != all-on ]"
    commit = line.push(andon_yaml(say))
    run = line.await_run(commit)
    # what all flags on came to hides nothing of what all off comes to
    assert line.states(run.run)[AS] == "passed"
    assert line.states(run.run)[ON] == "failed"
    assert line.states(run.run)[OFF] == "passed"
    assert run.state is RunState.FAILED
    assert run.reason == f"acceptance: {ON} ended with exit code 1"

    found = {}
    for name, state in ((AS, "as-in-production"), (ON, "all-on"), (OFF, "all-off")):
        text = line.log(run.run, name)
        assert f"is {state}" in text
        found[state] = json.loads(next(one for one in text.splitlines() if one.startswith("{")))["flags"]
    half = found["as-in-production"]["new-checkout"]["default"]
    assert sorted(half) == [[0, 50000, "off"], [50000, 100000, "on"]]
    assert {name: one["default"] for name, one in found["all-on"].items()} == {"new-checkout": "on", "banner": "sale"}
    assert {name: one["default"] for name, one in found["all-off"].items()} == {"new-checkout": "off", "banner": "none"}

    told = [(one.state, one.run) for one in line.events(FlagsPretended) if isinstance(one, FlagsPretended)]
    assert told == [(state, run.run) for state in FlagState]
    back = [one.why for one in line.events(FlagsGivenBack) if isinstance(one, FlagsGivenBack)]
    assert back == ["the tests are over"]
    assert served(line) == own

    # one of them alone is tried again, in its own state
    with line.database.transaction() as tx:
        line.service.retry_job(tx, person("dev"), line.jobs(run.run)[ON].id)
    line.await_job(run.run, ON, JobState.FAILED, attempt=2)
    line.await_run(commit)
    jobs = line.jobs(run.run)
    assert [jobs[name].attempt for name in (AS, ON, OFF)] == [1, 2, 1]
    assert [one.state for one in line.events(FlagsPretended) if isinstance(one, FlagsPretended)][3:] == [
        FlagState.ALL_ON
    ]
    wait_for(lambda: len(line.events(FlagsGivenBack)) == 2 or None)
    assert served(line) == own


def test_what_is_changed_meanwhile_is_kept_and_counts_afterwards(line: Line) -> None:
    flags(line)
    commit = line.push(andon_yaml("echo begun; while :; do sleep 0.05; done", "all-off"))
    run = line.await_run(commit, RunState.RUNNING).run
    line.await_job(run, OFF, JobState.RUNNING)
    line.await_printed(run, OFF, "begun")
    with line.database.transaction() as tx:
        line.flags.flags.set_share(tx, SYSTEM, SHOP, "acceptance", "new-checkout", "on", 25.0, why="")
    assert served(line) == '"off"'
    # and nobody else's test sets them otherwise
    with line.database.transaction() as tx:
        other = line.execution._flags._pretences.begin(
            tx,
            service=SHOP,
            environment="acceptance",
            state=FlagState.ALL_ON,
            like="production",
            run=RunId("run_other"),
            stage=1,
            commit=NO_COMMIT,
            by=ANDON,
        )
    assert other is None
    with line.database.transaction() as tx:
        line.service.cancel(tx, person("dev"), run)
    assert line.await_run(commit).state is RunState.CANCELLED
    assert sum(end - start for start, end, variant in json.loads(served(line)) if variant == "on") == 25_000


def test_a_worker_that_is_killed_gives_the_environment_back_before_it_goes_on(tmp_path: Path) -> None:
    line = Line(tmp_path, flagged=True)
    line.create()
    flags(line)
    own = served(line)
    worker = [sys.executable, "-m", "tests.flow.pipelines.worker", str(tmp_path), "flagged"]
    files = andon_yaml("echo at $ANDON_ATTEMPT; [ $ANDON_ATTEMPT = 2 ] || sleep 600", "all-off")
    with subprocess.Popen(worker, stdin=subprocess.PIPE) as first:
        commit = line.push(files)
        run = line.await_run(commit, RunState.RUNNING).run
        line.await_job(run, OFF, JobState.RUNNING)
        line.await_printed(run, OFF, "at 1")
        first.send_signal(signal.SIGKILL)
    assert served(line) == '"off"'
    line.start()
    try:
        assert line.await_run(commit).state is RunState.PASSED
        wait_for(lambda: served(line) == own or None)
    finally:
        line.stop()
    told = [one for one in line.events() if isinstance(one, FlagsPretended | FlagsGivenBack)]
    assert [isinstance(one, FlagsPretended) for one in told] == [True, False, True, False]
    back = [one.why for one in told if isinstance(one, FlagsGivenBack)]
    assert back == ["Andon was started again", "the tests are over"]


def test_what_no_job_runs_for_is_given_back_by_the_next_look(tmp_path: Path) -> None:
    line = Line(tmp_path, flagged=True)
    line.create()
    flags(line)
    own = served(line)
    pretences = line.execution._flags._pretences

    def begin(environment: str, state: FlagState = FlagState.ALL_OFF) -> None:
        with line.database.transaction() as tx:
            pretences.begin(
                tx,
                service=SHOP,
                environment=environment,
                state=state,
                like=None,
                run=RunId("run_gone"),
                stage=1,
                commit=NO_COMMIT,
                by=ANDON,
            )

    begin("acceptance")
    assert served(line) == '"off"'
    line.execution.return_flags("its jobs are over")
    assert served(line) == own
    with line.database.transaction() as tx:
        line.flags.flags.kill(tx, SYSTEM, SHOP, "acceptance", "new-checkout", why="")
    begin("acceptance", FlagState.ALL_ON)
    with line.database.reading() as reading:
        document = line.flags.flags.built(reading, SHOP, "acceptance").document
    # even one that was killed is on, and explanations tell what is served
    assert explain(document, "new-checkout", {}, 0.0).value is True
    # whatever a branch says, the default branch deploys to production last
    with pytest.raises(Conflict, match="is production"):
        begin("production")
    line.database.close()


def test_one_state_after_the_other_whatever_became_of_the_one_before() -> None:
    other = "      other: {run: 'true', needs: [journey]}\n  production:\n    environment"
    source = andon_yaml("true", "all-on, all-off")["andon.yaml"].replace("  production:\n    environment", other, 1)
    definition = YamlDefinitionReader().read(source.encode())
    planned = jobs_of(definition, 1)
    assert [(one.name, one.needs) for one, _ in planned] == [
        (ON, ()),
        ("other (all flags on)", (ON,)),
        (OFF, ()),
        ("other (all flags off)", (OFF,)),
    ]
    jobs = [
        Job(
            id=JobId(str(position)),
            run=RunId("run_1"),
            stage=1,
            position=position,
            name=one.name,
            kind=kind,
            needs=one.needs,
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
        for position, (one, kind) in enumerate(planned)
    ]
    assert in_turn(definition, jobs) == {"0", "1"}
    first = [replace(jobs[0], state=JobState.FAILED), replace(jobs[1], state=JobState.SKIPPED)]
    assert in_turn(definition, [*first, *jobs[2:]]) == {"2", "3"}
    # somebody asks for the first again while the second state's turn is: it waits
    late = [jobs[0], jobs[1], replace(jobs[2], state=JobState.RUNNING), jobs[3]]
    assert in_turn(definition, late) == {"2", "3"}
    assert in_turn(definition, jobs, [JobId("3")]) == {"2", "3"}
    assert in_turn(definition, [replace(one, state=JobState.PASSED) for one in jobs]) == frozenset()
