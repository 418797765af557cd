"""The record's tables."""

from __future__ import annotations

import sqlalchemy as sa

from andon.kernel.db import Instant, append_only, metadata

# BIGINT does not autoincrement on SQLite; INTEGER does and is 64 bits wide there.
# On PostgreSQL positions come from record.py; a sequence would hand them out in another order than commits show them.
_Position = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

events = sa.Table(
    "events",
    metadata,
    sa.Column("position", _Position, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(40), nullable=False, unique=True),
    sa.Column("type", sa.String(120), nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("actor", sa.String(80), nullable=False),
    sa.Column("person", sa.String(40)),
    sa.Column("subject", sa.String(200), nullable=False),
    sa.Column("service", sa.String(80)),
    sa.Column("environment", sa.String(80)),
    sa.Column("run", sa.String(40)),
    sa.Column("deployment", sa.String(40)),
    sa.Column("commit", sa.String(64)),
    sa.Column("data", sa.Text, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Index(None, "subject"),
    sa.Index(None, "service", "environment", "position"),
    sa.Index(None, "run"),
    sa.Index(None, "deployment"),
    sa.Index(None, "commit"),
    sa.Index(None, "type", "position"),
    sqlite_autoincrement=True,
)

seals = sa.Table(
    "event_seals",
    metadata,
    sa.Column("number", _Position, primary_key=True, autoincrement=False),
    sa.Column("first", sa.BigInteger, nullable=False),
    sa.Column("last", sa.BigInteger, nullable=False),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("previous", sa.String(64), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("key", sa.String(64), nullable=False),
    sa.Column("signature", sa.String(200), nullable=False),
)

offsets = sa.Table(
    "event_offset",
    metadata,
    # One row at most, PostgreSQL only: added to transaction numbers, so that positions go on growing on another server.
    sa.Column("value", sa.BigInteger, primary_key=True, autoincrement=False),
)

append_only(events)
append_only(seals)

cursors = sa.Table(
    "reaction_cursors",
    metadata,
    sa.Column("reaction", sa.String(120), primary_key=True),
    sa.Column("position", sa.BigInteger, nullable=False),
)

failures = sa.Table(
    "reaction_failures",
    metadata,
    sa.Column("reaction", sa.String(120), primary_key=True),
    sa.Column("position", sa.BigInteger, primary_key=True),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_at", Instant),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("since", Instant, nullable=False),
    sa.Index(None, "next_at"),
)
