"""Which of several equal series ``topk`` takes: those that Prometheus' heap would have left.

Any of them would be as good an answer. A panel beside another one of Prometheus should show the same, though, and rates
of whole numbers are equal often.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from andon.feedback.promql.contract import Dialect
from andon.feedback.promql.frames import Bools, Floats, Ints

MOST_PUSHED = 500_000
"""Samples that go through a heap at most; where there are more ties, the first series are taken."""


def break_ties(
    keys: Floats, present: Bools, ranked: NDArray[np.intp], wanted: Ints, chosen: Bools, dialect: Dialect
) -> None:
    """Correct ``chosen`` (rows by steps) at the steps where the last series that is taken equals the first one that is
    not. The largest ``keys`` are wanted; ``ranked`` are the rows by falling key."""
    tied = _tied(keys, present, ranked, wanted)
    if len(tied) * len(keys) > MOST_PUSHED:
        return
    for step in tied.tolist():
        rows = np.flatnonzero(present[:, step]).tolist()
        heap: list[tuple[float, int]] = []
        for row in rows:
            _offer(heap, (float(keys[row, step]), row), int(wanted[step]), dialect)
        chosen[:, step] = False
        chosen[[row for _, row in heap], step] = True


def _tied(keys: Floats, present: Bools, ranked: NDArray[np.intp], wanted: Ints) -> NDArray[np.intp]:
    steps = np.flatnonzero((wanted > 0) & (wanted < present.sum(axis=0)))
    if not len(steps):
        return steps
    last = keys[ranked[wanted[steps] - 1, steps], steps]
    following = keys[ranked[wanted[steps], steps], steps]
    tied: NDArray[np.intp] = steps[(last == following) | (np.isnan(last) & np.isnan(following))]
    return tied


def _offer(heap: list[tuple[float, int]], one: tuple[float, int], most: int, dialect: Dialect) -> None:
    """One step of ``aggregation`` in Prometheus' ``promql/engine.go``, on a heap with the smallest first."""
    if len(heap) < most:
        heap.append(one)
        _up(heap, len(heap) - 1)
        return
    top = heap[0][0]
    if dialect is Dialect.PROMETHEUS_2:
        if not (top < one[0] or math.isnan(top)):
            return
        heap[0] = heap[-1]
        heap.pop()
        if heap:
            _down(heap)
        heap.append(one)
        _up(heap, len(heap) - 1)
    elif top < one[0] or (math.isnan(top) and not math.isnan(one[0])):
        heap[0] = one
        _down(heap)


def _less(left: tuple[float, int], right: tuple[float, int]) -> bool:
    return math.isnan(left[0]) or left[0] < right[0]


def _up(heap: list[tuple[float, int]], child: int) -> None:
    """Go's ``container/heap``."""
    while True:
        parent = (child - 1) // 2 if child else 0
        if parent == child or not _less(heap[child], heap[parent]):
            return
        heap[parent], heap[child] = heap[child], heap[parent]
        child = parent


def _down(heap: list[tuple[float, int]]) -> None:
    parent = 0
    while (child := 2 * parent + 1) < len(heap):
        if child + 1 < len(heap) and _less(heap[child + 1], heap[child]):
            child += 1
        if not _less(heap[child], heap[parent]):
            return
        heap[parent], heap[child] = heap[child], heap[parent]
        parent = child
