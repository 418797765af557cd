"""Targets as text: ``alias(movingAverage(stats.counters.login.rate, "5min"), "logins")``.

The grammar is Graphite's: calls with positional and then named arguments, pipes (``a.b | scale(2)``), patterns of
paths, numbers, strings, ``true``, ``false``, ``none`` and ``inf``.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache

from andon.feedback.graphite.contract import DEEPEST, LONGEST_TARGET, BadTarget
from andon.feedback.graphite.syntax import Call, Constant, Expression, Path

MOST_ARGUMENTS = 1_000

_SPACE = re.compile(r"\s*")
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_CALL = re.compile(r"([A-Za-z_]\w*)\s*\(", re.ASCII)
_NAMED = re.compile(r"([A-Za-z_]\w*)\s*=\s*", re.ASCII)
_STRING = re.compile(r'"(?:[^"\\\r\n]|\\.)*"|\'(?:[^\'\\\r\n]|\\.)*\'')
# a number or a word is one only where an argument ends behind it: `1.2.3` and `true.story` are paths
_NUMBER = re.compile(r"(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?=\s*(?:[,)]|$))", re.ASCII)
_WORD = re.compile(r"(true|false|none|inf)(?=\s*(?:[,)]|$))", re.IGNORECASE)
_PATH = re.compile(r"(?:\\[(){},.'\"\\|=]|\{[^{}()'\"|\\\s]*\}|[^\s(){},'\"\\|])+")
_WORDS: dict[str, float | bool | None] = {"true": True, "false": False, "none": None, "inf": float("inf")}
_LONGEST_NUMBER = 40


def parse(target: str) -> Expression:
    """Raises :class:`BadTarget` where the text is no target, saying where."""
    if len(target) > LONGEST_TARGET:
        raise BadTarget(f"The target is longer than {LONGEST_TARGET:,} characters.", remedy="Cut it in several.")
    return _parsed(target)


@lru_cache(maxsize=512)
def _parsed(target: str) -> Expression:
    parser = _Parser(target)
    found = parser.expression(0)
    parser.skip()
    if parser.place < len(target):
        raise parser.wrong("the end")
    return found


class _Parser:
    def __init__(self, text: str) -> None:
        self.text, self.place = text, 0

    def skip(self) -> None:
        found = _SPACE.match(self.text, self.place)
        self.place = found.end() if found else self.place

    def wrong(self, wanted: str) -> BadTarget:
        there = self.text[self.place : self.place + 20] or "the end"
        return BadTarget(
            f"The target cannot be read at character {self.place + 1}: there should be {wanted}, there is `{there}`.",
            remedy="Look for a comma, quote or bracket that is missing.",
        )

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        self.skip()
        found = pattern.match(self.text, self.place)
        if found:
            self.place = found.end()
        return found

    def sign(self, wanted: str) -> bool:
        self.skip()
        if not self.text.startswith(wanted, self.place):
            return False
        self.place += 1
        return True

    def expression(self, depth: int) -> Expression:
        """A call or a path, and the calls that it is piped into."""
        if depth > DEEPEST:
            raise BadTarget(f"The target is nested deeper than {DEEPEST} levels.", remedy="Make it simpler.")
        self.skip()
        begin = self.place
        found: Expression | None = self._call(depth)
        if found is None:
            path = self.take(_PATH)
            if path is None:
                raise self.wrong("a path or a function")
            found = Path(path[0])
        pipes = depth
        while self.sign("|"):
            pipes += 1
            if pipes > DEEPEST:
                raise BadTarget(f"The target has more than {DEEPEST} pipes.", remedy="Make it simpler.")
            call = self._call(depth)
            if call is None:
                raise self.wrong("a function")
            found = replace(call, arguments=(found, *call.arguments), text=self.text[begin : self.place])
        return found

    def _call(self, depth: int) -> Call | None:
        self.skip()
        begin = self.place
        found = self.take(_CALL)
        if found is None:
            return None
        arguments: list[Expression] = []
        named: list[tuple[str, Expression]] = []
        if not self.sign(")"):
            while True:
                if key := self.take(_NAMED):
                    named.append((key[1], self._argument(depth + 1)))
                elif named:
                    raise self.wrong("another named argument")
                else:
                    arguments.append(self._argument(depth + 1))
                if len(arguments) + len(named) > MOST_ARGUMENTS:
                    raise BadTarget(f"{found[1]}() has more than {MOST_ARGUMENTS:,} arguments.", remedy="Use patterns.")
                if self.sign(")"):
                    break
                if not self.sign(","):
                    raise self.wrong("a comma or a closing bracket")
        return Call(found[1], tuple(arguments), tuple(named), self.text[begin : self.place])

    def _argument(self, depth: int) -> Expression:
        if found := self.take(_WORD):
            return Constant(_WORDS[found[1].lower()])
        if found := self.take(_NUMBER):
            if len(found[1]) > _LONGEST_NUMBER:
                raise BadTarget("A number has more digits than anybody needs.", remedy="Round it.")
            whole = not set(found[1]) & set(".eE")
            return Constant(int(found[1]) if whole else float(found[1]))
        if found := self.take(_STRING):
            return Constant(found[0][1:-1])
        return self.expression(depth)


def first_path(name: str) -> str | None:
    """The first path in a series' name such as ``scale(a.b.c,10)``; ``None`` where there is none."""
    try:
        found: Expression = parse(name)
    except BadTarget:
        return None
    while isinstance(found, Call) and found.arguments:
        found = found.arguments[0]
    return found.pattern if isinstance(found, Path) else None
