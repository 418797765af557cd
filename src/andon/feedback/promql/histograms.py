"""Classic histograms: cumulative buckets, one series for each upper bound in the label ``le``.

The arithmetic is that of Prometheus' ``promql/quantile.go``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from andon.feedback.promql.frames import Bools, Floats, Frame, Ints, any_row, label_of, leave_out, merged
from andon.feedback.telemetry.contract.metrics import NAME, Labels

LE = "le"
_BOUND = re.compile(r"[0-9a-zA-Z.+-]+", re.ASCII)
_APART = frozenset({LE, NAME})


@dataclass(frozen=True, slots=True)
class Histogram:
    """Rows are buckets by growing ``bounds``; ``counts`` never fall from one that is there to the next."""

    labels: Labels
    bounds: Floats
    counts: Floats
    present: Bools

    @property
    def before(self) -> Ints:
        """For each bucket and step the nearest bucket below that is there; -1 is none."""
        places = np.where(self.present, np.arange(len(self.bounds))[:, None], -1)
        nearest = np.maximum.accumulate(places, axis=0)
        return np.concatenate([np.full((1, places.shape[1]), -1), nearest[:-1]]).astype(np.int64)


def histograms(frame: Frame) -> Iterator[Histogram]:
    """The buckets of each histogram together. Series without a bound that is a number are none."""
    members: dict[Labels, list[tuple[float, int]]] = {}
    for row, labels in enumerate(frame.labels):
        bound = _bound(label_of(labels, LE))
        if bound is not None:
            members.setdefault(leave_out(labels, _APART), []).append((bound, row))
    for labels, buckets in members.items():
        buckets.sort()
        bounds = np.array(sorted({bound for bound, _ in buckets}))
        at = np.searchsorted(bounds, [bound for bound, _ in buckets])
        rows = [row for _, row in buckets]
        present = np.zeros((len(bounds), frame.steps), dtype=np.bool_)
        np.logical_or.at(present, at, frame.present[rows])
        counts = np.zeros((len(bounds), frame.steps))
        # 0.1 and 0.10 are one bucket
        np.add.at(counts, at, np.where(frame.present[rows], frame.values[rows], 0))
        rising = np.fmax.accumulate(np.where(present, counts, -np.inf), axis=0)
        yield Histogram(labels, bounds, np.where(np.isnan(counts) & present, np.nan, rising), present)


def _bound(text: str) -> float | None:
    try:
        bound = float(text)
    except ValueError:
        return None
    return bound if _BOUND.fullmatch(text) and not math.isnan(bound) else None


def quantiles(frame: Frame, wanted: Floats, check: Callable[[], None]) -> Frame:
    """``histogram_quantile``, with a quantile for each step. ``check`` raises when there is no more time."""
    found: list[tuple[Labels, Floats, Bools]] = []
    for one in histograms(frame):
        check()
        found.append((one.labels, _quantile(one, wanted), any_row(one.present)))
    return _framed(found, frame.steps)


def _quantile(histogram: Histogram, wanted: Floats) -> Floats:
    bounds, counts, present = histogram.bounds, histogram.counts, histogram.present
    before, steps = histogram.before, np.arange(len(wanted))
    last = len(bounds) - 1
    observations = counts[last]
    rank = wanted * observations
    # the first bucket that reaches the rank; the last one when none below does
    reaches = (counts >= rank) & present
    reaches[last] = True
    found = np.argmax(reaches, axis=0)
    below = before[found, steps]
    start = np.where(below >= 0, bounds[np.maximum(below, 0)], 0.0)
    held = np.where(below >= 0, counts[np.maximum(below, 0), steps], 0.0)
    end = bounds[found]
    inner = start + (end - start) * ((rank - held) / (counts[found, steps] - held))
    result = np.where((below < 0) & (end <= 0), end, inner)
    result = np.where(found == last, bounds[np.maximum(below, 0)], result)
    unusable = ~(present[last] & (bounds[last] == np.inf)) | (present.sum(axis=0) < 2)
    unusable |= (observations == 0) | np.isnan(wanted)
    result = np.where(unusable, np.nan, result)
    return np.where(wanted < 0, -np.inf, np.where(wanted > 1, np.inf, result))


def fractions(frame: Frame, lower: Floats, upper: Floats, check: Callable[[], None]) -> Frame:
    """``histogram_fraction``: the share of observations between two values, for each step."""
    found: list[tuple[Labels, Floats, Bools]] = []
    for one in histograms(frame):
        check()
        found.append((one.labels, _fraction(one, lower, upper), any_row(one.present)))
    return _framed(found, frame.steps)


def _fraction(histogram: Histogram, lower: Floats, upper: Floats) -> Floats:
    last = len(histogram.bounds) - 1
    observations = histogram.counts[last]
    share = (_rank(histogram, upper) - _rank(histogram, lower)) / observations
    usable = histogram.present[last] & (histogram.bounds[last] == np.inf) & (histogram.present.sum(axis=0) >= 2)
    usable &= (observations > 0) & ~np.isnan(lower) & ~np.isnan(upper)
    return np.where(usable, np.where(lower >= upper, 0.0, share), np.nan)


def _rank(histogram: Histogram, value: Floats) -> Floats:
    """How many observations are at most ``value``, taken to be spread evenly over their bucket."""
    bounds, counts, present = histogram.bounds, histogram.counts, histogram.present
    before, steps = histogram.before, np.arange(len(value))
    above = (bounds[:, None] > value[None, :]) & present
    found = np.where(above.any(axis=0), np.argmax(above, axis=0), len(bounds) - 1)
    below = before[found, steps]
    held = np.where(below >= 0, counts[np.maximum(below, 0), steps], 0.0)
    end = bounds[found]
    start = np.where(below >= 0, bounds[np.maximum(below, 0)], np.where(end > 0, 0.0, -np.inf))
    share = np.where(np.isinf(end) | np.isinf(start), 0.0, (value - start) / (end - start))
    rank = held + (counts[found, steps] - held) * np.clip(share, 0.0, 1.0)
    result: Floats = np.where(~above.any(axis=0), counts[-1], rank)
    return result


def _framed(found: list[tuple[Labels, Floats, Bools]], steps: int) -> Frame:
    labels = [one for one, _, _ in found]
    values = np.array([one for _, one, _ in found]).reshape(len(found), steps)
    present = np.array([one for _, _, one in found], dtype=np.bool_).reshape(len(found), steps)
    return merged(Frame(labels, values, present))
