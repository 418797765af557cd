"""Two hours of what exporters say, made up: the names that well-known dashboards ask for, and trouble among them.

Counters begin anew, series end with a stale marker and come back, scrapes are missed, values are NaN and infinite.
"""

from __future__ import annotations

import itertools
import random
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from andon.feedback.telemetry.contract.metrics import Kind, Labels, Series, SeriesId, canonical, series_id

START = 1_700_000_000_000
"""Milliseconds; the beginning of the samples."""
LENGTH = 2 * 3_600_000
INTERVAL = 15_000
STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]

Dimensions = dict[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Family:
    """All series of one name: every combination of the values of its labels."""

    name: str
    kind: str
    """``counter``, ``gauge``, ``histogram``, ``summary``, ``constant`` or ``moment`` (seconds since 1970)."""
    labels: Dimensions
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Sampled:
    series: Series
    times: list[int]
    values: list[float]


def made(families: Sequence[Family], seed: int) -> list[Sampled]:
    """The samples of all families; the same for the same seed."""
    found: list[Sampled] = []
    for family in families:
        for combination in itertools.product(*family.labels.values()):
            labels = dict(zip(family.labels, combination, strict=True))
            dice = random.Random(f"{seed} {family.name} {sorted(labels.items())}")
            found += _series(family, labels, dice)
    return found


def _series(family: Family, labels: dict[str, str], dice: random.Random) -> Iterator[Sampled]:
    times = _times(labels, dice)
    match family.kind:
        case "histogram":
            yield from _histogram(family, labels, times, dice)
        case "summary":
            for quantile in ("0", "0.25", "0.5", "0.75", "1"):
                values = [family.scale * float(quantile) * dice.uniform(0.5, 1.5) for _ in times]
                yield _sampled(family.name, {**labels, "quantile": quantile}, Kind.GAUGE, times, values)
            yield _sampled(f"{family.name}_sum", labels, Kind.COUNTER, times, _counter(len(times), family.scale, dice))
            yield _sampled(f"{family.name}_count", labels, Kind.COUNTER, times, _counter(len(times), 1.0, dice))
        case "counter":
            values = _counter(len(times), family.scale, dice)
            yield _sampled(family.name, labels, Kind.COUNTER, times, values, dice)
        case "constant":
            yield _sampled(family.name, labels, Kind.GAUGE, times, [family.scale] * len(times))
        case "moment":
            at = float(START // 1000 - dice.randrange(10**6))
            yield _sampled(family.name, labels, Kind.GAUGE, times, [at] * len(times))
        case _:
            yield _sampled(family.name, labels, Kind.GAUGE, times, _gauge(len(times), family.scale, dice), dice)


def _times(labels: dict[str, str], dice: random.Random) -> list[int]:
    """Every target is scraped at an offset of its own, a few milliseconds early or late, and sometimes not at all."""
    target = random.Random(labels.get("instance", "") + labels.get("job", ""))
    offset = target.randrange(INTERVAL)
    gap = range(0)
    if target.random() < 0.5:
        begin = target.randrange(100, 300)
        gap = range(begin, begin + target.choice([1, 3, 30]))
    return [
        START + offset + number * INTERVAL + target.choice([0, 0, 0, 0, -3, 2, 7])
        for number in range((LENGTH - offset) // INTERVAL)
        if number not in gap and target.random() > 0.01
    ]


def _counter(length: int, scale: float, dice: random.Random) -> list[float]:
    total = scale * dice.choice([0, 0, 1, 1000, 1e6])
    busy, values = dice.uniform(0, 2), []
    whole = scale == 1.0
    for _ in range(length):
        if dice.random() < 0.004:
            total = 0.0
        elif dice.random() < 0.9:
            grown = scale * busy * dice.expovariate(1)
            total += round(grown * 10) if whole else grown
        values.append(total)
    return values


def _gauge(length: int, scale: float, dice: random.Random) -> list[float]:
    level, values = scale * dice.uniform(0.2, 1.0), []
    for _ in range(length):
        level = abs(level + scale * dice.gauss(0, 0.02))
        values.append(round(level) if scale >= 1000 else level)
    return values


def _histogram(family: Family, labels: dict[str, str], times: list[int], dice: random.Random) -> Iterator[Sampled]:
    bounds = [family.scale * bound for bound in (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)]
    counts = [0.0] * (len(bounds) + 1)
    middle, total = family.scale * dice.uniform(0.02, 0.6), 0.0
    columns: list[list[float]] = [[] for _ in counts]
    sums: list[float] = []
    for _ in times:
        if dice.random() < 0.003:
            counts, total = [0.0] * len(counts), 0.0
        for _ in range(dice.choice([0, 1, 3, 9])):
            seen = dice.lognormvariate(0, 1) * middle
            total += seen
            for place, bound in enumerate([*bounds, float("inf")]):
                counts[place] += seen <= bound
        for place, count in enumerate(counts):
            columns[place].append(count)
        sums.append(total)
    for column, told in zip(columns, [*(f"{bound:g}" for bound in bounds), "+Inf"], strict=True):
        yield _sampled(f"{family.name}_bucket", {**labels, "le": told}, Kind.COUNTER, times, column)
    yield _sampled(f"{family.name}_sum", labels, Kind.COUNTER, times, sums)
    yield _sampled(f"{family.name}_count", labels, Kind.COUNTER, times, columns[-1])


def _sampled(
    name: str,
    labels: dict[str, str],
    kind: Kind,
    times: list[int],
    values: list[float],
    dice: random.Random | None = None,
) -> Sampled:
    kept: Labels = canonical(labels)
    series = Series(id=SeriesId(series_id(name, kept)), name=name, labels=kept, kind=kind)
    if dice is not None and dice.random() < 0.15:
        return Sampled(series, *_broken(times, values, dice))
    return Sampled(series, times, values)


def _broken(times: list[int], values: list[float], dice: random.Random) -> tuple[list[int], list[float]]:
    """The series goes away, which is told, and comes back later; or it never does."""
    gone = dice.randrange(len(times) // 4, len(times) // 2)
    back = gone + dice.choice([1, 5, 40, 10_000])
    return [*times[: gone + 1], *times[back:]], [*values[:gone], STALE, *values[back:]]


def odd() -> list[Sampled]:
    """Series that make trouble on purpose."""
    nan, inf = float("nan"), float("inf")
    dice = random.Random(7)
    times = list(range(START, START + LENGTH, INTERVAL))
    shapes: dict[str, list[float]] = {
        "nan": [nan] * len(times),
        "some_nan": [nan if index % 7 == 3 else index * 1.5 for index in range(len(times))],
        "inf": [inf if index % 11 == 5 else float(index) for index in range(len(times))],
        "both_inf": [inf if index % 13 == 5 else -inf if index % 17 == 3 else 1.0 for index in range(len(times))],
        "negative": [-(index % 50) * 2.5 for index in range(len(times))],
        "flat": [3.25] * len(times),
        "zero": [0.0] * len(times),
        "huge": [1e308 * (1 + index % 2 * 0.5) for index in range(len(times))],
        "tiny": [5e-300 * (index % 9) for index in range(len(times))],
        "saw": [float(index % 20) for index in range(len(times))],
        "line": [1e9 + 0.25 * index for index in range(len(times))],
        "random": [dice.gauss(0, 100) for _ in times],
    }
    found = [_sampled("odd", {"shape": shape, "job": "odd"}, Kind.GAUGE, times, told) for shape, told in shapes.items()]
    found.append(_sampled("odd_once", {"job": "odd"}, Kind.GAUGE, [times[200]], [42.0]))
    found.append(_sampled("odd_seldom", {"job": "odd"}, Kind.GAUGE, times[::26], [float(n) for n in range(19)]))
    buckets = {"0.1": 5.0, "0.10": 3.0, "1": 4.0, "10": 12.0, "+Inf": 12.0, "none": 7.0}
    for bound, count in buckets.items():
        values = [count * (index + 1) for index in range(len(times))]
        found.append(_sampled("odd_bucket", {"le": bound, "job": "odd"}, Kind.COUNTER, times, values))
    for bound in ("0.5", "1"):
        found.append(_sampled("endless_bucket", {"le": bound}, Kind.COUNTER, times, [1.0] * len(times)))
    for word in ("beta", "alpha-10", "alpha-9", "ünïcode", "with space", 'quo"te', "back\\slash", "line\nbreak"):
        found.append(_sampled("odd_info", {"word": word, "job": "odd"}, Kind.GAUGE, times, [1.0] * len(times)))
    return found
