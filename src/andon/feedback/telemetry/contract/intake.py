"""Taking in: what a way in hands over, and what it is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from andon.feedback.telemetry.contract.logs import LogLine
from andon.feedback.telemetry.contract.metrics import Exemplar, Series
from andon.feedback.telemetry.contract.traces import Span

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Way(StrEnum):
    """The ways in, as drops and rates are counted by them."""

    STATSD = "statsd"
    OTLP = "otlp"
    REMOTE_WRITE = "remote_write"
    SCRAPE = "scrape"
    GRAPHITE = "graphite"
    JSON = "json"
    SYSLOG = "syslog"
    BROWSER = "browser"
    ROUTER = "router"
    HOST = "host"
    ANDON = "andon"
    """Andon's own: logs of jobs and instances, and what the pipeline tells of itself."""


class Dropped(StrEnum):
    """Why something was not taken in."""

    KERNEL = "kernel"
    """The kernel had no room left for datagrams."""
    FULL = "full"
    """More came than the store takes; whoever can be told was told."""
    DISK = "disk"
    """The disk has too little room left."""
    MALFORMED = "malformed"
    NOT_A_NUMBER = "not_a_number"
    """NaN or an infinity, where the way in has no meaning for them."""
    NAME = "name"
    """A name or a label that is empty, too long or not text."""
    TIME = "time"
    """Too far in the past or in the future."""
    CARDINALITY = "cardinality"
    """The service has as many series as it may have."""
    KIND = "kind"
    """The name is known as something else: a gauge that is sent as a counter."""
    TOO_LARGE = "too_large"


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one way in hands over at once: stored, and acknowledged, as one.

    ``ids``, ``times`` (ms) and ``values`` are as long as each other. ``series`` holds those that may be new to the
    store; naming one that is known costs a look-up.
    """

    way: Way
    series: Sequence[Series] = ()
    ids: NDArray[np.uint64] | Sequence[int] = ()
    times: NDArray[np.int64] | Sequence[int] = ()
    values: NDArray[np.float64] | Sequence[float] = ()
    exemplars: Sequence[Exemplar] = ()
    logs: Sequence[LogLine] = ()
    spans: Sequence[Span] = ()
    token: str = ""
    """Names this batch for ever: one that was stored already is not stored again. Empty for one that is sent once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What is on the disk now, and what is not and will not be."""

    samples: int = 0
    logs: int = 0
    spans: int = 0
    dropped: Mapping[Dropped, int] = field(default_factory=dict)
    disputed: frozenset[int] = frozenset()
    """Series of which nothing was stored, since the store knows them as another kind, or has no room to remember that
    they are too many. Whoever goes on sending them must go on naming them: a sample alone does not say what it is."""


class Intake(Protocol):
    """The door to the store for the ways in. Safe to use from every thread."""

    def take(self, batch: Batch) -> Future[Receipt]:
        """Hand over; the future is done once everything survives the end of this process.

        Raises :class:`~andon.kernel.errors.TooMany` with the seconds to wait when more waits than may (nothing of the
        batch was taken), :class:`~andon.kernel.errors.Unavailable` when the disk is full or the store does not
        answer. The future raises the same.
        """

    def drop(self, way: Way, why: Dropped, count: int = 1, *, service: str = "") -> None:
        """Count what was not taken in before it came this far."""

    def knows(self, series: int) -> bool:
        """Whether the store has this series: a way in may leave it out of its batch then."""
