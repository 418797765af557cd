"""Spans: what a request did, where and for how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from andon.feedback.telemetry.contract.metrics import Sight


class SpanKind(StrEnum):
    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"
    PRODUCER = "producer"
    CONSUMER = "consumer"


class SpanStatus(StrEnum):
    UNSET = "unset"
    OK = "ok"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanEvent:
    time: int
    """Nanoseconds since 1970."""
    name: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    trace: str
    """32 hexadecimal digits."""
    id: str
    """16 hexadecimal digits."""
    parent: str = ""
    service: str = ""
    environment: str = ""
    version: str = ""
    instance: str = ""
    name: str
    kind: SpanKind = SpanKind.INTERNAL
    start: int
    """Nanoseconds since 1970."""
    duration: int
    """Nanoseconds."""
    status: SpanStatus = SpanStatus.UNSET
    message: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    events: tuple[SpanEvent, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    """Trace and span of others that this one belongs with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceQuery:
    """Times are nanoseconds; durations too. Empty is any."""

    start: int
    end: int
    service: str = ""
    environment: str = ""
    version: str = ""
    name: str = ""
    at_least: int = 0
    at_most: int = 0
    failed: bool = False
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSummary:
    trace: str
    start: int
    duration: int
    service: str
    """Of the root, or of the earliest span that is here."""
    name: str
    spans: int
    errors: int
    services: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One service calls another, as spans of both tell or as the router saw it."""

    caller: str
    callee: str
    calls: int
    errors: int
    p95: float
    """Seconds."""


class TraceStore(Protocol):
    """Spans for reading, cut to what ``sight`` may see: spans of other services of the same trace are left out."""

    def find(self, query: TraceQuery, *, sight: Sight, limit: int = 100) -> tuple[TraceSummary, ...]:
        """Newest first."""

    def trace(self, trace: str, *, sight: Sight) -> tuple[Span, ...]:
        """All its spans, in the order in which they began; at most 20,000. Empty where there is none."""

    def calls(self, start: int, end: int, *, sight: Sight) -> tuple[Call, ...]:
        """Who calls whom, from client spans whose child is a span of another service."""
