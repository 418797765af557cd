"""Under which paths a series is found.

Whatever came in keeps its own path. What StatsD took in has those besides that Etsy's StatsD makes with its usual
configuration: ``stats.counters.NAME.count`` and ``.rate``, ``stats.timers.NAME.mean`` and its kin,
``stats.gauges.NAME``, ``stats.sets.NAME.count``, and the older ``stats.NAME`` and ``stats_counts.NAME``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from andon.feedback.graphite.globs import Glob
from andon.feedback.telemetry.contract.metrics import Kind, Series, series_id


class Measure(StrEnum):
    """What of a series' samples a path shows."""

    VALUE = "value"
    """The last one of a slot."""
    HELD = "held"
    """The last one, again where none follows: StatsD sends a gauge again and again."""
    SIZE = "size"
    """Of a set: 0 where none was told."""
    COUNT = "count"
    RATE = "rate"
    """A second."""
    MEAN = "mean"
    LOWER = "lower"
    UPPER = "upper"
    SUM = "sum"
    SUM_SQUARES = "sum_squares"
    MEDIAN = "median"
    STD = "std"


@dataclass(frozen=True, slots=True)
class Reading:
    measure: Measure
    percent: float | None = None
    """Of the smallest so many per cent alone, as StatsD's ``upper_90``."""


PERCENTS = (90, 95, 99)
"""Those that are listed; any other is answered where it is asked for by name."""
_TIMERS = {
    "count": Reading(Measure.COUNT),
    "count_ps": Reading(Measure.RATE),
    "lower": Reading(Measure.LOWER),
    "mean": Reading(Measure.MEAN),
    "median": Reading(Measure.MEDIAN),
    "std": Reading(Measure.STD),
    "sum": Reading(Measure.SUM),
    "sum_squares": Reading(Measure.SUM_SQUARES),
    "upper": Reading(Measure.UPPER),
}
_OF_A_SHARE = re.compile(r"(upper|mean|sum|sum_squares|count)_(\d{1,3}(?:_\d{1,3})?)")


def of_a_share(ending: str) -> Reading | None:
    """What ``upper_99_9`` means; nothing for what is no such ending."""
    found = _OF_A_SHARE.fullmatch(ending)
    percent = float(found[2].replace("_", ".")) if found else 0.0
    return Reading(Measure(found[1]), percent) if found and 0 < percent <= 100 else None


_ALL_TIMERS = dict(_TIMERS)
for _percent in PERCENTS:
    for _word in ("count", "mean", "sum", "sum_squares", "upper"):
        _ALL_TIMERS[f"{_word}_{_percent}"] = Reading(Measure(_word), float(_percent))


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A beginning, the series' own path, and for some an ending."""

    prefix: tuple[str, ...]
    kinds: frozenset[Kind]
    endings: dict[str, Reading]
    """By their names; "" is none."""
    statsd: bool = True

    def takes(self, series: Series, path: tuple[str, ...]) -> bool:
        if series.kind not in self.kinds:
            return False
        if not self.statsd:
            return True
        if self.prefix == ("stats",) and path[0] in _RESERVED:
            return False
        return series.kind is not Kind.GAUGE or not _came_as_path(series)

    def matched(self, pattern: Glob) -> Iterator[tuple[str, Reading]]:
        """The endings that the pattern's last node fits."""
        last = pattern.nodes[-1]
        for ending, reading in self.endings.items():
            if last.fits(ending):
                yield ending, reading
        if Kind.OBSERVATION in self.kinds and self.statsd:
            for ending in sorted(last.literals - self.endings.keys()):
                if reading_ := of_a_share(ending):
                    yield ending, reading_


_RESERVED = frozenset({"counters", "gauges", "timers", "sets", "statsd"})


def _came_as_path(series: Series) -> bool:
    """Whether it came over Graphite's own protocol, which tells series apart by their very paths."""
    return series.path != series.name and series.id == series_id(series.path, series.labels)


PLAIN = Form(prefix=(), kinds=frozenset(Kind), endings={}, statsd=False)
FORMS = (
    PLAIN,
    Form(
        prefix=("stats", "counters"),
        kinds=frozenset({Kind.DELTA}),
        endings={"count": Reading(Measure.COUNT), "rate": Reading(Measure.RATE)},
    ),
    Form(prefix=("stats", "timers"), kinds=frozenset({Kind.OBSERVATION}), endings=_ALL_TIMERS),
    Form(prefix=("stats", "gauges"), kinds=frozenset({Kind.GAUGE}), endings={"": Reading(Measure.HELD)}),
    Form(prefix=("stats", "sets"), kinds=frozenset({Kind.GAUGE}), endings={"count": Reading(Measure.SIZE)}),
    Form(prefix=("stats",), kinds=frozenset({Kind.DELTA}), endings={"": Reading(Measure.RATE)}),
    Form(prefix=("stats_counts",), kinds=frozenset({Kind.DELTA}), endings={"": Reading(Measure.COUNT)}),
)


def plain_reading(kind: Kind) -> Reading:
    """What a series' own path shows."""
    match kind:
        case Kind.DELTA:
            return Reading(Measure.COUNT)
        case Kind.OBSERVATION:
            return Reading(Measure.MEAN)
        case _:
            return Reading(Measure.VALUE)
