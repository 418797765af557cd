from __future__ import annotations

from pathlib import Path

import pytest

from andon.kernel.db import Database
from tests.flow.installation import Installation


@pytest.fixture
def installation(database: Database, tmp_path: Path) -> Installation:
    """A First Way with the repository ``store`` in it; on SQLite and on PostgreSQL."""
    made = Installation(database, tmp_path)
    made.create()
    return made


@pytest.fixture
def local(sqlite_database: Database, tmp_path: Path) -> Installation:
    """As ``installation``, on SQLite only: for tests about something else than what is stored."""
    made = Installation(sqlite_database, tmp_path)
    made.create()
    return made
