"""What is recorded of routes, and what the router is told of it."""

from __future__ import annotations

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
from andon.flow.routing.contract import TrafficSwitched
from andon.flow.routing.memory import InMemoryDataPlane
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
from andon.kernel.errors import NotFound, Unavailable
from andon.kernel.events import Facets, page
from tests.flow.environments.place import DEFINITION

SHOP = Service("shop")


class OneFile:
    def read(self, service: Service, commit: CommitHash, path: str) -> bytes | None:
        return DEFINITION.format(instances=2, within="5s").encode()


def test_traffic_moves_by_fence_and_the_plane_follows(database: Database, tmp_path: Path) -> None:
    sources: Sources = OneFile()  # type: ignore[assignment] # no other question is asked
    environments = InMemoryEnvironments(
        database, sources=sources, definitions=YamlDefinitionReader(), folder=tmp_path, endpoint="127.0.0.1:1"
    )
    plane = InMemoryDataPlane()
    router = RouterService(database=database, environments=environments, plane=plane, host="127.0.0.1")

    def prepare(deployment: str) -> SetId:
        with database.transaction() as tx:
            environments.ensure(tx, SYSTEM, SHOP, EnvironmentDefinition(name="production", instances={"web": 2}))
            return environments.prepare(
                tx,
                SetSpec(
                    service=SHOP,
                    environment="production",
                    deployment=deployment,
                    commit=CommitHash("c" * 40),
                    digest=Digest("d" * 64),
                    config_version=ConfigVersion(0),
                ),
            )

    def point(to: SetId, fence: int) -> SetId | None:
        with database.transaction() as tx:
            return router.point(tx, SHOP, "production", to=to, fence=fence, deployment="d")

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
