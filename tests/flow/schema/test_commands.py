"""Backfills from a terminal: how far they are, and holding them up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from andon.flow.schema.contract.backfills import BackfillState
from andon.flow.schema.model import Said
from andon.flow.schema.room import schema_room
from andon.flow.sources.contract import CommitHash
from andon.kernel.db import Database, open_engine
from tests.app.conftest import Terminal
from tests.databases import Databases
from tests.flow.installation import STORE
from tests.flow.schema.shop import DEFINED
from tests.flow.schema.test_backfill import Place
from tests.serving import Serving, serving, settings_for

COMMIT = CommitHash("3f2c91a" + "0" * 33)


@pytest.fixture
def served(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[tuple[Place, Serving]]:
    folder = tmp_path_factory.mktemp("place")
    settings = settings_for(folder / "data", databases.url("sqlite"))
    database = Database(open_engine(settings.database_url))
    place = Place(database, folder)
    place.create()
    room = schema_room(
        place.backfills,
        place.filling,
        place.workflows,
        ledger=place.ledger,
        environments=place.environments,
        sources=place.sources,
    )
    with serving(settings, database, (room,), place.passwords, place.bell) as running:
        yield place, running


def test_show_tells_how_far_it_is_and_the_others_hold_it_up(served: tuple[Place, Serving], tmp_path: Path) -> None:
    place, running = served
    andon = Terminal(tmp_path, running.settings.data, running.address)
    assert "No backfill yet" in andon("migrations", "show", "store", "production").out
    assert andon("migrations", "pause", "store", "production").code == 3
    with place.database.transaction() as tx:
        place.backfills.begin(tx, STORE, "production", COMMIT, DEFINED)
        begun = place.backfills.current(tx, STORE, "production")
        assert begun is not None
        place.backfills.note_batch(tx, begun.id, Said(done=False, left=400), 0.1, 10)
        place.backfills.note_batch(tx, begun.id, Said(done=False, left=100), 0.1, 10)
    told = andon("migrations", "show", "store", "production").out.split("\t")
    assert told[:6] == ["3f2c91a", "running", "75.0 %", "100", "2", "10"]
    assert (
        andon("migrations", "pause", "store", "production").out == "The backfill of 3f2c91a in production is paused.\n"
    )
    assert andon("migrations", "pause", "store", "production").code == 5
    assert andon("migrations", "resume", "store", "production", "--json").json["state"] == "running"
    assert andon("migrations", "stop", "store", "production").code == 0
    assert place.backfill.state is BackfillState.STOPPED
