"""Roles, tokens, and being forgotten, on both databases."""

from __future__ import annotations

import contextlib
import stat
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from andon.kernel.access import (
    OPERATOR,
    Grant,
    Permission,
    PersonId,
    Principal,
    Role,
    people,
    signing_in,
    tokens,
)
from andon.kernel.access.contract import ERASED
from andon.kernel.access.roster import member, roster
from andon.kernel.clock import SettableClock
from andon.kernel.db import Database
from andon.kernel.errors import Conflict, Forbidden, Invalid, NotAuthenticated, NotFound
from andon.kernel.events import ANDON, ActorKind, page


def administrator(database: Database, name: str = "Maxine") -> PersonId:
    with database.transaction() as tx:
        link = people.offer_first_administrator(tx)
        assert link is not None
        return people.create_first_administrator(tx, link.secret, name=name, password_hash="x")


def invited(database: Database, name: str, *roles: Grant, email: str | None = None) -> PersonId:
    with database.transaction() as tx:
        link = people.invite(tx, name=name, email=email, roles=roles, by=ANDON)
    assert link.person is not None
    return link.person


def principal(database: Database, person: PersonId) -> Principal:
    with database.reading() as reading:
        grants = signing_in.grants_of(reading, person)
    return Principal(actor=signing_in.person_actor(person), person=person, grants=grants)


def test_roles_are_granted_and_taken_away(database: Database) -> None:
    brent = invited(database, "Brent")
    deploys = Grant(Role.OPERATOR, "store", "staging")
    with database.transaction() as tx:
        people.grant_role(tx, brent, deploys, by=ANDON)
        people.grant_role(tx, brent, deploys, by=ANDON)
    who = principal(database, brent)
    assert who.may(Permission.DEPLOY, "store", "staging")
    assert who.may(Permission.READ, "store")
    assert not who.may(Permission.DEPLOY, "store", "production")
    assert not who.may(Permission.READ, "payment")
    with database.transaction() as tx:
        people.revoke_role(tx, brent, deploys, by=ANDON)
        with pytest.raises(NotFound):
            people.revoke_role(tx, brent, deploys, by=ANDON)
        recorded = [one.type for one in page(tx)]
    assert principal(database, brent).grants == ()
    assert recorded.count("dev.andon.role.granted.v1") == 1
    assert recorded.count("dev.andon.role.revoked.v1") == 1


def test_a_role_on_an_environment_needs_its_service(database: Database) -> None:
    brent = invited(database, "Brent")
    with database.transaction() as tx, pytest.raises(Invalid):
        people.grant_role(tx, brent, Grant(Role.VIEWER, None, "production"), by=ANDON)


@pytest.mark.parametrize("place", ["a b", "x" * 81, "store\0", "../store", "", "a/b"])
def test_a_role_holds_only_on_what_can_be_a_name(database: Database, place: str) -> None:
    brent = invited(database, "Brent")
    for role in (Grant(Role.VIEWER, place), Grant(Role.VIEWER, "store", place)):
        with database.transaction() as tx, pytest.raises(Invalid):
            people.grant_role(tx, brent, role, by=ANDON)
    assert principal(database, brent).grants == ()


def test_the_operator_is_nobody_whose_roles_or_password_change(database: Database, tmp_path: Path) -> None:
    administrator(database)
    with database.transaction() as tx:
        tokens.ensure_operator(tx, tmp_path / "operator.token")
        for refused in (
            lambda: people.invite_again(tx, OPERATOR, by=ANDON),
            lambda: people.grant_role(tx, OPERATOR, Grant(Role.VIEWER), by=ANDON),
            lambda: people.revoke_role(tx, OPERATOR, Grant(Role.ADMINISTRATOR), by=ANDON),
            lambda: people.erase_person(tx, OPERATOR, by=ANDON),
        ):
            with pytest.raises(Forbidden):
                refused()
        assert signing_in.grants_of(tx, OPERATOR) == (Grant(Role.ADMINISTRATOR),)


def test_the_roster_tells_who_came_and_when_they_were_seen(database: Database, clock: SettableClock) -> None:
    boss = administrator(database)
    brent = invited(database, "brent", Grant(Role.VIEWER), Grant(Role.DEVELOPER, "store"))
    gone = invited(database, "Aaron")
    with database.transaction() as tx:
        people.erase_person(tx, gone, by=ANDON)
        session = signing_in.open_session(tx, boss, agent="b", hours=24)
        made = tokens.create_token(tx, signing_in.caller_of_session(tx, session.secret).principal, label="t")
    clock.advance(60)
    with database.transaction() as tx:
        signing_in.note_use(tx, signing_in.caller_of_token(tx, made.secret))
        used = tx.now
    with database.reading() as reading:
        by_name = roster(reading)
        assert people.administrators(reading) == {boss}
    assert [one.person.id for one in by_name] == [brent, boss, gone], "by name whatever its case, the erased last"
    assert (by_name[0].seen_at, by_name[0].person.joined) == (None, False)
    assert by_name[0].person.grants == principal(database, brent).grants
    assert by_name[0].invited_until is not None
    assert (by_name[1].seen_at, by_name[1].invited_until) == (used, None)
    assert by_name[2].invited_until is None
    clock.advance(8 * 86400)
    with database.reading() as reading:
        assert member(reading, brent).invited_until is None
        with pytest.raises(NotFound):
            member(reading, OPERATOR)


@pytest.mark.parametrize("name", ["maxine", "MAXINE", " Maxine  ", "m@example.org"])
def test_a_name_is_taken_once_whatever_its_case(database: Database, name: str) -> None:
    invited(database, "Maxine", email="m@example.org")
    with database.transaction() as tx, pytest.raises(Conflict):
        people.invite(tx, name=name, email=None, roles=(), by=ANDON)


@pytest.mark.parametrize("name", ["", "   ", "a\x1b[31mb", "x" * 101, ERASED, "a\u202eb"])
def test_names_that_mislead_are_refused(database: Database, name: str) -> None:
    with database.transaction() as tx, pytest.raises(Invalid):
        people.invite(tx, name=name, email=None, roles=(), by=ANDON)


def test_erasing_leaves_the_id_and_nothing_else(database: Database) -> None:
    boss = administrator(database)
    brent = invited(database, "Brent Geller", Grant(Role.DEVELOPER), email="brent@example.org")
    with database.transaction() as tx:
        session = signing_in.open_session(tx, brent, agent="b", hours=1)
        made = tokens.create_token(tx, signing_in.caller_of_session(tx, session.secret).principal, label="t")
    with database.transaction() as tx:
        people.erase_person(tx, brent, by=signing_in.person_actor(boss))
    with database.reading() as reading:
        assert people.PeopleDirectory().names(reading, [brent, boss, "person_x"]) == {
            brent: ERASED,
            boss: "Maxine",
            "person_x": "person_x",
        }
        for secret, ask in (
            (session.secret, signing_in.caller_of_session),
            (made.secret, signing_in.caller_of_token),
        ):
            with pytest.raises(NotAuthenticated):
                ask(reading, secret)
        for table in sa.inspect(database.engine).get_table_names():
            rows = str(reading.connection.execute(sa.text(f'SELECT * FROM "{table}"')).all())
            assert "Brent" not in rows
            assert "brent@" not in rows
    with database.transaction() as tx, pytest.raises(NotFound):
        people.erase_person(tx, brent, by=ANDON)
    assert invited(database, "Brent Geller") != brent


def test_the_last_administrator_stays(database: Database) -> None:
    boss = administrator(database)
    invited(database, "Brent", Grant(Role.ADMINISTRATOR))  # invited, never joined: nobody could sign in
    with database.transaction() as tx:
        with pytest.raises(Conflict):
            people.erase_person(tx, boss, by=ANDON)
        with pytest.raises(Conflict):
            people.revoke_role(tx, boss, Grant(Role.ADMINISTRATOR), by=ANDON)


def test_a_stolen_token_cannot_prolong_its_own_life(database: Database) -> None:
    who = principal(database, administrator(database))
    with database.transaction() as tx:
        made = tokens.create_token(tx, who, label="for a day", days=1)
        asker = signing_in.caller_of_token(tx, made.secret).principal
        for days in (None, 300.0):
            assert tokens.create_token(tx, asker, label="for ever", days=days).token.expires_at == made.token.expires_at
        shorter = tokens.create_token(tx, asker, label="for an hour", days=1 / 24).token.expires_at
        assert shorter is not None
        assert made.token.expires_at is not None
        assert shorter < made.token.expires_at
        assert tokens.create_token(tx, who, label="signed in", days=None).token.expires_at is None


def test_a_token_to_push_only_sees_no_service(database: Database) -> None:
    who = principal(database, administrator(database))
    with database.transaction() as tx:
        made = tokens.create_token(tx, who, label="robot", scopes=[Permission.PUSH])
        robot = signing_in.caller_of_token(tx, made.secret).principal
        assert tokens.may_token(tx, made.token.id, Permission.PUSH)
        assert not tokens.may_token(tx, made.token.id, Permission.DEPLOY)
        tokens.revoke_token(tx, who, made.token.id)
        assert not tokens.may_token(tx, made.token.id, Permission.PUSH)
    assert who.visible_services() is None
    assert robot.visible_services() == frozenset()
    with pytest.raises(Forbidden):
        robot.require_reading()


def test_a_token_may_no_more_than_it_says(database: Database) -> None:
    who = principal(database, administrator(database))
    with database.transaction() as tx:
        made = tokens.create_token(
            tx, who, label="reader", scopes=[Permission.READ, Permission.RUN], services=["store"]
        )
    with database.reading() as reading:
        caller = signing_in.caller_of_token(reading, made.secret)
    token = caller.principal
    assert (token.actor.kind, token.actor.person) == (ActorKind.TOKEN, who.person)
    assert token.may(Permission.RUN, "store")
    assert not token.may(Permission.DEPLOY, "store")
    assert not token.may(Permission.READ, "payment")
    assert token.visible_services() == frozenset({"store"})
    for scopes, services in ((None, ["store"]), ([Permission.READ], None), ([Permission.DEPLOY], ["store"])):
        with database.transaction() as tx, pytest.raises(Forbidden):
            tokens.create_token(tx, token, label="more", scopes=scopes, services=services)
    with database.transaction() as tx:
        tokens.create_token(tx, token, label="less", scopes=[Permission.READ], services=["store"])


def test_a_token_expires_and_is_revoked(database: Database, clock: SettableClock) -> None:
    who = principal(database, administrator(database))
    with database.transaction() as tx:
        short = tokens.create_token(tx, who, label="short", days=1)
        long = tokens.create_token(tx, who, label="long", days=None)
    clock.advance(86401)
    with database.reading() as reading:
        with pytest.raises(NotAuthenticated):
            signing_in.caller_of_token(reading, short.secret)
        caller = signing_in.caller_of_token(reading, long.secret)
        assert signing_in.is_still_good(reading, caller)
    with database.transaction() as tx:
        tokens.revoke_token(tx, who, long.token.prefix)
    with database.reading() as reading:
        assert not signing_in.is_still_good(reading, caller)
        with pytest.raises(NotAuthenticated):
            signing_in.caller_of_token(reading, long.secret)


def test_tokens_of_others_are_not_there(database: Database) -> None:
    boss = principal(database, administrator(database))
    brent = principal(database, invited(database, "Brent", Grant(Role.OPERATOR)))
    with database.transaction() as tx:
        his, hers = (tokens.create_token(tx, who, label="t") for who in (brent, boss))
        with pytest.raises(NotFound):
            tokens.revoke_token(tx, brent, hers.token.id)
        with pytest.raises(NotFound):
            tokens.revoke_token(tx, brent, hers.token.prefix)
        tokens.revoke_token(tx, boss, his.token.id)
        assert tokens.tokens_of(tx, PersonId(str(brent.person))) == ()


def test_the_operator_token_is_made_once_and_renewed_when_lost(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "data" / "operator.token"
    seen = set()
    for content in (None, None, "andon_something else", ""):
        if content is not None:
            file.write_text(content)
        with database.transaction() as tx:
            tokens.ensure_operator(tx, file)
        seen.add(file.read_text())
        with database.reading() as reading:
            caller = signing_in.caller_of_token(reading, file.read_text().strip())
            assert len(tokens.tokens_of(reading, OPERATOR)) == 1
        assert caller.principal.may(Permission.ADMINISTER)
        assert (caller.principal.person, caller.principal.actor.kind) == (OPERATOR, ActorKind.TOKEN)
    assert len(seen) == 3
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_operator_is_nobody_who_signs_in_or_is_listed(database: Database, tmp_path: Path) -> None:
    with database.transaction() as tx:
        tokens.ensure_operator(tx, tmp_path / "operator.token")
        assert people.all_people(tx) == ()
        assert people.offer_first_administrator(tx) is not None
        with pytest.raises(Forbidden):
            people.erase_person(tx, OPERATOR, by=ANDON)
        with pytest.raises(Conflict):
            people.invite(tx, name="Operator", email=None, roles=(), by=ANDON)
        assert signing_in.begin_sign_in(tx, "operator", "127.0.0.1").person is None


def test_a_restricted_token_revokes_itself_and_nothing_else(database: Database) -> None:
    """It may be in other hands than its owner's."""
    who = principal(database, administrator(database))
    with database.transaction() as tx:
        whole = tokens.create_token(tx, who, label="laptop")
        restricted = [
            tokens.create_token(tx, who, label="report", scopes=[Permission.READ]),
            tokens.create_token(tx, who, label="robot", services=["store"]),
        ]
    for one in restricted:
        with database.transaction() as tx:
            asker = signing_in.caller_of_token(tx, one.secret).principal
            for word in (whole.token.id, whole.token.prefix):
                with pytest.raises(Forbidden):
                    tokens.revoke_token(tx, asker, word)
            tokens.revoke_token(tx, asker, one.token.id)
    with database.transaction() as tx:
        tokens.revoke_token(tx, signing_in.caller_of_token(tx, whole.secret).principal, whole.token.prefix)
        assert tokens.tokens_of(tx, who.person or PersonId("")) == ()


@pytest.mark.parametrize("services", [["\x1b[2J"], [""], ["x" * 81], [str(number) for number in range(101)]])
def test_a_token_is_bound_to_what_can_be_a_service(database: Database, services: list[str]) -> None:
    who = principal(database, administrator(database))
    with pytest.raises(Invalid), database.transaction() as tx:
        tokens.create_token(tx, who, label="robot", services=services)


def test_two_administrators_do_not_take_each_others_role_at_one_moment(database: Database) -> None:
    role = Grant(Role.ADMINISTRATOR)
    maxine = administrator(database)
    with database.transaction() as tx:
        link = people.invite(tx, name="Brent", email=None, roles=[role], by=ANDON)
        brent = people.accept_invitation(tx, link.secret, password_hash="x")
    together = threading.Barrier(2)
    outcomes: list[bool] = []

    def take_from(person: PersonId) -> None:
        # A reading of one's own first: both begin while both are administrators.
        together.wait(100)
        try:
            with database.transaction() as tx:
                people.revoke_role(tx, person, role, by=ANDON)
                if not database.is_sqlite:
                    with contextlib.suppress(threading.BrokenBarrierError):
                        together.wait(0.2)  # the other one would be done with its look as well
            outcomes.append(True)
        except Conflict:
            outcomes.append(False)

    threads = [threading.Thread(target=take_from, args=(one,)) for one in (maxine, brent)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert sorted(outcomes) == [False, True]
    with database.reading() as reading:
        assert len(people.administrators(reading)) == 1


def test_an_id_is_whose_it_is_also_where_somebody_is_called_like_it(database: Database) -> None:
    brent = invited(database, "Brent")
    invited(database, brent)
    with database.reading() as reading:
        assert people.find_person(reading, brent) == brent


@pytest.mark.parametrize(
    ("name", "email"),
    [
        ("Andon", None),
        ("somebody", None),
        ("Erased  Person", None),
        ("\u0390" * 100, None),
        ("Ann", "\x1b[2J@x"),
        ("Ann", "a\0@x"),
    ],
)
def test_nobody_is_called_what_would_deceive(database: Database, name: str, email: str | None) -> None:
    with pytest.raises(Invalid), database.transaction() as tx:
        people.invite(tx, name=name, email=email, roles=[], by=ANDON)


def test_an_administrator_does_not_revoke_the_machines_own_token(database: Database, tmp_path: Path) -> None:
    who = principal(database, administrator(database))
    with database.transaction() as tx:
        tokens.ensure_operator(tx, tmp_path / "operator.token")
        (own,) = tokens.tokens_of(tx, OPERATOR)
    with pytest.raises(Forbidden, match="the machine itself"), database.transaction() as tx:
        tokens.revoke_token(tx, who, own.id)
    with database.reading() as reading:
        secret = (tmp_path / "operator.token").read_text().strip()
        assert signing_in.caller_of_token(reading, secret).principal.person == OPERATOR
