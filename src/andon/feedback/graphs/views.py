"""Shapes of the API of graphs; server and command line share them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:  # the command line reads these shapes without loading what makes them
    from andon.feedback.graphs.model.causes import Cause
    from andon.feedback.graphs.model.panels import Dashboard, Panel, Version


class LineShape(msgspec.Struct, kw_only=True):
    """A line of a graph. ``colour`` is ``1`` to ``6`` or ``bad``; ``past`` is what was then, moved here to compare."""

    label: str
    labels: dict[str, str]
    values: Sequence[float | None]
    colour: str
    query: int
    past: bool


class AnswerShape(msgspec.Struct, kw_only=True):
    """Columns: as many values in each line as there are times (ms), ``null`` where nothing is."""

    start: int
    end: int
    step: int
    head: bool
    """Whether the last time is this moment, which the next answer replaces."""
    times: Sequence[int]
    lines: list[LineShape]
    left_out: int = 0


class ExemplarShape(msgspec.Struct, kw_only=True):
    """One observation with its trace. ``value`` is ``null`` where the graph's axis shows something else."""

    time: int
    value: float | None
    trace: str
    href: str
    labels: dict[str, str]


class ExemplarsShape(msgspec.Struct, kw_only=True):
    exemplars: list[ExemplarShape]


class CauseShape(msgspec.Struct, kw_only=True):
    """What happened, as a line on a graph; times are ms."""

    id: str
    kind: str
    time: int
    until: int | None
    title: str
    detail: str
    who: str
    service: str
    environment: str
    commit: str
    href: str
    failed: bool

    @classmethod
    def of(cls, one: Cause) -> CauseShape:
        return cls(
            id=one.id,
            kind=one.kind.value,
            time=one.time,
            until=one.until,
            title=one.title,
            detail=one.detail,
            who=one.who,
            service=one.service,
            environment=one.environment,
            commit=one.commit,
            href=one.href,
            failed=one.failed,
        )


class CausesShape(msgspec.Struct, kw_only=True):
    causes: list[CauseShape]
    left_out: int
    """How many more there are at least."""


class AnnotationWanted(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Without ``at`` it is now; with ``until`` it lasts."""

    text: str
    service: str | None = None
    environment: str | None = None
    at: datetime | None = None
    until: datetime | None = None


class AnnotationMade(msgspec.Struct, kw_only=True):
    id: str


class QueryShape(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    text: str
    legend: str = ""


class PanelShape(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """``kind`` is ``line``, ``stack``, ``bars``, ``dots`` or ``heat``."""

    title: str
    queries: list[QueryShape]
    kind: str = "line"
    unit: str = ""
    note: str = ""
    wide: bool = False

    @classmethod
    def of(cls, one: Panel) -> PanelShape:
        return cls(
            title=one.title,
            queries=[QueryShape(text=query.text, legend=query.legend) for query in one.queries],
            kind=one.kind.value,
            unit=one.unit,
            note=one.note,
            wide=one.wide,
        )


class DefinitionShape(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A dashboard as code."""

    title: str
    panels: list[PanelShape]
    service: str | None = None
    environment: str | None = None
    note: str = ""

    @classmethod
    def of(cls, one: Dashboard) -> DefinitionShape:
        return cls(
            title=one.title,
            panels=[PanelShape.of(panel) for panel in one.panels],
            service=one.service,
            environment=one.environment,
            note=one.note,
        )


class DashboardShape(msgspec.Struct, kw_only=True):
    name: str
    version: int
    saved_at: datetime
    person: str | None
    definition: DefinitionShape


class DashboardRow(msgspec.Struct, kw_only=True):
    name: str
    title: str
    service: str | None
    panels: int
    version: int

    @classmethod
    def of(cls, one: Version) -> DashboardRow:
        return cls(
            name=one.dashboard.name,
            title=one.dashboard.title,
            service=one.dashboard.service,
            panels=len(one.dashboard.panels),
            version=one.version,
        )


class Dashboards(msgspec.Struct, kw_only=True):
    dashboards: list[DashboardRow]
