"""Reactions: what is done because something happened, at least once, in order, with retries.

The record is the outbox. Each reaction has a cursor in it; the handler runs in one transaction with the
cursor's move, so that what a handler writes happens exactly once. A handler that fails is retried with
growing pauses while later events go on; after :data:`ATTEMPTS` it becomes a dead letter, which a person
retries or discards. Effects outside the database must be safe to repeat.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from andon.kernel.db import Database, DatabaseUnavailable, Reading, Transaction
from andon.kernel.errors import AndonError, NotFound
from andon.kernel.events.bell import Bell
from andon.kernel.events.model import Envelope, Event
from andon.kernel.events.record import at_position, latest_position, page
from andon.kernel.events.storage import cursors, events, failures

ATTEMPTS = 8
"""Tries before a delivery becomes a dead letter: about four minutes in all."""
LONGEST_PAUSE = timedelta(seconds=300)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reaction:
    """``handle`` is called with each event of the given types; it must be idempotent.

    ``name`` is for ever: it identifies the cursor. A new reaction starts at the record's beginning when
    ``from_beginning``, else at its end.
    """

    name: str
    types: tuple[type[Event], ...]
    handle: Callable[[Transaction, Envelope], None]
    from_beginning: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A delivery that failed. ``next_at`` is ``None`` for a dead letter."""

    reaction: str
    position: int
    attempts: int
    next_at: datetime | None
    error: str
    since: datetime


class Reactor:
    """Runs reactions in one thread, in the order of the record."""

    def __init__(self, database: Database, bell: Bell, reactions: Sequence[Reaction]) -> None:
        self._database = database
        self._bell = bell
        self._reactions = tuple(reactions)
        self._wanted = {one.name: {kind.type for kind in one.types} for one in self._reactions}
        self._positions: dict[str, int] = {}
        self._passed = {one.name: 0 for one in self._reactions}
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="reactor", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._bell.ring()
        if self._thread is not None:
            self._thread.join()

    def turn(self) -> bool:
        """Deliver what is due once; whether anything was done."""
        if not self._positions:
            self._find_positions()
        # Both each time: a busy record must not keep the failed ones waiting.
        advanced = self._advance()
        return self._retry() or advanced

    def waits_since(self, reading: Reading) -> datetime | None:
        """When the oldest event happened that a reaction has yet to see, dead letters included; ``None`` without any.

        Where a reaction never ran, everything that it wants is yet to be seen.
        """
        stored = {row.reaction: row.position for row in reading.connection.execute(sa.select(cursors))}
        ahead = [
            sa.and_(events.c.type.in_(wanted), events.c.position > stored.get(name, 0))
            for name, wanted in self._wanted.items()
        ]
        failed = events.c.position.in_(sa.select(failures.c.position))
        query = sa.select(events.c.at).where(sa.or_(failed, *ahead)).order_by(events.c.position).limit(1)
        return reading.connection.execute(query).scalar()

    def _run(self) -> None:
        while not self._stopping.is_set():
            position = self._bell.position
            try:
                worked = self.turn()
            except DatabaseUnavailable as error:
                _log.warning("reactions wait: %s", error)
                worked = False
            except Exception:  # noqa: BLE001 - logged whole; the thread must outlive what nobody foresaw
                _log.exception("reactions stumbled and try again")
                worked = False
            if not worked:
                self._bell.wait(position, 0.25)

    def _find_positions(self) -> None:
        with self._database.transaction() as tx:
            stored = {row.reaction: row.position for row in tx.connection.execute(sa.select(cursors))}
            for reaction in self._reactions:
                position = stored.get(reaction.name)
                if position is None:
                    position = 0 if reaction.from_beginning else latest_position(tx)
                    position = _begin(tx, reaction.name, position)
                self._positions[reaction.name] = position

    def _advance(self) -> bool:
        if not self._positions:
            return False
        start = min(self._positions.values())
        with self._database.reading() as reading:
            batch = page(reading, after=start, limit=200)
        for envelope in batch:
            for reaction in self._reactions:
                if self._stopping.is_set():
                    return True
                if self._positions[reaction.name] >= envelope.position:
                    continue
                if envelope.type in self._wanted[reaction.name]:
                    self._deliver(reaction, envelope)
                    self._passed[reaction.name] = 0
                else:
                    self._passed[reaction.name] += 1
                self._positions[reaction.name] = envelope.position
        self._store_positions()
        return bool(batch)

    def _store_positions(self) -> None:
        # Events that nobody waited for move a cursor in memory only: after a crash they are read again, for
        # nothing. Written now and then, so that this stays short.
        behind = [name for name, passed in self._passed.items() if passed >= 500]
        if behind:
            with self._database.transaction() as tx:
                for name in behind:
                    _advance_to(tx, name, self._positions[name])
            self._passed.update(dict.fromkeys(behind, 0))

    def _deliver(self, reaction: Reaction, envelope: Envelope) -> None:
        try:
            with self._database.transaction() as tx:
                if _advance_to(tx, reaction.name, envelope.position):
                    reaction.handle(tx, envelope)
        except DatabaseUnavailable:
            raise  # the database's trouble, not the handler's: the same event comes again
        except Exception as error:  # noqa: BLE001 - any handler's failure becomes a visible, retried delivery
            _log.warning("reaction %s failed on event %s: %s", reaction.name, envelope.id, error)
            with self._database.transaction() as tx:
                if _advance_to(tx, reaction.name, envelope.position):
                    _fail(tx, reaction.name, envelope.position, 1, error)

    def _retry(self) -> bool:
        now = self._database.clock.now()
        # What is due later than any pause lasts was put off by a clock that has been set back since.
        is_due = sa.or_(failures.c.next_at <= now, failures.c.next_at > now + LONGEST_PAUSE)
        with self._database.reading() as reading:
            due = reading.connection.execute(
                sa.select(failures.c.reaction, failures.c.position, failures.c.attempts)
                .where(is_due, failures.c.reaction.in_(self._wanted))
                .order_by(failures.c.position)
                .limit(20)
            ).all()
            loaded = [
                (reaction, envelope, row.attempts)
                for row in due
                for reaction in self._reactions
                if reaction.name == row.reaction
                for envelope in [at_position(reading, row.position)]
                if envelope is not None
            ]
        for reaction, envelope, attempts in loaded:
            here = sa.and_(failures.c.reaction == reaction.name, failures.c.position == envelope.position)
            try:
                with self._database.transaction() as tx:
                    # First, so that a second reactor waits here and then finds nothing left to do.
                    if tx.connection.execute(failures.delete().where(here)).rowcount:
                        reaction.handle(tx, envelope)
            except DatabaseUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 - any handler's failure becomes a visible, retried delivery
                _log.warning("reaction %s failed again on event %s: %s", reaction.name, envelope.id, error)
                with self._database.transaction() as tx:
                    changed = _failed(tx, attempts + 1, error)
                    tx.connection.execute(failures.update().where(here).values(**changed))
        return bool(loaded)


def failed_deliveries(reading: Reading) -> tuple[Delivery, ...]:
    """What is being retried and what has become a dead letter, newest first."""
    rows = reading.connection.execute(sa.select(failures).order_by(failures.c.since.desc())).all()
    return tuple(Delivery(**row._mapping) for row in rows)


def retry_delivery(tx: Transaction, reaction: str, position: int) -> None:
    """Try a failed delivery again now. Raises :class:`NotFound` when it has been delivered meanwhile."""
    changed = tx.connection.execute(
        failures.update()
        .where(failures.c.reaction == reaction, failures.c.position == position)
        .values(next_at=tx.now, attempts=0)
    )
    if not changed.rowcount:
        raise NotFound("This delivery is no longer waiting.", remedy="It was delivered or discarded meanwhile.")


def discard_delivery(tx: Transaction, reaction: str, position: int) -> None:
    """Give a failed delivery up for good. Raises :class:`NotFound` when there is none."""
    changed = tx.connection.execute(
        failures.delete().where(failures.c.reaction == reaction, failures.c.position == position)
    )
    if not changed.rowcount:
        raise NotFound("This delivery is no longer waiting.", remedy="It was delivered or discarded meanwhile.")


def _begin(tx: Transaction, reaction: str, position: int) -> int:
    insert = postgresql_insert if tx.connection.dialect.name == "postgresql" else sqlite_insert
    tx.connection.execute(insert(cursors).values(reaction=reaction, position=position).on_conflict_do_nothing())
    # Another process may have been first.
    here = sa.select(cursors.c.position).where(cursors.c.reaction == reaction)
    return int(tx.connection.execute(here).scalar_one())


def _advance_to(tx: Transaction, reaction: str, position: int) -> bool:
    """Move the cursor forward; ``False`` when it is there already, because another process has delivered this."""
    moved = tx.connection.execute(
        cursors.update().where(cursors.c.reaction == reaction, cursors.c.position < position).values(position=position)
    )
    return moved.rowcount > 0


def _fail(tx: Transaction, reaction: str, position: int, attempts: int, error: Exception) -> None:
    values = _failed(tx, attempts, error)
    tx.connection.execute(failures.insert().values(reaction=reaction, position=position, since=tx.now, **values))


def _failed(tx: Transaction, attempts: int, error: Exception) -> dict[str, object]:
    shown = str(error) if isinstance(error, AndonError) else f"{type(error).__name__}: {error}"
    pause = min(timedelta(seconds=2.0**attempts), LONGEST_PAUSE)
    return {
        "attempts": attempts,
        "next_at": None if attempts >= ATTEMPTS else tx.now + pause,
        # A database's text knows no NUL, and a handler's message may hold what a repository sent.
        "error": shown[:2000].replace("\0", "�"),
    }
