"""Durable work survives what happens to processes; real processes are killed for it, on both databases."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from andon.kernel.errors import Conflict, Invalid, TooMany, Unavailable
from andon.kernel.workflows import Interrupted, Step, StepFailed, Workflow
from andon.kernel.workflows.durable import DurableWorkflows, State
from tests.databases import Databases

pytestmark = pytest.mark.timeout(300)

WORKER = Path(__file__).with_name("worker.py")
Launch = Callable[..., DurableWorkflows]


class Workers:
    """Starts workers over one database and folder, and ends those that are left."""

    def __init__(self, database: str, folder: Path) -> None:
        self.database = database
        self.folder = folder
        self._processes: list[subprocess.Popen[str]] = []

    def begin(self, *commands: str, executor: str = "worker") -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, WORKER, self.database, self.folder, executor, *commands],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._processes.append(process)
        return process

    def run(self, *commands: str, executor: str = "worker") -> tuple[int, str, str]:
        process = self.begin(*commands, executor=executor)
        output, errors = process.communicate(timeout=200)
        return process.returncode, output, errors

    def steps(self) -> list[str]:
        path = self.folder / "steps"
        return path.read_text().splitlines() if path.exists() else []

    def until(self, line: str, times: int = 1) -> None:
        until(lambda: self.steps().count(line) >= times)

    def hold(self) -> None:
        (self.folder / "hold").touch()

    def release(self) -> None:
        (self.folder / "hold").unlink()

    def end(self) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 200
    while not condition():
        assert time.monotonic() < deadline, "waited 200 seconds in vain"
        time.sleep(0.01)


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()


@pytest.fixture
def workers(databases: Databases, database_kind: str, tmp_path: Path) -> Iterator[Workers]:
    place = str(tmp_path / "workflows.db") if database_kind == "sqlite" else databases.empty_url(database_kind)
    found = Workers(place, tmp_path)
    yield found
    found.end()


@pytest.fixture
def sqlite_workers(tmp_path: Path) -> Iterator[Workers]:
    found = Workers(str(tmp_path / "workflows.db"), tmp_path)
    yield found
    found.end()


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Launch workflows in this process, on SQLite; stopped at the end of the test."""
    launched: list[DurableWorkflows] = []

    def launch_one(workflows: Sequence[Workflow], executor: str = "worker") -> DurableWorkflows:
        one = DurableWorkflows(tmp_path / "workflows.db", workflows, executor=executor, poll_seconds=0.02)
        launched.append(one)
        one.launch()
        return one

    yield launch_one
    for one in launched:
        one.stop()


def drained(workflows: DurableWorkflows) -> None:
    until(lambda: not workflows.pending())


def test_a_killed_worker_goes_on_where_it_was(workers: Workers) -> None:
    workers.hold()
    first = workers.begin("start=a", "stay")
    workers.until("second a")
    kill(first)
    workers.release()
    code, _, errors = workers.run("drain")
    assert code == 0, errors
    # The step under way ran again; the one before did not, and its successor ran once with its answer.
    assert workers.steps() == ["first a", "second a", "second a", "third a 7"]
    code, _, _ = workers.run("start=a", "drain")
    assert code == 0
    assert workers.steps()[4:] == []


def test_more_than_a_hundred_crashes_do_not_end_it(sqlite_workers: Workers) -> None:
    workers = sqlite_workers
    workers.hold()
    kill_after = workers.begin("start=a", "stay")
    workers.until("second a")
    kill(kill_after)
    # 150 deaths more, entered where they are counted: each real one costs a second.
    with sqlite3.connect(workers.database) as connection:
        connection.execute("UPDATE workflow_status SET recovery_attempts = recovery_attempts + 150")
    second = workers.begin("stay")
    workers.until("second a", 2)
    kill(second)
    workers.release()
    code, _, errors = workers.run("drain")
    assert code == 0, errors
    assert workers.steps()[-1] == "third a 7"


def test_two_processes_never_work_as_one_executor(sqlite_workers: Workers) -> None:
    first = sqlite_workers.begin("stay")
    assert first.stdout is not None
    assert first.stdout.readline() == "launched\n"
    code, _, errors = sqlite_workers.run("drain")
    assert code == Conflict.exit_code
    assert f"Process {first.pid} is already at work as 'worker'" in errors
    kill(first)
    assert sqlite_workers.run("drain")[0] == 0


def test_the_work_of_a_worker_that_is_gone_is_taken_over(workers: Workers) -> None:
    workers.hold()
    gone = workers.begin("start=a", "stay", executor="gone")
    alive = workers.begin("start=b", "stay", executor="alive")
    workers.until("second a")
    workers.until("second b")
    kill(gone)
    workers.release()
    workers.until("third b 7")
    code, _, errors = workers.run("drain", executor="third")
    assert code == 0
    assert "took over 1 workflows of worker gone" in errors
    assert workers.steps().count("third a 7") == 1
    assert workers.steps().count("second b") == 1, "the work of a living worker is left to it"
    kill(alive)


def test_work_of_a_name_that_is_gone_is_kept_and_told(sqlite_workers: Workers) -> None:
    sqlite_workers.hold()
    first = sqlite_workers.begin("start=a", "stay")
    sqlite_workers.until("second a")
    kill(first)
    sqlite_workers.release()
    code, output, errors = sqlite_workers.run("forgetful", "pending")
    assert code == 0, errors
    assert "build:a unknown" in output
    assert "workflow build over a (build:a) was left by a release that knew it" in errors
    assert "third a 7" not in sqlite_workers.steps()
    assert sqlite_workers.run("drain")[0] == 0
    assert sqlite_workers.steps()[-1] == "third a 7"


# A row as release 0.1 leaves it when it is killed in its second step. Never change it: that it can be read is the test.
RECORDED = """
INSERT INTO workflow_status (workflow_uuid, status, name, executor_id, application_version, application_name,
    serialization, created_at, updated_at, recovery_attempts, priority, owner_xid)
VALUES ('build:old', 'PENDING', 'build', 'worker', '1', 'andon',
    'portable_json', 1767600000000, 1767600000000, 1, 0, 'of-a-process-long-gone');
INSERT INTO workflow_input (workflow_uuid, inputs, retention_timestamp)
VALUES ('build:old', '{"namedArgs":{},"positionalArgs":["old"]}', 1767600000000);
INSERT INTO operation_outputs (workflow_uuid, function_id, function_name, output, serialization, application_name,
    retention_timestamp)
VALUES ('build:old', 1, 'first', '"{\\"answer\\": null}"', 'portable_json', 'andon', 1767600000000);
"""


def test_what_the_previous_release_recorded_goes_on(sqlite_workers: Workers) -> None:
    assert sqlite_workers.run("drain")[0] == 0
    with sqlite3.connect(sqlite_workers.database) as connection:
        connection.executescript(RECORDED)
    code, _, errors = sqlite_workers.run("drain")
    assert code == 0, errors
    assert sqlite_workers.steps() == ["second old", "third old 7"]


def test_a_forged_pickle_is_not_executed(sqlite_workers: Workers) -> None:
    assert sqlite_workers.run("drain")[0] == 0
    pickled = RECORDED.replace("'portable_json', 1767", "'py_pickle', 1767").replace(
        '{"namedArgs":{},"positionalArgs":["old"]}', "gASVHgAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOUjANvbGSUhZRSlC4="
    )
    with sqlite3.connect(sqlite_workers.database) as connection:
        connection.executescript(pickled)
    code, _, errors = sqlite_workers.run("drain")
    assert code == 0
    assert "it could run any code" in errors
    assert sqlite_workers.steps() == []


def test_one_key_runs_once(launch: Launch) -> None:
    seen: list[str] = []

    def run(step: Step, subject: str) -> None:
        step("only", lambda: seen.append(subject))

    workflows = launch([Workflow("note", run)])
    threads = [threading.Thread(target=workflows.start, args=("note", "a")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    workflows.start("note", "a", key="another")
    drained(workflows)
    assert seen == ["a", "a"]


def test_what_ended_long_ago_is_forgotten_with_everything_of_it(launch: Launch, tmp_path: Path) -> None:
    ran: list[str] = []
    held = threading.Event()

    def build(step: Step, subject: str) -> None:
        step("begin", lambda: ran.append(subject))
        if subject == "waiting":
            step("wait", lambda: held.wait(200))
        if subject == "failing":
            raise ValueError("no luck")

    workflows = launch([Workflow("build", build)])
    try:
        for subject in ("old", "failing", "waiting"):
            workflows.start("build", subject)
        until(lambda: len(ran) == 3 and len(workflows.pending()) == 1)
        # A moment is given in whole milliseconds.
        time.sleep(0.002)
        now = datetime.now(UTC)
        assert workflows.forget(now - timedelta(days=1)) == 0
        workflows.start("build", "old")
        assert workflows.forget(now) == 2
        assert workflows.failed() == ()
        assert [work.subject for work in workflows.pending()] == ["waiting"], "whatever its age"
        with sqlite3.connect(tmp_path / "workflows.db") as connection:
            for table in ("workflow_status", "workflow_input", "operation_outputs"):
                kept = {row[0] for row in connection.execute(f"SELECT workflow_uuid FROM {table}")}
                assert kept <= {"build:waiting"}, table
        workflows.start("build", "old")
        until(lambda: ran.count("old") == 2)
    finally:
        held.set()
    drained(workflows)


def test_two_hundred_steps_wait_side_by_side(launch: Launch) -> None:
    everyone = threading.Barrier(201)

    def run(step: Step, _subject: str) -> None:
        step("wait", lambda: everyone.wait(200))

    workflows = launch([Workflow("wait", run)])
    for number in range(200):
        workflows.start("wait", str(number))
    everyone.wait(200)
    drained(workflows)
    assert workflows.failed() == ()


def test_a_workflow_started_within_a_step_stands_for_itself(launch: Launch) -> None:
    seen: list[str] = []
    found: list[DurableWorkflows] = []

    def outer(step: Step, subject: str) -> None:
        step("start", lambda: found[0].start("inner", subject))
        step("after", lambda: seen.append("outer"))

    def inner(step: Step, subject: str) -> None:
        step("note", lambda: seen.append(f"inner {subject}"))

    found.append(launch([Workflow("outer", outer), Workflow("inner", inner)]))
    found[0].start("outer", "a")
    drained(found[0])
    assert sorted(seen) == ["inner a", "outer"]


def test_errors_of_steps_come_as_themselves_in_every_life(launch: Launch) -> None:
    caught: list[Exception] = []
    again = threading.Event()

    def refuse() -> None:
        raise TooMany("Too many.", retry_after=2.5, remedy="Wait.")

    def stumble() -> None:
        raise KeyError("nobody foresaw this")

    def interrupt() -> None:
        if not again.is_set():
            raise Interrupted

    def run(step: Step, _subject: str) -> None:
        for name, action in (("refuse", refuse), ("stumble", stumble)):
            try:
                step(name, action)
            except Exception as error:  # noqa: BLE001 - whatever comes is what the test looks at
                caught.append(error)
        step("interrupt", interrupt)

    first = launch([Workflow("try", run)])
    first.start("try", "a")
    until(lambda: len(caught) == 2)
    assert first.stop(60)
    again.set()
    drained(launch([Workflow("try", run)]))
    before, after = caught[:2], caught[2:]
    assert [type(error) for error in before] == [TooMany, StepFailed] == [type(error) for error in after]
    for refused in (before[0], after[0]):
        assert isinstance(refused, TooMany)
        assert (refused.message, refused.retry_after, refused.remedy) == ("Too many.", 2.5, "Wait.")
    assert str(before[1]) == str(after[1])
    assert "KeyError" in str(after[1])


def test_a_workflow_that_ends_with_an_error_is_listed_and_logged(
    launch: Launch, caplog: pytest.LogCaptureFixture
) -> None:
    def run(step: Step, _subject: str) -> None:
        step("fail", fail)

    def fail() -> None:
        raise Conflict("The lock is held by \0\udc80.")

    workflows = launch([Workflow("break", run)])
    workflows.start("break", "a")
    drained(workflows)
    (work,) = workflows.failed()
    assert (work.key, work.workflow, work.subject, work.state) == ("break:a", "break", "a", State.FAILED)
    assert "Conflict: The lock is held by" in work.error
    assert "workflow break over a ended with an error" in caplog.text


def test_an_answer_that_could_not_be_read_later_is_refused(launch: Launch) -> None:
    caught: list[str] = []

    def run(step: Step, _subject: str) -> None:
        try:
            step("answer", object)  # type: ignore[type-var]  # the mistake under test
        except StepFailed as error:
            caught.append(str(error))

    workflows = launch([Workflow("odd", run)])
    workflows.start("odd", "a")
    drained(workflows)
    assert "a step answers text" in caught[0]


@pytest.mark.parametrize("answer", ["", "ünï\0\udcff", 0, -1, 2**60, 0.1, True, False, None])
def test_answers_come_back_as_they_were(launch: Launch, answer: str | int | float | bool | None) -> None:
    seen: list[object] = []
    again = threading.Event()

    def interrupt() -> None:
        if not again.is_set():
            raise Interrupted

    def run(step: Step, _subject: str) -> None:
        seen.append(step("answer", lambda: answer))
        step("interrupt", interrupt)

    first = launch([Workflow("echo", run)])
    first.start("echo", "a")
    until(lambda: bool(seen))
    assert first.stop(60)
    again.set()
    drained(launch([Workflow("echo", run)]))
    assert [(type(one), one) for one in seen] == [(type(answer), answer)] * 2


def test_stopping_interrupts_what_waits_and_records_nothing(launch: Launch, tmp_path: Path) -> None:
    lives: list[int] = []
    found: list[DurableWorkflows] = []

    def wait() -> None:
        lives.append(len(lives))
        if len(lives) == 1:
            found[-1].stopping.wait()
            raise Interrupted

    workflows = [Workflow("wait", lambda step, _: step("wait", wait))]
    found.append(launch(workflows))
    found[0].start("wait", "a")
    until(lambda: bool(lives))
    assert found[0].stop(60)
    with pytest.raises(Unavailable, match="Nothing was started"):
        found[0].start("wait", "b")
    found.append(launch(workflows))
    drained(found[1])
    assert (lives, found[1].failed()) == ([0, 1], ())


def test_a_step_that_does_not_stop_keeps_the_lease(launch: Launch) -> None:
    end = threading.Event()
    begun = threading.Event()

    def wait() -> None:
        begun.set()
        end.wait()

    first = launch([Workflow("wait", lambda step, _: step("wait", wait))])
    first.start("wait", "a")
    assert begun.wait(60)
    assert not first.stop(0.05)
    with pytest.raises(Conflict, match=str(os.getpid())):
        launch([Workflow("wait", lambda step, _: step("wait", wait))])
    end.set()


def listening() -> set[object]:
    return {one.laddr for one in psutil.Process().net_connections("inet") if one.status == psutil.CONN_LISTEN}


def test_only_json_is_stored_and_no_port_is_opened(launch: Launch, tmp_path: Path) -> None:
    before = listening()
    workflows = launch([Workflow("note", lambda step, _: step("note", lambda: None))])
    workflows.start("note", "a")
    drained(workflows)
    with sqlite3.connect(tmp_path / "workflows.db") as connection:
        (inputs,) = connection.execute("SELECT inputs FROM workflow_input").fetchone()
        (serialization,) = connection.execute("SELECT serialization FROM workflow_status").fetchone()
        (output,) = connection.execute("SELECT output FROM operation_outputs").fetchone()
    assert (json.loads(inputs)["positionalArgs"], serialization) == (["a"], "portable_json")
    assert json.loads(json.loads(output)) == {"answer": None}
    assert listening() <= before
    assert (tmp_path / "workflows.db").stat().st_mode & 0o777 == 0o600


def test_what_an_acknowledged_start_wrote_is_on_the_disk(launch: Launch) -> None:
    workflows = launch([])
    engine = workflows._engine
    assert engine is not None
    with engine.connect() as connection:
        modes = [connection.execute(sa.text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous")]
    assert modes == ["wal", 2]


def test_misuse_is_told(tmp_path: Path, launch: Launch) -> None:
    with pytest.raises(Invalid, match="cannot name a worker"):
        DurableWorkflows(tmp_path / "w.db", [], executor="../up")
    with pytest.raises(ValueError, match="one name"):
        DurableWorkflows(tmp_path / "w.db", [Workflow("a", lambda *_: None), Workflow("a", lambda *_: None)])
    with pytest.raises(ValueError, match="no workflow is called"):
        launch([]).start("nothing", "a")
