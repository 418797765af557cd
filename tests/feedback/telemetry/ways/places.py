"""The ways in, open on loopback, with an intake in memory behind them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx

from andon.feedback.telemetry.memory_intake import MemoryIntake
from andon.feedback.telemetry.ways.doors.application import Admits, WaysIn
from andon.feedback.telemetry.ways.doors.http import HttpDoor
from andon.feedback.telemetry.ways.doors.listening import Tcp
from andon.feedback.telemetry.ways.doors.requests import Route
from andon.feedback.telemetry.ways.gathering import Window

DAY = 86_400_000
NOW = time.time_ns() // 1_000_000 // DAY * DAY + DAY // 2
"""Milliseconds; what every test means by now: noon of today."""


def window(kept: int = 7 * DAY) -> Window:
    return Window(lambda: kept, lambda: NOW)


@contextmanager
def opened(
    make: Callable[[MemoryIntake, Window, ThreadPoolExecutor], Sequence[Route]],
    intake: MemoryIntake,
    admits: Admits | None = None,
) -> Iterator[httpx.Client]:
    """A client of a door with these routes."""
    with ThreadPoolExecutor(2) as executor:
        door = HttpDoor(WaysIn(make(intake, window(), executor), executor))
        door.start()
        try:
            where = door.listen(Tcp(port=0, setting="telemetry.http_port", admits=admits))
            with httpx.Client(base_url=f"http://{where}", timeout=60, trust_env=False) as client:
                yield client
        finally:
            door.stop()


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for it, generously."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.01)
