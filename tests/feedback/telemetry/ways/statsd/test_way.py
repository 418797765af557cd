"""From a socket to rows."""

from __future__ import annotations

import fcntl
import socket
import sys
import termios
import time
from pathlib import Path

import pytest

from andon.feedback.telemetry.contract.intake import Dropped, Way
from andon.feedback.telemetry.contract.metrics import Column, Level, Resolution, named
from andon.feedback.telemetry.store.engine import Engine
from andon.feedback.telemetry.store.rollups import late_days
from andon.feedback.telemetry.store.schema import DAY_MS
from andon.feedback.telemetry.ways.statsd import receiving
from andon.feedback.telemetry.ways.statsd.origins import Origin
from andon.feedback.telemetry.ways.statsd.statements import SET_WINDOW
from andon.kernel.errors import Unavailable
from tests.feedback.telemetry.asking.filling import InStore
from tests.feedback.telemetry.ways.statsd.conftest import Stations
from tests.feedback.telemetry.ways.statsd.station import NOW, Station, sender, until


def test_a_paced_sender_finds_every_metric_stored(station: Station) -> None:
    packets, lines = 2_000, 25
    for number in range(packets):
        station.send(*(f"requests.{line}:{number}|c|#n:{line}" for line in range(lines)))
        if number % 100 == 99:  # how much the kernel keeps for whoever has no turn is not for a test to know
            until(lambda: station.way.statistics.packets > number)  # noqa: B023 - asked in this turn only
    station.stop()
    assert station.way.statistics.kernel_drops == 0
    assert station.stored() == packets * lines
    ((total,),) = station.engine.rows("SELECT sum(value) FROM samples")
    assert float(str(total)) == lines * sum(range(packets))
    assert station.way.statistics.samples == packets * lines


def test_a_business_metric_is_stored_with_its_level(station: Station) -> None:
    station.sent("business.orders:1|c", "requests:1|c")
    levels = station.engine.rows("SELECT level FROM samples ORDER BY level")
    assert [row[0] for row in levels] == [Level.BUSINESS.value, Level.APPLICATION.value]


def test_sample_rates_are_made_up_for(station: Station) -> None:
    station.sent("hits:2|c|@0.1", "size:7|h|@0.25", "level:3|g|@0.5")
    assert station.rows() == [("hits", {}, 20.0), ("level", {}, 3.0)] + [("size", {}, 7.0)] * 4


def test_a_gauge_with_a_sign_moves_from_where_it_stands(station: Station) -> None:
    station.sent("queue:10|g")
    station.sent("queue:+3|g", "queue:-1|g", "queue:-20|g")
    station.sent("queue:7|g", "queue:+1|g")
    station.sent("queue:+1|g|#another:one")
    assert station.values("queue") == [1.0, 10.0, 13.0, 12.0, -8.0, 7.0, 8.0]


def test_a_gauge_goes_on_where_the_store_knows_it_after_a_restart(stations: Stations) -> None:
    first = stations.keep(Station(stations.engine))
    first.sent("queue:10|g", "queue:+1|g")
    first.stop()
    second = stations.keep(Station(stations.engine))
    second.sent("queue:+1|g")
    assert second.values("queue") == [10.0, 11.0, 12.0]
    # and the series is not written down twice
    ((count,),) = second.engine.rows("SELECT count() FROM series")
    assert count == 1


def test_a_set_is_a_gauge_of_how_many_different_values_ten_seconds_had(stations: Stations) -> None:
    station = stations.keep(Station(stations.engine, clock=NOW))
    station.sent("users:ann|s", "users:17|s", "users:ann|s", "users:17.0|s", "users:a:b|s")
    assert station.rows() == []
    station.clock = NOW + SET_WINDOW
    station.sent("users:ann|s")
    assert station.values("users") == [4.0]
    station.stop()
    assert station.values("users") == [4.0, 1.0]
    times = station.engine.rows("SELECT time FROM samples ORDER BY time")
    assert [row[0] for row in times] == [NOW + SET_WINDOW, NOW + 2 * SET_WINDOW]


def test_several_values_and_a_time_of_their_own(stations: Stations) -> None:
    station = stations.keep(Station(stations.engine, clock=NOW))
    then = NOW // 1000 - 60
    station.sent(f"took:1:2.5:3|ms|T{then}|#a:b", f"took:4|ms|#a:b|T{then + 1}")
    rows = station.engine.rows("SELECT time, value FROM samples ORDER BY time, value")
    assert [tuple(row) for row in rows] == [(then * 1000, value) for value in (1.0, 2.5, 3.0)] + [
        ((then + 1) * 1000, 4.0)
    ]
    assert station.way.statistics.keys == 2


def test_what_is_no_metric_is_counted_by_its_reason_and_harms_nothing(station: Station) -> None:
    bad = {
        b"x" * 10_000 + b":1|c": Dropped.TOO_LARGE,
        b"x" * 1_000 + b":1|c": Dropped.NAME,
        b"\xff\xfe:1|c": Dropped.NAME,
        b"load:nan|g": Dropped.NOT_A_NUMBER,
        b"load:-inf|g": Dropped.NOT_A_NUMBER,
        b"no colon": Dropped.MALFORMED,
        b"load:1|g|T0": Dropped.TIME,
        b"load:1|g|T4102444800": Dropped.TIME,
    }
    # when they are new, and when they are known
    for _ in range(2):
        for line in bad:
            station.sent(line, b"good:-1|c", line)
    assert station.values("good") == [-1.0] * 2 * len(bad)
    assert station.stored() == 2 * len(bad)
    assert station.dropped == {why: 4 * list(bad.values()).count(why) for why in bad.values()}
    assert station.intake.dropped == {(Way.STATSD, why, ""): count for why, count in station.dropped.items()}


def test_a_tag_with_very_many_values_stops_at_the_limit_of_its_service_and_names_it(stations: Stations) -> None:
    station = stations.keep(Station(stations.engine, limit=100))
    for begin in range(0, 5_000, 250):
        station.send(*(f"hits:1|c|#service:shop,user:{user}" for user in range(begin, begin + 250)))
    station.send("hits:1|c|#service:bank")
    until(lambda: station.way.statistics.lines == 5_001)
    assert station.stored() == 101
    assert station.intake.dropped == {(Way.STATSD, Dropped.CARDINALITY, "shop"): 4_900}


def test_two_clients_that_disagree_about_a_type_are_told_apart_and_the_second_is_refused(station: Station) -> None:
    station.sent("load:1|g|#service:shop")
    station.sent("load:1|c|#service:shop", "load:2|g|#service:shop")
    assert station.values("load") == [1.0, 2.0]
    assert station.intake.dropped == {(Way.STATSD, Dropped.KIND, "shop"): 1}


def test_known_keys_are_forgotten_when_there_are_too_many_and_nothing_is_lost(stations: Stations) -> None:
    station = stations.keep(Station(stations.engine, most_keys=50))
    for _ in range(3):
        station.sent(*(f"hits:1|c|#n:{number}" for number in range(80)))
    assert station.stored() == 240
    assert station.way.statistics.keys == 80


def test_series_are_written_down_again_on_the_next_day(stations: Stations) -> None:
    station = stations.keep(Station(stations.engine, clock=NOW))
    station.sent("hits:1|c")
    station.clock = NOW + DAY_MS
    station.sent("hits:1|c")
    days = station.engine.rows("SELECT day FROM series ORDER BY day")
    assert [row[0] for row in days] == [NOW // DAY_MS, NOW // DAY_MS + 1]
    assert station.values("hits") == [1.0, 1.0]


def test_lines_over_tcp_are_framed_by_line_feeds(station: Station) -> None:
    with socket.create_connection(station.way.addresses[0]) as stream:
        for piece in (b"a:1", b"|c\nb", b":2|c\r\n", b"x" * 20_000, b"y\nc:3|c\nd:4|c"):
            stream.sendall(piece)
            time.sleep(0.02)
    # where the pieces of the long line came together it is one line more
    until(lambda: station.stored() == 4)
    assert station.rows() == [("a", {}, 1.0), ("b", {}, 2.0), ("c", {}, 3.0), ("d", {}, 4.0)]
    assert station.dropped == {Dropped.TOO_LARGE: 1}


def test_one_connection_too_many_is_closed_and_counted(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "_MOST_CONNECTIONS", 1)
    with socket.create_connection(station.way.addresses[0]) as first:
        first.sendall(b"hits:1|c\n")
        until(lambda: station.stored() == 1)
        with socket.create_connection(station.way.addresses[0]) as second:
            assert second.recv(1) == b""
        assert station.dropped == {Dropped.FULL: 1}
        first.sendall(b"hits:1|c\n")
        until(lambda: station.stored() == 2)


def test_much_over_tcp_is_not_lost_when_the_way_stops(station: Station) -> None:
    lines = 100_000
    with socket.create_connection(station.way.addresses[0]) as stream:
        stream.sendall(b"".join(b"hits:%d|c\n" % number for number in range(lines)))
        # what the sender's kernel still holds has not arrived
        until(lambda: unsent(stream) == 0)
    until(lambda: station.way.statistics.packets > 0)
    station.stop()
    assert station.stored() == lines


def unsent(stream: socket.socket) -> int:
    """Bytes that the other side's kernel has not yet."""
    return int.from_bytes(fcntl.ioctl(stream, termios.TIOCOUTQ, bytes(4)), sys.byteorder)


def test_sockets_of_origins_come_and_go_and_override_what_is_claimed(station: Station, tmp_path: Path) -> None:
    shop, bank = tmp_path / "shop", tmp_path / "bank"
    station.way.open_origin(shop, Origin("shop", "live", "abc1234", "i-1"))
    station.way.open_origin(bank, Origin("bank", "test"))
    assert shop.stat().st_mode & 0o777 == 0o600
    with sender(shop) as to_shop, sender(bank) as to_bank:
        to_shop.send(b"hits:1|c|#service:bank,a:b")
        to_bank.send(b"hits:2|c|#version:1,a:b")
        station.way.close_origin(shop)
        assert not shop.exists()
        with pytest.raises(OSError, match=r"refused|not connected|No such file"):
            to_shop.send(b"hits:100|c")
        to_bank.send(b"hits:3|c|#version:1,a:b")
    station.way.open_origin(shop, Origin("shop", "live", "def5678", "i-2"))
    with sender(shop) as again:
        again.send(b"hits:4|c|#a:b")
    station.stop()
    assert not bank.exists()
    live = {"service": "shop", "environment": "live", "a": "b"}
    test = {"service": "bank", "environment": "test", "version": "1", "a": "b"}
    assert sorted((value, labels) for _, labels, value in station.rows()) == [
        (1.0, live | {"version": "abc1234", "instance": "i-1"}),
        (2.0, test),
        (3.0, test),
        (4.0, live | {"version": "def5678", "instance": "i-2"}),
    ]


def test_a_datagram_larger_than_udp_has_is_cut_at_a_line_and_counted(station: Station, tmp_path: Path) -> None:
    path = tmp_path / "large"
    station.way.open_origin(path, Origin("shop"))
    with sender(path) as large:
        large.send(b"\n".join(b"hits:1|c|#n:%06d" % number for number in range(4_000)))
    station.stop()
    assert station.dropped == {Dropped.TOO_LARGE: 1}
    assert station.stored() == 65_536 // len("hits:1|c|#n:000000\n")


def test_something_else_with_the_name_of_a_socket_is_left_alone(station: Station, tmp_path: Path) -> None:
    path = tmp_path / "mine"
    path.write_text("precious")
    with pytest.raises(Unavailable, match="something else has this name"):
        station.way.open_origin(path, Origin("shop"))
    assert path.read_text() == "precious"


def test_a_port_that_is_taken_is_said_so(station: Station) -> None:
    with pytest.raises(Unavailable, match=r"cannot be received at 127\.0\.0\.1"):
        type(station.way)(
            station.engine,
            station.tables,
            station.book,
            station.intake,
            listening=[("127.0.0.1", station.way.addresses[0][1])],
        ).start()


def test_events_and_checks_are_handed_to_the_intake(station: Station) -> None:
    station.sent("_e{2,3}:up|yes|#service:shop", "_sc|db|1|m:slow", "_e{9,9}:x|y", "hits:1|c")
    assert [(line.body, line.service) for line in station.intake.logs] == [("up\nyes", "shop"), ("slow", "")]
    assert [value for _, value in station.intake.samples("db")] == [1.0]
    assert station.dropped == {Dropped.MALFORMED: 1}
    assert station.way.statistics.keys == 1


def test_events_that_the_intake_refuses_are_counted(station: Station) -> None:
    station.intake.full = True
    station.sent("_e{2,3}:up|yes", "_sc|db|1|m:slow")
    assert station.dropped == {Dropped.FULL: 3}


def test_a_store_that_is_another_engine_gets_the_same_rows(stations: Stations) -> None:
    # an engine opens one folder in a process: this is another door to it
    other = Engine(stations.engine._connect)
    station = stations.keep(Station(stations.engine, parser=other))
    station.sent("hits:1|c", "took:1.25:1e300|ms", "queue:+2|g", "business.x:1|c")
    station.sent("hits:0.30000000000000004|c")
    assert [(name, value) for name, _, value in station.rows()] == [
        ("business_x", 1.0),
        ("hits", 1.0),
        ("hits", 0.30000000000000004),
        ("queue", 2.0),
        ("took", 1.25),
        ("took", 1e300),
    ]
    levels = station.engine.rows("SELECT DISTINCT toString(level) FROM samples ORDER BY 1")
    assert [row[0] for row in levels] == ["application", "business"]
    other.close()


def test_a_gauge_that_begins_to_move_does_so_from_the_value_just_before(station: Station) -> None:
    station.sent("queue:10|g")
    station.sent("queue:20|g", "queue:+1|g", "queue:5|g", "queue:-1|g")
    assert station.values("queue") == [10.0, 20.0, 21.0, 5.0, 4.0]


def test_origins_that_come_or_go_after_the_end_do_no_harm(station: Station, tmp_path: Path) -> None:
    path = tmp_path / "shop"
    station.way.open_origin(path, Origin("shop"))
    station.stop()
    station.way.close_origin(path)
    station.way.stop()
    assert not path.exists()


def test_what_the_kernel_holds_when_the_way_stops_is_stored_first(stations: Stations) -> None:
    # two small buffers: the rest, no more than any kernel has room for, waits there until they have been stored
    station = stations.keep(Station(stations.engine, buffer=100_000))
    packets = 150
    for number in range(packets):
        station.send(*(f"requests.{line}:{number}|c|#n:{line}" for line in range(50)))
    station.stop()
    assert station.stored() == packets * 50
    assert station.dropped == {}


def test_lines_with_times_of_their_own_are_rolled_up_and_found_on_their_day(stations: Stations) -> None:
    store = InStore(stations.engine)
    store.now = NOW
    store.rollups.roll()
    station = stations.keep(Station(stations.engine, clock=NOW, writing=store.writer.writing, past=3 * DAY_MS))
    early = NOW - 2 * DAY_MS
    station.sent(f"orders:3|c|T{early // 1000}", f"orders:2|c|T{NOW // 1000 - 300}")
    assert late_days(stations.engine) == {early // DAY_MS: early // 1000 * 1000, NOW // DAY_MS: NOW - 300_000}
    store.rollups.roll()
    store.close()
    measured = store.measurements()
    for resolution in (Resolution.MINUTE, Resolution.HOUR):
        (one,) = measured.select(named("orders"), early, early, sight=None)
        found = measured.samples([one], early - DAY_MS, NOW, resolution=resolution, column=Column.SUM)
        assert found.values.tolist() == [3, 2]
