"""Where the keys of a TOML file stand: the standard library's parser does not tell."""

from __future__ import annotations

import re
from collections.abc import Mapping

Path = tuple[str, ...]
_KEY = re.compile(r"""\s*([A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')[ \t]*""")
_STRINGS = re.compile(r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'', re.DOTALL)
_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")


def lines_of(text: str) -> Mapping[Path, int]:
    """The line (from 1) of each table and key of a valid TOML text; not of keys in an inline table."""
    found: dict[Path, int] = {}
    table: Path = ()
    at = _skip(text, 0)
    while at < len(text):
        line = text.count("\n", 0, at) + 1
        header = text[at] == "["
        if header:
            at += 2 if text.startswith("[[", at) else 1
        keys, after = _keys(text, at)
        if not keys:
            break  # not valid TOML after all: what was found so far is better than nothing
        if header:
            table = keys
            newline = text.find("\n", after)
            at = len(text) if newline < 0 else newline
        else:
            at = _value_end(text, after)
        path = table if header else (*table, *keys)
        for length in range(1, len(path) + 1):
            found.setdefault(path[:length], line)
        at = _skip(text, at)
    return found


def line_of(lines: Mapping[Path, int], path: Path) -> int | None:
    """The line of a key, or of the nearest thing around it that has one."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return None


def _skip(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at


def _keys(text: str, at: int) -> tuple[Path, int]:
    keys: list[str] = []
    while found := _KEY.match(text, at):
        keys.append(found[1].strip("\"'"))
        at = found.end()
        if not text.startswith(".", at):
            break
        at += 1
    return tuple(keys), at


def _value_end(text: str, at: int) -> int:
    depth = 0
    while at < len(text):
        character = text[at]
        if character in "\"'" and (found := _STRINGS.match(text, at)):
            at = found.end()
            continue
        if character == "#":
            newline = text.find("\n", at)
            at = len(text) if newline < 0 else newline
            continue
        if character == "\n" and depth == 0:
            return at
        depth += (character in "[{") - (character in "]}")
        at += 1
    return at
