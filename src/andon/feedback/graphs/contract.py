"""What others may know of graphs: annotations and dashboards come and go, and what made a line on a graph."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

from andon.flow.sources.contract import Service
from andon.kernel.events import Event, event

AnnotationId = NewType("AnnotationId", str)
DashboardName = NewType("DashboardName", str)
"""Lower case letters, digits and dashes, at most 60: it stands in addresses."""


class CauseKind(StrEnum):
    """What a line on a graph stands for, the most telling first."""

    DEPLOYMENT = "deployment"
    ROLL_BACK = "roll-back"
    MIGRATION = "migration"
    FLAG = "flag"
    CONFIGURATION = "configuration"
    INCIDENT = "incident"
    ALERT = "alert"
    ANNOTATION = "annotation"
    ENVIRONMENT = "environment"
    INSTANCE = "instance"


@event("dev.andon.annotation.made.v1", subject="annotation")
@dataclass(frozen=True, slots=True, kw_only=True)
class Annotated(Event):
    """Somebody marked a moment, or the time until another one, on the graphs that it concerns."""

    annotation: AnnotationId
    service: Service | None
    """``None`` concerns every service."""
    environment: str | None
    text: str
    at: datetime
    until: datetime | None


@event("dev.andon.annotation.removed.v1", subject="annotation")
@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationRemoved(Event):
    """An annotation is no longer drawn; what it said stays in the record."""

    annotation: AnnotationId
    service: Service | None
    text: str


@event("dev.andon.dashboard.saved.v1", subject="dashboard")
@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardSaved(Event):
    """A dashboard was made or changed; every version is kept."""

    dashboard: DashboardName
    service: Service | None
    version: int
    panels: int


@event("dev.andon.dashboard.removed.v1", subject="dashboard")
@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardRemoved(Event):
    """A dashboard is no longer offered; its versions are kept, and saving under its name brings it back."""

    dashboard: DashboardName
    service: Service | None
    version: int
