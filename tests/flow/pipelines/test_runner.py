"""Jobs that misbehave, run by the real runner: whatever they do, the result says it and nothing is left behind."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from andon.flow.artifacts.service import ArtifactService
from andon.flow.artifacts.store import FileStore
from andon.flow.definition.contract import (
    Definition,
    HelperService,
    JobDefinition,
    PackageDefinition,
)
from andon.flow.environments.contract.equipment import BARE, Equipper
from andon.flow.pipelines.contract import FailureKind, JobId, JobState, RunId
from andon.flow.pipelines.folders import bytes_in
from andon.flow.pipelines.model import JobKind, JobResult, JobTask, TestState
from andon.flow.pipelines.runner.disk import DiskGuard
from andon.flow.pipelines.runner.sandboxed import SandboxRunner
from andon.flow.schema.checker import SchemaChecker
from andon.flow.sources import service as repositories
from andon.flow.sources.adapters.sources import GitSources
from andon.flow.sources.contract import CommitHash
from andon.flow.sources.git import Git
from andon.kernel.access import SYSTEM
from andon.kernel.db import Database
from andon.kernel.logs.reader import LineKind, LogReader
from andon.kernel.settings import JobSettings
from tests.flow.pipelines.line import SHOP, commit_files

FILES: Mapping[str, str] = {
    "app/serve": "#!/bin/sh\n",
    "app/data/one": "1\n",
    "old-report.xml": "<testsuite><testcase name='committed'/></testsuite>",
    "link-out": "-> inside",
    "inside": "yes\n",
}


class Bench:
    def __init__(self, data: Path, database: Database, overlay: bool | None = None) -> None:
        self.data = data
        git = Git(data / "repositories")
        git.prepare()
        with database.transaction() as tx:
            repositories.create_repository(tx, git, SYSTEM, SHOP, "main")
        self.commit = commit_files(data, git, FILES)
        self.sources = GitSources(git)
        self.store = FileStore(data / "artifacts")
        self.overlay = overlay
        self.runner = self.make()
        self._jobs = 0

    def make(self, disk: DiskGuard | None = None, grace: float = 5.0, equipper: Equipper = BARE) -> SandboxRunner:
        return SandboxRunner(
            data=self.data,
            settings=JobSettings(),
            sources=self.sources,
            artifacts=ArtifactService(self.store, keep_days=1),
            check=SchemaChecker(),
            disk=disk,
            overlay=self.overlay,
            grace=grace,
            equipper=equipper,
        )

    def task(self, command: str, *, branch: str = "main", **wanted: object) -> JobTask:
        self._jobs += 1
        name = f"job-{self._jobs}"
        services = tuple(one for one in (wanted.pop("helpers", None) or ()))  # type: ignore[attr-defined]  # a tuple
        definition = JobDefinition(
            name=name,
            command=command,
            services=tuple(one.name for one in services),
            **wanted,  # type: ignore[arg-type]  # as given
        )
        return JobTask(
            # control groups are called by it, and other workers run jobs on this machine, too
            job=JobId(f"job_{os.getpid()}_{self._jobs}"),
            run=RunId("run_1"),
            attempt=1,
            kind=JobKind.JOB,
            service=SHOP,
            commit=CommitHash(self.commit),
            branch=branch,
            default_branch="main",
            stage="commit",
            name=name,
            definition=definition,
            whole=Definition(stages=(), services=services),
            environment=None,
            url=None,
        )

    def package(self, command: str, *globs: str) -> JobTask:
        package = PackageDefinition(command=command, files=globs)
        return replace(self.task(command), kind=JobKind.PACKAGE, whole=Definition(stages=(), package=package))

    def run(self, command: str, stopping: Callable[[], bool] = lambda: False, **wanted: object) -> JobResult:
        return self.perform(self.task(command, **wanted), stopping)  # type: ignore[arg-type]  # as given

    def perform(self, task: JobTask, stopping: Callable[[], bool] = lambda: False) -> JobResult:
        self.last = task
        result = self.runner.run(task, stopping)
        attempt = self.runner.folders.attempt(task.run, task.job, task.attempt)
        assert [one.name for one in attempt.iterdir()] == ["log"], "a workspace was left behind"
        assert not list(self.runner.folders.sandboxes.glob("*.json"))
        return result

    def reader(self) -> LogReader:
        return LogReader(self.runner.folders.log(self.last.run, self.last.job, self.last.attempt))

    @property
    def log(self) -> str:
        return "\n".join(line.text for line in self.reader().lines(limit=5000).lines)

    def has_said(self, word: str) -> bool:
        """Whether the job that runs has written it by now."""
        log = self.runner.folders.log(self.last.run, self.last.job, self.last.attempt)
        return log.exists() and word in self.log

    @property
    def sections(self) -> list[str]:
        return [one.name for one in self.reader().sections()]


@pytest.fixture(params=["overlay", "copy"])
def bench(request: pytest.FixtureRequest, tmp_path: Path, sqlite_database: Database) -> Bench:
    """Once with an overlay, where the machine can, and once with a copy of the tree."""
    made = Bench(tmp_path, sqlite_database, overlay=None if request.param == "overlay" else False)
    if request.param == "overlay" and not made.runner._can_overlay():
        pytest.skip("this machine's file system carries no overlays")
    return made


@pytest.fixture
def one(tmp_path: Path, sqlite_database: Database) -> Bench:
    """With whatever workspace the machine can."""
    return Bench(tmp_path, sqlite_database)


def processes_with(mark: str) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in process.read_bytes():
                found.append(process.parent.name)
        except OSError:
            continue
    return found


def test_a_job_sees_its_commit_and_changes_nobody_elses(bench: Bench) -> None:
    first = bench.run("cat app/data/one; rm -r app; echo new >fresh; ls -A; pwd; echo $HOME; echo >$HOME/x")
    assert first.outcome is JobState.PASSED
    assert first.exit_code == 0
    assert bench.sections == ["setup", "command"]
    assert "/workspace" in bench.log
    second = bench.run("cat app/data/one; [ ! -e fresh ]")
    assert second.outcome is JobState.PASSED


def test_a_job_reaches_no_network_and_no_other_files(bench: Bench) -> None:
    assert (
        bench.run("! ls /work /root 2>/dev/null | grep . ; cat /proc/net/dev | grep -c : ").outcome is JobState.PASSED
    )
    assert bench.log.splitlines()[-1] == "1"  # loopback alone
    assert bench.run(f"cat {bench.data}/andon.db; echo x >{bench.data}/y").outcome is JobState.FAILED


def test_it_fails_with_its_exit_code_or_signal(one: Bench) -> None:
    failed = one.run("echo before; false; echo after")
    assert (failed.outcome, failed.failure, failed.exit_code) == (JobState.FAILED, FailureKind.EXIT, 1)
    assert "after" not in one.log
    killed = one.run("kill -SEGV $$")
    assert (killed.failure, killed.reason) == (FailureKind.SIGNAL, "it was ended by SIGSEGV")
    unset = one.run("echo $NOT_THERE")
    assert unset.failure is FailureKind.EXIT


def test_a_fork_bomb_ends_with_its_time(one: Bench) -> None:
    result = one.run("bomb() { bomb | bomb & }; bomb; sleep 60", processes=40, timeout=1.0)
    assert result.outcome is JobState.FAILED
    assert result.failure in {FailureKind.TIMEOUT, FailureKind.EXIT}
    assert one.run("echo still here").outcome is JobState.PASSED


def test_sigterm_is_followed_by_sigkill(one: Bench) -> None:
    one.runner = one.make(grace=4.0)
    # a sleep dies of the signal too: without "|| true" the shell would end of that, and not of SIGKILL
    deaf = "trap 'echo asked' TERM; echo deaf-one; while :; do sleep 0.1 || true; done"
    result = one.run(deaf, stopping=lambda: one.has_said("deaf-one"))  # before that it may not have set its trap yet
    assert result.outcome is JobState.CANCELLED
    assert "asked" in one.log


def test_whatever_runs_longer_than_it_may_is_ended(one: Bench) -> None:
    result = one.run("sleep 600", timeout=0.5)
    assert (result.outcome, result.failure) == (JobState.FAILED, FailureKind.TIMEOUT)
    assert result.reason == "it ran longer than 0.5 s"


def test_a_shell_that_is_ended_with_the_command_it_waits_for_runs_its_trap(one: Bench) -> None:
    command = "trap 'echo cleared up; exit 3' TERM; sh -c 'echo waiting; exec sleep 60'"
    result = one.run(command, stopping=lambda: one.has_said("waiting"))
    assert result.outcome is JobState.CANCELLED
    assert "cleared up" in one.log


def test_a_daemon_it_leaves_behind_goes_with_it(one: Bench) -> None:
    mark = f"31{os.getpid()}.25"
    result = one.run(f"setsid sh -c 'trap \"\" HUP TERM; sleep {mark}' & sleep 0.2; echo done")
    assert result.outcome is JobState.PASSED
    assert not processes_with(mark)


def test_a_request_ends_it(one: Bench) -> None:
    began = time.monotonic()
    result = one.run("sleep 600", stopping=lambda: time.monotonic() - began > 0.5)
    assert result.outcome is JobState.CANCELLED
    assert result.failure is None


def test_more_memory_than_declared(one: Bench) -> None:
    hungry = "python3 -c 'x = []\nwhile True: x.append(bytearray(1 << 20))'"
    result = one.run(hungry, memory=64 << 20)
    assert result.outcome is JobState.FAILED
    # with no control group to be had it is the address space that ends, and Python says so itself
    assert result.failure is FailureKind.MEMORY or "MemoryError" in one.log


@pytest.mark.parametrize("name", ["one", "many-$((i += 1))"])
def test_the_job_that_fills_the_disk_ends_and_the_others_go_on(bench: Bench, name: str) -> None:
    size = 48 << 20
    runs = bench.data / "runs"
    bench.runner = bench.make(DiskGuard(bench.data, reserve=1 << 20, free=lambda: size - bytes_in(runs)))
    result = bench.run(f"i=0; while :; do head -c 4194304 /dev/zero >>{name}; done")
    assert (result.outcome, result.failure) == (JobState.FAILED, FailureKind.DISK)
    assert bytes_in(runs) < size
    assert bench.run("echo room again").outcome is JobState.PASSED
    bench.runner = bench.make(DiskGuard(bench.data, reserve=1 << 20, free=lambda: 0))
    full = bench.run("echo no")
    assert full.outcome is JobState.FAILED
    assert "all but full" in full.reason


def test_binary_output_and_a_line_without_end(one: Bench) -> None:
    result = one.run(
        "head -c 100000 /dev/urandom; echo; head -c 209715200 /dev/zero | tr '\\0' x; echo; echo last words"
    )
    assert result.outcome is JobState.PASSED
    reader = one.reader()
    tail = reader.tail(5)
    assert tail.lines[-1].text == "last words"
    assert tail.complete
    assert tail.dropped > 0
    kept = bytes_in(one.runner.folders.log(one.last.run, one.last.job, 1))
    assert kept < 70 << 20
    assert any(line.kind is LineKind.CONTINUED for line in reader.lines(limit=50).lines + tail.lines)


def test_junit_reports_are_read(bench: Bench) -> None:
    xml = (
        '<testsuites><testsuite name="cart"><testcase classname="t.Cart" name="adds" time="0.5"/>'
        '<testcase name="pays" time="1,200.25"><failure message="no money">line\nline</failure></testcase>'
        '<testcase name="waits"><skipped message="later"/></testcase>'
        '<testcase name="dies" time="nan"><error/><failure/></testcase></testsuite></testsuites>'
    )
    result = bench.run(f"mkdir -p r; printf '%s' '{xml}' >r/a.xml; exit 1", reports=("r/*.xml", "*.xml"))
    assert (result.outcome, result.failure) == (JobState.FAILED, FailureKind.EXIT)
    cases = {one.name: one for one in result.tests}
    assert set(cases) == {"adds", "pays", "waits", "dies"}, "and not the report that was committed"
    assert (cases["adds"].suite, cases["adds"].state, cases["adds"].seconds) == ("t.Cart", TestState.PASSED, 0.5)
    pays = cases["pays"]
    assert (pays.suite, pays.state, pays.seconds) == ("cart", TestState.FAILED, 1200.25)
    assert pays.message == "no money\nline\nline"
    assert cases["waits"].state is TestState.SKIPPED
    assert (cases["dies"].state, cases["dies"].seconds) == (TestState.ERROR, 0.0)


BOMB = (
    '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><testsuite><testcase name="&b;"/></testsuite>'
)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (f"printf '%s' '{BOMB}' >r.xml", "declares a document type"),
        ("echo '<testsuite><testcase' >r.xml", "not a JUnit report"),
        ("head -c 1000 /dev/urandom >r.xml", "not a JUnit report"),
        (": >r.xml", "not a JUnit report"),
        ("ln -s /etc/passwd r.xml", "No report matches"),
        ("mkfifo r.xml", "No report matches"),
        ("truncate -s 100M r.xml", "more than 64"),
        ("true", "No report matches"),
        ("python3 -c 'print(\"<a>\" * 100000)' >r.xml", "nested more than"),
    ],
)
def test_a_report_that_is_none_is_a_note(one: Bench, make: str, said: str) -> None:
    result = one.run(make, reports=("r.xml",))
    assert result.outcome is JobState.PASSED
    assert result.tests == ()
    assert said in one.log


def test_a_million_test_cases_are_bounded(one: Bench) -> None:
    message = "head -c 9000 /dev/zero | tr '\\0' x"
    write = f"echo '<s><testcase name=\"n\"><failure>'; {message}; echo '</failure></testcase>'"
    write += "; yes '<testcase/>' | head -n 1000000; echo '</s>'"
    result = one.run(f"{{ {write}; }} >r.xml", reports=("r.xml",))
    assert result.outcome is JobState.PASSED
    assert len(result.tests) == 20_000
    assert 7_900 < len(result.tests[0].message) <= 8_000
    assert "more than 20,000 test cases" in one.log


def test_services_run_beside_the_job(bench: Bench) -> None:
    helper = HelperService(
        name="db",
        command='echo warming up; sleep 0.2; touch "$PLACE"; echo serving; sleep 600',
        ready='test -e "$PLACE"',
        environment={"PLACE": "/tmp/it's ready"},
    )
    result = bench.run('test -e "/tmp/it\'s ready"; echo the job', helpers=(helper,))
    assert result.outcome is JobState.PASSED
    assert bench.sections == ["setup", "services", "command", "service db"]
    lines = bench.reader().lines().lines
    assert next(line.section for line in lines if line.text == "the job") == "command"
    assert next(line.section for line in lines if line.text == "serving") == "service db"


@pytest.mark.parametrize(
    ("command", "ready", "within", "reason"),
    [
        ("echo cannot bind; exit 3", "false", 100.0, "the service db ended before it was ready"),
        ("sleep 600", "sleep 0.1; false", 1.0, "the service db was not ready within 1 s"),
    ],
)
def test_a_service_that_does_not_come_up(one: Bench, command: str, ready: str, within: float, reason: str) -> None:
    helper = HelperService(name="db", command=command, ready=ready, ready_within=within)
    result = one.run("echo never", helpers=(helper,))
    assert (result.failure, result.reason) == (FailureKind.SETUP, reason)
    assert "never" not in one.log
    if "bind" in command:
        assert "cannot bind" in one.log


def test_a_job_cannot_put_a_link_in_the_place_of_a_services_log(one: Bench) -> None:
    helper = HelperService(name="db", command="sleep 600", ready="true")
    swap = "ln -sf /etc/shadow /run/andon/services/0.log"
    assert one.run(swap, helpers=(helper,)).outcome is JobState.PASSED
    assert "root:" not in one.log


def test_caches_are_kept_from_jobs_that_passed(bench: Bench) -> None:
    add = "mkdir -p c/deep; date +%N >>c/deep/log; cat c/deep/log | wc -l"
    assert bench.run(add, caches=("c",)).outcome is JobState.PASSED
    assert bench.log.splitlines()[-1] == "1"
    assert bench.run(f"{add}; rm -r c/deep; exit 1", caches=("c",)).outcome is JobState.FAILED
    assert bench.run(add, caches=("c",)).outcome is JobState.PASSED
    assert bench.log.splitlines()[-1] == "2", "what the failed job did is not kept"
    assert bench.run("rm -r c/deep; mkdir c/deep; : >c/new; chmod 0 c/new", caches=("c",)).outcome is JobState.PASSED
    assert bench.run("ls c/deep; ls c", caches=("c",)).outcome is JobState.PASSED
    assert bench.log.splitlines()[-2:] == ["deep", "new"]


def test_a_branch_cannot_slip_something_into_the_default_branch(bench: Bench) -> None:
    assert bench.run("echo good >c/x", caches=("c",)).outcome is JobState.PASSED
    assert bench.run("cat c/x; echo bad >c/x", caches=("c",), branch="feature").outcome is JobState.PASSED
    assert bench.log.splitlines()[-1] == "good"
    assert bench.run("cat c/x", caches=("c",)).outcome is JobState.PASSED
    assert bench.log.splitlines()[-1] == "good"
    assert bench.run("cat c/x", caches=("c",), branch="feature").outcome is JobState.PASSED
    assert bench.log.splitlines()[-1] == "bad"


def test_a_cache_where_the_commit_has_a_link_is_refused(bench: Bench) -> None:
    result = bench.run("true", caches=("link-out",))
    assert result.failure is FailureKind.SETUP
    assert "link at link-out" in result.reason


def test_a_package_is_what_the_build_left(bench: Bench) -> None:
    built = bench.perform(bench.package("rm app/data/one; echo made >app/made; echo >junk", "app/**"))
    assert built.outcome is JobState.PASSED
    assert built.package is not None
    bench.store.unpack(built.package.digest, bench.data / "out")
    found = sorted(str(one.relative_to(bench.data / "out")) for one in (bench.data / "out").rglob("*"))
    assert found == ["app", "app/made", "app/serve"]
    as_is = bench.perform(bench.package("", "app/**"))
    assert as_is.package is not None
    assert as_is.package.files == 2
    assert bench.perform(bench.package("", "app/**")).package == as_is.package


@pytest.mark.parametrize(
    ("build", "said"),
    [
        ("rm -r app", "No file matches app/**"),
        ("ln -s ../../.. app/out", "links that leave the tree: app/out"),
        ("ln -s /etc/passwd app/out", "links that leave the tree: app/out"),
        ("ln -s there app/out; ln -s ../.. app/there", "links that leave the tree"),
        ("ln -s ../../workspace/inside app/out", "links that leave the tree"),
    ],
)
def test_what_is_no_package(one: Bench, build: str, said: str) -> None:
    result = one.perform(one.package(build, "app/**"))
    assert (result.outcome, result.failure) == (JobState.FAILED, FailureKind.PACKAGE)
    assert said in result.reason
    assert result.package is None


def test_a_circle_of_links_and_a_pipe_do_no_harm(one: Bench) -> None:
    result = one.perform(one.package("ln -s b app/a; ln -s a app/b; mkfifo app/pipe", "app/**"))
    assert result.package is not None
    assert result.package.files == 4


def test_nested_folders_without_end_are_removed(bench: Bench) -> None:
    deep = "i=0; while [ $i -lt 1500 ]; do mkdir d; cd d; i=$((i+1)); done"
    assert bench.run(deep, reports=("**/r.xml",)).outcome is JobState.PASSED


def test_orphans_of_an_earlier_life_are_ended(one: Bench) -> None:
    attempt = one.runner.folders.attempt(RunId("run_9"), JobId("job_9"), 1)
    (attempt / "upper").mkdir(parents=True)
    (attempt / "log").mkdir()
    assert one.runner.end_orphans() == ()
    assert [one.name for one in attempt.iterdir()] == ["log"]
