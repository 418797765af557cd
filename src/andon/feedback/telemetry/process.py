"""The telemetry process: the store, its door, and every way in, each of which may fail without the others.

What watches must outlive what is watched: it needs neither the web process nor the worker, and nothing of theirs waits
for it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from andon.feedback.telemetry.contract.metrics import Level, Series
from andon.feedback.telemetry.store.backup import alone, backup, clear, recover, restore
from andon.feedback.telemetry.store.book import Book
from andon.feedback.telemetry.store.counting import Counted, LineCounter
from andon.feedback.telemetry.store.door import Deed, Door
from andon.feedback.telemetry.store.drops import Drops
from andon.feedback.telemetry.store.editions import Editions
from andon.feedback.telemetry.store.engine import EmbeddedEngine, Engine, at_url
from andon.feedback.telemetry.store.rollups import Rollups
from andon.feedback.telemetry.store.schema import upgrade
from andon.feedback.telemetry.store.tables import Tables
from andon.feedback.telemetry.store.templates import Templates
from andon.feedback.telemetry.store.writer import DiskWatch, Writer
from andon.feedback.telemetry.where import Where
from andon.kernel.errors import AndonError
from andon.kernel.settings import TelemetrySettings

_log = logging.getLogger(__name__)


class Part(Protocol):
    """Something that runs from :meth:`start` to :meth:`stop`."""

    def start(self) -> None:
        """Raises :class:`~andon.kernel.errors.AndonError` when it cannot; the other parts go on without it."""

    def stop(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """What the ways in are given."""

    engine: Engine
    """Where telemetry is kept."""
    parser: EmbeddedEngine
    """What bulk text is parsed with; the same engine, unless telemetry is kept on a server."""
    tables: Tables
    book: Book
    drops: Drops
    disk: DiskWatch
    writer: Writer


@dataclass(slots=True)
class TelemetryProcess:
    """``ways`` makes the parts that take in, once the store is open."""

    settings: TelemetrySettings
    where: Where
    ways: Callable[[Store], Sequence[tuple[str, Part]]] = lambda _store: ()
    counted: Callable[[], Sequence[Counted]] = lambda: ()
    """Which lines of logs are counted."""
    level: Callable[[Series], Level] = lambda series: series.level
    begin_anew: Callable[[], None] = lambda: None
    """Called when this process should end and be started again."""
    _running: list[Part] = field(default_factory=list)
    _door: Door | None = None
    _closing: list[Engine] = field(default_factory=list)

    def start(self) -> None:
        """Raises :class:`~andon.kernel.errors.AndonError` when the store cannot be opened."""
        settings = self.settings
        local = EmbeddedEngine(self.where.store, backups=self.where.backups, memory=settings.memory)
        engine = at_url(settings.url) if settings.url else local
        self._closing = [local] if engine is local else [engine, local]
        if engine is local:
            recover(local)
            clear(self.where.backups)
        upgrade(engine)
        book = Book(limit=settings.series_per_service, total=settings.series, level=self.level)
        tables = Tables(engine, editions=Editions(self.where.editions))
        drops = Drops()
        disk = DiskWatch(self.where.data, settings.disk_reserve)
        rollups = Rollups(engine)
        writer = Writer(
            tables,
            book,
            drops,
            disk,
            rollups=rollups,
            templates=Templates(tables.templates()),
            counter=LineCounter(self.counted),
        )
        tables.turn_day(book)
        self._begin("the writer", writer)
        if engine is local:
            self._door = Door(local, self.where.door, self._deeds(local))
            self._door.start()
        self._begin("roll-ups", rollups)
        store = Store(engine=engine, parser=local, tables=tables, book=book, drops=drops, disk=disk, writer=writer)
        for name, part in self.ways(store):
            self._begin(name, part)

    def _deeds(self, engine: EmbeddedEngine) -> dict[str, Deed]:
        folder = self.where.backups

        def copy(values: Mapping[str, str]) -> bytes:
            made = backup(engine, folder, values.get("name", ""), base=values.get("base", ""))
            return msgspec.json.encode(made)

        def put_back(values: Mapping[str, str]) -> bytes:
            with alone():
                # nobody may write meanwhile; what is remembered of the old rows is forgotten with this process
                self._quiet()
                try:
                    return msgspec.json.encode(restore(engine, folder, values.get("name", "")))
                finally:
                    self.begin_anew()

        return {"backup": copy, "restore": put_back}

    def stop(self) -> None:
        """Ways in first, the writer last: what was taken in is written."""
        self._quiet()
        if self._door is not None:
            self._door.stop()
        for engine in self._closing:
            engine.close()

    def _quiet(self) -> None:
        """Stop everything that writes. The door still answers."""
        while self._running:
            self._running.pop().stop()

    def _begin(self, name: str, part: Part) -> None:
        try:
            part.start()
        except AndonError as error:
            _log.warning("%s did not start: %s", name, error)
            return
        self._running.append(part)
