"""Traffic over the API and from the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from playwright.sync_api import Browser

from andon.app.people.room import people_room
from andon.flow.environments.contract import SetId
from andon.flow.routing.access import AccessFolder
from andon.flow.routing.contract import (
    PARTS,
    Arm,
    Comparison,
    Condition,
    Forward,
    Match,
    Mirror,
    Plan,
    SegmentUse,
    Share,
    Sticky,
    TrafficForwarded,
    Where,
)
from andon.flow.routing.differences import RecentDifferences, kind_of
from andon.flow.routing.memory import Imagined
from andon.flow.routing.room import routing_room
from andon.flow.sources.contract import Service
from andon.kernel.db import Database, open_engine
from andon.kernel.events import Bell, Event
from andon.kernel.events.reactions import Reactor
from tests.app.conftest import Terminal
from tests.browser import (
    DESKTOP,
    PHONE,
    browser,  # noqa: F401 - a fixture
    opened,
    troubles,
    violations,
)
from tests.databases import Databases
from tests.flow.environments.place import wait_until
from tests.flow.routing.test_service import Routed
from tests.serving import Serving, quick_passwords, serving, settings_for

HERE = "/services/shop/environments/production"
NEW = Service("new")


@dataclass
class Site:
    routed: Routed
    server: Serving
    reactor: Reactor
    folder: Path
    live: SetId
    canary: SetId
    dark: SetId
    other: SetId

    def follow(self) -> None:
        """As the worker does."""
        while self.reactor.turn():
            pass


@pytest.fixture
def site(tmp_path: Path, databases: Databases) -> Iterator[Site]:
    settings = settings_for(tmp_path / "andon", databases.url("sqlite"))
    database = Database(open_engine(settings.database_url))
    routed = Routed(database, tmp_path)
    live, canary, dark = (routed.prepare(name) for name in ("d1", "d2", "d3"))
    other = routed.prepare("d4", NEW)
    routed.point(live, 1)
    routed.point(other, 1, NEW)
    passwords = quick_passwords()
    room = routing_room(routed.router, routed.plane, environments=routed.environments, folder=tmp_path / "router")
    reactor = Reactor(database, Bell(database), room.reactions)
    with serving(settings, database, (people_room(settings, passwords), room), passwords) as server:
        yield Site(routed, server, reactor, tmp_path / "router", live, canary, dark, other)


@pytest.fixture
def andon(site: Site, tmp_path: Path) -> Terminal:
    return Terminal(tmp_path, site.server.settings.data, site.server.address)


def found(answer: httpx.Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()


def test_who_gets_what_is_told(site: Site, andon: Terminal) -> None:
    api = site.server.api()
    plain = found(api.get(f"{HERE}/traffic"))
    assert [(one["set"], one["arm"], one["parts"]) for one in plain["arms"]] == [(site.live, "stable", PARTS)]
    assert (plain["sticky"], plain["mirror"], plain["forwarding"]["version"]) == (None, None, 0)
    site.routed.divide(
        Plan(
            shares=(Share(site.canary, 1_500), Share(site.live, 98_500)),
            arms={site.live: Arm.STABLE, site.canary: Arm.CANARY, site.dark: Arm.DARK},
            matches=(
                Match((Condition(Where.HEADER, "X-Employee", Comparison.PRESENT),), site.canary),
                Match((Condition(Where.COOKIE, "user", Comparison.MEMBER, "staff"),), site.canary),
            ),
            segments=(SegmentUse(name="staff", version=3),),
            mirror=Mirror(site.dark, 10_000),
            sticky=Sticky(),
        ),
        2,
    )
    divided = found(api.get(f"{HERE}/traffic"))
    assert [(one["arm"], one["parts"], one["commit"]) for one in divided["arms"]] == [
        ("canary", 1_500, "c" * 40),
        ("stable", 98_500, "c" * 40),
    ]
    assert divided["mirror"]["methods"] == ["GET", "HEAD"]
    assert divided["segments"] == [{"segment": "staff", "version": 3}]
    assert (divided["sticky"], divided["matches"][0]["when"][0]["name"]) == ("visitor", "X-Employee")
    said = andon("traffic", "show", "shop", "production")
    assert (said.code, said.err) == (0, "")
    for words in (
        "header X-Employee",
        "members of staff by cookie user",
        "1.5 %",
        "ccccccc (canary)",
        "copies of GET, HEAD",
        "10 %",
        "ccccccc (dark)",
    ):
        assert words in said.out
    found(api.get("/services/shop/environments/nowhere/traffic"), 404)
    found(api.get("/services/nobody/environments/production/traffic"), 404)


def test_a_path_is_given_to_another_service_step_by_step_and_taken_back(site: Site, andon: Terminal) -> None:
    def served(path: str, number: int = 0) -> SetId | None:
        site.follow()
        return site.routed.plane.serves("shop.production", Imagined(path=path, number=number))

    to = ("--to", "new/production", "--path", "/api")
    first = andon("traffic", "forward", "shop", "production", *to, "--share", "5%")
    assert (first.code, first.err) == (0, "")
    assert "new/production serves 5 % of /api/… of shop/production." in first.out
    assert [served("/api/v1", number) for number in (4_999, 5_000)] == [site.other, site.live]
    andon("traffic", "forward", "shop", "production", *to)
    assert served("/api/v1", 99_999) == site.other
    more = andon("traffic", "forward", "shop", "production", *to, "--path", "/api/v2", "--header", "X-Try=1")
    assert more.code == 0
    shown = andon("traffic", "show", "shop", "production").out
    rules = [row.split("\t")[0] for row in shown.splitlines()]
    assert rules.index("/api/v2/… and header X-Try 1") < rules.index("/api/…"), shown
    kept = andon("traffic", "keep", "shop", "production", *to)
    assert "shop/production serves /api/… itself." in kept.out
    assert served("/api/v1") == site.live
    assert andon("traffic", "keep", "shop", "production", *to).code == 3
    assert andon("traffic", "forward", "shop", "production", *to, "--share", "101%").code == 2
    events: list[Event] = [one for one in site.routed.told() if isinstance(one, TrafficForwarded)]
    assert len(events) == 4


def test_what_cannot_be_forwarded_is_refused(site: Site) -> None:
    api = site.server.api()
    cases: list[tuple[dict[str, object], int]] = [
        ({"service": "new", "environment": "production", "when": [{"where": "moon"}]}, 400),
        ({"service": "new", "environment": "production", "when": [{"where": "path", "value": "api"}]}, 400),
        ({"service": "new", "environment": "production", "parts": 100_001}, 400),
        ({"service": "new", "environment": "nowhere"}, 404),
        ({"service": "shop", "environment": "production"}, 409),
    ]
    for forward, status in cases:
        found(api.put(f"{HERE}/forwards", json={"version": 0, "forwards": [forward]}), status)


def test_whoever_forwards_may_release_at_both_ends(site: Site) -> None:
    api = site.server.api()
    asked = {"version": 0, "forwards": [{"service": "new", "environment": "production"}]}
    for scope, status in (
        ({"scopes": ["read", "release"], "services": ["shop"]}, 404),  # it does not even see the other one
        ({"scopes": ["read"]}, 403),
        ({"scopes": ["read", "release"]}, 200),
    ):
        token = found(api.post("/tokens", json={"label": "t", **scope}), 201)["secret"]
        found(site.server.api(token).put(f"{HERE}/forwards", json=asked), status)
    assert httpx.get(f"{site.server.address}/api/v1{HERE}/traffic", trust_env=False).status_code == 401


def line(request: str, path: str, *, dark: bool, status: int = 200, us: int = 1000, digest: str = "a") -> bytes:
    told = {
        "start": "1.000000", "service": "shop", "environment": "production", "us": us, "set": "set_1", "method": "GET",
        "path": path, "status": status, "flags": "-", "sent": 3, "request": request, "type": "text/html",
        "digest": digest,
    }  # fmt: skip
    return msgspec.json.encode(told | ({"dark": True} if dark else {})) + b"\n"


def test_answers_that_differ_are_shown_by_kind_of_request(site: Site, andon: Terminal) -> None:
    api = site.server.api()
    assert found(api.get(f"{HERE}/comparisons")) == {
        "service": "shop", "environment": "production", "pairs": 0, "differing": 0, "requests": [],
    }  # fmt: skip
    assert "No request of shop/production was mirrored lately." in andon("traffic", "compare", "shop", "production").out
    place = AccessFolder(site.folder)
    place.prepare(site.folder / "admin.sock")
    place.current.write_bytes(
        b"".join(
            [
                line("r1", "/parts/17", dark=False),
                line("r1", "/parts/17", dark=True, status=500, digest="b", us=9000),
                line("r2", "/parts/18", dark=True, us=5000), line("r2", "/parts/18", dark=False, us=3000),
                line("r3", "/", dark=False), line("r3", "/", dark=True),
                line("r4", "/", dark=False),
            ]
        )
    )  # fmt: skip
    compared = found(api.get(f"{HERE}/comparisons"))
    assert (compared["pairs"], compared["differing"]) == (3, 1)
    parts, front = compared["requests"]
    assert (parts["path"], parts["pairs"], parts["status"], parts["body"], parts["size"]) == ("/parts/*", 2, 1, 1, 0)
    assert (parts["served_ms"], parts["dark_ms"], parts["example"]) == (2.0, 7.0, "r1")
    assert (front["path"], front["differing"], front["example"]) == ("/", 0, "")
    said = andon("traffic", "compare", "shop", "production")
    assert "GET /parts/*" in said.out
    assert "1 of 3 pairs of answers differ." in said.out
    assert msgspec.json.decode(andon("traffic", "compare", "shop", "production", "--json").out) == compared


def test_only_the_end_of_a_long_log_is_looked_through(tmp_path: Path) -> None:
    place = AccessFolder(tmp_path)
    place.prepare(tmp_path / "admin.sock")
    pair = line("r", "/old", dark=False) + line("r", "/old", dark=True)
    (place.folder / "access-3.log").write_bytes(pair * 30_000)  # some 13 MB
    place.current.write_bytes(line("r", "/new", dark=False) + line("r", "/new", dark=True))
    seen = RecentDifferences(tmp_path).of(Service("shop"), "production")
    kinds = {one.path: one.pairs for one in seen.requests}
    assert kinds["/new"] == 1
    assert 10_000 < kinds["/old"] < 30_000


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/orders/17/items", "/orders/*/items"),
        ("/o/4bf92f35-77b3-4da6-a3ce-929d0e0e4736", "/o/*"),
        ("/v1/cafe/deadbeef", "/v1/cafe/deadbeef"),
        ("/x/4bf92f3577b34da6", "/x/*"),
        ("/", "/"),
    ],
)
def test_requests_of_one_kind_are_counted_together(path: str, kind: str) -> None:
    assert kind_of(path) == kind


def test_the_worker_lets_the_router_follow(site: Site) -> None:
    site.server.api().put(
        f"{HERE}/forwards", json={"version": 0, "forwards": [{"service": "new", "environment": "production"}]}
    )
    site.follow()
    wait_until(lambda: site.routed.plane.serves("shop.production", Imagined()) == site.other)


def test_the_page_of_traffic_says_who_gets_what_and_where_answers_differ(site: Site) -> None:
    here = f"{HERE}/traffic"
    reader = site.server.administrator()
    plain = reader.get(here)
    assert plain.status_code == 200, plain.text
    assert "ccccccc serves all requests of shop production" in plain.text
    assert "answered twice" not in plain.text
    site.routed.divide(
        Plan(
            shares=(Share(site.canary, 1_500), Share(site.live, 98_500)),
            arms={site.live: Arm.STABLE, site.canary: Arm.CANARY, site.dark: Arm.DARK},
            matches=(
                Match((Condition(Where.HEADER, "X-Employee", Comparison.IS, "<b>"),), site.canary),
                Match((Condition(Where.COOKIE, "user", Comparison.MEMBER, "staff"),), site.canary),
            ),
            segments=(SegmentUse(name="staff", version=3),),
            mirror=Mirror(site.dark, 10_000),
        ),
        2,
    )
    site.routed.forward(
        Forward(
            service=NEW,
            environment="production",
            when=(Condition(Where.PATH, how=Comparison.PREFIX, value="/api"),),
            parts=500,
        ),
        version=0,
    )
    assert "No copy was answered yet" in reader.get(here).text
    place = AccessFolder(site.folder)
    place.prepare(site.folder / "admin.sock")
    copies = [line("r1", "/<i>/17", dark=False), line("r1", "/<i>/17", dark=True, status=500, digest="b", us=9000)]
    place.current.write_bytes(b"".join(copies))
    divided = reader.get(here).text
    for said in (
        "The requests of shop production that no rule takes are served 98.5 % by ccccccc and 1.5 % by ccccccc",
        "header X-Employee &lt;b&gt;",
        "members of staff by cookie user",
        "<code>/api/…</code>",
        "new production",
        "10 % of GET, HEAD are copied to ccccccc.",
        "1 of 1 pairs of answers differ.",
        "GET /&lt;i&gt;/*",
        "Customers stay with the version",
    ):
        assert said in divided, said
    assert reader.get("/services/shop/environments/nowhere/traffic").status_code == 404


@pytest.mark.browser
def test_the_page_of_traffic_can_be_used_by_everybody(
    site: Site,
    browser: Browser,  # noqa: F811 - the fixture
) -> None:
    site.routed.divide(
        Plan(
            shares=(Share(site.canary, 1_500), Share(site.live, 98_500)),
            arms={site.live: Arm.STABLE, site.canary: Arm.CANARY, site.dark: Arm.DARK},
            matches=(Match((Condition(Where.HEADER, "X-Employee", Comparison.IS, "1"),), site.canary),),
            mirror=Mirror(site.dark, 10_000),
        ),
        2,
    )
    place = AccessFolder(site.folder)
    place.prepare(site.folder / "admin.sock")
    kinds = [f"/parts/{number}" for number in range(30)] + ["/a-rather-long-way/to-say/where-one-is/with-all-its-parts"]
    copies = [
        line(f"r{number}", path, dark=dark, digest=str(dark), us=(number + 1) * 700)
        for number, path in enumerate(kinds)
        for dark in (False, True)
    ]
    place.current.write_bytes(b"".join(copies))
    client = site.server.administrator()
    for size in (DESKTOP, PHONE):
        with opened(browser, client, size) as window:
            shown = window.new_page()
            complaints = troubles(shown)
            shown.goto(f"{site.server.address}{HERE}/traffic")
            shown.get_by_text("31 of 31 pairs of answers differ.").wait_for()
            assert violations(shown) == []
            assert complaints == []
