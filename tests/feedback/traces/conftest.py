from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import pytest

from andon.app.people.room import people_room
from andon.feedback.telemetry.memory_traces import MemoryTraces
from andon.feedback.traces.room import traces_room
from andon.flow.deployments.contract import DeploymentId, Deployments
from andon.flow.sources.contract import Service, Sources
from andon.kernel.db import Database, Reading, open_engine
from tests.browser import browser
from tests.databases import Databases
from tests.feedback.traces.request import day, wide
from tests.serving import Serving, quick_passwords, serving, settings_for

__all__ = ["browser"]
COMMIT = "b81d07e" * 5 + "00000"


class Shelf:
    """The services there are."""

    def services(self, reading: Reading) -> tuple[Service, ...]:
        return tuple(Service(one) for one in ("store", "catalogue", "payment", "search"))


@dataclass(frozen=True)
class Brought:
    id: DeploymentId
    commit: str


class Past:
    """One deployment, of the payment service."""

    def recent(self, reading: Reading, service: Service, environment: str, *, limit: int) -> tuple[Brought, ...]:
        return (Brought(DeploymentId("dep_7"), COMMIT),) if service == "payment" else ()


@pytest.fixture(scope="module")
def store() -> MemoryTraces:
    now = time.time_ns()
    return MemoryTraces([*day(now), *wide(now - 30 * 10**9)])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, databases: Databases, store: MemoryTraces) -> Iterator[Serving]:
    url = databases.url("sqlite")
    settings = settings_for(tmp_path_factory.mktemp("traces"), url)
    passwords = quick_passwords()
    room = traces_room(traces=store, sources=cast("Sources", Shelf()), deployments=cast("Deployments", Past()))
    rooms = (room, people_room(settings, passwords))
    with serving(settings, Database(open_engine(url)), rooms, passwords) as running:
        yield running
