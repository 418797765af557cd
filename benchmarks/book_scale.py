"""The scale of The DevOps Handbook's largest stories at once, on one machine, while dashboards are looked at.

CSG's 11,600 events a second as log records, and Etsy's 800,000 metrics every ten seconds as Prometheus writes them.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np
import psutil

from andon.feedback.telemetry.store.engine import over_socket
from andon.kernel.errors import Unavailable
from benchmarks.harness.dashboards import DAY, Looked
from benchmarks.harness.datagrams import cores
from benchmarks.harness.figures import Figure, Goal, percentile
from benchmarks.harness.installation import Andon, left_behind, until
from benchmarks.harness.machine import cpu_seconds
from benchmarks.harness.scale import BATCH, OF_A_NAME, Told, history, samples_door
from benchmarks.harness.telling import Options, Outcome, chosen, main
from benchmarks.harness.weather import Weather

SAMPLES = 80_000
EVENTS = 11_600
"""A second."""
SERIES = 800_000
INTERVAL = 10
SERVICES_WITH_LINES = 20
_WITHIN = 0.02
"""The part of its rate that a sender may be behind in the end."""

T = TypeVar("T", bound=msgspec.Struct)


class Way(msgspec.Struct):
    dropped: dict[str, float]


class Overview(msgspec.Struct):
    ways: list[Way]


def measure(options: Options, tell: Callable[[str], None]) -> Outcome:
    part = chosen(options, quick=10, full=1)
    seconds = chosen(options, quick=30, full=600)
    past = chosen(options, quick=20, full=100)
    series, samples, events = SERIES // part, SAMPLES / part, EVENTS / part
    outcome = Outcome()
    port = _free_port()
    with Andon(settings={"ANDON_TELEMETRY_OTLP_PORT": str(port)}) as andon:
        until((andon.data / "telemetry" / "state.json").exists, "telemetry listens")
        tell(f"a day of history for {past} series")
        _history(port, past, options.seed)
        tell(f"{series:,} series are named")
        writing = _Program("scale", "samples", port, samples, series, seconds, options.seed)
        logging = _Program("scale", "lines", port, events, SERVICES_WITH_LINES, seconds, options.seed)
        looking = _Program("dashboards", andon.address, series // BATCH, past, ANDON_TOKEN=andon.token)
        programs = (writing, logging, looking)
        try:
            writing.await_ready()
            logging.await_ready()
            tell(f"{seconds} s of {samples:,.0f} samples and {events:,.0f} records a second, with dashboards")
            process = _telemetry(andon)
            watch = _Watch(process)
            spent, web = cpu_seconds([process]), cpu_seconds([andon.role("web")])
            began = time.monotonic()
            with watch:
                for one in programs:
                    one.go()
                written, logged = writing.told(Told), logging.told(Told)
            took = time.monotonic() - began
            spent, web = cpu_seconds([process]) - spent, cpu_seconds([andon.role("web")]) - web
            looking.go()
            looked = looking.told(Looked)
        finally:
            for one in programs:
                one.end()
        tell("what is stored is counted")
        stored, lines = _stored(andon)
        _judge_rows(outcome, written, logged, stored - past * DAY // INTERVAL, lines, (series, samples, events))
        sizes = _bytes(andon)
        outcome.figures += [
            Figure(name="dropped, as telemetry counts it", value=_dropped(andon), unit="", goal=Goal(at_most=0)),
            *_looked(looked, outcome),
            *watch.figures(),
            Figure(name="telemetry process", value=spent / took, unit="cores", note="with merges and questions"),
            Figure(name="web process, share of a core", value=web / took * 100, unit="%"),
            Figure(
                name="senders, share of a core",
                value=(written.cpu + logged.cpu) / took * 100,
                unit="%",
                note="processes of their own, on the first core; Andon may use both",
            ),
            *(
                Figure(
                    name=f"{table} on disk",
                    value=sizes.get(table, 0) / 1e6,
                    unit="MB",
                    note=f"{sizes.get(table, 0) / max(rows, 1):.2f} B a row, as merged by then",
                )
                for table, rows in (("samples", stored), ("logs", lines))
            ),
            Figure(
                name="series named for the first time",
                value=series / written.naming,
                unit="/s",
                note=f"before all this, as fast as they are taken in: {written.naming:.0f} s",
            ),
        ]
        if not process.is_running():
            outcome.faults.append("the telemetry process ended on the way")
        folder = andon.folder
    outcome.faults += [f"left running: {one}" for one in left_behind(folder)]
    outcome.notes.append(
        f"{series:,} series in {series // BATCH} services, one sample each every {INTERVAL} s (benchmarks/harness/"
        f"weather.py), by remote write in requests of {BATCH:,}; log records by OTLP; default settings"
    )
    return outcome


def _judge_rows(
    outcome: Outcome, written: Told, logged: Told, samples: int, lines: int, wanted: tuple[int, float, float]
) -> None:
    series, rate, events = wanted
    for name, told, rows, first, asked in (
        ("samples", written, samples, series, rate),
        ("records", logged, lines, 0, events),
    ):
        outcome.figures += [
            Figure(
                name=f"{name} a second",
                value=(told.sent - first) / told.seconds,
                unit="/s",
                goal=Goal(at_least=round(asked * (1 - _WITHIN))),
                note=f"{told.late:.1f} s behind in the end, {told.again} requests sent again when asked to",
            ),
            Figure(
                name=f"{name} sent and not acknowledged",
                value=told.sent - told.acknowledged,
                unit="",
                goal=Goal(at_most=0),
                note=f"of {told.sent:,}",
            ),
            Figure(
                name=f"{name} acknowledged and not stored, or stored twice",
                value=abs(told.acknowledged - rows),
                unit="",
                goal=Goal(at_most=0),
                note=f"{rows:,} rows",
            ),
            Figure(
                name=f"{name}: request → acknowledged, p50",
                value=told.p50,
                unit="ms",
                note=f"p95 {told.p95:,.0f} ms, longest {told.longest:,.0f} ms",
            ),
        ]
        if told.refused:
            outcome.faults.append(f"{told.refused:,} {name} were refused: {told.why}")


def _looked(looked: Looked, outcome: Outcome) -> tuple[Figure, ...]:
    if looked.failed or looked.empty_graphs:
        outcome.faults.append(f"{looked.failed} questions failed ({looked.why}), {looked.empty_graphs} had no answer")
    return (
        Figure(
            name="one series, 24 h, 288 points, p50",
            value=percentile(looked.graphs, 50),
            unit="ms",
            note=f"over HTTP, {len(looked.graphs)} times, while all of it comes in",
        ),
        Figure(
            name="one series, 24 h, 288 points, p95",
            value=percentile(looked.graphs, 95),
            unit="ms",
            goal=Goal(at_most=50),
        ),
        Figure(
            name=f"a panel of {OF_A_NAME} series, 1 h, p50",
            value=percentile(looked.panels, 50),
            unit="ms",
            note=f"rates by zone, {len(looked.panels)} times, {looked.empty_panels} too early for a rate",
        ),
        Figure(name=f"a panel of {OF_A_NAME} series, 1 h, p95", value=percentile(looked.panels, 95), unit="ms"),
    )


class _Program:
    """One of the programs in the harness, on the first core."""

    def __init__(self, module: str, *words: object, **variables: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"benchmarks.harness.{module}", *map(str, words)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **variables},
        )
        os.sched_setaffinity(self._process.pid, cores()[:1])

    def await_ready(self) -> None:
        """Raises :class:`Unavailable`."""
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            raise Unavailable("A sender ended before it began.")

    def go(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def told(self, type_: type[T]) -> T:
        """What it says in the end. Raises :class:`Unavailable`."""
        assert self._process.stdout is not None
        said = self._process.stdout.read()
        if self._process.wait():
            raise Unavailable("A program of the benchmark failed.")
        return msgspec.json.decode(said, type=type_)

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()


@dataclass(slots=True)
class _Watch:
    """Looks at the memory of a process once a second."""

    process: psutil.Process
    every: float = 1.0
    resident: list[int] = field(default_factory=list)
    own: list[int] = field(default_factory=list)
    """Its proportional share of pages, less those of files: what nobody could take back."""
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> None:
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _look(self) -> None:
        rollup = Path(f"/proc/{self.process.pid}/smaps_rollup")
        while not self._over.wait(self.every):
            try:
                said = dict(line.split(None, 1) for line in rollup.read_text("ascii").splitlines()[1:])
            except OSError:
                return
            sizes = {name: int(size.split()[0]) * 1024 for name, size in said.items()}
            self.resident.append(sizes["Rss:"])
            self.own.append(sizes["Pss_Anon:"])

    def figures(self) -> tuple[Figure, ...]:
        quarter = max(1, len(self.own) // 4)
        third, last = self.own[-2 * quarter : -quarter], self.own[-quarter:]
        if not third or not last:
            return ()
        before, after = float(np.mean(third)), float(np.mean(last))
        return (
            Figure(name="telemetry process, resident, largest", value=max(self.resident) / 1e6, unit="MB"),
            Figure(
                name="of it anonymous (PSS), largest",
                value=max(self.own) / 1e6,
                unit="MB",
                goal=Goal(at_most=4096),
                note="2 GiB of it at most are the store's caches, questions and merges",
            ),
            Figure(
                name="its growth from the third to the last quarter",
                value=(after / before - 1) * 100,
                unit="%",
                goal=Goal(at_most=10),
                note=f"{before / 1e6:,.0f} → {after / 1e6:,.0f} MB on average; in the second quarter "
                f"{float(np.mean(self.own[quarter : 2 * quarter] or third)) / 1e6:,.0f} MB",
            ),
        )


def _history(port: int, series: int, seed: int) -> None:
    end = time.time_ns() // 1_000_000 // 10_000 * 10_000 - 60_000
    steps = DAY // INTERVAL
    values = np.concatenate([block.values for block in Weather(series, seed).blocks(0, steps)])
    times = [end - (steps - 1 - step) * INTERVAL * 1000 for step in range(steps)]
    door = samples_door(port)
    for number in range(series):
        sound, _, why = door.post(history(number, times, values[:, number].tolist()))
        if not sound:
            raise Unavailable(f"History was not taken in: {why}")


def _stored(andon: Andon) -> tuple[int, int]:
    store = over_socket(_door(andon))
    try:
        ((samples,),) = store.rows(
            "SELECT count() FROM samples WHERE series IN "
            "(SELECT id FROM series WHERE name LIKE 'scale_metric_%' AND startsWith(service, 'scale-'))"
        )
        ((lines,),) = store.rows("SELECT count() FROM logs WHERE startsWith(service, 'scale-')")
    finally:
        store.close()
    return int(str(samples)), int(str(lines))


def _bytes(andon: Andon) -> dict[str, int]:
    store = over_socket(_door(andon))
    try:
        rows = store.rows(
            "SELECT table, sum(bytes_on_disk) FROM system.parts WHERE database = currentDatabase() AND active "
            "GROUP BY table"
        )
    finally:
        store.close()
    return {str(table): int(str(size)) for table, size in rows}


def _dropped(andon: Andon) -> float:
    """In the last hour, of every way and for every reason."""
    return sum(sum(way.dropped.values()) for way in andon.client.get("/telemetry", Overview).ways)


def _telemetry(andon: Andon) -> psutil.Process:
    return andon.role("telemetry")


def _door(andon: Andon) -> Path:
    return next(iter((andon.data / "doors").rglob("telemetry.sock")))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main("book_scale", __doc__, measure))
