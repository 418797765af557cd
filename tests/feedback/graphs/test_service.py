"""Annotations and dashboards on both databases, and who may make them."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from andon.feedback.graphs.contract import (
    Annotated,
    AnnotationRemoved,
    CauseKind,
    DashboardName,
    DashboardRemoved,
    DashboardSaved,
)
from andon.feedback.graphs.model.panels import Dashboard, Panel, Query
from andon.feedback.graphs.service import GraphsService
from andon.flow.sources.contract import Service
from andon.kernel.access import Grant, Permission, PersonId, Principal, Role
from andon.kernel.access.people import PeopleDirectory
from andon.kernel.clock import SettableClock
from andon.kernel.db import Database
from andon.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from andon.kernel.events import Actor, ActorKind, page

GRAPHS = GraphsService(PeopleDirectory())
DAY = Dashboard(
    name=DashboardName("day"), title="Day", panels=(Panel(title="Orders", queries=(Query(text="orders"),)),)
)


def principal(role: Role, service: str | None = None, **more: object) -> Principal:
    actor = Actor(ActorKind.PERSON, "brent", "brent")
    made = Principal(actor=actor, person=PersonId("brent"), grants=(Grant(role, service),), **more)  # type: ignore[arg-type]  # handed on
    return made


BRENT = principal(Role.CONTRIBUTOR, "store")
VIEWER = principal(Role.VIEWER)
STRANGER = principal(Role.DEVELOPER, "other")


def test_an_annotation_is_drawn_where_it_concerns_and_told_in_the_record(database: Database) -> None:
    with database.transaction() as tx:
        at = tx.now - timedelta(hours=2)
        made = GRAPHS.annotate(tx, BRENT, "  Sale\nbegan ", service="store", at=at, until=tx.now)
        GRAPHS.annotate(tx, BRENT, "Everybody's")
    with database.reading() as reading:
        start, end = ms(reading.now - timedelta(hours=3)), ms(reading.now)
        found, more = GRAPHS.causes(reading, BRENT, start, end, service="store", environment="production")
        assert [one.title for one in found] == ["Sale began", "Everybody's"]
        assert found[0].kind is CauseKind.ANNOTATION
        assert found[0].until == end
        assert more == 0
        others, _ = GRAPHS.causes(reading, BRENT, start, end, service="other")
        assert [one.title for one in others] == ["Everybody's"]
        seen, _ = GRAPHS.causes(reading, STRANGER, start, end)
        assert [one.title for one in seen] == ["Everybody's"], "what concerns a service is seen by who may see it"
        still, _ = GRAPHS.causes(reading, BRENT, end - 60_000, end, service="store")
        assert "Sale began" in [one.title for one in still], "it lasts until then"
    with database.transaction() as tx:
        GRAPHS.remove_annotation(tx, BRENT, made)
    with database.reading() as reading:
        found, _ = GRAPHS.causes(reading, BRENT, start, end, service="store")
        assert [one.title for one in found] == ["Everybody's"]
        assert [type(one.decode()) for one in page(reading)] == [AnnotationRemoved, Annotated, Annotated]


def test_only_who_may_push_annotates(database: Database) -> None:
    bound = principal(Role.DEVELOPER, scopes=frozenset({Permission.READ}))
    with database.transaction() as tx:
        for who, service in ((VIEWER, None), (VIEWER, "store"), (bound, "store"), (bound, None)):
            with pytest.raises(Forbidden):
                GRAPHS.annotate(tx, who, "no", service=service)
        with pytest.raises(NotFound):
            GRAPHS.annotate(tx, STRANGER, "no", service="store")
        made = GRAPHS.annotate(tx, BRENT, "yes", service="store")
        with pytest.raises(NotFound):
            GRAPHS.remove_annotation(tx, STRANGER, made)
        with pytest.raises(Forbidden):
            GRAPHS.remove_annotation(tx, VIEWER, made)


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("", {}),
        ("x" * 301, {}),
        ("bell \x07", {}),
        ("x", {"service": "no/way"}),
        ("x", {"environment": "production"}),
    ],
)
def test_an_annotation_that_breaks_a_rule_is_refused(
    sqlite_database: Database, text: str, more: dict[str, str]
) -> None:
    with sqlite_database.transaction() as tx, pytest.raises(Invalid):
        GRAPHS.annotate(tx, principal(Role.ADMINISTRATOR), text, **more)  # type: ignore[arg-type]  # names of places


def test_every_version_of_a_dashboard_is_kept_with_what_it_changed(database: Database) -> None:
    newer = Dashboard(name=DAY.name, title="Whole day", panels=DAY.panels)
    with database.transaction() as tx:
        assert GRAPHS.save(tx, BRENT, DAY).version == 1
        assert GRAPHS.save(tx, BRENT, DAY).version == 1, "the same again changes nothing"
        assert GRAPHS.save(tx, BRENT, newer).version == 2
    with database.reading() as reading:
        assert GRAPHS.dashboard(reading, VIEWER, "day").dashboard == newer
        second, first = GRAPHS.history(reading, VIEWER, "day")
        assert [(one.sign, one.text.strip()) for one in second.changes if one.sign != " "] == [
            ("-", '"title": "Day",'),
            ("+", '"title": "Whole day",'),
        ]
        assert {one.sign for one in first.changes} == {"+"}
    with database.transaction() as tx:
        GRAPHS.remove(tx, BRENT, "day")
        with pytest.raises(NotFound):
            GRAPHS.remove(tx, BRENT, "day")
    with database.reading() as reading:
        assert GRAPHS.dashboards(reading, VIEWER) == ()
        with pytest.raises(NotFound):
            GRAPHS.dashboard(reading, VIEWER, "day")
        kinds = [type(one.decode()) for one in page(reading)]
        assert kinds == [DashboardRemoved, DashboardSaved, DashboardSaved]
    with database.transaction() as tx:
        assert GRAPHS.save(tx, BRENT, DAY).version == 4, "saving brings it back"


def test_a_dashboard_of_a_service_is_seen_and_changed_by_who_may(database: Database) -> None:
    stores = Dashboard(name=DAY.name, title="Store", panels=DAY.panels, service=Service("store"))
    with database.transaction() as tx:
        GRAPHS.save(tx, BRENT, stores)
        with pytest.raises(Forbidden):
            GRAPHS.save(tx, VIEWER, DAY)
        with pytest.raises(Conflict):
            GRAPHS.save(tx, STRANGER, DAY)
        with pytest.raises(Conflict):
            GRAPHS.remove(tx, STRANGER, "day")
    with database.reading() as reading:
        assert GRAPHS.dashboards(reading, STRANGER) == ()
        assert len(GRAPHS.dashboards(reading, BRENT)) == 1
        for look in (GRAPHS.dashboard, GRAPHS.history):
            with pytest.raises(NotFound):
                look(reading, STRANGER, "day")


def test_causes_are_bounded_and_counted(sqlite_database: Database, clock: SettableClock) -> None:
    with sqlite_database.transaction() as tx:
        for number in range(12):
            GRAPHS.annotate(tx, BRENT, f"n{number}", service="store", at=tx.now - timedelta(minutes=number))
    with sqlite_database.reading() as reading:
        found, more = GRAPHS.causes(reading, BRENT, 0, ms(reading.now), service="store", most=5)
    assert [one.title for one in found] == ["n4", "n3", "n2", "n1", "n0"]
    assert more >= 1


def ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
