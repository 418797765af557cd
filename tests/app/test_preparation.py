"""What a start needs once, and how a start that cannot be is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from andon.app.preparation import prepare
from andon.kernel.db import Database, open_engine
from andon.kernel.db.schema import SchemaFromTheFuture, check, revisions
from andon.kernel.settings import DatabaseSettings, Settings
from tests.app.conftest import Terminal
from tests.databases import Databases
from tests.serving import settings_for


@pytest.fixture
def settings(tmp_path: Path, databases: Databases, database_kind: str) -> Settings:
    return Settings(data=tmp_path / "data", database=DatabaseSettings(url=databases.empty_url(database_kind)))


def test_the_first_start_makes_everything_and_the_next_finds_it(settings: Settings) -> None:
    first = prepare(settings)
    assert first is not None
    assert first.startswith(f"{settings.address}/welcome?token=")
    token = settings.data / "operator.token"
    kept = token.read_text()
    assert token.stat().st_mode & 0o777 == 0o600
    prepare(settings)
    assert token.read_text() == kept
    database = Database(open_engine(settings.database_url))
    check(database)
    database.close()


def test_a_database_from_the_future_is_left_alone(settings: Settings) -> None:
    prepare(settings)
    database = Database(open_engine(settings.database_url))
    with database.transaction() as tx:
        tx.connection.execute(revisions.insert().values(revision="r9999", release="99", contracted=True))
    with pytest.raises(SchemaFromTheFuture, match="99"):
        prepare(settings)
    database.close()


def test_why_a_role_did_not_come_up_is_told_to_whoever_started_it(tmp_path: Path, databases: Databases) -> None:
    settings = settings_for(tmp_path / "data", databases.empty_url("sqlite"))
    key = settings.data / "keys" / "record.pem"
    key.parent.mkdir(parents=True)
    key.write_text("nonsense")
    andon = Terminal(tmp_path, settings.data, settings.address)
    answer = andon("up", "--port", str(settings.web.port), ANDON_DATABASE_URL=settings.database.url)
    assert answer.code == 7
    assert "does not hold an Ed25519 key" in answer.err
    assert "from your backup" in answer.err
    assert key.read_text() == "nonsense"
