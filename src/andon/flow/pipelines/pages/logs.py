"""A job's output: for the log viewer, and as plain text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from litestar import Response, get
from litestar.response import Stream
from litestar.types import ControllerRouterHandler

from andon.flow.pipelines.folders import RunFolders
from andon.flow.pipelines.model import Job
from andon.flow.pipelines.pages.places import job_of_run, seen_run
from andon.flow.pipelines.service import PipelineService
from andon.kernel.errors import NotFound
from andon.kernel.logs.reader import LogReader
from andon.kernel.logs.text import plain
from andon.web.http.pages import Handlers, PageContext
from andon.web.http.plain import in_thread
from andon.web.logs import log_answer

_PIECE = 2000
"""Lines read at once for the plain text."""


def log_answers(service: PipelineService, folders: RunFolders) -> Handlers:
    def found(context: PageContext, run: str, job: str, attempt: int) -> tuple[Job, Path]:
        with context.database.reading() as reading:
            own = seen_run(reading, context.principal, run)
            one = job_of_run(service, reading, own, job)
        if not 0 <= attempt <= one.attempt:
            raise NotFound(f"{one.name} had no attempt {attempt}.", remedy="Choose one on the run's page.")
        return one, folders.log(own.id, one.id, attempt)

    def log(context: PageContext, run: str, job: str, attempt: int) -> Response[bytes]:
        one, folder = found(context, run, job, attempt)
        over = one.state.ended or attempt < one.attempt
        return Response(log_answer(LogReader(folder), context.query, over=over), media_type="application/json")

    def text(context: PageContext, run: str, job: str, attempt: int) -> Stream:
        one, folder = found(context, run, job, attempt)
        name = f"{one.run}-{one.name}-{attempt}.log"
        return Stream(
            _lines(LogReader(folder)),
            media_type="text/plain; charset=utf-8",
            headers={"content-disposition": f'attachment; filename="{_harmless(name)}"'},
        )

    place = "/runs/{run:str}/jobs/{job:str}/{attempt:int}"
    handlers: list[ControllerRouterHandler] = [
        get(f"{place}/log", include_in_schema=False)(in_thread(log, (place,))),
        get(f"{place}/log.txt", include_in_schema=False)(in_thread(text, (place,))),
    ]
    return handlers


def _lines(reader: LogReader) -> Iterator[bytes]:
    start = 0
    while True:
        page = reader.lines(start, _PIECE)
        if page.lines:
            yield "".join(f"{plain(line.text)}\n" for line in page.lines).encode()
        if page.next <= start or page.next >= page.total:
            return
        start = page.next


def _harmless(name: str) -> str:
    return "".join(one if one.isascii() and (one.isalnum() or one in "._-") else "-" for one in name)
