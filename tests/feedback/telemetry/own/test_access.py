"""Requests become lines: all that failed, and of the others as many as are of use."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from andon.feedback.telemetry.contract.intake import Dropped
from andon.feedback.telemetry.contract.logs import LogSource, Severity
from andon.feedback.telemetry.memory_intake import MemoryIntake
from andon.feedback.telemetry.own.access import (
    MOST_SUCCESSES,
    AccessFollower,
    Endpoints,
    exemplars_of,
    packed,
    sampled,
    unpacked,
)
from andon.feedback.telemetry.own.router import Place, Places, RouterMetrics
from andon.flow.environments.contract import SetId
from andon.flow.routing.access import AccessFolder, EnvoyAccessLog
from andon.flow.routing.contract import Access, AccessPosition, RouterStatistics, SetStatistics
from andon.flow.sources.contract import Service
from tests.flow.installation import Installation

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class Stored:
    def __init__(self, intake: MemoryIntake) -> None:
        self._intake = intake

    def of_logs(self) -> Mapping[str, int]:
        return {one.origin: one.position for one in self._intake.logs}

    def of_record(self) -> int | None:
        return None


class Log:
    """An access log on the disk, written as Envoy writes it."""

    def __init__(self, folder: Path, local: Installation) -> None:
        self.local = local
        self.folder = folder
        self.place = AccessFolder(folder)
        self.place.prepare(folder / "admin.sock")
        self.intake = MemoryIntake()

    def follower(self) -> AccessFollower:
        local = self.local
        return AccessFollower(
            self.intake,
            log=EnvoyAccessLog(self.folder),
            positions=Stored(self.intake),
            places=Places(local.environments, local.database.reading),
            endpoints=Endpoints(local.environments, local.database.reading),
        )

    def write(self, *requests: Mapping[str, object]) -> None:
        with self.place.current.open("ab") as file:
            for one in requests:
                file.write(json.dumps(one).encode() + b"\n")


@pytest.fixture
def log(local: Installation, tmp_path: Path) -> Log:
    return Log(tmp_path / "router", local)


def request(number: int = 0, status: int = 200, **more: object) -> dict[str, object]:
    return {
        "start": f"{1_790_000_000 + number // 1000}.{number % 1000:03d}000",
        "us": 12_345,
        "service": "store",
        "environment": "acceptance",
        "method": "GET",
        "path": f"/{number}",
        "status": status,
        "request": f"r-{number}",
        **more,
    }


def access(time: int, service: str = "store", *, set: str = "set_a", duration: int = 1, trace: int = 0) -> Access:
    return Access(
        time=time,
        duration=duration,
        service=Service(service),
        environment="production",
        local=False,
        set=SetId(set),
        endpoint="",
        method="GET",
        path="/",
        status=200,
        flags="",
        received=0,
        sent=0,
        request="",
        traceparent=f"00-{trace:032x}-00f067aa0ba902b7-01" if trace else "",
    )


def test_a_failed_request_is_a_line_with_its_service_version_and_trace(log: Log) -> None:
    log.local.deploy(log.local.built(), environment="acceptance")
    live = log.local.place("acceptance").live
    assert live is not None
    log.write(
        request(1, 503, set=live.id, flags="UF", trace=f"00-{TRACE}-00f067aa0ba902b7-01"),
        request(2, 404, trace="nonsense"),
        request(3, 0, flags="DC"),
    )
    follower = log.follower()
    follower.round()
    failed, missing, left = log.intake.logs
    assert (failed.body, failed.severity, failed.source) == ("GET /1 503 12.3 ms UF", Severity.ERROR, LogSource.ROUTER)
    assert (failed.service, failed.environment, failed.version) == ("store", "acceptance", live.commit[:7])
    assert (failed.trace, failed.span) == (TRACE, "00f067aa0ba902b7")
    assert failed.time == 1_790_000_000_001_000
    assert failed.fields == {
        "method": "GET",
        "path": "/1",
        "status": "503",
        "duration_ms": "12.345",
        "received": "0",
        "sent": "0",
        "request": "r-1",
        "flags": "UF",
        "set": live.id,
    }
    assert (missing.severity, missing.trace) == (Severity.INFO, "")
    assert (left.severity, left.body) == (Severity.INFO, "GET /3 no answer 12.3 ms DC")


def test_a_traced_request_is_an_exemplar_of_the_durations_that_the_router_counts(log: Log) -> None:
    log.local.deploy(log.local.built(), environment="acceptance")
    live = log.local.place("acceptance").live
    assert live is not None

    def traced(number: int, us: int, flags: str = "01") -> dict[str, object]:
        return request(number, us=us, set=live.id, trace=f"00-{number:032x}-00f067aa0ba902b7-{flags}")

    log.write(
        *(traced(number, us) for number, us in ((1, 20_000), (2, 900_000), (3, 30_000), (1001, 10_000))),
        traced(4, 2_000_000, flags="00"),
        request(5, us=3_000_000, set=live.id),
        {**traced(6, 4_000_000), "set": "set_unknown"},
    )
    follower = log.follower()
    follower.round()
    kept = log.intake.exemplars
    assert sorted((int(one.trace, 16), one.value) for one in kept) == [(1, 0.02), (2, 0.9), (1001, 0.01)]
    assert {one.span for one in kept} == {"00f067aa0ba902b7"}
    assert kept[0].time == 1_790_000_000_001
    bucket = RouterStatistics(failed_writes=0, sets=(SetStatistics(set=live.id, times=((0.5, 0), (1.0, 3))),))
    metrics = RouterMetrics(
        log.intake, statistics=lambda: bucket, places=Places(log.local.environments, log.local.database.reading)
    )
    metrics.round()
    counted = {one.id: one for batch in log.intake.batches for one in batch.series}
    assert {counted[one.series].label("le") for one in kept} == {"+Inf"}
    assert {counted[one.series].name for one in kept} == {"andon_request_duration_seconds_bucket"}


def test_of_each_second_of_a_set_two_requests_are_exemplars() -> None:
    places = {SetId(one): Place("store", "production", one) for one in ("set_a", "set_b")}
    requests = [
        access(number * 1000, set=("set_a", "set_b")[number % 2], duration=number % 700, trace=number + 1)
        for number in range(5000)
    ]
    found = exemplars_of(requests, places)
    assert len(found) == 2 * 2 * 5
    assert {one.value for one in found} >= {698e-6, 699e-6}


def test_each_request_is_taken_once_over_restarts_and_when_the_log_is_turned_over(log: Log) -> None:
    told = 0
    for life in range(4):
        environment = ("acceptance", "production")[life // 2]
        log.write(*(request(told + number, 500, environment=environment) for number in range(10)))
        told += 10
        follower = log.follower()
        follower.round()
        follower.round()
        if life % 2:
            log.place.current.rename(log.place.folder / f"access-{life // 2 + 1}.log")
            log.place.current.write_bytes(b"")
    follower = log.follower()
    for _ in range(4):
        follower.round()
    assert [one.fields["request"] for one in log.intake.logs] == [f"r-{number}" for number in range(told)]
    assert {one.origin for one in log.intake.logs} == {"router:store/acceptance", "router:store/production"}


def test_a_store_that_is_away_costs_no_line(log: Log) -> None:
    follower = log.follower()
    for number in range(9):
        log.intake.down, log.intake.full = number % 3 == 1, number % 3 == 2
        log.write(request(number, 500))
        follower.round()
    log.intake.down = log.intake.full = False
    for _ in range(4):
        follower.round()
    assert [one.fields["request"] for one in log.intake.logs] == [f"r-{number}" for number in range(9)]


def test_of_many_successes_each_kept_one_says_for_how_many_it_stands_and_no_failure_is_left_out(log: Log) -> None:
    log.write(*(request(number, 500 if number % 100 == 7 else 200) for number in range(2000)))
    follower = log.follower()
    for _ in range(3):
        follower.round()
    failed = [one for one in log.intake.logs if one.severity is Severity.ERROR]
    served = [one for one in log.intake.logs if one.severity is Severity.INFO]
    assert len(failed) == 20
    assert all("sampled" not in one.fields for one in failed)
    assert len(served) <= 2 * MOST_SUCCESSES + 1
    assert sum(int(one.fields["sampled"].removeprefix("1 of ")) for one in served) == 1980


def test_what_is_no_line_is_counted(log: Log) -> None:
    with log.place.current.open("ab") as file:
        file.write(b"what is this\n[1]\n")
    log.write(request(1))
    log.follower().round()
    assert log.intake.count(Dropped.MALFORMED) == 2
    assert len(log.intake.logs) == 1


def test_one_service_under_load_costs_another_no_line() -> None:
    requests = [access(number * 10, "loud") for number in range(5000)] + [access(1, "quiet") for _ in range(50)]
    kept = sampled(requests)
    assert sum(one.service == "quiet" for one, _ in kept) == 50
    assert sum(one.service == "loud" for one, _ in kept) == MOST_SUCCESSES
    assert sum(stands for one, stands in kept if one.service == "loud") == 5000


def test_a_place_in_the_log_is_a_number_that_grows_with_it() -> None:
    places = [AccessPosition(1, 0), AccessPosition(1, 2**28), AccessPosition(2, 0), AccessPosition(10**6, 7)]
    numbers = [packed(one) for one in places]
    assert numbers == sorted(numbers)
    assert numbers[-1] < 2**63
    assert [unpacked(one) for one in numbers] == places
