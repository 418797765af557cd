"""Addresses of the pages of runs, and who may stand there."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from andon.flow.pipelines.contract import RunId
from andon.flow.pipelines.model import Job, Run
from andon.flow.pipelines.service import PipelineService
from andon.flow.pipelines.service.listing import whole_run
from andon.kernel.access import Permission, Principal
from andon.kernel.db import Reading
from andon.kernel.errors import NotFound

LIST = "/runs"


def run_address(run: RunId, *, job: str = "", tab: str = "", attempt: int = 0, part: str = "") -> str:
    """``job`` is ``stage/name``; ``part`` a page below the run's own."""
    words = {"job": job, "tab": tab, "attempt": str(attempt) if attempt else ""}
    query = urlencode({name: value for name, value in words.items() if value}, safe="/")
    return f"{LIST}/{run}{'/' + part if part else ''}{'?' + query if query else ''}"


def list_address(**words: str) -> str:
    """The list with these filters; empty ones are left out."""
    query = urlencode({name: value for name, value in words.items() if value}, safe="/")
    return f"{LIST}?{query}" if query else LIST


def deploy_address(service: str, environment: str) -> str:
    """The deploy console of a service in an environment."""
    return f"{environment_address(service, environment)}/deploy"


def environment_address(service: str, environment: str) -> str:
    return f"/services/{quote(service, safe='')}/environments/{quote(environment, safe='')}"


def log_address(job: Job, attempt: int, name: str = "log") -> str:
    return f"{LIST}/{job.run}/jobs/{job.id}/{attempt}/{name}"


def seen_run(reading: Reading, principal: Principal, run: str) -> Run:
    """The run. Raises ``NotFound``, the same for one that is not there and one that may not be seen."""
    found = whole_run(reading, run)
    if not principal.may(Permission.READ, found.service):
        raise NotFound("There is no such run that you may see.", remedy="List them: andon runs")
    return found


def job_of_run(service: PipelineService, reading: Reading, run: Run, job: str) -> Job:
    """A job of this very run. Raises ``NotFound``."""
    for one in service.jobs(reading, run.id):
        if one.id == job:
            return one
    raise NotFound(f"Run {run.number} of {run.service} has no such job.", remedy="Choose one on the run's page.")
