"""A bell that rings when the record has grown: in this process at once, from another one within milliseconds."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.pool import PoolProxiedConnection

from andon.kernel.db import Database
from andon.kernel.errors import Unavailable
from andon.kernel.events.record import latest_position

_log = logging.getLogger(__name__)


class Bell:
    """Watches the record's newest position and wakes whoever waits for it to move.

    One thread a process asks the database every ``interval`` seconds; that is what lets a page served by one
    process show at once what a worker in another has written. Where nothing is going on this is all that an Andon
    does, so it costs little: SQLite is asked for its data version (5 µs), and for the position when that has moved.
    """

    def __init__(self, database: Database, *, interval: float = 0.02) -> None:
        self._database = database
        self._interval = interval
        self._changed = threading.Condition()
        self._position = 0
        self._listeners: list[Callable[[int], None]] = []
        self._stopping = threading.Event()
        self._nudge = threading.Event()
        self._thread: threading.Thread | None = None
        self._changes = _Changes(database) if database.is_sqlite else None

    def start(self) -> None:
        self._position = self._look()
        self._thread = threading.Thread(target=self._watch, name="bell", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._nudge.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    @property
    def position(self) -> int:
        return self._position

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    def ring(self) -> None:
        """Look now; hand it to ``Transaction.after_commit`` where the next reader should not wait."""
        self._nudge.set()

    def wait(self, beyond: int, timeout: float) -> int:
        """Wait until the record has grown beyond a position or ``timeout`` seconds are over; the position."""
        with self._changed:
            self._changed.wait_for(lambda: self._position > beyond or self._stopping.is_set(), timeout)
            return self._position

    def listen(self, listener: Callable[[int], None]) -> Callable[[], None]:
        """Call ``listener`` with each new position, from the bell's thread; returns what ends it."""
        with self._changed:
            self._listeners.append(listener)

        def end() -> None:
            with self._changed:
                self._listeners.remove(listener)

        return end

    def _watch(self) -> None:
        while not self._stopping.is_set():
            position = self._position if self._changes is not None and not self._changes.any() else self._look()
            if position > self._position:
                with self._changed:
                    self._position = position
                    self._changed.notify_all()
                    listeners = tuple(self._listeners)
                for listener in listeners:
                    try:
                        listener(position)
                    except Exception:  # noqa: BLE001 - logged whole; the others still want to hear
                        _log.exception("a listener to the record failed")
            self._nudge.wait(self._interval)
            self._nudge.clear()
        if self._changes is not None:
            self._changes.close()

    def _look(self) -> int:
        try:
            with self._database.reading() as reading:
                return latest_position(reading)
        except Unavailable:
            # The next look tells; whoever waits does so with a time-out of its own.
            if self._changes is not None:
                self._changes.forget()
            return self._position


class _Changes:
    """Whether other connections, of this process or another one, have committed to a SQLite database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: PoolProxiedConnection | None = None
        self._version: int | None = None

    def any(self) -> bool:
        """Since it was asked the last time; true as well when that cannot be told."""
        try:
            if self._connection is None:
                self._connection = self._database.engine.raw_connection()
            cursor = self._connection.cursor()
            cursor.execute("PRAGMA data_version")
            found = cursor.fetchone()
            cursor.close()
        except (sqlite3.Error, sa.exc.SQLAlchemyError):
            self.close()
            return True
        version = None if found is None else int(found[0])
        changed = version is None or version != self._version
        self._version = version
        return changed

    def forget(self) -> None:
        """What changed has not been looked at after all."""
        self._version = None

    def close(self) -> None:
        self._version = None
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
