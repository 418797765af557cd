"""What a real Envoy tells of its traffic: each request in its log, and its counts."""

from __future__ import annotations

import os
import signal
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from andon.flow.environments.contract import SetId
from andon.flow.routing.access import LID_BYTES, AccessFolder, EnvoyAccessLog
from andon.flow.routing.adapters import KEEPER, EnvoyDataPlane
from andon.flow.routing.admin import Admin
from andon.flow.routing.contract import PARTS, Access, AccessPosition, Comparison, Condition, Forward, Where
from andon.flow.routing.memory import InMemoryDataPlane
from andon.flow.routing.model import Rule, Table, Upstream
from andon.flow.routing.statistics import parsed
from andon.flow.sources.contract import Service
from andon.kernel.keeper import control
from benchmarks.harness.ports import free_port
from tests.flow.environments.place import wait_until
from tests.flow.routing.test_envoy import ONE, TWO, get, listener, running_plane, upstream

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
GONE = SetId("set_gone")
NEW = SetId("set_new")


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EnvoyDataPlane]:
    with running_plane(tmp_path_factory.mktemp("t")) as running:
        yield running


@pytest.fixture(scope="module")
def folder(plane: EnvoyDataPlane) -> Path:
    return plane.entry("x").parents[2] / "router"


@pytest.fixture(scope="module")
def upstreams(plane: EnvoyDataPlane) -> Iterator[tuple[Upstream, ...]]:
    sockets = plane.entry("x").parent.parent
    with upstream(sockets / "one.sock", "one") as one, upstream(sockets / "two.sock", "two!") as two:
        yield (
            Upstream(set=ONE, endpoints=(one,)),
            Upstream(set=TWO, endpoints=(two,)),
            Upstream(set=GONE, endpoints=(f"unix:{sockets / 'gone.sock'}",)),
        )


class Reader:
    """Reads what is told of some services, from where the test began."""

    def __init__(self, folder: Path, *services: str) -> None:
        self.log = EnvoyAccessLog(folder)
        self.services = services
        self.position: AccessPosition | None = None
        self.all()

    def all(self) -> list[Access]:
        found: list[Access] = []
        while True:
            page = self.log.read(self.position, limit=50)
            assert not page.missed
            if page.position == self.position:
                return found
            self.position = page.position
            found += [one for one in page.requests if one.service in self.services]

    def next(self, count: int) -> list[Access]:
        found: list[Access] = []

        def enough() -> bool:
            found.extend(self.all())
            return len(found) >= count

        wait_until(enough)
        assert len(found) == count
        return found


def test_each_request_is_told_with_who_served_it_and_without_its_query(
    plane: EnvoyDataPlane, folder: Path, upstreams: tuple[Upstream, ...]
) -> None:
    shop, mail = listener(plane, "told", free_port()), listener(plane, "mail", free_port(), GONE)
    plane.follow(Table(listeners=(shop, mail), upstreams=upstreams))
    reader = Reader(folder, "told", "mail")
    began = time.time_ns() // 1000
    url = f"http://127.0.0.1:{shop.port}/basket/7?card=4111"
    asked = httpx.post(url, content=b"12345", headers={"traceparent": TRACE}, trust_env=False, timeout=60)
    assert asked.status_code == 501  # the little server knows GET alone
    assert get(shop.port) == "one"
    with httpx.Client(transport=httpx.HTTPTransport(uds=shop.entry), trust_env=False, timeout=60) as local:
        local.get("http://shop/from-a-job")
    assert httpx.get(f"http://127.0.0.1:{mail.port}/", trust_env=False, timeout=60).status_code == 503
    post, first, job, refused = reader.next(4)
    assert (post.service, post.environment, post.set, post.local) == ("told", "production", ONE, False)
    assert (post.method, post.path, post.status, post.received, post.flags) == ("POST", "/basket/7", 501, 5, "")
    assert (post.endpoint, post.traceparent) == (upstreams[0].endpoints[0], TRACE)
    assert len(post.request) == 36
    assert began <= post.time <= time.time_ns() // 1000
    assert 0 < post.duration < time.time_ns() // 1000 - began
    assert (first.method, first.path, first.status, first.sent, first.traceparent) == ("GET", "/", 200, 3, "")
    assert (job.path, job.local) == ("/from-a-job", True)
    assert (refused.service, refused.set, refused.status) == ("mail", GONE, 503)
    assert "UF" in refused.flags.split(",")


def test_requests_that_a_rule_took_are_told_with_it_whoever_served_them(
    plane: EnvoyDataPlane, folder: Path, upstreams: tuple[Upstream, ...]
) -> None:
    made = Forward(
        service=Service("new"), environment="production", when=(Condition(Where.HEADER, "x-new", Comparison.PRESENT),)
    )
    rules = (
        Rule(when=made.when, weights=((NEW, 50_000), (ONE, 50_000)), rescue=ONE, name=made.rule),
        Rule(weights=((ONE, PARTS),), rescue=ONE),
    )
    shop = replace(listener(plane, "ruled", free_port()), rules=rules)
    plane.follow(Table(listeners=(shop,), upstreams=(*upstreams, Upstream(set=NEW, endpoints=upstreams[1].endpoints))))
    reader = Reader(folder, "ruled")
    with httpx.Client(trust_env=False, timeout=60) as client:
        for number in range(40):
            client.get(f"http://127.0.0.1:{shop.port}/", headers={"x-new": "1"} if number % 2 else {})
    told = reader.next(40)
    assert {one.set for one in told if one.rule == made.rule} == {ONE, NEW}
    assert {one.set for one in told if not one.rule} == {ONE}
    assert sum(one.rule == made.rule for one in told) == 20
    assert reader.log.read(reader.log.end()).requests == ()
    assert len(reader.log.read(reader.log.end(before=10**7)).requests) >= 40, "all that there is"
    assert 1 <= len(reader.log.read(reader.log.end(before=1_000)).requests) < 10, "a line cut through does not count"


def test_nothing_a_client_sends_breaks_a_line_or_makes_it_long(
    plane: EnvoyDataPlane, folder: Path, upstreams: tuple[Upstream, ...]
) -> None:
    shop = listener(plane, "odd", free_port())
    plane.follow(Table(listeners=(shop,), upstreams=upstreams))
    reader = Reader(folder, "odd")
    for head in (
        b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nhost: x\r\ntraceparent: " + b"t" * 5000 + b"\r\n",
        b'GET /"},{"\\x\\ HTTP/1.1\r\nhost: x\r\ntraceparent: "\xff\xfe\r\n',
        b"GET /%0A%00<b> HTTP/1.1\r\nhost: x\r\nx-request-id: " + b"i" * 500 + b"\r\n",
    ):
        with socket.create_connection(("127.0.0.1", shop.port), timeout=60) as sock:
            sock.sendall(head + b"connection: close\r\n\r\n")
            while sock.recv(65536):
                pass
    long, quoted, escaped = reader.next(3)
    assert (len(long.path), len(long.traceparent)) == (512, 128)
    assert quoted.path.startswith("/%22%7D,%7B%22/x")
    assert quoted.traceparent.startswith('"')
    assert escaped.path.startswith("/%0A%00") or escaped.status == 400
    assert len(escaped.request) == 64


def test_a_log_that_is_turned_over_loses_nothing_and_keeps_two_files(
    plane: EnvoyDataPlane, folder: Path, upstreams: tuple[Upstream, ...]
) -> None:
    shop = listener(plane, "turned", free_port())
    plane.follow(Table(listeners=(shop,), upstreams=upstreams))
    reader, place, admin = Reader(folder, "turned"), AccessFolder(folder), Admin(folder)
    for round in range(3):
        for number in range(5):
            httpx.get(f"http://127.0.0.1:{shop.port}/{round}/{number}", trust_env=False, timeout=60)
        if round != 1:  # written by now, or on its way while the file is turned over
            wait_until(lambda: place.current.exists() and place.current.stat().st_size > 0)
        place.rotate(admin, larger_than=-1)
        assert [one.path for one in reader.next(5)] == [f"/{round}/{number}" for number in range(5)]
        wait_until(place.current.exists)
    assert len(place.turned()) == 1
    assert stat.S_IMODE(place.folder.stat().st_mode) == 0o700
    plane.rotate()  # small: nothing happens
    assert len(place.turned()) == 1
    old = EnvoyAccessLog(folder).read(AccessPosition(1, 0))
    assert old.missed
    assert old.requests == EnvoyAccessLog(folder).read().requests  # the oldest there is


def test_a_full_log_costs_lines_and_nothing_else(
    plane: EnvoyDataPlane, folder: Path, upstreams: tuple[Upstream, ...]
) -> None:
    shop = listener(plane, "full", free_port())
    plane.follow(Table(listeners=(shop,), upstreams=upstreams))
    kept = control.state(folder.parent / "keepers", KEEPER)
    assert kept is not None
    assert kept.init is not None
    limits = Path(f"/proc/{kept.init.pid}/limits").read_text()
    assert next(line.split()[3] for line in limits.splitlines() if line.startswith("Max file size")) == str(LID_BYTES)
    reader, place = Reader(folder, "full"), AccessFolder(folder)
    # A file with holes that ends just before the lid, so that the next line is cut off.
    position = reader.position
    assert position is not None
    with place.current.open("r+b") as file:
        file.truncate(LID_BYTES - 50)
    assert get(shop.port) == "one"
    wait_until(lambda: failed_writes(plane) > 0)
    before = failed_writes(plane)
    assert get(shop.port) == "one"
    # lost as well: a line that waits while the file is turned over is written to the new one
    wait_until(lambda: failed_writes(plane) > before)
    assert (control.state(folder.parent / "keepers", KEEPER) or kept).restarts == kept.restarts
    plane.rotate()  # as the worker does from time to time
    wait_until(place.current.exists)
    os.truncate(place.turned()[position.generation], position.offset + 9)
    assert get(shop.port) == "one"
    (after,) = reader.next(1)
    assert after.path == "/"


def failed_writes(plane: EnvoyDataPlane) -> int:
    return (plane.statistics() or parsed(b"{}")).failed_writes


def test_a_line_that_is_none_is_counted_and_passed_over(tmp_path: Path) -> None:
    place = AccessFolder(tmp_path)
    place.prepare(tmp_path / "admin.sock")
    log = EnvoyAccessLog(tmp_path)
    assert log.read().requests == ()
    line = b'{"start":"1.000002","service":"shop","environment":"production"}\n'
    place.current.write_bytes(b"no line\n\xff\xfe{}\n[1]\n" + line + b'{"start":"1.0')
    page = log.read()
    assert (len(page.requests), page.malformed, page.requests[0].time) == (1, 3, 1_000_002)
    assert log.read(page.position).requests == ()  # half a line may still be completed
    place.current.rename(place.folder / "access-1.log")
    assert log.read(page.position).position == page.position  # nor is that the end before there is a new file
    place.current.write_bytes(line)
    cut = log.read(page.position)
    assert (cut.malformed, cut.position) == (1, AccessPosition(2, 0))
    assert len(log.read(cut.position).requests) == 1


def test_an_envoy_that_an_earlier_andon_started_is_not_asked_for_a_log(
    plane: EnvoyDataPlane, folder: Path, upstreams: tuple[Upstream, ...]
) -> None:
    opened_by = folder / "access" / "router"
    before = opened_by.read_text()
    shop = listener(plane, "shop", free_port())
    try:
        opened_by.write_text("/another/admin.sock")
        assert plane.follow(Table(listeners=(shop,), upstreams=upstreams)) == frozenset()
        assert b"access.log" not in (folder / "listeners.json").read_bytes()
        assert get(shop.port) == "one"
    finally:
        opened_by.write_text(before)
    plane.follow(Table(listeners=(shop,), upstreams=upstreams))
    assert b"access.log" in (folder / "listeners.json").read_bytes()


def test_sets_and_environments_are_counted(plane: EnvoyDataPlane, upstreams: tuple[Upstream, ...]) -> None:
    shop, mail = listener(plane, "counted", free_port(), TWO), listener(plane, "refused", free_port(), GONE)
    plane.follow(Table(listeners=(shop, mail), upstreams=upstreams))
    for _ in range(3):
        assert get(shop.port) == "two!"
    assert httpx.post(f"http://127.0.0.1:{shop.port}/", trust_env=False, timeout=60).status_code == 501
    get(mail.port)

    def timed() -> bool:
        found = plane.statistics()
        return (
            found is not None
            and any(one.set == TWO and not one.active and one.times and one.times[-1][1] == 4 for one in found.sets)
            and any(one.service == shop.service and one.times and one.times[-1][1] == 4 for one in found.listeners)
        )

    wait_until(timed)  # times are brought together every few seconds
    found = plane.statistics()
    assert found is not None
    two = next(one for one in found.sets if one.set == TWO)
    assert (two.requests, two.answers, two.active, two.pending) == (4, {2: 3, 5: 1}, 0, 0)
    assert [bound for bound, _ in two.times][:5] == [0.5, 1, 5, 10, 25]
    counts = [count for _, count in two.times]
    assert counts == sorted(counts)
    gone = next(one for one in found.sets if one.set == GONE)
    assert gone.connection_failures > 0
    assert gone.times == ()
    by_name = {one.service: one for one in found.listeners}
    counted, refused = by_name[shop.service], by_name[mail.service]
    assert (counted.environment, counted.requests, counted.answers) == ("production", 4, {2: 3, 5: 1})
    assert counted.times[-1][1] == 4
    assert (refused.requests, refused.answers) == (1, {5: 1})


def test_requests_under_way_are_counted(plane: EnvoyDataPlane, upstreams: tuple[Upstream, ...]) -> None:
    sockets = plane.entry("x").parent.parent
    with closing(socket.socket(socket.AF_UNIX)) as silent:
        silent.bind(str(sockets / "silent.sock"))
        silent.listen()
        slow = Upstream(set=SetId("set_slow"), endpoints=(f"unix:{sockets / 'silent.sock'}",))
        shop = listener(plane, "slow", free_port(), slow.set)
        plane.follow(Table(listeners=(shop,), upstreams=(*upstreams, slow)))
        with socket.create_connection(("127.0.0.1", shop.port), timeout=60) as client:
            client.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            taken, _ = silent.accept()

            def seen() -> bool:
                found = plane.statistics()
                return found is not None and any(one.active == 1 and one.set == slow.set for one in found.sets)

            wait_until(seen)
            taken.close()
    plane.follow(Table(listeners=(), upstreams=upstreams))


def test_a_router_that_cannot_be_asked_has_no_statistics(tmp_path: Path) -> None:
    nowhere = EnvoyDataPlane(
        binary=tmp_path / "envoy", folder=tmp_path / "r", sockets=tmp_path / "s", keepers=tmp_path / "k"
    )
    assert nowhere.statistics() is None
    assert InMemoryDataPlane().statistics() is not None


def test_a_killed_router_goes_on_with_its_log(
    plane: EnvoyDataPlane, folder: Path, upstreams: tuple[Upstream, ...]
) -> None:
    shop = listener(plane, "killed", free_port())
    plane.follow(Table(listeners=(shop,), upstreams=upstreams))
    reader = Reader(folder, "killed")
    get(shop.port)
    reader.next(1)
    kept = control.state(folder.parent / "keepers", KEEPER)
    assert kept is not None
    assert kept.init is not None
    os.kill(kept.init.pid, signal.SIGKILL)
    wait_until(lambda: (control.state(folder.parent / "keepers", KEEPER) or kept).restarts > kept.restarts)

    answered: list[int] = []

    def served() -> bool:
        try:
            answer = httpx.get(f"http://127.0.0.1:{shop.port}/", timeout=60, trust_env=False)
        except httpx.HTTPError:
            return False
        answered.append(answer.status_code)
        return answer.text == "one"

    wait_until(served)
    assert [one.status for one in reader.next(len(answered))] == answered
    assert answered[-1] == 200
