from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from andon.flow.definition.reader import YamlDefinitionReader
from andon.flow.environments.service import EnvironmentService
from andon.flow.sources.contract import Sources
from tests.flow.environments.made import OneFile
from tests.flow.environments.place import DEFINITION


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., EnvironmentService]:
    def made(first: int = 7800, last: int = 7810, taken: tuple[int, ...] = ()) -> EnvironmentService:
        sources: Sources = OneFile(DEFINITION.format(instances=2, within="5s"))  # type: ignore[assignment] # no other question is asked
        return EnvironmentService(
            sources=sources,
            definitions=YamlDefinitionReader(),
            first_port=first,
            last_port=last,
            host="127.0.0.1",
            endpoint=lambda _owner, one: f"unix:/somewhere/{one.id}/{one.life}",
            log=lambda _owner, one: tmp_path / one.id,
            port_is_free=lambda _host, port: port not in taken,
        )

    return made
