"""What the tests of the record share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from andon.kernel.clock import SettableClock
from andon.kernel.db import Database
from tests.kernel.events.declared import declared, effects, happen, metadata
from tests.kernel.events.tampering import seal


@pytest.fixture(autouse=True)
def events_of_the_tests() -> Iterator[None]:
    with declared():
        yield


@pytest.fixture
def database(database: Database) -> Iterator[Database]:
    """With a table for the effects of reactions, empty."""
    metadata.create_all(database.engine)
    with database.transaction() as tx:
        tx.connection.execute(effects.delete())
    yield database
    metadata.drop_all(database.engine)


@pytest.fixture
def sealed(database: Database, clock: SettableClock) -> Database:
    """Two seals over three events each, and an event behind them."""
    for names in ("abc", "def"):
        happen(database, *names)
        seal(database)
        clock.advance(60)
    happen(database, "g")
    return database
