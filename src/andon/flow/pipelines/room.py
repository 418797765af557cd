"""What pipelines offer to the application."""

from __future__ import annotations

import logging
from collections.abc import Callable

from andon.flow.artifacts.contract import Artifacts
from andon.flow.pipelines.api import run_routes, schema_route
from andon.flow.pipelines.execution import Execution
from andon.flow.pipelines.pages import run_entries
from andon.flow.pipelines.reactions import reactions
from andon.flow.pipelines.runner.sandboxed import SandboxRunner
from andon.flow.pipelines.service import PipelineService, Progress
from andon.flow.pipelines.telling import run_telling
from andon.flow.pipelines.workflows import run_workflow
from andon.kernel.db import Database
from andon.kernel.workflows import Workflows
from andon.web.http.pages import Handlers
from andon.web.room import Reconciler, Room
from andon.web.shell import NavItem

_HOUR = 3600.0
_LOOK = 15.0
_log = logging.getLogger(__name__)


def pipelines_room(
    *,
    database: Database,
    service: PipelineService,
    progress: Progress,
    execution: Execution,
    runner: SandboxRunner,
    workflows: Workflows,
    artifacts: Artifacts,
    console: str,
    keep_days: int,
    schema: bytes,
    pages: Handlers | None = None,
) -> Room:
    """``schema`` is the JSON Schema of ``andon.yaml``; ``keep_days`` is how long logs and test results stay."""
    return Room(
        name="pipelines",
        templates="andon.flow.pipelines",
        navigation=(NavItem("Flow", "Runs", "/runs", "pipeline", "p", place=-1),),
        entries=run_entries(service),
        handlers=(
            *(pages or ()),
            *run_routes(service, artifacts, runner.folders, console),
            *schema_route(schema),
        ),
        telling=run_telling(service),
        workflows=(run_workflow(execution),),
        reactions=reactions(service, progress, execution, workflows),
        reconcilers=(
            Reconciler("flags of tests", _LOOK, lambda: execution.return_flags("its jobs are over")),
            Reconciler("old runs", _HOUR, _clear_old(database, service, runner, keep_days)),
            Reconciler("old caches", 24 * _HOUR, lambda: _said(runner.expire_caches())),
        ),
        begin=lambda: _begin(runner, execution),
        end=execution.close,
    )


def _begin(runner: SandboxRunner, execution: Execution) -> None:
    """No job is under way any more, so that no environment is to pretend anything for one."""
    _ended(runner)
    execution.return_flags("Andon was started again", all_of_them=True)


def _ended(runner: SandboxRunner) -> None:
    for job in runner.end_orphans():
        _log.warning("ended job %s, which an earlier life of Andon left running", job)


def _clear_old(
    database: Database, service: PipelineService, runner: SandboxRunner, keep_days: int
) -> Callable[[], None]:
    def run() -> None:
        """Files first: a crash in between finds the run again."""
        with database.reading() as reading:
            old = service.old_runs(reading, days=keep_days)
        for one in old:
            runner.forget(one)
            with database.transaction() as tx:
                service.clear(tx, one)

    return run


def _said(removed: int) -> None:
    if removed:
        _log.info("removed %d caches that nobody used", removed)
