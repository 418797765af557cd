"""Bringing the schema to this release's state; ``andon/migrations/README.md`` tells how steps are written."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import sqlalchemy as sa

import andon
from andon.kernel.db.database import Database
from andon.kernel.db.engine import WRITING
from andon.kernel.errors import Conflict

if TYPE_CHECKING:  # costs as much as SQLAlchemy itself, and most starts have nothing to migrate
    from alembic.operations import Operations

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
    return tuple(_load(path) for path in _files(folder))


def migrate(database: Database, *, release: str = andon.__version__, folder: Path = HISTORY) -> list[str]:
    """Apply what is missing, in one transaction, under a lock; what was done, such as ``r0002 expand``.

    Raises :class:`SchemaFromTheFuture` as :func:`check` does.
    """
    if _is_done(database, release, _names(folder)):
        return []
    from alembic.operations import Operations  # noqa: PLC0415 - see above
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415 - see above

    steps = history(folder)
    done: list[str] = []
    with _locked(database) as connection:
        revisions.create(connection, checkfirst=True)
        applied = _applied(connection)
        _refuse_the_future(applied, [step.name for step in steps])
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
    names = _names(folder)
    applied = _found(database)
    _refuse_the_future(applied, names)
    missing = [name for name in names if name not in applied]
    if missing:
        raise Conflict(
            f"The database is older than this release: {', '.join(missing)} has not been applied.",
            safe="Nothing was changed.",
            remedy="Start with `andon up`, which brings it up to date.",
        )


def _files(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.glob("r*.py") if _NAME.fullmatch(path.name))
    numbers = [int(path.name[1:5]) for path in files]
    if numbers != list(range(1, len(files) + 1)):
        raise ValueError(f"the steps in {folder} are not numbered one by one: {[path.name for path in files]}")
    return files


def _names(folder: Path) -> list[str]:
    return [path.name[:5] for path in _files(folder)]


def _is_done(database: Database, release: str, names: list[str]) -> bool:
    """Whether nothing is left to do, found out without loading the steps."""
    applied = _found(database)
    _refuse_the_future(applied, names)
    return all(name in applied and (applied[name].contracted or applied[name].release == release) for name in names)


def _found(database: Database) -> dict[str, _Applied]:
    with database.reading() as reading:
        known = sa.inspect(reading.connection).has_table(revisions.name)
        return _applied(reading.connection) if known else {}


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


def _refuse_the_future(applied: dict[str, _Applied], names: list[str]) -> None:
    gone = [name for name, one in applied.items() if name not in names and one.contracted]
    if gone:
        release = applied[gone[-1]].release
        raise SchemaFromTheFuture(
            f"The database was used by a release after {release}, which removed what this one ({andon.__version__}) "
            "may need.",
            safe="Nothing was changed.",
            remedy=f"Install a release after {release} again, or restore a backup from before.",
        )
