"""Giving environments more time to live, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from andon.flow.definition.contract import EnvironmentDefinition
from andon.flow.environments.contract import LONGEST_LIFE, EnvironmentExtended
from andon.flow.environments.model import EndMoved, NoEnd, TimeOver, TooFarAhead
from andon.flow.environments.service import EnvironmentService
from andon.flow.sources.contract import Service
from andon.kernel.access import SYSTEM, Role
from andon.kernel.clock import SettableClock
from andon.kernel.db import Database
from andon.kernel.errors import Forbidden, Invalid, NotFound
from andon.kernel.events import Facets, page
from tests.flow.environments.made import SHOP, Make, principal

HOUR = 3600.0
DAY = 24 * HOUR


@pytest.fixture
def service(database: Database, make: Make) -> EnvironmentService:
    """With ``mine``, which lives for eight hours, and ``production``, which stays."""
    made = make()
    with database.transaction() as tx:
        mine = EnvironmentDefinition(name="mine", time_to_live=8 * HOUR)
        made.ensure(tx, SYSTEM, SHOP, mine, like="production")
        made.ensure(tx, SYSTEM, SHOP, EnvironmentDefinition(name="production"))
    return made


def test_more_time_is_added_to_the_end_and_recorded(
    database: Database, clock: SettableClock, service: EnvironmentService
) -> None:
    end = clock.now() + timedelta(hours=8)
    clock.advance(7 * HOUR)
    wes = principal(Role.CONTRIBUTOR, SHOP)
    with database.transaction() as tx:
        assert service.extend(tx, wes, SHOP, "mine", 2 * DAY, ending=end) == end + timedelta(days=2)
    with database.reading() as reading:
        found = service.find(reading, SHOP, "mine")
        (envelope,) = page(reading, Facets(type="dev.andon.environment.extended.v1"), limit=10)
    assert found is not None
    assert found.expires_at == end + timedelta(days=2)
    assert envelope.decode() == EnvironmentExtended(
        environment="mine", service=SHOP, expires_at=end + timedelta(days=2), expired_at=end
    )
    assert envelope.actor == wes.actor
    clock.advance(2 * DAY)
    with database.reading() as reading:
        assert service.expired(reading) == ()
    clock.advance(HOUR)
    with database.reading() as reading:
        assert service.expired(reading) == ((SHOP, "mine"),)


def test_nothing_lives_for_ever_by_accident(
    database: Database, clock: SettableClock, service: EnvironmentService
) -> None:
    for seconds in (LONGEST_LIFE, LONGEST_LIFE + 1, 1e300, float("inf")):
        with database.transaction() as tx, pytest.raises(TooFarAhead, match="more than 90 days"):
            service.extend(tx, SYSTEM, SHOP, "mine", seconds)
    for seconds in (0.0, -1.0, float("nan")):
        with database.transaction() as tx, pytest.raises(Invalid, match="more than nothing"):
            service.extend(tx, SYSTEM, SHOP, "mine", seconds)
    with database.transaction() as tx:
        service.extend(tx, SYSTEM, SHOP, "mine", LONGEST_LIFE - 8 * HOUR)
    with database.transaction() as tx, pytest.raises(TooFarAhead):
        service.extend(tx, SYSTEM, SHOP, "mine", 60)
    clock.advance(DAY)
    with database.transaction() as tx:
        service.extend(tx, SYSTEM, SHOP, "mine", DAY)


def test_what_has_no_end_or_has_ended_is_refused(
    database: Database, clock: SettableClock, service: EnvironmentService
) -> None:
    with database.transaction() as tx, pytest.raises(NoEnd, match="stays until somebody destroys it"):
        service.extend(tx, SYSTEM, SHOP, "production", DAY)
    clock.advance(8 * HOUR)
    with database.transaction() as tx:
        assert service.is_over(tx, SHOP, "mine")
        assert not service.is_over(tx, SHOP, "production")
        with pytest.raises(TimeOver, match="was over at"):
            service.extend(tx, SYSTEM, SHOP, "mine", DAY)
    with database.transaction() as tx:
        service.remove(tx, SHOP, "mine", reason="its time to live is over", by=SYSTEM.actor)
        assert not service.is_over(tx, SHOP, "mine")
        with pytest.raises(NotFound, match="it has ended"):
            service.extend(tx, SYSTEM, SHOP, "mine", DAY)


def test_two_who_extend_the_same_end_do_not_add_up_unseen(
    database: Database, clock: SettableClock, service: EnvironmentService
) -> None:
    end = clock.now() + timedelta(hours=8)
    with database.transaction() as tx:
        service.extend(tx, SYSTEM, SHOP, "mine", DAY, ending=end)
    with database.transaction() as tx, pytest.raises(EndMoved, match="in the meantime"):
        service.extend(tx, SYSTEM, SHOP, "mine", DAY, ending=end)


def test_who_may_extend(sqlite_database: Database, make: Make) -> None:
    made = make()
    with sqlite_database.transaction() as tx:
        for name, like in (("mine", "production"), ("passing", None)):
            made.ensure(tx, SYSTEM, SHOP, EnvironmentDefinition(name=name, time_to_live=HOUR), like=like)
    for who, name, error in (
        (principal(Role.VIEWER), "mine", Forbidden),
        (principal(Role.CONTRIBUTOR), "passing", Forbidden),
        (principal(Role.OPERATOR, "other"), "mine", NotFound),
        (principal(Role.DEVELOPER, SHOP, "passing"), "mine", Forbidden),
    ):
        with sqlite_database.transaction() as tx, pytest.raises(error):
            made.extend(tx, who, SHOP, name, HOUR)
    for who, name in (
        (principal(Role.CONTRIBUTOR), "mine"),
        (principal(Role.DEVELOPER, SHOP, "passing"), "passing"),
    ):
        with sqlite_database.transaction() as tx:
            made.extend(tx, who, Service(SHOP), name, HOUR)
