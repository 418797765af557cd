"""The unit of work: one transaction for a request or a step, given from outside, never ended by a service."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from andon.kernel.clock import Clock, SystemClock
from andon.kernel.db.engine import WRITING
from andon.kernel.errors import Unavailable


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

    def after_commit(self, action: Callable[[], None]) -> None:
        """Call ``action`` once the transaction is on the disk; never when it was rolled back.

        Only for hints that may be lost, such as waking a waiter: a crash comes between without a trace.
        What must happen is written as an event and done by a reaction.
        """
        self._afterwards.append(action)

    def run_afterwards(self) -> None:
        for action in self._afterwards:
            action()


class Database:
    """Opens transactions. Safe to share between threads."""

    def __init__(self, engine: Engine, clock: Clock | None = None) -> None:
        self.engine = engine
        self.clock = clock or SystemClock()
        self.is_sqlite = engine.dialect.name == "sqlite"
        # SQLite's own waiting is a sleep that favours nobody; within the process a lock keeps writers in order.
        self._writer = threading.Lock()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """A writing transaction, committed when the block ends and rolled back when it raises.

        Raises :class:`Unavailable` when the database stays locked by another process or cannot be reached
        or written.
        """
        if not self.is_sqlite:
            with self._translating(), self.engine.connect() as connection, connection.begin():
                transaction = Transaction(connection, self.clock.now())
                yield transaction
            transaction.run_afterwards()
            return
        with self._writer, self._translating(), self.engine.connect() as connection:
            connection = connection.execution_options(**{WRITING: True})
            with connection.begin():
                transaction = Transaction(connection, self.clock.now())
                yield transaction
        transaction.run_afterwards()

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        """A read-only look; on SQLite it never waits for a writer."""
        with self._translating(), self.engine.connect() as connection:
            if not self.is_sqlite:
                connection = connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
            with connection.begin():
                yield Reading(connection, self.clock.now())

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.OperationalError as error:
            raise Unavailable(
                f"The database does not take this now: {error.orig}.",
                safe="Nothing was changed.",
                remedy="Try again; if it stays so, look at the disk's free space and `andon doctor`.",
            ) from error
        except sa.exc.TimeoutError as error:
            raise Unavailable(
                "All connections to the database are in use.",
                safe="Nothing was changed.",
                remedy="Try again in a moment.",
            ) from error

    def close(self) -> None:
        self.engine.dispose()
