"""A file of PostgreSQL statements: who is made to fail, and who is made to wait."""

from __future__ import annotations

from collections.abc import Callable

from andon.flow.schema import ways
from andon.flow.schema.catalogue import Catalogue
from andon.flow.schema.collecting import Collector
from andon.flow.schema.contract import Phase, Rule
from andon.flow.schema.postgres import data, objects
from andon.flow.schema.postgres.alter import alter_table
from andon.flow.schema.postgres.constraints import may_be_unique
from andon.flow.schema.postgres.functions import SWITCHES, reaches_outside
from andon.flow.schema.postgres.reading import Node, Statement, strings, table_name, walk

Rules = Callable[[Statement, Collector, Catalogue], bool]
"""Judges one kind of statement; whether it locks a table that was there."""

_HARMLESS = {
    "comment_stmt",
    "sec_label_stmt",
    "variable_show_stmt",
    "constraints_set_stmt",
    "check_point_stmt",
    "create_schema_stmt",
    "create_seq_stmt",
    "create_domain_stmt",
    "create_stats_stmt",
    "composite_type_stmt",
    "create_range_stmt",
    "deallocate_stmt",
}
_OUTSIDE = {
    "load_stmt": "LOAD brings a library into the server.",
    "alter_system_stmt": "ALTER SYSTEM changes the whole server's settings.",
    "create_fdw_stmt": "A foreign data wrapper reaches other servers and files.",
    "create_foreign_server_stmt": "A foreign server is another machine.",
    "create_user_mapping_stmt": "A user mapping holds another server's password.",
    "create_foreign_table_stmt": "A foreign table lies on another machine or in a file.",
    "import_foreign_schema_stmt": "A foreign schema lies on another machine.",
    "create_subscription_stmt": "A subscription connects to another server.",
    "create_table_space_stmt": "A tablespace is a folder of the server.",
    "create_plang_stmt": "A language brings code into the server.",
    "create_event_trig_stmt": "An event trigger runs at every change of the schema.",
    "createdb_stmt": "CREATE DATABASE makes another database.",
    "dropdb_stmt": "DROP DATABASE takes a whole database away.",
    "create_role_stmt": "CREATE ROLE lets somebody into the server.",
    "alter_role_stmt": "ALTER ROLE changes who may do what in the whole server.",
    "alter_role_set_stmt": "ALTER ROLE changes every session of a role.",
    "drop_role_stmt": "DROP ROLE shuts somebody out of the server.",
    "drop_owned_stmt": "DROP OWNED takes along whatever belongs to a role.",
    "reassign_owned_stmt": "REASSIGN OWNED changes whom everything belongs to.",
    "alter_database_stmt": "ALTER DATABASE changes every session.",
    "alter_database_set_stmt": "ALTER DATABASE changes every session.",
}
_HIDDEN = {
    "do_stmt": "A DO block runs code",
    "call_stmt": "A procedure runs code",
    "execute_stmt": "A prepared statement runs",
    "prepare_stmt": "A statement is prepared, and runs under another name",
}
_TRANSACTION_BEGINS = {"TRANS_STMT_BEGIN", "TRANS_STMT_START"}
_TRANSACTION_ENDS = {"TRANS_STMT_COMMIT", "TRANS_STMT_ROLLBACK"}
_BLOCKS_WRITES = 5  # ShareLock and above, of lockdefs.h


class _Session:
    """What earlier statements of the file have set."""

    def __init__(self) -> None:
        self.in_transaction = False
        self.lock_timeout = False
        self.advised = False


def judge(statements: list[Statement], notes: Collector, catalogue: Catalogue) -> None:
    """Note what is wrong with the statements of one file."""
    session = _Session()
    for statement in statements:
        _outside(statement, notes)
        if notes.phase is Phase.BACKFILL:
            data.backfill(statement, notes)
            continue
        locks = _judge_one(statement, notes, catalogue, session)
        if locks and not session.lock_timeout and not session.advised:
            session.advised = True
            notes.note(
                statement.cut,
                Rule.LOCK_TIMEOUT,
                "It needs a lock for a moment. While it waits behind one long query, everybody else waits behind it.",
                "Give up after some seconds and try again: the file is safe to repeat.",
                "SET lock_timeout = '3s';",
            )


def _judge_one(statement: Statement, notes: Collector, catalogue: Catalogue, session: _Session) -> bool:
    kind, node = statement.kind, statement.node
    if kind in _HARMLESS:
        return False
    if kind in _OUTSIDE or kind == "copy_stmt":
        return False  # noted for every phase
    if kind in _HIDDEN:
        notes.note(statement.cut, Rule.HIDDEN, *ways.hidden(_HIDDEN[kind]))
        return False
    if kind == "transaction_stmt":
        _transaction(node, session)
        return False
    if kind == "variable_set_stmt":
        _set(statement, notes, session)
        return False
    if _is_concurrent(statement) and session.in_transaction:
        notes.note(
            statement.cut,
            Rule.TRANSACTION,
            "CONCURRENTLY works in several transactions of its own, and this one stands inside of BEGIN … COMMIT.",
            "Put it into a file of its own without BEGIN, and let the tool that runs it open none.",
        )
    rules = _RULES.get(kind)
    if rules is None:
        what = kind.removesuffix("_stmt").replace("_", " ").upper()
        notes.note(statement.cut, Rule.UNKNOWN, *ways.unknown(what))
        return False
    return rules(statement, notes, catalogue)


def _outside(statement: Statement, notes: Collector) -> None:
    what = _OUTSIDE.get(statement.kind)
    if what is not None:
        notes.note(statement.cut, Rule.OUTSIDE, *ways.outside(what))
    for kind, node in walk(statement.node):
        if kind == "FuncCall":
            name = (strings(node.funcname) or [""])[-1]
            if reaches_outside(name):
                notes.note(statement.cut, Rule.OUTSIDE, *ways.outside(f"{name}() reaches beyond the database."))
            elif name == "pg_sleep":
                notes.note(
                    statement.cut,
                    Rule.LOCK,
                    "pg_sleep() keeps every lock of the transaction while it sleeps.",
                    "Leave it out: Andon waits between the batches of a backfill.",
                )
        elif kind == "CopyStmt":
            if node.is_program:
                notes.note(statement.cut, Rule.OUTSIDE, *ways.outside("COPY … PROGRAM runs a program on the server."))
            else:
                notes.note(
                    statement.cut, Rule.OUTSIDE, *ways.outside("COPY reads or writes a file, or waits for input.")
                )


def _transaction(node: Node, session: _Session) -> None:
    kind = node.DESCRIPTOR.fields_by_name["kind"].enum_type.values_by_number[node.kind].name
    if kind in _TRANSACTION_BEGINS:
        session.in_transaction = True
    elif kind in _TRANSACTION_ENDS:
        session.in_transaction = False


def _set(statement: Statement, notes: Collector, session: _Session) -> None:
    node = statement.node
    value = [str(one.a_const.sval.sval or one.a_const.ival.ival) for one in node.args if one.HasField("a_const")]
    if node.name == "lock_timeout":
        session.lock_timeout = value not in ([], ["0"], ["0s"], ["0ms"])
    elif node.name in SWITCHES:
        notes.note(
            statement.cut,
            Rule.HIDDEN,
            f"SET {node.name} gives the names and rules of the statements after it another meaning.",
            "Leave it out. Write schema.table where it matters.",
        )


def _is_concurrent(statement: Statement) -> bool:
    return statement.kind in {"index_stmt", "drop_stmt"} and bool(statement.node.concurrent)


def _index(statement: Statement, notes: Collector, catalogue: Catalogue) -> bool:
    node = statement.node
    table, name = table_name(node.relation), str(node.idxname)
    catalogue.fresh.add(("index", name))
    if catalogue.is_new(table):
        return False
    columns = [str(one.index_elem.name or "…") for one in node.index_params]
    shown = ", ".join(columns)
    if node.unique and not may_be_unique(table, columns, catalogue, nulls=not node.nulls_not_distinct):
        notes.note(statement.cut, Rule.UNIQUE, *ways.unique(table, shown))
    if not node.concurrent:
        notes.note(
            statement.cut,
            Rule.INDEX,
            f"Nobody writes to {table} while the index is built, which takes the longer the larger the table is.",
            "Build it CONCURRENTLY, outside of a transaction. If that breaks off, it leaves an invalid index: drop it "
            "and repeat.",
            f"CREATE {'UNIQUE ' if node.unique else ''}INDEX CONCURRENTLY {name or 'name'} ON {table} ({shown});",
        )
        return True
    return False


def _lock(statement: Statement, notes: Collector, catalogue: Catalogue) -> bool:
    tables = [table_name(one.range_var) for one in statement.node.relations]
    if statement.node.mode >= _BLOCKS_WRITES and not all(catalogue.is_certainly_new(one) for one in tables):
        notes.note(
            statement.cut,
            Rule.LOCK,
            f"Nobody writes to {', '.join(tables)} until the transaction ends.",
            "Leave it out: each statement takes the lock that it needs, for as long as it needs it.",
        )
    return False


def _vacuum(statement: Statement, notes: Collector, _catalogue: Catalogue) -> bool:
    if any(one.def_elem.defname == "full" for one in statement.node.options):
        tables = ", ".join(table_name(one.vacuum_relation.relation) for one in statement.node.rels) or "every table"
        notes.note(
            statement.cut,
            Rule.REWRITE,
            f"VACUUM FULL writes {tables} anew, and nobody else reads or writes meanwhile.",
            "VACUUM without FULL frees the room for new rows and locks nobody out.",
            f"VACUUM {tables if tables != 'every table' else ''};".replace(" ;", ";"),
        )
    return False


def _cluster(statement: Statement, notes: Collector, _catalogue: Catalogue) -> bool:
    notes.note(
        statement.cut,
        Rule.REWRITE,
        "CLUSTER writes the table anew, and nobody else reads or writes it meanwhile.",
        "Do without, or do it by hand in a maintenance window.",
    )
    return False


def _reindex(statement: Statement, notes: Collector, _catalogue: Catalogue) -> bool:
    if not any(one.def_elem.defname == "concurrently" for one in statement.node.params):
        notes.note(
            statement.cut,
            Rule.INDEX,
            "Nobody writes to the table while its index is built anew, and queries that use the index wait, too.",
            "REINDEX … CONCURRENTLY.",
            "REINDEX INDEX CONCURRENTLY name;",
        )
    return False


def _refresh(statement: Statement, notes: Collector, catalogue: Catalogue) -> bool:
    name = table_name(statement.node.relation)
    if not statement.node.concurrent and not catalogue.is_certainly_new(name):
        notes.note(
            statement.cut,
            Rule.LOCK,
            f"Nobody reads {name} while it is computed anew.",
            "REFRESH … CONCURRENTLY; it needs a unique index on the view.",
            f"REFRESH MATERIALIZED VIEW CONCURRENTLY {name};",
        )
    return False


def _alter(statement: Statement, notes: Collector, catalogue: Catalogue) -> bool:
    objtype = (
        statement.node.DESCRIPTOR.fields_by_name["objtype"].enum_type.values_by_number[statement.node.objtype].name
    )
    if objtype == "OBJECT_TABLE":
        return alter_table(statement, notes, catalogue)
    harmless = {"AT_SetRelOptions", "AT_ResetRelOptions", "AT_SetStatistics", "AT_AttachPartition"}
    subtypes = {
        one.alter_table_cmd.DESCRIPTOR.fields_by_name["subtype"]
        .enum_type.values_by_number[one.alter_table_cmd.subtype]
        .name
        for one in statement.node.cmds
    }
    if objtype == "OBJECT_INDEX" and subtypes <= harmless:
        return False
    what = f"ALTER {objtype.removeprefix('OBJECT_')}"
    notes.note(statement.cut, Rule.UNKNOWN, *ways.unknown(what))
    return False


_RULES: dict[str, Rules] = {
    "alter_table_stmt": _alter,
    "index_stmt": _index,
    "lock_stmt": _lock,
    "vacuum_stmt": _vacuum,
    "cluster_stmt": _cluster,
    "reindex_stmt": _reindex,
    "refresh_mat_view_stmt": _refresh,
    **objects.RULES,
    **data.RULES,
}
