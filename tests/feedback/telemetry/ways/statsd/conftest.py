"""A station for each test, on an empty store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from andon.feedback.telemetry.store.engine import Engine
from tests.feedback.telemetry.ways.statsd.station import Station


class Stations:
    """Makes them, and stops them at the end."""

    def __init__(self, engine: Engine, ends: ExitStack) -> None:
        self.engine, self._ends = engine, ends

    def keep(self, station: Station) -> Station:
        self._ends.callback(station.stop)
        return station


@pytest.fixture
def stations(engine: Engine) -> Iterator[Stations]:
    with ExitStack() as ends:
        yield Stations(engine, ends)


@pytest.fixture
def station(stations: Stations) -> Station:
    return stations.keep(Station(stations.engine))
