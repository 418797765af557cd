"""Regular expressions from outside: a subset of Python's of which none can run away.

A backtracking matcher tries ways through a pattern, and what is compared is up to whoever visits the service. So the
ways are counted beforehand: alternatives add up, what follows one another multiplies, ``*`` and ``+`` count as often
as a text is long. A pattern with more ways than ``MOST_WAYS`` is refused, and so are a repetition of what repeats
(``?`` excepted), references back and looking around.
"""

import re

LONGEST_PATTERN = 200
LONGEST_SUBJECT = 256
"""Characters; a longer attribute does not match."""
MOST_WAYS = LONGEST_SUBJECT**3
_MOST_REPEATS = LONGEST_SUBJECT
_DEEPEST = 10
_REPEAT = re.compile(r"[*+?]|\{([0-9]{0,4})(,?)([0-9]{0,4})\}")
_CLASSES = frozenset("dDwWsS")
_ANCHORS = frozenset("bBAZ")
_CONTROLS = frozenset("ntrfv")


class PatternError(ValueError):
    """Says what about a pattern cannot be."""


def compiled(pattern: str) -> "re.Pattern[str]":
    """The pattern, ready for ``search``. Raises ``PatternError``."""
    if len(pattern) > LONGEST_PATTERN:
        raise PatternError(f"is longer than {LONGEST_PATTERN} characters")
    reader = _Reader(pattern)
    ways, _ = reader.alternatives(0)
    if reader.at < len(pattern):
        raise PatternError("has a ) without its (")
    anchored = pattern.startswith(("^", "\\A")) and not reader.splits
    if ways * (1 if anchored else LONGEST_SUBJECT) > MOST_WAYS:
        raise PatternError("could take too long: begin it with ^, or use fewer *, + and alternatives")
    try:
        return re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternError(f"is no regular expression: {error}") from None


class _Reader:
    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.splits = False  # whether there are alternatives outside of any group

    def alternatives(self, depth: int) -> tuple[int, bool]:
        """Ways through what stands here up to its end, and whether something in it repeats."""
        if depth > _DEEPEST:
            raise PatternError(f"has groups more than {_DEEPEST} deep")
        total, here, repeats = 0, 1, False
        while self.at < len(self.pattern) and self.pattern[self.at] != ")":
            if self.pattern[self.at] == "|":
                self.at += 1
                self.splits = self.splits or depth == 0
                total, here = total + here, 1
                continue
            ways, inner = self._repeated(depth)
            here = min(here * ways, MOST_WAYS + 1)
            repeats = repeats or inner
        return min(total + here, MOST_WAYS + 1), repeats

    def _repeated(self, depth: int) -> tuple[int, bool]:
        ways, inner, may_repeat = self._atom(depth)
        found = _REPEAT.match(self.pattern, self.at)
        if found is None:
            return ways, inner
        if not may_repeat:
            raise PatternError(f"repeats nothing at character {self.at + 1}")
        least, most = self._bounds(found)
        if inner and most > 1:
            raise PatternError("repeats what repeats already")
        self.at = found.end()
        following = self.pattern[self.at : self.at + 1]
        if following == "?":
            self.at += 1
        elif following in {"*", "+"} or _REPEAT.match(self.pattern, self.at):
            raise PatternError("repeats what repeats already")
        if most > _MOST_REPEATS or least > most:
            raise PatternError(f"repeats more than {_MOST_REPEATS} times, or the wrong way round")
        if most <= 1:
            return min(ways + 1 - least, MOST_WAYS + 1), True
        ways = (ways**most if ways > 1 else 1) * (most - least + 1)
        return min(ways, MOST_WAYS + 1), True

    @staticmethod
    def _bounds(found: "re.Match[str]") -> tuple[int, int]:
        if found[0] == "?":
            return 0, 1
        if found[0] in {"*", "+"}:
            return (1 if found[0] == "+" else 0), LONGEST_SUBJECT
        if not found[1] and not found[3]:
            raise PatternError("has a { that is no repetition: write \\{")
        least = int(found[1] or 0)
        return least, (int(found[3]) if found[3] else LONGEST_SUBJECT if found[2] else least)

    def _atom(self, depth: int) -> tuple[int, bool, bool]:
        mark = self.pattern[self.at]
        self.at += 1
        if mark == "(":
            return self._group(depth)
        if mark == "[":
            self._set()
        elif mark == "\\":
            return 1, False, self._escaped() not in _ANCHORS
        elif mark in "*+?":
            raise PatternError(f"repeats nothing at character {self.at}")
        elif mark == "{":
            raise PatternError("has a { that is no repetition: write \\{")
        return 1, False, mark not in "^$"

    def _group(self, depth: int) -> tuple[int, bool, bool]:
        if self.pattern.startswith("?:", self.at):
            self.at += 2
        elif self.pattern.startswith("?", self.at):
            raise PatternError("may have groups as (…) and (?:…) only: no looking around, no flags, no names")
        ways, inner = self.alternatives(depth + 1)
        if self.at >= len(self.pattern):
            raise PatternError("has a ( without its )")
        self.at += 1
        return ways, inner, True

    def _escaped(self) -> str:
        mark = self.pattern[self.at : self.at + 1]
        self.at += 1
        if not mark:
            raise PatternError("ends with a \\")
        if mark.isalnum() and mark not in _CLASSES | _ANCHORS | _CONTROLS:
            raise PatternError(f"may not use \\{mark}")
        return mark

    def _set(self) -> None:
        if self.pattern.startswith("^", self.at):
            self.at += 1
        first = True
        while self.at < len(self.pattern):
            mark = self.pattern[self.at]
            self.at += 1
            if mark == "]" and not first:
                return
            first = False
            if mark == "\\" and self._escaped() in _ANCHORS:
                raise PatternError("may not use \\A, \\Z, \\b and \\B within [ ]")
            if mark in "[&|~-" and self.pattern.startswith(mark, self.at):
                raise PatternError(f"may not have {mark}{mark} within [ ]")
            if mark == "[":
                raise PatternError("has a [ within [ ]: write \\[")
        raise PatternError("has a [ without its ]")
