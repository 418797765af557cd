"""The pages of runs: the list, one run as it happens, what was refused."""

from __future__ import annotations

from andon.flow.artifacts.contract import Artifacts
from andon.flow.deployments.contract import Deployments
from andon.flow.pipelines.folders import RunFolders
from andon.flow.pipelines.pages.compare import comparison_pages
from andon.flow.pipelines.pages.deeds import run_deeds
from andon.flow.pipelines.pages.listing import listing_pages, run_entries
from andon.flow.pipelines.pages.logs import log_answers
from andon.flow.pipelines.pages.run import RunView, run_page
from andon.flow.pipelines.service import PipelineService
from andon.flow.sources.contract import Sources
from andon.kernel.access.contract import People
from andon.web.http.pages import Handlers

__all__ = ["run_entries", "run_pages"]


def run_pages(
    service: PipelineService,
    *,
    sources: Sources,
    artifacts: Artifacts,
    deployments: Deployments,
    people: People,
    folders: RunFolders,
) -> Handlers:
    """Every page, answer and deed of the console about runs."""
    view = RunView(
        service, sources=sources, artifacts=artifacts, deployments=deployments, people=people, folders=folders
    )
    return [
        *listing_pages(service, sources, people, deployments),
        *run_page(view),
        *comparison_pages(service, sources),
        *log_answers(service, folders),
        *run_deeds(service),
    ]
