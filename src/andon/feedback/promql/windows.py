"""Samples of several series, and the windows over them that end at every step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from andon.feedback.promql.frames import Bools, Floats, Ints, check_size
from andon.feedback.telemetry.contract.metrics import Kind, Labels

STALE_BITS = 0x7FF0000000000002
"""The one NaN by which a scrape says that a series has ended."""
MOST_GATHERED = 2_000_000
"""Samples that are copied into rectangles at once."""


def is_stale(values: Floats) -> Bools:
    stale: Bools = np.ascontiguousarray(values).view(np.uint64) == np.uint64(STALE_BITS)
    return stale


@dataclass(frozen=True, slots=True)
class Block:
    """Samples of series, one after the other: those of the series ``i`` are ``[offsets[i]:offsets[i + 1]]``."""

    labels: Sequence[Labels]
    kinds: Sequence[Kind]
    offsets: Ints
    times: Ints
    values: Floats

    def without_stale(self) -> Block:
        keep = ~is_stale(self.values)
        if keep.all():
            return self
        kept = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(keep, dtype=np.int64)])
        return Block(self.labels, self.kinds, kept[self.offsets], self.times[keep], self.values[keep])


@dataclass(frozen=True, slots=True)
class Windows:
    """For each series (row) and step (column) the samples ``[first:last]`` of the block that are in its window.

    ``ends`` are the right edges (ms), after ``offset`` and ``@``; ``width`` is in milliseconds.
    """

    block: Block
    first: Ints
    last: Ints
    ends: Ints
    width: int

    @property
    def counts(self) -> Ints:
        return self.last - self.first

    @property
    def starts(self) -> Ints:
        return self.ends - self.width

    def fold(self, ufunc: np.ufunc, values: Floats | Ints, chosen: Bools | None = None) -> Floats:
        """The values of each window folded into one; NaN where a window is empty or not chosen."""
        return fold(ufunc, values, self.first, self.last, chosen)


def windows(block: Block, ends: Ints, width: int, *, includes_left: bool) -> Windows:
    """Raises :class:`~andon.feedback.promql.contract.QueryFailed` for more series and steps than memory is given to."""
    rows, steps = len(block.labels), len(ends)
    check_size(rows, steps)
    if not len(block.times):
        nothing = np.zeros((rows, steps), dtype=np.int64)
        return Windows(block, nothing, nothing, ends, width)
    if len(ends) > 1 and (ends == ends[0]).all():  # `@`: the same window at every step
        one = windows(block, ends[:1], width, includes_left=includes_left)
        return Windows(block, np.repeat(one.first, steps, axis=1), np.repeat(one.last, steps, axis=1), ends, width)
    # One search over all series at once: each has a range of its own in the keys, an empty place at both ends.
    base = int(block.times.min()) - 1
    span = int(block.times.max()) - base + 2
    begins = np.arange(rows, dtype=np.int64)[:, None] * span
    keys = np.repeat(begins[:, 0], np.diff(block.offsets)) + (block.times - base)
    left = begins + np.clip(ends - width - base, 0, span - 1)[None, :]
    right = begins + np.clip(ends - base, 0, span - 1)[None, :]
    first = np.searchsorted(keys, left.ravel(), side="left" if includes_left else "right").reshape(rows, steps)
    last = np.searchsorted(keys, right.ravel(), side="right").reshape(rows, steps)
    return Windows(block, np.minimum(first, last), last, ends, width)


def fold(ufunc: np.ufunc, values: Floats | Ints, first: Ints, last: Ints, chosen: Bools | None = None) -> Floats:
    wanted = last > first if chosen is None else (last > first) & chosen
    result = np.full(first.shape, np.nan)
    if not wanted.any():
        return result
    edges = np.empty(2 * int(wanted.sum()), dtype=np.intp)
    edges[0::2], edges[1::2] = first[wanted], last[wanted]
    # an edge may lie just behind the last sample, which reduceat allows of no array
    padded = np.append(values, values[-1:])
    result[wanted] = ufunc.reduceat(padded, edges)[::2]
    return result


@dataclass(frozen=True, slots=True)
class Rectangle:
    """The samples of some windows as rows of equal length. What is not ``filled`` is no sample."""

    values: Floats
    times: Ints
    filled: Bools
    counts: Ints
    steps: NDArray[np.intp]
    """For each row the step that it is of."""


def gathered(over: Windows, at_least: int, compute: Callable[[Rectangle], Floats], check: Callable[[], None]) -> Floats:
    """What ``compute`` makes of every window with at least so many samples; NaN for the others.

    Windows of like lengths are copied together, at most some million samples at once; ``check`` is called between and
    raises when there is no more time.
    """
    counts = over.counts.ravel()
    result = np.full(counts.shape, np.nan)
    order = np.argsort(counts, kind="stable")
    order = order[np.searchsorted(counts[order], at_least) :]
    first, steps = over.first.ravel(), over.counts.shape[1]
    for cells in _batches(order, counts[order]):
        check()
        length = counts[cells]
        place = np.arange(int(length[-1]), dtype=np.int64)
        filled = place[None, :] < length[:, None]
        index = np.where(filled, first[cells][:, None] + place[None, :], first[cells][:, None])
        result[cells] = compute(
            Rectangle(over.block.values[index], over.block.times[index], filled, length, cells % steps)
        )
    return result.reshape(over.counts.shape)


def _batches(order: NDArray[np.intp], counts: Ints) -> Iterator[NDArray[np.intp]]:
    begin = 0
    while begin < len(order):
        end = min(len(order), begin + max(1, MOST_GATHERED // max(1, int(counts[begin]))))
        # lengths grow: take fewer rows where the longest of them makes the rectangle too large
        while end - begin > 1 and (end - begin) * int(counts[end - 1]) > 4 * MOST_GATHERED:
            end = begin + (end - begin) // 2
        yield order[begin:end]
        begin = end
