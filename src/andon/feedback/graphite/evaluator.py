"""The series of a target."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from typing import Protocol

from andon.feedback.graphite.contract import (
    DEEPEST,
    MOST_CALLS,
    MOST_POINTS,
    MOST_SERIES,
    PATIENCE,
    BadTarget,
    TookTooLong,
)
from andon.feedback.graphite.functions import FUNCTIONS
from andon.feedback.graphite.parsing import parse
from andon.feedback.graphite.patterns import replaced
from andon.feedback.graphite.registry import Function, Given, Value, bound
from andon.feedback.graphite.rows import Floats, Row
from andon.feedback.graphite.syntax import Call, Constant, Expression, Path
from andon.feedback.graphite.times import FURTHEST, moment

Replacements = Mapping[str, str]


class Source(Protocol):
    """Where series come from: whatever fits a pattern or tags, from ``start`` to ``end`` (seconds since 1970)."""

    def by_path(self, pattern: str, start: int, end: int) -> list[Row]: ...

    def by_tags(self, conditions: Sequence[str], start: int, end: int, expression: str) -> list[Row]: ...


class Bounds:
    """What one request may use, all of its targets together.

    Raises :class:`TookTooLong` when the time is over, :class:`BadTarget` for more calls or points than that.
    """

    def __init__(self, *, seconds: float = PATIENCE, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._seconds, self._deadline = clock, seconds, clock() + seconds
        self._calls, self._points, self._deep = 0, 0, 0

    def check(self) -> None:
        if self._clock() > self._deadline:
            raise TookTooLong(
                f"The request took longer than {self._seconds:g} s.", remedy="Ask for fewer series or a shorter time."
            )

    def enter(self) -> None:
        self.check()
        self._calls, self._deep = self._calls + 1, self._deep + 1
        if self._calls > MOST_CALLS:
            raise BadTarget(f"The targets call functions more than {MOST_CALLS:,} times.", remedy="Make them simpler.")
        if self._deep > 2 * DEEPEST:
            raise BadTarget("The targets are nested too deeply.", remedy="Make them simpler.")

    def leave(self) -> None:
        self._deep -= 1

    def weigh(self, rows: Sequence[Row]) -> None:
        if len(rows) > MOST_SERIES:
            raise BadTarget(
                f"A target has {len(rows):,} series, more than {MOST_SERIES:,}.", remedy="Use a narrower pattern."
            )
        self._points += sum(len(row) for row in rows)
        if self._points > MOST_POINTS:
            raise BadTarget(
                f"The targets take more than {MOST_POINTS:,} points.", remedy="Ask for fewer series or a shorter time."
            )


@dataclass(slots=True, kw_only=True)
class Evaluation:
    """One window of one request. Implements :class:`~andon.feedback.graphite.registry.Asked`."""

    source: Source
    start: int
    end: int
    now: int
    zone: tzinfo
    bounds: Bounds
    threshold: float | None = None
    stacks: MutableMapping[str, Floats] = field(default_factory=dict)
    template: Replacements = field(default_factory=dict)
    _replacements: Replacements = field(default_factory=dict)

    def target(self, text: str) -> list[Row]:
        """Raises :class:`BadTarget`, :class:`TookTooLong` and what the store raises."""
        return self._rows(parse(text))

    def check(self) -> None:
        self.bounds.check()

    def moment(self, text: str) -> int:
        return moment(text, now=self.now, zone=self.zone)

    def other(self, expression: Expression, start: int, end: int) -> list[Row]:
        if not (0 <= start <= FURTHEST and 0 <= end <= FURTHEST):
            raise BadTarget("A function looks at a time out of bounds.", remedy="Use a shorter window or shift.")
        other = Evaluation(
            source=self.source,
            start=start,
            end=end,
            now=self.now,
            zone=self.zone,
            bounds=self.bounds,
            threshold=self.threshold,
            stacks=dict(self.stacks),
            template=self.template,
            _replacements=self._replacements,
        )
        return other._rows(expression)

    def called(self, function: str, rows: list[Row]) -> list[Row] | None:
        known = FUNCTIONS.get(function)
        if known is None or not known.takes_series_alone:
            return None
        return self._run(known, [rows], {}, None)

    def applied(self, function: str, lists: Sequence[list[Row]]) -> list[Row]:
        known = FUNCTIONS.get(function)
        if known is None:
            raise _unknown(function)
        return self._run(known, lists, {}, None)

    def _rows(self, expression: Expression) -> list[Row]:
        value = self._value(expression)
        if not isinstance(value, list):
            raise BadTarget(f"{value!r} is no series.", remedy="Ask for a path or a function of paths.")
        return value

    def _value(self, expression: Expression) -> Value:
        match expression:
            case Constant(value):
                return value
            case Path(pattern):
                return self._path(pattern)
            case Call():
                return self._call(expression)

    def _path(self, pattern: str) -> Value:
        for name, value in self._replacements.items():
            if pattern == f"${name}":
                return _literal(value)
            pattern = replaced(pattern, f"${name}", value)
        if "\\" in pattern:
            pattern = _unescaped(pattern)
        self.bounds.enter()
        found = self.source.by_path(pattern, self.start, self.end)
        self.bounds.leave()
        return self._taken(found)

    def _taken(self, found: list[Row]) -> list[Row]:
        self.bounds.weigh(found)
        return [replace(row, threshold=self.threshold) for row in found] if self.threshold else found

    def _call(self, call: Call) -> Value:
        if call.function == "template":
            return self._template(call)
        if call.function == "seriesByTag":
            conditions = [one.value for one in call.arguments if isinstance(one, Constant)]
            told = [_replaced(str(one), self._replacements) for one in conditions]
            found = self.source.by_tags(told, self.start, self.end, _replaced(call.text, self._replacements))
            return self._taken(found)
        function = FUNCTIONS.get(call.function)
        if function is None:
            raise _unknown(call.function)
        self.bounds.enter()
        positional = [self._value(one) for one in call.arguments]
        named = {name: self._value(one) for name, one in call.named}
        found = self._run(function, positional, named, call.arguments[0] if call.arguments else None)
        self.bounds.leave()
        return found

    def _run(
        self, function: Function, positional: Sequence[Value], named: Mapping[str, Value], inner: Expression | None
    ) -> list[Row]:
        found = function.body(Given(self, function.name, bound(function, positional, named), inner))
        self.bounds.weigh(found)
        return found

    def _template(self, call: Call) -> Value:
        """``template(target, "first", name="second")``: ``$1`` and ``$name`` in the target's paths."""
        if not call.arguments:
            raise BadTarget("template() lacks its target.", remedy='Write it as template(a.$1, "b").')
        told: dict[str, str] = {}
        for name, one in [*((str(i), one) for i, one in enumerate(call.arguments[1:], 1)), *call.named]:
            if not isinstance(one, Constant):
                raise BadTarget(
                    "invalid template() syntax, only string/numeric arguments are allowed", remedy="Quote them."
                )
            told[name] = str(one.value)
        before, self._replacements = self._replacements, {**told, **self.template}
        try:
            return self._value(call.arguments[0])
        finally:
            self._replacements = before


def _unknown(function: str) -> BadTarget:
    return BadTarget(f"Received request for unknown function: {function}", remedy="/graphite/functions names all.")


def _replaced(text: str, replacements: Replacements) -> str:
    for name, value in replacements.items():
        text = replaced(text, f"${name}", value)
    return text


def _literal(value: str) -> float | str:
    try:
        return float(value)
    except ValueError:
        return value


def _unescaped(pattern: str) -> str:
    return "".join(sign for place, sign in enumerate(pattern) if sign != "\\" or (place and pattern[place - 1] == "\\"))
