"""One store for all tests of a process, and the two implementations of what is asked of measurements."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from andon.feedback.telemetry.store.engine import DATABASE, Engine
from andon.feedback.telemetry.store.schema import upgrade
from tests.feedback.telemetry.asking.filling import Filling, InMemory, InStore
from tests.feedback.telemetry.engine import the_engine


@pytest.fixture
def engine() -> Engine:
    """An empty store with its tables."""
    found = the_engine()
    found.command(f"DROP DATABASE IF EXISTS {DATABASE} SYNC")
    found.command(f"CREATE DATABASE {DATABASE}")
    upgrade(found)
    return found


@pytest.fixture
def in_store(engine: Engine) -> Iterator[InStore]:
    made = InStore(engine)
    yield made
    made.close()


@pytest.fixture(params=["stored", "in memory"])
def filling(request: pytest.FixtureRequest) -> Filling:
    """What measurements are put in; every test with it runs for both implementations."""
    if request.param == "in memory":
        return InMemory()
    found: Filling = request.getfixturevalue("in_store")
    return found
