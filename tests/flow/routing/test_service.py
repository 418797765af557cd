"""What is recorded of routes, and what the router is told of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.flow.artifacts.contract import Digest
from andon.flow.configuration.contract import ConfigVersion
from andon.flow.definition.contract import EnvironmentDefinition
from andon.flow.definition.reader import YamlDefinitionReader
from andon.flow.environments.contract import SetId, SetSpec, Standing
from andon.flow.environments.memory import InMemoryEnvironments
from andon.flow.routing.contract import (
    PARTS,
    Arm,
    ArmShare,
    Comparison,
    Condition,
    Forward,
    Forwarding,
    Match,
    Mirror,
    Plan,
    Share,
    Sticky,
    TrafficDivided,
    TrafficForwarded,
    TrafficSwitched,
    Where,
)
from andon.flow.routing.memory import Imagined, InMemoryDataPlane
from andon.flow.routing.model import (
    Listener,
    Outdated,
    Table,
    Upstream,
    render_clusters,
    render_listeners,
    render_route,
    version_of,
)
from andon.flow.routing.service import RouterService
from andon.flow.sources.contract import CommitHash, Service, Sources
from andon.kernel.access import SYSTEM
from andon.kernel.db import Database
from andon.kernel.errors import Conflict, NotFound, Unavailable
from andon.kernel.events import Actor, ActorKind, Event, Facets, page
from tests.flow.environments.place import DEFINITION

SHOP = Service("shop")
BRENT = Actor(ActorKind.PERSON, "person_brent", "person_brent")


class OneFile:
    def read(self, service: Service, commit: CommitHash, path: str) -> bytes | None:
        return DEFINITION.format(instances=2, within="5s").encode()


class Routed:
    """Routing over imagined environments and an imagined data plane."""

    def __init__(self, database: Database, folder: Path) -> None:
        sources: Sources = OneFile()  # type: ignore[assignment] # no other question is asked
        self.database = database
        self.environments = InMemoryEnvironments(
            database, sources=sources, definitions=YamlDefinitionReader(), folder=folder, endpoint="127.0.0.1:1"
        )
        self.plane = InMemoryDataPlane()
        self.router = RouterService(
            database=database, environments=self.environments, plane=self.plane, host="127.0.0.1"
        )

    def prepare(self, deployment: str, service: Service = SHOP) -> SetId:
        with self.database.transaction() as tx:
            self.environments.ensure(
                tx, SYSTEM, service, EnvironmentDefinition(name="production", instances={"web": 2})
            )
            return self.environments.prepare(
                tx,
                SetSpec(
                    service=service,
                    environment="production",
                    deployment=deployment,
                    commit=CommitHash("c" * 40),
                    digest=Digest("d" * 64),
                    config_version=ConfigVersion(0),
                ),
            )

    def point(self, to: SetId, fence: int, service: Service = SHOP) -> SetId | None:
        with self.database.transaction() as tx:
            return self.router.point(tx, service, "production", to=to, fence=fence, deployment="d")

    def divide(self, plan: Plan, fence: int) -> Plan | None:
        with self.database.transaction() as tx:
            return self.router.divide(tx, SHOP, "production", plan, fence=fence, deployment="d9")

    def forward(self, *forwards: Forward, version: int, service: Service = SHOP) -> Forwarding:
        with self.database.transaction() as tx:
            asked = Forwarding(forwards=forwards, version=version)
            return self.router.forward(tx, service, "production", asked, by=BRENT)

    def plan(self) -> Plan | None:
        with self.database.reading() as reading:
            return self.router.plan(reading, SHOP, "production")

    def served(self, number: int = 0, *, service: Service = SHOP, path: str = "/") -> SetId | None:
        self.router.apply()
        return self.plane.serves(f"{service}.production", Imagined(path=path, number=number))

    def told(self) -> list[Event]:
        with self.database.reading() as reading:
            found = [one.decode() for one in page(reading, Facets(), after=0, limit=100)]
        return [one for one in found if isinstance(one, TrafficSwitched | TrafficDivided | TrafficForwarded)]


@pytest.fixture
def routed(database: Database, tmp_path: Path) -> Routed:
    return Routed(database, tmp_path)


def test_traffic_moves_by_fence_and_the_plane_follows(database: Database, routed: Routed) -> None:
    environments, plane, router = routed.environments, routed.plane, routed.router
    prepare, point = routed.prepare, routed.point
    one, two = prepare("d1"), prepare("d2")
    assert point(one, 1) is None
    assert point(two, 2) == one
    assert point(two, 2) == two
    with pytest.raises(Outdated):
        point(one, 1)
    with pytest.raises(NotFound), database.transaction() as tx:
        router.point(tx, Service("other"), "production", to=one, fence=1, deployment="d")
    router.apply()
    assert [(found.name, found.set) for found in plane.table.listeners] == [("shop.production", two)]
    assert {found.set: found.endpoints for found in plane.table.upstreams} == {
        one: ("127.0.0.1:1",) * 2,
        two: ("127.0.0.1:1",) * 2,
    }
    with database.transaction() as tx:
        environments.mark(tx, one, Standing.RETIRED, reason="x")
        environments.mark(tx, two, Standing.RETIRED, reason="x")
    router.apply()
    # Nobody takes away what a route still names.
    assert [found.set for found in plane.table.upstreams] == [two]
    plane.closed = frozenset({"shop.production"})
    router.apply()
    with pytest.raises(Unavailable, match="another program"):
        router.apply((SHOP, "production"))
    with database.transaction() as tx:
        router.withdraw(tx, SHOP, "production")
        assert router.route(tx, SHOP, "production") is None
    router.apply()
    assert plane.table == Table(listeners=(), upstreams=())
    with database.reading() as reading:
        told = [one.decode() for one in page(reading, Facets(), after=0, limit=100)]
    assert [found.set for found in told if isinstance(found, TrafficSwitched)] == [one, two]


def shared(stable: SetId, canary: SetId, parts: int) -> Plan:
    return Plan(
        shares=(Share(canary, parts), Share(stable, PARTS - parts)), arms={stable: Arm.STABLE, canary: Arm.CANARY}
    )


def test_a_division_is_recorded_followed_and_over_with_the_next_switch(routed: Routed) -> None:
    one, two = routed.prepare("d1"), routed.prepare("d2")
    routed.point(one, 1)
    assert routed.plan() is None
    assert routed.divide(shared(one, two, 1_000), 2) is None
    salted = replace(shared(one, two, 1_000), sticky=Sticky(salt="d9"))  # the deployment's own unless somebody says
    assert routed.plan() == salted
    with routed.database.reading() as reading:
        route = routed.router.route(reading, SHOP, "production")
    assert route is not None
    assert (route.set, route.fence) == (one, 2)
    assert [routed.served(number) for number in (0, 999, 1_000, 99_999)] == [two, two, one, one]
    assert routed.divide(shared(one, two, 1_000), 2) == salted  # a step that is done again after a crash
    assert routed.divide(shared(one, two, 50_000), 2) == salted
    assert routed.point(one, 2) == one  # back: the version that never lost all of it
    assert routed.plan() is None
    assert routed.served(0) == one
    routed.divide(shared(one, two, PARTS), 3)
    assert routed.point(two, 3) == one
    assert routed.served(99_999) == two
    told = routed.told()
    assert [type(found) for found in told] == [
        TrafficSwitched, TrafficDivided, TrafficDivided, TrafficSwitched, TrafficDivided, TrafficSwitched,
    ]  # fmt: skip
    assert next(found.shares for found in told if isinstance(found, TrafficDivided)) == (
        ArmShare(set=one, arm=Arm.STABLE, parts=99_000),
        ArmShare(set=two, arm=Arm.CANARY, parts=1_000),
    )


def test_a_deployment_thought_dead_divides_nothing_after_its_successor(routed: Routed) -> None:
    one, two, three = (routed.prepare(name) for name in ("d1", "d2", "d3"))
    routed.point(one, 1)
    routed.divide(shared(one, two, 1_000), 3)
    for old in (lambda: routed.divide(shared(one, three, 9_000), 2), lambda: routed.point(three, 2)):
        with pytest.raises(Outdated):
            old()
    plan = routed.plan()
    assert plan is not None
    assert plan.parts(two) == 1_000
    assert routed.served(0) == two


def test_only_sets_that_can_serve_this_environment_are_given_a_share(routed: Routed) -> None:
    one, two = routed.prepare("d1"), routed.prepare("d2")
    elsewhere = routed.prepare("d3", Service("other"))
    routed.point(one, 1)
    with pytest.raises(Conflict, match="other/production, not here"):
        routed.divide(shared(one, elsewhere, 1), 1)
    with pytest.raises(NotFound):
        routed.divide(shared(one, SetId("set_nobody"), 1), 1)
    with routed.database.transaction() as tx:
        routed.environments.mark(tx, two, Standing.RETIRED, reason="x")
    with pytest.raises(Conflict, match="retired"):
        routed.divide(shared(one, two, 1), 1)
    assert routed.plan() is None
    with pytest.raises(NotFound), routed.database.transaction() as tx:
        routed.router.divide(tx, Service("nobody"), "production", shared(one, two, 1), fence=1, deployment="d")


def test_a_set_of_a_plan_stays_known_to_the_router_when_it_is_retired(routed: Routed) -> None:
    one, two, three = (routed.prepare(name) for name in ("d1", "d2", "d3"))
    routed.point(one, 1)
    plan = Plan(
        shares=(Share(one, PARTS),),
        arms={one: Arm.STABLE, two: Arm.CANARY, three: Arm.DARK},
        matches=(Match((Condition(Where.PATH, value="/new"),), two),),
        mirror=Mirror(three, 500),
    )
    routed.divide(plan, 1)
    with routed.database.transaction() as tx:
        for gone in (two, three):
            routed.environments.mark(tx, gone, Standing.RETIRED, reason="x")
    assert routed.served(path="/new") == two
    assert {known.set for known in routed.plane.table.upstreams} == {one, two, three}
    (listener,) = routed.plane.table.listeners
    assert listener.mirror == Mirror(three, 500)
    assert listener.dark.endswith("shop.production.dark")


API = (Condition(Where.PATH, how=Comparison.PREFIX, value="/api"),)
NEW = Service("new")


def test_a_path_goes_to_whatever_is_live_in_another_service(routed: Routed) -> None:
    old = routed.prepare("d1")
    first, second = routed.prepare("d2", NEW), routed.prepare("d3", NEW)
    routed.point(old, 1)
    made = routed.forward(Forward(service=NEW, environment="production", when=API), version=0)
    assert made.version == 1
    assert routed.served(path="/api/v1") == old  # as long as there is nobody
    routed.point(first, 1, NEW)
    assert [routed.served(path=path) for path in ("/api/v1", "/")] == [first, old]
    routed.point(second, 2, NEW)
    assert routed.served(path="/api/v1") == second
    assert routed.forward(*made.forwards, version=1) == made  # nothing new: no version, no event
    less = replace(made.forwards[0], parts=30_000)
    routed.forward(less, version=1)
    assert [routed.served(number, path="/api") for number in (29_999, 30_000)] == [second, old]
    with pytest.raises(Conflict, match="version 2, not 1"):
        routed.forward(version=1)
    assert routed.forward(version=2).version == 3
    assert routed.served(path="/api") == old
    told = [one for one in routed.told() if isinstance(one, TrafficForwarded)]
    assert [(one.version, [(to.service, to.path, to.parts) for to in one.forwards]) for one in told] == [
        (1, [(NEW, "/api", PARTS)]),
        (2, [(NEW, "/api", 30_000)]),
        (3, []),
    ]


def test_requests_are_never_forwarded_in_a_circle(routed: Routed) -> None:
    third = Service("third")
    for service in (SHOP, NEW, third):
        routed.prepare("d", service)

    def to(service: Service) -> Forward:
        return Forward(service=service, environment="production", when=API)

    with pytest.raises(Conflict, match="come back"):
        routed.forward(to(SHOP), version=0)
    routed.forward(to(NEW), version=0)
    routed.forward(to(third), version=0, service=NEW)
    with pytest.raises(Conflict, match="come back"):
        routed.forward(to(SHOP), version=0, service=third)
    with pytest.raises(NotFound):
        routed.forward(to(Service("nobody")), version=1)
    with pytest.raises(NotFound):
        routed.forward(to(NEW), version=0, service=Service("nobody"))


def test_what_a_removed_environment_forwarded_is_forgotten(routed: Routed) -> None:
    (routed.prepare("d1", NEW), routed.prepare("d2"))
    routed.forward(Forward(service=NEW, environment="production"), version=0)
    with routed.database.transaction() as tx:
        routed.router.forget(tx, SHOP, "production")  # told late: it has been made anew by then
        assert routed.router.forwarding(tx, SHOP, "production").version == 1
        place = routed.environments.find(tx, SHOP, "production")
        assert place is not None
        for one in place.sets:
            routed.environments.mark(tx, one.id, Standing.RETIRED, reason="x")
    for one in place.sets:
        routed.environments.stop(one.id)
    with routed.database.transaction() as tx:
        routed.environments.remove(tx, SHOP, "production", reason="x", by=BRENT)
        routed.router.forget(tx, SHOP, "production")
        assert routed.router.forwarding(tx, SHOP, "production") == Forwarding()


NAMES = st.from_regex(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?", fullmatch=True)


@given(service=NAMES, environment=NAMES, port=st.integers(1, 65535), path=st.text(min_size=1, max_size=80))
def test_whatever_the_names_the_files_are_sound(service: str, environment: str, port: int, path: str) -> None:
    one = Listener(
        service=Service(service),
        environment=environment,
        host="127.0.0.1",
        port=port,
        set=SetId("set_1"),
        entry="/run/entry.sock",
    )
    table = Table(listeners=(one,), upstreams=(Upstream(set=SetId("set_1"), endpoints=(f"unix:/{path}",)),))
    for document in (render_clusters(table), render_listeners(table, "/routes"), render_route(one)):
        decoded = msgspec.json.decode(document)
        assert decoded["version_info"] == version_of(document)
        assert decoded["resources"]
    (cluster,) = msgspec.json.decode(render_clusters(table))["resources"]
    (endpoint,) = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
    assert endpoint["endpoint"]["address"] == {"pipe": {"path": f"/{path}"}}
    assert "/" not in one.name
    assert render_clusters(table) == render_clusters(table)
