"""Tokens for programs: scoped, expiring, shown once; and the operator's, for Andon's own machine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from andon.kernel.access.contract import TokenCreated, TokenRevoked
from andon.kernel.access.model import OPERATOR, Permission, PersonId, Principal, Role, is_place
from andon.kernel.access.secret import TOKEN_PREFIX, digest_of, new_secret
from andon.kernel.access.storage import grants, people, tokens
from andon.kernel.db import Reading, Transaction
from andon.kernel.errors import Forbidden, Invalid, NotFound
from andon.kernel.events import ANDON, Actor, ActorKind, append
from andon.kernel.files import write_private
from andon.kernel.ids import new_id

LONGEST_DAYS = 366 * 5
MOST_SERVICES = 100


@dataclass(frozen=True, slots=True)
class Token:
    """``prefix`` tells tokens apart without opening anything."""

    id: str
    person: PersonId
    label: str
    prefix: str
    scopes: tuple[Permission, ...] | None
    services: tuple[str, ...] | None
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewToken:
    """``secret`` is shown once and kept nowhere."""

    token: Token
    secret: str = field(repr=False)


def create_token(
    tx: Transaction,
    asker: Principal,
    *,
    label: str,
    scopes: Iterable[Permission] | None = None,
    services: Iterable[str] | None = None,
    days: float | None = 90,
) -> NewToken:
    """A token that acts for the asker. A token cannot make one that may more than itself, or for longer.

    ``days`` is ``None`` for one that never expires; what a token makes ends with it at the latest.
    Raises :class:`Forbidden`, :class:`Invalid`.
    """
    if asker.person is None:
        raise Forbidden("Only people have tokens.", remedy="Sign in first.")
    label = " ".join(label.split())
    if not label or len(label) > 100 or not label.isprintable():
        raise Invalid("A token needs a label of 1 to 100 characters.", remedy="Say what it is for.")
    if days is not None and not 0 < days <= LONGEST_DAYS:
        raise Invalid(f"A token lasts between 0 and {LONGEST_DAYS} days.", remedy="Choose fewer days.")
    wanted_scopes = None if scopes is None else frozenset(scopes)
    wanted_services = None if services is None else frozenset(services)
    if wanted_services is not None:
        _check_services(wanted_services)
    if (asker.scopes is not None and not (wanted_scopes is not None and wanted_scopes <= asker.scopes)) or (
        asker.services is not None and not (wanted_services is not None and wanted_services <= asker.services)
    ):
        raise Forbidden(
            "A token cannot make one that may do more than itself.",
            safe="No token was made.",
            remedy="Ask for fewer scopes or services, or make it on your account's page.",
        )
    ends = [] if days is None else [tx.now + timedelta(days=days)]
    if (own := _end_of(tx, asker)) is not None:
        ends.append(own)
    return _insert(
        tx,
        asker.person,
        label=label,
        scopes=None if wanted_scopes is None else tuple(sorted(wanted_scopes)),
        services=None if wanted_services is None else tuple(sorted(wanted_services)),
        expires_at=min(ends, default=None),
        by=asker.actor,
    )


def is_unbound(asker: Principal) -> bool:
    """Whether they act with all that the person may: signed in, or by a token without scopes and services."""
    return asker.scopes is None and asker.services is None


def may_token(reading: Reading, token: str, permission: Permission) -> bool:
    """Whether a token's scopes leave it this, whatever its owner may; ``False`` for one that is no more."""
    row = reading.connection.execute(sa.select(tokens.c.scopes).where(tokens.c.id == token)).first()
    return row is not None and (row.scopes is None or permission in row.scopes)


def tokens_of(reading: Reading, person: PersonId) -> tuple[Token, ...]:
    """Newest first; the expired stay to be seen until they are revoked."""
    wanted = [tokens.c[name] for name in Token.__slots__]
    rows = reading.connection.execute(
        sa.select(*wanted).where(tokens.c.person == person).order_by(tokens.c.created_at.desc())
    )
    return tuple(Token(**row._mapping) for row in rows)


def revoke_token(tx: Transaction, asker: Principal, token: str) -> None:
    """Revoke by id or prefix; an administrator may revoke anybody's by id.

    A token that is restricted revokes itself and nothing else of its owner's: it may be in hands that were not meant
    to have more. Raises :class:`NotFound`, :class:`Forbidden`.
    """
    row = tx.connection.execute(
        sa.select(tokens.c.id, tokens.c.person).where(
            sa.or_(tokens.c.id == token, sa.and_(tokens.c.prefix == token, tokens.c.person == asker.person))
        )
    ).first()
    if row is None or (row.person != asker.person and not asker.may(Permission.ADMINISTER)):
        raise NotFound("There is no such token.", remedy="`andon token list` shows yours.")
    if row.person == OPERATOR and asker.person != OPERATOR:
        raise Forbidden(
            "The operator is the machine itself: nobody locks it out from elsewhere.",
            safe="No token was revoked.",
            remedy="On that machine, delete operator.token and restart Andon to renew it.",
        )
    itself = asker.actor.kind is ActorKind.TOKEN and asker.actor.id == row.id
    if not (itself or is_unbound(asker) or asker.may(Permission.ADMINISTER)):
        raise Forbidden(
            "A token that is restricted revokes only itself.",
            safe="No token was revoked.",
            remedy="Revoke it on your account's page, or with a token that may all that you may.",
        )
    tx.connection.execute(tokens.delete().where(tokens.c.id == row.id))
    append(tx, TokenRevoked(token=row.id, person=PersonId(row.person)), by=asker.actor)


def ensure_operator(tx: Transaction, file: Path) -> None:
    """See to it that ``file`` holds a token of the operator, readable by its owner only.

    The file is written before the transaction commits: a crash between leaves a token that opens nothing and
    is replaced at the next start. Raises ``OSError``.
    """
    if tx.connection.execute(sa.select(people.c.id).where(people.c.id == OPERATOR)).first() is None:
        tx.connection.execute(
            people.insert().values(id=OPERATOR, name="operator", name_key="operator", created_at=tx.now)
        )
        tx.connection.execute(
            grants.insert().values(person=OPERATOR, role=Role.ADMINISTRATOR, service="", environment="", at=tx.now)
        )
    if file.is_file() and _opens(tx, file.read_text(encoding="utf-8", errors="replace").strip()):
        file.chmod(0o600)
        return
    tx.connection.execute(tokens.delete().where(tokens.c.person == OPERATOR))
    made = _insert(tx, OPERATOR, label="this machine", scopes=None, services=None, expires_at=None, by=ANDON)
    write_private(file, made.secret.encode() + b"\n")


def _check_services(names: frozenset[str]) -> None:
    if len(names) > MOST_SERVICES:
        raise Invalid(
            f"A token is bound to {MOST_SERVICES} services at most.",
            safe="No token was made.",
            remedy="Make several, or one that is not bound.",
        )
    if not all(is_place(one) for one in names):
        raise Invalid(
            "No service can be called like that.",
            safe="No token was made.",
            remedy="A name has letters, digits, dots and dashes, 80 at most.",
        )


def _end_of(reading: Reading, asker: Principal) -> datetime | None:
    """When the token that asks ends; ``None`` for one that never does, and for somebody signed in."""
    if asker.actor.kind is not ActorKind.TOKEN:
        return None
    ends: datetime | None = reading.connection.execute(
        sa.select(tokens.c.expires_at).where(tokens.c.id == asker.actor.id)
    ).scalar()
    return ends


def _opens(reading: Reading, secret: str) -> bool:
    return (
        reading.connection.execute(
            sa.select(tokens.c.id).where(tokens.c.digest == digest_of(secret), tokens.c.person == OPERATOR)
        ).first()
        is not None
    )


def _insert(
    tx: Transaction,
    person: PersonId,
    *,
    label: str,
    scopes: tuple[Permission, ...] | None,
    services: tuple[str, ...] | None,
    expires_at: datetime | None,
    by: Actor,
) -> NewToken:
    secret = new_secret(TOKEN_PREFIX)
    token = Token(
        id=new_id("token"),
        person=person,
        label=label,
        prefix=secret[: len(TOKEN_PREFIX) + 6],
        scopes=scopes,
        services=services,
        created_at=tx.now,
        expires_at=expires_at,
        used_at=None,
    )
    tx.connection.execute(
        tokens.insert().values(digest=digest_of(secret), **{name: getattr(token, name) for name in Token.__slots__})
    )
    append(
        tx,
        TokenCreated(token=token.id, person=person, scopes=scopes, services=services, expires_at=expires_at),
        by=by,
    )
    return NewToken(token, secret)
