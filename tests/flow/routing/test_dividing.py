"""Who goes where while a real Envoy divides the traffic."""

from __future__ import annotations

import math
import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from andon.flow.environments.contract import SetId
from andon.flow.routing.adapters import KEEPER, EnvoyDataPlane
from andon.flow.routing.admin import Admin
from andon.flow.routing.contract import (
    PARTS,
    Arm,
    Comparison,
    Condition,
    Forward,
    Forwarding,
    Match,
    Mirror,
    Plan,
    Share,
    Sticky,
    StickyBy,
    Where,
)
from andon.flow.routing.memory import Imagined, InMemoryDataPlane
from andon.flow.routing.model import Live, Rule, Table, Upstream, reachable, rules_of
from andon.flow.sources.contract import Service
from andon.kernel.keeper import control
from benchmarks.harness.ports import free_port
from tests.flow.environments.place import wait_until
from tests.flow.routing.test_envoy import ONE, TWO, hostile, listener, nobody_listens, running_plane, upstream
from tests.flow.routing.test_telemetry import Reader
from tests.flow.routing.traffic import Crowd, Customer, asking, canary, divided, instance

EQUAL = (Comparison.IS, Comparison.PREFIX)
THREE, DYING = SetId("set_3"), SetId("set_dying")


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EnvoyDataPlane]:
    with running_plane(tmp_path_factory.mktemp("v")) as running:
        yield running
        errors = Admin(running.entry("x").parents[2] / "router").find(r"^http\..*\.lua\.errors$")
        assert errors
        assert {one.value for one in errors} == {0}


@pytest.fixture(scope="module")
def sockets(plane: EnvoyDataPlane) -> Path:
    return plane.entry("x").parent.parent


@pytest.fixture(scope="module")
def upstreams(sockets: Path) -> Iterator[tuple[Upstream, ...]]:
    with ExitStack() as running:
        yield tuple(
            Upstream(set=one, endpoints=(running.enter_context(upstream(sockets / f"{said}.sock", said)),))
            for one, said in ((ONE, "one"), (TWO, "two"), (THREE, "three"))
        )


def is_likely(found: int, of: int, share: float) -> bool:
    """Within six standard deviations of a binomial distribution: one run in 500 million is not."""
    return abs(found - of * share) <= 6 * math.sqrt(of * share * (1 - share)) + 1


def test_nobody_goes_back_while_the_share_grows_and_no_request_fails(
    plane: EnvoyDataPlane, upstreams: tuple[Upstream, ...]
) -> None:
    port = free_port()

    def give(parts: int) -> None:
        plan = canary(parts, sticky=Sticky(salt="d1"))
        plane.follow(Table(listeners=(divided(plane, "grown", plan, port),), upstreams=upstreams))

    give(1_000)
    with asking(port) as connection, Crowd(port) as crowd:
        customers = [Customer(connection) for _ in range(300)]
        new: set[int] = set()
        for parts in (1_000, 10_000, 50_000, 90_000, PARTS):
            give(parts)
            there = {number for number, one in enumerate(customers) if one.ask() == "two"}
            assert there >= new
            assert is_likely(len(there), len(customers), parts / PARTS)
            assert there == {number for number, one in enumerate(customers) if one.ask() == "two"}
            new = there
        assert new == set(range(300))
        give(10_000)
        assert is_likely(sum(one.ask() == "two" for one in customers), 300, 0.1)
        assert all(len(one.given) == 1 for one in customers)  # their number is theirs from the first answer on
    assert crowd.broken == []
    assert {status for status, _ in crowd.answers} == {200}
    assert len(crowd.answers) > 100


def test_only_the_file_of_routes_changes_with_a_step(plane: EnvoyDataPlane, upstreams: tuple[Upstream, ...]) -> None:
    port = free_port()
    folder = plane.entry("x").parents[2] / "router"
    seen = []
    for parts in (1_000, 2_000, 0, PARTS):
        plan = canary(parts, sticky=Sticky(salt="d1"))
        plane.follow(Table(listeners=(divided(plane, "stepped", plan, port),), upstreams=upstreams))
        seen.append([(folder / name).read_bytes() for name in ("clusters.json", "listeners.json")])
    assert seen == [seen[0]] * 4


def test_a_baseline_and_a_canary_both_keep_whom_they_have(
    plane: EnvoyDataPlane, upstreams: tuple[Upstream, ...]
) -> None:
    port = free_port()
    before: dict[str, set[int]] = {"two": set(), "three": set()}
    with asking(port) as connection:
        customers = [Customer(connection) for _ in range(300)]
        for parts in (5_000, 20_000, 40_000):
            plan = Plan(
                shares=(Share(ONE, PARTS - 2 * parts), Share(THREE, parts), Share(TWO, parts)),
                arms={ONE: Arm.STABLE, TWO: Arm.CANARY, THREE: Arm.BASELINE},
                sticky=Sticky(salt="d1"),
            )
            plane.follow(Table(listeners=(divided(plane, "three", plan, port),), upstreams=upstreams))
            said = [one.ask() for one in customers]
            for name, had in before.items():
                there = {number for number, found in enumerate(said) if found == name}
                assert there >= had
                assert is_likely(len(there), 300, parts / PARTS)
                before[name] = there


def test_without_sticking_each_request_is_drawn_for_itself_and_nobody_is_given_a_cookie(
    plane: EnvoyDataPlane, upstreams: tuple[Upstream, ...]
) -> None:
    one = divided(plane, "drawn", canary(30_000))
    plane.follow(Table(listeners=(one,), upstreams=upstreams))
    with asking(one.port) as connection:
        customer = Customer(connection)
        said = Counter(customer.ask() for _ in range(1500))
    assert is_likely(said["two"], 1500, 0.3)
    assert set(said) == {"one", "two"}
    assert customer.given == []


def test_the_visitors_cookie_tells_no_two_apart_and_reaches_no_service(plane: EnvoyDataPlane, sockets: Path) -> None:
    heard: list[str] = []
    with hostile(sockets / "heard.sock", heard) as there:
        plan = replace(canary(50_000, sticky=Sticky(salt="d1")))
        one = divided(plane, "heard", plan)
        plane.follow(Table(listeners=(one,), upstreams=(there, Upstream(set=TWO, endpoints=there.endpoints))))
        with asking(one.port) as connection:
            customer = Customer(connection, cookies={"basket": "7"})
            customer.ask()
            (given,) = [found for found in customer.given if found.startswith("andon-side")]
            name, *attributes = given.split("; ")
            assert int(name.removeprefix("andon-side=")) in range(PARTS)
            assert attributes == ["Path=/", "Max-Age=2592000", "HttpOnly", "SameSite=Lax"]
            customer.ask()
            customer.cookies["andon-side"] = "100000000"
            customer.ask()
    plane.follow(Table(listeners=(), upstreams=()))
    assert all("andon-side" not in cookie for cookie in heard)
    assert sum(found.startswith("andon-side") for found in customer.given) == 2  # a number that is none is replaced


@pytest.mark.parametrize("by", [StickyBy.HEADER, StickyBy.COOKIE])
def test_a_service_may_say_by_what_its_customers_are_known(
    plane: EnvoyDataPlane, upstreams: tuple[Upstream, ...], by: StickyBy
) -> None:
    port, new = free_port(), set[int]()
    with asking(port) as connection:
        customers = [
            Customer(connection, headers={"X-User": f"user-{number}"} if by is StickyBy.HEADER else {})
            for number in range(250)
        ]
        for number, one in enumerate(customers):
            if by is StickyBy.COOKIE:
                one.cookies = {"a": "b", "X-User": f"user-{number}"}
        for parts in (10_000, 50_000):
            plan = canary(parts, sticky=Sticky(by, "X-User", salt="d1"))
            plane.follow(Table(listeners=(divided(plane, "known", plan, port),), upstreams=upstreams))
            there = {number for number, one in enumerate(customers) if one.ask() == "two"}
            assert there >= new
            assert is_likely(len(there), 250, parts / PARTS)
            assert there == {number for number, one in enumerate(customers) if one.ask() == "two"}
            new = there
        assert all(one.given == [] for one in customers)
        stranger = Customer(connection)
        assert {stranger.ask() for _ in range(60)} == {"one", "two"}


def test_another_release_begins_with_other_people(plane: EnvoyDataPlane, upstreams: tuple[Upstream, ...]) -> None:
    port, groups = free_port(), []
    with asking(port) as connection:
        customers = [Customer(connection) for _ in range(400)]
        for salt in ("d1", "d2"):
            plan = canary(25_000, sticky=Sticky(salt=salt))
            plane.follow(Table(listeners=(divided(plane, "salted", plan, port),), upstreams=upstreams))
            groups.append({number for number, one in enumerate(customers) if one.ask() == "two"})
    assert is_likely(len(groups[0] & groups[1]), 400, 0.25 * 0.25)


def header(name: str, how: Comparison = Comparison.PRESENT, value: str = "") -> Condition:
    return Condition(Where.HEADER, name, how, value)


@pytest.mark.parametrize(
    ("when", "path", "headers", "fits"),
    [
        ([header("X-Employee")], "/", {"x-employee": "maxine"}, True),
        ([header("X-Employee")], "/", {}, False),
        ([header("X-Employee", Comparison.IS, "1")], "/", {"X-Employee": "1"}, True),
        ([header("X-Employee", Comparison.IS, "1")], "/", {"X-Employee": "11"}, False),
        ([header("X-Employee", Comparison.PREFIX, "1")], "/", {"X-Employee": "11"}, True),
        ([Condition(Where.COOKIE, "beta", Comparison.IS, "yes")], "/", {"Cookie": "a=b; beta=yes"}, True),
        ([Condition(Where.COOKIE, "beta", Comparison.IS, "yes")], "/", {"Cookie": "xbeta=yes; beta=yes2"}, False),
        ([Condition(Where.COOKIE, "beta", Comparison.PRESENT)], "/", {"Cookie": "andon-side=1; beta="}, True),
        ([Condition(Where.COOKIE, "beta", Comparison.PRESENT)], "/", {"Cookie": "alpha=beta"}, False),
        ([Condition(Where.QUERY, "v", Comparison.IS, "2")], "/?a=1&v=2", {}, True),
        ([Condition(Where.QUERY, "v", Comparison.PRESENT)], "/?vv=2", {}, False),
        ([Condition(Where.PATH, how=Comparison.PREFIX, value="/api/")], "/api/v1?x", {}, True),
        ([Condition(Where.PATH, how=Comparison.PREFIX, value="/api")], "/api", {}, True),
        ([Condition(Where.PATH, how=Comparison.PREFIX, value="/api")], "/apiary", {}, False),
        ([Condition(Where.PATH, value="/api")], "/api?x=1", {}, True),
        ([Condition(Where.PATH, value="/api")], "/api/v1", {}, False),
        ([Condition(Where.PATH, how=Comparison.PREFIX, value="/")], "/anything", {}, True),
        ([header("a"), header("b")], "/", {"a": "1"}, False),
        ([header("a"), header("b")], "/", {"a": "1", "b": "1"}, True),
    ],
)
def test_a_match_leads_its_requests_to_a_set_without_any_share(
    plane: EnvoyDataPlane,
    upstreams: tuple[Upstream, ...],
    when: list[Condition],
    path: str,
    headers: dict[str, str],
    fits: bool,
) -> None:
    plan = canary(0, sticky=Sticky(salt="d1"), matches=(Match(tuple(when), TWO),))
    one = divided(plane, "matched", plan)
    plane.follow(Table(listeners=(one,), upstreams=upstreams))
    imagined = InMemoryDataPlane()
    imagined.follow(Table(listeners=(one,), upstreams=upstreams))
    assert imagined.serves(one.name, Imagined(path=path, headers=headers)) == (TWO if fits else ONE)
    with asking(one.port) as connection:
        assert Customer(connection, headers=headers).ask(path) == ("two" if fits else "one")


def test_what_a_customer_says_of_their_number_is_not_believed(
    plane: EnvoyDataPlane, upstreams: tuple[Upstream, ...]
) -> None:
    one = divided(plane, "claimed", canary(1, sticky=Sticky(StickyBy.HEADER, "x-user", salt="d1")))
    plane.follow(Table(listeners=(one,), upstreams=upstreams))
    with asking(one.port) as connection:
        claiming = Customer(connection, headers={"andon-number": "0"})
        assert Counter(claiming.ask() for _ in range(50))["two"] <= 2


def test_a_canary_that_is_killed_fails_only_what_was_under_way_in_it(
    plane: EnvoyDataPlane, upstreams: tuple[Upstream, ...], sockets: Path
) -> None:
    path = sockets / "dying.sock"
    with instance(path, "dying") as process:
        dying = Upstream(set=DYING, endpoints=(f"unix:{path}",))
        plan = Plan(
            shares=(Share(ONE, 50_000), Share(DYING, 50_000)),
            arms={ONE: Arm.STABLE, DYING: Arm.CANARY},
            sticky=Sticky(salt="d1"),
        )
        one = divided(plane, "rescued", plan)
        plane.follow(Table(listeners=(one,), upstreams=(*upstreams, dying)))
        with Crowd(one.port, connections=3) as crowd:
            wait_until(lambda: Counter(said for _, said in crowd.answers)["dying"] > 50)
            process.kill()
            process.wait()
            asked = len(crowd.answers)
            wait_until(lambda: len(crowd.answers) > asked + 300)
    # What had been sent to it may have been done: only the customer can tell whether to ask again. That is one request
    # a connection, and one more that was sent before the router saw that it had gone.
    assert Counter(status for status, _ in crowd.answers)[503] + len(crowd.broken) <= 2 * 3
    assert {said for _, said in crowd.answers[-250:]} == {"one"}
    counted = plane.statistics()
    assert counted is not None
    (gone,) = [found for found in counted.sets if found.set == DYING]
    assert gone.connection_failures > 50  # told of it, not of who helped out
    assert gone.answers.get(5, 0) <= 2 * 3


def test_a_canary_without_an_instance_leaves_its_share_to_the_stable_version() -> None:
    rule = Rule(weights=((TWO, 40_000), (ONE, 60_000)), rescue=ONE)
    assert reachable(rule, {ONE}).weights == ((ONE, PARTS),)
    assert reachable(rule, {ONE, TWO}) == rule
    assert reachable(rule, ()).weights == ((ONE, PARTS),)


def test_a_killed_router_comes_back_with_the_same_division(
    plane: EnvoyDataPlane, upstreams: tuple[Upstream, ...]
) -> None:
    one = divided(plane, "killed", canary(50_000, sticky=Sticky(salt="d1")))
    plane.follow(Table(listeners=(one,), upstreams=upstreams))
    with asking(one.port) as connection:
        customers = [Customer(connection) for _ in range(60)]
        before = [customer.ask() for customer in customers]
    assert set(before) == {"one", "two"}
    keepers = plane.entry("x").parents[2] / "keepers"
    kept = control.state(keepers, KEEPER)
    assert kept is not None
    assert kept.init is not None
    os.kill(kept.init.pid, signal.SIGKILL)
    wait_until(lambda: (control.state(keepers, KEEPER) or kept).restarts > kept.restarts)
    wait_until(lambda: not nobody_listens(one.port))
    with asking(one.port) as connection:
        for customer in customers:
            customer.connection = connection
        assert [customer.ask() for customer in customers] == before
    plane.follow(Table(listeners=(one,), upstreams=upstreams))


def test_the_log_tells_which_set_served_whatever_its_share(
    plane: EnvoyDataPlane, upstreams: tuple[Upstream, ...], sockets: Path
) -> None:
    one = divided(plane, "told", canary(30_000))
    gone = divided(plane, "gone", canary(PARTS))
    nobody = Upstream(set=TWO, endpoints=(f"unix:{sockets / 'nobody.sock'}",))
    plane.follow(Table(listeners=(one,), upstreams=upstreams))
    reader = Reader(plane.entry("x").parents[2] / "router", "told", "gone")
    with asking(one.port) as connection:
        said = [Customer(connection).ask() for _ in range(40)]
    told = reader.next(40)
    assert [{ONE: "one", TWO: "two"}[found.set or THREE] for found in told] == said
    assert {found.attempts for found in told} == {1}
    plane.follow(Table(listeners=(gone,), upstreams=(upstreams[0], nobody)))
    with asking(gone.port) as connection:
        assert Customer(connection).ask() == "one"
    (rescued,) = reader.next(1)
    assert (rescued.set, rescued.attempts, rescued.status) == (ONE, 2, 200)


def test_one_address_serves_two_services_while_the_new_one_takes_over(
    plane: EnvoyDataPlane, upstreams: tuple[Upstream, ...]
) -> None:
    new = Service("new")
    port, before = free_port(), set[int]()
    with asking(port) as connection:
        customers = [Customer(connection) for _ in range(200)]
        for parts in (20_000, 60_000, PARTS):
            forward = Forward(
                service=new,
                environment="production",
                when=(Condition(Where.PATH, how=Comparison.PREFIX, value="/api"),),
                parts=parts,
            )
            one = replace(
                listener(plane, "old", port),
                rules=tuple(
                    rules_of(
                        Live(set=ONE, plan=None),
                        Forwarding(forwards=(forward,)),
                        {(new, "production"): Live(set=TWO, plan=None)},
                        "old.production",
                    )
                ),
            )
            plane.follow(Table(listeners=(one,), upstreams=upstreams))
            there = {number for number, found in enumerate(customers) if found.ask("/api/orders") == "two"}
            assert there >= before
            assert is_likely(len(there), len(customers), parts / PARTS)
            assert {found.ask("/") for found in customers[:20]} == {"one"}
            before = there


TOKEN = "aZ0!#$%&'*+.^_`|~-"
PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))


def test_whatever_a_plan_may_say_the_router_takes(plane: EnvoyDataPlane, upstreams: tuple[Upstream, ...]) -> None:
    """A file that it refused would hold up every other environment as well."""
    odd = (
        *(Condition(where, TOKEN, Comparison.PRESENT) for where in (Where.HEADER, Where.COOKIE)),
        *(Condition(where, TOKEN, how, PRINTABLE) for where in (Where.HEADER, Where.COOKIE) for how in EQUAL),
        *(Condition(Where.QUERY, "a.b-c_d~1", how, PRINTABLE) for how in EQUAL),
        Condition(Where.QUERY, "q" * 100, Comparison.IS, "%2F+&=\\" * 20),
    )
    paths = ("/", "//", "/a//", "/%zz", "/a;b=c", "/.." * 3, "/" + PRINTABLE.translate({32: "", 35: "", 63: ""}))
    matches = [Match((one,), TWO) for one in odd]
    matches += [Match((Condition(Where.PATH, how=how, value=path), *odd[:7]), TWO) for path in paths for how in EQUAL]
    plan = Plan(
        shares=(Share(ONE, PARTS - 1), Share(TWO, 1)),
        arms={ONE: Arm.STABLE, TWO: Arm.CANARY, THREE: Arm.DARK},
        matches=tuple(matches),
        mirror=Mirror(THREE, PARTS, tuple("ABCDEFGHIJKLMNOP"[:n] for n in range(1, 17))),
        sticky=Sticky(StickyBy.COOKIE, TOKEN, salt=PRINTABLE),
    )
    one = divided(plane, "odd", plan)
    plane.follow(Table(listeners=(one,), upstreams=upstreams))
    with asking(one.port) as connection:
        customer = Customer(connection)
        assert customer.ask("/?a.b-c_d~1=x") == "one"
        assert Customer(connection, headers={TOKEN: "1"}).ask("/") == "two"
        assert Customer(connection, cookies={TOKEN: "1"}).ask("/") == "two"
