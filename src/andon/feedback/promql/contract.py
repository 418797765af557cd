"""What others may know of PromQL: how it is asked, what it answers, and how it refuses."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from andon.feedback.telemetry.contract.metrics import Labels, Matcher, Sight
from andon.kernel.errors import Invalid, Unavailable

if TYPE_CHECKING:  # the command line reads contracts and has no use for numpy
    import numpy as np
    from numpy.typing import NDArray

LOOKBACK = 5 * 60_000
"""Milliseconds for which a sample stands for its series when none follows it, as in Prometheus."""
MOST_STEPS = 11_000
"""Points a series of a range query may have, as in Prometheus."""
PATIENCE = 60.0
"""Seconds that a question may take unless it is told otherwise."""


class Dialect(StrEnum):
    """Whose rules are followed where two generations of Prometheus disagree.

    Windows and the lookback include their left edge in Prometheus 2 and do not in Prometheus 3; a counter is
    extrapolated to zero at most, which version 2 weighs before and version 3 after the distance to the window's edge;
    version 3 drops the name of ``atan2`` and answers NaN for the deviation of a single NaN or infinity.
    """

    PROMETHEUS_2 = "prometheus 2"
    PROMETHEUS_3 = "prometheus 3"

    @property
    def includes_left_edge(self) -> bool:
        return self is Dialect.PROMETHEUS_2


class BadQuery(Invalid):
    """The query or one of its parameters cannot be understood: Prometheus' ``bad_data``."""

    code = "andon.promql.bad_data"


class QueryFailed(Invalid):
    """The query was understood and cannot be answered: Prometheus' ``execution``."""

    code = "andon.promql.execution"
    status = 422


class QueryTimeout(Unavailable):
    """The query takes longer than it may: Prometheus' ``timeout``."""

    code = "andon.promql.timeout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One series of an answer. ``labels`` are sorted and hold ``__name__`` where the answer has one; ``times`` (ms) and
    ``values`` are as long as each other, and times grow."""

    labels: Labels
    times: NDArray[np.int64]
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Matrix:
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    labels: Labels
    time: int
    value: float


@dataclass(frozen=True, slots=True)
class Vector:
    """In the order of ``sort`` and ``topk`` where the query ends with one."""

    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    time: int
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class String:
    time: int
    value: str


Answer = Matrix | Vector | Scalar | String


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Series that a query reads."""

    matchers: tuple[Matcher, ...]
    measured: bool
    """Whether what the query answers can be compared with a single one of their observations: a quantile of durations
    can be, a rate of requests cannot."""
    moved: bool
    """Whether they are read at another time than the answer's: ``offset``, ``@``."""


class Questions(Protocol):
    """PromQL over everything that ``sight`` may see.

    Both raise :class:`BadQuery`, :class:`QueryFailed` and :class:`QueryTimeout`, and
    :class:`~andon.kernel.errors.Unavailable` when the store does not answer.
    """

    def instant(
        self, query: str, at_ms: int, *, sight: Sight, lookback_ms: int = LOOKBACK, timeout: float = PATIENCE
    ) -> Answer:
        """The answer at one moment; a range selector alone answers its samples. ``timeout`` is in seconds."""

    def range(
        self,
        query: str,
        start_ms: int,
        end_ms: int,
        step_ms: int,
        *,
        sight: Sight,
        lookback_ms: int = LOOKBACK,
        timeout: float = PATIENCE,
    ) -> Matrix:
        """The answers at ``start``, ``start + step`` and so on up to ``end``; sorted by labels."""

    def sources(self, query: str) -> tuple[Source, ...]:
        """What the query reads; nothing is asked of the store."""
