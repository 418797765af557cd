"""Sign-in, sessions and their limits, on both databases."""

from __future__ import annotations

from typing import Literal

import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher

from andon.kernel.access import Grant, Permission, PersonId, Role, people, signing_in
from andon.kernel.access.contract import UNKNOWN
from andon.kernel.access.passwords import Passwords
from andon.kernel.clock import SettableClock
from andon.kernel.db import Database
from andon.kernel.errors import Invalid, NotAuthenticated, NotFound, TooMany
from andon.kernel.events import page

PASSWORDS = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
RIGHT = "correct horse battery"


def administrator(database: Database, name: str = "Maxine") -> PersonId:
    with database.transaction() as tx:
        link = people.offer_first_administrator(tx)
        assert link is not None
        return people.create_first_administrator(
            tx, link.secret, name=name, password_hash=PASSWORDS.hash(RIGHT), email=f"{name}@example.org"
        )


def sign_in(database: Database, name: str, password: str, address: str = "127.0.0.1") -> signing_in.NewSession | None:
    with database.transaction() as tx:
        attempt = signing_in.begin_sign_in(tx, name, address)
    matched = attempt.matches(password, PASSWORDS)
    with database.transaction() as tx:
        return signing_in.finish_sign_in(tx, attempt, matched, agent="a browser\x1b", hours=12)


def types(database: Database) -> list[str]:
    with database.reading() as reading:
        return [one.type.split(".", 2)[2] for one in page(reading)][::-1]


@pytest.mark.parametrize("name", ["Maxine", " maxine ", "MAXINE@example.org"])
def test_the_right_password_opens_a_session(database: Database, name: str) -> None:
    person = administrator(database)
    session = sign_in(database, name, RIGHT)
    assert session is not None
    with database.reading() as reading:
        caller = signing_in.caller_of_session(reading, session.secret)
    assert (caller.principal.person, caller.name, caller.session) == (person, "Maxine", session.id)
    assert caller.principal.may(Permission.ADMINISTER)


def test_secrets_are_nowhere_in_the_database(database: Database) -> None:
    administrator(database)
    session = sign_in(database, "Maxine", RIGHT)
    assert session is not None
    with database.reading() as reading:
        for table in sa.inspect(database.engine).get_table_names():
            rows = str(reading.connection.execute(sa.text(f'SELECT * FROM "{table}"')).all())
            assert session.secret not in rows
            assert RIGHT not in rows
            if table == "events":
                assert "Maxine" not in rows


@pytest.mark.parametrize(("name", "password"), [("Maxine", "wrong"), ("nobody", RIGHT), ("Maxine", ""), ("", "")])
def test_anything_else_does_not(database: Database, name: str, password: str) -> None:
    person = administrator(database)
    assert sign_in(database, name, password) is None
    with database.reading() as reading:
        (newest,) = page(reading, limit=1)
    assert newest.type == "dev.andon.person.sign-in-failed.v1"
    assert newest.subject == f"person:{person if name == 'Maxine' else UNKNOWN}"


def test_a_name_nobody_has_is_checked_at_the_same_cost(database: Database) -> None:
    calls = []

    class Counting(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
            calls.append(hash)
            return super().verify(hash, password)

    counting = Passwords(Counting(time_cost=1, memory_cost=8, parallelism=1))
    with database.transaction() as tx:
        attempt = signing_in.begin_sign_in(tx, "nobody", "127.0.0.1")
    assert not attempt.matches("the password of nobody", counting)
    assert len(calls) == 1


def test_too_many_failures_close_the_door_until_they_are_old(database: Database, clock: SettableClock) -> None:
    administrator(database)
    for _ in range(signing_in.PER_ACCOUNT_AND_ADDRESS):
        assert sign_in(database, "Maxine", "wrong") is None
    with pytest.raises(TooMany) as refused:
        sign_in(database, "Maxine", RIGHT)
    assert refused.value.retry_after > 0
    assert sign_in(database, "Maxine", RIGHT, address="192.0.2.7") is not None, "a stranger locked the account"
    clock.advance(refused.value.retry_after + 1)
    assert sign_in(database, "Maxine", RIGHT) is not None


def test_one_address_cannot_try_one_password_on_everybody(database: Database) -> None:
    for number in range(signing_in.PER_ADDRESS):
        assert sign_in(database, f"person {number}", RIGHT) is None
    with pytest.raises(TooMany):
        sign_in(database, "yet another", RIGHT)


def test_successes_do_not_count(database: Database) -> None:
    administrator(database)
    for _ in range(signing_in.PER_ACCOUNT_AND_ADDRESS + 2):
        assert sign_in(database, "Maxine", RIGHT) is not None


def test_a_session_ends(database: Database, clock: SettableClock) -> None:
    administrator(database)
    first, second = sign_in(database, "Maxine", RIGHT), sign_in(database, "Maxine", RIGHT)
    assert first is not None
    assert second is not None
    with database.transaction() as tx:
        caller = signing_in.caller_of_session(tx, first.secret)
        signing_in.sign_out(tx, first.id, by=caller.principal.actor)
    with database.reading() as reading, pytest.raises(NotAuthenticated):
        signing_in.caller_of_session(reading, first.secret)
    clock.advance(12 * 3600 - 1)
    with database.reading() as reading:
        still = signing_in.caller_of_session(reading, second.secret)
        assert signing_in.is_still_good(reading, still)
    clock.advance(2)
    with database.reading() as reading:
        assert not signing_in.is_still_good(reading, still)
        with pytest.raises(NotAuthenticated):
            signing_in.caller_of_session(reading, second.secret)


def test_the_last_use_is_noted_now_and_then(database: Database, clock: SettableClock) -> None:
    person = administrator(database)
    session = sign_in(database, "Maxine", RIGHT)
    assert session is not None
    with database.reading() as reading:
        caller = signing_in.caller_of_session(reading, session.secret)
        assert not signing_in.is_use_due(reading, caller)
    clock.advance(61)
    with database.transaction() as tx:
        assert signing_in.is_use_due(tx, caller)
        signing_in.note_use(tx, caller)
        (seen,) = signing_in.sessions_of(tx, person)
    assert seen.seen_at == clock.now()
    assert seen.agent == "a browser"


def test_the_first_administrator_is_made_once(database: Database) -> None:
    with database.transaction() as tx:
        earlier, link = people.offer_first_administrator(tx), people.offer_first_administrator(tx)
    assert earlier is not None
    assert link is not None
    with database.reading() as reading, pytest.raises(NotFound):
        people.find_link(reading, earlier.secret)
    with database.transaction() as tx:
        people.create_first_administrator(tx, link.secret, name="Maxine", password_hash="x")
    with database.transaction() as tx, pytest.raises(NotFound):
        people.create_first_administrator(tx, link.secret, name="Mallory", password_hash="x")
    with database.transaction() as tx:
        assert people.offer_first_administrator(tx) is None
    assert types(database) == ["role.granted.v1", "person.joined.v1"]


def test_a_link_grows_old(database: Database, clock: SettableClock) -> None:
    with database.transaction() as tx:
        link = people.offer_first_administrator(tx)
    assert link is not None
    clock.advance(8 * 86400)
    with database.reading() as reading, pytest.raises(NotFound):
        people.find_link(reading, link.secret)


def test_an_invitation_opens_one_account_once(database: Database) -> None:
    boss = signing_in.person_actor(administrator(database))
    with database.transaction() as tx:
        link = people.invite(tx, name="Brent", email=None, roles=[Grant(Role.VIEWER, "store")], by=boss)
    assert sign_in(database, "Brent", RIGHT) is None
    with database.transaction() as tx:
        person = people.accept_invitation(tx, link.secret, password_hash=PASSWORDS.hash(RIGHT))
    with database.transaction() as tx, pytest.raises(NotFound):
        people.accept_invitation(tx, link.secret, password_hash=PASSWORDS.hash("another one entirely"))
    session = sign_in(database, "Brent", RIGHT)
    assert session is not None
    assert session.person == person


def test_a_password_that_is_changed_while_it_is_checked_opens_nothing(database: Database) -> None:
    person = administrator(database)
    with database.transaction() as tx:
        attempt = signing_in.begin_sign_in(tx, "Maxine", "127.0.0.1")
    matched = attempt.matches(RIGHT, PASSWORDS)
    with database.transaction() as tx:
        people.change_password(tx, person, PASSWORDS.hash("quite another one"), keep=None)
    with database.transaction() as tx:
        assert signing_in.finish_sign_in(tx, attempt, matched, agent="a browser", hours=12) is None
        assert signing_in.sessions_of(tx, person) == ()


@pytest.mark.parametrize("password", ["short", "Maxine Chambers", "x" * 1001])
def test_weak_passwords_are_refused(password: str) -> None:
    with pytest.raises(Invalid):
        people.prepare_password(password, "maxine chambers", PASSWORDS)


def test_a_changed_password_ends_the_other_sessions(database: Database) -> None:
    person = administrator(database)
    kept, ended = sign_in(database, "Maxine", RIGHT), sign_in(database, "Maxine", RIGHT)
    assert kept is not None
    assert ended is not None
    with database.transaction() as tx:
        people.change_password(tx, person, PASSWORDS.hash("quite another one"), keep=kept.id)
        assert [one.id for one in signing_in.sessions_of(tx, person)] == [kept.id]
    assert sign_in(database, "Maxine", RIGHT) is None
    assert sign_in(database, "Maxine", "quite another one") is not None
