"""The value of a tree at all steps at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from andon.feedback.promql import functions, labelling, maths
from andon.feedback.promql.aggregations import aggregated
from andon.feedback.promql.contract import Dialect, QueryFailed
from andon.feedback.promql.frames import (
    Floats,
    Frame,
    Ints,
    Scalars,
    Value,
    Words,
    check_size,
    nameless,
    occupied,
    relabelled,
)
from andon.feedback.promql.histograms import fractions, quantiles
from andon.feedback.promql.operators import combined
from andon.feedback.promql.selecting import Selecting
from andon.feedback.promql.syntax import (
    Aggregation,
    Binary,
    Call,
    Expression,
    Moment,
    Negation,
    Number,
    Selector,
    Shift,
    Subquery,
    Text,
    Window,
)
from andon.feedback.promql.windows import Block, Windows, windows
from andon.feedback.telemetry.contract.metrics import NAME, Comparison, Kind, Labels

DEFAULT_SUBQUERY_STEP = 60_000
"""Milliseconds; Prometheus takes its evaluation interval, which is a minute unless it is told otherwise."""


@dataclass(frozen=True, slots=True)
class Steps:
    """Times (ms) at which an expression is evaluated; ``apart`` is 0 where there is a single one."""

    times: Ints
    apart: int

    def __len__(self) -> int:
        return len(self.times)


@dataclass(frozen=True, slots=True)
class Evaluator:
    """``start`` and ``end`` are those of the whole query: ``@ start()`` means it even in a subquery."""

    selecting: Selecting
    start: int
    end: int

    @property
    def dialect(self) -> Dialect:
        return self.selecting.dialect

    def value(self, node: Expression, steps: Steps) -> Value:
        """Raises :class:`QueryFailed`, :class:`~andon.feedback.promql.contract.QueryTimeout`."""
        self.selecting.reader.check()
        match node:
            case Number(value):
                return Scalars(np.full(len(steps), value))
            case Text(text):
                return Words(text)
            case Selector():
                return self.selecting.instant(node.matchers, self.ends(node.shift, steps), steps.apart)
            case Negation(inner):
                found = self.value(inner, steps)
                if isinstance(found, Scalars):
                    return Scalars(-found.values)
                frame = _frame(found)
                return relabelled(Frame(frame.labels, -frame.values, frame.present), nameless)
            case Binary():
                return combined(node, self.value(node.left, steps), self.value(node.right, steps), self.dialect)
            case Aggregation():
                parameter = None if node.parameter is None else self.value(node.parameter, steps)
                frame = occupied(self.frame(node.inner, steps))
                return aggregated(node.operator, frame, parameter, node.grouping, self.dialect)
            case Call():
                return self._call(node, steps)
            case Window() | Subquery():
                raise QueryFailed("A range stands where a value is needed.", remedy="Use a function of a range.")

    def frame(self, node: Expression, steps: Steps) -> Frame:
        return _frame(self.value(node, steps))

    def scalars(self, node: Expression, steps: Steps) -> Floats:
        found = self.value(node, steps)
        if not isinstance(found, Scalars):
            raise QueryFailed("A vector stands where a number is needed.", remedy="Use `scalar(…)`.")
        return found.values

    def words(self, node: Expression) -> Words:
        if not isinstance(node, Text):
            raise QueryFailed("A string is needed as an argument.", remedy="Write it between quotes.")
        return Words(node.value)

    def ends(self, shift: Shift, steps: Steps) -> Ints:
        """Where windows end at each step, after ``@`` and ``offset``."""
        times = steps.times
        if shift.at is not None:
            fixed = (
                {Moment.START: self.start, Moment.END: self.end}.get(shift.at)
                if isinstance(shift.at, Moment)
                else shift.at
            )
            times = np.full(len(steps), fixed, dtype=np.int64)
        return times - shift.offset

    def subquery(self, node: Subquery, steps: Steps) -> Windows:
        """Windows over the values that the inner expression has at multiples of the subquery's step."""
        ends = self.ends(node.shift, steps)
        earliest, latest = int(ends.min()) - node.width, int(ends.max())
        apart = node.step or DEFAULT_SUBQUERY_STEP
        first = earliest // apart * apart
        if first < earliest or (first == earliest and not self.dialect.includes_left_edge):
            first += apart
        count = max(0, (latest - first) // apart + 1)
        check_size(1, count)
        inner = Steps(np.arange(count, dtype=np.int64) * apart + first, apart)
        found = self.value(node.inner, inner) if count else Scalars(np.zeros(0))
        frame = (
            Frame([()], found.values[None, :], np.ones((1, count), dtype=np.bool_))
            if isinstance(found, Scalars)
            else occupied(_frame(found))
        )
        rows, columns = np.nonzero(frame.present)
        offsets = np.searchsorted(rows, np.arange(len(frame.labels) + 1)).astype(np.int64)
        block = Block(
            frame.labels,
            [Kind.GAUGE] * len(frame.labels),
            offsets,
            inner.times[columns],
            frame.values[rows, columns],
        )
        return windows(block, ends, node.width, includes_left=self.dialect.includes_left_edge)

    def _call(self, node: Call, steps: Steps) -> Value:
        name, given = node.function, node.arguments
        if name in functions.OF_RANGES:
            return self._of_range(node, steps)
        if name in maths.SIMPLE:
            return self._changed(given[0], steps, maths.SIMPLE[name])
        if name in maths.CALENDAR:
            if not given:
                seconds = steps.times / 1000.0
                return _vector(maths.calendar(name, seconds))
            return self._changed(given[0], steps, lambda values: maths.calendar(name, values))
        if name in functions.NATIVE:
            raise QueryFailed(
                f"{name}() is a function of native histograms, which are not supported.",
                remedy="Use classic histograms: `histogram_quantile` and the series `_sum` and `_count`.",
            )
        special = self._special(name, given, steps)
        if special is None:
            raise QueryFailed(f"{name}() is not supported.", remedy="Use another function.")
        return special

    def _special(self, name: str, given: tuple[Expression, ...], steps: Steps) -> Value | None:
        match name:
            case "time":
                return Scalars(steps.times / 1000.0)
            case "pi":
                return Scalars(np.full(len(steps), np.pi))
            case "scalar":
                return _scalar(self.frame(given[0], steps))
            case "vector":
                return _vector(self.scalars(given[0], steps))
            case "round":
                nearest = self.scalars(given[1], steps) if len(given) > 1 else np.ones(len(steps))
                return self._changed(given[0], steps, lambda values: maths.rounded(values, nearest))
            case "clamp":
                least, most = self.scalars(given[1], steps), self.scalars(given[2], steps)
                frame = self._changed(given[0], steps, lambda values: maths.limited(values, least, most))
                return Frame(frame.labels, frame.values, frame.present & ~(most < least))
            case "clamp_min":
                least = self.scalars(given[1], steps)
                return self._changed(given[0], steps, lambda values: maths.larger(values, least))
            case "clamp_max":
                most = self.scalars(given[1], steps)
                return self._changed(given[0], steps, lambda values: maths.smaller(values, most))
            case "timestamp":
                return self._timestamp(given[0], steps)
            case "absent":
                there = self.frame(given[0], steps).answered
                return Frame([_told(given[0])], np.ones((1, len(steps))), ~there[None, :])
            case "histogram_quantile":
                return quantiles(
                    self.frame(given[1], steps), self.scalars(given[0], steps), self.selecting.reader.check
                )
            case "histogram_fraction":
                lower, upper = self.scalars(given[0], steps), self.scalars(given[1], steps)
                return fractions(self.frame(given[2], steps), lower, upper, self.selecting.reader.check)
        return self._of_labels(name, given, steps)

    def _of_labels(self, name: str, given: tuple[Expression, ...], steps: Steps) -> Value | None:
        match name:
            case "label_replace":
                texts = [self.words(one) for one in given[1:]]
                return labelling.replaced(self.frame(given[0], steps), *texts, dialect=self.dialect)
            case "label_join":
                texts = [self.words(one) for one in given[1:]]
                return labelling.joined(self.frame(given[0], steps), texts[0], texts[1], texts[2:])
            case "sort" | "sort_desc":
                frame = occupied(self.frame(given[0], steps))
                return labelling.sorted_by_value(frame, descending=name == "sort_desc")
            case "sort_by_label" | "sort_by_label_desc":
                frame = occupied(self.frame(given[0], steps))
                names = [self.words(one) for one in given[1:]]
                return labelling.sorted_by_labels(frame, names, descending=name == "sort_by_label_desc")
        return None

    def _changed(self, node: Expression, steps: Steps, change: Callable[[Floats], Floats]) -> Frame:
        frame = self.frame(node, steps)
        values = change(frame.values)
        return relabelled(Frame(frame.labels, values, frame.present), nameless)

    def _timestamp(self, node: Expression, steps: Steps) -> Frame:
        if isinstance(node, Selector):
            frame = self.selecting.instant(node.matchers, self.ends(node.shift, steps), steps.apart, times=True)
        else:
            frame = self.frame(node, steps)
            seconds = np.broadcast_to(steps.times[None, :] / 1000.0, frame.values.shape)
            frame = Frame(frame.labels, seconds, frame.present)
        return relabelled(frame, nameless)

    def _of_range(self, node: Call, steps: Steps) -> Frame:
        """A function of the samples in a window; its other arguments are numbers, one for each step."""
        name = node.function
        over = next(one for one in node.arguments if isinstance(one, Window | Subquery))
        numbers = [self.scalars(one, steps) for one in node.arguments if one is not over]
        compute = functions.OF_RANGES[name](functions.Given(numbers, steps.times, self.selecting.reader.check))
        if isinstance(over, Window):
            ends = self.ends(over.selector.shift, steps)
            frame = self.selecting.over(over.selector.matchers, ends, over.width, steps.apart, name, compute)
        else:
            found = self.subquery(over, steps)
            values, present = functions.computed(name, compute, found, Kind.GAUGE, self.dialect)
            frame = Frame(found.block.labels, values, present)
        frame = occupied(frame)
        if name == "absent_over_time":
            there = frame.answered
            return Frame([_told(over)], np.ones((1, len(steps))), ~there[None, :])
        if name in functions.KEEP_NAMES:
            return frame
        return _told_apart(Frame([nameless(one) for one in frame.labels], frame.values, frame.present))


def _frame(found: Value) -> Frame:
    if isinstance(found, Frame):
        return found
    raise QueryFailed("A number or a string stands where a vector is needed.", remedy="Use `vector(…)`.")


def _vector(values: Floats) -> Frame:
    return Frame([()], values[None, :], np.ones((1, len(values)), dtype=np.bool_))


def _scalar(frame: Frame) -> Scalars:
    """The value where there is exactly one series, else NaN."""
    single = frame.present.sum(axis=0) == 1
    only = np.where(frame.present, frame.values, 0).sum(axis=0)
    return Scalars(np.where(single, only, np.nan))


def _told_apart(frame: Frame) -> Frame:
    """Raises :class:`QueryFailed` for series that are alike without their names, even at different steps."""
    if len(set(frame.labels)) < len(frame.labels):
        raise QueryFailed(
            "vector cannot contain metrics with the same labelset", remedy="Select one name, or aggregate by it."
        )
    return frame


def _told(node: Expression) -> Labels:
    """The labels that a selector says its series must have, for telling that there is none."""
    if isinstance(node, Window):
        node = node.selector
    if not isinstance(node, Selector):
        return ()
    labels: dict[str, str] = {}
    seen: set[str] = set()
    for one in node.matchers:
        if one.label == NAME:
            continue
        if one.comparison is Comparison.EQUAL and one.label not in seen:
            seen.add(one.label)
            labels[one.label] = one.value
        else:
            labels.pop(one.label, None)
    return tuple(sorted((name, value) for name, value in labels.items() if value))
