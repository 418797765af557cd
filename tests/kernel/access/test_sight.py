"""Who may see which events, asked of the database and of an event at hand: one answer."""

from __future__ import annotations

import inspect
from itertools import product

import pytest

from andon.kernel.access import Grant, Permission, PersonId, Principal, Role, contract
from andon.kernel.db import Database
from andon.kernel.events import Actor, ActorKind, Event, Facets, Sight, append, event_types, page
from andon.kernel.events.sight import ABOUT_ACCOUNTS
from tests.kernel.events.declared import Happened

MAXINE, BRENT = PersonId("per_maxine"), PersonId("per_brent")


def of(person: PersonId) -> tuple[Event, ...]:
    return (
        contract.SignedIn(person=person, session=f"ses_{person}"),
        contract.PersonInvited(person=person),
        contract.TokenCreated(token=f"tok_{person}", person=person, scopes=None, services=None, expires_at=None),
        contract.TokenRevoked(token=f"tok_{person}", person=person),
        contract.RoleGranted(person=person, role=Role.VIEWER, service="shop", environment=None),
    )


OF_SERVICES = (Happened(thing="a", service="shop"), Happened(thing="b", service="payroll"), Happened(thing="c"))
UNKNOWN = contract.SignInFailed(person=contract.UNKNOWN)


def seen(database: Database, sight: Sight | None) -> set[tuple[str, str]]:
    with database.reading() as reading:
        asked = page(reading, Facets(sight=sight))
        everything = page(reading)
    if sight is not None:
        assert asked == tuple(one for one in everything if sight.covers(one)), "the two say the same"
    return {(one.type, one.subject) for one in asked}


def all_of(*happened: Event) -> set[tuple[str, str]]:
    return {(one.type, f"{one.subject_field}:{getattr(one, one.subject_field)}") for one in happened}


@pytest.fixture
def told(database: Database) -> Database:
    with database.transaction() as tx:
        for one in (*of(MAXINE), *of(BRENT), *OF_SERVICES, UNKNOWN):
            # By an administrator: whose account it is about does not follow from who did it.
            append(tx, one, by=Actor(ActorKind.PERSON, MAXINE, MAXINE))
    return database


def who(person: PersonId, *grants: Grant, **restricted: frozenset[Permission] | frozenset[str]) -> Sight:
    actor = Actor(ActorKind.PERSON, person, person)
    return Principal(actor=actor, person=person, grants=grants, **restricted).sight()  # type: ignore[arg-type] # either


def test_accounts_are_their_owners_and_those_who_manage_people(told: Database) -> None:
    shop, _, general = OF_SERVICES
    everything = all_of(*of(MAXINE), *of(BRENT), *OF_SERVICES, UNKNOWN)
    assert seen(told, None) == everything
    assert seen(told, who(MAXINE, Grant(Role.ADMINISTRATOR))) == everything
    assert seen(told, who(BRENT, Grant(Role.OPERATOR))) == all_of(*of(BRENT), *OF_SERVICES)
    assert seen(told, who(BRENT, Grant(Role.VIEWER, "shop"))) == all_of(*of(BRENT), shop, general)
    assert seen(told, who(MAXINE, Grant(Role.ADMINISTRATOR, "shop"))) == all_of(*of(MAXINE), shop, general)


def test_a_token_sees_no_more_than_it_is_for(told: Database) -> None:
    administrator = Grant(Role.ADMINISTRATOR)
    reading = who(MAXINE, administrator, scopes=frozenset({Permission.READ}))
    assert seen(told, reading) == all_of(*of(MAXINE), *OF_SERVICES)
    bound = who(MAXINE, administrator, services=frozenset({"shop"}))
    assert seen(told, bound) == all_of(OF_SERVICES[0], OF_SERVICES[2])


def test_the_database_and_the_event_say_the_same_for_every_sight(told: Database) -> None:
    services = (None, frozenset[str](), frozenset({"shop"}))
    # "%" and "_" would match anything, were they not escaped.
    for one in product(services, (True, False), (None, BRENT, "per_%", "per_bren_", "")):
        seen(told, Sight(services=one[0], accounts=one[1], account=one[2]))


def test_events_about_accounts_are_known_by_their_type() -> None:
    declared = {kind for _, kind in inspect.getmembers(contract, inspect.isclass) if issubclass(kind, Event)} - {Event}
    assert {kind for kind in event_types().values() if kind.type.startswith(ABOUT_ACCOUNTS)} == declared
    for kind in event_types().values():
        if kind.subject_field in {"person", "token"}:
            assert kind in declared, f"{kind.type} is about an account, and everybody would see it"
