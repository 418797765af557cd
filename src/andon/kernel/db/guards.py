"""Tables that only grow: the database itself refuses to change or remove what was written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy import event

if TYPE_CHECKING:  # every process guards its tables; only the one that migrates pays for the tool
    from alembic.operations import Operations

_FUNCTION = """
CREATE OR REPLACE FUNCTION andon_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING MESSAGE = TG_TABLE_NAME || ' is append-only', ERRCODE = 'restrict_violation';
END $$
"""
MARK = "append_only"
"""In a table's ``info``: whoever drafts a migration finds it there."""


def append_only(table: sa.Table) -> None:
    """Guard ``table`` with triggers, made together with it by ``metadata.create_all``.

    An UPDATE, DELETE or (on PostgreSQL) TRUNCATE then raises ``sqlalchemy.exc.IntegrityError``. Whoever owns the
    database can drop a trigger: sealing is what shows that. The guard stops mistakes, not masters.
    """
    table.info[MARK] = True
    event.listen(table, "after_create", _guard)


def guards(table: str, dialect: str) -> Iterable[str]:
    """The statements that guard ``table`` on ``dialect`` (``sqlite`` or ``postgresql``), for migrations."""
    if dialect == "postgresql":
        yield _FUNCTION
        yield (
            f"CREATE TRIGGER {table}_keep BEFORE UPDATE OR DELETE ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION andon_append_only()"
        )
        yield (
            f"CREATE TRIGGER {table}_keep_all BEFORE TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION andon_append_only()"
        )
        return
    for change in ("update", "delete"):
        yield (
            f"CREATE TRIGGER {table}_keep_{change} BEFORE {change.upper()} ON {table}"
            f" BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )


def _guard(table: sa.Table, connection: sa.Connection, **_options: object) -> None:
    for statement in guards(table.name, connection.dialect.name):
        connection.exec_driver_sql(statement)


def keep(op: Operations, table: str) -> None:
    """Guard ``table`` within a migration."""
    for statement in guards(table, op.get_context().dialect.name):
        op.execute(statement)
