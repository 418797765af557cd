"""ALTER TABLE on PostgreSQL: command by command, who notices and what is locked for how long."""

from __future__ import annotations

from andon.flow.schema import ways
from andon.flow.schema.catalogue import Catalogue
from andon.flow.schema.collecting import Collector
from andon.flow.schema.contract import Rule
from andon.flow.schema.postgres import types
from andon.flow.schema.postgres.constraints import add_constraint, is_volatile
from andon.flow.schema.postgres.reading import Node, Statement, table_name
from andon.flow.schema.postgres.types import Change

_HARMLESS = {
    "AT_SetStatistics",
    "AT_SetOptions",
    "AT_ResetOptions",
    "AT_SetStorage",
    "AT_SetCompression",
    "AT_SetRelOptions",
    "AT_ResetRelOptions",
    "AT_ReplaceRelOptions",
    "AT_ClusterOn",
    "AT_DropCluster",
    "AT_ValidateConstraint",  # reads and writes go on meanwhile
    "AT_NoForceRowSecurity",
    "AT_DetachPartitionFinalize",
}
_REWRITES = {
    "AT_SetLogged": "SET LOGGED",
    "AT_SetUnLogged": "SET UNLOGGED",
    "AT_SetTableSpace": "SET TABLESPACE",
    "AT_SetAccessMethod": "SET ACCESS METHOD",
    "AT_SetExpression": "SET EXPRESSION",
}
_BEHAVIOUR = {
    "AT_AddInherit": "Rows of the table appear in the parent, too.",
    "AT_DropInherit": "The parent loses rows.",
    "AT_DetachPartition": "The table loses the rows of that partition.",
    "AT_AddIdentity": "The database begins to number the column.",
    "AT_SetIdentity": "The column is numbered in another way.",
    "AT_DropIdentity": "The column is no longer numbered.",
    "AT_DropExpression": "The column is no longer computed.",
    "AT_AlterConstraint": "A constraint is checked at another time.",
    "AT_ReplicaIdentity": "Whoever follows the table's replication gets other keys.",
}
_ACCESS = {
    "AT_ChangeOwner": "Another owner",
    "AT_EnableRowSecurity": "Row security",
    "AT_ForceRowSecurity": "Row security",
    "AT_DisableRowSecurity": "No row security",
}


def alter_table(statement: Statement, notes: Collector, catalogue: Catalogue) -> bool:
    """Judge each command; whether one of them locks a table that was there."""
    table = table_name(statement.node.relation)
    locks = False
    for item in statement.node.cmds:
        command = item.alter_table_cmd
        kind = command.DESCRIPTOR.fields_by_name["subtype"].enum_type.values_by_number[command.subtype].name
        if kind == "AT_AddColumn":
            _add_column(statement, command, table, notes, catalogue)
        elif kind == "AT_DropColumn":
            _drop_column(statement, command, table, notes, catalogue)
        elif not catalogue.is_certainly_new(table):
            _change(statement, command, kind, table, notes, catalogue)
        locks = locks or not catalogue.is_certainly_new(table)
        if kind == "AT_AlterColumnType":
            column = getattr(command, "def").column_def
            catalogue.columns.setdefault(table, {})[command.name] = types.normal(column.type_name)
    return locks


def _change(statement: Statement, command: Node, kind: str, table: str, notes: Collector, catalogue: Catalogue) -> None:
    cut = statement.cut
    if kind in _HARMLESS:
        return
    if kind in _REWRITES:
        notes.note(cut, Rule.REWRITE, *_rewrite(table, _REWRITES[kind]))
    elif kind in _ACCESS:
        notes.note(cut, Rule.ACCESS, *_access(_ACCESS[kind], table))
    elif kind in _BEHAVIOUR or kind.startswith(("AT_Enable", "AT_Disable")):
        what = _BEHAVIOUR.get(kind, "Triggers or rules begin or cease to work.")
        notes.note(cut, Rule.BEHAVIOUR, *ways.behaviour(what))
    elif kind == "AT_AlterColumnType":
        _change_type(statement, command, table, notes, catalogue)
    elif kind == "AT_SetNotNull":
        require(statement, table, command.name, notes)
    elif kind == "AT_DropNotNull":
        notes.note(
            cut,
            Rule.NEW_VALUES,
            f"Code written for a required {command.name} may meet NULL in {table} now.",
            f"Deploy code that can read a missing {command.name} first; write the first NULL a version later.",
        )
    elif kind == "AT_ColumnDefault":
        _default(statement, command, table, notes, catalogue)
    elif kind == "AT_AddConstraint":
        add_constraint(cut, getattr(command, "def").constraint, table, notes, catalogue)
    elif kind == "AT_DropConstraint":
        _drop_constraint(statement, command.name, table, notes, catalogue)
    elif kind == "AT_AttachPartition":
        notes.note(
            cut,
            Rule.SCAN,
            f"All rows of the partition are read, to see that they belong there, while {table} is locked.",
            "Give the partition a CHECK of the same bounds, validated, before it is attached: then nothing is read.",
            f"ALTER TABLE part ADD CONSTRAINT bounds CHECK (…) NOT VALID;\n"
            f"ALTER TABLE part VALIDATE CONSTRAINT bounds;\n"
            f"-- andon: accept scan the check has been validated\nALTER TABLE {table} ATTACH PARTITION part …;",
        )
    else:
        notes.note(cut, Rule.UNKNOWN, *ways.unknown(f"This form of ALTER TABLE ({kind.removeprefix('AT_')})"))


def require(statement: Statement, table: str, column: str, notes: Collector) -> None:
    """SET NOT NULL: two concerns, of which the second is left when the first no longer matters."""
    notes.note(
        statement.cut,
        Rule.NOT_NULL,
        f"The version that serves may write NULL into {table}.{column}, and then fails.",
        f"Write {column} always; fill it in a backfill; require it in a contract migration.",
    )
    notes.note(
        statement.cut,
        Rule.SCAN,
        f"PostgreSQL reads the whole of {table} to see that no NULL is left, and nobody else reads or writes it "
        "meanwhile.",
        "Add a CHECK that is not validated, validate it in a transaction of its own, then set NOT NULL: PostgreSQL "
        "takes the check's word for it and reads nothing.",
        f"ALTER TABLE {table} ADD CONSTRAINT {column}_given CHECK ({column} IS NOT NULL) NOT VALID;\n"
        f"ALTER TABLE {table} VALIDATE CONSTRAINT {column}_given;\n"
        f"-- andon: accept scan {column}_given has been validated\n"
        f"ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL;",
    )


def _add_column(statement: Statement, command: Node, table: str, notes: Collector, catalogue: Catalogue) -> None:
    column = getattr(command, "def").column_def
    name, cut = str(column.colname), statement.cut
    type_ = types.normal(column.type_name)
    given = [one.constraint for one in column.constraints]
    by_kind = {_kind(one): one for one in given}
    default = by_kind.get("CONSTR_DEFAULT")
    has_value = default is not None and not _is_null(default.raw_expr)
    computed = "CONSTR_GENERATED" in by_kind
    numbered = "CONSTR_IDENTITY" in by_kind or type_ in types.SERIALS
    if not catalogue.is_certainly_new(table):
        if "CONSTR_NOTNULL" in by_kind and not (has_value or computed or numbered):
            notes.note(cut, Rule.NOT_NULL, *ways.not_null_column(table, name))
        if numbered:
            notes.note(cut, Rule.REWRITE, *_numbered(table, name))
        if computed and by_kind["CONSTR_GENERATED"].generated_kind != "v":
            notes.note(cut, Rule.REWRITE, *_stored(table, name))
        elif computed and "CONSTR_NOTNULL" in by_kind:
            notes.note(cut, Rule.NOT_NULL, *ways.not_null_column(table, name))
        if types.base(type_) not in types.BUILT_IN | catalogue.types:
            notes.note(cut, Rule.REWRITE, *_domain(table, name, type_))
        if default is not None and is_volatile(default.raw_expr):
            notes.note(cut, Rule.REWRITE, *_volatile(table, name))
    # the column counts as added before its constraints are judged: they are about it
    catalogue.add_column(table, name, type_, filled=has_value or computed or numbered)
    if catalogue.is_certainly_new(table):
        return
    for one in given:
        if _kind(one) == "CONSTR_FOREIGN" and not has_value:
            continue  # every row has NULL there: PostgreSQL skips the look, and the lock is short
        if _kind(one) in {"CONSTR_CHECK", "CONSTR_UNIQUE", "CONSTR_PRIMARY", "CONSTR_FOREIGN", "CONSTR_EXCLUSION"}:
            add_constraint(cut, one, table, notes, catalogue, of_column=name)


def _drop_column(statement: Statement, command: Node, table: str, notes: Collector, catalogue: Catalogue) -> None:
    name = str(command.name)
    if not (catalogue.is_certainly_new(table) or (table, name) in catalogue.added):
        notes.note(statement.cut, Rule.DROP, *ways.drop_column(table, name))
        if command.behavior == _CASCADE:
            notes.note(statement.cut, Rule.HIDDEN, *cascade(f"{table}.{name}"))
    catalogue.drop_column(table, name)


def _change_type(statement: Statement, command: Node, table: str, notes: Collector, catalogue: Catalogue) -> None:
    column = getattr(command, "def").column_def
    name, new = str(command.name), types.normal(column.type_name)
    old = catalogue.type_of(table, name)
    kind = types.change(old, new)
    if kind is Change.FREE and not column.HasField("raw_default"):
        return
    was = old or "a type that is not known here"
    if kind in _HOW:
        notes.note(
            statement.cut,
            Rule.TYPE,
            f"{table}.{name} is {was}; as {new} it {_HOW[kind]}, "
            "while the version that serves reads and writes it as it was.",
            *_new_column(table, name, new),
        )
    if kind is Change.RELABELLED and not column.HasField("raw_default"):
        return
    notes.note(
        statement.cut,
        Rule.REWRITE,
        f"PostgreSQL writes the whole of {table} anew ({was} to {new}), and nobody else reads or writes it meanwhile.",
        *_new_column(table, name, new),
    )


def _new_column(table: str, column: str, type_: str) -> tuple[str, str]:
    return (
        (
            f"Add a column of the new type, write both, fill it in a backfill, read it, drop {column} in a contract "
            "migration."
        ),
        f"ALTER TABLE {table} ADD COLUMN {column}_new {type_};",
    )


def _default(statement: Statement, command: Node, table: str, notes: Collector, catalogue: Catalogue) -> None:
    column = str(command.name)
    dropped = not command.HasField("def")
    if (table, column) in catalogue.added and not (dropped and (table, column) in catalogue.filled):
        return
    if dropped:
        breaks = f"INSERTs of the version that serves leave {column} out and get nothing there, or fail on it."
        safe = f"Leave the default. {ways.LATER}"
    else:
        breaks = f"INSERTs of the version that serves leave {column} out; from now on they store something else there."
        safe = f"Write {column} in the new version's code. {ways.LATER}"
    notes.note(statement.cut, Rule.DEFAULT, breaks, safe)


def _drop_constraint(statement: Statement, name: str, table: str, notes: Collector, catalogue: Catalogue) -> None:
    if ("constraint", f"{table}.{name}") in catalogue.fresh:
        return
    if (table, name) in catalogue.checks:
        notes.note(
            statement.cut,
            Rule.NEW_VALUES,
            f"Without {name}, code of the version that serves may meet values in {table} that it does not know.",
            "Deploy code that can read the new values first; write the first of them a version later.",
        )
        return
    notes.note(statement.cut, Rule.DROP, *ways.drop_other("constraint", f"{name} of {table}"))


def _rewrite(table: str, what: str) -> ways.Way:
    return (
        f"{what} writes the whole of {table} anew, and nobody else reads or writes it meanwhile.",
        (
            "Make a new table as it should be, write both, fill it in a backfill, and move over. Or do it in a "
            "maintenance "
            "window, by hand."
        ),
        "",
    )


def _access(what: str, table: str) -> ways.Way:
    return (
        f"{what} for {table}: the version that serves may lose what it may read or write.",
        "Grant first, to the roles of both versions. Take away in a contract migration.",
        "",
    )


def _numbered(table: str, column: str) -> ways.Way:
    return (
        (
            f"Numbering {column} gives every row of {table} a value: the whole table is written anew under a lock that "
            "nobody passes."
        ),
        "Add the column empty, number new rows by a sequence as its default, number the old ones in a backfill.",
        (
            f"ALTER TABLE {table} ADD COLUMN {column} bigint;\nCREATE SEQUENCE {table}_{column};\n"
            f"ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT nextval('{table}_{column}');"
        ),
    )


def _stored(table: str, column: str) -> ways.Way:
    return (
        f"A stored computed column is written into every row of {table} under a lock that nobody passes.",
        "Make it VIRTUAL (PostgreSQL 18), or add a usual column, write it in code, and fill it in a backfill.",
        f"ALTER TABLE {table} ADD COLUMN {column} … GENERATED ALWAYS AS (…) VIRTUAL;",
    )


def _domain(table: str, column: str, type_: str) -> ways.Way:
    return (
        (
            f"{type_} is made by no file that was read. If it is a domain with a constraint, the whole of {table} is "
            "written anew, and old code's INSERTs may violate it."
        ),
        "Use the type that the domain is made of, and add its rule as a CHECK in a contract migration.",
        f"-- andon: accept rewrite: {type_} is an enum\nALTER TABLE {table} ADD COLUMN {column} {type_};",
    )


def _volatile(table: str, column: str) -> ways.Way:
    return (
        (
            f"The default of {column} may be another value for each row, so the whole of {table} is written "
            "anew under a "
            "lock that nobody passes."
        ),
        (
            "Add the column without a default, set the default for new rows in a second statement, fill the "
            "old rows in a "
            "backfill."
        ),
        f"ALTER TABLE {table} ADD COLUMN {column} …;\nALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT …;",
    )


def cascade(what: str) -> ways.Way:
    return (
        f"CASCADE takes along whatever depends on {what}, and the file does not say what that is.",
        "Drop each thing by its name, without CASCADE.",
        "",
    )


def _kind(constraint: Node) -> str:
    field = constraint.DESCRIPTOR.fields_by_name["contype"]
    return str(field.enum_type.values_by_number[constraint.contype].name)


def _is_null(expression: Node) -> bool:
    if expression.WhichOneof("node") == "type_cast":
        return _is_null(expression.type_cast.arg)
    return expression.WhichOneof("node") == "a_const" and bool(expression.a_const.isnull)


_HOW = {
    Change.NARROWING: "no longer takes every value that it took",
    Change.RELABELLED: "is stored alike, but reaches the code as another type",
    Change.OTHER: "holds another kind of value",
    Change.UNKNOWN: "may hold another kind of value or fewer values",
}
_CASCADE = 2  # DROP_CASCADE of DropBehavior
