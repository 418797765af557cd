"""``rate`` and its kin: what a counter gained in each window, and how a gauge moved.

The formulas are those of Prometheus' ``promql/functions.go`` (``extrapolatedRate``, ``instantValue``).
"""

from __future__ import annotations

import numpy as np

from andon.feedback.promql.contract import Dialect
from andon.feedback.promql.frames import Bools, Floats
from andon.feedback.promql.windows import Block, Windows
from andon.feedback.telemetry.contract.metrics import Kind


def falls(block: Block) -> Bools:
    """Where a sample is smaller than the one before it in its series: a counter that began anew."""
    fell = np.zeros(len(block.values), dtype=np.bool_)
    if len(fell) > 1:
        fell[1:] = block.values[1:] < block.values[:-1]
    begins = block.offsets[:-1]
    fell[begins[begins < len(fell)]] = False
    return fell


def gained(over: Windows, *, is_counter: bool) -> tuple[Floats, Bools]:
    """The last value less the first, new beginnings of a counter made good; and which windows have two samples."""
    block, two = over.block, over.counts >= 2
    result = np.full(over.first.shape, np.nan)
    first, last = over.first[two], over.last[two] - 1
    result[two] = block.values[last] - block.values[first]
    if is_counter:
        fell = falls(block)
        before = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(fell, dtype=np.int64)])
        # a fall counts where the sample before it is in the window too
        broken = np.zeros(over.first.shape, dtype=np.bool_)
        broken[two] = before[last + 1] - before[first + 1] > 0
        if broken.any():
            lost = np.zeros(len(block.values))
            places = np.flatnonzero(fell)
            lost[places] = block.values[places - 1]
            shifted = Windows(block, np.minimum(over.first + 1, over.last), over.last, over.ends, over.width)
            result[broken] += shifted.fold(np.add, lost, broken)[broken]
    return result, two


def extrapolated(over: Windows, dialect: Dialect, *, is_counter: bool, per_second: bool) -> Floats:
    """What was gained, carried on to the window's edges where samples lie near them; NaN is also "no answer"."""
    block = over.block
    change, two = gained(over, is_counter=is_counter)
    result = np.full(change.shape, np.nan)
    if not two.any():
        return result
    first, last = over.first[two], over.last[two] - 1
    ends = np.broadcast_to(over.ends[None, :], two.shape)[two]
    first_value, difference = block.values[first], change[two]
    to_start = (block.times[first] - (ends - over.width)) / 1000.0
    to_end = (ends - block.times[last]) / 1000.0
    sampled = (block.times[last] - block.times[first]) / 1000.0
    average = sampled / (over.counts[two] - 1)
    near = average * 1.1
    to_zero = np.where((difference > 0) & (first_value >= 0), sampled * (first_value / difference), np.inf)
    if dialect is Dialect.PROMETHEUS_2:
        if is_counter:
            to_start = np.where(to_zero < to_start, to_zero, to_start)
        to_start = np.where(to_start < near, to_start, average / 2)
    else:
        to_start = np.where(to_start < near, to_start, average / 2)
        if is_counter:
            to_start = np.where(to_zero < to_start, to_zero, to_start)
    to_end = np.where(to_end < near, to_end, average / 2)
    factor = (sampled + to_start + to_end) / sampled
    if per_second:
        factor = factor / (over.width / 1000.0)
    result[two] = difference * factor
    return result


def between_last_two(over: Windows, *, per_second: bool) -> tuple[Floats, Bools]:
    """``irate`` (new beginnings made good, per second) and ``idelta``; and where there is an answer."""
    block, two = over.block, over.counts >= 2
    result = np.full(over.first.shape, np.nan)
    last = over.last[two] - 1
    now, before = block.values[last], block.values[last - 1]
    seconds = (block.times[last] - block.times[last - 1]) / 1000.0
    value = now - before
    if per_second:
        value = np.where(now < before, now, value) / seconds
    value[seconds == 0] = np.nan
    result[two] = value
    answered = two.copy()
    answered[two] = seconds != 0
    return result, answered


def counted(over: Windows, kind: Kind, *, per_second: bool) -> tuple[Floats, Bools]:
    """``rate`` and ``increase`` of what is not a running total: the sum of its deltas or the number of its
    observations, neither extrapolated: every one of them is there."""
    some = over.counts > 0
    amount = over.fold(np.add, over.block.values) if kind is Kind.DELTA else over.counts.astype(np.float64)
    return (amount / (over.width / 1000.0) if per_second else amount), some
