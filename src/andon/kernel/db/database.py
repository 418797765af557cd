"""The unit of work: one transaction for a request or a step, given from outside, never ended by a service."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from andon.kernel.clock import Clock, SystemClock
from andon.kernel.db.engine import WRITING
from andon.kernel.errors import Unavailable

_log = logging.getLogger(__name__)


class DatabaseUnavailable(Unavailable):
    """The database is locked, full or cannot be reached."""

    code = "andon.database_unavailable"


class Reading:
    """A consistent look at the database at one moment."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self.connection = connection
        self.now = now


class Transaction(Reading):
    """A unit of work: everything written through it happens, or nothing does.

    ``now`` is one instant for the whole transaction, so that what belongs together bears the same time.
    """

    def __init__(self, connection: Connection, now: datetime) -> None:
        super().__init__(connection, now)
        self._afterwards: list[Callable[[], None]] = []
        self._counted = itertools.count()

    def count(self) -> int:
        """0, 1, 2 …: each call one more, within this transaction."""
        return next(self._counted)

    def after_commit(self, action: Callable[[], None]) -> None:
        """Call ``action`` once the transaction is on the disk; never when it was rolled back.

        Only for hints that may be lost, such as waking a waiter: a crash comes between without a trace.
        What must happen is written as an event and done by a reaction.
        """
        self._afterwards.append(action)

    def run_afterwards(self) -> None:
        for action in self._afterwards:
            try:
                action()
            except Exception:  # noqa: BLE001 - logged whole; the transaction itself has succeeded
                # What was written is written: a hint that fails must not look like a transaction that failed.
                _log.exception("a hint after a commit failed")


class Database:
    """Opens transactions. Safe to share between threads."""

    def __init__(self, engine: Engine, clock: Clock | None = None) -> None:
        self.engine = engine
        self.clock = clock or SystemClock()
        self.is_sqlite = engine.dialect.name == "sqlite"
        # SQLite's own waiting is a sleep that favours nobody; within the process a lock keeps writers in order.
        self._writer = threading.Lock()
        self._own = threading.local()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """A writing transaction, committed when the block ends and rolled back when it raises.

        Raises :class:`DatabaseUnavailable` when the database stays locked by another process or cannot be
        reached or written, and ``RuntimeError`` inside another transaction of the same thread: the inner one would
        wait for the outer for ever on SQLite, and be committed although the outer is rolled back on PostgreSQL.
        """
        if getattr(self._own, "open", False):
            raise RuntimeError("this thread has a transaction open already: pass it on instead of opening another")
        self._own.open = True
        try:
            with (
                self._writer if self.is_sqlite else nullcontext(),
                self._translating(),
                self.engine.connect() as connection,
                connection.execution_options(**{WRITING: True}).begin(),
            ):
                transaction = Transaction(connection, self.clock.now())
                yield transaction
        finally:
            self._own.open = False
        transaction.run_afterwards()

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        """A read-only look; on SQLite it never waits for a writer."""
        with self._translating(), self.engine.connect() as connection:
            if not self.is_sqlite:
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                yield Reading(connection, self.clock.now())

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.OperationalError as error:
            raise DatabaseUnavailable(
                f"The database does not take this now: {error.orig}.",
                safe="Nothing was changed.",
                remedy="Try again; if it stays so, look at the disk's free space and `andon doctor`.",
            ) from error
        except sa.exc.TimeoutError as error:
            raise DatabaseUnavailable(
                "All connections to the database are in use.",
                safe="Nothing was changed.",
                remedy="Try again in a moment.",
            ) from error

    def close(self) -> None:
        self.engine.dispose()
