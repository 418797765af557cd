"""One store for all tests of a process: the engine opens one folder in its life."""

from __future__ import annotations

import pytest

from andon.feedback.telemetry.store.engine import DATABASE, EmbeddedEngine
from andon.feedback.telemetry.store.schema import upgrade
from tests.feedback.telemetry.engine import the_engine


@pytest.fixture
def engine() -> EmbeddedEngine:
    """An empty store with its tables."""
    found = the_engine()
    found.command(f"DROP DATABASE IF EXISTS {DATABASE} SYNC")
    found.command(f"CREATE DATABASE {DATABASE}")
    upgrade(found)
    return found
