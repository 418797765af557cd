"""What jobs, instances and commands print is stored: each line once, whoever dies when."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from andon.feedback.telemetry.contract.intake import Dropped
from andon.feedback.telemetry.contract.logs import LogSource, Severity
from andon.feedback.telemetry.memory_intake import MemoryIntake
from andon.feedback.telemetry.own.discovery import Discovery
from andon.feedback.telemetry.own.follower import MOST_OF_ONE, LogFollower
from andon.feedback.telemetry.own.positions import StoredPositions
from andon.feedback.telemetry.store.engine import EmbeddedEngine
from andon.flow.environments.contract import SetId
from andon.flow.pipelines.contract import JobId, JobStarted, RunId
from andon.flow.sources.contract import Service
from andon.kernel.access import SYSTEM
from andon.kernel.clock import SettableClock
from andon.kernel.errors import Unavailable
from andon.kernel.events import append
from andon.kernel.ids import new_id
from andon.kernel.keeper import control
from andon.kernel.keeper.model import KeeperSpec, Restart
from andon.kernel.logs.writer import LogWriter
from tests.feedback.telemetry.conftest import door
from tests.flow.installation import STORE, Installation


class Nothing:
    """Positions of a store in which nothing is."""

    def of_logs(self) -> Mapping[str, int]:
        return {}

    def of_record(self) -> int | None:
        return None


class Place:
    """An installation whose logs are below ``folder``."""

    def __init__(self, local: Installation, folder: Path) -> None:
        self.local, self.folder = local, folder

    def discovery(self) -> Discovery:
        return Discovery(
            reading=self.local.database.reading,
            environments=self.local.environments,
            pipelines=self.local.pipelines,
            set_folder=self.set_folder,
            job_log=self.job_log,
            kept=timedelta(days=14),
        )

    def set_folder(self, service: Service, environment: str, owner: SetId) -> Path:
        return self.folder / service / environment / owner

    def job_log(self, run: RunId, job: JobId, attempt: int) -> Path:
        return self.folder / run / job / str(attempt)

    def job(self, name: str = "unit", attempt: int = 1, run: RunId | None = None) -> tuple[str, Path]:
        """A job has begun; its origin and its log."""
        made = run or RunId(new_id("run"))
        job = JobId(new_id("job"))
        started = JobStarted(job=job, run=made, service=STORE, stage="commit", name=name, attempt=attempt)
        with self.local.database.transaction() as tx:
            append(tx, started, by=SYSTEM.actor)
        return f"job:{made}/commit/{name}/{attempt}", self.job_log(made, job, attempt)


@pytest.fixture
def place(local: Installation, tmp_path: Path) -> Place:
    return Place(local, tmp_path / "logs")


def go_on(follower: LogFollower, until: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, "it never came to this"
        follower.round()
        time.sleep(0.01)


def write(folder: Path, text: str, *, close: bool = False, clock: Callable[[], float] = time.time) -> None:
    writer = LogWriter(folder, clock=clock)
    writer.write(text.encode())
    if close:
        writer.close()


def test_a_jobs_lines_are_told_with_run_version_severity_and_trace(place: Place) -> None:
    commit = place.local.commit()
    origin, log = place.job(run=place.local.push(commit))
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    write(log, f'\x1b[1;31mERROR\x1b[0m: no such <b>part</b>\n\n{{"level":"warn","msg":"slow","trace_id":"{trace}"}}\n')
    intake = MemoryIntake()
    follower = LogFollower(intake, discovery=place.discovery(), positions=Nothing())
    go_on(follower, lambda: len(intake.logs) == 2)
    error, warning = intake.logs
    assert (error.body, error.severity, error.position) == ("ERROR: no such <b>part</b>", Severity.ERROR, 0)
    assert (error.service, error.version, error.source, error.origin) == ("store", commit[:7], LogSource.JOB, origin)
    assert error.fields == {"andon.stage": "commit", "andon.job": "unit"}
    assert (warning.body, warning.severity, warning.trace, warning.position) == ("slow", Severity.WARN, trace, 2)
    assert abs(error.time - time.time_ns() // 1000) < 60_000_000


def test_a_lines_own_time_is_believed_only_where_it_can_be_true(place: Place) -> None:
    _, log = place.job()
    at = 1_790_000_000.0
    writer = LogWriter(log, clock=lambda: at)
    for own in (at - 5, at - 5000, at + 5000):
        writer.write(f'{{"ts": {own}, "msg": "it"}}\n'.encode())
    intake = MemoryIntake()
    go_on(LogFollower(intake, discovery=place.discovery(), positions=Nothing()), lambda: len(intake.logs) == 3)
    assert [one.time for one in intake.logs] == [int(1e6 * time) for time in (at - 5, at, at)]
    writer.close()


def test_every_life_of_an_instance_and_every_command_of_a_deployment_is_found(place: Place) -> None:
    commit = place.local.built()
    place.local.deploy(commit)
    live = place.local.place().live
    assert live is not None
    folder = place.set_folder(STORE, "production", live.id)
    for name in ("logs/inst_a-1", "logs/inst_b-1", "commands/smoke-one-order-1"):
        write(folder / name, f"I am {name}\n")
    intake = MemoryIntake()
    follower = LogFollower(intake, discovery=place.discovery(), positions=Nothing())
    go_on(follower, lambda: len(intake.logs) == 3)
    write(folder / "logs/inst_a-2", "I am the next life\n")
    write(folder / "logs/inst_b-1", "and I go on\n")
    go_on(follower, lambda: len(intake.logs) == 5)
    by_origin = {one.origin: one for one in intake.logs}
    assert by_origin.keys() == {
        "instance:inst_a/1",
        "instance:inst_a/2",
        "instance:inst_b/1",
        f"command:{live.id}/smoke-one-order/1",
    }
    last = by_origin["instance:inst_a/2"]
    assert (last.service, last.environment, last.version, last.instance) == (
        "store",
        "production",
        commit[:7],
        "inst_a",
    )
    assert last.source is LogSource.INSTANCE
    assert by_origin[f"command:{live.id}/smoke-one-order/1"].fields == {"andon.command": "smoke-one-order"}


def test_one_that_talks_without_end_leaves_room_for_the_others(place: Place) -> None:
    _, chatty = place.job("chatty")
    _, modest = place.job("modest")
    # of one moment: what was said before midnight and what was said after it are told one after the other
    write(chatty, "more\n" * 5 * MOST_OF_ONE, clock=lambda: 1_790_000_000.0)
    write(modest, "a word\n", clock=lambda: 1_790_000_000.0)
    intake = MemoryIntake()
    follower = LogFollower(intake, discovery=place.discovery(), positions=Nothing())
    follower.round()
    assert len(intake.logs) == MOST_OF_ONE + 1
    assert "a word" in {one.body for one in intake.logs}
    go_on(follower, lambda: len(intake.logs) == 5 * MOST_OF_ONE + 1)


def test_what_is_older_than_lines_are_kept_is_left_alone(place: Place, clock: SettableClock) -> None:
    _, old = place.job("old")
    clock.advance(15 * 24 * 3600)
    discovery = place.discovery()
    assert discovery.look() == []
    origin, _ = place.job("new")
    assert [one.origin for one in discovery.look()] == [origin]
    assert discovery.look() == []
    assert not old.exists()


def test_a_set_that_is_no_more_is_watched_until_its_instances_have_said_their_last(place: Place) -> None:
    place.local.deploy(place.local.built())
    live = place.local.place().live
    assert live is not None
    discovery = place.discovery()
    discovery.look()
    assert discovery.is_active(live.id)
    for _ in range(4):  # two are kept warm
        place.local.deploy(place.local.built())
    write(place.set_folder(STORE, "production", live.id) / "logs" / "inst_a-1", "farewell\n", close=True)
    assert "instance:inst_a/1" in [one.origin for one in discovery.look()]
    assert not discovery.is_active(live.id)


def test_a_log_that_has_ended_costs_nothing_any_more(place: Place) -> None:
    _, log = place.job()
    write(log, "done\n", close=True)
    intake = MemoryIntake()
    follower = LogFollower(intake, discovery=place.discovery(), positions=Nothing())
    follower.round()
    assert follower.followed == 1
    go_on(follower, lambda: follower.followed == 0)
    assert [one.body for one in intake.logs] == ["done"]


def test_a_store_that_is_away_or_full_costs_no_line(place: Place) -> None:
    _, log = place.job()
    intake = MemoryIntake()
    follower = LogFollower(intake, discovery=place.discovery(), positions=Nothing())
    writer = LogWriter(log)
    for number in range(30):
        intake.down, intake.full = number % 3 == 1, number % 3 == 2
        intake.holding = number % 2 == 0
        writer.write(f"line {number}\n".encode())
        follower.round()
        if number % 5 == 0:
            intake.acknowledge()
    intake.down = intake.full = intake.holding = False
    intake.acknowledge()
    go_on(follower, lambda: len(intake.logs) == 30)
    assert [one.body for one in intake.logs] == [f"line {number}" for number in range(30)]
    writer.close()


def test_whoever_is_asked_where_to_go_on_and_does_not_answer_is_asked_again(place: Place) -> None:
    class Silent(Nothing):
        def of_logs(self) -> Mapping[str, int]:
            raise Unavailable("The telemetry store does not answer.")

    _, log = place.job()
    write(log, "a word\n")
    intake = MemoryIntake()
    follower = LogFollower(intake, discovery=place.discovery(), positions=Silent())
    with pytest.raises(Unavailable):
        follower.round()
    assert intake.logs == []


def test_every_line_is_in_the_store_once_whenever_telemetry_dies(
    place: Place, engine: EmbeddedEngine, tmp_path: Path
) -> None:
    logs = [place.job(f"job{number}") for number in range(4)]
    printed = [LogWriter(log, segment=3000) for _, log in logs]
    positions = StoredPositions(engine, log_days=14)
    written = 0
    for life in range(6):
        store = door(engine, tmp_path)
        if life % 3:
            store.start()  # else it dies before it has written anything of what it was given
        follower = LogFollower(store, discovery=place.discovery(), positions=positions)
        for _ in range(3):
            for one in printed:
                one.write(b"".join(b"line %d\n" % number for number in range(written, written + 50)))
            written += 50
            follower.round()
            if life % 3 == 2:
                follower.stop()
        if life % 3:
            store.stop()  # what was sent is stored, and the follower may not have heard of it
    store = door(engine, tmp_path)
    store.start()
    follower = LogFollower(store, discovery=place.discovery(), positions=positions)
    count = "SELECT count(), uniqExact(origin, position), sum(body = concat('line ', toString(position))) FROM logs"
    go_on(follower, lambda: int(str(engine.rows(count)[0][0])) >= 4 * written)
    follower.round()
    follower.stop()
    store.stop()
    assert engine.rows(count) == [(4 * written, 4 * written, 4 * written)]
    assert positions.of_logs() == {origin: written - 1 for origin, _ in logs}
    for one in printed:
        one.close()


def test_lines_of_two_days_are_two_batches(place: Place) -> None:
    _, log = place.job()
    midnight = 1_789_948_800.0
    assert midnight % 86_400 == 0
    moments = iter([midnight - 1] * 50)
    writer = LogWriter(log, clock=lambda: next(moments))
    writer.write(b"before\n")
    writer = LogWriter(log, clock=lambda: midnight + 1)
    writer.write(b"after\n")
    intake = MemoryIntake()
    go_on(LogFollower(intake, discovery=place.discovery(), positions=Nothing()), lambda: len(intake.logs) == 2)
    assert [[one.body for one in batch.logs] for batch in intake.batches] == [["before"], ["after"]]
    assert len({batch.token for batch in intake.batches}) == 2


def test_what_is_not_kept_any_more_is_counted_and_told(place: Place) -> None:
    _, log = place.job()
    writer = LogWriter(log, head=1000, tail=1000, segment=500)
    for number in range(1000):
        writer.write(f"line {number}\n".encode())
    writer.close()
    intake = MemoryIntake()
    follower = LogFollower(intake, discovery=place.discovery(), positions=Nothing())
    go_on(follower, lambda: follower._discovered > 0 and follower.followed == 0)
    told = [one for one in intake.logs if "were left out" in one.body]
    assert [one.severity for one in told] == [Severity.WARN]
    assert intake.count(Dropped.FULL) + len(intake.logs) - 1 == 1000


def test_a_secret_that_a_kept_program_prints_reaches_no_line(place: Place, tmp_path: Path) -> None:
    _, log = place.job()
    script = 'echo "the password is $PASSWORD"; echo "it is {\\"p\\": \\"$PASSWORD\\"}" >&2; sleep 60'
    spec = KeeperSpec(
        "secretive",
        "job",
        ("/bin/sh", "-c", script),
        "/",
        log,
        sandboxed=False,
        restart=Restart.NEVER,
        masks=("hunter22",),
    )
    keepers = tmp_path / "keepers"
    control.spawn(spec, {"PASSWORD": "hunter22", "PATH": "/usr/bin:/bin"}, keepers)
    try:
        intake = MemoryIntake()
        go_on(LogFollower(intake, discovery=place.discovery(), positions=Nothing()), lambda: len(intake.logs) >= 2)
    finally:
        control.stop(keepers, "secretive", timeout=0)
    assert sorted(one.body for one in intake.logs) == ['it is {"p": "***"}', "the password is ***"]
