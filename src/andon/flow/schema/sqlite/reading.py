"""SQLite's own grammar (through ``syntaqlite``) on one file."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import syntaqlite

from andon.flow.schema.statement import MOST_STATEMENTS, MOST_TEXT, Cut, Lines, Unreadable, cut

Tree = dict[str, Any]
"""A node of the parser's JSON: ``type`` is its name. What leaves this package is typed."""

_VARIABLE = re.compile(r"(?<![:\w]):batch\b")


@dataclass(frozen=True, slots=True)
class Statement:
    cut: Cut
    kind: str
    """The node's name, such as ``AlterTableStmt``."""
    node: Tree

    @property
    def batched(self) -> bool:
        """Whether ``:batch`` stands in it."""
        return _VARIABLE.search(self.cut.text) is not None


def read(text: str) -> list[Statement]:
    """The statements of ``text``; raises :class:`Unreadable`."""
    if len(text) > MOST_TEXT:
        raise Unreadable(f"it has {len(text):,} characters, and at most {MOST_TEXT:,} are read")
    if "\0" in text:
        raise Unreadable("it contains a NUL character", text.index("\0"))
    lines = Lines(text)
    found: list[Statement] = []
    with syntaqlite.Syntaqlite() as parser:
        for begin, end in _bounds(parser, text):
            piece = cut(text, begin, end, lines)
            if piece is None:
                continue
            if len(found) == MOST_STATEMENTS:
                raise Unreadable(f"it has more than {MOST_STATEMENTS:,} statements", begin)
            # One by one: given several, the parser leaves out those that it cannot read.
            try:
                nodes = parser.parse_raw(piece.text + ";")
            except RecursionError:
                raise Unreadable("an expression in it is nested deeper than anybody writes", begin) from None
            if len(nodes) != 1:
                raise Unreadable(_why(parser, piece.text), text.find(piece.text, begin, end))
            found.append(Statement(piece, str(nodes[0]["type"]), nodes[0]))
    return found


def _bounds(parser: Any, text: str) -> Iterator[tuple[int, int]]:
    """Where statements begin and end: after a semicolon at which SQLite itself takes them for complete."""
    encoded = text.encode()
    begin = at = counted = 0
    for token in parser.tokenize(text):
        if token["text"] != ";":
            continue
        offset = int(token["offset"])
        counted += len(encoded[at:offset].decode(errors="ignore"))
        at = offset
        if sqlite3.complete_statement(text[begin : counted + 1]):
            yield begin, counted + 1
            begin = counted + 1
    yield begin, len(text)


def _why(parser: Any, statement: str) -> str:
    found = parser.analyze(statement + ";", syntaqlite.Schema())
    return next((str(one.message) for one in found.diagnostics if one.code == 0), "it is no statement of SQLite")


def walk(node: Any) -> Iterator[Tree]:
    """Every node below ``node``, itself included."""
    pending = [node]
    while pending:
        one = pending.pop()
        if isinstance(one, dict):
            if "type" in one:
                yield one
            pending.extend(one.values())
        elif isinstance(one, list):
            pending.extend(one)


def children(node: Tree | None) -> list[Tree]:
    """Of a list node, which may be missing."""
    return list(node["children"]) if node else []


def name_of(node: Tree | str | None) -> str:
    """A name as SQLite compares it: without quotes and in small letters."""
    text = node.get("source", "") if isinstance(node, dict) else node
    text = str(text or "")
    if len(text) >= 2 and (text[0], text[-1]) in {('"', '"'), ("`", "`"), ("[", "]"), ("'", "'")}:
        text = text[1:-1]
    return text.lower()


def qualified(schema: Tree | str | None, name: Tree | str | None) -> str:
    where = name_of(schema)
    return name_of(name) if where in {"", "main"} else f"{where}.{name_of(name)}"
