"""Copies of requests to a version that serves nobody, and both answers side by side."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from andon.flow.definition.contract import Ignored, Varying
from andon.flow.environments.contract import SetId
from andon.flow.routing.access import EnvoyAccessLog
from andon.flow.routing.adapters import EnvoyDataPlane
from andon.flow.routing.admin import Admin
from andon.flow.routing.comparing import EnvoyComparisons
from andon.flow.routing.contract import (
    COPIED_BYTES,
    DIGESTED_BYTES,
    PARTS,
    AccessPosition,
    Arm,
    Differing,
    Mirror,
    Pair,
    Plan,
    Share,
)
from andon.flow.routing.model import DARK, PASSED, Table, Upstream
from tests.flow.environments.place import wait_until
from tests.flow.routing.test_envoy import ONE, TWO, Answering, running_plane
from tests.flow.routing.traffic import Customer, asking, dark, divided

UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "a2V5", "Sec-WebSocket-Version": "13"}


@dataclass(frozen=True)
class Heard:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


Answers = Callable[[str], tuple[int, str, bytes]]
"""Status, content type and body for a path."""


@contextmanager
def listening(path: Path, answers: Answers) -> Iterator[tuple[str, list[Heard]]]:
    """A server on a Unix socket that keeps what it hears."""
    heard: list[Heard] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            chunked = self.headers["Transfer-Encoding"] == "chunked"
            body = self.rfile.readline() + self.rfile.readline() if chunked else b""
            body += self.rfile.read(int(self.headers["Content-Length"] or 0))
            known = {name.lower(): value for name, value in self.headers.items()}
            heard.append(Heard(self.command, self.path, known, body))
            status, kind, said = answers(self.path)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(said)

        do_GET = do_HEAD = do_POST = answer

        def log_message(self, format: str, *arguments: object) -> None:
            return

    server = Answering(str(path), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"unix:{path}", heard
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        path.unlink()


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EnvoyDataPlane]:
    with running_plane(tmp_path_factory.mktemp("m")) as running:
        yield running
        errors = Admin(running.entry("x").parents[2] / "router").find(r"^http\..*\.lua\.errors$")
        assert errors
        assert {one.value for one in errors} == {0}


def old(path: str) -> tuple[int, str, bytes]:
    return 200, "text/plain", f"old {path}".encode()


@dataclass
class Stage:
    """An environment with a stable and a dark version."""

    plane: EnvoyDataPlane
    name: str
    port: int
    entry: str
    upstreams: tuple[Upstream, ...]
    served: list[Heard]
    copied: list[Heard]
    comparisons: EnvoyComparisons
    position: AccessPosition | None = None

    def follow(self, plan: Plan) -> None:
        one = divided(self.plane, self.name, plan, self.port)
        self.plane.follow(Table(listeners=(one,), upstreams=self.upstreams))

    def quiet(self) -> None:
        """Wait until every copy has been answered: customers do not wait for them."""
        admin = Admin(self.plane.entry("x").parents[2] / "router")

        def over() -> bool:
            under_way = admin.find(r"^cluster\..*\.upstream_rq(_pending)?_active$")
            assert under_way
            return not any(one.value for one in under_way)

        wait_until(over)

    def pairs(self, count: int, path: str = "") -> list[Pair]:
        found: list[Pair] = []

        def enough() -> bool:
            page = self.comparisons.read(self.position, limit=50)
            self.position = page.position
            found.extend(one for one in page.pairs if one.service == self.name and one.path.startswith(path))
            return len(found) >= count

        wait_until(enough)
        assert len(found) == count
        return found


@contextmanager
def stage(plane: EnvoyDataPlane, name: str, plan: Plan, *, first: Answers = old, new: Answers = old) -> Iterator[Stage]:
    sockets = plane.entry("x").parent.parent
    folder = plane.entry("x").parents[2] / "router"
    one = divided(plane, name, plan)
    with (
        listening(sockets / f"{name}-1.sock", first) as (there, served),
        listening(sockets / f"{name}-2.sock", new) as (beside, copied),
    ):
        upstreams = (Upstream(set=ONE, endpoints=(there,)), Upstream(set=TWO, endpoints=(beside,)))
        made = Stage(plane, name, one.port, one.entry, upstreams, served, copied, EnvoyComparisons(folder))
        made.follow(plan)
        yield made
        plane.follow(Table(listeners=(), upstreams=()))


def test_copies_say_that_they_are_and_the_customer_gets_the_old_versions_answer(plane: EnvoyDataPlane) -> None:
    with stage(plane, "copied", dark(PARTS), new=lambda path: (500, "text/html", b"broken")) as on:
        with asking(on.port) as connection:
            customer = Customer(connection, headers={"X-Shop": "7", "Cookie": "a=b"})
            assert customer.ask("/basket?card=4111") == "old /basket?card=4111"
        wait_until(lambda: on.copied)
        (asked,), (copy,) = on.served, on.copied
        assert (copy.method, copy.path) == ("GET", "/basket?card=4111")
        assert copy.headers[DARK] == "1"
        assert DARK not in asked.headers
        assert copy.headers["host"] == asked.headers["host"] == f"127.0.0.1:{on.port}"
        assert copy.headers["x-request-id"] == asked.headers["x-request-id"]
        assert (copy.headers["x-shop"], copy.headers["cookie"]) == ("7", "a=b")
        between = {"andon-mirrored", "andon-number"}
        assert not between & (asked.headers.keys() | copy.headers.keys())


def test_both_answers_are_told_side_by_side(plane: EnvoyDataPlane) -> None:
    def new(path: str) -> tuple[int, str, bytes]:
        match path:
            case "/broken":
                return 500, "text/html", b"no"
            case "/other":
                return 200, "text/plain", b"new /other"
            case "/longer":
                return 200, "text/plain", b"old /longer and more"
        return old(path)

    with stage(plane, "compared", dark(PARTS), new=new) as on:
        with asking(on.port) as connection:
            for path in ("/same?x=1", "/broken", "/other", "/longer"):
                Customer(connection).ask(path)
            Customer(connection).ask("/head", "HEAD")
            Customer(connection).ask("/bought", "POST", b"order")  # not mirrored, and no half of a pair
            pairs = {one.path: one for one in on.pairs(5)}
        assert {path: one.differing for path, one in pairs.items()} == {
            "/same": (),
            "/broken": (Differing.STATUS, Differing.CONTENT_TYPE, Differing.SIZE, Differing.BODY),
            "/other": (Differing.BODY,),
            "/longer": (Differing.SIZE, Differing.BODY),
            "/head": (),
        }
        broken = pairs["/broken"]
        assert (broken.served.set, broken.served.status, broken.dark.set, broken.dark.status) == (ONE, 200, TWO, 500)
        assert (broken.served.content_type, broken.dark.content_type) == ("text/plain", "text/html")
        assert broken.request == next(one.headers["x-request-id"] for one in on.served if one.path == "/broken")
        assert (broken.served.sent, broken.dark.sent) == (len("old /broken"), 2)
        assert min(broken.served.duration, broken.dark.duration) > 0
        assert sorted(one.method for one in on.copied) == ["GET"] * 4 + ["HEAD"]


def test_what_is_to_be_ignored_is_no_difference(plane: EnvoyDataPlane) -> None:
    answers = {
        "/escaped": (b'{"id": "a\\"1", "n": 1}', b'{"id": "b", "n": 1}'),
        "/spaced": (b'{"id": 17, "n": 1}', b'{"id": 1234, "n": 1}'),
        "/other": (b'{"id": 17, "n": 1}', b'{"id": 17, "n": 22}'),
        "/kept": (b'{"id": {"n": 1}}', b'{"id": {"n": 2}}'),
        "/anywhere": (
            b"made 2026-11-23T15:20:01.123Z by 0b6c2a52-97f0-4be4-9c9e-1d39f6a4b1aa",
            b"made 2026-11-23T15:20:02Z by 5e0d6f6b-2f5a-4a5b-8f3f-6d2d4f3a9b10",
        ),
        "/open": (b'{"id": "never closed', b'{"id": "never closed!'),
        "/long": (b'"id":"' + b"x" * DIGESTED_BYTES, b'"id":"' + b"x" * DIGESTED_BYTES + b"y"),
    }
    plan = dark(PARTS)
    assert plan.mirror is not None
    ignore = Ignored(fields=("id",), values=(Varying.UUID, Varying.TIME))
    plan = replace(plan, mirror=replace(plan.mirror, ignore=ignore))
    sides: list[Answers] = [lambda path, side=side: (200, "text/plain", answers[path][side]) for side in (0, 1)]  # type: ignore[misc] # a default holds the side
    with stage(plane, "ignored", plan, first=sides[0], new=sides[1]) as on:
        with asking(on.port) as connection:
            for path in answers:
                assert Customer(connection).ask(path) == answers[path][0].decode(), "customers get it whole"
        pairs = {one.path: one for one in on.pairs(len(answers))}
    assert {path: one.differing for path, one in pairs.items()} == {
        "/escaped": (),
        "/spaced": (),
        "/other": (Differing.SIZE, Differing.BODY),
        "/kept": (Differing.BODY,),
        "/anywhere": (),
        "/open": (Differing.SIZE, Differing.BODY),
        "/long": (Differing.SIZE,),
    }


def test_a_copy_is_nobodys_request(plane: EnvoyDataPlane) -> None:
    with stage(plane, "counted", dark(PARTS)) as on:
        folder = plane.entry("x").parents[2] / "router"
        with asking(on.port) as connection:
            for _ in range(7):
                Customer(connection).ask()
        on.pairs(7)
        counted = plane.statistics()
        assert counted is not None
        assert next(one.requests for one in counted.sets if one.set == ONE) >= 7
        assert TWO not in {one.set for one in counted.sets}
        assert next(one for one in counted.dark if one.set == TWO).answers[2] >= 7
        assert [(one.environment, one.requests) for one in counted.listeners if one.service == "counted"] == [
            ("production", 7)
        ]
        served = plane.served(TWO)
        assert served is None or served.requests == 0
        lines = [one for one in EnvoyAccessLog(folder).read(limit=5000).requests if one.service == "counted"]
        assert [one.set for one in lines] == [ONE] * 7


def test_a_share_and_the_chosen_methods_are_copied(plane: EnvoyDataPlane) -> None:
    with stage(plane, "chosen", dark(30_000, ("POST",))) as on, asking(on.port) as connection:
        for _ in range(300):
            Customer(connection).ask("/order", "POST", b"bolts")
        Customer(connection).ask("/order")
        on.quiet()
        copied = len(on.pairs(len(on.copied)))
        assert 40 <= copied <= 140  # ninety, within six standard deviations
        assert {(one.method, one.body) for one in on.copied} == {("POST", b"bolts")}
        on.follow(dark(0, ("POST",)))
        for _ in range(50):
            Customer(connection).ask("/order", "POST", b"bolts")
        on.quiet()
        assert len(on.copied) == copied


def test_an_upgrade_and_what_came_through_here_before_are_not_copied(plane: EnvoyDataPlane) -> None:
    with stage(plane, "around", dark(PARTS)) as on, asking(on.port) as connection:
        Customer(connection).ask("/first")
        mark = on.served[0].headers[PASSED]
        Customer(connection, headers={PASSED: mark}).ask("/again")
        Customer(connection, headers=UPGRADE).ask("/socket")
        Customer(connection).ask("/last")
        on.pairs(2)
        assert {one.path for one in on.copied} == {"/first", "/last"}


def test_only_this_machine_is_believed_that_a_request_is_a_copy(plane: EnvoyDataPlane) -> None:
    """A test may try what a version does with copies; a customer who says so would have a purchase not done."""
    with stage(plane, "believed", dark(PARTS)) as on:
        with asking(on.port) as connection:
            Customer(connection, headers={DARK: "1"}).ask("/from-outside")
        with HTTPConnectionOver(on.entry) as local:
            Customer(local, headers={DARK: "1"}).ask("/from-here")
            Customer(local).ask("/from-a-job")
        on.pairs(2)
        assert [(one.path, DARK in one.headers) for one in on.served] == [
            ("/from-outside", False),
            ("/from-here", True),
            ("/from-a-job", False),
        ]
        assert {one.path for one in on.copied} == {"/from-outside", "/from-a-job"}


class HTTPConnectionOver(HTTPConnection):
    """By a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("andon", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)

    def __enter__(self) -> HTTPConnectionOver:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def test_a_dark_version_that_is_gone_or_hangs_costs_nobody_anything(plane: EnvoyDataPlane) -> None:
    released = threading.Event()

    def hangs(path: str) -> tuple[int, str, bytes]:
        released.wait()
        return old(path)

    with stage(plane, "hanging", dark(PARTS), new=hangs) as on:
        try:
            with asking(on.port) as connection:
                assert [Customer(connection).ask() for _ in range(400)] == ["old /"] * 400
            assert len(on.copied) <= 256
        finally:
            released.set()
        on.upstreams = (on.upstreams[0], replace(on.upstreams[1], endpoints=("unix:/nobody.sock",)))
        on.follow(dark(PARTS))
        with asking(on.port) as connection:
            assert Customer(connection).ask("/gone") == "old /gone"
        (gone,) = on.pairs(1, "/gone")
        assert (gone.served.status, gone.dark.status) == (200, 503)


def test_a_dark_version_that_reads_nothing_holds_no_upload_up(plane: EnvoyDataPlane) -> None:
    path = plane.entry("x").parent.parent / "mute.sock"
    plan = dark(PARTS, ("POST",))
    with closing(socket.socket(socket.AF_UNIX)) as mute, stage(plane, "mute", plan) as on:
        mute.bind(str(path))
        mute.listen(64)
        on.upstreams = (on.upstreams[0], replace(on.upstreams[1], endpoints=(f"unix:{path}",)))
        on.follow(plan)
        with asking(on.port) as connection:
            for length in (COPIED_BYTES, 20_000_000, 20_000_000):
                assert Customer(connection).ask("/upload", "POST", b"x" * length) == "old /upload"
        assert [len(one.body) for one in on.served] == [COPIED_BYTES, 20_000_000, 20_000_000]


def test_only_a_body_whose_length_is_told_and_small_is_copied(plane: EnvoyDataPlane) -> None:
    with stage(plane, "bodies", dark(PARTS, ("GET", "POST"))) as on, asking(on.port) as connection:
        for length in (0, 10, COPIED_BYTES, COPIED_BYTES + 1):
            Customer(connection).ask(f"/{length}", "POST", b"x" * length)
        Customer(connection, headers={"Transfer-Encoding": "chunked"}).ask("/chunked", "POST", b"0\r\n\r\n")
        Customer(connection).ask("/last")
        on.pairs(4)
        # copies overtake one another
        assert {one.path: len(one.body) for one in on.copied} == {
            "/0": 0,
            "/10": 10,
            f"/{COPIED_BYTES}": COPIED_BYTES,
            "/last": 0,
        }


def test_a_long_answer_is_compared_by_its_beginning_and_passed_on_whole(plane: EnvoyDataPlane) -> None:
    beginning = b"x" * (DIGESTED_BYTES - 1)

    def first(path: str) -> tuple[int, str, bytes]:
        return 200, "text/plain", beginning + b"aa"

    def new(path: str) -> tuple[int, str, bytes]:
        return 200, "text/plain", beginning + (b"ab" if path == "/after" else b"ba")

    with stage(plane, "long", dark(PARTS), first=first, new=new) as on, asking(on.port) as connection:
        for path in ("/after", "/within"):
            assert Customer(connection).ask(path) == (beginning + b"aa").decode()
        assert {one.path: one.differing for one in on.pairs(2)} == {"/after": (), "/within": (Differing.BODY,)}


def test_a_mirror_beside_a_canary_copies_from_both(plane: EnvoyDataPlane) -> None:
    three = SetId("set_3")
    plan = Plan(
        shares=(Share(ONE, 50_000), Share(three, 50_000)),
        arms={ONE: Arm.STABLE, three: Arm.CANARY, TWO: Arm.DARK},
        mirror=Mirror(TWO, PARTS),
        sticky=None,
    )
    with stage(plane, "beside", dark(PARTS)) as on:
        on.upstreams = (*on.upstreams, replace(on.upstreams[0], set=three))
        on.follow(plan)
        with asking(on.port) as connection:
            for _ in range(60):
                Customer(connection).ask()
        assert {one.served.set for one in on.pairs(60)} == {ONE, three}
