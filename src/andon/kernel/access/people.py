"""People: inviting, joining, roles, passwords, and being forgotten."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from andon.kernel.access.contract import (
    ERASED,
    PasswordChanged,
    PersonErased,
    PersonInvited,
    PersonJoined,
    RoleGranted,
    RoleRevoked,
)
from andon.kernel.access.model import OPERATOR, Grant, PersonId, Role, is_place
from andon.kernel.access.passwords import Passwords, check_new
from andon.kernel.access.secret import digest_of, new_secret
from andon.kernel.access.signing_in import all_grants, grants_of, person_actor
from andon.kernel.access.storage import grants, links, passwords, people, sessions, tokens
from andon.kernel.db import Reading, Transaction
from andon.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from andon.kernel.events import ANDON, Actor, append
from andon.kernel.ids import new_id

_EMAIL = re.compile(r"[^@\s<>]+@[^@\s<>]+")
_NOBODY = frozenset({ERASED, "andon", "somebody"})
"""What the record calls those who are gone, itself, and strangers."""
_LINK_LASTS = timedelta(days=7)


class Purpose(StrEnum):
    """What a one-time link is good for."""

    FIRST_ADMINISTRATOR = "first-administrator"
    INVITATION = "invitation"


@dataclass(frozen=True, slots=True)
class Link:
    """A one-time link as it stands in the database; ``person`` is ``None`` before anybody exists."""

    purpose: Purpose
    person: PersonId | None
    name: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class NewLink:
    """``secret`` goes into the link and is kept nowhere."""

    person: PersonId | None
    expires_at: datetime
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Person:
    """``name`` is ``erased person`` once ``erased_at`` is set; ``joined`` once a password was chosen."""

    id: PersonId
    name: str
    email: str | None
    grants: tuple[Grant, ...]
    joined: bool
    erased_at: datetime | None


class PeopleDirectory:
    """:class:`~andon.kernel.access.contract.People` over the database."""

    def names(self, reading: Reading, ids: Iterable[str]) -> Mapping[PersonId, str]:
        wanted = {PersonId(one) for one in ids}
        if not wanted:
            return {}
        rows = reading.connection.execute(sa.select(people.c.id, people.c.name).where(people.c.id.in_(wanted)))
        known = {PersonId(row.id): row.name or ERASED for row in rows}
        return {one: known.get(one, one) for one in wanted}


def all_people(reading: Reading) -> tuple[Person, ...]:
    """Everybody who can sign in or could once, in the order of their coming."""
    rows = reading.connection.execute(
        sa.select(people, passwords.c.hash.is_not(None).label("joined"))
        .join_from(people, passwords, isouter=True)
        .where(people.c.id != OPERATOR)
        .order_by(people.c.created_at, people.c.id)
    )
    granted = all_grants(reading)
    return tuple(
        Person(
            id=PersonId(row.id),
            name=row.name or ERASED,
            email=row.email,
            grants=granted.get(PersonId(row.id), ()),
            joined=bool(row.joined),
            erased_at=row.erased_at,
        )
        for row in rows
    )


def administrators(reading: Reading) -> frozenset[PersonId]:
    """Who administers everything and can sign in; the last of them stays."""
    rows = reading.connection.execute(
        sa.select(grants.c.person)
        .join(passwords, passwords.c.person == grants.c.person)
        .where(*_at(Grant(Role.ADMINISTRATOR)))
    )
    return frozenset(PersonId(row.person) for row in rows)


def find_person(reading: Reading, who: str) -> PersonId:
    """The person with this id, name or e-mail address. Raises :class:`NotFound`."""
    key = who.strip().casefold()
    row = reading.connection.execute(
        sa.select(people.c.id)
        .where(sa.or_(people.c.id == who, people.c.name_key == key, people.c.email_key == key))
        # an id is whose it is, also where somebody else is called like it
        .order_by(sa.case((people.c.id == who, 0), else_=1))
    ).first()
    if row is None:
        raise NotFound(f"There is nobody called {who!r}.", remedy="`andon person list` shows who there is.")
    return PersonId(row.id)


def offer_first_administrator(tx: Transaction) -> NewLink | None:
    """A new link that creates the first administrator; earlier ones end. ``None`` when somebody has joined."""
    if tx.connection.execute(sa.select(sa.func.count()).select_from(passwords)).scalar_one():
        return None
    first = links.c.purpose == Purpose.FIRST_ADMINISTRATOR.value
    tx.connection.execute(links.delete().where(first, links.c.used_at.is_(None)))
    return _new_link(tx, Purpose.FIRST_ADMINISTRATOR, None)


def create_first_administrator(
    tx: Transaction, secret: str, *, name: str, password_hash: str, email: str | None = None
) -> PersonId:
    """Use the one-time link. Raises :class:`NotFound` when it is used or over, :class:`Conflict` for a name taken."""
    link = find_link(tx, secret)
    if link.purpose is not Purpose.FIRST_ADMINISTRATOR:
        raise NotFound("This link is for something else.", remedy="Ask an administrator for a new one.")
    person = _new_person(tx, name, email)
    _grant(tx, person, Grant(Role.ADMINISTRATOR))
    append(tx, RoleGranted(person=person, role=Role.ADMINISTRATOR, service=None, environment=None), by=ANDON)
    _join(tx, secret, person, password_hash)
    return person


def invite(tx: Transaction, *, name: str, email: str | None, roles: Iterable[Grant], by: Actor) -> NewLink:
    """Make a person known and a link by which they choose a password. Raises :class:`Conflict` for a name taken."""
    person = _new_person(tx, name, email)
    append(tx, PersonInvited(person=person), by=by)
    for one in roles:
        grant_role(tx, person, one, by=by)
    return _new_link(tx, Purpose.INVITATION, person)


def invite_again(tx: Transaction, person: PersonId, *, by: Actor) -> NewLink:
    """A new link for somebody who lost theirs, or their password; earlier links end."""
    _require_person(person)
    _require_living(tx, person)
    tx.connection.execute(links.delete().where(links.c.person == person, links.c.used_at.is_(None)))
    append(tx, PersonInvited(person=person), by=by)
    return _new_link(tx, Purpose.INVITATION, person)


def find_link(reading: Reading, secret: str) -> Link:
    """Raises :class:`NotFound` when there is no such link, or it was used or is over."""
    row = reading.connection.execute(
        sa.select(links, people.c.name)
        .join_from(links, people, isouter=True)
        .where(links.c.digest == digest_of(secret), links.c.used_at.is_(None))
        .where(links.c.expires_at > reading.now)
    ).first()
    if row is None:
        raise NotFound(
            "This link was used already or is too old.",
            remedy="Sign in if you have an account; else ask an administrator for a new link.",
        )
    person = None if row.person is None else PersonId(row.person)
    return Link(Purpose(row.purpose), person, row.name or "", row.expires_at)


def accept_invitation(tx: Transaction, secret: str, *, password_hash: str) -> PersonId:
    """Choose a password by a one-time link; all sessions of that person end. Raises :class:`NotFound`."""
    link = find_link(tx, secret)
    if link.person is None:
        raise NotFound("This link is for something else.", remedy="Ask an administrator for a new one.")
    _require_living(tx, link.person)
    _join(tx, secret, link.person, password_hash)
    return link.person


def change_password(tx: Transaction, person: PersonId, password_hash: str, *, keep: str | None) -> None:
    """Set a password; all sessions of the person but ``keep`` end. The caller has checked the old one."""
    _set_password(tx, person, password_hash)
    ended = sessions.c.person == person
    if keep is not None:
        ended = sa.and_(ended, sessions.c.id != keep)
    tx.connection.execute(sessions.delete().where(ended))
    append(tx, PasswordChanged(person=person), by=person_actor(person))


def prepare_password(password: str, name: str, hasher: Passwords) -> str:
    """Check and hash a new password. Slow: call it outside any transaction. Raises :class:`Invalid`."""
    check_new(password, name)
    return hasher.hash(password)


def grant_role(tx: Transaction, person: PersonId, role: Grant, *, by: Actor) -> None:
    """Does nothing when the person has that role there already.

    The service and the environment need not exist yet. Raises :class:`Invalid` for what no place can be called.
    """
    if role.environment is not None and role.service is None:
        raise Invalid(
            "A role on an environment needs its service.",
            safe="Nothing was changed.",
            remedy="Name the service beside the environment.",
        )
    for name in (role.service, role.environment):
        if name is not None and not is_place(name):
            raise Invalid(
                "No service and no environment can be called like that.",
                safe="Nothing was changed.",
                remedy="A name has letters, digits, dots and dashes, 80 at most.",
            )
    _require_person(person)
    _require_living(tx, person)
    if role in grants_of(tx, person):
        return
    _grant(tx, person, role)
    append(
        tx,
        RoleGranted(person=person, role=role.role, service=role.service, environment=role.environment),
        by=by,
    )


def revoke_role(tx: Transaction, person: PersonId, role: Grant, *, by: Actor) -> None:
    """Raises :class:`NotFound` when there is no such grant, :class:`Conflict` for the last administrator."""
    _require_person(person)
    if role not in grants_of(tx, person):
        raise NotFound("That role was not granted there.", remedy="`andon person list` shows who has which role.")
    if role == Grant(Role.ADMINISTRATOR):
        _require_another_administrator(tx, person)
    tx.connection.execute(grants.delete().where(grants.c.person == person, *_at(role)))
    append(
        tx,
        RoleRevoked(person=person, role=role.role, service=role.service, environment=role.environment),
        by=by,
    )


def erase_person(tx: Transaction, person: PersonId, *, by: Actor) -> None:
    """Remove the name, the address and every credential; the record keeps the id.

    Raises :class:`Conflict` for the last administrator, :class:`Forbidden` for the operator.
    """
    _require_person(person)
    _require_living(tx, person)
    if Grant(Role.ADMINISTRATOR) in grants_of(tx, person):
        _require_another_administrator(tx, person)
    for table in (passwords, sessions, tokens, grants, links):
        tx.connection.execute(table.delete().where(table.c.person == person))
    tx.connection.execute(
        people.update()
        .where(people.c.id == person)
        .values(name=None, name_key=None, email=None, email_key=None, erased_at=tx.now)
    )
    append(tx, PersonErased(person=person), by=by)


def _new_person(tx: Transaction, name: str, email: str | None) -> PersonId:
    name = " ".join(name.split())
    if not name or len(name.casefold()) > 100 or not name.isprintable():
        raise Invalid("A name has 1 to 100 printable characters.", remedy="Take the name that colleagues know.")
    if name.casefold() in _NOBODY:
        raise Invalid(
            f"Nobody can be called {name!r}: the record says that of others.",
            safe="Nothing was changed.",
            remedy="Take the name that colleagues know.",
        )
    email = (email or "").strip() or None
    if email is not None and (len(email.casefold()) > 300 or not email.isprintable() or not _EMAIL.fullmatch(email)):
        raise Invalid("This is not an e-mail address.", remedy="Leave it out or write name@domain.")
    person = PersonId(new_id("person"))
    taken = Conflict(
        "Somebody with this name or e-mail address exists already.",
        safe="Nothing was changed.",
        remedy="Choose another name; a surname's first letter often does.",
    )
    keys = [text.casefold() for text in (name, email) if text]
    if tx.connection.execute(
        sa.select(people.c.id).where(sa.or_(people.c.name_key.in_(keys), people.c.email_key.in_(keys)))
    ).first():
        raise taken
    try:
        tx.connection.execute(
            people.insert().values(
                id=person,
                name=name,
                name_key=name.casefold(),
                email=email,
                email_key=email.casefold() if email else None,
                created_at=tx.now,
            )
        )
    except IntegrityError as error:  # two invitations at the same moment on PostgreSQL
        raise taken from error
    return person


def _join(tx: Transaction, secret: str, person: PersonId, password_hash: str) -> None:
    # The condition on used_at makes the link work once even when two requests come at the same moment.
    used = tx.connection.execute(
        links.update()
        .where(links.c.digest == digest_of(secret), links.c.used_at.is_(None))
        .values(used_at=tx.now, person=person)
    )
    if used.rowcount != 1:
        raise NotFound("This link was used already.", remedy="Sign in, or ask for a new link.")
    _set_password(tx, person, password_hash)
    tx.connection.execute(sessions.delete().where(sessions.c.person == person))
    append(tx, PersonJoined(person=person), by=person_actor(person))


def _set_password(tx: Transaction, person: PersonId, password_hash: str) -> None:
    changed = tx.connection.execute(
        passwords.update().where(passwords.c.person == person).values(hash=password_hash, changed_at=tx.now)
    )
    if not changed.rowcount:
        tx.connection.execute(passwords.insert().values(person=person, hash=password_hash, changed_at=tx.now))


def _new_link(tx: Transaction, purpose: Purpose, person: PersonId | None) -> NewLink:
    link = NewLink(person, tx.now + _LINK_LASTS, new_secret())
    tx.connection.execute(
        links.insert().values(
            digest=digest_of(link.secret),
            purpose=purpose.value,
            person=person,
            created_at=tx.now,
            expires_at=link.expires_at,
        )
    )
    return link


def _grant(tx: Transaction, person: PersonId, role: Grant) -> None:
    tx.connection.execute(
        grants.insert().values(
            person=person,
            role=role.role,
            service=role.service or "",
            environment=role.environment or "",
            at=tx.now,
        )
    )


def _at(role: Grant) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        grants.c.role == role.role,
        grants.c.service == (role.service or ""),
        grants.c.environment == (role.environment or ""),
    )


def _require_person(person: PersonId) -> None:
    if person == OPERATOR:
        raise Forbidden(
            "The operator is the machine itself, not a person.",
            safe="Nothing was changed.",
            remedy="Delete operator.token to renew it.",
        )


def _require_living(tx: Transaction, person: PersonId) -> None:
    # Locked: whoever is erased at this moment must not be given anything meanwhile that would outlive it.
    row = tx.connection.execute(sa.select(people.c.erased_at).where(people.c.id == person).with_for_update()).first()
    if row is None or row.erased_at is not None:
        raise NotFound(
            "There is no such person, or they were erased.", remedy="`andon person list` shows who there is."
        )


def _require_another_administrator(tx: Transaction, person: PersonId) -> None:
    # Two who take each other's role at the same moment wait for each other here: the second finds itself the last.
    everybody = sa.select(grants.c.person).where(*_at(Grant(Role.ADMINISTRATOR)))
    tx.connection.execute(everybody.order_by(grants.c.person).with_for_update()).all()
    if not administrators(tx) - {person}:
        raise Conflict(
            "This is the last administrator.",
            safe="Nothing was changed.",
            remedy="Make somebody else an administrator first.",
        )
