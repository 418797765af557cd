"""The unit of work, on both databases."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from andon.kernel.clock import SettableClock
from andon.kernel.db import Database, DatabaseUnavailable, open_engine
from andon.kernel.errors import Invalid
from andon.kernel.events.storage import cursors


def put(database: Database, name: str, position: int = 1) -> None:
    with database.transaction() as tx:
        tx.connection.execute(cursors.insert().values(reaction=name, position=position))


def names(database: Database) -> list[str]:
    with database.reading() as reading:
        return sorted(row.reaction for row in reading.connection.execute(sa.select(cursors)))


def test_what_is_written_is_there_afterwards(database: Database) -> None:
    put(database, "one")
    assert names(database) == ["one"]


def test_an_error_takes_everything_back(database: Database) -> None:
    with contextlib.suppress(KeyError), database.transaction() as tx:
        tx.connection.execute(cursors.insert().values(reaction="gone", position=1))
        raise KeyError
    assert names(database) == []


def test_every_test_begins_with_an_empty_database(database: Database) -> None:
    assert names(database) == []
    put(database, "left behind")


def test_a_hint_runs_after_the_commit_and_never_after_a_rollback(database: Database) -> None:
    seen: list[list[str]] = []
    with database.transaction() as tx:
        tx.connection.execute(cursors.insert().values(reaction="one", position=1))
        tx.after_commit(lambda: seen.append(names(database)))
        assert not seen
    assert seen == [["one"]]
    with contextlib.suppress(KeyError), database.transaction() as tx:
        tx.after_commit(lambda: seen.append([]))
        raise KeyError
    assert len(seen) == 1


def test_a_hint_that_fails_is_logged_and_the_transaction_stands(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[str] = []

    def fail() -> None:
        raise KeyError

    with database.transaction() as tx:
        tx.connection.execute(cursors.insert().values(reaction="one", position=1))
        tx.after_commit(fail)
        tx.after_commit(lambda: done.append("the next one"))
    assert names(database) == ["one"]
    assert done == ["the next one"]
    assert "a hint after a commit failed" in caplog.text


def test_a_transaction_has_one_moment(database: Database, clock: SettableClock) -> None:
    with database.transaction() as tx:
        clock.advance(5)
        first = tx.now
    with database.transaction() as tx:
        assert (tx.now - first).total_seconds() == 5


def test_a_transaction_within_another_is_refused_instead_of_waiting_for_ever(database: Database) -> None:
    with database.transaction(), pytest.raises(RuntimeError, match="open already"), database.transaction():
        pass
    put(database, "afterwards all is well")


def test_a_reader_sees_one_moment_while_others_write(database: Database) -> None:
    put(database, "before")
    with database.reading() as reading:
        first = reading.connection.execute(sa.select(sa.func.count()).select_from(cursors)).scalar()
        put(database, "meanwhile")
        second = reading.connection.execute(sa.select(sa.func.count()).select_from(cursors)).scalar()
    assert (first, second) == (1, 1)
    assert names(database) == ["before", "meanwhile"]


def test_many_writers_lose_nothing(database: Database) -> None:
    put(database, "shared", 0)

    def count() -> None:
        for _ in range(10):
            with database.transaction() as tx:
                tx.connection.execute(cursors.update().values(position=cursors.c.position + 1))

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.reading() as reading:
        assert reading.connection.execute(sa.select(cursors.c.position)).scalar_one() == 80


def test_two_processes_may_open_a_new_file_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new' / 'andon.db'}"
    gate = threading.Barrier(8)
    modes: list[str] = []

    def open_one() -> None:
        engine = open_engine(url)
        gate.wait()
        with engine.connect() as connection:
            modes.append(connection.exec_driver_sql("PRAGMA journal_mode").scalar_one())
        engine.dispose()

    threads = [threading.Thread(target=open_one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert modes == ["wal"] * 8
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "new" / "andon.db").stat().st_mode & 0o777 == 0o600


def test_sqlite_keeps_what_it_acknowledged(sqlite_database: Database) -> None:
    with sqlite_database.reading() as reading:
        assert reading.connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
        assert reading.connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1


def test_a_database_that_another_process_locks_is_waited_for_and_then_told(sqlite_database: Database) -> None:
    put(sqlite_database, "before")
    path = sqlite_database.engine.url.database
    assert path is not None
    patience(sqlite_database, 30_000)
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    with contextlib.closing(other):
        other.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.2, lambda: other.execute("COMMIT"))
        release.start()
        put(sqlite_database, "after the other")
        release.join()

        patience(sqlite_database, 20)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseUnavailable, match="locked") as refused:
            put(sqlite_database, "never")
        assert refused.value.safe == "Nothing was changed."
        assert names(sqlite_database) == ["after the other", "before"], "reading goes on meanwhile"
        other.execute("COMMIT")
        put(sqlite_database, "now")
    assert names(sqlite_database) == ["after the other", "before", "now"]


def patience(database: Database, milliseconds: int) -> None:
    """How long new connections wait for another process: 15 s otherwise."""

    def connected(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute(f"PRAGMA busy_timeout={milliseconds}")

    database.engine.dispose()
    sa.event.listen(database.engine, "connect", connected)


def test_a_database_that_cannot_be_reached_says_what_to_do(open_database: Callable[[str], Database]) -> None:
    nowhere = open_database("postgresql://nobody@/nothing?host=/nonexistent")
    with pytest.raises(DatabaseUnavailable, match="Nothing was changed"), nowhere.transaction():
        pass


def test_other_databases_are_refused() -> None:
    with pytest.raises(Invalid, match="mysql"):
        open_engine("mysql://localhost/andon")
