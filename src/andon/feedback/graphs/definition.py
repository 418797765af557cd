"""Dashboards as code: what is sent becomes a dashboard, and a dashboard becomes YAML."""

from __future__ import annotations

import io

import msgspec
from ruamel.yaml import YAML

from andon.feedback.graphs.contract import DashboardName
from andon.feedback.graphs.model.panels import Dashboard, Panel, PanelKind, Query
from andon.feedback.graphs.views import DefinitionShape, PanelShape
from andon.flow.sources.contract import Service
from andon.kernel.errors import Invalid


def dashboard_of(name: str, shape: DefinitionShape) -> Dashboard:
    """Raises ``Invalid``."""
    made = Dashboard(
        name=DashboardName(name),
        title=shape.title.strip(),
        panels=tuple(_panel(number, one) for number, one in enumerate(shape.panels, 1)),
        service=None if not shape.service else Service(shape.service),
        environment=shape.environment or None,
        note=shape.note.strip(),
    )
    made.check()
    return made


def _panel(number: int, shape: PanelShape) -> Panel:
    try:
        kind = PanelKind(shape.kind)
    except ValueError:
        raise Invalid(
            f"The dashboard's panels[{number}].kind is not known.",
            safe="Nothing was saved.",
            remedy=f"Write one of {', '.join(PanelKind)}.",
        ) from None
    return Panel(
        title=shape.title.strip(),
        queries=tuple(Query(text=one.text.strip(), legend=one.legend.strip()) for one in shape.queries),
        kind=kind,
        unit=shape.unit.strip(),
        note=shape.note.strip(),
        wide=shape.wide,
    )


def yaml_of(dashboard: Dashboard) -> str:
    """With its name above, as ``andon dashboards apply`` takes it."""
    text = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # the stubs say None alone
    yaml.width = 10_000
    yaml.dump({"name": dashboard.name, **msgspec.to_builtins(DefinitionShape.of(dashboard))}, text)
    return text.getvalue()
