"""Samples by the minute and by the hour: what a graph of a month is drawn from, and what is left of old ones.

Every few minutes what has been closed for a while is rolled up, from where the last pass came to: a pass that was cut
short is done again, and its rows replace those that were there (``version``). Samples that come for minutes that are
rolled up already are noted down before they are written, and their minutes are rolled again by the next pass.

``increase`` counts from the last sample before the bucket; one older than :data:`LOOKBACK_MS` may go unnoticed.
Buckets are ``[k, k + 1)`` minutes or hours and bear the time of their end; NaN is left out. ``sum`` and ``count`` of
what was sent twice for one millisecond count it twice.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from andon.feedback.telemetry.contract.metrics import Resolution
from andon.feedback.telemetry.contract.moments import now_ms
from andon.feedback.telemetry.store.engine import Engine, StoreError
from andon.feedback.telemetry.store.schema import DAY_MS
from andon.kernel.errors import AndonError

MINUTE_MS: Final = Resolution.MINUTE.milliseconds
HOUR_MS: Final = Resolution.HOUR.milliseconds
LOOKBACK_MS: Final = HOUR_MS
"""How long a counter may be silent for its next sample to be counted from the last one."""
EVERY_SECONDS: Final = 600.0
"""A pass reads the whole parts in which its minutes lie, so ten minutes at once cost what one does."""
GRACE_MS: Final = 90_000
"""How long a minute stays open for samples that are under way."""
TABLES: Final[Mapping[Resolution, str]] = {Resolution.MINUTE: "samples_minute", Resolution.HOUR: "samples_hour"}

_ROWS_AT_ONCE = 4_000_000
"""Raw samples that one statement holds in memory: some 300 MB."""
_AT_ONCE_MS = {Resolution.MINUTE: 6 * HOUR_MS, Resolution.HOUR: DAY_MS}
_LATE = "late:"
_NEVER = 2**62
_COLUMNS = "(series, time, level, count, sum, min, max, first, last, increase, version)"

_MINUTES = f"""
INSERT INTO samples_minute {_COLUMNS}
SELECT series, (intDiv(time, {MINUTE_MS}) + 1) * {MINUTE_MS} AS bucket, argMax(level, time), count(), sum(value),
    min(value), max(value), argMin(value, time), argMax(value, time), sum(step), {{version:UInt64}}
FROM (
    SELECT series, level, time, value,
        lagInFrame(value, 1, nan) OVER (
            PARTITION BY series ORDER BY time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS before,
        value - if(value < before, 0, before) AS gained, if(isFinite(gained), gained, 0) AS step
    FROM (
        SELECT series, level, time, value FROM samples
        WHERE time >= {{since:Int64}} AND time < {{until:Int64}}
            AND series BETWEEN {{first:UInt64}} AND {{last:UInt64}} AND NOT isNaN(value)
        UNION ALL
        SELECT series, argMax(level, time) AS level, {{since:Int64}} - 1 AS time,
            argMax(last, (samples_minute.time, version)) AS value
        FROM samples_minute
        WHERE samples_minute.time > {{since:Int64}} - {LOOKBACK_MS} AND samples_minute.time <= {{since:Int64}}
            AND series BETWEEN {{first:UInt64}} AND {{last:UInt64}}
        GROUP BY series
    )
)
WHERE time >= {{since:Int64}}
GROUP BY series, bucket
"""

_HOURS = f"""
INSERT INTO samples_hour {_COLUMNS}
SELECT series, (intDiv(time - 1, {HOUR_MS}) + 1) * {HOUR_MS} AS bucket, argMax(level, time), sum(count), sum(sum),
    min(min), max(max), argMin(first, time), argMax(last, time), sum(increase), {{version:UInt64}}
FROM samples_minute FINAL
WHERE time > {{since:Int64}} AND time <= {{until:Int64}} AND series BETWEEN {{first:UInt64}} AND {{last:UInt64}}
GROUP BY series, bucket
"""

_COUNT = {
    Resolution.MINUTE: "SELECT count() FROM samples WHERE time >= {since:Int64} AND time < {until:Int64}",
    Resolution.HOUR: "SELECT count() FROM samples_minute WHERE time > {since:Int64} AND time <= {until:Int64}",
}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """What one pass did. ``late`` is how many days had minutes that were rolled again."""

    minutes_until: int
    hours_until: int
    late: int


def rolled_until(engine: Engine) -> dict[Resolution, int]:
    """The milliseconds up to which (not including them) samples are in the roll-ups."""
    marks = _marks(engine)
    return {one: marks.get(one.value, 0) for one in TABLES}


def late_days(engine: Engine) -> dict[int, int]:
    """By day (since 1970), the least time of samples that came after their minute was rolled up."""
    return {int(name[len(_LATE) :]): least for name, least in _marks(engine).items() if name.startswith(_LATE)}


class Rollups:
    """One for a store, beside its writer. ``now`` answers milliseconds."""

    def __init__(
        self,
        engine: Engine,
        now: Callable[[], int] = now_ms,
        *,
        grace: int = GRACE_MS,
        every: float = EVERY_SECONDS,
    ) -> None:
        self._engine, self._now, self._grace, self._every = engine, now, grace, every
        self._turn = threading.Condition()
        self._writers = 0
        self._beginning = False
        self._noted: dict[int, int] = {}
        self._closed = rolled_until(engine)[Resolution.MINUTE]
        # of what an earlier life wrote, whose clock may have been ahead: only what is newer replaces it
        ((newest,),) = engine.rows("SELECT max(version) FROM rolled_until")
        self._version = int(str(newest))
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="telemetry roll-ups", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """After the window that is being rolled up."""
        self._stopping.set()
        self._thread.join()

    @contextmanager
    def writing(self, times: NDArray[np.int64]) -> Iterator[None]:
        """Around the writing of samples with these times: a pass begins before or after it, and knows of late ones.

        Several may write at once.
        """
        with self._turn:
            self._turn.wait_for(lambda: not self._beginning)
            if times.size and int(times.min()) < self._closed:
                self._note(times[times < self._closed])
            self._writers += 1
        try:
            yield
        finally:
            with self._turn:
                self._writers -= 1
                self._turn.notify_all()

    def roll(self) -> Pass:
        """One pass. Raises ``Unavailable`` or ``StoreError``; what was done by then stays done."""
        until = (self._now() - self._grace) // MINUTE_MS * MINUTE_MS
        begun, late = self._begin(until)
        done = rolled_until(self._engine)
        for day, least in sorted(late.items()):
            self._again(day, least, done)
            if self._stopping.is_set():  # perhaps in its midst: the next life does it again
                break
            self._mark(f"{_LATE}{day}", _NEVER, begun)
        minutes = self._forward(Resolution.MINUTE, done[Resolution.MINUTE], until)
        hours = self._forward(Resolution.HOUR, done[Resolution.HOUR], minutes // HOUR_MS * HOUR_MS)
        return Pass(minutes_until=minutes, hours_until=hours, late=len(late))

    def _begin(self, until: int) -> tuple[int, dict[int, int]]:
        """Its version, and what was late. Whatever is written from here on to what the pass reads is late."""
        with self._turn:
            self._beginning = True
            try:
                self._turn.wait_for(lambda: not self._writers)
                begun, late = self._next_version(), late_days(self._engine)
                self._noted = {}
                self._closed = max(self._closed, until)
            finally:
                self._beginning = False
                self._turn.notify_all()
        return begun, late

    def _again(self, day: int, least: int, done: Mapping[Resolution, int]) -> None:
        for one in TABLES:
            width = one.milliseconds
            # the sample after a late one counts from it
            until = min((day + 1) * DAY_MS + LOOKBACK_MS, done[one])
            since = least // width * width
            while since < until and not self._stopping.is_set():
                upto = min(since + _AT_ONCE_MS[one], until)
                self._window(one, since, upto)
                since = upto

    def _forward(self, resolution: Resolution, done: int, until: int) -> int:
        """Roll up from where the last pass came to; days without samples are passed over."""
        for day in self._days(resolution):
            if day * DAY_MS >= until:
                break
            done = max(done, day * DAY_MS)
            while done < min(until, (day + 1) * DAY_MS):
                if self._stopping.is_set():
                    return done
                upto = min(done + _AT_ONCE_MS[resolution], until, (day + 1) * DAY_MS)
                some = self._window(resolution, done, upto)
                done = upto
                if some:
                    self._mark(resolution.value, done, self._next_version())
        self._mark(resolution.value, done, self._next_version())
        return done

    def _days(self, resolution: Resolution) -> list[int]:
        """Those with samples, from the names of partitions: no row is read."""
        table, length = ("samples", 1) if resolution is Resolution.MINUTE else ("samples_minute", 30)
        rows = self._engine.rows(
            "SELECT DISTINCT toInt64OrZero(splitByChar('-', partition_id)[-1]) AS day FROM system.parts "
            "WHERE database = currentDatabase() AND table = {table:String} AND active ORDER BY day",
            {"table": table},
        )
        # a roll-up's time is its bucket's end: the first of a partition can hold the last of the day before
        return sorted({int(str(first)) * length + more for (first,) in rows for more in range(-1, length)})

    def _window(self, resolution: Resolution, since: int, until: int) -> bool:
        """Whether there was anything to roll up."""
        ((count,),) = self._engine.rows(_COUNT[resolution], {"since": since, "until": until})
        slices = math.ceil(int(str(count)) / _ROWS_AT_ONCE)
        width = 2**64 // max(1, slices) + 1
        version = self._next_version()
        for place in range(slices):
            self._engine.command(
                _MINUTES if resolution is Resolution.MINUTE else _HOURS,
                {
                    "since": since,
                    "until": until,
                    "first": place * width,
                    "last": min((place + 1) * width, 2**64) - 1,
                    "version": version,
                },
                max_threads=1,
            )
        return slices > 0

    def _note(self, times: NDArray[np.int64]) -> None:
        days = times // DAY_MS
        for day in np.unique(days).tolist():
            least = int(times[days == day].min())
            if least < self._noted.get(day, _NEVER):
                known = late_days(self._engine).get(day, _NEVER)
                self._mark(f"{_LATE}{day}", min(least, known), self._next_version())
                self._noted[day] = least

    def _mark(self, name: str, until: int, version: int) -> None:
        self._engine.command(
            "INSERT INTO rolled_until SELECT {name:String}, {until:Int64}, {version:UInt64}",
            {"name": name, "until": until, "version": version},
        )

    def _next_version(self) -> int:
        self._version = max(self._version + 1, time.time_ns())
        return self._version

    def _work(self) -> None:
        while not self._stopping.wait(self._every):
            try:
                self.roll()
            except (AndonError, StoreError) as error:
                _log.warning("roll-ups go on in %d s: %s", self._every, error)
            except Exception:  # noqa: BLE001 - logged whole: without roll-ups nothing old is ever dropped
                _log.exception("roll-ups go on in %d s", self._every)


def _marks(engine: Engine) -> dict[str, int]:
    rows = engine.rows("SELECT resolution, argMax(until, version) FROM rolled_until GROUP BY resolution")
    found = {str(name): int(str(until)) for name, until in rows}
    return {name: until for name, until in found.items() if until != _NEVER}
