"""All ways in before one real store, for each module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from andon.feedback.telemetry.store.engine import DATABASE
from andon.feedback.telemetry.store.schema import upgrade
from tests.feedback.telemetry.engine import the_engine
from tests.feedback.telemetry.ways.everything import Everything


@pytest.fixture(scope="module")
def all_(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Everything]:
    engine = the_engine()
    engine.command(f"DROP DATABASE IF EXISTS {DATABASE} SYNC")
    engine.command(f"CREATE DATABASE {DATABASE}")
    upgrade(engine)
    made = Everything(engine, tmp_path_factory.mktemp("data"))
    made.start()
    yield made
    made.stop()
