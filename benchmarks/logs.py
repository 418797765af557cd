"""Lines of logs: how fast they come in, how long a search waits, and how late the live tail is."""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from andon.feedback.telemetry.asking.logs import StoredLogs
from andon.feedback.telemetry.contract.intake import Batch, Way
from andon.feedback.telemetry.contract.logs import LogLine, LogQuery, LogSource, Severity, Term, TermKind
from andon.feedback.telemetry.store.book import Book
from andon.feedback.telemetry.store.drops import Drops
from andon.feedback.telemetry.store.engine import EmbeddedEngine, Engine
from andon.feedback.telemetry.store.schema import upgrade
from andon.feedback.telemetry.store.tables import Tables
from andon.feedback.telemetry.store.writer import DiskWatch, Writer
from andon.kernel.errors import TooMany
from benchmarks.harness.figures import Figure, Goal, median, percentile, spread
from benchmarks.harness.telling import Options, Outcome, chosen, main

BATCH = 5_000
"""Lines that a client sends at once."""
SERVICES = ("shop", "till", "search", "mail", "stock")
PATTERNS = (
    "user {n} signed in from 10.{a}.{b}.{c}",
    "GET /basket/{n} 200 in {c} ms",
    "order {n} placed: {a} items, {b}.{c} EUR",
    "cache miss for key product:{n}",
    "connection to stock-{a} reset by peer after {c} s, trying again",
    "payment {n} declined: card expired",
    "slow query: SELECT price FROM products WHERE id = {n} took {b} ms",
    "worker {a} picked up job {n}",
)
RARE = "kumquat"
"""The word that some ten lines have."""


def measure(options: Options, tell: Callable[[str], None]) -> Outcome:
    count = chosen(options, quick=1_000_000, full=10_000_000)
    outcome = Outcome()
    with _folder() as folder:
        engine = EmbeddedEngine(folder / "store")
        upgrade(engine)
        writer = Writer(Tables(engine), Book(limit=10**6, total=10**6), Drops(), DiskWatch(folder, 0))
        writer.start()
        try:
            tell(f"{count:,} lines go through the writer")
            start = _fill(writer, count, options.seed, outcome)
            ((stored,),) = engine.rows("SELECT count() FROM logs")
            if stored != count:
                outcome.faults.append(f"{count:,} lines were acknowledged and {stored} are there")
            query = LogQuery(start=start, end=time.time_ns() // 1000 + 10**9)
            _search(engine, query, chosen(options, quick=10, full=20), outcome, tell)
            tell("the live tail is followed while 2,000 lines a second come in")
            _tail(engine, writer, query, chosen(options, quick=8, full=30), outcome)
            ((size,),) = engine.rows(
                "SELECT sum(bytes_on_disk) / sum(rows) FROM system.parts "
                "WHERE database = currentDatabase() AND table = 'logs' AND active"
            )
            outcome.figures.append(
                Figure(
                    name="bytes a line", value=float(str(size)), unit="B", note="with its indexes, as merged by then"
                )
            )
        finally:
            writer.stop()
            engine.close()
    outcome.notes.append("the cache of conditions is emptied before every search; files are in the page cache")
    return outcome


def _lines(count: int, seed: int) -> Sequence[LogLine]:
    """Of eight patterns; one in twenty is a warning or an error."""
    chance = random.Random(seed)
    made = []
    for _ in range(count):
        number = chance.randrange(10**6)
        body = chance.choice(PATTERNS).format(
            n=number, a=chance.randrange(32), b=chance.randrange(256), c=chance.randrange(256)
        )
        made.append(
            LogLine(
                time=0,
                body=body,
                severity=chance.choices((Severity.INFO, Severity.WARN, Severity.ERROR), (95, 3, 2))[0],
                service=chance.choice(SERVICES),
                environment="production",
                version="abcdef0",
                instance=f"i-{number % 8}",
                fields={"request": f"{number:x}", "zone": f"z{number % 3}"},
                trace=f"{chance.getrandbits(128):032x}",
                source=LogSource.JSON,
            )
        )
    return made


def _fill(writer: Writer, count: int, seed: int, outcome: Outcome) -> int:
    """The first time (µs). Lines are made up beforehand and told again with other times, ten a millisecond apart."""
    pool = _lines(200_000, seed)
    start = time.time_ns() // 1000 - count * 100
    waiting = []
    spent, made = 0.0, 0.0
    began, processor = time.perf_counter(), time.process_time()
    for first in range(0, count, BATCH):
        made_up, of_thread = time.perf_counter(), time.thread_time()
        some = [
            replace(pool[(first + place) % len(pool)], time=start + (first + place) * 100) for place in range(BATCH)
        ]
        if first % (count // 10) == 0:
            some[7] = replace(some[7], body=f"delivery of one {RARE} is late")
        spent += time.perf_counter() - made_up
        made += time.thread_time() - of_thread
        while True:
            try:
                waiting.append(writer.take(Batch(way=Way.JSON, logs=some)))
                break
            except TooMany:
                time.sleep(0.01)
    for one in waiting:
        one.result(600)
    took = time.perf_counter() - began
    processor = time.process_time() - processor - made
    outcome.figures += [
        Figure(
            name="lines in",
            value=count / took,
            unit="/s",
            goal=Goal(at_least=50_000),
            note="acknowledged; the sender is a thread of the same process",
        ),
        Figure(
            name="processor time a line",
            value=processor / count * 1e6,
            unit="µs",
            note="without making it up; sorting into templates and merging are in it",
        ),
        Figure(name="  making them up took", value=spent / took * 100, unit="%", note="of that time, at most"),
    ]
    return start


def _search(engine: Engine, query: LogQuery, times: int, outcome: Outcome, tell: Callable[[str], None]) -> None:
    logs = StoredLogs(engine)
    rare = Term(TermKind.WORD, RARE)
    for name, terms, most, least in (
        ("a rare word", (rare,), 300, 10),
        ("a word that is not there", (Term(TermKind.WORD, "persimmon"),), None, 0),
        ("a frequent word, newest 200", (Term(TermKind.WORD, "declined"),), None, 200),
        ("a phrase in the middle of a word", (Term(TermKind.PHRASE, "umqua"),), None, 10),
        ("a field that one line in a million has", (Term(TermKind.FIELD, "ff", "request"),), None, 0),
        ("the newest 200", (), None, 200),
    ):
        tell(name)
        asked = replace(query, terms=terms)
        took = []
        for _ in range(times):
            engine.command("SYSTEM DROP QUERY CONDITION CACHE")
            began = time.perf_counter()
            found = len(logs.search(asked, sight=None).lines)
            took.append((time.perf_counter() - began) * 1000)
            if found < least:
                outcome.faults.append(f"{name}: {found} lines instead of {least}")
        goal = None if most is None else Goal(at_most=most)
        outcome.figures += [
            Figure(name=f"{name}, p50", value=median(took), unit="ms", goal=goal),
            Figure(name=f"{name}, p95", value=percentile(took, 95), unit="ms"),
        ]
    for name, terms in (("the histogram of a word over all", (rare,)), ("the histogram of all", ())):
        took = []
        for _ in range(max(3, times // 4)):
            engine.command("SYSTEM DROP QUERY CONDITION CACHE")
            began = time.perf_counter()
            logs.histogram(replace(query, terms=terms), sight=None)
            took.append((time.perf_counter() - began) * 1000)
        outcome.figures.append(Figure(name=f"{name}, p50", value=median(took), unit="ms"))


def _tail(engine: Engine, writer: Writer, query: LogQuery, seconds: int, outcome: Outcome) -> None:
    """From handing a line over to reading it; the writer's gathering is in it."""
    stopping, sent = threading.Event(), [0]

    def send() -> None:
        while not stopping.wait(0.1):
            now = time.time_ns() // 1000
            writer.take(Batch(way=Way.JSON, logs=[LogLine(time=now, body=f"tail {now}") for _ in range(200)]))
            sent[0] += 200

    following = StoredLogs(engine).follow(replace(query, terms=(Term(TermKind.WORD, "tail"),)), sight=None)
    next(following)
    sending = threading.Thread(target=send)
    sending.start()
    late: list[float] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = next(following)
        now = time.time_ns() // 1000
        late += [(now - line.time) / 1000 for line in found]
    stopping.set()
    sending.join()
    again = time.monotonic() + 10
    while len(late) < sent[0] and time.monotonic() < again:
        found = next(following)
        late += [(time.time_ns() // 1000 - line.time) / 1000 for line in found]
    if len(late) != sent[0]:
        outcome.faults.append(f"the tail told {len(late)} of {sent[0]} lines")
    outcome.figures += spread("live tail, from sent to read", late, "ms", goal=Goal(at_most=2000))


@contextmanager
def _folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="andon-logs-"))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main("logs", __doc__, measure))
