"""Graphite's targets beside a real Graphite: how many are answered, and how many with its very numbers."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from andon.feedback.graphite.functions import FUNCTIONS
from andon.feedback.graphite.rows import Row
from andon.feedback.graphite.service import Graphite, Question
from andon.feedback.graphite.times import moment
from andon.feedback.telemetry.contract.metrics import Kind, Series, SeriesId, metric_name, series_id
from andon.feedback.telemetry.memory import MemoryMeasurements
from andon.kernel.errors import AndonError, Missing
from benchmarks.graphite import corpus
from benchmarks.harness.figures import Figure, Goal
from benchmarks.harness.telling import Options, Outcome, main

PYTHON = Path("/usr/bin/python3")
ORACLE = Path(__file__).parent / "graphite" / "oracle.py"
DAYS = 9
DAY = 86_400
CLOSE = 1e-9
"""Relative to the larger of two numbers; what Graphite itself rounds to six digits may differ in the last of them."""


@dataclass(frozen=True, slots=True)
class Sampled:
    path: str
    step: int
    times: NDArray[np.int64]
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Verdict:
    target: str
    answered: bool
    fault: str = ""


def measure(options: Options, tell: Callable[[str], None]) -> Outcome:
    if not PYTHON.exists() or not Path("/usr/lib/python3/dist-packages/graphite").exists():
        raise Missing("There is no Graphite here.", remedy="apt-get install --no-install-recommends graphite-web")
    outcome = Outcome()
    midnight = int(time.time()) // DAY * DAY - DAY
    window = (midnight + 15 * 3_600 + 17, midnight + 18 * 3_600 + 23)
    samples = _made(midnight, options.seed)
    day = time.strftime("%Y%m%d", time.gmtime(midnight))
    targets = [one.replace("{day}", day) for one in corpus.targets()]
    targets = targets[:: 4 if options.quick else 1]
    tell(f"{sum(len(one.times) for one in samples):,} samples of {len(samples)} series into Whisper")
    theirs, moments = _asked(samples, targets, *window)
    graphite = Graphite(_measurements(samples), clock=lambda: window[1] * 1000)
    verdicts = [_verdict(graphite, target, *window, one) for target, one in zip(targets, theirs, strict=True)]
    failed = sum(1 for one in theirs if "error" in one)
    known = [one for one, other in zip(verdicts, theirs, strict=True) if "error" not in other]
    answered = [one for one in known if one.answered]
    same = sum(moment(one, now=window[1], zone=UTC) == other for one, other in zip(corpus.TIMES, moments, strict=True))
    equal = [one for one in answered if not one.fault]
    outcome.figures += [
        Figure(name="functions", value=len(FUNCTIONS), unit=""),
        Figure(name="targets", value=len(targets), unit="", note=f"{failed} of them Graphite itself cannot answer"),
        Figure(
            name="answered, of those that Graphite answers",
            value=100 * len(answered) / max(1, len(known)),
            unit="%",
            goal=Goal(at_least=95),
            note=f"{len(answered)} of {len(known)}",
        ),
        Figure(
            name="of those equal to Graphite",
            value=100 * len(equal) / max(1, len(answered)),
            unit="%",
            goal=Goal(at_least=98),
            note=f"{len(equal)} of {len(answered)}: names, times and numbers",
        ),
    ]
    outcome.figures.append(
        Figure(
            name="times that mean what Graphite takes them for",
            value=100 * same / len(moments),
            unit="%",
            goal=Goal(at_least=100),
            note=f"{same} of {len(moments)}",
        )
    )
    silent = sum(1 for one in theirs if one.get("rows") == [])
    outcome.figures.append(Figure(name="targets that answer no series", value=silent, unit="", note="by Graphite"))
    outcome.notes += [f"differs: {one.target}: {one.fault}" for one in verdicts if one.fault]
    outcome.notes += [
        f"Graphite fails: {target}: {one['error']}"
        for target, one in zip(targets, theirs, strict=True)
        if "error" in one
    ]
    return outcome


def _made(midnight: int, seed: int) -> list[Sampled]:
    rng = np.random.default_rng(seed)
    found = []

    def add(path: str, step: int, make: Callable[[NDArray[np.int64]], NDArray[np.float64]], days: int = DAYS) -> None:
        times = np.arange(midnight - (days - 1) * DAY, midnight + DAY, step, dtype=np.int64)
        values = np.round(make(times), 4)
        known = ~np.isnan(values)
        found.append(Sampled(path, step, times[known], values[known]))

    def daily(level: float) -> Callable[[NDArray[np.int64]], NDArray[np.float64]]:
        return lambda times: np.abs(
            level + level / 3 * np.sin(times / DAY * 2 * np.pi) + rng.normal(0, level / 8, len(times))
        )

    def with_gaps(level: float, share: float) -> Callable[[NDArray[np.int64]], NDArray[np.float64]]:
        return lambda times: np.where(rng.random(len(times)) < share, np.nan, daily(level)(times))

    def counting(anew: int) -> Callable[[NDArray[np.int64]], NDArray[np.float64]]:
        return lambda times: np.cumsum(rng.poisson(40, len(times))).astype(np.float64) % anew

    for number in range(1, 5):
        add(f"servers.web{number}.cpu.user", 60, daily(20.0 * number))
        add(f"servers.web{number}.cpu.system", 60, daily(5.0 + number))
        add(f"servers.web{number}.requests", 60, counting(7_000 * number))
        add(f"servers.web{number}.cpu.small", 60, daily(1.5)) if number < 3 else None
    add("servers.web1.cpu.share", 60, lambda times: 0.5 + 0.4 * np.sin(times / 5_000))
    for name, level, share in (("a", 2.0, 0.1), ("b", 4.0, 0.3), ("c", 1.0, 0.45)):
        add(f"gaps.{name}.load", 60, with_gaps(level, share))
    add("fast.queue.a", 10, daily(12.0), 2)
    add("fast.queue.b", 10, with_gaps(9.0, 0.2), 2)
    return found


def _measurements(samples: Sequence[Sampled]) -> MemoryMeasurements:
    series = [
        Series(id=series_id(one.path, ()), name=metric_name(one.path), labels=(), kind=Kind.GAUGE, path=one.path)
        for one in samples
    ]
    held: dict[SeriesId, tuple[list[int], list[float]]] = {
        known.id: ((one.times * 1000).tolist(), one.values.tolist()) for known, one in zip(series, samples, strict=True)
    }
    return MemoryMeasurements(series, held)


def _asked(
    samples: Sequence[Sampled], targets: Sequence[str], start: int, end: int
) -> tuple[list[dict[str, object]], list[int]]:
    """Graphite's answers, from a process of its own, and what it takes the times for."""
    folder = Path(tempfile.mkdtemp(prefix="andon-bench-"))
    try:
        asked = {
            "folder": str(folder),
            "series": [
                {"path": one.path, "step": one.step, "times": one.times.tolist(), "values": one.values.tolist()}
                for one in samples
            ],
            "start": start,
            "end": end,
            "now": end,
            "targets": list(targets),
            "times": corpus.TIMES,
        }
        ran = subprocess.run(
            [str(PYTHON), str(ORACLE)],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )
        if ran.returncode:
            raise Missing(f"Graphite does not run: {ran.stderr[-600:]}", remedy="Look at its settings.")
        told = json.loads(ran.stdout.splitlines()[-1])
        return told["answers"], told["times"]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _verdict(graphite: Graphite, target: str, start: int, end: int, theirs: dict[str, object]) -> Verdict:
    try:
        ours = graphite.rows(Question(targets=(target,), start=start, end=end, now=end), sight=None)
    except AndonError as error:
        return Verdict(target, "error" in theirs, "" if "error" in theirs else f"we refuse: {error.message}")
    rows = theirs.get("rows")
    if not isinstance(rows, list):
        return Verdict(target, answered=True)
    return Verdict(target, answered=True, fault=difference(rows, ours))


def difference(theirs: Sequence[dict[str, object]], ours: Sequence[Row]) -> str:
    """Where the answers differ first; empty where they do not."""
    names, mine = [row["name"] for row in theirs], [row.name for row in ours]
    if names != mine:
        return f"names {names[:3]} are not {mine[:3]}"
    for row, own in zip(theirs, ours, strict=True):
        told = (row["start"], row["step"], row["end"])
        if told != (own.start, own.step, own.end):
            return f"{own.name}: start, step, end {told} are not {(own.start, own.step, own.end)}"
        values = row["values"]
        assert isinstance(values, list)
        if len(values) != len(own):
            return f"{own.name}: {len(values)} points are not {len(own)}"
        for index, (one, other) in enumerate(zip(values, own.values.tolist(), strict=True)):
            if not close(math.nan if one is None else float(one), other):
                return f"{own.name}: at {index} {one!r} is not {other!r}"
    return ""


def close(one: float, other: float) -> bool:
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    return one == other or abs(one - other) <= CLOSE * max(abs(one), abs(other), 1e-3)


if __name__ == "__main__":
    sys.exit(main("graphite_conformance", __doc__, measure))
