"""The tables of people, their credentials and what they may do. Secrets stand here as digests only."""

from __future__ import annotations

import sqlalchemy as sa

from andon.kernel.access.model import Permission, Role
from andon.kernel.db import Enumeration, Instant, Json, metadata

people = sa.Table(
    "people",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("name", sa.String(200)),
    # Case does not tell people apart: the folded form is what must be unique.
    sa.Column("name_key", sa.String(200), unique=True),
    sa.Column("email", sa.String(320)),
    sa.Column("email_key", sa.String(320), unique=True),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("erased_at", Instant),
)
"""The one table with names and addresses: everything else knows people by id."""

passwords = sa.Table(
    "passwords",
    metadata,
    sa.Column("person", sa.ForeignKey(people.c.id), primary_key=True),
    sa.Column("hash", sa.String(400), nullable=False),
    sa.Column("changed_at", Instant, nullable=False),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("id", sa.String(40), nullable=False, unique=True),
    sa.Column("person", sa.ForeignKey(people.c.id), nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Column("seen_at", Instant, nullable=False),
    sa.Column("agent", sa.String(120), nullable=False),
    sa.Index(None, "person"),
    sa.Index(None, "expires_at"),
)

tokens = sa.Table(
    "api_tokens",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("person", sa.ForeignKey(people.c.id), nullable=False),
    sa.Column("label", sa.String(100), nullable=False),
    sa.Column("prefix", sa.String(20), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False, unique=True),
    sa.Column("scopes", Json(tuple[Permission, ...])),
    sa.Column("services", Json(tuple[str, ...])),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("expires_at", Instant),
    sa.Column("used_at", Instant),
    sa.Index(None, "person"),
)

grants = sa.Table(
    "grants",
    metadata,
    sa.Column("person", sa.ForeignKey(people.c.id), primary_key=True),
    sa.Column("role", Enumeration(Role), primary_key=True),
    # "" is all of them: NULL could not be part of the key.
    sa.Column("service", sa.String(80), primary_key=True),
    sa.Column("environment", sa.String(80), primary_key=True),
    sa.Column("at", Instant, nullable=False),
)

attempts = sa.Table(
    "sign_in_attempts",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    # A digest: what people type into the name field is now and then their password.
    sa.Column("account", sa.String(64), nullable=False),
    sa.Column("address", sa.String(60), nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Index(None, "account", "at"),
    sa.Index(None, "address", "at"),
)

links = sa.Table(
    "one_time_links",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("purpose", sa.String(40), nullable=False),
    sa.Column("person", sa.ForeignKey(people.c.id)),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Column("used_at", Instant),
)
