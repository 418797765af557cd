from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from andon.feedback.telemetry.memory_intake import MemoryIntake
from andon.feedback.telemetry.ways.browser.beacons import Allowed
from andon.feedback.telemetry.ways.doors.application import Budget, WaysIn
from andon.feedback.telemetry.ways.doors.http import HttpDoor
from andon.feedback.telemetry.ways.doors.listening import Tcp, Unix
from andon.feedback.telemetry.ways.doors.requests import Answer, Request, Route
from andon.feedback.telemetry.ways.gathering import Origin
from andon.feedback.telemetry.ways.network import NetworkWays
from andon.kernel.errors import Unavailable
from tests.feedback.telemetry.ways.otlp_messages import gauge, metrics
from tests.feedback.telemetry.ways.places import until, window

PLACE = Tcp(port=0, setting="telemetry.http_port")


async def echo(request: Request) -> Answer:
    told = request.origin.service if request.origin else "nobody"
    return Answer(200, told.encode() + b" " + request.body, "text/plain")


@pytest.fixture
def door() -> Iterator[HttpDoor]:
    with ThreadPoolExecutor(1) as executor:
        made = HttpDoor(WaysIn([Route("/echo", ("POST",), echo)], executor, Budget(1000)))
        made.start()
        yield made
        made.stop()


def post(where: str, body: bytes = b"hello") -> httpx.Response:
    if where.startswith("unix:"):
        transport = httpx.HTTPTransport(uds=where.removeprefix("unix:"))
        with httpx.Client(transport=transport, timeout=60) as client:
            return client.post("http://telemetry/echo", content=body)
    return httpx.post(f"http://{where}/echo", content=body, timeout=60, trust_env=False)


def test_places_come_and_go_and_each_says_who_speaks(door: HttpDoor, tmp_path: Path) -> None:
    places = [
        door.listen(Unix(path=tmp_path / f"{name}.sock", origin=Origin(service=name, environment="production")))
        for name in ("till", "shop")
    ]
    places.append(door.listen(PLACE))
    assert [post(where).text for where in places] == ["till hello", "shop hello", "nobody hello"]
    assert door.addresses == tuple(places)
    door.close(places[0])
    assert not (tmp_path / "till.sock").exists()
    with socket.socket(socket.AF_UNIX) as sender, pytest.raises(OSError, match="No such file"):
        sender.connect(str(tmp_path / "till.sock"))
    assert post(places[1]).text == "shop hello"


def test_a_socket_that_an_ended_process_left_is_replaced_and_nothing_else_is(door: HttpDoor, tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    where = door.listen(Unix(path=path, origin=None, mode=0o666))
    assert path.stat().st_mode & 0o777 == 0o666
    assert post(where).status_code == 200
    other = tmp_path / "file"
    other.write_text("precious")
    with pytest.raises(Unavailable, match="no socket"):
        door.listen(Unix(path=other, origin=None))
    assert other.read_text() == "precious"
    with pytest.raises(Unavailable, match="shorter path"):
        door.listen(Unix(path=tmp_path / ("x" * 120), origin=None))


def test_a_port_that_is_taken_names_its_setting_and_the_others_go_on(door: HttpDoor) -> None:
    where = door.listen(PLACE)
    with pytest.raises(Unavailable, match=r"telemetry\.http_port"):
        door.listen(Tcp(port=int(where.rpartition(":")[2]), setting="telemetry.http_port"))
    assert post(where).status_code == 200


def test_more_than_there_is_memory_for_is_told_to_come_again(door: HttpDoor) -> None:
    where = door.listen(PLACE)
    assert post(where, b"x" * 900).status_code == 200
    refused = post(where, b"x" * 1100)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert post(where, b"x" * 900).status_code == 200  # what was held has been given back


def test_a_defect_costs_one_request(caplog: pytest.LogCaptureFixture) -> None:
    async def defect(request: Request) -> Answer:
        raise ZeroDivisionError

    with ThreadPoolExecutor(1) as executor:
        door = HttpDoor(WaysIn([Route("/echo", ("POST",), defect)], executor))
        door.start()
        where = door.listen(PLACE)
        assert post(where).status_code == 500
        assert post(where).status_code == 500
        door.stop()
    assert "was not answered" in caplog.text


def test_what_is_under_way_is_answered_before_the_door_closes() -> None:
    began, go_on = threading.Event(), threading.Event()

    async def slow(request: Request) -> Answer:
        began.set()
        await asyncio.to_thread(go_on.wait, 20)
        return Answer(200, b"done")

    with ThreadPoolExecutor(1) as executor, ThreadPoolExecutor(2) as others:
        door = HttpDoor(WaysIn([Route("/echo", ("POST",), slow)], executor))
        door.start()
        answer = others.submit(post, door.listen(PLACE))
        assert began.wait(20)
        stopping = others.submit(door.stop)
        go_on.set()
        assert answer.result(20).text == "done"
        stopping.result(20)


def test_all_ways_in_open_together_and_close_together(tmp_path: Path) -> None:
    intake = MemoryIntake()
    ways = NetworkWays(intake, window(), Allowed(knows=lambda service, environment: True))
    ways.start()
    try:
        http = ways.http.listen(PLACE)
        ways.grpc.listen(Tcp(port=0, setting="telemetry.grpc_port"))
        graphite = ways.graphite.listen_tcp(Tcp(port=0, setting="telemetry.graphite_port"))
        ways.syslog.listen_udp(Tcp(port=0, setting="telemetry.syslog_port"))
        body = metrics(gauge("by.otlp", 1)).SerializeToString()
        headers = {"content-type": "application/x-protobuf"}
        with httpx.Client(base_url=f"http://{http}", timeout=60, trust_env=False) as client:
            assert client.post("/v1/metrics", content=body, headers=headers).status_code == 200
            assert client.get("/beacon.js").status_code == 200
        with socket.create_connection(("127.0.0.1", int(graphite.rpartition(":")[2])), 60) as sender:
            sender.sendall(b"by.graphite 1 N\n")
            until(lambda: intake.samples("by_graphite") != [])
        assert intake.samples("by_otlp") != []
    finally:
        ways.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://{http}/beacon.js", timeout=60, trust_env=False)
