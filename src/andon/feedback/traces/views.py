"""Shapes of the API of traces; server and command line share them. Times and durations are nanoseconds."""

from __future__ import annotations

import msgspec


class TraceRow(msgspec.Struct, kw_only=True):
    """A request that was found. ``service`` and ``name`` are of its root, or of the earliest span that is here."""

    trace: str
    start: int
    duration: int
    service: str
    name: str
    spans: int
    errors: int
    services: list[str]


class Traces(msgspec.Struct, kw_only=True):
    """Newest first; ``more`` says that there are as many as were asked for, and perhaps others."""

    traces: list[TraceRow]
    more: bool


class SpanEventShape(msgspec.Struct, kw_only=True, omit_defaults=True):
    time: int
    name: str
    attributes: dict[str, str] = {}


class LinkShape(msgspec.Struct, kw_only=True):
    trace: str
    span: str


class SpanShape(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A span in its place. ``start`` is when it began by the clock of the one that called it: ``moved`` later than it
    was sent, where clocks disagree. ``self_time`` is what none of its calls took, ``critical`` when the whole waited
    for it."""

    id: str
    parent: str = ""
    service: str = ""
    environment: str = ""
    version: str = ""
    instance: str = ""
    name: str
    kind: str
    start: int
    duration: int
    status: str = "unset"
    message: str = ""
    depth: int = 0
    moved: int = 0
    self_time: int
    critical: list[tuple[int, int]] = []
    orphan: bool = False
    """Its parent is not here."""
    cut: bool = False
    """It was its own ancestor; what it names as its parent is not followed."""
    attributes: dict[str, str] = {}
    events: list[SpanEventShape] = []
    links: list[LinkShape] = []


class TraceShape(msgspec.Struct, kw_only=True):
    """One request. ``spans`` are in the order of a waterfall: each below the one that called it."""

    trace: str
    start: int
    duration: int
    errors: int
    complete: bool
    """Whether every span that is named as a parent is here, and no more than 20,000 of them were sent."""
    repeated: int
    spans: list[SpanShape]
