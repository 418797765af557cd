"""Which code paths a change added without a measurement, as far as one can tell from the text.

Best effort, and said so wherever it is shown: definitions and routes are recognised by the look of a line, not by a
parser, and a file in which anything was added that looks like a metric, a span or a line of log is let alone. Text of
a repository is hostile: every look takes one pass over lines that are cut.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

LONGEST_LINE = 400
MOST_LINES = 20_000
MOST_FOUND = 40
"""In one file."""


class PathKind(StrEnum):
    FUNCTION = "function"
    ROUTE = "route"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmeasured:
    """A function or a route that is new, in a file whose new lines measure nothing."""

    file: str
    line: int
    """From 1."""
    kind: PathKind
    name: str


_NAME = r"([A-Za-z_$][\w$]{0,80})"
_METHODS = r"(get|post|put|patch|delete|head|route|api_route|websocket)"
_PYTHON = re.compile(rf"\s*(?:async )?def {_NAME}\(")
_PYTHON_ROUTE = re.compile(rf"\s*@[\w.]{{1,60}}\.{_METHODS}\(\s*[rf]?[\"']([^\"']{{0,120}})")
_SCRIPT = re.compile(rf"\s*(?:export )?(?:default )?(?:async )?function\*? ?{_NAME} ?\(")
_ARROW = re.compile(rf"\s*(?:export )?(?:const|let|var) {_NAME} ?= ?(?:async ?)?(?:\([^()]{{0,120}}\)|{_NAME}) ?=>")
_SCRIPT_ROUTE = re.compile(
    r"\s*(?:app|router|server|fastify|api)\.(get|post|put|patch|delete|all|use)\(\s*[\"'`](/[^\"'`]{0,120})"
)
_GO = re.compile(rf"func (?:\([^()]{{1,80}}\) )?{_NAME}\(")
_GO_ROUTE = re.compile(
    r"\s*[\w.]{1,40}\.(HandleFunc|Handle|GET|POST|PUT|PATCH|DELETE|Get|Post|Put|Delete)\(\s*\"([^\"]{1,120})"
)
_JVM = re.compile(
    rf"\s*(?:public|protected|private|internal)(?: (?:static|final|suspend|async|override|virtual)){{0,3}}"
    rf" (?:fun |[\w<>\[\],.?]{{1,60}} ){_NAME}\("
)
_KOTLIN = re.compile(rf"\s*(?:override |suspend |inline ){{0,3}}fun {_NAME}\(")
_JVM_ROUTE = re.compile(r"\s*@(Get|Post|Put|Patch|Delete|Request)Mapping\((?:value ?= ?|path ?= ?)?\"([^\"]{0,120})")
_RUBY = re.compile(r"\s*def (?:self\.)?([a-z_]\w{0,80}[?!]?)")
_RUBY_ROUTE = re.compile(r"\s*(get|post|put|patch|delete) ['\"](/[^'\"]{0,120})")
_RUST = re.compile(rf"\s*(?:pub(?:\([a-z]{{1,10}}\))? )?(?:async )?fn {_NAME}[(<]")
_PHP = re.compile(rf"\s*(?:(?:public|protected|private|static|final) ){{0,3}}function {_NAME}\(")
_ELIXIR = re.compile(r"\s*def ([a-z_]\w{0,80}[?!]?)")

_Look = tuple[re.Pattern[str], PathKind]
_F, _R = PathKind.FUNCTION, PathKind.ROUTE
_JS: tuple[_Look, ...] = ((_SCRIPT_ROUTE, _R), (_SCRIPT, _F), (_ARROW, _F))
_BY_ENDING: Mapping[str, tuple[_Look, ...]] = {
    ".py": ((_PYTHON_ROUTE, _R), (_PYTHON, _F)),
    **dict.fromkeys((".js", ".mjs", ".cjs", ".ts", ".jsx", ".tsx"), _JS),
    ".go": ((_GO, _F), (_GO_ROUTE, _R)),
    ".java": ((_JVM_ROUTE, _R), (_JVM, _F)),
    ".kt": ((_JVM_ROUTE, _R), (_KOTLIN, _F)),
    ".cs": ((_JVM, _F),),
    ".rb": ((_RUBY_ROUTE, _R), (_RUBY, _F)),
    ".rs": ((_RUST, _F),),
    ".php": ((_PHP, _F),),
    ".ex": ((_ELIXIR, _F),),
}
_MEASURES = re.compile(
    r"\b(?:metrics?|statsd|tracer|meter|logger|logging|log|slog|prometheus|opentelemetry|otel|telemetry|sentry)\b\s*[.(:]"
    r"|\b(?:counter|histogram|gauge|timer|summary)s?\b\s*[.(\[]"
    r"|\.(?:increment|incr|inc|observe|timing|record|add_event|set_attribute|addEvent|setAttribute)\("
    r"|\bstart_?(?:as_current_)?(?:active_?)?span\b"
    r"|\bconsole\.(?:log|info|warn|error|debug)\(|\b(?:tracing|log)::|\b(?:info|warn|error|debug)!\(",
    re.IGNORECASE,
)
_TEST = re.compile(
    r"(?:^|/)(?:tests?|spec|__tests__|testing|fixtures|vendor|node_modules|third_party|migrations|docs)/"
    r"|(?:^|/)(?:test_[^/]*|conftest)\.py$|_test\.(?:go|py)$|[._](?:test|spec)\.[a-z]+$|_spec\.rb$|Tests?\.(?:java|kt|cs)$"
)


def is_looked_at(path: str) -> bool:
    """Whether the file is code whose language is known, and no test of it."""
    return PurePosixPath(path).suffix in _BY_ENDING and not _TEST.search(path)


def unmeasured(path: str, before: str, after: str) -> tuple[Unmeasured, ...]:
    """What is new in ``after`` and measured by nothing new; ``before`` is empty for a file that was not there.

    A function that was moved or renamed within the file's old lines is not new: it is known by its name.
    """
    if not is_looked_at(path):
        return ()
    old, new = _lines(before), _lines(after)
    left = Counter(line.strip() for line in old)
    added: list[tuple[int, str]] = []
    for number, line in enumerate(new, 1):
        if left[line.strip()]:
            left[line.strip()] -= 1
        else:
            added.append((number, line))
    if any(_MEASURES.search(line) for _, line in added):
        return ()
    looks = _BY_ENDING[PurePosixPath(path).suffix]
    known = {told for _, told in _defined(enumerate(old, 1), looks)}
    found = []
    for number, (kind, name) in _defined(added, looks):
        if (kind, name) not in known and not (name.startswith("__") and name.endswith("__")):
            known.add((kind, name))
            found.append(Unmeasured(file=path, line=number, kind=kind, name=name))
    return tuple(found[:MOST_FOUND])


def _lines(text: str) -> list[str]:
    return [line[:LONGEST_LINE] for line in text.split("\n")[:MOST_LINES]]


def _defined(lines: Iterable[tuple[int, str]], looks: tuple[_Look, ...]) -> Iterable[tuple[int, tuple[PathKind, str]]]:
    for number, line in lines:
        for pattern, kind in looks:
            found = pattern.match(line)
            if found is None:
                continue
            if kind is PathKind.ROUTE:
                method = found[1].upper()
                word = method if method in _VERBS else ""
                yield number, (kind, f"{word} {found[2]}".strip() or "/")
            else:
                yield number, (kind, found[1])
            break


_VERBS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"})
