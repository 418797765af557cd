"""What is recorded of environments, sets and instances, on both databases."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from andon.flow.artifacts.contract import Digest
from andon.flow.configuration.contract import ConfigVersion
from andon.flow.definition.contract import EnvironmentDefinition
from andon.flow.definition.reader import YamlDefinitionReader
from andon.flow.environments import storage
from andon.flow.environments.contract import (
    EnvironmentCreated,
    EnvironmentDestroyed,
    Health,
    InstanceHealthChanged,
    InstanceRestarted,
    ReplacementReason,
    SetPrepared,
    SetSpec,
    SetStandingChanged,
    SetState,
    Standing,
)
from andon.flow.environments.memory import Behaviour, InMemoryEnvironments
from andon.flow.environments.model import NameInvalid, NoPortFree, PortTaken, StillInUse
from andon.flow.sources.contract import CommitHash, Service, Sources
from andon.kernel.access import SYSTEM, Role
from andon.kernel.clock import SettableClock
from andon.kernel.db import Database
from andon.kernel.errors import Forbidden, NotFound
from andon.kernel.events import Event, Facets, page
from tests.flow.environments.made import SHOP, Make, OneFile, principal
from tests.flow.environments.place import DEFINITION

COMMIT = CommitHash("c" * 40)
PLACE = EnvironmentDefinition(name="production", instances={"web": 2})


def events(database: Database) -> list[Event]:
    with database.reading() as reading:
        found = [one.decode() for one in page(reading, Facets(), after=0, limit=1000)]
    return [one for one in found if one is not None]


def spec(deployment: str = "dep_1") -> SetSpec:
    return SetSpec(
        service=SHOP,
        environment="production",
        deployment=deployment,
        commit=COMMIT,
        digest=Digest("d" * 64),
        config_version=ConfigVersion(0),
    )


def test_an_environment_is_made_once_and_keeps_its_port(database: Database, make: Make) -> None:
    service = make(taken=(7800,))
    for _ in range(2):
        with database.transaction() as tx:
            found = service.ensure(tx, SYSTEM, SHOP, PLACE)
        assert (found.port, found.address, found.like) == (7801, "http://127.0.0.1:7801", "production")
    with database.transaction() as tx:
        other = service.ensure(tx, SYSTEM, Service("other"), PLACE)
    assert other.port == 7802
    assert [type(one) for one in events(database)] == [EnvironmentCreated] * 2


def test_two_environments_never_get_one_port(database: Database, make: Make) -> None:
    with database.transaction() as tx:
        make().ensure(tx, SYSTEM, SHOP, PLACE)
        # What a transaction meets that chose before another was committed.
        assert not storage.insert_environment(
            tx.connection,
            service="other",
            name="production",
            like="production",
            port=7800,
            created_at=tx.now,
            created_by="x",
            expires_at=None,
        )
        assert make().ensure(tx, SYSTEM, Service("other"), PLACE).port == 7801


def test_ports_that_cannot_be_had_are_refused(database: Database, make: Make) -> None:
    with database.transaction() as tx:
        make().ensure(tx, SYSTEM, SHOP, replace(PLACE, port=7805))
    with database.transaction() as tx, pytest.raises(PortTaken, match="another environment"):
        make().ensure(tx, SYSTEM, Service("other"), replace(PLACE, port=7805))
    with database.transaction() as tx, pytest.raises(PortTaken, match="another program"):
        make(taken=(7806,)).ensure(tx, SYSTEM, Service("other"), replace(PLACE, port=7806))
    with database.transaction() as tx, pytest.raises(NoPortFree, match="7805 to 7805"):
        make(7805, 7805).ensure(tx, SYSTEM, Service("other"), PLACE)
    with database.transaction() as tx:
        assert make().ensure(tx, SYSTEM, SHOP, replace(PLACE, port=7807)).port == 7807


@pytest.mark.parametrize("name", ["", "Production", "../x", "a" * 41, "a_b", "-a", "a-", "a\n", "ä"])
def test_a_name_that_is_none_is_refused(sqlite_database: Database, make: Make, name: str) -> None:
    with sqlite_database.transaction() as tx, pytest.raises(NameInvalid):
        make().ensure(tx, SYSTEM, SHOP, EnvironmentDefinition(name=name), like="production")


def test_who_may_make_environments(sqlite_database: Database, make: Make) -> None:
    contributor = principal(Role.CONTRIBUTOR)
    with sqlite_database.transaction() as tx, pytest.raises(Forbidden):
        make().ensure(tx, contributor, SHOP, PLACE)
    own = EnvironmentDefinition(name="mine", instances={"web": 1}, time_to_live=3600)
    with sqlite_database.transaction() as tx:
        assert make().ensure(tx, contributor, SHOP, own, like="production").like == "production"
    with sqlite_database.transaction() as tx, pytest.raises(Forbidden):
        make().ensure(tx, principal(Role.VIEWER), SHOP, EnvironmentDefinition(name="x"), like="production")


def test_an_environments_time_runs_out(database: Database, clock: SettableClock, make: Make) -> None:
    service = make()
    with database.transaction() as tx:
        service.ensure(tx, SYSTEM, SHOP, EnvironmentDefinition(name="mine", time_to_live=3600), like="production")
        service.ensure(tx, SYSTEM, SHOP, PLACE)
    with database.reading() as reading:
        assert service.expired(reading) == ()
    clock.advance(3600)
    with database.reading() as reading:
        assert service.expired(reading) == ((SHOP, "mine"),)


def test_a_set_from_beginning_to_end(database: Database, make: Make) -> None:
    service = make()
    with database.transaction() as tx:
        service.ensure(tx, SYSTEM, SHOP, PLACE)
        made = service.prepare(tx, spec())
    with database.transaction() as tx:
        assert service.prepare(tx, spec()) == made
        assert len(service.set(tx, made).instances) == 2
        first, second = service.instances(tx, made)
        for one in (first, second):
            assert service.note_health(tx, one.id, Health.HEALTHY, "")
            assert not service.note_health(tx, one.id, Health.HEALTHY, "")
        assert service.set(tx, made).state is SetState.HEALTHY
        service.note_health(tx, first.id, Health.UNHEALTHY, "no answer")
        assert service.set(tx, made).state is SetState.DEGRADED
        service.mark(tx, made, Standing.LIVE, reason="traffic")
        service.mark(tx, made, Standing.LIVE, reason="again")
        found = service.find(tx, SHOP, "production")
        assert found is not None
        assert found.live is not None
        assert found.live.id == made
        with pytest.raises(StillInUse):
            service.remove(tx, SHOP, "production", reason="x", by=SYSTEM.actor)
        service.mark(tx, made, Standing.RETIRED, reason="enough")
        assert service.retired_running(tx, SHOP, "production") == (made,)
        service.note_stopped(tx, made)
        assert service.retired_running(tx, SHOP, "production") == ()
        service.remove(tx, SHOP, "production", reason="x", by=SYSTEM.actor)
        service.remove(tx, SHOP, "production", reason="x", by=SYSTEM.actor)
        assert service.find(tx, SHOP, "production") is None
    kinds = [type(one) for one in events(database)]
    assert kinds.count(SetPrepared) == 1
    assert kinds.count(InstanceHealthChanged) == 3
    assert kinds.count(SetStandingChanged) == 2
    assert kinds.count(EnvironmentDestroyed) == 1


def test_restarts_are_counted_over_all_keepers(database: Database, make: Make) -> None:
    service = make()
    with database.transaction() as tx:
        service.ensure(tx, SYSTEM, SHOP, PLACE)
        made = service.prepare(tx, spec())
        one = service.instances(tx, made)[0]
        for by_keeper in (1, 1, 3):
            service.note_restarts(tx, one.id, by_keeper, "it ended with 1")
        service.note_replaced(tx, one.id, ReplacementReason.LOST, "gone")
        service.note_restarts(tx, one.id, 2, "it ended with 1")
        assert service.instance(tx, one.id)[0].restarts == 6
    assert [one.times for one in events(database) if isinstance(one, InstanceRestarted)] == [1, 2, 2]


def test_only_those_who_deploy_have_instances_replaced(database: Database, make: Make) -> None:
    service = make()
    with database.transaction() as tx:
        service.ensure(tx, SYSTEM, SHOP, PLACE)
        made = service.prepare(tx, spec())
        one = service.instances(tx, made)[0]
        with pytest.raises(StillInUse):
            service.request_replacement(tx, SYSTEM, one.id)
        service.mark(tx, made, Standing.LIVE, reason="traffic")
        with pytest.raises(NotFound):
            service.request_replacement(tx, principal(Role.OPERATOR, "other"), one.id)
        with pytest.raises(Forbidden):
            service.request_replacement(tx, principal(Role.VIEWER), one.id)
        for _ in range(2):
            service.request_replacement(tx, principal(Role.DEVELOPER), one.id)
        assert service.instance(tx, one.id)[0].rebuild
    assert len([1 for one in events(database) if type(one).__name__ == "InstanceReplacementRequested"]) == 1


def test_imagined_environments_do_as_they_are_told(sqlite_database: Database, tmp_path: Path) -> None:
    sources: Sources = OneFile(DEFINITION.format(instances=1, within="5s"))  # type: ignore[assignment] # no other question is asked
    environments = InMemoryEnvironments(
        sqlite_database, sources=sources, definitions=YamlDefinitionReader(), folder=tmp_path
    )
    with sqlite_database.transaction() as tx:
        environments.ensure(tx, SYSTEM, SHOP, PLACE)
        made = environments.prepare(tx, spec())
    assert not environments.probe(made).healthy
    environments.start(made)
    environments.start(made)
    assert environments.await_healthy(made, lambda: False).healthy
    assert environments.probe(made).healthy
    environments.imagine(COMMIT, Behaviour(never_healthy="web 1: no", commands={"expand": 3}))
    assert environments.await_healthy(made, lambda: False).reason == "web 1: no"
    for key, code in (("expand-expand", 3), ("smoke-x", 0)):
        went = environments.run_command(
            made, key=key, command="x", timeout=1, variables={"A": "1"}, stopping=lambda: False
        )
        assert went.exit_code == code
    environments.imagine(COMMIT, Behaviour(unhealthy_with_traffic="broken"))
    assert environments.probe(made).healthy
    with sqlite_database.transaction() as tx:
        environments.mark(tx, made, Standing.LIVE, reason="x")
    assert environments.probe(made).reason == "broken"
    assert environments.running() == {made}
    environments.stop(made)
    assert (environments.started, environments.stopped, environments.running()) == ([made], [made], frozenset())
