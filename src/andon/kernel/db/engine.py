"""Opening a database so that what has been acknowledged survives a loss of power."""

from __future__ import annotations

import sqlite3
import time
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


class SqliteConnection(Protocol):
    """The part of ``sqlite3.Connection`` used here."""

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
            file = Path(parsed.database)
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # SQLite gives the files beside it (the log of writes, the shared index) the rights of this one.
            file.touch(mode=0o600, exist_ok=True)
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
    sqlite: SqliteConnection = connection  # type: ignore[assignment]  # what the "connect" event hands over on SQLite
    sqlite.isolation_level = None
    for pragma in (
        "busy_timeout=15000",
        "synchronous=FULL",
        "foreign_keys=ON",
        "temp_store=MEMORY",
        "cache_size=-16000",
    ):
        sqlite.execute(f"PRAGMA {pragma}")
    use_write_ahead_log(sqlite)


def use_write_ahead_log(sqlite: SqliteConnection, *, patience: float = 15.0) -> None:
    """Set WAL, which lets readers go on while one writes. The change from the older mode needs the file for itself
    and SQLite does not wait for it, so that two processes at their first start would fail: waited for here."""
    deadline = time.monotonic() + patience
    while True:
        try:
            sqlite.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that reads first and writes later fails at once when another writer came
    # between; taking the lock at the start waits instead.
    writing = connection.get_execution_options().get(WRITING, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
