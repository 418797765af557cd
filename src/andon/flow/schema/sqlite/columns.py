"""What SQLite's ALTER TABLE … ADD COLUMN can do, and what the version that serves makes of it."""

from __future__ import annotations

from typing import Any

from andon.flow.schema import ways
from andon.flow.schema.catalogue import Catalogue
from andon.flow.schema.collecting import Collector
from andon.flow.schema.contract import Rule
from andon.flow.schema.sqlite.reading import Statement, Tree, children, name_of, walk

_TIMES = {"current_timestamp", "current_time", "current_date"}
_HOLDS_NOT_FOR_NULL = {"FunctionCall", "CaseExpr", "SubqueryExpr", "ExistsExpr", "IsExpr"}


def add_column(statement: Statement, table: str, notes: Collector, catalogue: Catalogue) -> None:
    cut, column = statement.cut, statement.node["column"]
    name = name_of(column["column_name"])
    given = {str(one["kind"]): one for one in children(column["constraints"])}
    default = given.get("DEFAULT", {}).get("default_expr")
    has_value = default is not None and str(default.get("source", "")).lower() != "null"
    catalogue.add_column(table, name, str(column["type_name"] or ""), filled=has_value)
    # The rules of ADD COLUMN hold for new tables, too: SQLite looks at the statement, and at rows only for some.
    new = catalogue.is_certainly_new(table)
    if "NOT_NULL" in given and not has_value and "GENERATED" not in given:
        notes.note(cut, Rule.FAILS if new else Rule.NOT_NULL, *ways.not_null_column(table, name))
    if "PRIMARY_KEY" in given or "UNIQUE" in given:
        notes.note(
            cut,
            Rule.FAILS,
            "SQLite cannot add a column that is UNIQUE or a PRIMARY KEY.",
            "Add it without, and make a unique index over it: several rows may be empty.",
            f"ALTER TABLE {table} ADD COLUMN {name} …;\nCREATE UNIQUE INDEX {table}_{name} ON {table} ({name});",
        )
    generated = given.get("GENERATED")
    if generated is not None and generated["generated_storage"] == "STORED":
        notes.note(
            cut,
            Rule.FAILS,
            "SQLite cannot add a STORED computed column.",
            "Make it VIRTUAL.",
            f"ALTER TABLE {table} ADD COLUMN {name} … GENERATED ALWAYS AS (…) VIRTUAL;",
        )
    if new:
        return
    if default is not None and not _is_constant(default):
        notes.note(
            cut,
            Rule.FAILS,
            f"SQLite cannot give the rows of {table} a default that has to be computed.",
            "Add the column without a default, write it in the new version's code, fill the old rows in a backfill.",
            f"ALTER TABLE {table} ADD COLUMN {name} …;",
        )
    if given.get("REFERENCES") and has_value:
        notes.note(
            cut,
            Rule.FAILS,
            "With foreign keys switched on SQLite cannot add a column that has both REFERENCES and a default.",
            "Add it without a default.",
            f"ALTER TABLE {table} ADD COLUMN {name} … REFERENCES …;",
        )
    check = given.get("CHECK")
    if check is not None and not _holds_for_absent(check, name, has_value=has_value):
        notes.note(cut, Rule.CONSTRAINT, *ways.constraint(table, f"the CHECK of {name}"))
    if generated is None:
        notes.note(
            cut,
            Rule.COLUMN_LIST,
            f"An INSERT INTO {table} VALUES (…) without the names of its columns fails with one column more.",
            "See that the version that serves names the columns that it writes.",
        )


def key_columns(node: Tree) -> list[str]:
    """Columns of a CREATE TABLE that are unique by themselves."""
    found = [
        name_of(column["column_name"])
        for column in children(node["columns"])
        for one in children(column["constraints"])
        if one["kind"] in {"PRIMARY_KEY", "UNIQUE"}
    ]
    for one in walk(node["table_constraints"]):
        if one["type"] == "TableConstraint" and one["kind"] in {"PRIMARY_KEY", "UNIQUE"}:
            columns = children(one["pk_columns"])
            if len(columns) == 1:
                found.append(name_of((columns[0].get("expr") or {}).get("column")))
    return found


def _is_constant(default: Tree) -> bool:
    for one in walk(default):
        if one["type"] in {"FunctionCall", "Subquery", "SubqueryExpr", "ColumnRef"}:
            text = name_of(one.get("column") or one.get("source"))
            if one["type"] == "ColumnRef" and text and text not in _TIMES:
                continue  # an unquoted word is a text here
            return False
        if one["type"] == "Literal" and str(one.get("source", "")).lower() in _TIMES:
            return False
    return True


def _holds_for_absent(check: Tree, name: str, *, has_value: bool) -> bool:
    """Whether a CHECK cannot fail for rows that leave the column out: it passes where it is NULL."""
    if has_value:
        return False
    expression: Any = check["check_expr"]
    columns = {name_of(one.get("column")) for one in walk(expression) if one["type"] == "ColumnRef"}
    if columns - {name}:
        return False
    return not any(one["type"] in _HOLDS_NOT_FOR_NULL for one in walk(expression))
