"""How annotations and dashboards are told."""

from __future__ import annotations

from andon.feedback.graphs.contract import Annotated, AnnotationRemoved, DashboardRemoved, DashboardSaved
from andon.kernel.events import Event
from andon.web.rendering import exact, plural
from andon.web.telling import Names, Sentence, Telling


def tell(happened: Event, names: Names) -> Sentence | None:
    match happened:
        case Annotated(text=text, at=at, until=until):
            when = exact(at) if until is None else f"{exact(at)} to {exact(until)}"
            where = f"/graphs/services/{happened.service}" if happened.service else "/graphs"
            return Sentence("annotated", text, where, detail=f"at {when}", icon="flag")
        case AnnotationRemoved(text=text):
            return Sentence("removed the annotation", text, icon="flag")
        case DashboardSaved(dashboard=dashboard, version=version, panels=panels):
            detail = f"version {version} with {plural(panels, 'panel')}"
            return Sentence("saved the dashboard", dashboard, f"/graphs/dashboards/{dashboard}", "", detail, "graph")
        case DashboardRemoved(dashboard=dashboard):
            return Sentence("removed the dashboard", dashboard, "/graphs/dashboards", icon="graph")
    return None


TELLING = Telling(tell=tell)
