"""Operators between two values: arithmetic, comparison, and sets of series.

Which series of one side meet which of the other follows Prometheus' ``promql/engine.go`` (``VectorBinop`` and the set
operators), for all steps at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from andon.feedback.promql.contract import Dialect, QueryFailed
from andon.feedback.promql.frames import (
    Bools,
    Floats,
    Frame,
    Scalars,
    Value,
    check_size,
    empty,
    keep,
    label_of,
    leave_out,
    merged,
    nameless,
    relabelled,
    selector_text,
    with_label,
)
from andon.feedback.promql.syntax import Binary, Cardinality, Matching
from andon.feedback.telemetry.contract.metrics import NAME, Labels

_ARITHMETIC: Mapping[str, Callable[[Floats, Floats], Floats]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,
    "^": np.power,
    "atan2": np.arctan2,
}
_COMPARISON: Mapping[str, Callable[[Floats, Floats], Bools]] = {
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}


def combined(node: Binary, left: Value, right: Value, dialect: Dialect) -> Value:
    """The operator's answer. Raises :class:`QueryFailed` where it is not told which series belong together."""
    match left, right:
        case Scalars(), Scalars():
            return Scalars(_computed(node.operator, left.values, right.values)[0])
        case Frame(), Scalars():
            return _with_scalar(node, left, right, dialect, swapped=False)
        case Scalars(), Frame():
            return _with_scalar(node, right, left, dialect, swapped=True)
        case Frame(), Frame():
            if node.matching.cardinality is Cardinality.MANY_TO_MANY:
                return _set(node.operator, left, right, node.matching)
            return _paired(node, left, right, dialect)
    raise QueryFailed(f"`{node.operator}` does not take strings.", remedy="Use it between numbers and vectors.")


def _computed(operator: str, left: Floats, right: Floats) -> tuple[Floats, Bools | None]:
    """The numbers, and for a comparison where it holds (its numbers are then 0 and 1)."""
    if operator in _COMPARISON:
        holds = _COMPARISON[operator](left, right)
        return holds.astype(np.float64), holds
    return _ARITHMETIC[operator](left, right), None


def _drops_name(node: Binary, dialect: Dialect) -> bool:
    if node.as_bool:
        return True
    if node.operator == "atan2":
        return dialect is Dialect.PROMETHEUS_3
    return node.operator in _ARITHMETIC


def _with_scalar(node: Binary, frame: Frame, scalar: Scalars, dialect: Dialect, *, swapped: bool) -> Frame:
    other = np.broadcast_to(scalar.values[None, :], frame.values.shape)
    values, holds = (
        _computed(node.operator, other, frame.values) if swapped else _computed(node.operator, frame.values, other)
    )
    present = frame.present
    if holds is not None and not node.as_bool:
        values, present = frame.values, present & holds
    result = Frame(frame.labels, values, present)
    return relabelled(result, nameless) if _drops_name(node, dialect) else result


def _signature(matching: Matching) -> Callable[[Labels], Labels]:
    names = frozenset(matching.labels)
    if matching.on:
        return lambda labels: keep(labels, names)
    apart = names | {NAME}
    return lambda labels: leave_out(labels, apart)


class _Sides:
    """The rows of both sides by what they are matched by."""

    def __init__(self, left: Frame, right: Frame, matching: Matching) -> None:
        signature = _signature(matching)
        numbers: dict[Labels, int] = {}
        self.left = _numbered(left, signature, numbers)
        self.right = _numbered(right, signature, numbers)
        self.names = list(numbers)

    def presence(self, frame: Frame, numbers: NDArray[np.intp]) -> NDArray[np.int64]:
        """How many rows of each signature are present at each step."""
        counts = np.zeros((len(self.names), frame.steps), dtype=np.int64)
        np.add.at(counts, numbers, frame.present)
        return counts


def _numbered(frame: Frame, signature: Callable[[Labels], Labels], numbers: dict[Labels, int]) -> NDArray[np.intp]:
    return np.array([numbers.setdefault(signature(one), len(numbers)) for one in frame.labels], dtype=np.intp)


def _set(operator: str, left: Frame, right: Frame, matching: Matching) -> Frame:
    sides = _Sides(left, right, matching)
    match operator:
        case "and":
            there = sides.presence(right, sides.right) > 0
            return Frame(left.labels, left.values, left.present & there[sides.left])
        case "unless":
            there = sides.presence(right, sides.right) > 0
            return Frame(left.labels, left.values, left.present & ~there[sides.left])
    there = sides.presence(left, sides.left) > 0
    return merged(
        Frame(
            [*left.labels, *right.labels],
            np.concatenate([left.values, right.values]),
            np.concatenate([left.present, right.present & ~there[sides.right]]),
        )
    )


def _paired(node: Binary, left: Frame, right: Frame, dialect: Dialect) -> Frame:
    matching = node.matching
    turned = matching.cardinality is Cardinality.ONE_TO_MANY
    many, one = (right, left) if turned else (left, right)
    sides = _Sides(many, one, matching)
    _check_one(many, one, sides, turned=turned)
    many_rows, one_rows = _pairs(sides)
    if not len(many_rows):
        return empty(left.steps)
    check_size(len(many_rows), many.steps)
    theirs, ours = many.values[many_rows], one.values[one_rows]
    values, holds = _computed(node.operator, ours, theirs) if turned else _computed(node.operator, theirs, ours)
    present = many.present[many_rows] & one.present[one_rows]
    if holds is not None and not node.as_bool:
        # what a comparison lets through is the left side's own value
        values, present = (ours if turned else theirs), present & holds
    if matching.cardinality is Cardinality.ONE_TO_ONE:
        _check_single(present, sides, many_rows)
    drops = _drops_name(node, dialect)
    labels = [
        _result_labels(many.labels[row], one.labels[other], matching, drops=drops)
        for row, other in zip(many_rows.tolist(), one_rows.tolist(), strict=True)
    ]
    complaint = "multiple matches for labels: grouping labels must ensure unique matches"
    if matching.cardinality is Cardinality.ONE_TO_ONE:
        complaint = "vector cannot contain metrics with the same labelset"
    return merged(Frame(labels, values, present), complaint)


def _pairs(sides: _Sides) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Every row of the many with every row of the one that has its signature (at most one is present at a step)."""
    order = np.argsort(sides.right, kind="stable")
    ordered = sides.right[order]
    begin, end = np.searchsorted(ordered, sides.left), np.searchsorted(ordered, sides.left, side="right")
    lengths = end - begin
    many = np.repeat(np.arange(len(sides.left)), lengths)
    within = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return many, order[np.repeat(begin, lengths) + within]


def _check_one(many: Frame, one: Frame, sides: _Sides, *, turned: bool) -> None:
    # a step at which a side is empty has nothing to match, and is not looked at
    counts = sides.presence(one, sides.right) * many.present.any(axis=0)
    double = np.flatnonzero((counts > 1).any(axis=1))
    if not len(double):
        return
    rows = np.flatnonzero(sides.right == double[0])[:2]
    side = "left" if turned else "right"
    raise QueryFailed(
        f"found duplicate series for the match group {selector_text(sides.names[double[0]])} on the {side} hand-side "
        f"of the operation: [{', '.join(selector_text(one.labels[row]) for row in rows)}]"
        ";many-to-many matching not allowed: matching labels must be unique on one side",
        remedy="Match on more labels, or aggregate that side first.",
    )


def _check_single(present: Bools, sides: _Sides, many_rows: NDArray[np.intp]) -> None:
    counts = np.zeros((len(sides.names), present.shape[1]), dtype=np.int64)
    np.add.at(counts, sides.left[many_rows], present)
    if (counts > 1).any():
        raise QueryFailed(
            "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
            remedy="Match on more labels, or say which side has many with `group_left` or `group_right`.",
        )


def _result_labels(many: Labels, one: Labels, matching: Matching, *, drops: bool) -> Labels:
    labels = nameless(many) if drops else many
    names = frozenset(matching.labels)
    if matching.cardinality is Cardinality.ONE_TO_ONE:
        labels = keep(labels, names) if matching.on else leave_out(labels, names)
    for name in matching.include:
        labels = with_label(labels, name, label_of(one, name))
    return labels
