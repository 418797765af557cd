"""Constraints on PostgreSQL: whether what old code writes may violate them, and whether all rows are read for them."""

from __future__ import annotations

from andon.flow.schema import ways
from andon.flow.schema.catalogue import Catalogue
from andon.flow.schema.collecting import Collector
from andon.flow.schema.contract import Rule
from andon.flow.schema.postgres.functions import ONE_VALUE
from andon.flow.schema.postgres.reading import Node, strings, table_name, walk
from andon.flow.schema.statement import Cut

_NAMES = {
    "CONSTR_CHECK": "CHECK",
    "CONSTR_NOTNULL": "NOT NULL",
    "CONSTR_PRIMARY": "PRIMARY KEY",
    "CONSTR_UNIQUE": "UNIQUE",
    "CONSTR_EXCLUSION": "EXCLUDE",
    "CONSTR_FOREIGN": "FOREIGN KEY",
}


def add_constraint(
    cut: Cut, given: Node, table: str, notes: Collector, catalogue: Catalogue, *, of_column: str | None = None
) -> None:
    """Judge a constraint on a table that was there; ``of_column`` when it stands at a new column."""
    kind = given.DESCRIPTOR.fields_by_name["contype"].enum_type.values_by_number[given.contype].name
    name = str(given.conname) or f"a {_NAMES.get(kind, 'constraint')}"
    if given.conname:
        catalogue.fresh.add(("constraint", f"{table}.{given.conname}"))
        if kind == "CONSTR_CHECK":
            catalogue.checks.add((table, str(given.conname)))
    # what is not enforced (PostgreSQL 18) is written down and nothing more
    not_enforced = kind in {"CONSTR_CHECK", "CONSTR_FOREIGN"} and not given.is_enforced and given.skip_validation
    if not_enforced:
        return
    if kind == "CONSTR_CHECK":
        named = _columns(given.raw_expr) or ([of_column] if of_column else [])
        if not _holds_for_absent(given.raw_expr, table, named, catalogue):
            notes.note(cut, Rule.CONSTRAINT, *ways.constraint(table, name))
        if not given.skip_validation:
            notes.note(cut, Rule.SCAN, *_unvalidated(table, name, "CHECK (…)"))
    elif kind == "CONSTR_FOREIGN":
        columns = [of_column] if of_column else strings(given.fk_attrs)
        if any((table, one) not in catalogue.added for one in columns):
            notes.note(cut, Rule.CONSTRAINT, *ways.constraint(table, name))
        if not given.skip_validation:
            other = table_name(given.pktable)
            notes.note(
                cut, Rule.SCAN, *_unvalidated(table, name, f"FOREIGN KEY ({', '.join(columns)}) REFERENCES {other}")
            )
    elif kind == "CONSTR_NOTNULL":
        columns = strings(given.keys)
        notes.note(cut, Rule.NOT_NULL, *ways.constraint(table, f"NOT NULL of {', '.join(columns)}"))
        if not given.skip_validation:
            notes.note(cut, Rule.SCAN, *_unvalidated(table, name, f"NOT NULL {', '.join(columns)}"))
    elif kind in {"CONSTR_PRIMARY", "CONSTR_UNIQUE"}:
        _unique(cut, given, kind, table, notes, catalogue, of_column)
    elif kind == "CONSTR_EXCLUSION":
        notes.note(cut, Rule.CONSTRAINT, *ways.constraint(table, name))
        notes.note(cut, Rule.SCAN, *_index_in_lock(table, ""))
    else:
        notes.note(cut, Rule.UNKNOWN, *ways.unknown("This constraint"))


def _unique(
    cut: Cut, given: Node, kind: str, table: str, notes: Collector, catalogue: Catalogue, of_column: str | None
) -> None:
    columns = strings(given.keys) or ([of_column] if of_column else [])
    if given.indexname:
        # the index is there already and was judged where it was made
        if kind == "CONSTR_PRIMARY":
            notes.note(cut, Rule.NOT_NULL, *ways.constraint(table, "NOT NULL, which a primary key brings"))
            notes.note(cut, Rule.SCAN, *_unvalidated(table, "the primary key", "CHECK (… IS NOT NULL)"))
        else:
            notes.note(cut, Rule.UNIQUE, *ways.unique(table, f"the columns of {given.indexname}"))
        return
    shown = ", ".join(columns)
    if kind == "CONSTR_PRIMARY" or not may_be_unique(table, columns, catalogue, nulls=not given.nulls_not_distinct):
        notes.note(cut, Rule.UNIQUE, *ways.unique(table, shown))
    notes.note(cut, Rule.SCAN, *_index_in_lock(table, shown))


def may_be_unique(table: str, columns: list[str], catalogue: Catalogue, *, nulls: bool) -> bool:
    """Whether old code cannot violate it: one of the columns is new and empty, and empty values differ."""
    empty = {one for one in columns if (table, one) in catalogue.added and (table, one) not in catalogue.filled}
    return bool(empty) and nulls


def is_volatile(expression: Node) -> bool:
    """Whether a default may be another value for each row. Unknown functions count as such."""
    for kind, node in walk(expression):
        if kind == "FuncCall":
            names = strings(node.funcname)
            if names[:-1] not in ([], ["pg_catalog"]) or names[-1] not in ONE_VALUE:
                return True
        elif kind in {"SubLink", "ColumnRef"}:
            return True
    return False


def _columns(expression: Node) -> list[str]:
    found = []
    for kind, node in walk(expression):
        if kind == "ColumnRef":
            found += strings(node.fields)[-1:]
    return found


def _holds_for_absent(expression: Node, table: str, columns: list[str], catalogue: Catalogue) -> bool:
    """Whether a CHECK cannot fail for rows that leave the new columns out.

    A CHECK passes when it is NULL, and an expression of operators on a NULL is NULL; tests for NULL and functions
    may say otherwise, and so may a default.
    """
    if not columns or any((table, one) not in catalogue.added or (table, one) in catalogue.filled for one in columns):
        return False
    return not any(
        kind in {"NullTest", "FuncCall", "CoalesceExpr", "CaseExpr", "BooleanTest", "SubLink", "MinMaxExpr"}
        or (kind == "A_Expr" and _distinct(node))
        for kind, node in walk(expression)
    )


def _distinct(node: Node) -> bool:
    field = node.DESCRIPTOR.fields_by_name["kind"]
    return "DISTINCT" in field.enum_type.values_by_number[node.kind].name


def _unvalidated(table: str, name: str, what: str) -> ways.Way:
    shown = name if not name.startswith(("a ", "the ")) else "name"
    return (
        f"PostgreSQL reads the whole of {table} to see that {name} holds, and nobody writes to it meanwhile.",
        "Add it as NOT VALID, which reads nothing; validate it in a file of its own, which locks nobody out.",
        (
            f"ALTER TABLE {table} ADD CONSTRAINT {shown} {what} NOT VALID;\n"
            f"-- in the next file\nALTER TABLE {table} VALIDATE CONSTRAINT {shown};"
        ),
    )


def _index_in_lock(table: str, columns: str) -> ways.Way:
    return (
        (
            f"PostgreSQL builds the constraint's index over the whole of {table}, and nobody else reads or writes it "
            "meanwhile."
        ),
        "Build the unique index CONCURRENTLY, then make the constraint of it.",
        (
            f"CREATE UNIQUE INDEX CONCURRENTLY {table}_key ON {table} ({columns or '…'});\n"
            f"ALTER TABLE {table} ADD CONSTRAINT {table}_key UNIQUE USING INDEX {table}_key;"
        ),
    )
