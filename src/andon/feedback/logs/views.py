"""Shapes of the API of logs; server and command line share them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:  # the command line reads these shapes without loading what makes them
    from andon.feedback.logs.contract import CountedLine


class LogLineShape(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A line of a log. ``time`` is in microseconds since 1970, ``severity`` one of ``unknown``, ``debug``, ``info``,
    ``warn``, ``error``, ``fatal``; ``body`` is text that somebody else wrote."""

    time: int
    at: datetime
    severity: str
    body: str
    service: str = ""
    environment: str = ""
    version: str = ""
    instance: str = ""
    source: str = ""
    origin: str = ""
    template: str = ""
    """The pattern's id; as text, because it has 63 bits."""
    trace: str = ""
    span: str = ""
    fields: dict[str, str] = {}


class FoundLines(msgspec.Struct, kw_only=True):
    """Newest first; ``older`` goes into ``before`` for the next page, and is empty when there is nothing more."""

    lines: list[LogLineShape]
    older: str = ""


class LineCount(msgspec.Struct, kw_only=True):
    """``time`` is where the bucket begins, in milliseconds since 1970."""

    time: int
    severity: str
    lines: int


class LineHistogram(msgspec.Struct, kw_only=True):
    """Buckets without lines are left out; each is ``width`` milliseconds long."""

    width: int
    counts: list[LineCount]


class FacetValue(msgspec.Struct, kw_only=True):
    value: str
    lines: int


class FacetShape(msgspec.Struct, kw_only=True):
    """The most frequent values of a field."""

    field: str
    values: list[FacetValue]


class PatternShape(msgspec.Struct, kw_only=True):
    """``came_with`` is the version whose deployment, the last of the service, brought the pattern; empty otherwise."""

    id: str
    text: str
    service: str
    first_seen: datetime
    first_version: str
    lines: int
    came_with: str = ""


class Patterns(msgspec.Struct, kw_only=True):
    """What is new since the last deployment first, then the most frequent."""

    patterns: list[PatternShape]


class CountWanted(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which lines of a service are to be a metric."""

    service: str
    metric: str
    query: str


class CountedShape(msgspec.Struct, kw_only=True):
    """``id`` is empty for what ``andon.yaml`` has counted: it ends there."""

    id: str
    service: str
    metric: str
    query: str
    at: datetime | None = None
    person: str = ""

    @classmethod
    def of(cls, one: CountedLine) -> CountedShape:
        return cls(id=one.id, service=one.service, metric=one.metric, query=one.query, at=one.at, person=one.person)


class CountedShapes(msgspec.Struct, kw_only=True):
    counted: list[CountedShape]
