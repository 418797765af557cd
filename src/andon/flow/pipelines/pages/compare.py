"""A run beside the last green one: which jobs differ, and what came in between."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from andon.flow.pipelines.model import JobComparison
from andon.flow.pipelines.pages.places import list_address, run_address, seen_run
from andon.flow.pipelines.pages.run import told
from andon.flow.pipelines.pages.words import JOB_WORDS
from andon.flow.pipelines.service import PipelineService
from andon.flow.sources.contract import Difference, Sources
from andon.kernel.errors import AndonError, NotFound
from andon.kernel.logs.text import plain
from andon.web.http.pages import Handlers, Html, PageContext, page
from andon.web.model import Commit, Diff, State
from andon.web.rendering import duration
from andon.web.shell import Crumb, Page

COMMITS = 30
_NOTABLE = 0.2
"""A job that takes this share longer, and at least a second, is slower; else it is as before."""


def comparison_pages(service: PipelineService, sources: Sources) -> Handlers:
    @page("/runs/{run:str}/compare")
    def compare(context: PageContext, run: str) -> Html:
        with context.database.reading() as reading:
            found = seen_run(reading, context.principal, run)
            compared = service.compare(reading, found.id)
        if compared is None:
            raise NotFound(
                f"No run of {found.branch} passed before run {found.number}.",
                remedy="There is nothing to compare it with yet.",
            )
        between: Difference | None
        try:
            between = sources.difference(found.service, compared.commit, found.commit)
        except AndonError:
            between = None  # one of the commits was pruned: the jobs can still be compared
        rows = [_row(one) for one in compared.jobs]
        worse = [one[0].job for one in rows if one[4] is State.BAD]
        slower = [one[0].job for one in rows if one[4] is State.WARN]
        said = f"{', '.join(worse[:3])} passed before and failed now" if worse else "nothing that passed before failed"
        if not worse and slower:
            said += f"; {', '.join(slower[:3])} took longer"
        here = run_address(found.id)
        return context.page(
            "pipelines/compare.html",
            Page(
                title=f"Run {found.number} and run {compared.number}",
                sentence=f"Since run {compared.number}, the last that passed: {said}",
                crumbs=(
                    Crumb(found.service, list_address(service=found.service)),
                    Crumb("Runs", list_address(service=found.service)),
                    Crumb(str(found.number), here),
                ),
            ),
            run=found,
            other=compared,
            other_href=run_address(compared.run),
            rows=rows,
            address=run_address,
            diff=_diff(between) if between else None,
            files=tuple(replace(one, path=plain(one.path)) for one in between.files[:100]) if between else (),
            files_in_all=len(between.files) if between else 0,
            commits=len(between.commits) if between else 0,
        )

    return [compare]


Compared = tuple[JobComparison, State, str, str, State | None]
"""The job, its state and word now, what changed, and whether that is worth a colour."""


def _row(one: JobComparison) -> Compared:
    state, word = JOB_WORDS[one.state]
    before = JOB_WORDS[one.before_state] if one.before_state else None
    if before is None:
        return one, state, word, "new job", None
    if state is State.BAD and before[0] is State.OK:
        return one, state, word, f"{before[1]} before", State.BAD
    if state is not before[0]:
        return one, state, word, f"{before[1]} before", None
    if one.seconds is None or one.before_seconds is None:
        return one, state, word, "", None
    more = one.seconds - one.before_seconds
    if abs(more) < max(1.0, one.before_seconds * _NOTABLE):
        return one, state, word, "as before", None
    told = duration(timedelta(seconds=abs(more)))
    return (
        (one, state, word, f"{told} longer", State.WARN) if more > 0 else (one, state, word, f"{told} faster", State.OK)
    )


def _diff(between: Difference) -> Diff:
    return Diff(
        commits=tuple(
            Commit(one.hash, one.subject, one.author, one.committed_at) for one in map(told, between.commits[:COMMITS])
        ),
        truncated=max(0, len(between.commits) - COMMITS),
    )
