"""Operators over the series of a vector: ``sum by (…)`` and its kin."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from andon.feedback.promql.contract import Dialect, QueryFailed
from andon.feedback.promql.frames import (
    Bools,
    Floats,
    Frame,
    Ints,
    Scalars,
    Value,
    Words,
    check_size,
    empty,
    group_rows,
    keep,
    leave_out,
    merged,
    occupied,
    with_label,
)
from andon.feedback.promql.labelling import check_label
from andon.feedback.promql.overtime import quantile_of
from andon.feedback.promql.syntax import Grouping
from andon.feedback.promql.ties import break_ties
from andon.feedback.telemetry.contract.metrics import NAME, Labels

_LARGEST_WHOLE = 2.0**63
MOST_COUNTED = 2_000_000
"""Values that ``count_values`` looks at one by one."""


def aggregated(operator: str, frame: Frame, parameter: Value | None, grouping: Grouping, dialect: Dialect) -> Frame:
    """The operator's answer. Raises :class:`QueryFailed` for a parameter that makes no sense."""
    match operator, parameter:
        case (("topk" | "bottomk" | "limitk"), Scalars(wanted)):
            return _chosen(operator, frame, _whole(wanted), grouping, dialect)
        case "quantile", Scalars(wanted):
            return _quantile(frame, wanted, grouping)
        case "count_values", Words(label):
            return _count_values(frame, check_label(label, "count_values"), grouping)
        case (("sum" | "avg" | "min" | "max" | "count" | "group" | "stddev" | "stdvar"), None):
            return _Groups.of(frame, grouping).folded(operator, dialect)
    raise QueryFailed(f"`{operator}` is not supported.", remedy="Use another aggregation.")


def group_labels(labels: Labels, grouping: Grouping) -> Labels:
    names = frozenset(grouping.labels)
    return leave_out(labels, names | {NAME}) if grouping.without else keep(labels, names)


class _Groups:
    """Rows of a frame brought into the order of their groups, so that each group is one slice."""

    def __init__(self, frame: Frame, numbers: NDArray[np.intp], labels: list[Labels]) -> None:
        self.labels = labels
        self.order = np.argsort(numbers, kind="stable")
        self.begins = np.searchsorted(numbers[self.order], np.arange(len(labels)))
        self.numbers = numbers[self.order]
        self.values = frame.values[self.order]
        self.present = frame.present[self.order]
        self.steps = frame.steps

    @classmethod
    def of(cls, frame: Frame, grouping: Grouping) -> _Groups:
        numbers, labels = group_rows(group_labels(one, grouping) for one in frame.labels)
        return cls(frame, numbers, labels)

    def fold(self, ufunc: np.ufunc, values: Floats | Ints) -> Floats:
        folded: Floats = ufunc.reduceat(values, self.begins, axis=0)
        return folded

    def members(self) -> list[slice]:
        edges = [*self.begins.tolist(), len(self.order)]
        return [slice(begin, end) for begin, end in pairwise(edges)]

    def folded(self, operator: str, dialect: Dialect) -> Frame:
        if not self.labels:
            return empty(self.steps)
        counts = self.fold(np.add, self.present.astype(np.int64))
        values = self._folded(operator, counts, dialect)
        return Frame(self.labels, values, counts > 0)

    def _folded(self, operator: str, counts: Floats, dialect: Dialect) -> Floats:
        match operator:
            case "count":
                return counts.astype(np.float64)
            case "group":
                return np.ones(counts.shape)
            case "min":
                return self.fold(np.fmin, np.where(self.present, self.values, np.nan))
            case "max":
                return self.fold(np.fmax, np.where(self.present, self.values, np.nan))
        known = np.where(self.present, self.values, 0.0)
        totals = self.fold(np.add, known)
        if operator == "sum":
            return totals
        mean = totals / np.maximum(counts, 1)
        spilt = np.isinf(totals)
        if spilt.any():  # only the total is out of a float's range, unless a member is infinite itself
            mean = np.where(spilt, self.fold(np.add, known / 65536.0) / np.maximum(counts, 1) * 65536.0, mean)
        if operator == "avg":
            return mean
        apart = np.where(self.present, self.values - mean[self.numbers], 0.0)
        variance = self.fold(np.add, apart * apart) / np.maximum(counts, 1)
        if dialect is Dialect.PROMETHEUS_2:
            variance = np.where(counts == 1, 0.0, variance)
        return variance if operator == "stdvar" else np.sqrt(variance)


def _quantile(frame: Frame, wanted: Floats, grouping: Grouping) -> Frame:
    groups = _Groups.of(frame, grouping)
    values = np.full((len(groups.labels), frame.steps), np.nan)
    present = np.zeros(values.shape, dtype=np.bool_)
    for row, members in enumerate(groups.members()):
        filled = groups.present[members].T
        counts = filled.sum(axis=1)
        present[row] = counts > 0
        values[row] = quantile_of(groups.values[members].T, filled, counts, wanted)
    return Frame(groups.labels, values, present)


def _whole(wanted: Floats) -> Ints:
    if not (np.abs(wanted) < _LARGEST_WHOLE).all():
        raise QueryFailed("The number of series overflows an integer.", remedy="Give a whole number.")
    return wanted.astype(np.int64)


def _chosen(operator: str, frame: Frame, wanted: Ints, grouping: Grouping, dialect: Dialect) -> Frame:
    """Some series of each group at each step, as they are."""
    groups = _Groups.of(frame, grouping)
    chosen = np.zeros(groups.present.shape, dtype=np.bool_)
    orders: list[NDArray[np.intp]] = []
    for members in groups.members():
        values, present = groups.values[members], groups.present[members]
        ranked = _order(operator, values, present)
        ranks = np.argsort(ranked, axis=0, kind="stable")
        chosen[members] = present & (ranks < wanted[None, :])
        if operator != "limitk":
            keys = values if operator == "topk" else -values
            break_ties(keys, present, ranked, wanted, chosen[members], dialect)
        orders.append(members.start + ranked[:, 0])
    labels = [frame.labels[row] for row in groups.order]
    result = Frame(labels, groups.values, chosen)
    if frame.steps == 1 and orders:  # at one moment the best comes first
        result = result.rows(np.concatenate(orders))
    return occupied(result)


def _order(operator: str, values: Floats, present: Bools) -> NDArray[np.intp]:
    """For each step the rows, the best first: NaN behind every number, what is absent behind all."""
    if operator == "limitk":
        return np.argsort(~present, axis=0, kind="stable")
    key = -values if operator == "topk" else values
    return np.lexsort((key, np.isnan(values), ~present), axis=0)


def _count_values(frame: Frame, label: str, grouping: Grouping) -> Frame:
    """How many series have each value, which is told in a label."""
    if not grouping.without:
        grouping = Grouping((*grouping.labels, label))
    rows, steps = np.nonzero(frame.present)
    if len(rows) > MOST_COUNTED:
        raise QueryFailed(
            f"count_values() has {len(rows):,} values to count, more than {MOST_COUNTED:,}.",
            remedy="Select fewer series, or ask with a longer step.",
        )
    values = frame.values[rows, steps]
    numbers: dict[Labels, int] = {}
    at = np.empty(len(rows), dtype=np.intp)
    words: dict[float, str] = {}
    for index, (row, value) in enumerate(zip(rows.tolist(), values.tolist(), strict=True)):
        if value not in words:
            words[value] = plain_number(value)
        labels = group_labels(with_label(frame.labels[row], label, words[value]), grouping)
        at[index] = numbers.setdefault(labels, len(numbers))
    check_size(len(numbers), frame.steps)
    counts = np.zeros((len(numbers), frame.steps))
    np.add.at(counts, (at, steps), 1)
    return merged(Frame(list(numbers), counts, counts > 0))


def plain_number(value: float) -> str:
    """The shortest digits that make the number, without an exponent (Go's ``'f', -1``)."""
    if np.isnan(value):
        return "NaN"
    if np.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return np.format_float_positional(value, unique=True, trim="-")
