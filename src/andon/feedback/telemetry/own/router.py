"""Rate, errors, duration and saturation of every service and version, as the router counts them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from andon.feedback.telemetry.contract.intake import Dropped, Intake, Way
from andon.feedback.telemetry.contract.moments import now_ms
from andon.feedback.telemetry.own import names
from andon.feedback.telemetry.own.names import Metric
from andon.feedback.telemetry.own.sampling import Recorder, Sheet
from andon.flow.environments.contract import Environments, SetId
from andon.flow.environments.contract.equipment import version_of
from andon.flow.routing.contract import Bucket, RouterStatistics, SetStatistics
from andon.kernel.db import Reading
from andon.kernel.errors import NotFound

EVERY = 5.0
_CLASSES = (2, 3, 4, 5)
"""Told of every set from the beginning: a first error has to show as one more than none."""


@dataclass(frozen=True, slots=True)
class Place:
    """Whose instances a set's are."""

    service: str
    environment: str
    version: str


class Places:
    """Sets by id, remembered: neither service nor version of one ever changes."""

    def __init__(self, environments: Environments, reading: Callable[[], AbstractContextManager[Reading]]) -> None:
        self._environments, self._reading = environments, reading
        self._known: dict[SetId, Place | None] = {}

    def of(self, sets: Iterable[SetId]) -> dict[SetId, Place]:
        """Those that there are."""
        wanted = set(sets)
        unknown = wanted - self._known.keys()
        if unknown:
            if len(self._known) > 10_000:
                self._known.clear()
                unknown = wanted
            with self._reading() as reading:
                for one in unknown:
                    self._known[one] = self._look(reading, one)
        return {one: place for one in wanted if (place := self._known[one]) is not None}

    def _look(self, reading: Reading, one: SetId) -> Place | None:
        try:
            found = self._environments.set(reading, one)
        except NotFound:
            return None
        return Place(found.service, found.environment, version_of(found.commit))


class RouterMetrics:
    """Counters are the router's own, one series a set: they begin anew when it does, and when there is a new set of the
    same version. ``statistics`` is :meth:`andon.flow.routing.contract.Router.statistics`."""

    def __init__(
        self,
        intake: Intake,
        *,
        statistics: Callable[[], RouterStatistics | None],
        places: Places,
        now: Callable[[], int] = now_ms,
    ) -> None:
        self._intake = intake
        self._recorder = Recorder(intake, Way.ROUTER, now)
        self._statistics, self._places = statistics, places
        self._timed: dict[SetId, bool] | None = None
        """Of each set that there was the last time, whether its times were told."""
        self._before = 0
        self._failed_writes: int | None = None

    def round(self) -> None:
        found = self._statistics()
        if found is None:
            self._timed = None  # what it serves when it can be asked again may have been there for long
            return
        self._count_lost(found.failed_writes)
        places = self._places.of(one.set for one in found.sets)
        sheet = self._recorder.sheet()
        for one in found.sets:
            place = places.get(one.set)
            if place is None:
                continue
            labels = {
                "service": place.service,
                "environment": place.environment,
                "version": place.version,
                "set": one.set,
            }
            timed = None if self._timed is None else self._timed.get(one.set)
            # a set is told of with its first request, and its times some seconds later: the growth from nothing to here
            # is growth as well
            if self._timed is not None and timed is None:
                _count(sheet, SetStatistics(set=one.set), labels, self._before)
            if self._timed is not None and not timed:
                _time(sheet, [(bound, 0) for bound, _ in one.times], labels, self._before)
            _count(sheet, one, labels, sheet.now)
            _time(sheet, one.times, labels, sheet.now)
        self._timed = {one.set: bool(one.times) for one in found.sets}
        self._before = sheet.now
        self._recorder.record(sheet)

    def _count_lost(self, failed_writes: int) -> None:
        before, self._failed_writes = self._failed_writes, failed_writes
        if before is not None and failed_writes > before:
            self._intake.drop(Way.ROUTER, Dropped.FULL, failed_writes - before)


def _count(sheet: Sheet, one: SetStatistics, labels: dict[str, str], at: int) -> None:
    for code in sorted({*_CLASSES, *one.answers}):
        sheet.add(names.REQUESTS, one.answers.get(code, 0), {**labels, "code_class": f"{code}xx"}, at=at)
    plain: tuple[tuple[Metric, int], ...] = (
        (names.REQUESTS_ACTIVE, one.active),
        (names.REQUESTS_PENDING, one.pending),
        (names.CONNECTIONS, one.connections),
        (names.CONNECT_FAILURES, one.connection_failures),
        (names.RETRIES, one.retried),
        (names.TIMEOUTS, one.timed_out),
        (names.REFUSED, one.overflowed),
    )
    for metric, value in plain:
        sheet.add(metric, value, labels, at=at)


def _time(sheet: Sheet, times: Sequence[Bucket], labels: dict[str, str], at: int) -> None:
    if not times:
        return
    for bound, count in times:
        sheet.add(names.DURATION_BUCKET, count, {**labels, "le": f"{bound / 1000:g}"}, at=at)
    total = times[-1][1]
    sheet.add(names.DURATION_BUCKET, total, {**labels, "le": "+Inf"}, at=at)
    sheet.add(names.DURATION_COUNT, total, labels, at=at)
    sheet.add(names.DURATION_SUM, estimated_sum(times), labels, at=at)


def estimated_sum(times: Sequence[Bucket]) -> float:
    """Seconds, each request counted with the middle of its bucket: the router tells no sum."""
    total, below, before = 0.0, 0.0, 0
    for bound, count in times:
        total += (count - before) * (below + bound) / 2
        below, before = bound, count
    return total / 1000
