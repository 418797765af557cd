"""What is not stored is counted, whatever the reason."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from andon.feedback.telemetry.contract.intake import Dropped
from andon.feedback.telemetry.store.engine import Engine, StoreError, Value
from andon.feedback.telemetry.store.writer import DiskWatch
from andon.feedback.telemetry.ways.statsd import bulk as bulk_module
from andon.feedback.telemetry.ways.statsd import flushing as flushing_module
from andon.feedback.telemetry.ways.statsd.bulk import Moved
from andon.feedback.telemetry.ways.statsd.running import Running
from andon.feedback.telemetry.ways.statsd.sockets import kernel_drops
from tests.feedback.telemetry.ways.statsd.conftest import Stations
from tests.feedback.telemetry.ways.statsd.station import Station, until


class Failing(Engine):
    """The engine, that refuses some statements as the database does: the real one, with a fault put in front of it."""

    def __init__(self, real: Engine) -> None:
        super().__init__(real._connect)
        self.fails: dict[str, int] = {}
        """How often statements with this text still fail."""

    def command(self, sql: str, values: Mapping[str, Value] | None = None, **settings: str | int) -> None:
        for text, times in self.fails.items():
            if text in sql and times:
                self.fails[text] = times - 1
                raise StoreError(f"no {text} today", 241)
        super().command(sql, values, **settings)


def test_a_full_disk_takes_nothing_in_and_says_so_and_then_goes_on(stations: Stations, tmp_path: Path) -> None:
    free = [10**12]
    disk = DiskWatch(tmp_path, 1000, lambda: free[0])
    station = stations.keep(Station(stations.engine, disk=disk, patience=0.1))
    station.sent("hits:1|c")
    free[0] = 0
    until(lambda: disk.full)
    station.sent("hits:2|c", "hits:3|c", "new:1|c")
    assert station.dropped == {Dropped.DISK: 3}
    assert station.values("hits") == [1.0]
    free[0] = 10**12
    until(lambda: not disk.full)
    station.sent("hits:4|c", "new:2|c")
    assert station.values("hits") == [1.0, 4.0]
    # its series was written down after all
    assert station.values("new") == [2.0]


@pytest.mark.parametrize(
    "text",
    ["INSERT INTO samples", "INSERT INTO statsd.stage", "INSERT INTO statsd.late", "INSERT INTO statsd.found"],
)
def test_a_statement_that_fails_once_loses_nothing_and_stores_nothing_twice(stations: Stations, text: str) -> None:
    engine = Failing(stations.engine)
    station = stations.keep(Station(engine, patience=60))
    station.sent("hits:1|c", "queue:+1|g", "bad", "users:a|s")
    engine.fails[text] = 1
    station.sent("hits:2|c", "queue:+1|g", "bad", "new:1|c", "took:1:2|ms", "users:b|s")
    assert engine.fails[text] == 0
    station.stop()
    rows = station.rows()
    assert [one for one in rows if one[0] != "users"] == [
        ("hits", {}, 1.0),
        ("hits", {}, 2.0),
        ("new", {}, 1.0),
        ("queue", {}, 1.0),
        ("queue", {}, 2.0),
        ("took", {}, 1.0),
        ("took", {}, 2.0),
    ]
    # two of one window, or one of each of two when its end came in between
    assert sum(value for name, _, value in rows if name == "users") == 2
    assert station.dropped == {Dropped.MALFORMED: 2}
    engine.close()


def test_a_store_that_goes_on_failing_is_given_up_after_a_while_and_the_loss_is_counted(stations: Stations) -> None:
    engine = Failing(stations.engine)
    station = stations.keep(Station(engine, patience=0.2))
    station.sent("hits:1|c")
    engine.fails["INSERT INTO samples"] = 10**9
    station.sent("hits:2|c", "hits:3|c")
    assert station.dropped == {Dropped.FULL: 2}
    engine.fails["INSERT INTO samples"] = 0
    engine.fails["INSERT INTO statsd.stage"] = 10**9
    station.send("hits:4|c", "hits:5|c", "hits:6|c")
    until(lambda: station.dropped == {Dropped.FULL: 5})
    engine.fails["INSERT INTO statsd.stage"] = 0
    station.sent("hits:7|c")
    assert station.values("hits") == [1.0, 7.0]
    engine.close()


def test_more_new_keys_than_are_decided_at_once_wait_their_turn(
    stations: Stations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flushing_module, "MOST_NEW_KEYS", 100)
    station = stations.keep(Station(stations.engine))
    station.send(*(f"hits:{number}|c|#n:{number}" for number in range(1_050)))
    until(lambda: station.way.statistics.keys == 1_050)
    station.stop()
    assert sorted(station.values("hits")) == [float(number) for number in range(1_050)]
    assert station.dropped == {}


def test_new_keys_still_waiting_at_the_end_are_stored(stations: Stations, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flushing_module, "MOST_NEW_KEYS", 100)
    station = stations.keep(Station(stations.engine))
    station.send(*(f"hits:1|c|#n:{number}" for number in range(1_050)))
    station.stop()
    assert station.stored() == 1_050


def test_a_flood_of_sampled_observations_is_not_multiplied(stations: Stations, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_module, "MOST_COPIES_AT_ONCE", 1_000)
    station = stations.keep(Station(stations.engine))
    station.sent(*["took:1|ms|@0.01"] * 20)
    assert station.stored() == 20
    assert station.dropped == {Dropped.FULL: 1_980}


def test_what_the_kernel_dropped_is_counted_as_it_counts(station: Station) -> None:
    # nobody reads this socket, so that the kernel must run out of room
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out,
    ):
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.bind(("127.0.0.1", 0))
        out.connect(deaf.getsockname())
        for _ in range(200):
            out.send(b"hits:1|c" * 10)
        deaf.setblocking(False)
        received = 0

        def all_are_accounted_for() -> bool:
            nonlocal received
            with suppress(BlockingIOError):
                while deaf.recv(1000):
                    received += 1
            return kernel_drops(deaf) + received == 200

        until(all_are_accounted_for)
        told = kernel_drops(deaf)
        assert told == 200 - received > 0
        port = f":{deaf.getsockname()[1]:04X}"
        (line,) = [line for line in Path("/proc/net/udp").read_text().splitlines() if line.split()[1].endswith(port)]
        assert int(line.split()[-1]) == told


def test_without_traffic_nothing_is_done(station: Station) -> None:
    def woken() -> list[int]:
        """How often each of its threads went to sleep so far."""
        threads = [one.native_id for one in threading.enumerate() if one.name.startswith("statsd ")]
        status = "".join(Path(f"/proc/self/task/{one}/status").read_text() for one in threads)
        return [int(count) for count in re.findall(r"^voluntary_ctxt_switches:\t(\d+)$", status, re.MULTILINE)]

    def asleep() -> bool:
        before, flushes = woken(), station.way.statistics.flushes
        assert len(before) == 2
        time.sleep(0.5)
        return (woken(), station.way.statistics.flushes) == (before, flushes)

    station.sent("hits:1|c")
    until(asleep)  # whoever looked every now and then would never be


def test_running_gauges_forget_all_when_they_are_too_many_and_ask_again() -> None:
    asked: list[list[int]] = []

    def last(series: object) -> dict[int, float]:
        assert isinstance(series, list)
        asked.append(series)
        return dict.fromkeys(series, 5.0)

    running = Running(last, most=2)

    def move(*ids: int) -> list[float]:
        size = len(ids)
        moved, standing = running.moved(
            Moved(
                np.array(ids, np.uint64),
                np.zeros(size, np.int64),
                np.ones(size),
                np.ones(size, np.bool_),
                np.zeros(size, np.int8),
            )
        )
        running.keep(standing)
        return list(moved.values.tolist())

    assert move(1, 1, 2) == [6.0, 7.0, 6.0]
    assert move(3) == [6.0]
    assert move(1) == [6.0]
    assert asked == [[1, 2], [3], [1]]


def test_the_file_that_the_database_reads_is_in_memory_and_gone_with_the_way(stations: Stations) -> None:
    def files() -> int:
        found = 0
        for one in Path("/proc/self/fd").iterdir():
            with suppress(FileNotFoundError):  # the one that lists them, which is closed by now
                found += "memfd:statsd" in str(one.readlink())
        return found

    before = files()  # of a way that could not begin, in a test before this one
    station = stations.keep(Station(stations.engine))
    assert files() == before + 1
    station.stop()
    assert files() == before
