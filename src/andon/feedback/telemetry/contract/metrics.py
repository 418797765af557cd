"""Numbers over time: series, their samples, and how both are asked for.

Times are whole milliseconds since 1970 (UTC) everywhere, as in Prometheus' own interface. Arrays are numpy's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import TYPE_CHECKING, NewType, Protocol

from andon.flow.sources.contract import Service

if TYPE_CHECKING:  # the command line reads this contract and has no use for numpy
    import numpy as np
    from numpy.typing import NDArray

SeriesId = NewType("SeriesId", int)
"""64 bits: :func:`series_id` of the name and the labels."""

Labels = tuple[tuple[str, str], ...]
"""Sorted by name, without ``__name__``, without empty values."""

Sight = frozenset[Service] | None
"""Whose telemetry may be seen; ``None`` is everyone's. What names no service is seen by whoever is signed in."""

NAME = "__name__"
SERVICE, ENVIRONMENT, VERSION, INSTANCE = "service", "environment", "version", "instance"
"""The labels that every way in uses for the same things, whatever they were called by whoever sent them."""

LONGEST_NAME = 255
LONGEST_VALUE = 1024
MOST_LABELS = 64


class Level(StrEnum):
    """The five levels of the Handbook. A service that is silent on one has a gap."""

    BUSINESS = "business"
    APPLICATION = "application"
    INFRASTRUCTURE = "infrastructure"
    CLIENT = "client"
    PIPELINE = "pipeline"


class Kind(StrEnum):
    """What the numbers of a series mean, and so what may be computed from them."""

    GAUGE = "gauge"
    """A value that goes up and down."""
    COUNTER = "counter"
    """A running total; a smaller one than before means that it began anew. Buckets of histograms are counters."""
    DELTA = "delta"
    """How much was added since the sample before: StatsD's counters, OpenTelemetry's delta sums."""
    OBSERVATION = "observation"
    """One measured thing a sample, none summed up: StatsD's timers, histograms and distributions."""


class Comparison(StrEnum):
    EQUAL = "="
    UNEQUAL = "!="
    LIKE = "=~"
    UNLIKE = "!~"


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on a label, with the meaning it has in PromQL: patterns are RE2 and match the whole value; a label
    that is not there has the empty value. The label ``__name__`` is the series' name."""

    label: str
    comparison: Comparison
    value: str

    def fits(self, value: str) -> bool:
        match self.comparison:
            case Comparison.EQUAL:
                return value == self.value
            case Comparison.UNEQUAL:
                return value != self.value
            case Comparison.LIKE:
                return re.fullmatch(self.value, value) is not None
            case Comparison.UNLIKE:
                return re.fullmatch(self.value, value) is None


def named(name: str, **labels: str) -> tuple[Matcher, ...]:
    """The matchers of one name and of labels that are equal to these values."""
    return (
        Matcher(NAME, Comparison.EQUAL, name),
        *(Matcher(label, Comparison.EQUAL, value) for label, value in labels.items()),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What is measured. Two ids with the same name and labels are the same series to whoever asks."""

    id: SeriesId
    name: str
    """As PromQL writes it: ``[a-zA-Z_:][a-zA-Z0-9_:]*``."""
    labels: Labels
    kind: Kind
    level: Level = Level.APPLICATION
    unit: str = ""
    """As in UCUM, OpenTelemetry's choice: ``s``, ``ms``, ``By``, ``1``; empty is unknown."""
    help: str = ""
    path: str = ""
    """The name as it was sent (``login.success``), which is what Graphite's patterns are compared with."""

    def label(self, name: str) -> str:
        """The label's value; empty where there is none."""
        if name == NAME:
            return self.name
        for label, value in self.labels:  # a quarter of the time of a generator
            if label == name:
                return value
        return ""


def canonical(labels: Mapping[str, str]) -> Labels:
    """The labels as they are kept."""
    return tuple(sorted((name, value) for name, value in labels.items() if value and name != NAME))


def series_id(name: str, labels: Labels) -> SeriesId:
    """The id of a series that came in with its labels apart (StatsD's lines are told apart by their raw text).

    Its first two bytes are the same for all series of a name and a service. Samples are stored by id, and a panel asks
    for just those: so they lie side by side, and few blocks are read for them.
    """
    service = next((value for label, value in labels if label == SERVICE), "")
    told = "\x00".join((name, *(f"{label}\x01{value}" for label, value in labels)))
    place = blake2b(f"{name}\x00{service}".encode(), digest_size=2).digest()
    return SeriesId(int.from_bytes(place + blake2b(told.encode(), digest_size=6).digest(), "big"))


_UNFIT = re.compile(r"[^a-zA-Z0-9_:]")
_UNFIT_LABEL = re.compile(r"[^a-zA-Z0-9_]")


def metric_name(sent: str) -> str:
    """A name in PromQL's letters: ``login.success`` becomes ``login_success``."""
    name = _UNFIT.sub("_", sent)
    return f"_{name}" if name[:1].isdigit() else name


def label_name(sent: str) -> str:
    """A label in PromQL's letters: ``http.route`` becomes ``http_route``."""
    name = _UNFIT_LABEL.sub("_", sent)
    return f"_{name}" if name[:1].isdigit() else name


class Resolution(StrEnum):
    """Which of the three tables is read."""

    RAW = "raw"
    MINUTE = "minute"
    HOUR = "hour"

    @property
    def milliseconds(self) -> int:
        return {Resolution.RAW: 0, Resolution.MINUTE: 60_000, Resolution.HOUR: 3_600_000}[self]


class Column(StrEnum):
    """What of a roll-up is read. Raw samples have only their value, which is every one of these but the last."""

    LAST = "last"
    SUM = "sum"
    MIN = "min"
    MAX = "max"
    INCREASE = "increase"
    """What a counter gained within the bucket since the last sample before it, new beginnings counted."""
    COUNT = "count"


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """The samples of several series, one after the other: those of ``series[i]`` are ``[offsets[i]:offsets[i + 1]]``.

    Within a series times grow (equal ones may follow each other where a series is of observations or deltas; of
    gauges and counters the last one sent for a millisecond is the only one). The time of a roll-up is its bucket's
    end, or the end that was asked for where the bucket still runs.
    """

    series: tuple[Series, ...]
    offsets: NDArray[np.int64]
    times: NDArray[np.int64]
    values: NDArray[np.float64]

    def of(self, index: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        span = slice(self.offsets[index], self.offsets[index + 1])
        return self.times[span], self.values[span]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemplar:
    """One observation with the trace in which it happened."""

    series: SeriesId
    time: int
    value: float
    trace: str
    """32 hexadecimal digits."""
    span: str = ""
    labels: Labels = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricName:
    """What is known of all series of one name together."""

    name: str
    kind: Kind
    level: Level
    unit: str
    help: str
    series: int


class Measurements(Protocol):
    """Series and their samples, for reading. Every question is cut to what ``sight`` may see.

    All raise :class:`~andon.kernel.errors.Unavailable` when the store does not answer, and
    :class:`~andon.kernel.errors.Invalid` for a pattern that is none, or for more than a question may ask for.
    """

    def select(
        self, matchers: Sequence[Matcher], start: int, end: int, *, sight: Sight, limit: int = 100_000
    ) -> tuple[Series, ...]:
        """The series that fit and had a sample from ``start`` to ``end``, to the day; sorted by name and labels."""

    def samples(
        self,
        series: Sequence[Series],
        start: int,
        end: int,
        *,
        resolution: Resolution = Resolution.RAW,
        column: Column = Column.LAST,
    ) -> Samples:
        """Their samples with ``start <= time <= end``, in the order of ``series``. At most 50 million."""

    def names(self, start: int, end: int, *, sight: Sight, limit: int = 100_000) -> tuple[MetricName, ...]: ...

    def label_names(
        self, matchers: Sequence[Matcher], start: int, end: int, *, sight: Sight, limit: int = 10_000
    ) -> tuple[str, ...]: ...

    def label_values(
        self, label: str, matchers: Sequence[Matcher], start: int, end: int, *, sight: Sight, limit: int = 100_000
    ) -> tuple[str, ...]: ...

    def exemplars(self, series: Sequence[Series], start: int, end: int, *, every: int = 0) -> tuple[Exemplar, ...]:
        """What was observed with ``start <= time <= end``, by time; at most 10,000, the newest.

        With ``every`` (ms) only two of each such length of time are answered, counted from 1970 and over all the
        series: the highest value, and the first.
        """

    def horizon(self, resolution: Resolution) -> int:
        """The milliseconds of the past that a resolution keeps at least; what is older must be asked of a coarser."""
