"""Graphite's patterns of dotted paths: ``*``, ``?``, ``[0-9]``, ``{a,b}`` within a node."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import translate
from functools import lru_cache

from andon.feedback.graphite.contract import BadTarget
from andon.feedback.telemetry.contract.metrics import metric_name

MOST_ALTERNATIVES = 1_000
LONGEST_PATTERN = 4_096

_WILD = re.compile(r"[*?\[]")
_BRACES = re.compile(r"\{([^{}]*)\}")
_SET = re.compile(r"\[[^\]]*\]|[*?]")
_ENDINGS = re.compile(r"_(bucket|sum|count|total)$")


@dataclass(frozen=True, slots=True)
class Node:
    """One node of a pattern."""

    text: str
    literals: frozenset[str]
    patterns: tuple[re.Pattern[str], ...]
    _known: dict[str, bool] = field(default_factory=dict, compare=False)

    def fits(self, node: str) -> bool:
        if node in self.literals:
            return True
        if not self.patterns:
            return False
        found = self._known.get(node)
        if found is None:
            found = any(one.match(node) is not None for one in self.patterns)
            if len(self._known) < 100_000:  # what is remembered of one pattern stays small
                self._known[node] = found
        return found

    @property
    def is_literal(self) -> bool:
        return not self.patterns and len(self.literals) == 1


@dataclass(frozen=True, slots=True)
class Glob:
    text: str
    nodes: tuple[Node, ...]

    def fits(self, nodes: tuple[str, ...]) -> bool:
        """Whether the pattern is one of these very nodes, none left over on either side."""
        return len(nodes) == len(self.nodes) and all(
            one.fits(node) for one, node in zip(self.nodes, nodes, strict=True)
        )


def glob(pattern: str) -> Glob:
    """Raises :class:`BadTarget` for one that is too long or has too many alternatives."""
    if len(pattern) > LONGEST_PATTERN:
        raise BadTarget(f"The pattern is longer than {LONGEST_PATTERN:,} characters.", remedy="Use a shorter one.")
    return Glob(pattern, tuple(_node(text) for text in split(pattern)))


def split(pattern: str) -> list[str]:
    """The nodes; a dot within braces separates none."""
    nodes, depth, begin = [], 0, 0
    for place, sign in enumerate(pattern):
        depth += (sign == "{") - (sign == "}")
        if sign == "." and depth <= 0:
            nodes.append(pattern[begin:place])
            begin = place + 1
    return [*nodes, pattern[begin:]]


def _node(text: str) -> Node:
    alternatives = _expanded(text)
    wild = [one for one in alternatives if _WILD.search(one)]
    return Node(
        text, frozenset(one for one in alternatives if not _WILD.search(one)), tuple(_compiled(one) for one in wild)
    )


@lru_cache(maxsize=1_024)
def _compiled(text: str) -> re.Pattern[str]:
    # fnmatch looks for each part between two stars once, whatever comes behind it: many stars take no longer
    return re.compile(translate(re.sub(r"\*+", "*", text)))


def _expanded(text: str) -> list[str]:
    found = [text]
    while any(_BRACES.search(one) for one in found):
        made: list[str] = []
        for one in found:
            braces = _BRACES.search(one)
            if braces is None:
                made.append(one)
                continue
            for choice in braces[1].split(","):
                made.append(one[: braces.start()] + choice.strip() + one[braces.end() :])
            if len(made) > MOST_ALTERNATIVES:
                raise BadTarget(f"A pattern has more than {MOST_ALTERNATIVES:,} alternatives.", remedy="Use a star.")
        found = made
    return found


def name_pattern(nodes: tuple[Node, ...]) -> str:
    """What RE2 must find in the names of all series whose paths begin with such nodes, and in few others."""
    told = [_lettered(one.text) for one in nodes]
    told[-1] = _ENDINGS.sub("", told[-1])
    return "_?" + "_".join(told) + ".*"


def _lettered(text: str) -> str:
    """A node in the letters of PromQL's names."""
    alternatives = []
    for one in _expanded(text):
        place, parts = 0, []
        for wild in _SET.finditer(one):
            parts += [metric_name(f"a{one[place : wild.start()]}")[1:], ".*" if wild[0] == "*" else "."]
            place = wild.end()
        alternatives.append("".join([*parts, metric_name(f"a{one[place:]}")[1:]]))
    return alternatives[0] if len(alternatives) == 1 else f"(?:{'|'.join(alternatives)})"
