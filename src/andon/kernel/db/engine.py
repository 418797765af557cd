"""Opening a database so that what has been acknowledged survives a loss of power."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.engine.url import make_url
from sqlalchemy.pool import ConnectionPoolEntry

from andon.kernel.errors import Invalid

WRITING = "andon_writing"
"""Execution option that makes a SQLite transaction take the write lock when it begins."""


class _SqliteConnection(Protocol):
    isolation_level: str | None

    def execute(self, sql: str) -> object: ...


def open_engine(url: str, *, pool_size: int = 20) -> Engine:
    """An engine for ``sqlite:///…`` or ``postgresql://…``.

    SQLite is set to WAL with ``synchronous=FULL`` (a commit is on the disk when it returns) and waits up to
    15 s for another process's write. Raises :class:`Invalid` for any other database.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        if parsed.database and parsed.database != ":memory:":
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        engine = sa.create_engine(
            parsed,
            pool_size=pool_size,
            max_overflow=pool_size,
            connect_args={"check_same_thread": False, "timeout": 15.0},
        )
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    if parsed.get_backend_name() == "postgresql":
        return sa.create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_pre_ping=True,
        )
    raise Invalid(
        f"Andon cannot keep its record in {parsed.get_backend_name()!r}.",
        remedy="Set database.url to sqlite:///PATH or postgresql://USER@HOST/NAME.",
    )


def _set_up_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    # The driver's own transaction handling would begin late and deferred; ours begins in _begin_sqlite.
    sqlite: _SqliteConnection = connection  # type: ignore[assignment]
    sqlite.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "busy_timeout=15000",
        "temp_store=MEMORY",
        "cache_size=-16000",
    ):
        sqlite.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that reads first and writes later fails at once when another writer came
    # between; taking the lock at the start waits instead.
    writing = connection.get_execution_options().get(WRITING, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
