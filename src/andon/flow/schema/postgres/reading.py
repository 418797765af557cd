"""PostgreSQL's own parser (libpg_query through ``postgast``) on one file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import postgast
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # carries no types

from andon.flow.schema.statement import MOST_STATEMENTS, MOST_TEXT, Cut, Lines, Unreadable, cut

# The tree's classes are made at import from a descriptor: to a type checker each node is Any. What leaves this
# package is typed.
Node = Any

_VARIABLE = re.compile(r"(?<![:\w]):batch\b")
BATCH = "$1    "
"""What stands for ``:batch`` while it is parsed: as long as the word."""


@dataclass(frozen=True, slots=True)
class Statement:
    cut: Cut
    kind: str
    """The node's name, such as ``alter_table_stmt``."""
    node: Node
    batched: bool
    """Whether ``:batch`` stands in it."""


def read(text: str) -> list[Statement]:
    """The statements of ``text``; raises :class:`Unreadable`."""
    if len(text) > MOST_TEXT:
        raise Unreadable(f"it has {len(text):,} characters, and at most {MOST_TEXT:,} are read")
    if "\0" in text:
        # The parser is C and would take what comes before for the whole.
        raise Unreadable("it contains a NUL character", text.index("\0"))
    parsed = _VARIABLE.sub(BATCH, text)
    try:
        tree = postgast.parse(parsed)
    except postgast.PgQueryError as error:
        offset = len(parsed.encode()[: max(error.cursorpos - 1, 0)].decode(errors="ignore"))
        raise Unreadable(error.message, offset) from None
    except DecodeError:
        raise Unreadable("an expression in it is nested deeper than anybody writes") from None
    if len(tree.stmts) > MOST_STATEMENTS:
        raise Unreadable(f"it has {len(tree.stmts):,} statements, and at most {MOST_STATEMENTS:,} are read")
    encoded = parsed.encode()
    ascii_only = len(encoded) == len(parsed)
    lines = Lines(text)
    found: list[Statement] = []
    at = first = 0
    for raw in tree.stmts:
        end = raw.stmt_location + raw.stmt_len if raw.stmt_len else len(encoded)
        # from where the last one ended, so that the comments before it are seen; the offsets are of bytes
        last = end if ascii_only else first + len(encoded[at:end].decode())
        at, begin, first = end, first, last
        piece = cut(text, begin, last, lines)
        if piece is None:
            continue
        kind = raw.stmt.WhichOneof("node")
        found.append(Statement(piece, kind, getattr(raw.stmt, kind), BATCH.strip() in parsed[begin:last]))
    return found


def walk(node: Node) -> list[tuple[str, Node]]:
    """Every message below ``node`` with its type's name, itself included."""
    found: list[tuple[str, Node]] = []
    pending = [node]
    while pending:
        one = pending.pop()
        found.append((one.DESCRIPTOR.name, one))
        for field, value in one.ListFields():
            if field.message_type is None:
                continue
            pending.extend(value if field.is_repeated else [value])
    return found


def strings(nodes: Node) -> list[str]:
    """The texts of a list of String nodes, such as a qualified name."""
    return [one.string.sval for one in nodes if one.WhichOneof("node") == "string"]


def table_name(relation: Node) -> str:
    """Of a RangeVar: ``public`` is left out, so that both ways of writing it are one table."""
    if relation.schemaname and relation.schemaname != "public":
        return f"{relation.schemaname}.{relation.relname}"
    return str(relation.relname)


def dotted(nodes: Node) -> str:
    parts = strings(nodes)
    return ".".join(parts[1:] if len(parts) > 1 and parts[0] == "public" else parts)


def listed(node: Node) -> str:
    """The name in an object list of DROP: a list of strings, a string, a function with arguments or a type."""
    match node.WhichOneof("node"):
        case "list":
            return dotted(node.list.items)
        case "string":
            return str(node.string.sval)
        case "object_with_args":
            return dotted(node.object_with_args.objname)
        case "type_name":
            return dotted(node.type_name.names)
    return ""
