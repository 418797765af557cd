"""Telemetry about telemetry: what came in, what did not and why, and what all of Andon takes to run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from heapq import nlargest
from operator import itemgetter

import psutil

from andon.feedback.telemetry.contract.intake import Intake, Way
from andon.feedback.telemetry.contract.moments import now_ms
from andon.feedback.telemetry.own import names
from andon.feedback.telemetry.own.names import Metric
from andon.feedback.telemetry.own.sampling import Recorder, Sheet
from andon.feedback.telemetry.store.drops import Counts
from andon.feedback.telemetry.store.engine import Engine
from andon.kernel.titles import role_of

EVERY = 10.0
_TABLES_SECONDS = 60.0
_MOST_SERVICES = 1000
"""Whose series are told of one by one, those with the most first: names of services may be made up without end."""


@dataclass(frozen=True, slots=True)
class TableSize:
    bytes: int
    rows: int


def table_sizes(engine: Engine) -> Mapping[str, TableSize]:
    """What each table of the store takes on the disk. Raises ``Unavailable``."""
    rows = engine.rows(
        "SELECT table, sum(bytes_on_disk), sum(rows) FROM system.parts WHERE active AND database = currentDatabase() "
        "GROUP BY table"
    )
    return {str(table): TableSize(int(str(size)), int(str(count))) for table, size, count in rows}


def role_processes(parent: int | None = None) -> Mapping[str, int]:
    """Andon's processes by role: those that the nursery (this one's parent) has forked, itself, and the supervisor."""
    nursery = os.getppid() if parent is None else parent
    found: dict[str, int] = {}
    try:
        above = psutil.Process(nursery)
        for child in above.children():
            if (role := _role(child)) is not None:
                found[role] = child.pid
        if found:
            found |= {"nursery": nursery, "supervisor": above.ppid()}
    except psutil.Error:
        return {"telemetry": os.getpid()}
    return found or {"telemetry": os.getpid()}


def _role(process: psutil.Process) -> str | None:
    try:
        return role_of(process.cmdline())
    except psutil.Error:
        return None


@dataclass(slots=True)
class TelemetryItself:
    """``counts`` is :meth:`andon.feedback.telemetry.store.drops.Drops.counts`, ``series`` that of the book, ``waiting``
    the cells that are yet to be written, ``processes`` answers process ids by role, ``tables`` the sizes of tables."""

    intake: Intake
    counts: Callable[[], Counts]
    series: Callable[[], Mapping[str, int]]
    waiting: Callable[[], int]
    processes: Callable[[], Mapping[str, int]] = role_processes
    tables: Callable[[], Mapping[str, TableSize]] | None = None
    now: Callable[[], int] = now_ms
    _recorder: Recorder = field(init=False)
    _before: int = field(init=False)
    _told: set[tuple[Metric, frozenset[tuple[str, str]]]] = field(default_factory=set, init=False)
    """Counters that a round has told of. One that is new was nothing at the round before: that growth is growth too."""
    _tables_at: float = field(default=float("-inf"), init=False)

    def __post_init__(self) -> None:
        self._recorder = Recorder(self.intake, Way.ANDON, self.now)
        self._before = self.now()

    def round(self) -> None:
        """Raises ``Unavailable`` when the store cannot say how large it is; everything else has been told then."""
        sheet = self._recorder.sheet()
        self._tell_traffic(sheet)
        for role, pid in self.processes().items():
            _tell_process(sheet, role, pid)
        self._recorder.record(sheet)
        now = time.monotonic()
        if self.tables is not None and now - self._tables_at >= _TABLES_SECONDS:
            sheet = self._recorder.sheet()
            for table, size in self.tables().items():
                sheet.add(names.TABLE_BYTES, size.bytes, {"table": table})
                sheet.add(names.TABLE_ROWS, size.rows, {"table": table})
            self._tables_at = now
            self._recorder.record(sheet)

    def _tell_traffic(self, sheet: Sheet) -> None:
        counts = self.counts()
        for kind, by_way in (("samples", counts.samples), ("logs", counts.logs), ("spans", counts.spans)):
            for way, count in by_way.items():
                if count:  # most ways bring one kind alone
                    self._count(sheet, names.RECEIVED, count, {"way": way.value, "kind": kind})
        for (way, why, service), count in counts.dropped.items():
            self._count(sheet, names.DROPPED, count, {"way": way.value, "reason": why.value, "service": service})
        self._before = sheet.now
        for service, count in nlargest(_MOST_SERVICES, self.series().items(), key=itemgetter(1)):
            sheet.add(names.SERIES_TODAY, count, {"service": service})
        sheet.add(names.WAITING, self.waiting(), {})

    def _count(self, sheet: Sheet, metric: Metric, count: float, labels: Mapping[str, str]) -> None:
        counter = (metric, frozenset(labels.items()))
        if counter not in self._told and self._before < sheet.now:
            sheet.add(metric, 0, labels, at=self._before)
        self._told.add(counter)
        sheet.add(metric, count, labels)


def _tell_process(sheet: Sheet, role: str, pid: int) -> None:
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            times, memory = process.cpu_times(), process.memory_info().rss
    except psutil.Error:
        return  # it has ended since
    sheet.add(names.PROCESS_CPU, times.user + times.system, {"role": role})
    sheet.add(names.PROCESS_MEMORY, memory, {"role": role})
