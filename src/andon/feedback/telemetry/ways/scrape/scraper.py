"""Asks targets for their metrics, each at its own moment of the interval."""

from __future__ import annotations

import logging
import threading
import time
import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from andon.feedback.telemetry.contract.intake import Dropped, Intake, Receipt, Way
from andon.feedback.telemetry.contract.metrics import SERVICE, Kind, Series, label_name, metric_name
from andon.feedback.telemetry.ways.gathering import Gathering, Window, hand_over, make_series
from andon.feedback.telemetry.ways.kinds import kind_by_families
from andon.feedback.telemetry.ways.known import Known
from andon.feedback.telemetry.ways.remote_write.decoding import exemplar_of
from andon.feedback.telemetry.ways.scrape.exposition import Families, family_of, samples, series_of
from andon.feedback.telemetry.ways.scrape.target import Asking, Failed, Page, Target
from andon.feedback.telemetry.ways.stale import STALE
from andon.kernel.errors import TooMany, Unavailable

INTERVAL, TIMEOUT = 15.0, 10.0
MOST_BYTES = 16 * 1024**2
MOST_SAMPLES = 200_000
"""Of one scrape; a page with more is not taken at all, as Prometheus' ``sample_limit`` has it."""
_AT_ONCE = 8
_TICK = 0.1

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Kept:
    """What is remembered of a target from one scrape to the next."""

    target: Target
    next: float
    known: Known[int]
    last: dict[int, None] = field(default_factory=dict)
    """The series of the last scrape, without those that had times of their own."""
    up: bool | None = None
    error: str = ""
    asking: Asking | None = None
    busy: bool = False


class Scraper:
    """``targets`` is asked before each round which there are; it may be called from a thread of the scraper's.

    Makes ``up``, ``scrape_duration_seconds`` and ``scrape_samples_scraped`` for each. A series that a page no longer
    has, and all of a target that does not answer or is no longer one, are marked as ended.
    """

    def __init__(
        self,
        intake: Intake,
        window: Window,
        targets: Callable[[], Iterable[Target]],
        *,
        interval: float = INTERVAL,
        timeout: float = TIMEOUT,
        limit: int = MOST_BYTES,
    ) -> None:
        self._intake, self._window, self._targets = intake, window, targets
        self._interval, self._timeout, self._limit = interval, min(timeout, interval), limit
        self._kept: dict[tuple[object, ...], _Kept] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="telemetry scraper", daemon=True)
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="telemetry scrape")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        for one in self._snapshot():
            if one.asking is not None:
                one.asking.give_up()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def states(self) -> tuple[tuple[Target, bool | None, str], ...]:
        """Each target, whether it answered last (``None``: not asked yet), and what was wrong."""
        return tuple((one.target, one.up, one.error) for one in self._snapshot())

    def scrape(self, target: Target) -> bool:
        """Ask one target now; whether it answered. What it gave is on its way to the store."""
        return self._scrape(self._keep(target))

    def _snapshot(self) -> list[_Kept]:
        with self._lock:
            return list(self._kept.values())

    def _keep(self, target: Target) -> _Kept:
        with self._lock:
            found = self._kept.get(target.key)
            if found is None:
                # a moment of the interval that stays the same when we begin anew: samples keep their distance
                offset = zlib.crc32(repr(target.key).encode()) / 2**32 * self._interval
                now = time.monotonic()
                due = now - (time.time() % self._interval) + offset
                found = self._kept[target.key] = _Kept(
                    target,
                    due if due >= now else due + self._interval,
                    Known(self._intake.knows, most=MOST_SAMPLES * 2),
                )
            return found

    def _run(self) -> None:
        round_at = 0.0
        while not self._stopping.wait(_TICK):
            now = time.monotonic()
            if now >= round_at:
                round_at = now + min(self._interval, 5.0)
                self._round()
            for one in self._snapshot():
                if one.asking is not None and now > one.asking.deadline + 1:
                    one.asking.give_up()
                if not one.busy and now >= one.next:
                    one.busy = True
                    one.next += self._interval * max(1, int((now - one.next) // self._interval) + 1)
                    self._pool.submit(self._work, one)

    def _round(self) -> None:
        try:
            current = {target.key: target for target in self._targets()}
        except Unavailable as error:
            _log.warning("Which targets there are is not known now: %s", error)
            return
        for target in current.values():
            self._keep(target)
        with self._lock:
            gone = [key for key, one in self._kept.items() if key not in current and not one.busy]
            ended = [self._kept.pop(key) for key in gone]
        for one in ended:
            self._end(one)

    def _work(self, one: _Kept) -> None:
        try:
            if not self._stopping.is_set():
                self._scrape(one)
        except Exception:  # noqa: BLE001 - a defect of ours with one target must not end the scraping of it for ever
            _log.exception("A target was not scraped: %s", one.target.key)
        finally:
            one.busy = False

    def _scrape(self, one: _Kept) -> bool:
        began = time.monotonic()
        one.asking = Asking(one.target, self._timeout, self._limit)
        gathering = Gathering(Way.SCRAPE, self._window)
        count = 0
        try:
            page = one.asking.ask()
            gathering, seen, named, count = self._read(page, one)
            one.up, one.error = True, ""
        except Failed as error:
            one.up, one.error = False, str(error)
            seen, named = {}, {}
            if error.lost is not None:
                self._intake.drop(Way.SCRAPE, error.lost, service=one.target.labels.get(SERVICE, ""))
        finally:
            one.asking = None
        for id_ in one.last:
            if id_ not in seen:
                _append(gathering, id_, gathering.now, STALE)
        one.last = seen
        for name, value, unit in (
            ("up", float(one.up), ""),
            ("scrape_duration_seconds", time.monotonic() - began, "s"),
            ("scrape_samples_scraped", float(count), ""),
        ):
            self._own(gathering, name, one.target, value, unit)
        gathering.learned = partial(one.known.learn, named)
        self._give(gathering)
        return one.up

    def _end(self, one: _Kept) -> None:
        gathering = Gathering(Way.SCRAPE, self._window)
        for id_ in one.last:
            _append(gathering, id_, gathering.now, STALE)
        if one.up is not None:
            for name in ("up", "scrape_duration_seconds", "scrape_samples_scraped"):
                self._own(gathering, name, one.target, STALE, "")
        self._give(gathering)

    def _own(self, gathering: Gathering, name: str, target: Target, value: float, unit: str) -> None:
        series = make_series(name, target.labels, Kind.GAUGE, unit=unit)
        if series is not None:
            gathering.sample(series, gathering.now, value)

    def _read(self, page: Page, one: _Kept) -> tuple[Gathering, dict[int, None], dict[int, int], int]:
        """Raises :class:`Failed` for a page with too many samples."""
        while True:
            gathering = Gathering(Way.SCRAPE, self._window)
            known = one.known.at(gathering.now)
            families = Families()
            seen: dict[int, None] = {}
            named: dict[int, int] = {}
            count = looked_at = 0
            service = one.target.labels.get(SERVICE, "")
            for line in samples(page.text, families, openmetrics=page.openmetrics):
                looked_at += 1
                if looked_at > MOST_SAMPLES:
                    self._intake.drop(Way.SCRAPE, Dropped.TOO_LARGE, looked_at, service=service)
                    raise Failed(f"it has more than {MOST_SAMPLES:,} samples")
                if line is None:
                    gathering.drop(Dropped.MALFORMED, service=service)
                    continue
                count += 1
                told = hash(line.series)
                id_ = known.get(told) or named.get(told)
                if id_ is None:
                    series = _series(line.series, families, one.target)
                    if series is None:
                        gathering.drop(Dropped.NAME, service=service)
                        continue
                    id_ = named[told] = series.id
                    gathering.series[id_] = series
                when = gathering.now if line.time is None else line.time
                if not gathering.in_time(when):
                    gathering.drop(Dropped.TIME, service=service)
                    continue
                _append(gathering, id_, when, line.value)
                if line.time is None:
                    seen[id_] = None
                if line.exemplar is not None:
                    labels, value, at = line.exemplar
                    exemplar = exemplar_of(labels, value, at or when, id_)
                    if exemplar is not None and gathering.in_time(exemplar.time):
                        gathering.exemplars.append(exemplar)
            some = gathering.ids[:: len(gathering.ids) // 64 + 1]
            if one.known.still([id_ for id_ in some if id_ not in gathering.series]):
                return gathering, seen, named, count

    def _give(self, gathering: Gathering) -> None:
        def told(future: Future[Receipt]) -> None:
            if future.exception() is not None:
                self._intake.drop(Way.SCRAPE, Dropped.FULL, len(gathering.ids))

        try:
            hand_over(self._intake, gathering).add_done_callback(told)
        except TooMany:
            self._intake.drop(Way.SCRAPE, Dropped.FULL, len(gathering.ids))
        except Unavailable:
            self._intake.drop(Way.SCRAPE, Dropped.DISK, len(gathering.ids))


def _append(gathering: Gathering, id_: int, time_: int, value: float) -> None:
    gathering.ids.append(id_)
    gathering.times.append(time_)
    gathering.values.append(value)


def _series(text: str, families: Families, target: Target) -> Series | None:
    try:
        name, told = series_of(text)
    except ValueError:
        return None
    labels: dict[str, str] = {}
    for label, value in told.items():
        kept = label_name(label)
        labels[f"exported_{kept}" if target.labels.get(kept) else kept] = value
    labels.update(target.labels)
    family = family_of(name, families.types)
    return make_series(
        metric_name(name),
        labels,
        kind_by_families(families.types, name),
        unit=families.units.get(family, ""),
        help=families.helps.get(family, families.helps.get(name, "")),
        path=name,
    )
