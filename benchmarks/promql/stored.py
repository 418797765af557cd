"""The same samples in Andon's own store, through its writer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from andon.feedback.telemetry.asking.measurements import StoredMeasurements
from andon.feedback.telemetry.contract.intake import Batch, Way
from andon.feedback.telemetry.store.book import Book
from andon.feedback.telemetry.store.drops import Drops
from andon.feedback.telemetry.store.engine import DATABASE, EmbeddedEngine
from andon.feedback.telemetry.store.retention import Keep
from andon.feedback.telemetry.store.rollups import Rollups
from andon.feedback.telemetry.store.schema import upgrade
from andon.feedback.telemetry.store.tables import Tables
from andon.feedback.telemetry.store.writer import DiskWatch, Writer
from andon.kernel.errors import Unavailable
from benchmarks.promql.samples import LENGTH, START, Sampled

NOW = START + LENGTH


class Stored:
    """A store in a folder of its own, closed with the block. The engine opens one folder in a process' life."""

    def __init__(self, folder: Path) -> None:
        self._engine = EmbeddedEngine(folder / "store", backups=folder / "backups")
        self._engine.command(f"CREATE DATABASE IF NOT EXISTS {DATABASE}")
        upgrade(self._engine)
        self._writer = Writer(
            Tables(self._engine, lambda: NOW),
            Book(limit=100_000, total=100_000),
            Drops(),
            DiskWatch(folder, 0),
            rollups=Rollups(self._engine, lambda: NOW, grace=0),
        )
        self._writer.start()
        self.measurements = StoredMeasurements(self._engine, Keep())

    def __enter__(self) -> Stored:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.stop()
        self._engine.close()

    def write(self, samples: Sequence[Sampled]) -> None:
        """Raises :class:`Unavailable` when not every sample was taken."""
        receipt = self._writer.take(
            Batch(
                way=Way.REMOTE_WRITE,
                series=[one.series for one in samples],
                ids=[one.series.id for one in samples for _ in one.times],
                times=[at for one in samples for at in one.times],
                values=[value for one in samples for value in one.values],
            )
        ).result(120)
        if receipt.samples != sum(len(one.times) for one in samples):
            raise Unavailable(f"The store dropped samples: {dict(receipt.dropped)}", remedy="Mend the benchmark.")
