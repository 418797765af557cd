from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from andon.feedback.telemetry.memory_intake import MemoryIntake
from andon.feedback.telemetry.own.names import METRICS
from andon.feedback.telemetry.store.book import Book
from andon.feedback.telemetry.store.drops import Drops
from andon.feedback.telemetry.store.engine import DATABASE, EmbeddedEngine
from andon.feedback.telemetry.store.schema import upgrade
from andon.feedback.telemetry.store.tables import Tables
from andon.feedback.telemetry.store.writer import DiskWatch, Writer
from andon.kernel.db import Database
from tests.feedback.telemetry.engine import the_engine
from tests.flow.installation import Installation


def undeclared(intake: MemoryIntake) -> set[tuple[str, str]]:
    """Names and labels that the list of metrics does not have."""
    declared = {one.name: one for one in METRICS}
    return {
        (one.name, label)
        for one in intake.series
        for label, _ in one.labels
        if one.name not in declared or label not in declared[one.name].labels
    }


@pytest.fixture
def local(sqlite_database: Database, tmp_path: Path) -> Installation:
    """A First Way with the repository ``store`` in it."""
    made = Installation(sqlite_database, tmp_path / "flow")
    made.create()
    return made


@pytest.fixture
def engine() -> EmbeddedEngine:
    """An empty store with its tables."""
    found = the_engine()
    found.command(f"DROP DATABASE IF EXISTS {DATABASE} SYNC")
    found.command(f"CREATE DATABASE {DATABASE}")
    upgrade(found)
    return found


def door(engine: EmbeddedEngine, folder: Path) -> Writer:
    """The store's real door, not yet open."""
    disk = DiskWatch(folder, 1000, lambda: 10**12)
    return Writer(Tables(engine), Book(limit=10_000, total=100_000), Drops(), disk, gather=0.01)


@pytest.fixture
def writer(engine: EmbeddedEngine, tmp_path: Path) -> Iterator[Writer]:
    made = door(engine, tmp_path)
    made.start()
    yield made
    made.stop()
