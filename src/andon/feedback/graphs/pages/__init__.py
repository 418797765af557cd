"""The pages of graphs."""

from __future__ import annotations

from andon.feedback.graphs.asking import Asking
from andon.feedback.graphs.pages.answers import answer_pages
from andon.feedback.graphs.pages.dashboards import dashboard_pages
from andon.feedback.graphs.pages.exploring import exploring_pages
from andon.feedback.graphs.pages.services import service_pages
from andon.feedback.graphs.service import GraphsService
from andon.flow.sources.contract import Sources
from andon.web.http.pages import Handlers


def graph_pages(graphs: GraphsService, asking: Asking, sources: Sources) -> Handlers:
    return [
        *answer_pages(graphs, asking),
        *service_pages(graphs, asking, sources),
        *exploring_pages(graphs, asking),
        *dashboard_pages(graphs, asking),
    ]
