"""Members of a segment of flags get a set from a real Envoy, whatever the shares."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from andon.flow.routing.adapters import EnvoyDataPlane
from andon.flow.routing.admin import Admin
from andon.flow.routing.contract import (
    PARTS,
    Comparison,
    Condition,
    Forward,
    Match,
    Plan,
    PlanInvalid,
    SegmentUse,
    Sticky,
    Where,
)
from andon.flow.routing.memory import Imagined, InMemoryDataPlane
from andon.flow.routing.model import Table, Upstream
from andon.flow.sources.contract import Service
from benchmarks.harness.ports import free_port
from tests.flow.routing.test_dark import Heard, listening
from tests.flow.routing.test_envoy import ONE, TWO, running_plane
from tests.flow.routing.traffic import Customer, asking, canary, divided

STAFF = Condition(Where.COOKIE, "user", Comparison.MEMBER, "staff")
PARTNERS = Condition(Where.HEADER, "X-User", Comparison.MEMBER, "partners")
USES = (SegmentUse(name="partners", version=2), SegmentUse(name="staff", version=5))
PLAN = canary(0, sticky=Sticky(salt="d1"), matches=(Match((STAFF,), TWO), Match((PARTNERS,), TWO)), segments=USES)
MEMBERS = {
    "staff": frozenset({"maxine", "a=b", "jürgen", "members", "1=maxine", "with blank"}),
    "partners": frozenset({"erik"}),
}


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EnvoyDataPlane]:
    with running_plane(tmp_path_factory.mktemp("s")) as running:
        yield running
        errors = Admin(running.entry("x").parents[2] / "router").find(r"^http\..*\.lua\.errors$")
        assert errors
        assert {one.value for one in errors} == {0}


class Place:
    """Two versions that keep what they hear."""

    def __init__(self, sockets: Path, stack: ExitStack) -> None:
        self.heard: dict[str, list[Heard]] = {}
        found = []
        for one, said in ((ONE, b"one"), (TWO, b"two")):
            endpoint, heard = stack.enter_context(
                listening(sockets / f"{one}.sock", lambda _path, said=said: (200, "text/plain", said))  # type: ignore[misc] # bound per turn
            )
            self.heard[one] = heard
            found.append(Upstream(set=one, endpoints=(endpoint,)))
        self.upstreams = tuple(found)


@pytest.fixture(scope="module")
def place(plane: EnvoyDataPlane) -> Iterator[Place]:
    with ExitStack() as stack:
        yield Place(plane.entry("x").parent.parent, stack)
        plane.follow(Table(listeners=(), upstreams=()))


@pytest.fixture(scope="module")
def port(plane: EnvoyDataPlane, place: Place) -> int:
    port = free_port()
    plane.follow(Table(listeners=(divided(plane, "shop", PLAN, port, MEMBERS),), upstreams=place.upstreams))
    return port


@pytest.mark.parametrize(
    ("headers", "belongs"),
    [
        ({"Cookie": "user=maxine"}, True),
        ({"Cookie": "basket=3; user=maxine; theme=dark"}, True),
        ({"Cookie": "user=a=b"}, True),
        ({"Cookie": "user=with blank"}, True),
        ({"Cookie": "user=jürgen"}, True),
        ({"x-user": "erik"}, True),
        ({"Cookie": "user=Maxine"}, False),
        ({"Cookie": "user=maxine2"}, False),
        ({"Cookie": "user="}, False),
        ({"Cookie": "users=maxine"}, False),
        ({"Cookie": "user=erik"}, False),
        ({"Cookie": "user=sarah; user=maxine"}, False),
        ({"x-user": "maxine"}, False),
        ({"x-user": "erik,erik"}, False),
        ({"andon-belongs": ",1,2,"}, False),
        ({"andon-belongs": ",1,", "Cookie": "user=sarah"}, False),
        ({}, False),
    ],
)
def test_only_members_get_the_set_and_only_by_the_very_words(
    plane: EnvoyDataPlane, port: int, headers: dict[str, str], belongs: bool
) -> None:
    imagined = InMemoryDataPlane()
    imagined.follow(Table(listeners=(divided(plane, "shop", PLAN, port, MEMBERS),), upstreams=()))
    assert imagined.serves("shop.production", Imagined(headers=headers)) == (TWO if belongs else ONE)
    with asking(port) as connection:
        sent = {name: value.encode() for name, value in headers.items()}
        assert Customer(connection, headers=sent).ask() == ("two" if belongs else "one")  # type: ignore[arg-type] # bytes go as they are


def test_what_has_no_route_has_no_members_either(port: int) -> None:
    with closing(socket.create_connection(("127.0.0.1", port), timeout=60)) as connection:
        connection.sendall(b"OPTIONS * HTTP/1.1\r\nHost: shop\r\nCookie: user=maxine\r\nConnection: close\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 404")


def test_no_service_is_told_who_belongs_to_what(plane: EnvoyDataPlane, place: Place, port: int) -> None:
    with asking(port) as connection:
        Customer(connection, cookies={"user": "maxine"}).ask("/told")
        Customer(connection, headers={"andon-belongs": ",1,"}).ask("/told")
    heard = [one for found in place.heard.values() for one in found if one.path == "/told"]
    assert len(heard) == 2
    assert all("andon-belongs" not in one.headers for one in heard)


def test_a_member_needs_no_number_and_others_are_given_theirs(plane: EnvoyDataPlane, place: Place) -> None:
    half = canary(50_000, sticky=Sticky(salt="d1"), matches=PLAN.matches, segments=USES)
    one = divided(plane, "half", half, members=MEMBERS)
    plane.follow(Table(listeners=(one,), upstreams=place.upstreams))
    with asking(one.port) as connection:
        member, other = Customer(connection, cookies={"user": "maxine"}), Customer(connection)
        assert member.ask() == "two"
        other.ask()
    assert member.given == []
    assert len(other.given) == 1


def test_a_change_of_the_members_is_followed_and_changes_the_routes_alone(plane: EnvoyDataPlane, place: Place) -> None:
    folder, port = plane.entry("x").parents[2] / "router", free_port()
    seen, served = [], []
    many = frozenset(f"member-{number}@parts.example" for number in range(999))
    with asking(port) as connection:
        maxine, sarah = (Customer(connection, cookies={"user": name}) for name in ("maxine", "sarah"))
        for staff in ({"maxine"}, {"sarah", *many}, set[str]()):
            members = {"staff": frozenset(staff)}
            plane.follow(Table(listeners=(divided(plane, "moved", PLAN, port, members),), upstreams=place.upstreams))
            served.append((maxine.ask(), sarah.ask()))
            seen.append([(folder / name).read_bytes() for name in ("clusters.json", "listeners.json")])
    assert served == [("two", "one"), ("one", "two"), ("one", "one")]
    assert seen == [seen[0]] * 3


def test_members_of_a_segment_cannot_be_forwarded_and_are_known_by_a_cookie_or_header_alone() -> None:
    with pytest.raises(PlanInvalid, match="by a release alone"):
        Forward(service=Service("new"), environment="production", when=(STAFF,))
    for where, name in ((Where.QUERY, "user"), (Where.PATH, "")):
        with pytest.raises(PlanInvalid):
            Condition(where, name, Comparison.MEMBER, "staff")
    with pytest.raises(PlanInvalid):
        Condition(Where.COOKIE, "user", Comparison.MEMBER, "No Name")


@pytest.mark.parametrize("segments", [(), USES[:1], (*USES, USES[0]), (*USES, SegmentUse(name="more", version=1))])
def test_a_plan_tells_the_version_of_each_segment_it_names_once(segments: tuple[SegmentUse, ...]) -> None:
    with pytest.raises(PlanInvalid, match="version of each segment"):
        Plan(shares=PLAN.shares, arms=PLAN.arms, matches=PLAN.matches, segments=segments)
    assert PLAN.parts(ONE) == PARTS
