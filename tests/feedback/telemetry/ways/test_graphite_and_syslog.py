from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.feedback.telemetry.contract.intake import Dropped
from andon.feedback.telemetry.contract.logs import LogSource, Severity
from andon.feedback.telemetry.contract.metrics import Kind
from andon.feedback.telemetry.memory_intake import MemoryIntake
from andon.feedback.telemetry.ways.doors import lines
from andon.feedback.telemetry.ways.doors.lines import LONGEST_LINE, LineDoor, LineWay, kernel_drops
from andon.feedback.telemetry.ways.doors.listening import Tcp, Unix
from andon.feedback.telemetry.ways.gathering import Gathering, Origin
from andon.feedback.telemetry.ways.graphite import Graphite
from andon.feedback.telemetry.ways.syslog import Syslog, read_syslog
from andon.kernel.errors import Invalid, Unavailable
from tests.feedback.telemetry.ways.places import NOW, until, window

SECONDS = NOW // 1000
STAMP = datetime.fromtimestamp(SECONDS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture
def intake() -> MemoryIntake:
    return MemoryIntake()


@contextmanager
def door(way: LineWay, intake: MemoryIntake, patience: float = 20) -> Iterator[LineDoor]:
    made = LineDoor(way, intake, patience=patience)
    made.start()
    try:
        yield made
    finally:
        made.stop()


def connected(where: str) -> socket.socket:
    _, host, port = where.split(":")
    return socket.create_connection((host, int(port)), 20)


PLACE = Tcp(port=0, setting="telemetry.graphite_port")


def test_graphite_lines_become_gauges_found_by_their_path(intake: MemoryIntake) -> None:
    with door(Graphite(intake, window()), intake) as graphite, connected(graphite.listen_tcp(PLACE)) as sender:
        sender.sendall(f"login.success 3 {SECONDS}\ndisk.used;host=a;disk=b 4.5 {SECONDS}.5\r\n".encode())
        sender.sendall(b"now.a 1 N\nnow.b 1 -1\nno.end 7")
        sender.shutdown(socket.SHUT_WR)
        until(lambda: len(intake.series) == 5)
    assert intake.samples("login_success") == [(SECONDS * 1000, 3.0)]
    assert intake.samples("disk_used", host="a", disk="b") == [(SECONDS * 1000 + 500, 4.5)]
    assert intake.samples("now_a") == intake.samples("now_b") == [(NOW, 1.0)]
    assert intake.samples("no_end") == [(NOW, 7.0)]
    assert intake.series[0].path == "login.success"
    assert {one.kind for one in intake.series} == {Kind.GAUGE}


def test_paths_that_become_the_same_name_stay_apart(intake: MemoryIntake) -> None:
    gathering = Graphite(intake, window()).read([b"a.b 1 N", b"a_b 2 N"], "", None)
    assert len(set(gathering.ids)) == 2


def test_graphite_lines_that_are_none_are_counted(intake: MemoryIntake) -> None:
    malformed = [b"a", b"a b c", b"a 1 2 3"]
    numbers, times = [b"a nan N", b"a inf N"], [b"a 1 0", b"a 1 4102444800", b"a 1 1e308", b"a 1 -1e308"]
    names = [b"\xff\xff 1 N", b"a" * 300 + b" 1 N", b"a;b 1 N", b"a;=b 1 N"]
    lines = [*malformed, *numbers, *times, *names, b""]
    gathering = Graphite(intake, window()).read(lines, "", None)
    assert not gathering.ids
    counts = {why: count for (why, _), count in gathering.dropped.items()}
    assert counts == {Dropped.MALFORMED: 3, Dropped.NOT_A_NUMBER: 2, Dropped.TIME: 4, Dropped.NAME: 4}


def test_a_store_that_is_full_slows_the_sender_down_and_loses_nothing(intake: MemoryIntake) -> None:
    intake.full, intake.retry_after = True, 0.05
    with door(Graphite(intake, window()), intake) as graphite, connected(graphite.listen_tcp(PLACE)) as sender:
        sender.sendall(b"a 1 N\n")
        until(lambda: intake.refused > 2)
        intake.full = False
        until(lambda: intake.samples("a") == [(NOW, 1.0)])
    assert not intake.dropped


def test_what_does_not_fit_in_time_is_counted_as_lost(intake: MemoryIntake) -> None:
    intake.full = True
    with (
        door(Graphite(intake, window()), intake, patience=0) as graphite,
        connected(graphite.listen_tcp(PLACE)) as sender,
    ):
        sender.sendall(b"a 1 N\nb 1 N\n")
        until(lambda: intake.count(Dropped.FULL) == 2)


def test_a_line_without_end_is_not_kept(intake: MemoryIntake) -> None:
    with door(Graphite(intake, window()), intake) as graphite, connected(graphite.listen_tcp(PLACE)) as sender:
        for _ in range(20):
            sender.sendall(b"x" * LONGEST_LINE)
        sender.sendall(b"\nfine 1 N\n")
        until(lambda: intake.samples("fine") != [])
    assert intake.count(Dropped.NAME) == 1


class Stumbling(Graphite):
    """Has a defect: some lines make it raise."""

    def read(self, lines: Sequence[bytes], client: str, origin: Origin | None) -> Gathering:
        if b"stumble" in lines[0]:
            raise ZeroDivisionError
        return super().read(lines, client, origin)


def test_a_defect_costs_the_lines_that_meet_it_and_they_are_counted(
    intake: MemoryIntake, caplog: pytest.LogCaptureFixture
) -> None:
    with door(Stumbling(intake, window()), intake) as graphite, connected(graphite.listen_tcp(PLACE)) as sender:
        sender.sendall(b"stumble 1 N\n")
        until(lambda: intake.count(Dropped.MALFORMED) == 1)
        sender.sendall(b"fine 1 N\n")
        until(lambda: intake.samples("fine") == [(NOW, 1.0)])
    assert "ZeroDivisionError" in caplog.text


def test_one_connection_too_many_is_closed_and_counted(intake: MemoryIntake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "_MOST_CONNECTIONS", 1)
    with door(Graphite(intake, window()), intake) as graphite:
        where = graphite.listen_tcp(PLACE)
        with connected(where) as first, connected(where) as second:
            assert second.recv(1) == b""
            assert intake.count(Dropped.FULL) == 1
            first.sendall(b"fine 1 N\n")
            until(lambda: intake.samples("fine") == [(NOW, 1.0)])


def test_datagrams_are_taken_in(intake: MemoryIntake) -> None:
    with door(Graphite(intake, window()), intake) as graphite:
        _, host, port = graphite.listen_udp(PLACE).split(":")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for index in range(100):
                sender.sendto(f"udp.{index} 1 N\nudp.{index}.b 1 N".encode(), (host, int(port)))
            until(lambda: len(intake.series) == 200)


def test_the_sockets_of_environments_say_who_speaks(intake: MemoryIntake, tmp_path: Path) -> None:
    path = tmp_path / "graphite.sock"
    with door(Graphite(intake, window()), intake) as graphite:
        graphite.listen_tcp(Unix(path=path, origin=Origin(service="till", environment="staging")))
        with socket.socket(socket.AF_UNIX) as sender:
            sender.connect(str(path))
            sender.sendall(b"a;service=bank 1 N\n")
            until(lambda: len(intake.series) == 1)
    assert dict(intake.series[0].labels) == {"service": "till", "environment": "staging"}
    assert not path.exists()


def test_a_port_that_is_taken_is_said(intake: MemoryIntake) -> None:
    with door(Graphite(intake, window()), intake) as graphite:
        port = int(graphite.listen_tcp(PLACE).rpartition(":")[2])
        with pytest.raises(Unavailable, match=r"telemetry\.graphite_port"):
            graphite.listen_tcp(Tcp(port=port, setting="telemetry.graphite_port"))
        assert len(graphite.addresses) == 1


def test_kernel_drops_are_read_from_the_table_of_sockets(tmp_path: Path) -> None:
    table = tmp_path / "udp"
    table.write_text(
        " sl local_address rem_address st tx_queue rx_queue tr tm->when retrnsmt uid timeout inode ref pointer drops\n"
        " 91: 00000000:1FBD 00000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 4711 2 0000000000000000 42\n"
    )
    assert kernel_drops(4711, (table, tmp_path / "none")) == 42
    assert kernel_drops(1, (table,)) == 0


def test_rfc_5424_is_read_whole() -> None:
    line = read_syslog(
        f"<165>1 {STAMP} web-1 shop 4242 ID47 "
        '[exampleSDID@32473 iut="3" quoted="a \\"b\\" \\]"][x y="z"] \ufeffIt <b>works</b>',
        NOW,
    )
    assert (line.body, line.severity, line.service, line.time) == (
        "It <b>works</b>", Severity.INFO, "shop", SECONDS * 1_000_000
    )  # fmt: skip
    assert dict(line.fields) == {
        "exampleSDID.iut": "3",
        "exampleSDID.quoted": 'a "b" ]',
        "x.y": "z",
        "syslog.msgid": "ID47",
        "syslog.facility": "local4",
        "host.name": "web-1",
        "process.pid": "4242",
    }
    assert line.source is LogSource.SYSLOG


@pytest.mark.parametrize(
    ("pri", "severity"),
    [(0, 21), (1, 21), (2, 21), (3, 17), (4, 13), (5, 9), (6, 9), (7, 5)],
)
def test_eight_severities_are_mapped_to_five(pri: int, severity: int) -> None:
    assert read_syslog(f"<{pri}>1 - - - - - - x", NOW).severity == severity


def test_rfc_3164_is_read_as_far_as_it_goes() -> None:
    here = datetime.fromtimestamp(SECONDS, UTC).astimezone()
    line = read_syslog(
        f"<34>{here.strftime('%b')} {here.day:2d} {here.strftime('%H:%M:%S')} host su[77]: 'su root' failed", NOW
    )
    assert (line.service, line.severity, line.time) == ("su", Severity.FATAL, SECONDS * 1_000_000)
    assert line.body == "'su root' failed"
    assert dict(line.fields) == {"syslog.facility": "auth", "host.name": "host", "process.pid": "77"}
    assert read_syslog("<13>no form at all", NOW).body == "no form at all"
    assert read_syslog("nothing at all", NOW, "10.1.2.3").fields == {"host.name": "10.1.2.3"}


def test_the_origin_of_a_socket_is_believed_and_the_application_is_a_field() -> None:
    line = read_syslog("<14>1 - - sshd - - - x", NOW, "", Origin(service="till", environment="staging"))
    assert (line.service, line.environment, line.fields["syslog.appname"]) == ("till", "staging", "sshd")


def test_counted_frames_and_lines_are_told_apart() -> None:
    syslog = Syslog(window())
    waiting = bytearray(b"9 <34>1 a\nb10 <34>1 a\ncd8 <34>1 ")
    assert syslog.split(waiting) == [b"<34>1 a\nb", b"<34>1 a\ncd"]
    assert bytes(waiting) == b"8 <34>1 "
    waiting += b"x\n"
    assert syslog.split(waiting) == [b"<34>1 x\n"]
    waiting = bytearray(b"<34>1 a\r\n<34>1 b\n<34")
    assert syslog.split(waiting) == [b"<34>1 a", b"<34>1 b"]
    assert bytes(waiting) == b"<34"
    with pytest.raises(Invalid):
        syslog.split(bytearray(b"9999999 <34>1 x"))


def test_syslog_arrives_over_tcp_and_udp(intake: MemoryIntake) -> None:
    place = Tcp(port=0, setting="telemetry.syslog_port")
    with door(Syslog(window()), intake) as syslog:
        with connected(syslog.listen_tcp(place)) as sender:
            message = f"<11>1 {STAMP} h app - - - counted".encode()
            sender.sendall(str(len(message)).encode() + b" " + message)
            until(lambda: len(intake.logs) == 1)
        _, host, port = syslog.listen_udp(place).split(":")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"<14>1 - - app - - - \xff by datagram", (host, int(port)))
            sender.sendto(b"<14>1 1970-01-02T00:00:00Z - app - - - old", (host, int(port)))
            until(lambda: len(intake.logs) == 2)
            until(lambda: intake.count(Dropped.TIME) == 1)
    assert [line.body for line in intake.logs] == ["counted", "\ufffd by datagram"]


@given(st.binary(max_size=200) | st.text('<>1[]="\\- \n0123456789', max_size=200).map(str.encode))
@settings(max_examples=200, deadline=None)
def test_no_bytes_break_the_reader(raw: bytes) -> None:
    syslog = Syslog(window())
    try:
        lines = syslog.split(bytearray(raw))
    except Invalid:
        lines = []
    syslog.read([*lines, raw], "", None)
    Graphite(MemoryIntake(), window()).read([*lines, raw], "", None)
