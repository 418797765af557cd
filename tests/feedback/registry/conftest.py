from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest

from andon.app.people.room import people_room
from andon.feedback.registry.room import registry_room
from andon.feedback.telemetry.memory_traces import MemoryTraces
from andon.flow.definition.reader import YamlDefinitionReader
from andon.flow.deployments.contract import Deployments
from andon.flow.environments.contract import Environments
from andon.flow.sources.contract import Sources
from andon.kernel.db import Database, open_engine
from tests.browser import browser
from tests.databases import Databases
from tests.feedback.registry import town
from tests.serving import Serving, quick_passwords, serving, settings_for

__all__ = ["browser"]


@pytest.fixture(scope="module")
def spans() -> MemoryTraces:
    return town.traces()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, databases: Databases, spans: MemoryTraces) -> Iterator[Serving]:
    url = databases.url("sqlite")
    settings = settings_for(tmp_path_factory.mktemp("registry"), url)
    passwords = quick_passwords()
    held = town.measurements()
    room = registry_room(
        sources=cast("Sources", town.Repositories()),
        environments=cast("Environments", town.Places()),
        deployments=cast("Deployments", town.Past()),
        definitions=YamlDefinitionReader(),
        measurements=held,
        traces=spans,
        availability=town.Days(held),
        logs=town.logs(),
        host=town.HOST,
    )
    rooms = (room, people_room(settings, passwords))
    with serving(settings, Database(open_engine(url)), rooms, passwords) as running:
        yield running
