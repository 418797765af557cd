"""Writing the next step of the schema's history, and telling whether the history leads to what the code declares."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Literal

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata, produce_migrations, render_python_code
from alembic.autogenerate.api import AutogenContext
from alembic.runtime.migration import MigrationContext

from andon.kernel.db.database import Database
from andon.kernel.db.engine import open_engine
from andon.kernel.db.guards import MARK, guards
from andon.kernel.db.schema import HISTORY, history, migrate, revisions


def draft(message: str, metadata: sa.MetaData, *, release: str, folder: Path = HISTORY) -> Path | None:
    """Write the step that leads from the history's end to ``metadata``; ``None`` when there is no difference."""
    steps = history(folder)
    with tempfile.TemporaryDirectory() as scratch:
        database = Database(open_engine(f"sqlite:///{scratch}/draft.db"))
        try:
            # As a release after the last one sees it: everything is contracted.
            migrate(database, release=f"after {release}", folder=folder)
            with database.engine.connect() as connection:
                context = MigrationContext.configure(connection, opts=_OPTIONS)
                produced = produce_migrations(context, metadata)
        finally:
            database.close()
    operations = produced.upgrade_ops
    if operations is None or operations.is_empty():
        return None
    body = render_python_code(operations, render_as_batch=True, render_item=_render_item, migration_context=context)
    created = re.findall(r"op\.create_table\(['\"](\w+)['\"]", body)
    guarded = [name for name in created if metadata.tables[name].info.get(MARK)]
    number = len(steps) + 1
    words = re.sub(r"\W+", "_", message.lower()).strip("_")[:40]
    path = folder / f"r{number:04}_{words}.py"
    # The renderer indents what follows the first line, and starts and ends with a comment.
    lines = [line for line in f"    {body}".splitlines() if not line.strip().startswith("# ###")]
    lines += [f'    keep(op, "{name}")' for name in guarded]
    path.write_text(_FILE.format(message=message.strip(), release=release, body="\n".join(lines)))
    return path


def differences(database: Database, metadata: sa.MetaData) -> list[str]:
    """What sets the database apart from ``metadata``, the guards of append-only tables included."""
    with database.engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection, opts=_OPTIONS), metadata)
        triggers = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        if not database.is_sqlite:
            triggers = "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"
        there = set(connection.execute(sa.text(triggers)).scalars())
    wanted = {
        name
        for table in metadata.tables.values()
        if table.info.get(MARK)
        for statement in guards(table.name, "sqlite" if database.is_sqlite else "postgresql")
        for name in re.findall(r"CREATE TRIGGER (\w+)", statement)
    }
    return [*map(str, found), *(f"trigger {name}" for name in sorted(wanted ^ there))]


def _render_item(kind: str, item: object, _context: AutogenContext) -> str | Literal[False]:
    # Our column types as what they are in the database: a step must not depend on code that moves on.
    if kind == "type" and isinstance(item, sa.types.TypeDecorator):
        return f"sa.{item.impl_instance!r}"
    # As what they mean: the renderer would write how SQLite spells them, which PostgreSQL takes for a number.
    if kind == "server_default" and isinstance(item, sa.DefaultClause):
        if isinstance(item.arg, sa.False_):
            return "sa.false()"
        if isinstance(item.arg, sa.True_):
            return "sa.true()"
    return False


def _include(_object: object, name: str | None, kind: str, _reflected: bool, _other: object) -> bool:
    return not (kind == "table" and name == revisions.name)


_OPTIONS = {"compare_type": True, "include_object": _include}

_FILE = '''"""{message}"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from andon.kernel.db.guards import keep

if TYPE_CHECKING:
    from alembic.operations import Operations

RELEASE = "{release}"


def expand(op: Operations) -> None:
{body}


def contract(op: Operations) -> None:
    """Nothing to remove."""
'''
