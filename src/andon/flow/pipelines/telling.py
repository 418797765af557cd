"""How runs, their stages and their jobs are told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

from andon.flow.pipelines.contract import (
    FailureKind,
    JobCancelRequested,
    JobFinished,
    JobLost,
    JobRetryRequested,
    JobStarted,
    JobState,
    RunCancelRequested,
    RunContinued,
    RunFinished,
    RunId,
    RunQueued,
    RunRefused,
    RunStarted,
    RunState,
    StageFinished,
    StageStarted,
    StageState,
)
from andon.flow.pipelines.service import PipelineService
from andon.kernel.db import Reading
from andon.kernel.errors import NotFound
from andon.kernel.events import Event
from andon.kernel.ids import is_id
from andon.web.model import State
from andon.web.rendering import duration, plural
from andon.web.telling import Names, Sentence, Telling

_PLACE = re.compile(r"[^\s:]+:\d+:\d+: ")
"""A fault begins with its place; the lines after it show and explain it."""
FAILURES: Mapping[FailureKind | None, str] = {
    FailureKind.TIMEOUT: "ran out of time",
    FailureKind.MEMORY: "ran out of memory",
    FailureKind.SIGNAL: "was ended by a signal",
    FailureKind.DISK: "filled its disk",
    FailureKind.SETUP: "could not begin",
    FailureKind.PACKAGE: "left no package",
    FailureKind.MIGRATIONS: "refused a migration",
}
_ENDED: Mapping[RunState, tuple[str, State | None, str]] = {
    RunState.PASSED: ("finished", State.OK, "every stage passed"),
    RunState.FAILED: ("stopped", State.BAD, ""),
    RunState.CANCELLED: ("cancelled", None, ""),
    RunState.SUPERSEDED: ("passed over", None, ""),
}


def run_telling(service: PipelineService) -> Telling:
    def name(reading: Reading, kind: str, id: str) -> str | None:
        if kind != "run" or not is_id(id, "run"):
            return None
        try:
            return f"run {service.run(reading, RunId(id)).number}"
        except NotFound:
            return None

    return Telling(tell=tell, name=name)


def tell(happened: Event, names: Names) -> Sentence | None:
    match happened:
        case RunQueued(run=run, commit=commit, branch=branch):
            return _of_run("queued", run, names, f"for {commit[:7]} on {branch}", minor="run start")
        case RunRefused(service=service, commit=commit, branch=branch, faults=faults):
            count = sum(_PLACE.match(one) is not None for one in faults)
            more = f" and {count - 1} more" if count > 1 else ""
            address = f"/runs?service={quote(service, safe='')}&branch={quote(branch)}&state=refused"
            detail = f"{faults[0]}{more}" if faults else ""
            return Sentence(
                "refused", commit[:7], address, f"on {branch}", detail, "pipeline", State.BAD, actor="Andon"
            )
        case RunStarted(run=run):
            return _of_run("began", run, names, minor="run start")
        case RunFinished(run=run, commit=commit, outcome=outcome, reason=reason):
            what, state, otherwise = _ENDED.get(outcome, (f"left {outcome.value}", None, ""))
            return _of_run(what, run, names, f"of {commit[:7]}", reason or otherwise, state)
        case RunCancelRequested(run=run):
            return _of_run("asked to cancel", run, names)
        case RunContinued(run=run, stage=stage):
            return _of_run("let", run, names, f"go on into {stage}")
    return _stage(happened, names) or _job(happened, names)


def _stage(happened: Event, names: Names) -> Sentence | None:
    match happened:
        case StageStarted(run=run, stage=stage):
            of = f"of {names.of('run', run, 'a run')}"
            return Sentence("began the stage", stage, f"/runs/{run}", of, icon="pipeline", minor="stage")
        case StageFinished(run=run, stage=stage, outcome=outcome, reason=reason):
            of = f"of {names.of('run', run, 'a run')}"
            what, state = {
                StageState.PASSED: ("passed the stage", State.OK),
                StageState.FAILED: ("stopped in the stage", State.BAD),
                StageState.CANCELLED: ("cancelled the stage", None),
                StageState.SKIPPED: ("skipped the stage", None),
            }.get(outcome, (f"left {outcome.value} the stage", None))
            minor = "" if state is State.BAD else "stage"
            return Sentence(what, stage, f"/runs/{run}", of, reason, "pipeline", state, minor)
    return None


def _job(happened: Event, names: Names) -> Sentence | None:
    match happened:
        case JobStarted(run=run, stage=stage, name=job, attempt=attempt):
            again = f"attempt {attempt}" if attempt > 1 else ""
            return _of_job("started the job", run, stage, job, names, detail=again, minor="job")
        case JobFinished():
            return _ended(happened, names)
        case JobCancelRequested(run=run, name=job):
            return _of_job("asked to cancel the job", run, "", job, names)
        case JobRetryRequested(run=run, name=job):
            return _of_job("asked to run the job", run, "", job, names, ", again")
        case JobLost(run=run, attempt=attempt):
            of = f", as Andon stopped while attempt {attempt} ran"
            told = "the attempt counts for nothing, and the job runs again"
            return Sentence(
                "lost a job of", names.of("run", run, "a run"), f"/runs/{run}", of, told, "pipeline", State.WARN
            )
    return None


def _ended(one: JobFinished, names: Names) -> Sentence:
    took = f"took {duration(one.seconds)}"
    match one.outcome:
        case JobState.PASSED:
            told = f"{plural(one.tests, 'test')} passed, {took}" if one.tests else took
            return _of_job(
                "passed the job", one.run, one.stage, one.name, names, detail=told, state=State.OK, minor="job"
            )
        case JobState.FAILED:
            told = f"{_failure(one)}, {took}"
            return _of_job("stopped at the job", one.run, one.stage, one.name, names, detail=told, state=State.BAD)
        case JobState.CANCELLED:
            return _of_job("cancelled the job", one.run, one.stage, one.name, names, minor="job")
        case _:
            return _of_job("skipped the job", one.run, one.stage, one.name, names, minor="job")


def _failure(one: JobFinished) -> str:
    if one.failure in FAILURES:
        return f"it {FAILURES[one.failure]}"
    if one.tests_failed:
        return f"{one.tests_failed} of {plural(one.tests, 'test')} failed"
    return "it failed" if one.exit_code is None else f"exit code {one.exit_code}"


def _of_run(
    what: str, run: str, names: Names, then: str = "", detail: str = "", state: State | None = None, minor: str = ""
) -> Sentence:
    return Sentence(what, names.of("run", run, "a run"), f"/runs/{run}", then, detail, "pipeline", state, minor)


def _of_job(
    what: str,
    run: str,
    stage: str,
    job: str,
    names: Names,
    then: str = "",
    detail: str = "",
    state: State | None = None,
    minor: str = "",
) -> Sentence:
    chosen = f"?job={quote(stage)}/{quote(job)}" if stage else ""
    where = f"{then} in {names.of('run', run, 'a run')}".lstrip() if not then else f"{then}"
    return Sentence(what, job, f"/runs/{run}{chosen}", where, detail, "pipeline", state, minor)
