"""The history of migrations leads to exactly the tables that the code declares, on both databases."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from andon.app.tables import load_all_tables
from andon.kernel.db import Database, append_only
from andon.kernel.db.drafting import differences, draft
from andon.kernel.db.schema import HISTORY, SchemaFromTheFuture, check, history, migrate
from andon.kernel.errors import Conflict
from tests.databases import Databases

Open = Callable[[str], Database]


@pytest.fixture
def empty(databases: Databases, database_kind: str, open_database: Open) -> Database:
    return open_database(databases.empty_url(database_kind))


def small() -> sa.MetaData:
    metadata = sa.MetaData()
    parent = sa.Table("parents", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("old", sa.Text))
    sa.Table("children", metadata, sa.Column("parent", sa.ForeignKey(parent.c.id, ondelete="CASCADE")))
    return metadata


SECOND = """
import sqlalchemy as sa
from alembic.operations import Operations

RELEASE = "2"


def expand(op: Operations) -> None:
    op.add_column("parents", sa.Column("new", sa.Text))
    op.execute("UPDATE parents SET new = old")


def contract(op: Operations) -> None:
    with op.batch_alter_table("parents") as table:
        table.drop_column("old")
"""


@pytest.fixture
def steps(tmp_path: Path) -> Path:
    """A history of its own: tables of release 1, and a second step of release 2 that renames a column."""
    assert draft("The first tables", small(), release="1", folder=tmp_path)
    (tmp_path / "r0002_rename.py").write_text(SECOND)
    return tmp_path


def columns(database: Database) -> set[str]:
    with database.reading() as reading:
        return {column["name"] for column in sa.inspect(reading.connection).get_columns("parents")}


def test_the_history_leads_to_the_declared_tables(empty: Database) -> None:
    if not history():
        pytest.skip("no step has been drafted yet")
    migrate(empty, release="some later release")
    assert differences(empty, load_all_tables()) == [], "run: .venv/bin/python -m andon.migrations draft 'what changed'"
    check(empty)


def test_what_is_drafted_leads_to_the_declared_tables(empty: Database, tmp_path: Path) -> None:
    path = draft("Everything there is", load_all_tables(), release="1", folder=tmp_path)
    assert path is not None
    assert migrate(empty, release="1", folder=tmp_path) == ["r0001 expand"]
    assert differences(empty, load_all_tables()) == []
    assert draft("nothing", load_all_tables(), release="1", folder=tmp_path) is None


def test_a_difference_is_seen(empty: Database, tmp_path: Path) -> None:
    draft("The first tables", small(), release="1", folder=tmp_path)
    migrate(empty, release="1", folder=tmp_path)
    changed = small()
    changed.tables["parents"].append_column(sa.Column("more", sa.Text))
    append_only(changed.tables["children"])
    found = " ".join(differences(empty, changed))
    assert "add_column" in found
    assert "trigger children_keep" in found


def test_each_half_comes_in_its_release(empty: Database, steps: Path) -> None:
    assert migrate(empty, release="2", folder=steps) == ["r0001 expand", "r0002 expand", "r0001 contract"]
    with empty.transaction() as tx:
        tx.connection.execute(sa.text("INSERT INTO parents (id, old) VALUES (1, 'one')"))
        tx.connection.execute(sa.text("INSERT INTO children (parent) VALUES (1)"))
    assert columns(empty) == {"id", "old", "new"}
    assert migrate(empty, release="2", folder=steps) == []
    assert migrate(empty, release="3", folder=steps) == ["r0002 contract"]
    assert columns(empty) == {"id", "new"}
    with empty.reading() as reading:
        # The table was written anew on SQLite; what refers to it is still there.
        assert reading.connection.execute(sa.text("SELECT parent FROM children")).scalar_one() == 1


def test_the_release_before_works_on_what_was_only_expanded(empty: Database, steps: Path) -> None:
    migrate(empty, release="2", folder=steps)
    (steps / "r0002_rename.py").unlink()
    check(empty, folder=steps)
    assert migrate(empty, release="1", folder=steps) == []


def test_a_release_refuses_what_a_later_one_has_contracted(empty: Database, steps: Path) -> None:
    migrate(empty, release="3", folder=steps)
    (steps / "r0002_rename.py").unlink()
    with pytest.raises(SchemaFromTheFuture, match="a release after 2"):
        check(empty, folder=steps)
    with pytest.raises(SchemaFromTheFuture, match="Nothing was changed"):
        migrate(empty, release="1", folder=steps)


def test_a_database_that_is_too_old_says_what_to_do(empty: Database, steps: Path) -> None:
    with pytest.raises(Conflict, match="andon up"):
        check(empty, folder=steps)


def test_a_step_that_fails_leaves_nothing_behind(empty: Database, steps: Path) -> None:
    (steps / "r0003_broken.py").write_text(SECOND.replace('"parents", sa', '"nowhere", sa').replace('"2"', '"3"'))
    with pytest.raises(sa.exc.DBAPIError):
        migrate(empty, release="3", folder=steps)
    with empty.reading() as reading:
        assert sa.inspect(reading.connection).get_table_names() == []


def test_two_that_migrate_at_once_do_not_clash(
    databases: Databases, database_kind: str, open_database: Open, steps: Path
) -> None:
    url = databases.empty_url(database_kind)
    done: list[str] = []
    gate = threading.Barrier(4)

    def one(database: Database) -> None:
        gate.wait()
        done.extend(migrate(database, release="3", folder=steps))

    threads = [threading.Thread(target=one, args=(open_database(url),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == ["r0001 contract", "r0001 expand", "r0002 contract", "r0002 expand"]


def test_a_gap_or_a_doubled_number_is_told(steps: Path) -> None:
    (steps / "r0002_another.py").write_text(SECOND)
    with pytest.raises(ValueError, match="numbered one by one"):
        history(steps)


def test_the_command_tells_its_usage() -> None:
    told = subprocess.run([sys.executable, "-m", "andon.migrations"], capture_output=True, text=True, check=False)
    assert told.returncode == 2
    assert "draft" in told.stderr
    assert HISTORY.is_dir()
