"""Series out of a hundred million samples: how long graphs wait, and what a sample takes on the disk."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import numpy as np

from andon.feedback.promql.service import Engine as PromQL
from andon.feedback.telemetry.asking.measurements import StoredMeasurements
from andon.feedback.telemetry.contract.metrics import Kind, Level, Resolution, Series, canonical, named, series_id
from andon.feedback.telemetry.store.book import Book, level_of
from andon.feedback.telemetry.store.engine import EmbeddedEngine, Engine
from andon.feedback.telemetry.store.numbers import encode
from andon.feedback.telemetry.store.retention import Keep
from andon.feedback.telemetry.store.rollups import Rollups
from andon.feedback.telemetry.store.schema import upgrade
from andon.feedback.telemetry.store.tables import Tables
from andon.kernel.errors import Missing, Unavailable
from benchmarks.harness.figures import Figure, Goal, median, percentile
from benchmarks.harness.telling import Options, Outcome, chosen, main
from benchmarks.harness.weather import DAY, INTERVAL, LEVELS, Block, Weather

STEPS = DAY // INTERVAL
JITTER = 25
DAYS = 30
VICTORIA = Path("/usr/bin/victoria-metrics")
SYSTEM_PYTHON = Path("/usr/bin/python3")
MATCHED = 50
"""Series of one name: what a panel with many lines asks for."""
_FRESH = "SYSTEM DROP QUERY CONDITION CACHE"

_WHISPER = """
import json, os, sys, whisper
points = json.load(sys.stdin)
path = sys.argv[1]
whisper.create(path, [(10, len(points))])
whisper.update_many(path, points, now=points[-1][0])
print(os.path.getsize(path))
"""


def measure(options: Options, tell: Callable[[str], None]) -> Outcome:
    count = chosen(options, quick=1_160, full=11_600)
    start = time.time_ns() // 1_000_000 // DAY * DAY - DAY
    outcome = Outcome()
    with _folder() as folder:
        series = _series(count)
        engine = EmbeddedEngine(folder / "store")
        upgrade(engine)
        tables = Tables(engine, lambda: start + DAY)
        book = Book(limit=10**7, total=10**7)
        tables.turn_day(book)
        for day in (start // DAY - DAYS + 1, start // DAY, start // DAY + 1):
            tables.write_series(series, day)
        book.enter(series)
        tell(f"{count * STEPS:,} samples of {count:,} series go into the store")
        began = time.perf_counter()
        for block in Weather(count, options.seed).blocks(start, STEPS):
            _write(tables, book, series, block)
        outcome.figures.append(
            Figure(
                name="samples in",
                value=count * STEPS / (time.perf_counter() - began),
                unit="/s",
                note="with making them up; the store's own share is measured elsewhere",
            )
        )
        tell("parts are merged, as they are within the hour")
        engine.command("OPTIMIZE TABLE samples FINAL")
        ours = _bytes(engine)
        _ask_raw(engine, series, start, outcome, options, tell)
        tell("a day is rolled up, and told again for the 29 days before it")
        _roll(engine, series, start, count, outcome)
        _ask_rolled(engine, series, start, outcome, options, tell)
        engine.command("TRUNCATE TABLE samples")
        tell(f"the same with scrapes that come up to {JITTER} ms early or late")
        few = max(580, count // 10)
        for block in Weather(few, options.seed, jitter=JITTER).blocks(start, STEPS):
            _write(tables, book, series[:few], block)
        engine.command("OPTIMIZE TABLE samples FINAL")
        jittered = _bytes(engine)
        engine.close()
        tell("the same samples go into VictoriaMetrics")
        peer = _victoria(folder, series, options.seed, start, outcome, jitter=0)
        peer_jittered = _victoria(folder, series[:few], options.seed, start, outcome, jitter=JITTER)
        whisper = _whisper(folder, series[:1], options.seed, start)
    outcome.figures += [
        Figure(
            name="bytes a sample",
            value=ours,
            unit="B",
            goal=Goal(at_most=1.5 * peer),
            note="merged; at most 1.5 × VictoriaMetrics",
        ),
        Figure(name="bytes a sample, VictoriaMetrics", value=peer, unit="B", note=f"× {ours / peer:.2f}; Debian's"),
        Figure(name="bytes a sample, Whisper", value=whisper, unit="B", note="a file of Debian's graphite-carbon"),
        Figure(
            name=f"bytes a sample, ±{JITTER} ms",
            value=jittered,
            unit="B",
            goal=Goal(at_most=1.5 * peer_jittered),
            note=f"{few:,} series",
        ),
        Figure(
            name=f"bytes a sample, ±{JITTER} ms, VictoriaMetrics",
            value=peer_jittered,
            unit="B",
            note=f"× {jittered / peer_jittered:.2f}",
        ),
    ]
    outcome.notes.append(
        "samples: benchmarks/harness/weather.py; every question is for other series, and the cache of conditions is "
        "emptied before it; files are in the page cache"
    )
    return outcome


def _series(count: int) -> list[Series]:
    levels = list(Level)
    made = []
    for number in range(count):
        labels = canonical({"service": f"service-{number // 500}", "instance": f"i-{number}", "zone": f"z{number % 3}"})
        name = f"metric_{number // MATCHED}"
        made.append(
            Series(
                id=series_id(name, labels),
                name=name,
                labels=labels,
                kind=Kind.GAUGE,
                # a service's levels lie in partitions of their own
                level=levels[number // MATCHED % LEVELS],
            )
        )
    return made


def _write(tables: Tables, book: Book, series: list[Series], block: Block) -> None:
    """As the writer does it, without its queue."""
    ids = np.broadcast_to(np.array([one.id for one in series], np.uint64), block.times.shape).ravel()
    values = block.values.ravel()
    states, places = book.look_up(ids, values)
    tables.write_samples(ids, block.times.ravel(), level_of(states), *encode(values, places))


def _bytes(engine: Engine) -> float:
    ((size, rows),) = engine.rows(
        "SELECT sum(bytes_on_disk), sum(rows) FROM system.parts "
        "WHERE database = currentDatabase() AND table = 'samples' AND active"
    )
    return float(str(size)) / float(str(rows))


def _ask_raw(
    engine: Engine, series: list[Series], start: int, outcome: Outcome, options: Options, tell: Callable[[str], None]
) -> None:
    times = chosen(options, quick=20, full=60)
    measurements = StoredMeasurements(engine, Keep())
    promql = PromQL(measurements, now=lambda: start + DAY)
    step = DAY // 300 // 1000 * 1000

    def fetch_one(turn: int) -> int:
        one = series[turn * 7919 % len(series)]
        return int(measurements.samples([one], start, start + DAY - 1).times.size)

    def graph_one(turn: int) -> int:
        one = series[turn * 104_729 % len(series)]
        query = f'{one.name}{{instance="{one.label("instance")}"}}'
        return len(promql.range(query, start + step, start + DAY, step, sight=None).lines)

    def graph_many(turn: int) -> int:
        name = series[turn * 7919 % len(series)].name
        return len(promql.range(name, start + step, start + DAY, step, sight=None).lines)

    def select_many(turn: int) -> int:
        return len(measurements.select(named(f"metric_{turn % (len(series) // MATCHED)}"), start, start, sight=None))

    _timed(outcome, tell, engine, "one series, 24 h → 300 points", graph_one, times, 10, "found, fetched, evaluated")
    _timed(outcome, tell, engine, "  of it the samples", fetch_one, times, None, "8,640 samples as arrays")
    _timed(
        outcome,
        tell,
        engine,
        f"{MATCHED} series, 24 h → 300 points",
        graph_many,
        times,
        80,
        "found, fetched, evaluated",
    )
    _timed(outcome, tell, engine, f"  of it finding the {MATCHED} series", select_many, times, None, "")


def _roll(engine: Engine, series: list[Series], start: int, count: int, outcome: Outcome) -> None:
    began = time.perf_counter()
    Rollups(engine, lambda: start + DAY, grace=0).roll()
    took = time.perf_counter() - began
    outcome.figures.append(
        Figure(name="rolling up a day", value=took / (count * STEPS) * 1e6, unit="µs", note="a raw sample, wall time")
    )
    some = max(100, count // 50)
    bound = sorted(one.id for one in series)[some]
    for table, below in (("samples_minute", bound), ("samples_hour", 2**64 - 1)):
        for back in range(1, DAYS):
            engine.command(
                f"INSERT INTO {table} (series, time, level, count, sum, min, max, first, last, increase, version) "
                f"SELECT series, time - {back * DAY}, level, count, sum, min, max, first, last, increase, version "
                f"FROM {table} WHERE time > {start} AND series < {below}",
                max_threads=1,
            )
        engine.command(f"OPTIMIZE TABLE {table} FINAL")


def _ask_rolled(
    engine: Engine, series: list[Series], start: int, outcome: Outcome, options: Options, tell: Callable[[str], None]
) -> None:
    times = chosen(options, quick=20, full=60)
    measurements = StoredMeasurements(engine, Keep())
    ordered = sorted(series, key=lambda one: one.id)
    begin, end = start - (DAYS - 1) * DAY, start + DAY

    def read(resolution: Resolution, among: int) -> Callable[[int], int]:
        def ask(turn: int) -> int:
            one = ordered[turn * 7919 % among]
            return int(measurements.samples([one], begin, end, resolution=resolution).times.size)

        return ask

    few = max(100, len(series) // 50)
    _timed(
        outcome,
        tell,
        engine,
        "one series, 30 days by the hour",
        read(Resolution.HOUR, len(series)),
        times,
        30,
        "720 rows",
    )
    _timed(
        outcome,
        tell,
        engine,
        "one series, 30 days by the minute",
        read(Resolution.MINUTE, few),
        times,
        30,
        "43,200 rows",
    )


def _timed(
    outcome: Outcome,
    tell: Callable[[str], None],
    engine: Engine,
    name: str,
    ask: Callable[[int], int],
    times: int,
    most: float | None,
    note: str,
) -> None:
    for turn in range(3):
        ask(turn + 1_000)
    took = []
    for turn in range(times):
        engine.command(_FRESH)
        began = time.perf_counter()
        found = ask(turn)
        took.append((time.perf_counter() - began) * 1000)
        if not found:
            outcome.faults.append(f"{name}: nothing was found")
    tell(f"{name.strip()}: p50 {median(took):.1f} ms")
    goal = None if most is None else Goal(at_most=most)
    outcome.figures += [
        Figure(name=f"{name}, p50", value=median(took), unit="ms", goal=goal, note=note),
        Figure(name=f"{name}, p95", value=percentile(took, 95), unit="ms"),
    ]


def _victoria(folder: Path, series: list[Series], seed: int, start: int, outcome: Outcome, *, jitter: int) -> float:
    """Bytes a sample there, after its own merging."""
    if not VICTORIA.exists():
        raise Missing("VictoriaMetrics is not installed.", remedy="Run `apt-get install victoria-metrics`.")
    data = folder / f"victoria-{jitter}"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [VICTORIA, f"-storageDataPath={data}", f"-httpListenAddr=127.0.0.1:{port}", "-retentionPeriod=12"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _until_answers(port)
        for block in Weather(len(series), seed, jitter=jitter).blocks(start, STEPS):
            body = "\n".join(
                json.dumps(
                    {
                        "metric": {"__name__": one.name, **dict(one.labels)},
                        "values": block.values[:, place].tolist(),
                        "timestamps": block.times[:, place].tolist(),
                    }
                )
                for place, one in enumerate(series)
            )
            _request(port, "POST", "/api/v1/import", body.encode())
        _request(port, "GET", "/internal/force_flush")
        if not jitter:
            _ask_victoria(port, series, start, outcome)
        _request(port, "GET", "/internal/force_merge")
        sizes: list[int] = []
        while len(sizes) < 5 or len(set(sizes[-5:])) > 1:
            time.sleep(1)
            sizes.append(sum(one.stat().st_size for one in (data / "data").rglob("*") if one.is_file()))
        return sizes[-1] / (len(series) * STEPS)
    finally:
        server.terminate()
        server.wait()


def _ask_victoria(port: int, series: list[Series], start: int, outcome: Outcome) -> None:
    step = DAY // 300 // 1000
    for name, wanted in (("one series", True), (f"{MATCHED} series", False)):
        took = []
        for turn in range(20):
            one = series[turn * 104_729 % len(series)]
            query = f'{one.name}{{instance="{one.label("instance")}"}}' if wanted else one.name
            asked = urlencode(
                {
                    "query": query,
                    "start": start // 1000 + step,
                    "end": (start + DAY) // 1000,
                    "step": step,
                    "nocache": 1,
                }
            )
            began = time.perf_counter()
            _request(port, "GET", f"/api/v1/query_range?{asked}")
            took.append((time.perf_counter() - began) * 1000)
        outcome.figures.append(
            Figure(name=f"{name}, 24 h → 300 points, VictoriaMetrics, p50", value=median(took), unit="ms", note="HTTP")
        )


def _request(port: int, method: str, path: str, body: bytes | None = None) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        told = answer.read()
        if answer.status >= 300:
            raise Unavailable(f"VictoriaMetrics answers {answer.status}: {told[:200]!r}")
        return told
    finally:
        connection.close()


def _until_answers(port: int) -> None:
    for _ in range(200):
        try:
            _request(port, "GET", "/health")
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise Unavailable("VictoriaMetrics does not answer.")


def _whisper(folder: Path, series: list[Series], seed: int, start: int) -> float:
    """Bytes a sample in one of its files: the format has no compression, so one tells of all."""
    blocks = Weather(len(series), seed).blocks(start, STEPS)
    points = [
        (int(at) // 1000, float(value))
        for block in blocks
        for at, value in zip(block.times[:, 0], block.values[:, 0], strict=True)
    ]
    told = subprocess.run(
        [SYSTEM_PYTHON, "-c", _WHISPER, str(folder / "one.wsp")],
        input=json.dumps(points),
        capture_output=True,
        text=True,
        check=False,
    )
    if told.returncode:
        raise Missing("Whisper is not installed.", remedy="Run `apt-get install graphite-carbon`.")
    return int(told.stdout) / len(points)


@contextmanager
def _folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="andon-series-query-"))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main("series_query", __doc__, measure))
