"""What jobs, instances and commands print becomes lines that can be searched, each once.

A log is a place on the disk and its lines are numbered, so the store itself remembers: the last number that it has of a
log is where reading goes on after a restart, whenever and however the last life ended. Lines of many logs travel in one
batch (an insert of one line costs as much as one of ten thousand), and a batch is stored whole or not at all: the
database gives that for rows of one day, so a batch holds rows of one day.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from andon.feedback.telemetry.contract.intake import Batch, Dropped, Intake, Way
from andon.feedback.telemetry.contract.logs import LogLine, Severity
from andon.feedback.telemetry.contract.moments import now_us
from andon.feedback.telemetry.own.delivery import Delivery, token_of
from andon.feedback.telemetry.own.discovery import Discovery, Followed
from andon.feedback.telemetry.own.positions import Positions
from andon.feedback.telemetry.own.tail import Tail, TailLine
from andon.feedback.telemetry.ways.lines.parse import parse_line
from andon.feedback.telemetry.ways.texts import body_text

EVERY = 0.5
MOST_LINES = 10_000
MOST_BYTES = 16 * 1024 * 1024
MOST_OF_ONE = 1000
"""Lines of one log in a round, so that one that talks without end leaves room for the others."""
DAY = 86_400 * 1_000_000

_DISCOVER_SECONDS = 1.0
_QUIET_SECONDS = 600.0
_QUIET_EVERY = 10.0
_FORGOTTEN_SECONDS = 24 * 3600.0
_EARLIER, _LATER = 600_000_000, 2_000_000
"""Microseconds by which a line's own time may differ from when it came to be believed more."""
_COLOUR = re.compile(r"\x1b\[[0-9;:]{0,64}m")


@dataclass(slots=True)
class _Log:
    whose: Followed
    tail: Tail
    heard: float
    """Monotonic; when it last said something."""
    due: float = 0.0


class LogFollower:
    """``now`` answers microseconds since 1970. A round is short: it stops at :data:`MOST_LINES`, and nothing is read
    while the store has not acknowledged what was read before."""

    def __init__(
        self,
        intake: Intake,
        *,
        discovery: Discovery,
        positions: Positions,
        now: Callable[[], int] = now_us,
    ) -> None:
        self._intake, self._discovery, self._positions, self._now = intake, discovery, positions, now
        self._delivery = Delivery(intake)
        self._stored: dict[str, int] | None = None
        self._logs: deque[_Log] = deque()
        self._batches: deque[Batch] = deque()
        self._discovered = 0.0

    @property
    def followed(self) -> int:
        """How many logs are looked at."""
        return len(self._logs)

    def round(self) -> None:
        """Raises ``Unavailable`` at first, while the store cannot say where to go on."""
        if not self._delivery.ready():
            return
        if not self._batches:
            self._discover()
            self._batches.extend(self._read())
        if self._batches:
            self._delivery.send(self._batches.popleft(), lambda: None)

    def stop(self, seconds: float = 5.0) -> None:
        """Let the store answer to what is on its way. What it does not have is read again in the next life."""
        self._delivery.wait(seconds)

    def _discover(self) -> None:
        if self._stored is None:
            self._stored = dict(self._positions.of_logs())
        now = time.monotonic()
        if now - self._discovered < _DISCOVER_SECONDS:
            return
        for one in self._discovery.look():
            last = self._stored.pop(one.origin, -1)
            self._logs.append(_Log(one, Tail(one.folder, last + 1), now))
        self._discovered = now

    def _read(self) -> list[Batch]:
        read: list[tuple[Followed, list[TailLine]]] = []
        lines = size = 0
        now = time.monotonic()
        for _ in range(len(self._logs)):
            if lines >= MOST_LINES or size >= MOST_BYTES:
                break
            one = self._logs[0]
            self._logs.rotate(-1)  # who was not asked this time is first the next
            if one.due > now:
                continue
            found = one.tail.read(min(MOST_OF_ONE, MOST_LINES - lines))
            if found:
                one.heard = now
                read.append((one.whose, found))
                lines += len(found)
                size += sum(len(line.text) for line in found)
            elif not self._rest(one, now):
                self._logs.pop()
        return self._packed(read)

    def _rest(self, one: _Log, now: float) -> bool:
        """It says nothing: whether to go on with it."""
        may_say_more = one.whose.owner is not None and self._discovery.is_active(one.whose.owner)
        quiet = now - one.heard
        if not may_say_more and (one.tail.complete or quiet > _FORGOTTEN_SECONDS):
            return False
        if one.tail.complete or (not may_say_more and quiet > _QUIET_SECONDS):
            one.due = now + _QUIET_EVERY
        return True

    def _packed(self, read: Sequence[tuple[Followed, list[TailLine]]]) -> list[Batch]:
        """Batches of one day each, in which the lines of every log stay in their order."""
        packs: dict[tuple[int, int], list[LogLine]] = {}
        spans: dict[tuple[int, int], list[str]] = {}
        for whose, found in read:
            step, day, first = 0, -1, 0
            for line in found:
                made = self._line(whose, line)
                if made is None:
                    continue
                if made.time // DAY != day:
                    step, day, first = step + 1, made.time // DAY, made.position
                packs.setdefault((step, day), []).append(made)
                told = spans.setdefault((step, day), [])
                span = f"{whose.origin}/{first}-"
                if told and told[-1].startswith(span):
                    told.pop()
                told.append(f"{span}{made.position}")
        return [Batch(way=Way.ANDON, logs=packs[key], token=token_of("logs", *spans[key])) for key in sorted(packs)]

    def _line(self, whose: Followed, line: TailLine) -> LogLine | None:
        if line.gone:
            self._intake.drop(Way.ANDON, Dropped.FULL, line.gone, service=whose.service)
        at = line.at or self._now()
        text = _COLOUR.sub("", line.text)
        if not text.strip():
            return None
        if line.gone or line.continues:
            return _of(whose, line.number, at, body_text(text), Severity.WARN if line.gone else Severity.UNKNOWN)
        said = parse_line(text)
        own = said.time
        if own is not None and at - _EARLIER <= own <= at + _LATER:
            at = own
        return LogLine(
            time=at,
            body=said.body,
            severity=said.severity,
            service=whose.service,
            environment=whose.environment,
            version=whose.version,
            instance=whose.instance,
            fields={**said.fields, **whose.fields} if whose.fields else said.fields,
            trace=said.trace,
            span=said.span,
            source=whose.source,
            origin=whose.origin,
            position=line.number,
        )


def _of(whose: Followed, number: int, at: int, body: str, severity: Severity) -> LogLine:
    return LogLine(
        time=at,
        body=body,
        severity=severity,
        service=whose.service,
        environment=whose.environment,
        version=whose.version,
        instance=whose.instance,
        fields=whose.fields,
        source=whose.source,
        origin=whose.origin,
        position=number,
    )
