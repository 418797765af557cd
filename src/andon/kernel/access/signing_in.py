"""Signing in, sessions, and who is asking.

A sign-in takes three steps, because checking a password takes long and must not hold the database: the
attempt is counted first, so that many at once do not slip past the limit; then the password is checked outside
any transaction; then the outcome is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa

from andon.kernel.access.contract import UNKNOWN, SignedIn, SignedOut, SignInFailed
from andon.kernel.access.model import Grant, PersonId, Principal
from andon.kernel.access.passwords import Passwords
from andon.kernel.access.secret import digest_of, new_secret
from andon.kernel.access.storage import attempts, grants, passwords, people, sessions, tokens
from andon.kernel.db import Reading, Transaction
from andon.kernel.errors import NotAuthenticated, TooMany
from andon.kernel.events import Actor, ActorKind, append
from andon.kernel.ids import new_id

WINDOW = timedelta(minutes=15)
PER_ACCOUNT_AND_ADDRESS = 5
PER_ACCOUNT = 50
PER_ADDRESS = 50
"""Failed attempts within the window. An account's own limit is high, so that a stranger cannot lock it."""

_SEEN_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A sign-in under way; counts as failed until it is finished otherwise."""

    id: str
    account: str
    person: PersonId | None
    hash: str | None = field(repr=False)

    def matches(self, password: str, checker: Passwords) -> bool:
        """Takes as long for a name that nobody has. Call it outside any transaction."""
        return checker.matches(self.hash, password)


@dataclass(frozen=True, slots=True)
class NewSession:
    """``secret`` goes into the cookie and is kept nowhere."""

    id: str
    person: PersonId
    expires_at: datetime
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Whoever asks: what they may do, and through which door they came."""

    principal: Principal
    name: str
    session: str | None = None
    token: str | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Session:
    id: str
    person: PersonId
    created_at: datetime
    expires_at: datetime
    seen_at: datetime
    agent: str


def person_actor(person: PersonId) -> Actor:
    return Actor(ActorKind.PERSON, person, person)


def begin_sign_in(tx: Transaction, name: str, address: str) -> Attempt:
    """Count an attempt. Raises :class:`TooMany` when there were too many failed ones lately."""
    account = digest_of(name.strip().casefold())
    _check_limits(tx, account, address[:60])
    key = name.strip().casefold()
    row = tx.connection.execute(
        sa.select(people.c.id, passwords.c.hash)
        .join_from(people, passwords)
        .where(sa.or_(people.c.name_key == key, people.c.email_key == key))
    ).first()
    attempt = Attempt(
        new_id("try"), account, None if row is None else PersonId(row.id), None if row is None else row.hash
    )
    tx.connection.execute(attempts.insert().values(id=attempt.id, account=account, address=address[:60], at=tx.now))
    tx.connection.execute(attempts.delete().where(attempts.c.at < tx.now - WINDOW))
    return attempt


def finish_sign_in(tx: Transaction, attempt: Attempt, matched: bool, *, agent: str, hours: float) -> NewSession | None:
    """Write the outcome: a session, or ``None`` and a failed attempt in the record.

    The password has to be good still: one that was changed while it was being checked ended all sessions, and must
    not open another.
    """
    now = sa.select(passwords.c.hash).where(passwords.c.person == attempt.person)
    if not matched or attempt.person is None or tx.connection.execute(now).scalar() != attempt.hash:
        person = attempt.person or UNKNOWN
        append(tx, SignInFailed(person=person), by=Actor(ActorKind.SYSTEM, "door"))
        return None
    forget_attempt(tx, attempt)
    return open_session(tx, attempt.person, agent=agent, hours=hours)


def forget_attempt(tx: Transaction, attempt: Attempt) -> None:
    """The password was right: the attempt does not count."""
    tx.connection.execute(attempts.delete().where(attempts.c.id == attempt.id))


def open_session(tx: Transaction, person: PersonId, *, agent: str, hours: float) -> NewSession:
    """A session that lasts ``hours``; ``agent`` is what the browser calls itself."""
    session = NewSession(new_id("ses"), person, tx.now + timedelta(hours=hours), new_secret())
    tx.connection.execute(
        sessions.insert().values(
            digest=digest_of(session.secret),
            id=session.id,
            person=person,
            created_at=tx.now,
            expires_at=session.expires_at,
            seen_at=tx.now,
            agent="".join(c for c in agent if c.isprintable())[:120],
        )
    )
    tx.connection.execute(sessions.delete().where(sessions.c.expires_at < tx.now))
    append(tx, SignedIn(person=person, session=session.id), by=person_actor(person))
    return session


def sign_out(tx: Transaction, session: str, *, by: Actor) -> None:
    """End a session; does nothing when it has ended already."""
    row = tx.connection.execute(sa.select(sessions.c.person).where(sessions.c.id == session)).first()
    if row is None:
        return
    tx.connection.execute(sessions.delete().where(sessions.c.id == session))
    append(tx, SignedOut(person=PersonId(row.person), session=session), by=by)


def sessions_of(reading: Reading, person: PersonId) -> tuple[Session, ...]:
    """What is open, last seen first."""
    wanted = [sessions.c[name] for name in Session.__slots__]
    rows = reading.connection.execute(
        sa.select(*wanted)
        .where(sessions.c.person == person, sessions.c.expires_at > reading.now)
        .order_by(sessions.c.seen_at.desc())
    )
    return tuple(Session(**row._mapping) for row in rows)


def caller_of_session(reading: Reading, secret: str) -> Caller:
    """Raises :class:`NotAuthenticated` when the session is unknown or over."""
    row = reading.connection.execute(
        sa.select(sessions.c.id, sessions.c.person, sessions.c.expires_at, people.c.name)
        .join_from(sessions, people)
        .where(sessions.c.digest == digest_of(secret), sessions.c.expires_at > reading.now)
        .where(people.c.erased_at.is_(None))
    ).first()
    if row is None:
        raise NotAuthenticated("Your session is over.", remedy="Sign in again.")
    person = PersonId(row.person)
    principal = Principal(actor=person_actor(person), person=person, grants=grants_of(reading, person))
    return Caller(principal=principal, name=row.name, session=row.id, expires_at=row.expires_at)


def caller_of_token(reading: Reading, secret: str) -> Caller:
    """Raises :class:`NotAuthenticated` when the token is unknown, revoked or over."""
    row = reading.connection.execute(
        sa.select(
            tokens.c.id,
            tokens.c.person,
            tokens.c.scopes,
            tokens.c.services,
            tokens.c.expires_at,
            people.c.name,
        )
        .join_from(tokens, people)
        .where(tokens.c.digest == digest_of(secret), people.c.erased_at.is_(None))
        .where(sa.or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > reading.now))
    ).first()
    if row is None:
        raise NotAuthenticated(
            "This token is wrong, revoked or has expired.",
            remedy="Make a new one with `andon token create` or on your account's page.",
        )
    person = PersonId(row.person)
    principal = Principal(
        actor=Actor(ActorKind.TOKEN, row.id, person),
        person=person,
        grants=grants_of(reading, person),
        scopes=None if row.scopes is None else frozenset(row.scopes),
        services=None if row.services is None else frozenset(row.services),
    )
    return Caller(principal=principal, name=row.name, token=row.id, expires_at=row.expires_at)


def is_still_good(reading: Reading, caller: Caller) -> bool:
    """Whether the session or token that was let in some time ago would be let in again."""
    query = (
        sa.select(sessions.c.expires_at).where(sessions.c.id == caller.session)
        if caller.session is not None
        else sa.select(tokens.c.expires_at).where(tokens.c.id == caller.token)
    )
    row = reading.connection.execute(query).first()
    return row is not None and (row.expires_at is None or row.expires_at > reading.now)


def note_use(tx: Transaction, caller: Caller) -> None:
    """Remember that a session or token was used now; at most once a minute, see :func:`is_use_due`."""
    if caller.session is not None:
        tx.connection.execute(sessions.update().where(sessions.c.id == caller.session).values(seen_at=tx.now))
    if caller.token is not None:
        tx.connection.execute(tokens.update().where(tokens.c.id == caller.token).values(used_at=tx.now))


def is_use_due(reading: Reading, caller: Caller) -> bool:
    """Whether the last noted use is long enough ago to be worth a write."""
    query = (
        sa.select(sessions.c.seen_at).where(sessions.c.id == caller.session)
        if caller.session is not None
        else sa.select(tokens.c.used_at).where(tokens.c.id == caller.token)
    )
    seen: datetime | None = reading.connection.execute(query).scalar()
    return seen is None or reading.now - seen >= _SEEN_EVERY


def grants_of(reading: Reading, person: PersonId) -> tuple[Grant, ...]:
    rows = reading.connection.execute(
        sa.select(grants.c.role, grants.c.service, grants.c.environment)
        .where(grants.c.person == person)
        .order_by(grants.c.service, grants.c.environment, grants.c.role)
    )
    return tuple(Grant(row.role, row.service or None, row.environment or None) for row in rows)


def all_grants(reading: Reading) -> Mapping[PersonId, tuple[Grant, ...]]:
    """What everybody may, at one go; whoever may nothing is not in it."""
    found: dict[PersonId, tuple[Grant, ...]] = {}
    for row in reading.connection.execute(
        sa.select(grants.c.person, grants.c.role, grants.c.service, grants.c.environment).order_by(
            grants.c.service, grants.c.environment, grants.c.role
        )
    ):
        person = PersonId(row.person)
        one = Grant(row.role, row.service or None, row.environment or None)
        found[person] = (*found.get(person, ()), one)
    return found


def _check_limits(tx: Transaction, account: str, address: str) -> None:
    lately = attempts.c.at > tx.now - WINDOW
    for limit, conditions in (
        (PER_ACCOUNT_AND_ADDRESS, (attempts.c.account == account, attempts.c.address == address)),
        (PER_ACCOUNT, (attempts.c.account == account,)),
        (PER_ADDRESS, (attempts.c.address == address,)),
    ):
        count, oldest = tx.connection.execute(
            sa.select(sa.func.count(), sa.func.min(attempts.c.at, type_=attempts.c.at.type)).where(lately, *conditions)
        ).one()
        if count >= limit:
            wait = max(1.0, (oldest + WINDOW - tx.now).total_seconds())
            raise TooMany(
                "Too many failed attempts to sign in.",
                safe="Nobody was signed in.",
                remedy=f"Try again in {round(wait / 60) or 1} min.",
                retry_after=wait,
            )
