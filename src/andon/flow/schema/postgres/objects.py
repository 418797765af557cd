"""Making, renaming and dropping things on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable

from andon.flow.schema import ways
from andon.flow.schema.catalogue import Catalogue
from andon.flow.schema.collecting import Collector
from andon.flow.schema.contract import Rule
from andon.flow.schema.postgres import types
from andon.flow.schema.postgres.alter import cascade
from andon.flow.schema.postgres.functions import HARMLESS_EXTENSIONS
from andon.flow.schema.postgres.reading import Node, Statement, dotted, listed, strings, table_name, walk

_CASCADE = 2  # DROP_CASCADE of DropBehavior
_LANGUAGES = {"sql", "plpgsql"}
_KINDS = {"OBJECT_MATVIEW": "view", "OBJECT_PROCEDURE": "function", "OBJECT_ROUTINE": "function"}


def _create_table(statement: Statement, notes: Collector, catalogue: Catalogue) -> bool:
    node = statement.node
    name = table_name(node.relation)
    columns: dict[str, str] = {}
    for item in node.table_elts:
        if item.WhichOneof("node") == "column_def":
            column = str(item.column_def.colname)
            columns[column] = types.normal(item.column_def.type_name)
            for one in item.column_def.constraints:
                _know(one.constraint, name, [column], catalogue)
        elif item.WhichOneof("node") == "constraint":
            _know(item.constraint, name, strings(item.constraint.keys), catalogue)
    catalogue.create_table(name, columns, unless_there=bool(node.if_not_exists))
    parents = [table_name(one.range_var) for one in node.inh_relations]
    known = [one for one in parents if not catalogue.is_certainly_new(one)]
    if known and not node.HasField("partbound"):
        notes.note(statement.cut, Rule.BEHAVIOUR, *ways.behaviour(f"Rows of {name} appear in {known[0]}, too."))
    references = {
        table_name(one.pktable) for kind, one in walk(node) if kind == "Constraint" and one.HasField("pktable")
    }
    return bool(known) or any(not catalogue.is_certainly_new(one) for one in references)


def _know(constraint: Node, table: str, columns: list[str], catalogue: Catalogue) -> None:
    kind = _object(constraint, "contype")
    if kind == "CONSTR_CHECK":
        # PostgreSQL names it by itself where the author does not
        catalogue.checks.add((table, str(constraint.conname) or "_".join([table, *columns, "check"])))
    elif kind in {"CONSTR_PRIMARY", "CONSTR_UNIQUE"} and len(columns) == 1:
        catalogue.keys.add((table, columns[0]))


def _create_as(statement: Statement, notes: Collector, catalogue: Catalogue) -> bool:
    node = statement.node
    catalogue.create_table(table_name(node.into.rel), {}, unless_there=bool(node.if_not_exists))
    catalogue.fresh.add(("view", table_name(node.into.rel)))
    return False


def _view(statement: Statement, notes: Collector, catalogue: Catalogue) -> bool:
    name = table_name(statement.node.view)
    if statement.node.replace and ("view", name) not in catalogue.fresh:
        notes.note(statement.cut, Rule.REPLACED, *_replaced("view", name))
    catalogue.fresh.add(("view", name))
    return False


def _function(statement: Statement, notes: Collector, catalogue: Catalogue) -> bool:
    node = statement.node
    name = dotted(node.funcname)
    language = next(
        (str(one.def_elem.arg.string.sval).lower() for one in node.options if one.def_elem.defname == "language"), "sql"
    )
    if language not in _LANGUAGES:
        notes.note(
            statement.cut, Rule.OUTSIDE, *ways.outside(f"A function in {language} may do whatever the server may.")
        )
    if node.replace and ("function", name) not in catalogue.fresh:
        notes.note(statement.cut, Rule.REPLACED, *_replaced("function", name))
    catalogue.fresh.add(("function", name))
    return False


def _trigger(statement: Statement, notes: Collector, catalogue: Catalogue) -> bool:
    table = table_name(statement.node.relation)
    if catalogue.is_certainly_new(table):
        return False
    what = f"Each write of the version that serves to {table} runs the trigger, too."
    notes.note(statement.cut, Rule.BEHAVIOUR, *ways.behaviour(what))
    return True


def _rule_or_policy(statement: Statement, notes: Collector, catalogue: Catalogue) -> bool:
    field = "table" if statement.kind == "create_policy_stmt" else "relation"
    table = table_name(getattr(statement.node, field))
    if catalogue.is_certainly_new(table):
        return False
    what = f"What the version that serves reads from or writes to {table} becomes something else."
    notes.note(statement.cut, Rule.BEHAVIOUR, *ways.behaviour(what))
    return True


def _extension(statement: Statement, notes: Collector, _catalogue: Catalogue) -> bool:
    if statement.node.extname not in HARMLESS_EXTENSIONS:
        what = f"The extension {statement.node.extname} brings code into the server, and maybe a way to other machines."
        notes.note(statement.cut, Rule.OUTSIDE, *ways.outside(what))
    return False


def _create_type(statement: Statement, _notes: Collector, catalogue: Catalogue) -> bool:
    name = dotted(statement.node.type_name)
    catalogue.fresh.add(("type", name))
    catalogue.types.add(name)
    return False


def _alter_enum(statement: Statement, notes: Collector, catalogue: Catalogue) -> bool:
    name = dotted(statement.node.type_name)
    if ("type", name) in catalogue.fresh:
        return False
    if statement.node.old_val:
        notes.note(
            statement.cut, Rule.RENAME, *ways.rename_table("value", statement.node.old_val, statement.node.new_val)
        )
    else:
        notes.note(
            statement.cut,
            Rule.NEW_VALUES,
            f"Code of the version that serves may meet {statement.node.new_val!r}, which it does not know.",
            "Deploy code that can read it first; write the first one a version later.",
        )
    return False


def _rename(statement: Statement, notes: Collector, catalogue: Catalogue) -> bool:
    node = statement.node
    kind = _object(node, "rename_type")
    table = table_name(node.relation) if node.HasField("relation") else dotted_object(node.object)
    if kind == "OBJECT_COLUMN":
        if not (catalogue.is_certainly_new(table) or (table, node.subname) in catalogue.added):
            notes.note(statement.cut, Rule.RENAME, *ways.rename_column(table, node.subname, node.newname))
        catalogue.rename_column(table, node.subname, node.newname)
        return True
    if kind == "OBJECT_INDEX":
        return False  # queries do not name indexes
    word = _word(kind)
    old = str(node.subname) if kind == "OBJECT_TABCONSTRAINT" else table
    if (word, old) not in catalogue.fresh and ("constraint", f"{table}.{old}") not in catalogue.fresh:
        notes.note(statement.cut, Rule.RENAME, *ways.rename_table(word, old, node.newname))
    if kind == "OBJECT_TABLE":
        catalogue.rename_table(table, node.newname)
    return True


def _move(statement: Statement, notes: Collector, catalogue: Catalogue) -> bool:
    node = statement.node
    name = table_name(node.relation) if node.HasField("relation") else dotted_object(node.object)
    if not catalogue.is_certainly_new(name):
        notes.note(statement.cut, Rule.RENAME, *ways.rename_table("thing", name, f"{node.newschema}.{name}"))
    return True


def _owner(statement: Statement, notes: Collector, _catalogue: Catalogue) -> bool:
    notes.note(
        statement.cut,
        Rule.ACCESS,
        "With another owner the version that serves may lose what it may read or write.",
        "Grant to the roles of both versions instead.",
    )
    return False


def _drop(statement: Statement, notes: Collector, catalogue: Catalogue) -> bool:
    node = statement.node
    kind = _object(node, "remove_type")
    word = _word(kind)
    locks = False
    for item in node.objects:
        name = listed(item)
        if kind == "OBJECT_TABLE":
            new = catalogue.is_certainly_new(name)
            catalogue.drop_table(name)
        elif kind in {"OBJECT_TRIGGER", "OBJECT_POLICY", "OBJECT_RULE"}:
            new = catalogue.is_certainly_new(name.rpartition(".")[0])
        else:
            new = (word, name) in catalogue.fresh
        if new:
            continue
        locks = True
        if kind == "OBJECT_TABLE":
            notes.note(statement.cut, Rule.DROP, *ways.drop_table(name))
        elif kind == "OBJECT_INDEX":
            notes.note(
                statement.cut,
                Rule.DROP,
                f"Queries of the version that serves become slow without {name}, and ON CONFLICT needs it if it is "
                "unique.",
                ways.LATER,
                f"DROP INDEX CONCURRENTLY {name};",
            )
        else:
            notes.note(statement.cut, Rule.DROP, *ways.drop_other(word, name))
        if node.behavior == _CASCADE:
            notes.note(statement.cut, Rule.HIDDEN, *cascade(name))
    return locks and not node.concurrent


def _grant(statement: Statement, notes: Collector, _catalogue: Catalogue) -> bool:
    if not statement.node.is_grant:
        notes.note(
            statement.cut,
            Rule.ACCESS,
            "The version that serves may lose what it may read or write.",
            f"Take rights away when no version needs them any more. {ways.LATER}",
        )
    return False


def _default_grants(statement: Statement, notes: Collector, catalogue: Catalogue) -> bool:
    if not statement.node.action.is_grant:
        return _grant(Statement(statement.cut, "grant_stmt", statement.node.action, False), notes, catalogue)
    return False


def _alter_sequence(statement: Statement, notes: Collector, _catalogue: Catalogue) -> bool:
    options = {str(one.def_elem.defname) for one in statement.node.options}
    if not options <= {"owned_by", "cache"}:
        notes.note(statement.cut, Rule.BEHAVIOUR, *ways.behaviour("The sequence gives other numbers."))
    return False


def _truncate(statement: Statement, notes: Collector, catalogue: Catalogue) -> bool:
    tables = [table_name(one.range_var) for one in statement.node.relations]
    if all(catalogue.is_certainly_new(one) for one in tables):
        return False
    shown = ", ".join(tables)
    notes.note(
        statement.cut,
        Rule.DROP,
        f"The version that serves finds {shown} empty.",
        f"Leave the rows. {ways.LATER}",
    )
    return True


def _replaced(kind: str, name: str) -> ways.Way:
    return (
        f"The version that serves uses the {kind} {name} as it is, and gets another one under the same name.",
        f"Make a {kind} of another name for the new version, and drop {name} in a contract migration.",
        f"CREATE {kind.upper()} {name}_2 …;",
    )


def dotted_object(node: Node) -> str:
    return listed(node) or ".".join(strings([node]))


def _object(node: Node, field: str) -> str:
    return str(node.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number[getattr(node, field)].name)


def _word(kind: str) -> str:
    return _KINDS.get(kind, kind.removeprefix("OBJECT_").replace("_", " ").lower()).replace(
        "tabconstraint", "constraint"
    )


RULES: dict[str, Callable[[Statement, Collector, Catalogue], bool]] = {
    "create_stmt": _create_table,
    "create_table_as_stmt": _create_as,
    "view_stmt": _view,
    "create_function_stmt": _function,
    "create_trig_stmt": _trigger,
    "rule_stmt": _rule_or_policy,
    "create_policy_stmt": _rule_or_policy,
    "create_extension_stmt": _extension,
    "create_enum_stmt": _create_type,
    "alter_enum_stmt": _alter_enum,
    "rename_stmt": _rename,
    "alter_object_schema_stmt": _move,
    "alter_owner_stmt": _owner,
    "drop_stmt": _drop,
    "grant_stmt": _grant,
    "grant_role_stmt": _grant,
    "alter_default_privileges_stmt": _default_grants,
    "alter_seq_stmt": _alter_sequence,
    "truncate_stmt": _truncate,
}
