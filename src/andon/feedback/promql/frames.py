"""Vectors over time: what an expression is worth at every step at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from andon.feedback.promql.contract import QueryFailed
from andon.feedback.telemetry.contract.metrics import NAME, Labels

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]

MOST_CELLS = 10_000_000
"""Series times steps of one intermediate result, which takes up to half a gigabyte in passing."""


@dataclass(frozen=True, slots=True)
class Frame:
    """An instant vector at every step: ``values`` and ``present`` have a row for each of ``labels`` and a column for
    each step. Where ``present`` is false there is no sample, whatever the value; NaN is a value like others."""

    labels: Sequence[Labels]
    values: Floats
    present: Bools

    @property
    def steps(self) -> int:
        return int(self.values.shape[1])

    @property
    def answered(self) -> Bools:
        """The steps at which any series is present."""
        return any_row(self.present)

    def rows(self, chosen: NDArray[np.intp] | Bools) -> Frame:
        """Some rows, in the order of ``chosen``."""
        indices = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen
        return Frame([self.labels[index] for index in indices], self.values[indices], self.present[indices])


@dataclass(frozen=True, slots=True)
class Scalars:
    """A scalar at every step."""

    values: Floats


@dataclass(frozen=True, slots=True)
class Words:
    text: str


Value = Frame | Scalars | Words


def empty(steps: int) -> Frame:
    return Frame([], np.empty((0, steps)), np.empty((0, steps), dtype=np.bool_))


def check_size(rows: int, steps: int) -> None:
    """Raises :class:`QueryFailed` for more cells than memory is given to."""
    if rows * steps > MOST_CELLS:
        raise QueryFailed(
            f"The query makes {rows:,} series at {steps:,} steps, more than {MOST_CELLS:,} points at once.",
            remedy="Select fewer series, or ask with a longer step.",
        )


def label_of(labels: Labels, name: str) -> str:
    return next((value for label, value in labels if label == name), "")


def nameless(labels: Labels) -> Labels:
    return tuple(pair for pair in labels if pair[0] != NAME)


def keep(labels: Labels, names: frozenset[str]) -> Labels:
    return tuple(pair for pair in labels if pair[0] in names)


def leave_out(labels: Labels, names: frozenset[str]) -> Labels:
    return tuple(pair for pair in labels if pair[0] not in names)


def with_label(labels: Labels, name: str, value: str) -> Labels:
    """The labels with one set; an empty value takes it away."""
    others = [pair for pair in labels if pair[0] != name]
    return tuple(sorted([*others, (name, value)])) if value else tuple(others)


def selector_text(labels: Labels) -> str:
    """The labels as Prometheus writes them in its messages."""
    return "{" + ", ".join(f'{name}="{value}"' for name, value in labels) + "}"


def relabelled(frame: Frame, change: Callable[[Labels], Labels]) -> Frame:
    """The frame under other labels. Raises :class:`QueryFailed` where two series become one at the same step."""
    return merged(Frame([change(one) for one in frame.labels], frame.values, frame.present))


def merged(frame: Frame, complaint: str = "vector cannot contain metrics with the same labelset") -> Frame:
    """Rows with the same labels as one. Raises :class:`QueryFailed` where both have a sample at the same step."""
    groups, labels = group_rows(frame.labels)
    if len(labels) == len(frame.labels):
        return frame
    present = np.zeros((len(labels), frame.steps), dtype=np.int64)
    np.add.at(present, groups, frame.present)
    if (present > 1).any():
        raise QueryFailed(complaint, remedy="Keep a label that tells the series apart.")
    values = np.zeros((len(labels), frame.steps))
    rows, columns = np.nonzero(frame.present)
    values[groups[rows], columns] = frame.values[rows, columns]
    return Frame(labels, values, present > 0)


def group_rows(labels: Iterable[Labels]) -> tuple[NDArray[np.intp], list[Labels]]:
    """For each row the number of its group, and the groups' labels in the order in which they first come."""
    numbers: dict[Labels, int] = {}
    groups = np.array([numbers.setdefault(one, len(numbers)) for one in labels], dtype=np.intp)
    return groups, list(numbers)


def occupied(frame: Frame) -> Frame:
    """Without the series that have no sample at any step."""
    filled: Bools = np.logical_or.reduce(frame.present, axis=1)
    return frame if filled.all() else frame.rows(filled)


def any_row(present: Bools) -> Bools:
    """For each column whether a row is true."""
    found: Bools = np.logical_or.reduce(present, axis=0)
    return found
