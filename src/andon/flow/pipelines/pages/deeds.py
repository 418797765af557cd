"""What people do to a run from its page."""

from __future__ import annotations

from andon.flow.pipelines.contract import RunId
from andon.flow.pipelines.pages.places import job_of_run, run_address, seen_run
from andon.flow.pipelines.service import PipelineService
from andon.web.http.pages import Handlers, Html, PageContext, deed


def run_deeds(service: PipelineService) -> Handlers:
    @deed("/runs/{run:str}/cancel")
    def cancel_run(context: PageContext, run: str) -> Html:
        with context.database.transaction() as tx:
            found = seen_run(tx, context.principal, run)
            service.cancel(tx, context.principal, found.id)
        return context.go(run_address(RunId(run)))

    @deed("/runs/{run:str}/proceed")
    def proceed(context: PageContext, run: str) -> Html:
        with context.database.transaction() as tx:
            found = seen_run(tx, context.principal, run)
            service.proceed(tx, context.principal, found.id)
        return context.go(run_address(RunId(run)))

    @deed("/runs/{run:str}/again")
    def start_again(context: PageContext, run: str) -> Html:
        with context.database.transaction() as tx:
            found = seen_run(tx, context.principal, run)
            made = service.start_by_hand(tx, context.principal, found.service, found.commit, branch=found.branch)
        return context.go(run_address(made))

    @deed("/runs/{run:str}/jobs/{job:str}/retry")
    def retry_job(context: PageContext, run: str, job: str) -> Html:
        with context.database.transaction() as tx:
            found = seen_run(tx, context.principal, run)
            one = job_of_run(service, tx, found, job)
            service.retry_job(tx, context.principal, one.id)
        return context.go(run_address(found.id, job=f"{found.definition.stages[one.stage].name}/{one.name}"))

    @deed("/runs/{run:str}/jobs/{job:str}/cancel")
    def cancel_job(context: PageContext, run: str, job: str) -> Html:
        with context.database.transaction() as tx:
            found = seen_run(tx, context.principal, run)
            one = job_of_run(service, tx, found, job)
            service.cancel_job(tx, context.principal, one.id)
        return context.go(run_address(found.id, job=f"{found.definition.stages[one.stage].name}/{one.name}"))

    return [cancel_run, proceed, start_again, retry_job, cancel_job]
