"""A shop that talks: a day of lines of two services, two deployments, of which the last one brought a new complaint."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from andon.app.people.room import people_room
from andon.app.record.room import record_room
from andon.feedback.logs.room import logs_room
from andon.feedback.telemetry.contract.logs import LogLine, LogQuery, LogSource, Severity
from andon.feedback.telemetry.contract.metrics import Sight
from andon.feedback.telemetry.contract.searching import parse, written
from andon.feedback.telemetry.memory_logs import MemoryLogs
from andon.flow.deployments.contract import DeploymentFinished, DeploymentId, DeploymentState, Kind
from andon.flow.sources.contract import CommitHash, Service, Sources
from andon.kernel.access.people import PeopleDirectory
from andon.kernel.clock import SettableClock
from andon.kernel.db import Database, Reading, open_engine
from andon.kernel.events import Actor, ActorKind, append
from tests.serving import Serving, quick_passwords, serving, settings_for

SECOND, MINUTE, HOUR = 1_000_000, 60_000_000, 3_600_000_000
OLD, NEW = "3f2c91a", "b81d07e"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
BIDI = "ad\u202egnp.exe"
HOSTILE = (
    "<script>alert(1)</script> & <img src=x onerror=alert(2)>",
    "javascript:alert(3) \x1b]8;;javascript:alert(4)\x07click\x1b]8;;\x07",
    f"nul \x00 and bidi {BIDI} and more",
    "\x1b[31mred \x1b[1mand bold\x1b[0m and plain again",
)
SPOKEN: tuple[tuple[Severity, str, dict[str, str]], ...] = (
    (Severity.INFO, "GET /products/{n} 200 in {n} ms", {"http.status": "200"}),
    (Severity.INFO, "basket {n} holds {n} things", {}),
    (Severity.INFO, "user user-{n} signed in from 10.0.{n}.{n}", {"auth": "password"}),
    (Severity.DEBUG, "cache hit for product {n}", {}),
    (Severity.WARN, "search took {n} ms, more than 500", {"http.status": "200"}),
    (Severity.ERROR, "payment refused by the bank for order {n}", {"bank": "north", "http.status": "402"}),
    (Severity.UNKNOWN, "sweeping {n} old sessions", {}),
)
WEIGHTS = (60, 18, 8, 10, 4, 1.5, 1)
COMPLAINT = "stock of product {n} is negative: {n}"
TRACEBACK = (
    'unhandled error in checkout\nTraceback (most recent call last):\n  File "/app/shop/checkout.py", line 41, in pay\n'
    "    total = sum(one.price for one in basket)\nTypeError: unsupported operand type(s) for +: 'int' and 'NoneType'"
)


class Followed(MemoryLogs):
    """Lines that know who waits for more of them."""

    def __init__(self, *lines: LogLine) -> None:
        super().__init__(lines)
        self._heard: Counter[str] = Counter()

    def follow(self, query: LogQuery, *, sight: Sight) -> Iterator[tuple[LogLine, ...]]:
        for batch in super().follow(query, sight=sight):
            self._heard[written(query.terms)] += 1
            yield batch

    def until_followed(self, text: str) -> None:
        """Until whoever follows this search is told of every line that is added from now on."""
        end, search = time.monotonic() + 60, written(parse(text))
        while not self._heard[search]:
            assert time.monotonic() < end, "nobody follows it"
            time.sleep(0.01)


class Shelf:
    """The services there are: all that the room asks for."""

    def services(self, reading: Reading) -> tuple[Service, ...]:
        return Service("store"), Service("catalogue")


def now_us() -> int:
    return time.time_ns() // 1000


@dataclass
class Chatter:
    """``per_minute`` lines of the store, fewer of the catalogue, for ``hours`` before ``now``."""

    now: int
    hours: float = 24.0
    per_minute: float = 1.0

    @property
    def deployed(self) -> tuple[int, int]:
        return self.now - int(self.hours * HOUR * 0.9), self.now - 25 * MINUTE

    def lines(self) -> Iterator[LogLine]:
        chance = random.Random(7)
        at = self.now - int(self.hours * HOUR)
        while at < self.now - SECOND:
            busy = 6 if self.now - at < HOUR else 1
            at += max(1, int(chance.expovariate(self.per_minute * busy) * MINUTE))
            if at >= self.now - SECOND:
                return
            new = at > self.deployed[1]
            if new and chance.random() < 0.06:
                spoken: tuple[Severity, str, dict[str, str]] = (Severity.ERROR, COMPLAINT, {})
            else:
                (spoken,) = chance.choices(SPOKEN, WEIGHTS)
            severity, text, fields = spoken
            while "{n}" in text:
                text = text.replace("{n}", str(chance.randint(1, 900)), 1)
            yield self.said(at, text, severity, version=NEW if new else OLD, fields=fields, trace=chance.random() < 0.3)
            if chance.random() < 0.12:
                yield LogLine(
                    time=at + 700,
                    body=f"indexed {chance.randint(1, 90)} products",
                    severity=Severity.INFO,
                    service="catalogue",
                    environment="production",
                    version=OLD,
                    instance="ins_9",
                    source=LogSource.OTLP,
                )

    def said(
        self,
        at: int,
        text: str,
        severity: Severity = Severity.INFO,
        *,
        version: str = NEW,
        fields: dict[str, str] | None = None,
        trace: bool = False,
        service: str = "store",
    ) -> LogLine:
        return LogLine(
            time=at,
            body=text,
            severity=severity,
            service=service,
            environment="production",
            version=version,
            instance="ins_1",
            fields=fields or {},
            trace=TRACE if trace else "",
            span="00f067aa0ba902b7" if trace else "",
            source=LogSource.INSTANCE,
            origin="instance:ins_1/3",
            position=at // SECOND % 10_000,
        )


def record(database_url: str, chatter: Chatter) -> None:
    """The deployments of the store, at their own time."""
    clock = SettableClock()
    database = Database(open_engine(database_url), clock)
    for number, (at, commit) in enumerate(zip(chatter.deployed, (OLD, NEW), strict=True)):
        clock.advance((datetime.fromtimestamp(at / SECOND, UTC) - clock.now()).total_seconds())
        with database.transaction() as tx:
            happened = DeploymentFinished(
                deployment=DeploymentId(f"dep_{number}"),
                service=Service("store"),
                environment="production",
                kind=Kind.DEPLOY,
                commit=CommitHash((commit * 6)[:40]),
                state=DeploymentState.SUCCEEDED,
                reason="",
                lead_time=600.0,
            )
            append(tx, happened, by=Actor(ActorKind.PERSON, "Maxine", "Maxine"))
    database.close()


@contextmanager
def served(folder: Path, database_url: str, logs: MemoryLogs) -> Iterator[Serving]:
    """Logs, with the record beside them."""
    settings = settings_for(folder, database_url)
    people = PeopleDirectory()
    rooms = (
        logs_room(logs=logs, sources=cast("Sources", Shelf()), people=people),
        record_room(people, settings.data / "keys" / "record.pem"),
        people_room(settings, quick_passwords()),
    )
    with serving(settings, Database(open_engine(database_url)), rooms, quick_passwords()) as running:
        yield running
