"""Exponential histograms as ones with bounds.

Bucket ``i`` of scale ``s`` holds what is above ``base**i`` and at most ``base**(i + 1)``, ``base = 2**2**-s``. A scale
one smaller merges buckets in pairs, exactly. Everything is brought to a scale of at most :data:`FINEST`: SDKs change
the scale as they go, and a series of buckets whose bounds change every minute could not be compared with itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.proto.metrics.v1.metrics_pb2 import ExponentialHistogramDataPoint

FINEST = 3
"""Eight buckets from one power of two to the next: bounds 9 % apart, a quantile is off by 4.4 % at the most."""
MOST_BUCKETS = 160

_LARGEST_EXPONENT = 1024


def buckets(point: ExponentialHistogramDataPoint) -> list[tuple[float, int]]:
    """Upper bounds and how many were within each, bounds growing; without the last, infinite one.

    Raises ``ValueError`` for more buckets than an SDK can make or bounds that no number can express.
    """
    positive, negative = point.positive, point.negative
    scale = point.scale
    if not -10 <= scale <= 20:
        raise ValueError(f"the scale {scale} is not within -10 and 20")
    if max(len(positive.bucket_counts), len(negative.bucket_counts)) > 10_000:
        raise ValueError("more than 10,000 buckets")
    above, above_from = _trimmed(positive.bucket_counts, positive.offset)
    below, below_from = _trimmed(negative.bucket_counts, negative.offset)
    while scale > FINEST or len(above) + len(below) > MOST_BUCKETS:
        above, above_from = _halved(above, above_from)
        below, below_from = _halved(below, below_from)
        scale -= 1
    found = [(-_power(scale, below_from + index), count) for index, count in reversed(list(enumerate(below)))]
    if point.zero_count or below:
        found.append((point.zero_threshold, point.zero_count))
    found += [(_power(scale, above_from + index + 1), count) for index, count in enumerate(above)]
    return found


def _power(scale: int, index: int) -> float:
    """The lower bound of a bucket."""
    exponent = index * 2.0**-scale
    if abs(exponent) > _LARGEST_EXPONENT + 50:
        raise ValueError("a bucket's bound is no number")
    if exponent >= _LARGEST_EXPONENT:
        return float("inf")
    return float(f"{2.0**exponent:.12g}")  # the same text whatever scale it was reckoned from


def _trimmed(counts: Sequence[int], offset: int) -> tuple[list[int], int]:
    """Without the empty buckets at both ends."""
    found = list(counts)
    while found and not found[-1]:
        found.pop()
    first = next((index for index, count in enumerate(found) if count), 0)
    return found[first:], offset + first


def _halved(counts: list[int], offset: int) -> tuple[list[int], int]:
    merged = [0] * ((offset + len(counts) - 1 >> 1) - (offset >> 1) + 1) if counts else []
    for index, count in enumerate(counts):
        merged[(offset + index >> 1) - (offset >> 1)] += count
    return merged, offset >> 1
