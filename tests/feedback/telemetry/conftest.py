"""One store for all tests of a process: the engine opens one folder in its life."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from andon.feedback.telemetry.store.book import Book
from andon.feedback.telemetry.store.drops import Drops
from andon.feedback.telemetry.store.engine import DATABASE, EmbeddedEngine
from andon.feedback.telemetry.store.schema import upgrade
from andon.feedback.telemetry.store.tables import Tables
from andon.feedback.telemetry.store.writer import DiskWatch, Writer
from tests.feedback.telemetry.engine import the_engine


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
