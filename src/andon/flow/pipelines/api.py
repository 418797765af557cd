"""The API of runs: what there is, what came of it, and what can be asked of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import anyio
from anyio import to_thread
from litestar import Response, get
from litestar.params import Parameter
from litestar.response import Stream

from andon.flow.artifacts.contract import Artifacts
from andon.flow.pipelines.contract import JobId, RunId, RunState
from andon.flow.pipelines.folders import RunFolders
from andon.flow.pipelines.model import Job
from andon.flow.pipelines.service import PipelineService
from andon.flow.pipelines.views import (
    ComparisonShape,
    JobShape,
    LogLineShape,
    LogMatches,
    LogSection,
    LogShape,
    RunDetails,
    RunRequest,
    Runs,
    RunShape,
    Tests,
    TestShape,
)
from andon.flow.sources.contract import Service
from andon.kernel.access import Principal
from andon.kernel.db import Database, Reading
from andon.kernel.errors import Invalid, NotFound
from andon.kernel.ids import is_id
from andon.kernel.logs.reader import LogReader
from andon.kernel.logs.text import plain, spans
from andon.web.http import api
from andon.web.http.api import Call, Handlers

_MOST_RUNS = 100
_MOST_LINES = 5000
_MOST_MATCHES = 2000
_MOST_TESTS = 5000
_LOOK = 0.2

_Limit = Annotated[int, Parameter(ge=1, le=_MOST_RUNS)]
_Lines = Annotated[int, Parameter(ge=1, le=_MOST_LINES)]
_Line = Annotated[int, Parameter(ge=1, le=2**53, description="The first line, from 1.")]
_Attempt = Annotated[int | None, Parameter(ge=1, le=2**31, description="The present one without it.")]
_Wait = Annotated[float, Parameter(ge=0, le=30, description="Seconds to wait for lines when there are none yet.")]
_Text = Annotated[str, Parameter(min_length=1, max_length=500)]


def run_routes(pipelines: PipelineService, artifacts: Artifacts, folders: RunFolders, console: str) -> Handlers:
    """``console`` is the installation's address, without a slash at the end."""
    return [
        *_questions(pipelines, artifacts, console),
        *_deeds(pipelines, artifacts, console),
        *_logs(pipelines, folders),
    ]


def _details(
    pipelines: PipelineService, artifacts: Artifacts, console: str, reading: Reading, principal: Principal, run: str
) -> RunDetails:
    found = pipelines.seen(reading, principal, run)
    expected = pipelines.expected(reading, found.service)
    package = artifacts.of_run(reading, found.run)
    stages = [stage.name for stage in found.stages]
    return RunDetails(
        run=RunShape.of(found, console, expected),
        jobs=[JobShape.of(job, stages[job.stage], expected) for job in pipelines.jobs(reading, found.run)],
        package=None if package is None else package.digest,
    )


def _questions(pipelines: PipelineService, artifacts: Artifacts, console: str) -> Handlers:
    @api.get("/runs")
    def list_runs(
        call: Call,
        service: str | None = None,
        branch: str | None = None,
        in_state: RunState | None = None,
        commit: str | None = None,
        older_than: str | None = None,
        limit: _Limit = 20,
    ) -> Runs:
        """Runs, newest first. `commit` takes four characters or more; `older_than` is `next` of the page before."""
        call.principal.require_reading()
        if service is not None:
            call.principal.require_sight(service)
        if commit is not None and len(commit) < 4:
            raise Invalid("A commit needs at least four characters.", remedy="Write more of it.")
        with call.database.reading() as reading:
            found = pipelines.list_runs(
                reading,
                services=call.principal.visible_services(),
                service=None if service is None else Service(service),
                branch=branch,
                states=None if in_state is None else [in_state],
                commit=commit,
                older_than=None if older_than is None else RunId(older_than),
                limit=limit + 1,
            )
        shown = found[:limit]
        return Runs(
            runs=[RunShape.of(one, console) for one in shown], next=shown[-1].run if len(found) > limit else None
        )

    @api.get("/runs/{run:str}")
    def show_run(call: Call, run: str) -> RunDetails:
        """One run with its stages and jobs."""
        with call.database.reading() as reading:
            return _details(pipelines, artifacts, console, reading, call.principal, run)

    @api.get("/services/{name:str}/runs/{number:int}")
    def show_numbered_run(call: Call, name: str, number: int) -> RunDetails:
        """One run by its number within a service."""
        call.principal.require_sight(name)
        with call.database.reading() as reading:
            found = pipelines.seen(reading, call.principal, str(number), Service(name))
            return _details(pipelines, artifacts, console, reading, call.principal, found.run)

    @api.get("/runs/{run:str}/comparison")
    def compare_run(call: Call, run: str) -> ComparisonShape:
        """The run beside the last one of its branch that passed before it."""
        with call.database.reading() as reading:
            found = pipelines.seen(reading, call.principal, run)
            return ComparisonShape.of(pipelines.compare(reading, found.run))

    @api.get("/jobs/{job:str}")
    def show_job(call: Call, job: str) -> JobShape:
        """One job."""
        with call.database.reading() as reading:
            run, found = pipelines.seen_job(reading, call.principal, job)
            return JobShape.of(found, run.stages[found.stage].name, pipelines.expected(reading, run.service))

    @api.get("/jobs/{job:str}/tests")
    def list_tests(
        call: Call,
        job: str,
        attempt: _Attempt = None,
        limit: Annotated[int, Parameter(ge=1, le=_MOST_TESTS)] = 500,
    ) -> Tests:
        """What a job's tests came to, failed ones first, each with how it ended in the last ten runs."""
        with call.database.reading() as reading:
            _, found = pipelines.seen_job(reading, call.principal, job)
            cases = pipelines.tests(reading, found.id, attempt or found.attempt)
            shown = cases[:limit]
            history = pipelines.history(reading, found, shown)
        return Tests(tests=[TestShape.of(one, history) for one in shown], total=len(cases))

    return [list_runs, show_run, show_numbered_run, compare_run, show_job, list_tests]


def _deeds(pipelines: PipelineService, artifacts: Artifacts, console: str) -> Handlers:
    @api.post("/runs", status=201)
    def start_run(call: Call, data: RunRequest) -> RunDetails:
        """Start a run of a commit that is already there."""
        with call.database.transaction() as tx:
            made = pipelines.start_by_hand(tx, call.principal, Service(data.service), data.revision, branch=data.branch)
            return _details(pipelines, artifacts, console, tx, call.principal, made)

    @api.post("/runs/{run:str}/cancel", status=202)
    def cancel_run(call: Call, run: str) -> RunDetails:
        """Ask for the end of a run; its jobs end within seconds."""
        with call.database.transaction() as tx:
            pipelines.cancel(tx, call.principal, _run_id(run))
            return _details(pipelines, artifacts, console, tx, call.principal, run)

    @api.post("/runs/{run:str}/proceed", status=202)
    def proceed_with_run(call: Call, run: str) -> RunDetails:
        """Let a waiting run go on into the stage it waits for."""
        with call.database.transaction() as tx:
            pipelines.proceed(tx, call.principal, _run_id(run))
            return _details(pipelines, artifacts, console, tx, call.principal, run)

    @api.post("/jobs/{job:str}/cancel", status=202)
    def cancel_job(call: Call, job: str) -> RunDetails:
        """Ask for the end of one job."""
        with call.database.transaction() as tx:
            pipelines.cancel_job(tx, call.principal, JobId(job))
            return _details(pipelines, artifacts, console, tx, call.principal, pipelines.job(tx, JobId(job)).run)

    @api.post("/jobs/{job:str}/retry", status=202)
    def retry_job(call: Call, job: str) -> RunDetails:
        """Run a job again, and with it what needs it and every stage behind its own."""
        with call.database.transaction() as tx:
            pipelines.retry_job(tx, call.principal, JobId(job))
            return _details(pipelines, artifacts, console, tx, call.principal, pipelines.job(tx, JobId(job)).run)

    return [start_run, cancel_run, proceed_with_run, cancel_job, retry_job]


def _logs(pipelines: PipelineService, folders: RunFolders) -> Handlers:
    def found(database: Database, principal: Principal, job: str, attempt: int | None) -> tuple[Job, int, Path]:
        with database.reading() as reading:
            _, one = pipelines.seen_job(reading, principal, job)
        chosen = attempt or one.attempt
        if chosen > one.attempt:
            raise NotFound(f"{one.name} had no attempt {chosen}.", remedy=f"It had {one.attempt} so far.")
        return one, chosen, folders.log(one.run, one.id, chosen)

    def read(
        database: Database, principal: Principal, job: str, attempt: int | None, start: int, limit: int
    ) -> LogShape:
        one, chosen, folder = found(database, principal, job, attempt)
        reader = LogReader(folder)
        page = reader.lines(start - 1, limit)
        return LogShape(
            lines=[
                LogLineShape(
                    n=line.number + 1, at=line.at_ms, section=line.section, kind=line.kind, spans=spans(line.text)
                )
                for line in page.lines
            ],
            next=page.next + 1,
            total=page.total,
            dropped=page.dropped,
            # A job that never ran has no log that could be closed, nor has an attempt that Andon's end cut short.
            complete=page.complete or one.state.ended or chosen < one.attempt,
            sections=[LogSection(name=part.name, start=part.first_line + 1) for part in reader.sections()],
            attempt=chosen,
        )

    @api.get("/jobs/{job:str}/log")
    async def read_log(
        call: Call, job: str, attempt: _Attempt = None, start: _Line = 1, limit: _Lines = 1000, wait: _Wait = 0
    ) -> LogShape:
        """A page of a job's output; with `wait` it answers once there are lines from `start` on, or at the end."""
        ask = partial(read, call.database, call.principal, job, attempt, start, limit)
        answer = await to_thread.run_sync(ask)
        end = time.monotonic() + wait
        while not answer.lines and not answer.complete and time.monotonic() < end:
            await anyio.sleep(_LOOK)
            answer = await to_thread.run_sync(ask)
        return answer

    @api.get("/jobs/{job:str}/log/search")
    def search_log(call: Call, job: str, q: _Text, attempt: _Attempt = None) -> LogMatches:
        """The lines of a job's output that hold a text, whatever its case."""
        _, _, folder = found(call.database, call.principal, job, attempt)
        matches = LogReader(folder).search(q, limit=_MOST_MATCHES + 1)
        return LogMatches(
            matches=[line.number + 1 for line in matches[:_MOST_MATCHES]], more=len(matches) > _MOST_MATCHES
        )

    @api.get("/jobs/{job:str}/log/text", media_type="text/plain")
    def download_log(call: Call, job: str, attempt: _Attempt = None) -> Stream:
        """A job's output as plain text, without colours."""
        one, chosen, folder = found(call.database, call.principal, job, attempt)
        name = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in one.name)
        return Stream(
            _plain(LogReader(folder)),
            media_type="text/plain; charset=utf-8",
            headers={"content-disposition": f'attachment; filename="{name}-{chosen}.log"'},
        )

    return [read_log, search_log, download_log]


def _plain(reader: LogReader) -> Iterator[bytes]:
    start = 0
    while True:
        page = reader.lines(start, 2000)
        yield "".join(f"{plain(line.text)}\n" for line in page.lines).encode()
        if page.next <= start or page.next >= page.total:
            return
        start = page.next


def schema_route(schema: bytes) -> Handlers:
    """The JSON Schema of ``andon.yaml``, for editors; anybody may read it."""

    @get("/schema/andon.json", include_in_schema=False, sync_to_thread=False)
    def definition_schema() -> Response[bytes]:
        return Response(schema, media_type="application/schema+json")

    return [definition_schema]


def _run_id(text: str) -> RunId:
    if not is_id(text, "run"):
        raise NotFound("There is no such run that you may see.", remedy="List them: andon runs")
    return RunId(text)
