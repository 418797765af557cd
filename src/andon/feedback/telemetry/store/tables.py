"""Rows into the tables. Each function is one insert; the caller decides how many rows make one."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from andon.feedback.telemetry.contract.logs import LogLine, Template
from andon.feedback.telemetry.contract.metrics import SERVICE, Exemplar, Kind, Level, Series
from andon.feedback.telemetry.contract.moments import now_ms
from andon.feedback.telemetry.contract.traces import Span, SpanEvent
from andon.feedback.telemetry.store.book import KINDS, LEVELS, Book
from andon.feedback.telemetry.store.editions import Editions
from andon.feedback.telemetry.store.engine import Column, Engine
from andon.feedback.telemetry.store.schema import DAY_MS, SPAN_KINDS, SPAN_STATES
from andon.feedback.telemetry.store.schema import KINDS as KINDS_TYPE
from andon.feedback.telemetry.store.schema import LEVELS as LEVELS_TYPE

_MAP = "Map(LowCardinality(String), String)"
_WORD = "LowCardinality(String)"
_MOST_LISTED = 10_000
"""Ids in one statement, which may have 256 KiB."""


class Tables:
    """``now`` answers milliseconds since 1970; ``editions`` tells other processes of series that are written down."""

    def __init__(self, engine: Engine, now: Callable[[], int] = now_ms, *, editions: Editions | None = None) -> None:
        self._engine, self.now, self._editions = engine, now, editions
        self._lock = threading.Lock()
        self._turning = threading.Lock()
        self._last_seq = 0

    def turn_day(self, book: Book) -> None:
        """Open the book on today's page if it is open on another, or on none. Safe to call from every thread."""
        day = self.now() // DAY_MS
        if book.day == day:
            return
        with self._turning:
            # whoever comes second would throw away what was entered since
            if book.day != day:
                self._open(book, day)

    def _open(self, book: Book, day: int) -> None:
        rows = self._engine.rows(
            "SELECT id, any(kind), any(level), any(service) FROM series WHERE day = {day:UInt16} GROUP BY id",
            {"day": day},
        )
        services: list[str] = []
        ids = np.empty(len(rows), np.uint64)
        states = np.empty(len(rows), np.uint8)
        for place, (id_, kind, level, service) in enumerate(rows):
            ids[place] = int(str(id_))
            states[place] = LEVELS.index(Level(str(level))) * len(KINDS) + KINDS.index(Kind(str(kind)))
            services.append(str(service))
        book.open(day, ids, states, services)

    def write_series(self, series: Sequence[Series], day: int) -> None:
        if not series:
            return
        self._engine.insert(
            "series",
            [
                Column("day", "UInt16", np.full(len(series), day, np.uint16)),
                Column("name", "String", [one.name for one in series]),
                Column("id", "UInt64", np.array([one.id for one in series], np.uint64)),
                Column("kind", KINDS_TYPE, _kinds(series)),
                Column(
                    "level",
                    LEVELS_TYPE,
                    [one.level.value for one in series],
                ),
                Column("unit", _WORD, [one.unit for one in series]),
                Column("help", _WORD, [one.help for one in series]),
                Column("path", "String", [one.path or one.name for one in series]),
                Column("service", _WORD, [one.label(SERVICE) for one in series]),
                Column("labels", _MAP, [dict(one.labels) for one in series]),
            ],
        )
        if self._editions:
            self._editions.turn(one.name for one in series)

    def repeat_series(self, ids: Sequence[int], day: int) -> None:
        """Write series down for one more day: of samples that came late, or early."""
        for at in range(0, len(ids) if 0 <= day < 2**16 else 0, _MOST_LISTED):
            listed = ",".join(str(int(one)) for one in ids[at : at + _MOST_LISTED])
            self._engine.command(
                "INSERT INTO series (day, name, id, kind, level, unit, help, path, service, labels) "
                "SELECT {day:UInt16}, name, id, kind, level, unit, help, path, service, labels FROM series "
                f"WHERE id IN ({listed}) ORDER BY series.day DESC LIMIT 1 BY id",
                {"day": day},
                insert_deduplication_token=os.urandom(16).hex(),
            )
        if self._editions and ids:
            self._editions.turn_all()

    def write_samples(
        self,
        ids: NDArray[np.generic],
        times: NDArray[np.generic],
        levels: NDArray[np.generic],
        m: NDArray[np.generic],
        e: NDArray[np.generic],
        *,
        token: str = "",
    ) -> None:
        """``levels`` are places in :data:`LEVELS`; ``m`` and ``e`` as :func:`~.numbers.encode` makes them."""
        if not ids.size:
            return
        self._engine.insert(
            "samples",
            [
                Column("series", "UInt64", ids),
                Column("time", "Int64", times),
                # an Enum8 is its number; the client would want names
                Column("level", "Int8", levels.astype(np.int8)),
                Column("m", "Int64", m),
                Column("e", "Int8", e),
            ],
            token=token,
        )

    def write_exemplars(self, exemplars: Sequence[Exemplar], *, token: str = "") -> None:
        if not exemplars:
            return
        self._engine.insert(
            "exemplars",
            [
                Column("series", "UInt64", np.array([one.series for one in exemplars], np.uint64)),
                Column("time", "Int64", np.array([one.time for one in exemplars], np.int64)),
                Column("value", "Float64", np.array([one.value for one in exemplars], np.float64)),
                Column("trace", "String", [one.trace for one in exemplars]),
                Column("span", "String", [one.span for one in exemplars]),
                Column("labels", _MAP, [dict(one.labels) for one in exemplars]),
            ],
            token=token,
        )

    def write_logs(self, lines: Sequence[LogLine], templates: Sequence[int], *, token: str = "") -> None:
        """``templates`` has the id of each line's template."""
        if not lines:
            return
        first = self._sequence(len(lines))
        self._engine.insert(
            "logs",
            [
                Column("time", "Int64", np.array([one.time for one in lines], np.int64)),
                Column("seq", "UInt64", np.arange(first, first + len(lines), dtype=np.uint64)),
                Column("severity", "UInt8", np.array([one.severity for one in lines], np.uint8)),
                Column("service", _WORD, [one.service for one in lines]),
                Column("environment", _WORD, [one.environment for one in lines]),
                Column("version", _WORD, [one.version for one in lines]),
                Column("instance", _WORD, [one.instance for one in lines]),
                Column("source", _WORD, [one.source.value for one in lines]),
                Column("origin", _WORD, [one.origin for one in lines]),
                Column("position", "Int64", np.array([one.position for one in lines], np.int64)),
                Column("template", "UInt64", np.array(templates, np.uint64)),
                Column("trace", "String", [one.trace for one in lines]),
                Column("span", "String", [one.span for one in lines]),
                Column("body", "String", [one.body for one in lines]),
                Column("fields", _MAP, [dict(one.fields) for one in lines]),
            ],
            token=token,
        )

    def write_templates(self, templates: Sequence[Template]) -> None:
        if not templates:
            return
        self._engine.insert(
            "templates",
            [
                Column("id", "UInt64", np.array([one.id for one in templates], np.uint64)),
                Column("service", _WORD, [one.service for one in templates]),
                Column("text", "String", [one.text for one in templates]),
                Column("first_seen", "Int64", np.array([one.first_seen for one in templates], np.int64)),
                Column("first_version", _WORD, [one.first_version for one in templates]),
                # whoever saw it first stays: two processes may have met it at once
                Column("version", "UInt64", np.array([2**63 - one.first_seen for one in templates], np.uint64)),
            ],
        )

    def templates(self) -> tuple[Template, ...]:
        """Those that were seen before this process began."""
        rows = self._engine.rows("SELECT id, service, text, first_seen, first_version FROM templates FINAL")
        return tuple(
            Template(
                id=int(str(id_)),
                service=str(service),
                text=str(text),
                first_seen=int(str(first_seen)),
                first_version=str(version),
            )
            for id_, service, text, first_seen, version in rows
        )

    def write_spans(self, spans: Sequence[Span], *, token: str = "") -> None:
        if not spans:
            return
        self._engine.insert(
            "spans",
            [
                Column("start", "Int64", np.array([one.start for one in spans], np.int64)),
                Column("duration", "Int64", np.array([one.duration for one in spans], np.int64)),
                Column("trace", "String", [one.trace for one in spans]),
                Column("id", "String", [one.id for one in spans]),
                Column("parent", "String", [one.parent for one in spans]),
                Column("service", _WORD, [one.service for one in spans]),
                Column("environment", _WORD, [one.environment for one in spans]),
                Column("version", _WORD, [one.version for one in spans]),
                Column("instance", _WORD, [one.instance for one in spans]),
                Column("name", _WORD, [one.name for one in spans]),
                Column(
                    "kind",
                    SPAN_KINDS,
                    [one.kind.value for one in spans],
                ),
                Column("status", SPAN_STATES, [one.status.value for one in spans]),
                Column("message", "String", [one.message for one in spans]),
                Column("attributes", _MAP, [dict(one.attributes) for one in spans]),
                Column("events", "String", [encode_events(one.events) for one in spans]),
                Column("links", "String", [" ".join(f"{trace}:{span}" for trace, span in one.links) for one in spans]),
            ],
            token=token,
        )

    def _sequence(self, count: int) -> int:
        """Numbers that grow with every line, over restarts too: whoever follows asks for what is above the last."""
        with self._lock:
            if not self._last_seq:  # the clock of an earlier life may have been ahead
                ((newest,),) = self._engine.rows(
                    "SELECT max(seq) FROM logs WHERE seq > {now:UInt64}", {"now": time.time_ns()}
                )
                self._last_seq = int(str(newest))
            first = max(self._last_seq + 1, time.time_ns())
            self._last_seq = first + count - 1
            return first


def _kinds(series: Sequence[Series]) -> list[str]:
    return [one.kind.value for one in series]


def encode_events(events: Sequence[SpanEvent]) -> str:
    return msgspec.json.encode(list(events)).decode() if events else ""


def decode_events(text: str) -> tuple[SpanEvent, ...]:
    return msgspec.json.decode(text, type=tuple[SpanEvent, ...]) if text else ()
