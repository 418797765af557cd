"""Time, as a port: the wall clock never runs backwards within a process."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The present moment, in UTC, never earlier than an earlier answer of the same clock."""
        ...


class SystemClock:
    """The machine's clock; when the machine sets it back, time stands still here until it has caught up."""

    def __init__(self) -> None:
        self._last = datetime.fromtimestamp(0, UTC)
        self._guard = threading.Lock()

    def now(self) -> datetime:
        present = datetime.fromtimestamp(time.time(), UTC)
        with self._guard:
            self._last = max(self._last, present)
            return self._last


class SettableClock:
    """A clock that stands still until it is moved; ships for tests of whatever depends on time."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime(2026, 1, 5, 9, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


def seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    """Seconds from ``start`` to ``end``, never negative; ``None`` when either is unknown."""
    if start is None or end is None:
        return None
    return max(0.0, (end - start).total_seconds())
