"""What ``andon.yaml`` has counted is shown beside what somebody clicked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from andon.feedback.logs.declared import DeclaredCounts
from andon.feedback.logs.room import logs_room
from andon.feedback.telemetry.memory_logs import MemoryLogs
from andon.flow.artifacts.contract import Digest
from andon.flow.configuration.contract import ConfigVersion
from andon.flow.definition.reader import YamlDefinitionReader
from andon.flow.environments.contract import (
    Environments,
    EnvironmentView,
    SetId,
    SetState,
    SetView,
    Standing,
)
from andon.flow.sources.contract import CommitHash, Service, Sources
from andon.kernel.access.people import PeopleDirectory
from andon.kernel.db import Database, Reading, open_engine
from andon.kernel.errors import NotFound
from tests.databases import Databases
from tests.feedback.logs.chatter import Shelf
from tests.serving import Serving, quick_passwords, serving, settings_for

COUNTS = """
stages:
  commit:
    jobs:
      test:
        run: make test
telemetry:
  count:
    sign_ins: '"signed in"'
"""
FILES = {"a" * 40: COUNTS.encode(), "b" * 40: b"stages: [", "c" * 40: None}


class Shelves(Shelf):
    """Each commit has its ``andon.yaml``, or none."""

    def read(self, service: Service, commit: CommitHash, path: str) -> bytes | None:
        if commit not in FILES:
            raise NotFound("There is no such commit.")
        return FILES[commit]


class Running:
    """Sets of versions, as they stand in an environment."""

    def all(self, reading: Reading) -> tuple[EnvironmentView, ...]:
        return tuple(
            self._place(Service(name), commit * 40, state)
            for name, commit, state in (
                ("store", "a", SetState.HEALTHY),
                ("catalogue", "b", SetState.HEALTHY),
                ("without", "c", SetState.DEGRADED),
                ("forgotten", "d", SetState.FAILED),
                ("stopped", "a", SetState.STOPPED),
            )
        )

    def _place(self, service: Service, commit: str, state: SetState) -> EnvironmentView:
        now = datetime(2026, 11, 23, tzinfo=UTC)
        owner = SetView(
            id=SetId("set_1"),
            service=service,
            environment="production",
            deployment="dep_1",
            commit=CommitHash(commit),
            digest=Digest("0" * 64),
            config_version=ConfigVersion(1),
            standing=Standing.LIVE,
            state=state,
            created_at=now,
            instances=(),
        )
        return EnvironmentView(
            service=service,
            name="production",
            port=1,
            address="",
            like="production",
            created_at=now,
            expires_at=None,
            sets=(owner,),
        )


ENVIRONMENTS, SOURCES = cast("Environments", Running()), cast("Sources", Shelves())


@pytest.fixture
def server(tmp_path: Path, databases: Databases) -> Iterator[Serving]:
    settings = settings_for(tmp_path, databases.url("sqlite"))
    room = logs_room(
        logs=MemoryLogs(),
        sources=SOURCES,
        people=PeopleDirectory(),
        environments=ENVIRONMENTS,
        definitions=YamlDefinitionReader(),
    )
    with serving(settings, Database(open_engine(settings.database_url)), (room,), quick_passwords()) as running:
        yield running


def test_counts_are_read_where_the_service_runs_and_a_bad_file_says_nothing(database: Database) -> None:
    declared = DeclaredCounts(ENVIRONMENTS, SOURCES, YamlDefinitionReader())
    with database.reading() as reading:
        assert declared.all(reading) == {"store": {"sign_ins": '"signed in"'}}
        assert declared.has(reading, "store", "sign_ins")
        assert not declared.has(reading, "stopped", "sign_ins")


def test_both_kinds_stand_side_by_side_and_no_metric_is_counted_twice(server: Serving) -> None:
    api = server.api()
    taken = api.post("/logs/counted", json={"service": "store", "metric": "sign_ins", "query": "signed"})
    assert taken.status_code == 409, "andon.yaml has it"
    made = api.post("/logs/counted", json={"service": "store", "metric": "refused", "query": "refused"})
    assert made.status_code == 201
    listed = api.get("/logs/counted").json()["counted"]
    assert [(one["metric"], bool(one["id"])) for one in listed] == [("refused", True), ("sign_ins", False)]
    page = server.administrator().get("/logs/counted").text
    assert "2 metrics counted from lines" in page
    assert page.count("by <code>andon.yaml</code>") == 1
    assert page.count('action="/logs/counted/') == 1, "what andon.yaml says ends there"


def test_a_store_without_a_line_says_how_lines_come(server: Serving) -> None:
    page = server.administrator()
    assert "Nobody said anything in the last hour" in page.get("/logs").text
    assert "No line fits in the last hour" in page.get("/logs?q=x").text
    assert "There are no patterns yet" in page.get("/logs/templates").text
