"""Statements on rows: what belongs into a backfill, and what a backfill must be."""

from __future__ import annotations

from collections.abc import Callable

from andon.flow.schema import ways
from andon.flow.schema.catalogue import Catalogue
from andon.flow.schema.collecting import Collector
from andon.flow.schema.contract import Rule
from andon.flow.schema.sqlite.reading import Statement, Tree, name_of, qualified

_DATA = {"InsertStmt", "UpdateStmt", "DeleteStmt"}
_AROUND = {"TransactionStmt", "SavepointStmt", "SelectStmt", "ValuesClause", "CompoundSelect", "WithClause"}


def _change(statement: Statement, notes: Collector, catalogue: Catalogue) -> None:
    node = statement.node
    table = qualified(node["table"]["schema"], node["table"]["table_name"])
    if catalogue.is_certainly_new(table) or _one_row(node["where_clause"], table, catalogue):
        return
    what = "Deleting" if statement.kind == "DeleteStmt" else "Changing"
    notes.note(statement.cut, Rule.ROWS, *ways.rows(table, what))


def _insert(statement: Statement, notes: Collector, catalogue: Catalogue) -> None:
    node = statement.node
    table = qualified(node["table"]["schema"], node["table"]["table_name"])
    if (
        not catalogue.is_certainly_new(table)
        and node["source"] is not None
        and node["source"]["type"] != "ValuesClause"
    ):
        notes.note(statement.cut, Rule.ROWS, *ways.rows(table, "Copying"))


def _select(_statement: Statement, _notes: Collector, _catalogue: Catalogue) -> None:
    """Reads; SQLite has no SELECT that writes, and functions that reach outside are told by the judge."""


def backfill(statement: Statement, notes: Collector) -> None:
    """Judge a statement of a backfill: rows only, and bounded."""
    if statement.kind in _AROUND:
        return
    if statement.kind not in _DATA:
        notes.note(statement.cut, Rule.PHASE, *ways.in_backfill(statement.kind.removesuffix("Stmt")))
    elif not statement.batched:
        notes.note(statement.cut, Rule.UNBOUNDED, *ways.unbounded())


def _one_row(where: Tree | None, table: str, catalogue: Catalogue) -> bool:
    """Whether a WHERE names one row: ``key = constant``, maybe with more of the kind."""
    if where is None or where["type"] != "BinaryExpr":
        return False
    left, right = where["left"], where["right"]
    if where["op"] == "AND":
        return _one_row(left, table, catalogue) or _one_row(right, table, catalogue)
    if where["op"] not in {"EQ", "EQUAL", "="}:
        return False
    for column, value in ((left, right), (right, left)):
        if column["type"] == "ColumnRef" and value["type"] == "Literal":
            return (table, name_of(column["column"])) in catalogue.keys
    return False


RULES: dict[str, Callable[[Statement, Collector, Catalogue], None]] = {
    "InsertStmt": _insert,
    "UpdateStmt": _change,
    "DeleteStmt": _change,
    **dict.fromkeys(("SelectStmt", "ValuesClause", "CompoundSelect", "WithClause"), _select),
}
