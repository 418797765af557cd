"""Connections to the shop's SQLite file, shared with other copies and other versions of this program."""

from __future__ import annotations

import queue
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BUSY_SECONDS = 10.0
"""How long a writer waits for another one; the other may be a migration of the next version."""


def connect(path: Path) -> sqlite3.Connection:
    """Open the database. Nothing begins a transaction but `reading` and `writing` below."""
    db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    db.row_factory = sqlite3.Row
    # WAL: readers never wait for a writer. FULL: an order the customer was thanked for survives a power cut.
    _use_wal(db)
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA foreign_keys = ON")
    return db


def _use_wal(db: sqlite3.Connection) -> None:
    # Changing the mode of a brand-new file needs it alone and does not wait for its turn by itself. The mode is kept
    # in the file, so this happens once in its life.
    give_up = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.02)


@contextmanager
def writing(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """One transaction that takes the write lock at once, so that what it reads is what it changes."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


class Pool:
    """Open connections for threads to borrow: as many as were ever needed at one moment, no more."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Borrow a connection; each statement sees the newest state."""
        try:
            db = self._idle.get_nowait()
        except queue.Empty:
            db = connect(self._path)
        try:
            yield db
        except BaseException:
            db.close()  # its state is unknown: the next borrower gets a fresh one
            raise
        self._idle.put(db)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Borrow a connection inside a transaction; an exception takes everything back."""
        with self.reading() as db, writing(db):
            yield db

    def close(self) -> None:
        """Close what is not lent out."""
        while True:
            try:
                self._idle.get_nowait().close()
            except queue.Empty:
                return
