"""The page of telemetry: all of it for whoever may see everything, and of each service for those who see it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from andon.app.people.room import people_room
from andon.feedback.promql.service import Engine as PromqlEngine
from andon.feedback.telemetry.asking.measurements import StoredMeasurements
from andon.feedback.telemetry.contract.intake import Batch, Way
from andon.feedback.telemetry.contract.logs import LogLine
from andon.feedback.telemetry.contract.moments import now_ms
from andon.feedback.telemetry.own.itself import TelemetryItself
from andon.feedback.telemetry.room import telemetry_room
from andon.feedback.telemetry.store.drops import Drops
from andon.feedback.telemetry.store.engine import EmbeddedEngine, Engine, over_socket
from andon.feedback.telemetry.store.retention import Keep
from andon.feedback.telemetry.store.writer import Writer
from andon.feedback.telemetry.where import Where
from andon.kernel.db import Database, open_engine
from tests.databases import Databases
from tests.serving import Serving, quick_passwords, serving, settings_for


def served(folder: Path, databases: Databases, engine: Engine) -> Iterator[Serving]:
    url = databases.url("sqlite")
    settings, passwords = settings_for(folder, url), quick_passwords()
    questions = PromqlEngine(StoredMeasurements(engine, Keep()))
    room = telemetry_room(settings.telemetry, Where(folder, folder), engine, questions)
    with serving(settings, Database(open_engine(url)), (room, people_room(settings, passwords)), passwords) as running:
        yield running


@pytest.fixture
def server(tmp_path: Path, databases: Databases, engine: EmbeddedEngine) -> Iterator[Serving]:
    yield from served(tmp_path, databases, engine)


def test_everybody_sees_the_series_of_their_services_and_who_sees_all_what_came_in(
    server: Serving, writer: Writer
) -> None:
    drops, clock = Drops(), [now_ms() - 20_000]
    itself = TelemetryItself(
        writer,
        counts=drops.counts,
        series=lambda: {"shop": 40, "till": 1_200, "": 3},
        waiting=lambda: 0,
        processes=dict,
        now=lambda: clock[0],
    )
    for _ in range(2):
        drops.took(Way.STATSD, samples=300)
        clock[0] += 10_000
        itself.round()
    writer.take(Batch(way=Way.ANDON, logs=(LogLine(time=clock[0] * 1000, body="the last"),))).result(30)

    page = server.administrator().get("/telemetry").text
    assert "Telemetry takes in 30 samples a second; nothing of the last hour was lost" in page
    assert '<th scope="row">StatsD</th><td class="number">600</td>' in page
    assert "Copy telemetry now" in page
    assert "What is kept" in page
    page = server.person("Sarah", [{"role": "developer", "service": "till"}]).get("/telemetry").text
    assert "1,200 series today of the services that you see" in page
    for hidden in ("shop", "StatsD", "samples a second", "Copy telemetry now", "was lost", "all is taken in"):
        assert hidden not in page


def test_a_store_that_is_away_is_told_in_words(tmp_path: Path, databases: Databases) -> None:
    for server in served(tmp_path, databases, over_socket(tmp_path / "nobody.sock")):
        page = server.administrator().get("/telemetry").text
        assert "Telemetry does not answer" in page
        assert "<code>andon status</code> says how its process is" in page
        assert "Error" not in page
