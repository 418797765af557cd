"""Statements on rows: what belongs into a backfill, and what a backfill must be."""

from __future__ import annotations

from collections.abc import Callable

from andon.flow.schema import ways
from andon.flow.schema.catalogue import Catalogue
from andon.flow.schema.collecting import Collector
from andon.flow.schema.contract import Rule
from andon.flow.schema.postgres.functions import LOOKS_ONLY, SWITCHES, reaches_outside
from andon.flow.schema.postgres.reading import Node, Statement, strings, table_name, walk

_CHANGES = {"UpdateStmt": "Changing", "DeleteStmt": "Deleting", "MergeStmt": "Changing"}
_DATA = {"insert_stmt", "update_stmt", "delete_stmt", "merge_stmt"}
_AROUND = {"variable_set_stmt", "transaction_stmt", "comment_stmt"}


def change_rows(statement: Statement, notes: Collector, catalogue: Catalogue) -> bool:
    """Judge a statement on rows, with what stands in its WITH."""
    _functions(statement, notes)
    for kind, node in walk(statement.node):
        if kind in _CHANGES:
            table = table_name(node.relation)
            if not catalogue.is_certainly_new(table) and not (
                kind != "MergeStmt" and _one_row(node.where_clause, table, catalogue)
            ):
                notes.note(statement.cut, Rule.ROWS, *ways.rows(table, _CHANGES[kind]))
        elif kind == "InsertStmt":
            table = table_name(node.relation)
            if catalogue.is_certainly_new(table):
                continue
            if not node.select_stmt.select_stmt.values_lists and node.HasField("select_stmt"):
                notes.note(statement.cut, Rule.ROWS, *ways.rows(table, "Copying"))
    return False


def select(statement: Statement, notes: Collector, catalogue: Catalogue) -> bool:
    """A SELECT may make a table (INTO), change rows (WITH), lock (FOR UPDATE) or call something."""
    node = statement.node
    if node.HasField("into_clause"):
        catalogue.create_table(table_name(node.into_clause.rel), {}, unless_there=False)
    for kind, one in walk(node):
        if kind == "SelectStmt" and one.locking_clause:
            notes.note(
                statement.cut,
                Rule.LOCK,
                "FOR UPDATE and its like lock rows until the transaction ends, and whoever writes them waits.",
                "Leave it out, or do it in a backfill, on the rows of one batch.",
            )
    return change_rows(statement, notes, catalogue)


def backfill(statement: Statement, notes: Collector) -> None:
    """Judge a statement of a backfill: rows only, and bounded."""
    if statement.kind in _AROUND:
        return
    if statement.kind not in _DATA and statement.kind != "select_stmt":
        what = statement.kind.removesuffix("_stmt").replace("_", " ").upper()
        notes.note(statement.cut, Rule.PHASE, *ways.in_backfill(what))
        return
    _functions(statement, notes)
    if not statement.batched and (
        statement.kind in _DATA or any(kind in {*_CHANGES, "InsertStmt"} for kind, _ in walk(statement.node))
    ):
        notes.note(statement.cut, Rule.UNBOUNDED, *ways.unbounded())


def _functions(statement: Statement, notes: Collector) -> None:
    for kind, node in walk(statement.node):
        if kind == "FuncCall":
            names = strings(node.funcname)
            name = (names or [""])[-1]
            if name == "pg_sleep" or reaches_outside(name):
                continue  # told as what it is
            first = node.args[0].a_const.sval.sval if node.args else ""
            if name == "set_config" and first in SWITCHES:
                notes.note(statement.cut, Rule.HIDDEN, *ways.hidden(f"{first} is set"))
            if name not in LOOKS_ONLY or names[:-1] not in ([], ["pg_catalog"]):
                notes.note(statement.cut, Rule.HIDDEN, *ways.hidden(f"{'.'.join(names)}() is called"))


def _one_row(where: Node, table: str, catalogue: Catalogue) -> bool:
    """Whether a WHERE names one row: ``key = constant``, maybe with more of the kind."""
    match where.WhichOneof("node"):
        case "a_expr":
            expression = where.a_expr
            sides = {expression.lexpr.WhichOneof("node"), expression.rexpr.WhichOneof("node")}
            columns = [
                (strings(one.column_ref.fields) or [""])[-1]
                for one in (expression.lexpr, expression.rexpr)
                if one.HasField("column_ref")
            ]
            is_equal = strings(expression.name) == ["="] and sides == {"column_ref", "a_const"} and _is_op(expression)
            return is_equal and (table, columns[0]) in catalogue.keys
        case "bool_expr":
            is_and = where.bool_expr.DESCRIPTOR.fields_by_name["boolop"].enum_type.values_by_number[
                where.bool_expr.boolop
            ]
            return is_and.name == "AND_EXPR" and any(_one_row(one, table, catalogue) for one in where.bool_expr.args)
    return False


def _is_op(expression: Node) -> bool:
    field = expression.DESCRIPTOR.fields_by_name["kind"]
    return bool(field.enum_type.values_by_number[expression.kind].name == "AEXPR_OP")


RULES: dict[str, Callable[[Statement, Collector, Catalogue], bool]] = {
    "insert_stmt": change_rows,
    "update_stmt": change_rows,
    "delete_stmt": change_rows,
    "merge_stmt": change_rows,
    "select_stmt": select,
}
