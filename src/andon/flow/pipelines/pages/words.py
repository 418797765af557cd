"""What runs, stages and jobs are called on the pages, and which of the six states they show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from andon.flow.pipelines.contract import JobState, RunState, StageState
from andon.flow.pipelines.model import Expected, Job, Run, Stage, TestState
from andon.flow.pipelines.service.listing import Attempt
from andon.flow.pipelines.telling import FAILURES
from andon.kernel.clock import seconds_between
from andon.web.model import State
from andon.web.rendering import duration, plural

RUN_WORDS = {
    RunState.QUEUED: (State.NONE, "queued"),
    RunState.RUNNING: (State.RUN, "running"),
    RunState.WAITING: (State.HOLD, "waits for a person"),
    RunState.PASSED: (State.OK, "passed"),
    RunState.FAILED: (State.BAD, "failed"),
    RunState.CANCELLED: (State.NONE, "cancelled"),
    RunState.SUPERSEDED: (State.NONE, "superseded"),
}
STAGE_WORDS = {
    StageState.PENDING: (State.NONE, "not yet"),
    StageState.DEPLOYING: (State.RUN, "deploying"),
    StageState.RUNNING: (State.RUN, "running"),
    StageState.WAITING: (State.HOLD, "waits for a person"),
    StageState.PASSED: (State.OK, "passed"),
    StageState.FAILED: (State.BAD, "failed"),
    StageState.CANCELLED: (State.NONE, "cancelled"),
    StageState.SKIPPED: (State.NONE, "skipped"),
}
JOB_WORDS = {
    JobState.PENDING: (State.NONE, "waits"),
    JobState.READY: (State.NONE, "waits for a place"),
    JobState.RUNNING: (State.RUN, "running"),
    JobState.PASSED: (State.OK, "passed"),
    JobState.FAILED: (State.BAD, "failed"),
    JobState.CANCELLED: (State.NONE, "cancelled"),
    JobState.SKIPPED: (State.NONE, "skipped"),
}
TEST_WORDS = {
    TestState.PASSED: (State.OK, "passed"),
    TestState.FAILED: (State.BAD, "failed"),
    TestState.ERROR: (State.BAD, "broke"),
    TestState.SKIPPED: (State.NONE, "skipped"),
}


def failure(job: Job | Attempt) -> str:
    """How a failed job failed: "1 of 9 tests", "exit code 2", "ran out of time"."""
    if job.failure in FAILURES:
        return FAILURES[job.failure]
    if job.tests_failed:
        return f"{job.tests_failed} of {plural(job.tests, 'test')}"
    if job.exit_code is not None:
        return f"exit code {job.exit_code}"
    return ""


def sentence(run: Run, stages: Sequence[Stage], jobs: Sequence[Job]) -> str:
    """The run's conclusion, or how far it is."""
    name = f"Run {run.number} of {run.service}"
    if run.cancel_requested and not run.state.ended:
        return f"{name} is being cancelled"
    here = _here(stages)
    place = here.name if here else ""
    match run.state:
        case RunState.QUEUED:
            return f"{name} waits to begin" if run.generation == 0 else f"{name} is about to go on"
        case RunState.RUNNING:
            return f"{name} {_progress(here, jobs)}"
        case RunState.WAITING:
            return f"{name} waits to go on to {place}"
        case RunState.PASSED:
            deployed = [one.environment for one in stages if one.environment and one.state is StageState.PASSED]
            return f"{name} passed and runs in {deployed[-1]}" if deployed else f"{name} passed"
        case RunState.FAILED:
            failed = [one for one in jobs if one.state is JobState.FAILED]
            if failed:
                return f"{name} failed in {_stage_of(stages, failed[0])}: {_named(failed)}"
            broken = next((one for one in stages if one.state is StageState.FAILED), None)
            return f"{name} failed in {broken.name}" if broken else f"{name} failed"
        case RunState.CANCELLED:
            stopped = next((one for one in stages if one.state is StageState.CANCELLED), None)
            return f"{name} was cancelled in {stopped.name}" if stopped else f"{name} was cancelled"
        case RunState.SUPERSEDED:
            return f"{name} never began: {run.reason}" if run.reason else f"{name} never began"


def _progress(here: Stage | None, jobs: Sequence[Job]) -> str:
    if here is None:
        return "is under way"
    if here.state is StageState.DEPLOYING:
        return f"is being deployed to {here.environment}"
    own = [one for one in jobs if one.stage == here.position]
    failed = [one for one in own if one.state is JobState.FAILED]
    if failed:
        return f"is failing in {here.name}: {_named(failed)}"
    done = sum(one.state is JobState.PASSED for one in own)
    return f"is in {here.name}" + (f": {done} of {plural(len(own), 'job')} passed" if own else "")


def remark(
    run: Run, stages: Sequence[Stage], expected: Mapping[tuple[str, str | None], Expected], now: datetime
) -> str:
    """How long it still takes, as far as earlier runs tell, or how long it took."""
    took = seconds_between(run.started_at, run.ended_at)
    match run.state:
        case RunState.QUEUED:
            return "It begins as soon as there is a free place."
        case RunState.RUNNING:
            return _still(stages, expected, now)
        case RunState.FAILED:
            after = [one.name for one in stages if one.state is StageState.SKIPPED]
            safe = f" {_and(after)} {'was' if len(after) == 1 else 'were'} not touched." if after else ""
            return (f"It took {duration(took)}." if took is not None else "It never began.") + safe
        case RunState.SUPERSEDED:
            return "Nothing of it was run; the newer run has what it brought."
        case _:
            return f"It took {duration(took)}." if took is not None else "It never began."


def _still(stages: Sequence[Stage], expected: Mapping[tuple[str, str | None], Expected], now: datetime) -> str:
    left, known = 0.0, []
    for stage in stages:
        if stage.state not in {StageState.PENDING, StageState.DEPLOYING, StageState.RUNNING}:
            continue
        usual = expected.get((stage.name, None))
        if usual is None:
            return "How long it takes cannot be told yet: not every stage has passed before."
        spent = seconds_between(stage.started_at, now) or 0.0 if stage.state is not StageState.PENDING else 0.0
        left += max(0.0, usual.seconds - spent)
        known.append(usual.n)
    if not known:
        return "It is about to end."
    if left < 1:
        return "It takes longer than usual."
    return f"About {duration(round(left))} to go, as it usually takes (n = {min(known)})."


def _and(names: Sequence[str]) -> str:
    told = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    return told[:1].upper() + told[1:]


def stage_word(stage: Stage, jobs: Sequence[Job], *, after: StageState | None) -> str:
    """One or two words under a stage's name; ``after`` is the state of the stage before it."""
    if stage.state is StageState.RUNNING and jobs:
        done = sum(one.state.ended for one in jobs)
        return f"{done} of {plural(len(jobs), 'job')}"
    if stage.state is StageState.SKIPPED:
        dead = after in {StageState.FAILED, StageState.CANCELLED, StageState.SKIPPED}
        return "not reached" if dead else "not for this branch"
    return STAGE_WORDS[stage.state][1]


def _here(stages: Sequence[Stage]) -> Stage | None:
    under_way = {StageState.DEPLOYING, StageState.RUNNING, StageState.WAITING}
    return next((one for one in stages if one.state in under_way), None)


def _stage_of(stages: Sequence[Stage], job: Job) -> str:
    return next((one.name for one in stages if one.position == job.stage), "")


def _named(jobs: Sequence[Job]) -> str:
    told = ", ".join(f"{one.name} ({how})" if (how := failure(one)) else one.name for one in jobs[:2])
    return told + (f" and {len(jobs) - 2} more" if len(jobs) > 2 else "")
