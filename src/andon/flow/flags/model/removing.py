"""Takes a flag out of Python code where that can be proved to change nothing else. Pure.

Two forms are rewritten, of names that the file imports by ``from andon_flags import flags`` and binds to nothing else:

- ``if flags.boolean("x", …):`` and ``if not flags.boolean("x", …):`` with the branch that stays,
- any other ``flags.boolean("x", …)``, ``.string(…)`` or ``.number(…)`` with the value as it is written in Python.

Each step is checked: the syntax tree of the new text has to be the old one's with just that node exchanged. Everything
else is left for somebody to do.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Any

MOST_STEPS = 100
"""Places in a file."""
_METHODS: dict[str, tuple[type, ...]] = {"boolean": (bool,), "string": (str,), "number": (int, float)}
_PLAIN = (ast.Constant, ast.Name, ast.Attribute, ast.Dict, ast.List, ast.Tuple, ast.expr_context)
"""What may stand in a question that is left out: reading it has no effect."""


@dataclass(frozen=True, slots=True)
class Removed:
    text: str
    lines: tuple[int, ...]
    """Where something was rewritten: lines of the text as it was before its own step."""


def removed(text: str, flag: str, value: object) -> Removed:
    """The file without what can be rewritten; the same text where that is nothing. Raises nothing."""
    lines: list[int] = []
    for _ in range(MOST_STEPS):
        step = _step(text, flag, value)
        if step is None:
            break
        text, line = step
        lines.append(line)
    return Removed(text, tuple(lines))


def _step(text: str, flag: str, value: object) -> tuple[str, int] | None:
    """The first rewriting that can be proved."""
    if isinstance(value, float) and not isfinite(value):
        return None
    if "\r" in text or "\f" in text or re.search(r"^ *\t", text, re.MULTILINE):
        return None
    try:
        tree = ast.parse(text)
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (SyntaxError, ValueError, RecursionError, tokenize.TokenError):
        return None
    names = _bound(tree)
    source = _Source(text, tokens)
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(value, bool):
            turned = _is_not(node.test)
            asked = node.test.operand if isinstance(node.test, ast.UnaryOp) else node.test
            if isinstance(node.test, ast.UnaryOp) and not turned:
                continue
            if _asks(asked, flag, value, names):
                for found, instead in source.branches(node, keep=value is not turned):
                    if _proved(text, found, node, instead):
                        return found, node.lineno
    for node in _outside_of_texts(tree):
        if isinstance(node, ast.Call) and _asks(node, flag, value, names):
            found = source.exchanged(node, repr(value))
            # as it is read back: a negative number is an operator and a number
            if _proved(text, found, node, ast.parse(repr(value), mode="eval").body):
                return found, node.lineno
    return None


def _is_not(node: ast.expr) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)


def _bound(tree: ast.Module) -> frozenset[str]:
    """Names that are ``andon_flags.flags`` wherever they stand in the file."""
    found: set[str] = set()
    other: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "andon_flags" and node.level == 0:
            for one in node.names:
                (found if one.name == "flags" else other).add(one.asname or one.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            other.update((one.asname or one.name).partition(".")[0] for one in node.names)
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            other.add(node.id)
        elif isinstance(node, ast.arg):
            other.add(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            other.add(node.name)
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            other.update(node.names)
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
            other.add(node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            other.add(node.rest)
    return frozenset() if "*" in other else frozenset(found - other)


def _asks(node: ast.expr, flag: str, value: object, names: frozenset[str]) -> bool:
    """Whether it is a question for the flag, of the value's kind, which can be left out without an effect."""
    if not (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in names
        and type(value) in _METHODS.get(node.func.attr, ())
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and node.args[0].value == flag
    ):
        return False
    given = [*node.args, *(one.value for one in node.keywords)]
    return all(isinstance(part, _PLAIN) for one in given for part in ast.walk(one)) and all(
        one.arg is not None for one in node.keywords
    )


def _outside_of_texts(tree: ast.AST) -> Iterator[ast.AST]:
    """Without what stands in f-strings, whose places are told differently from version to version."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.JoinedStr):
            yield node
            yield from _outside_of_texts(node)


class _Exchange(ast.NodeTransformer):
    def __init__(self, node: ast.If | ast.Call, instead: list[ast.stmt] | ast.expr) -> None:
        self._place = _place(node)
        self._instead = instead

    def visit(self, node: ast.AST) -> Any:  # Any: as its base has it
        if isinstance(node, (ast.If, ast.Call)) and _place(node) == self._place:
            return self._instead
        return self.generic_visit(node)


def _place(node: ast.If | ast.Call) -> tuple[object, ...]:
    return type(node), node.lineno, node.col_offset, node.end_lineno, node.end_col_offset


def _proved(old: str, new: str, node: ast.If | ast.Call, instead: list[ast.stmt] | ast.expr) -> bool:
    """Whether the new text's tree is the old one's with that node exchanged."""
    try:
        return ast.dump(ast.parse(new)) == ast.dump(_Exchange(node, instead).visit(ast.parse(old)))
    except (SyntaxError, ValueError, RecursionError):
        return False


class _Source:
    def __init__(self, text: str, tokens: list[tokenize.TokenInfo]) -> None:
        self._lines = text.splitlines(keepends=True)
        self._tokens = tokens
        self._within = {
            line
            for one in tokens
            if one.start[0] != one.end[0] and tokenize.tok_name[one.type] in {"STRING", "FSTRING_MIDDLE"}
            for line in range(one.start[0] + 1, one.end[0] + 1)
        }
        """Lines that begin inside of a text."""

    def exchanged(self, node: ast.expr, instead: str) -> str:
        assert node.end_lineno is not None and node.end_col_offset is not None  # noqa: S101, PT018 - parsed from text
        first, last = self._lines[node.lineno - 1].encode(), self._lines[node.end_lineno - 1].encode()
        line = first[: node.col_offset] + instead.encode() + last[node.end_col_offset :]
        return "".join([*self._lines[: node.lineno - 1], line.decode(), *self._lines[node.end_lineno :]])

    def branches(self, node: ast.If, *, keep: bool) -> Iterator[tuple[str, list[ast.stmt]]]:
        """Texts with one branch in place of the whole, and what should stand there then: none where that would be
        more than moving lines."""
        assert node.end_lineno is not None  # noqa: S101 - parsed from text
        head = self._lines[node.lineno - 1]
        indent = head[: len(head) - len(head.lstrip(" "))]
        if not head.strip().startswith(("if ", "if(")) or node.col_offset != len(indent):
            return  # an elif, or something before it on its line
        rest = self._lines[node.end_lineno - 1].encode()[node.end_col_offset :].decode().strip()
        if rest and not rest.startswith("#"):
            return
        before, after = self._lines[: node.lineno - 1], self._lines[node.end_lineno :]
        kept = node.body if keep else node.orelse
        if not kept:
            yield "".join([*before, *after]), []
            yield "".join([*before, f"{indent}pass\n", *after]), [ast.Pass()]  # it was alone in its block
            return
        colon = self._colon(node, keep=keep)
        if colon is not None and kept[0].lineno > colon:  # else on one line with what goes
            lines = self._moved(colon + 1, kept[-1].end_lineno or 0, kept[0].col_offset - len(indent))
            yield "".join([*before, *lines, *after]), kept

    def _colon(self, node: ast.If, *, keep: bool) -> int | None:
        """The line on which the colon before a branch stands, with nothing after it."""
        if keep:
            after = (node.test.end_lineno or 0, node.test.end_col_offset or 0)
        else:
            body = node.body[-1]
            after = (body.end_lineno or 0, body.end_col_offset or 0)
        word = keep
        for place, one in enumerate(self._tokens):
            if one.start[0] < after[0] or (one.start[0] == after[0] and one.start[1] < _marks(self._lines, *after)):
                continue
            if one.type == tokenize.NAME and not word:
                if one.string != "else":
                    return None
                word = True
            elif one.type == tokenize.OP and one.string == ":" and word:
                following = self._tokens[place + 1]
                return one.start[0] if following.type in {tokenize.NEWLINE, tokenize.COMMENT} else None
            elif one.type in {tokenize.NAME, tokenize.NUMBER, tokenize.STRING}:
                return None
        return None

    def _moved(self, first: int, last: int, by: int) -> list[str]:
        """Lines further to the left; those that begin inside of a text stay as they are."""
        found = []
        for number in range(first, last + 1):
            line = self._lines[number - 1]
            if number not in self._within:
                line = line[min(by, len(line) - len(line.lstrip(" "))) :]
            found.append(line)
        return found


def _marks(lines: list[str], line: int, offset: int) -> int:
    """A place in bytes, as the syntax tree has it, in characters, as tokens have it."""
    return len(lines[line - 1].encode()[:offset].decode("utf-8", "replace"))
