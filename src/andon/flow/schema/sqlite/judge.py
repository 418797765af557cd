"""A file of SQLite statements: who is made to fail, and who is made to wait."""

from __future__ import annotations

from collections.abc import Callable

from andon.flow.schema import ways
from andon.flow.schema.catalogue import Catalogue
from andon.flow.schema.collecting import Collector
from andon.flow.schema.contract import Phase, Rule
from andon.flow.schema.sqlite import data
from andon.flow.schema.sqlite.columns import add_column, key_columns
from andon.flow.schema.sqlite.reading import Statement, children, name_of, qualified, walk

Rules = Callable[[Statement, Collector, Catalogue], None]

_OUTSIDE_FUNCTIONS = {"load_extension", "writefile", "readfile", "edit", "lsdir", "fsdir", "fts3_tokenizer", "zipfile"}
_SCHEMA_TABLES = {"sqlite_master", "sqlite_schema", "sqlite_temp_master", "sqlite_temp_schema", "sqlite_sequence"}
_MODULES = {"fts3", "fts4", "fts5", "rtree", "rtree_i32", "geopoly"}
_HARMLESS_PRAGMAS = {
    "analysis_limit",
    "application_id",
    "busy_timeout",
    "cache_size",
    "defer_foreign_keys",
    "foreign_key_check",
    "foreign_key_list",
    "index_info",
    "index_list",
    "integrity_check",
    "optimize",
    "quick_check",
    "table_info",
    "table_list",
    "table_xinfo",
    "user_version",
}
_HARMLESS = {"TransactionStmt", "SavepointStmt"}


def judge(statements: list[Statement], notes: Collector, catalogue: Catalogue) -> None:
    """Note what is wrong with the statements of one file."""
    made_anew = _made_anew(statements)
    for statement in statements:
        _outside(statement, notes)
        if notes.phase is Phase.BACKFILL:
            data.backfill(statement, notes)
        elif statement.kind in _HARMLESS:
            continue
        elif statement.kind == "DropStmt":
            _drop(statement, notes, catalogue, made_anew)
        elif statement.kind in _RULES:
            _RULES[statement.kind](statement, notes, catalogue)
        else:
            what = statement.kind.removesuffix("Stmt")
            notes.note(statement.cut, Rule.UNKNOWN, *ways.unknown(what))


def _made_anew(statements: list[Statement]) -> set[str]:
    """Tables that the file drops and puts another in the place of: the usual way around SQLite's ALTER TABLE."""
    dropped = {
        qualified(one.node["target"]["schema"], one.node["target"]["object_name"])
        for one in statements
        if one.kind == "DropStmt" and one.node["object_type"] == "TABLE"
    }
    renamed = {
        name_of(one.node["new_name"])
        for one in statements
        if one.kind == "AlterTableStmt" and one.node["op"] == "RENAME_TABLE"
    }
    return dropped & renamed


def _outside(statement: Statement, notes: Collector) -> None:
    cut = statement.cut
    if statement.kind in {"AttachStmt", "DetachStmt"}:
        notes.note(cut, Rule.OUTSIDE, *ways.outside("ATTACH opens another file as a database."))
    elif statement.kind == "VacuumStmt" and statement.node["filename"]:
        notes.note(cut, Rule.OUTSIDE, *ways.outside("VACUUM INTO writes another file."))
    elif statement.kind == "CreateVirtualTableStmt" and name_of(statement.node["module_name"]) not in _MODULES:
        what = f"The module {statement.node['module_name']} may read files, or anything."
        notes.note(cut, Rule.OUTSIDE, *ways.outside(what))
    for node in walk(statement.node):
        if node["type"] == "FunctionCall" and name_of(node["func_name"]) in _OUTSIDE_FUNCTIONS:
            what = f"{node['func_name']}() reaches beyond the database."
            notes.note(cut, Rule.OUTSIDE, *ways.outside(what))
    if statement.kind in {"UpdateStmt", "InsertStmt", "DeleteStmt"}:
        table = name_of(statement.node["table"]["table_name"])
        if table in _SCHEMA_TABLES:
            notes.note(cut, Rule.OUTSIDE, *ways.outside(f"{table} is SQLite's own, and written by hand it breaks."))
    if statement.kind == "PragmaStmt" and name_of(statement.node["pragma_name"]) == "writable_schema":
        notes.note(cut, Rule.OUTSIDE, *ways.outside("writable_schema lets the file's structure be broken."))


def _alter(statement: Statement, notes: Collector, catalogue: Catalogue) -> None:
    node = statement.node
    table = qualified(node["target"]["schema"], node["target"]["object_name"])
    old, new = name_of(node["old_name"]), name_of(node["new_name"])
    match node["op"]:
        case "ADD_COLUMN":
            add_column(statement, table, notes, catalogue)
        case "DROP_COLUMN":
            if not (catalogue.is_certainly_new(table) or (table, old) in catalogue.added):
                notes.note(statement.cut, Rule.DROP, *ways.drop_column(table, old))
            catalogue.drop_column(table, old)
        case "RENAME_COLUMN":
            if not (catalogue.is_certainly_new(table) or (table, old) in catalogue.added):
                notes.note(statement.cut, Rule.RENAME, *ways.rename_column(table, old, new))
            catalogue.rename_column(table, old, new)
        case "RENAME_TABLE":
            if not catalogue.is_certainly_new(table):
                notes.note(statement.cut, Rule.RENAME, *ways.rename_table("table", table, new))
            catalogue.rename_table(table, new)
        case other:
            notes.note(statement.cut, Rule.UNKNOWN, *ways.unknown(f"ALTER TABLE … {other}"))


def _create_table(statement: Statement, _notes: Collector, catalogue: Catalogue) -> None:
    node = statement.node
    table = qualified(node["schema"], node["table_name"])
    columns = {name_of(one["column_name"]): str(one["type_name"] or "") for one in children(node["columns"])}
    catalogue.create_table(table, columns, unless_there=bool(node["if_not_exists"]))
    catalogue.keys.update((table, one) for one in key_columns(node))


def _create_virtual(statement: Statement, _notes: Collector, catalogue: Catalogue) -> None:
    node = statement.node
    table = qualified(node["schema"], node["table_name"])
    catalogue.create_table(table, {}, unless_there=bool(node["if_not_exists"]))


def _create_index(statement: Statement, notes: Collector, catalogue: Catalogue) -> None:
    node = statement.node
    table = qualified(node["schema"], node["table_name"])
    catalogue.fresh.add(("index", name_of(node["index_name"])))
    if catalogue.is_new(table):
        return
    columns = [name_of((one.get("expr") or {}).get("column")) for one in children(node["columns"])]
    empty = any((table, one) in catalogue.added and (table, one) not in catalogue.filled for one in columns)
    if node["is_unique"] and not empty:
        notes.note(statement.cut, Rule.UNIQUE, *ways.unique(table, ", ".join(one or "…" for one in columns)))
    notes.note(
        statement.cut,
        Rule.BUSY,
        f"SQLite has one writer: nobody writes to any table while the index over {table} is built. Reading goes on "
        "(in WAL mode).",
        "On a table of millions of rows deploy at a quiet hour, and give the service a busy_timeout that outlasts it.",
        "PRAGMA busy_timeout = 5000;",
    )


def _create_view(statement: Statement, _notes: Collector, catalogue: Catalogue) -> None:
    catalogue.fresh.add(("view", qualified(statement.node["schema"], statement.node["view_name"])))


def _create_trigger(statement: Statement, notes: Collector, catalogue: Catalogue) -> None:
    target = statement.node["table"]
    table = qualified(target["schema"], target["object_name"])
    catalogue.fresh.add(("trigger", qualified(statement.node["schema"], statement.node["trigger_name"])))
    if not catalogue.is_certainly_new(table) and ("view", table) not in catalogue.fresh:
        what = f"Each write of the version that serves to {table} runs the trigger, too."
        notes.note(statement.cut, Rule.BEHAVIOUR, *ways.behaviour(what))


def _drop(statement: Statement, notes: Collector, catalogue: Catalogue, made_anew: set[str]) -> None:
    node = statement.node
    name = qualified(node["target"]["schema"], node["target"]["object_name"])
    kind = str(node["object_type"]).lower()
    if kind != "table":
        if (kind, name) not in catalogue.fresh:
            notes.note(statement.cut, Rule.DROP, *ways.drop_other(kind, name))
        return
    if not catalogue.is_certainly_new(name):
        notes.note(statement.cut, Rule.DROP, *(_anew(name) if name in made_anew else ways.drop_table(name)))
    catalogue.drop_table(name)


def _anew(table: str) -> ways.Way:
    return (
        (
            f"{table} is made anew under the version that serves: all rows are copied while nobody writes, and "
            "what its "
            "columns no longer take or hold, it still writes and reads."
        ),
        (
            f"Expand by ALTER TABLE {table} ADD COLUMN only. Make the table anew in a contract migration, where it is "
            "allowed, with foreign_key_check at its end."
        ),
        (
            f"-- expand\nALTER TABLE {table} ADD COLUMN … ;\n"
            f"-- contract\nCREATE TABLE {table}_new (…);\nINSERT INTO {table}_new SELECT … FROM {table};\n"
            f"DROP TABLE {table};\nALTER TABLE {table}_new RENAME TO {table};\nPRAGMA foreign_key_check;"
        ),
    )


def _pragma(statement: Statement, notes: Collector, _catalogue: Catalogue) -> None:
    name = name_of(statement.node["pragma_name"])
    if name in _HARMLESS_PRAGMAS or name == "writable_schema" or statement.node["value"] is None:
        return
    if name == "foreign_keys" and name_of(statement.node["value"]) in {"on", "1", "true", "yes"}:
        return
    if name == "foreign_keys":
        notes.note(
            statement.cut,
            Rule.CONSTRAINT,
            "Foreign keys are a matter of each connection; switched off here, the migration may leave rows without "
            "their parents.",
            "PRAGMA defer_foreign_keys looks at the end of the transaction. Where a table must be made anew, switch "
            "them off in the tool that runs the file, and end it with foreign_key_check.",
            "PRAGMA defer_foreign_keys = ON;",
        )
        return
    notes.note(
        statement.cut,
        Rule.HIDDEN,
        f"PRAGMA {name} changes how the file or the connection behaves, not its tables.",
        "Set it where the service opens its connections, and deploy that.",
    )


def _vacuum(statement: Statement, notes: Collector, _catalogue: Catalogue) -> None:
    if statement.node["filename"]:
        return  # told as what it is
    notes.note(
        statement.cut,
        Rule.REWRITE,
        "VACUUM writes the whole file anew, and nobody writes meanwhile.",
        "Leave it out. Free pages are used again for new rows.",
    )


def _analyze_or_reindex(statement: Statement, notes: Collector, _catalogue: Catalogue) -> None:
    if statement.node["kind"] == "REINDEX":
        notes.note(
            statement.cut,
            Rule.INDEX,
            "REINDEX builds indexes anew, and nobody writes to any table meanwhile.",
            "Leave it out: it is needed only after a collation has changed.",
        )


def _looked_after(_statement: Statement, _notes: Collector, _catalogue: Catalogue) -> None:
    """Told by :func:`_outside`, in every phase."""


_RULES: dict[str, Rules] = {
    "AlterTableStmt": _alter,
    "CreateTableStmt": _create_table,
    "CreateVirtualTableStmt": _create_virtual,
    "CreateIndexStmt": _create_index,
    "CreateViewStmt": _create_view,
    "CreateTriggerStmt": _create_trigger,
    "PragmaStmt": _pragma,
    "VacuumStmt": _vacuum,
    "AnalyzeOrReindexStmt": _analyze_or_reindex,
    "AttachStmt": _looked_after,
    "DetachStmt": _looked_after,
    **data.RULES,
}
