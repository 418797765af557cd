"""Bringing the schema to this release's state; ``andon/migrations/README.md`` tells how steps are written."""

from __future__ import annotations

import importlib.util
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata, produce_migrations, render_python_code
from alembic.autogenerate.api import AutogenContext
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext

import andon
from andon.kernel.db.database import Database
from andon.kernel.db.engine import WRITING, open_engine
from andon.kernel.db.guards import MARK, guards
from andon.kernel.errors import Conflict

HISTORY = Path(andon.__file__).parent / "migrations"
_LOCK = 0x616E646F6E  # "andon"; the key of PostgreSQL's advisory lock
_NAME = re.compile(r"r(\d{4})_\w+\.py")

# Not among the rooms' tables: it must be there before the first step, and its shape never changes.
revisions = sa.Table(
    "schema_revisions",
    sa.MetaData(),
    sa.Column("revision", sa.String(10), primary_key=True),
    sa.Column("release", sa.String(40), nullable=False),
    sa.Column("contracted", sa.Boolean, nullable=False),
)


class SchemaFromTheFuture(Conflict):
    """A later release has removed from the database what this release may need."""

    code: ClassVar[str] = "andon.schema_from_the_future"


@dataclass(frozen=True, slots=True)
class Revision:
    """One step. ``release`` is the one it came with; ``contract`` waits for a later one."""

    name: str
    release: str
    expand: Callable[[Operations], None]
    contract: Callable[[Operations], None]


@dataclass(frozen=True, slots=True)
class _Applied:
    release: str
    contracted: bool


def history(folder: Path = HISTORY) -> tuple[Revision, ...]:
    """All steps in their order. Raises ``ValueError`` when two have one number or one is missing."""
    files = sorted(path for path in folder.glob("r*.py") if _NAME.fullmatch(path.name))
    numbers = [int(path.name[1:5]) for path in files]
    if numbers != list(range(1, len(files) + 1)):
        raise ValueError(f"the steps in {folder} are not numbered one by one: {[path.name for path in files]}")
    return tuple(_load(path) for path in files)


def migrate(database: Database, *, release: str = andon.__version__, folder: Path = HISTORY) -> list[str]:
    """Apply what is missing, in one transaction, under a lock; what was done, such as ``r0002 expand``.

    Raises :class:`SchemaFromTheFuture` as :func:`check` does.
    """
    steps = history(folder)
    done: list[str] = []
    with _locked(database) as connection:
        revisions.create(connection, checkfirst=True)
        applied = _applied(connection)
        _refuse_the_future(applied, steps)
        op = Operations(MigrationContext.configure(connection))
        for step in steps:
            if step.name not in applied:
                step.expand(op)
                connection.execute(
                    revisions.insert().values(revision=step.name, release=step.release, contracted=False)
                )
                applied[step.name] = _Applied(step.release, contracted=False)
                done.append(f"{step.name} expand")
        for step in steps:
            if not applied[step.name].contracted and step.release != release:
                step.contract(op)
                here = revisions.c.revision == step.name
                connection.execute(revisions.update().where(here).values(contracted=True))
                done.append(f"{step.name} contract")
    return done


def check(database: Database, *, folder: Path = HISTORY) -> None:
    """Raises :class:`SchemaFromTheFuture` when this release cannot work on the database, and :class:`Conflict` when
    it has not been migrated yet."""
    steps = history(folder)
    with database.reading() as reading:
        known = sa.inspect(reading.connection).has_table(revisions.name)
        applied = _applied(reading.connection) if known else {}
    _refuse_the_future(applied, steps)
    missing = [step.name for step in steps if step.name not in applied]
    if missing:
        raise Conflict(
            f"The database is older than this release: {', '.join(missing)} has not been applied.",
            safe="Nothing was changed.",
            remedy="Start with `andon up`, which brings it up to date.",
        )


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


def _load(path: Path) -> Revision:
    specification = importlib.util.spec_from_file_location(f"andon.migrations.{path.stem}", path)
    if specification is None or specification.loader is None:
        raise ValueError(f"{path} cannot be read")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return Revision(path.name[:5], module.RELEASE, module.expand, module.contract)


@contextmanager
def _locked(database: Database) -> Iterator[sa.Connection]:
    """One transaction that no other migration runs beside."""
    with database.engine.connect() as connection:
        if not database.is_sqlite:
            with connection.begin():
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
                yield connection
            return
        # Writing a table anew drops the old one, which would take along whatever refers to it.
        raw = connection.connection.dbapi_connection
        assert raw is not None  # noqa: S101 - it has just been checked out
        raw.cursor().execute("PRAGMA foreign_keys=OFF")
        try:
            with connection.execution_options(**{WRITING: True}).begin():
                yield connection
                broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
                if broken:
                    raise ValueError(f"the migration leaves rows that refer to nothing: {broken[:5]}")
        finally:
            raw.cursor().execute("PRAGMA foreign_keys=ON")


def _applied(connection: sa.Connection) -> dict[str, _Applied]:
    rows = connection.execute(sa.select(revisions).order_by(revisions.c.revision))
    return {row.revision: _Applied(row.release, row.contracted) for row in rows}


def _refuse_the_future(applied: dict[str, _Applied], steps: tuple[Revision, ...]) -> None:
    known = {step.name for step in steps}
    gone = [name for name, one in applied.items() if name not in known and one.contracted]
    if gone:
        release = applied[gone[-1]].release
        raise SchemaFromTheFuture(
            f"The database was used by a release after {release}, which removed what this one ({andon.__version__}) "
            "may need.",
            safe="Nothing was changed.",
            remedy=f"Install a release after {release} again, or restore a backup from before.",
        )


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

import sqlalchemy as sa
from alembic.operations import Operations

from andon.kernel.db.guards import keep

RELEASE = "{release}"


def expand(op: Operations) -> None:
{body}


def contract(op: Operations) -> None:
    """Nothing to remove."""
'''
