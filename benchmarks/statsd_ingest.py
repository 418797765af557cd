"""StatsD over UDP: how many metrics a second one core takes in and stores, and what each costs."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from andon.feedback.telemetry.memory_intake import MemoryIntake
from andon.feedback.telemetry.store.book import Book
from andon.feedback.telemetry.store.engine import EmbeddedEngine
from andon.feedback.telemetry.store.schema import upgrade
from andon.feedback.telemetry.store.tables import Tables
from andon.feedback.telemetry.ways.statsd.sockets import kernel_drops, listen
from andon.feedback.telemetry.ways.statsd.way import StatsdWay
from andon.kernel.errors import Unavailable
from benchmarks.harness.datagrams import SERIES, Packets, Sender, cores, metrics, on_last_core, packed
from benchmarks.harness.figures import Figure, Goal, median
from benchmarks.harness.telling import Options, Outcome, chosen, main

PACKET_BYTES = 1_432
DIFFERENT_LINES = 500_000
GOAL_RATE, GOAL_SINGLE = 1_000_000, 150_000
ETSY_RATE, PLAIN_RATE = 40_000, 250_000
_TICKS = os.sysconf("SC_CLK_TCK")


class Received(msgspec.Struct, kw_only=True):
    """What a receiver tells at its end. ``cpu`` are seconds of all its threads, merges included."""

    lines: int
    rows: int = 0
    other_rows: int = 0
    dropped: int = 0
    kernel_drops: int
    cpu: float
    peak: int = 0


@dataclass(frozen=True, slots=True)
class Run:
    sent: int
    rows: int
    seconds: float
    received: Received

    @property
    def rate(self) -> float:
        return self.sent / self.seconds

    @property
    def cost(self) -> float:
        """Microseconds of processor time a metric."""
        return self.received.cpu / max(self.received.lines, 1) * 1e6

    @property
    def whole(self) -> bool:
        return self.received.lines == self.sent and not self.received.kernel_drops and not self.received.dropped


# Who receives it, each in a process of its own on the last core


def _receive_andon(folder: str) -> None:
    engine = EmbeddedEngine(Path(folder) / "store")
    upgrade(engine)
    way = StatsdWay(
        engine,
        Tables(engine),
        Book(limit=2 * SERIES, total=4 * SERIES),
        MemoryIntake(),
        listening=[("127.0.0.1", 0)],
    )
    way.start()
    begin = _cpu()
    _tell(str(way.addresses[0][1]))
    sys.stdin.readline()
    way.stop()
    while engine.rows("SELECT 1 FROM system.merges WHERE database = 'andon'"):
        time.sleep(0.2)
    cpu = _cpu() - begin
    told = way.statistics
    ((rows, others),) = engine.rows(
        "SELECT countIf(NOT sets), countIf(sets) FROM"
        " (SELECT series IN (SELECT id FROM series WHERE name = 'set_s') AS sets FROM samples)"
    )
    _tell(
        msgspec.json.encode(
            Received(
                lines=told.lines,
                rows=int(str(rows)),
                other_rows=int(str(others)),
                dropped=sum(told.dropped.values()) - told.kernel_drops,
                kernel_drops=told.kernel_drops,
                cpu=cpu,
                peak=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            )
        ).decode()
    )


def _receive_plain(_folder: str) -> None:
    """What a program in Python does at the least: cut, look up, add. It stores nothing."""
    source, door = listen("127.0.0.1", 0)
    door.close()
    source.settimeout(0.1)
    ended: list[int] = []
    signal.signal(signal.SIGUSR1, lambda *_: ended.append(1))
    counters: dict[str, float] = {}
    gauges: dict[str, float] = {}
    timers: dict[str, list[float]] = {}
    lines = 0
    begin = _cpu()
    _tell(str(source.getsockname()[1]))
    while True:
        try:
            packet = source.recv(65536)
        except TimeoutError:
            if ended:
                break
            continue
        for line in packet.decode().split("\n"):
            name, _, rest = line.partition(":")
            fields = rest.split("|")
            key = name + fields[-1] if fields[-1][:1] == "#" else name
            match fields[1]:
                case "c":
                    rate = float(fields[2][1:]) if len(fields) > 2 and fields[2][:1] == "@" else 1.0
                    counters[key] = counters.get(key, 0.0) + float(fields[0]) / rate
                case "g":
                    gauges[key] = float(fields[0])
                case "s":
                    pass
                case _:
                    timers.setdefault(key, []).append(float(fields[0]))
            lines += 1
    told = Received(lines=lines, kernel_drops=kernel_drops(source), cpu=_cpu() - begin)
    _tell(msgspec.json.encode(told).decode())


def _tell(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


@contextmanager
def _receiver(kind: str) -> Iterator[tuple[int, Callable[[], Received], int]]:
    """Its port, what ends it, and its process."""
    with tempfile.TemporaryDirectory(prefix="andon-statsd-") as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.statsd_ingest", kind, folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=on_last_core,  # noqa: PLW1509 - this process has no threads
        )
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout
        try:
            port = stdout.readline()
            if not port:
                raise Unavailable(f"The receiver {kind} did not start.")

            def end() -> Received:
                if kind == "plain":
                    process.send_signal(signal.SIGUSR1)
                stdin.write("\n")
                stdin.flush()
                return msgspec.json.decode(stdout.readline(), type=Received)

            yield int(port), end, process.pid
        finally:
            process.kill()
            process.communicate()


def _run(kind: str, sender: Sender, packets: Packets, rate: float, seconds: float) -> Run:
    """``rate`` is in metrics a second."""
    a_second = rate / packets.lines_of_one
    count = int(a_second * seconds)
    with _receiver(kind) as (port, end, _):
        took = sender.send(packets, port, a_second, count)
        return Run(*packets.expected(count), took, end())


# Etsy's


def _install_etsy(folder: Path) -> str | None:
    """The version, or ``None`` where it cannot be had."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        return None
    done = subprocess.run(
        ["npm", "install", "--silent", "--no-audit", "--no-fund", "--omit=optional", "statsd"],
        cwd=folder,
        capture_output=True,
        check=False,
        timeout=300,
    )
    found = folder / "node_modules" / "statsd" / "package.json"
    if done.returncode or not found.exists():
        return None
    return str(msgspec.json.decode(found.read_bytes())["version"])


def _run_etsy(folder: Path, sender: Sender, packets: Packets, rate: float, seconds: float) -> Run:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free, socket.socket() as other:
        free.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        port, management = free.getsockname()[1], other.getsockname()[1]
    config = folder / "config.js"
    config.write_text(
        f"{{address: '127.0.0.1', port: {port}, mgmt_address: '127.0.0.1', mgmt_port: {management},"
        " backends: [], flushInterval: 10000, dumpMessages: false}"
    )
    process = subprocess.Popen(
        ["node", "stats.js", str(config)],
        cwd=folder / "node_modules" / "statsd",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=on_last_core,  # noqa: PLW1509 - this process has no threads
    )
    try:
        deadline = time.monotonic() + 20
        while _drops_at(port) is None:
            if time.monotonic() > deadline or process.poll() is not None:
                raise Unavailable("Etsy's statsd did not start.")
            time.sleep(0.05)
        time.sleep(1)
        before = _cpu_of(process.pid)
        a_second = rate / packets.lines_of_one
        count = int(a_second * seconds)
        took = sender.send(packets, port, a_second, count)
        time.sleep(2)
        drops = _drops_at(port) or 0
        cpu = _cpu_of(process.pid) - before
    finally:
        process.kill()
        process.wait()
    lines, rows = packets.expected(count)
    # which packets were lost nobody can tell
    received = int(lines * (count - drops) / count)
    return Run(lines, rows, took, Received(lines=received, kernel_drops=drops, cpu=cpu))


def _drops_at(port: int) -> int | None:
    for line in Path("/proc/net/udp").read_text().splitlines()[1:]:
        cells = line.split()
        if cells[1].endswith(f":{port:04X}"):
            return int(cells[-1])
    return None


def _cpu_of(pid: int) -> float:
    cells = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(cells[11]) + int(cells[12])) / _TICKS


# The figures


def measure(options: Options, tell: Callable[[str], None]) -> Outcome:
    outcome = Outcome()
    if len(cores()) < 2:
        outcome.notes.append("One core only: sender and receiver share it, and the rates say little.")
    seconds = chosen(options, quick=4, full=20)
    with tempfile.TemporaryDirectory(prefix="andon-statsd-") as made:
        folder = Path(made)
        sender = Sender(folder)
        tell("preparing packets")
        count = chosen(options, quick=DIFFERENT_LINES // 4, full=DIFFERENT_LINES)
        tagged = packed(folder / "tagged", metrics(random.Random(options.seed), tags=True), count, PACKET_BYTES)
        single = packed(folder / "single", metrics(random.Random(options.seed), tags=True), count // 2, 0)
        untagged = packed(folder / "untagged", metrics(random.Random(options.seed), tags=False), count, PACKET_BYTES)
        best = _andon(outcome, sender, tagged, seconds, tell)
        tell("one metric a packet")
        alone = _run("andon", sender, single, GOAL_SINGLE * 1.02, seconds)
        _told_whole(outcome, "one a packet", alone)
        outcome.figures += [
            Figure(
                name="one metric a packet, stored",
                value=alone.rate if alone.whole else float("nan"),
                unit="/s",
                goal=Goal(at_least=GOAL_SINGLE),
                note=f"{alone.received.kernel_drops} kernel drops",
            ),
            Figure(name="one metric a packet, CPU", value=alone.cost, unit="µs", note="a metric, all threads"),
        ]
        tell("without traffic")
        with _receiver("andon") as (_, _, pid):
            time.sleep(2)
            before = _cpu_of(pid)
            time.sleep(5)
            outcome.figures.append(
                Figure(name="CPU without traffic", value=(_cpu_of(pid) - before) / 5 * 100, unit="%")
            )
        tell("plain Python")
        plain = _run("plain", sender, tagged, PLAIN_RATE, seconds / 2)
        outcome.figures.append(
            Figure(
                name="plain Python, CPU",
                value=plain.cost,
                unit="µs",
                note="a metric: cut, look up, add; stores nothing",
            )
        )
        tell("Etsy's statsd")
        version = _install_etsy(folder)
        if version is None:
            outcome.notes.append("Etsy's statsd could not be installed with npm: not compared.")
            ratio = float("nan")
        else:
            etsy = _run_etsy(folder, sender, untagged, ETSY_RATE, seconds)
            flooded = _run_etsy(folder, sender, untagged, 4 * ETSY_RATE, seconds)
            ratios = [etsy.cost / best.cost]
            for _ in range(chosen(options, quick=0, full=3)):  # the clock of a shared machine wanders within minutes
                tell("Andon and Etsy's statsd, one after the other")
                ours = _run("andon", sender, tagged, GOAL_RATE * 1.01, seconds / 2)
                theirs = _run_etsy(folder, sender, untagged, ETSY_RATE, seconds / 2)
                tell(f"{ours.cost:.3f} µs, {theirs.cost:.3f} µs")
                ratios.append(theirs.cost / ours.cost)
            ratio = median(ratios)
            outcome.figures += [
                Figure(
                    name=f"Etsy's statsd {version}, CPU",
                    value=etsy.cost,
                    unit="µs",
                    note=f"a metric, at {etsy.rate:,.0f}/s, no back end, {etsy.received.kernel_drops} kernel drops",
                ),
                Figure(
                    name=f"Etsy's statsd {version}, flooded",
                    value=flooded.received.lines / flooded.seconds,
                    unit="/s",
                    note=f"of {flooded.rate:,.0f}/s sent; adds up, stores nothing",
                ),
            ]
        outcome.figures.append(
            Figure(
                name="CPU a metric, Etsy's ÷ Andon's",
                value=ratio,
                unit="×",
                goal=Goal(at_least=3),
                note="the median of pairs, at a million a second and at forty thousand",
            )
        )
        outcome.notes += [
            f"Sender: {sender.words}, on core {cores()[0]}; receivers on core {cores()[-1]}, one at a time.",
            f"{SERIES:,} series, packets of {tagged.lines_of_one:.1f} metrics: 40 % counters (a fifth @0.1), 22 %",
            "gauges (5 % with a sign), 20 % timers (a tenth @0.5, stored twice), histograms, distributions, 1 % sets.",
            "Etsy's takes no tags: it was sent the same parts in the name.",
            "CPU is of the whole process: receiving, reading, storing, and merging until nothing is left to merge.",
        ]
    return outcome


def _andon(outcome: Outcome, sender: Sender, packets: Packets, seconds: float, tell: Callable[[str], None]) -> Run:
    """The highest rate that lost nothing."""
    best: Run | None = None
    first: Run | None = None
    # upwards until something is lost; downwards until nothing is
    for rate in (1_010_000, 1_150_000, 1_300_000, 1_450_000, 800_000, 600_000, 400_000):
        if (best is not None and rate < best.rate) or (best is None and first is not None and rate > first.rate):
            continue
        tell(f"{rate:,} metrics a second for {seconds:g} s")
        run = _run("andon", sender, packets, rate, seconds)
        first = first or run
        tell(f"{run.rate:,.0f}/s, {run.cost:.3f} µs, {run.received.kernel_drops} kernel drops")
        _told_whole(outcome, f"{rate:,}/s", run)
        if run.whole:
            best = run
        if (best is not None and not run.whole) or (run.whole and rate < GOAL_RATE):
            break
    assert first is not None
    shown = best or first
    got = shown.received
    outcome.figures += [
        Figure(
            name="metrics stored, none lost",
            value=best.rate if best else float("nan"),
            unit="/s",
            goal=Goal(at_least=GOAL_RATE),
            note=f"on one core, {shown.seconds:.0f} s, {got.kernel_drops} kernel drops, {got.dropped} dropped",
        ),
        Figure(name="CPU", value=shown.cost, unit="µs", goal=Goal(at_most=1), note="a metric, all threads and merges"),
        Figure(name="lines", value=got.lines, unit="", note=f"{got.rows:,} rows, {got.other_rows:,} sizes of sets"),
        Figure(name="memory, largest", value=got.peak / 1024**2, unit="MiB", note="the store included"),
    ]
    return shown


def _told_whole(outcome: Outcome, what: str, run: Run) -> None:
    got = run.received
    if got.lines < run.sent and not got.kernel_drops and not got.dropped:
        outcome.faults.append(f"{what}: {run.sent - got.lines:,} metrics were lost that nobody counted")
    if run.whole and got.rows != run.rows:
        outcome.faults.append(f"{what}: {got.rows:,} rows stored, {run.rows:,} expected")


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        match sys.argv[1:]:
            case ["andon", folder]:
                _receive_andon(folder)
            case ["plain", folder]:
                _receive_plain(folder)
            case _:
                sys.exit(main("statsd_ingest", __doc__ or "", measure))
