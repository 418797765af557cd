from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from andon.app.people.room import people_room
from andon.app.record.room import record_room
from andon.kernel.access.people import PeopleDirectory
from andon.kernel.db import Database, open_engine
from tests.databases import Databases
from tests.serving import Serving, quick_passwords, serving, settings_for
from tests.web.http.notes import notes_room


def _notes(folder: Path, databases: Databases) -> AbstractContextManager[Serving]:
    settings = settings_for(folder, databases.url("sqlite"))
    passwords = quick_passwords()
    rooms = (
        record_room(PeopleDirectory(), settings.data / "keys" / "record.pem"),
        people_room(settings, passwords),
        notes_room(),
    )
    return serving(settings, Database(open_engine(settings.database_url)), rooms, passwords)


@pytest.fixture
def fresh(tmp_path: Path, databases: Databases) -> Iterator[Serving]:
    """Andon with a room of the tests' own; nobody has been there yet."""
    with _notes(tmp_path, databases) as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[Serving]:
    """The same, shared by the tests of a module."""
    with _notes(tmp_path_factory.mktemp("andon"), databases) as running:
        yield running
