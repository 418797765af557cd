"""What the router is told, as values; rendered to Envoy's configuration without touching anything."""

from __future__ import annotations

from andon.flow.routing.model.envoy import (
    COPIES,
    AccessLogging,
    render_bootstrap,
    render_clusters,
    render_listeners,
    render_route,
    version_of,
)
from andon.flow.routing.model.program import DARK, MOST_PASSES, PASSED, SIDE, WORDS, shuffle
from andon.flow.routing.model.table import (
    Listener,
    Live,
    Outdated,
    Rule,
    Table,
    Upstream,
    reachable,
    rules_of,
    scaled,
    weights_of,
)

__all__ = [
    "COPIES",
    "DARK",
    "MOST_PASSES",
    "PASSED",
    "SIDE",
    "WORDS",
    "AccessLogging",
    "Listener",
    "Live",
    "Outdated",
    "Rule",
    "Table",
    "Upstream",
    "reachable",
    "render_bootstrap",
    "render_clusters",
    "render_listeners",
    "render_route",
    "rules_of",
    "scaled",
    "shuffle",
    "version_of",
    "weights_of",
]
