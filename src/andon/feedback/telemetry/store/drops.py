"""What came in and what did not, by way and reason, since this process began: Andon's own metrics about telemetry."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from andon.feedback.telemetry.contract.intake import Dropped, Way

_MOST_SERVICES = 1000


@dataclass(frozen=True, slots=True)
class Counts:
    """A moment's reading. Counters only grow."""

    samples: Mapping[Way, int] = field(default_factory=dict)
    logs: Mapping[Way, int] = field(default_factory=dict)
    spans: Mapping[Way, int] = field(default_factory=dict)
    dropped: Mapping[tuple[Way, Dropped, str], int] = field(default_factory=dict)
    """By way, reason and service (empty where the service is not known)."""


class Drops:
    """Safe to use from every thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._samples: Counter[Way] = Counter()
        self._logs: Counter[Way] = Counter()
        self._spans: Counter[Way] = Counter()
        self._dropped: Counter[tuple[Way, Dropped, str]] = Counter()

    def add(self, way: Way, why: Dropped, count: int = 1, *, service: str = "") -> None:
        with self._lock:
            key = (way, why, service)
            if key not in self._dropped and len(self._dropped) >= _MOST_SERVICES:
                key = (way, why, "")
            self._dropped[key] += count

    def add_series(
        self, way: Way, dropped: Mapping[Dropped, int], ids: NDArray[np.uint64], services: Mapping[int, str]
    ) -> None:
        """Samples of refused series. Whose they were is known where the batch named them."""
        named = Counter(services.get(int(one), "") for one in ids[:10_000])
        service = named.most_common(1)[0][0] if named else ""
        for why, count in dropped.items():
            self.add(way, why, count, service=service)

    def took(self, way: Way, *, samples: int = 0, logs: int = 0, spans: int = 0) -> None:
        with self._lock:
            self._samples[way] += samples
            self._logs[way] += logs
            self._spans[way] += spans

    def counts(self) -> Counts:
        with self._lock:
            return Counts(dict(self._samples), dict(self._logs), dict(self._spans), dict(self._dropped))
