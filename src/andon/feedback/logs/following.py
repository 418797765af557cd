"""New lines for those who follow a search: so many at a time, each in a thread that does nothing else."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from anyio import CapacityLimiter, to_thread

from andon.feedback.telemetry.contract.logs import LogLine, LogQuery, LogStore
from andon.feedback.telemetry.contract.metrics import Sight
from andon.kernel.errors import TooMany

IN_ALL = 32
PER_CALLER = 4
LONGEST_SECONDS = 1800.0
"""Of one stream; whoever goes on after it asks again, and is looked at again."""
LATELY_US = 15 * 60 * 1_000_000
"""A line is told of though it was said this long ago."""
_LOOK_SECONDS = 15.0


class Tails:
    """Open streams. ``end`` lets all of them end within a second."""

    def __init__(self, logs: LogStore) -> None:
        self._logs = logs
        self._limiter: CapacityLimiter | None = None
        self._open: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._ending = threading.Event()

    def end(self) -> None:
        self._ending.set()

    @property
    def open(self) -> int:
        return self._open.total()

    def check_room(self, door: str) -> None:
        """Raises :class:`TooMany`; ``door`` is one caller's session or token."""
        if self._open[door] >= PER_CALLER or self._open.total() >= IN_ALL:
            raise TooMany(
                "Too many searches are followed at once.",
                safe="The lines are kept: the search finds them.",
                remedy="Close some of the windows that follow.",
                retry_after=5.0,
            )

    async def batches(
        self, query: LogQuery, sight: Sight, door: str, still: Callable[[], bool], since: int = 0
    ) -> AsyncGenerator[tuple[LogLine, ...], None]:
        """New lines as they come, oldest first, and an empty batch at least once a second. Begins with what was said
        from ``since`` (microseconds) on. ``still`` is asked from time to time whether to go on.

        Raises ``Unavailable`` when the store does not answer.
        """
        limiter = self._limiter = self._limiter or CapacityLimiter(IN_ALL)
        with self._entered(door):
            news = self._logs.follow(query, sight=sight)
            first = await to_thread.run_sync(_next, news, limiter=limiter)
            told = _Told()
            if since:
                missed = replace(query, start=since, end=2**62)
                found = await to_thread.run_sync(lambda: self._logs.search(missed, sight=sight), limiter=limiter)
                told = _Told(found.lines)
                yield found.lines[::-1]
            yield told.new(first)
            begun = looked = time.monotonic()
            while not self._ending.is_set():
                yield told.new(await to_thread.run_sync(_next, news, limiter=limiter))
                now = time.monotonic()
                if now - looked > _LOOK_SECONDS:
                    looked = now
                    if now - begun > LONGEST_SECONDS or not await to_thread.run_sync(still, limiter=limiter):
                        return

    @contextmanager
    def _entered(self, door: str) -> Iterator[None]:
        with self._lock:
            self._open[door] += 1
        try:
            yield
        finally:
            with self._lock:
                self._open[door] -= 1
                if not self._open[door]:
                    del self._open[door]


class _Told:
    """What came while it was searched for what was missed is among what was found, and comes as new once more."""

    def __init__(self, lines: Iterable[LogLine] = ()) -> None:
        self._at: dict[int, list[LogLine]] = {}
        for one in lines:
            self._at.setdefault(one.time, []).append(one)

    def new(self, lines: tuple[LogLine, ...]) -> tuple[LogLine, ...]:
        return tuple(one for one in lines if not self._was_told(one))

    def _was_told(self, line: LogLine) -> bool:
        known = self._at.get(line.time, [])
        if line not in known:
            return False
        known.remove(line)
        return True


def _next(news: Iterator[tuple[LogLine, ...]]) -> tuple[LogLine, ...]:
    return next(news, ())
