"""Lines of logs, and how they are searched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Protocol

from andon.feedback.telemetry.contract.metrics import Sight

LONGEST_BODY = 64 * 1024
"""Bytes of UTF-8; what is longer is cut, and says so."""
MOST_FIELDS = 64


class Severity(IntEnum):
    """The Handbook's five, at the places where OpenTelemetry's numbers for them begin. Zero is a line that says nothing
    of its severity."""

    UNKNOWN = 0
    DEBUG = 5
    INFO = 9
    WARN = 13
    ERROR = 17
    FATAL = 21


class LogSource(StrEnum):
    """Which way a line came in."""

    OTLP = "otlp"
    JSON = "json"
    SYSLOG = "syslog"
    JOB = "job"
    INSTANCE = "instance"
    ROUTER = "router"
    """A request, from Envoy's access log."""
    BROWSER = "browser"
    STATSD = "statsd"
    """An event, or the message of a service check, from DogStatsD."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """``body`` is text that somebody else wrote: it may hold markup and control characters and is shown as text."""

    time: int
    """Microseconds since 1970."""
    body: str
    severity: Severity = Severity.UNKNOWN
    service: str = ""
    environment: str = ""
    version: str = ""
    instance: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    trace: str = ""
    """32 hexadecimal digits, or empty."""
    span: str = ""
    source: LogSource = LogSource.OTLP
    origin: str = ""
    """Where Andon itself keeps the line: ``job:RUN/STAGE/JOB/ATTEMPT``, ``instance:ID/LIFE``,
    ``command:SET/KEY/ATTEMPT`` for one that a deployment ran, or ``router:SERVICE/ENVIRONMENT``; empty for one that was
    sent to it."""
    position: int = 0
    """Grows with every line of an origin: what has been taken in up to here is not taken in again."""
    template: int = 0
    """The id of the pattern that this line is one of; 0 is none yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Just before this line, going back in time."""

    time: int
    tie: int
    """Tells lines of the same microsecond apart."""


class TermKind(StrEnum):
    WORD = "word"
    """A whole word, whatever its case."""
    PHRASE = "phrase"
    """These characters in this order."""
    FIELD = "field"
    """A field, or one of ``service environment version instance trace span source origin template``, is this value."""


@dataclass(frozen=True, slots=True)
class Term:
    kind: TermKind
    value: str
    field: str = ""
    negated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuery:
    """Every term must fit. Times are microseconds, ``start <= time < end``."""

    start: int
    end: int
    terms: tuple[Term, ...] = ()
    at_least: Severity = Severity.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    lines: tuple[LogLine, ...]
    """Newest first."""
    older: Cursor | None
    """Where to go on; ``None`` when there is nothing more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogCount:
    time: int
    """The beginning of the bucket, in microseconds."""
    severity: Severity
    lines: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A pattern of which many lines are one: ``user <*> signed in from <*>``."""

    id: int
    text: str
    service: str
    first_seen: int
    first_version: str
    """The version that said it first; empty where it is not known."""
    lines: int = 0
    """In the time asked for."""


class LogStore(Protocol):
    """Lines for reading, cut to what ``sight`` may see. Raises ``Unavailable`` when the store does not answer."""

    def search(self, query: LogQuery, *, sight: Sight, limit: int = 200, before: Cursor | None = None) -> Found: ...

    def histogram(self, query: LogQuery, *, sight: Sight, buckets: int = 60) -> tuple[LogCount, ...]:
        """How many lines fit, over time. Empty buckets are left out."""

    def facets(self, query: LogQuery, field: str, *, sight: Sight, limit: int = 20) -> Mapping[str, int]:
        """The most frequent values of a field among the lines that fit."""

    def around(self, line: LogLine, *, sight: Sight, lines: int = 20) -> Sequence[LogLine]:
        """What the same instance or job said before and after, oldest first."""

    def follow(self, query: LogQuery, *, sight: Sight) -> Iterator[tuple[LogLine, ...]]:
        """New lines as they come in, oldest first; yields nothing at least once a second so that one can stop."""

    def templates(self, query: LogQuery, *, sight: Sight, limit: int = 200) -> tuple[Template, ...]:
        """The patterns of the lines that fit, the most frequent first."""
