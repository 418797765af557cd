"""The job that a run's page shows: which one, and everything about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from andon.flow.artifacts.contract import Artifact
from andon.flow.definition.contract import Network
from andon.flow.deployments.contract import STEP_NAMES, STEP_WORDS, DeploymentView
from andon.flow.pipelines.contract import JobState, StageState
from andon.flow.pipelines.model import Expected, Job, JobKind, Run, Stage, TestCase, TestState, jobs_of
from andon.flow.pipelines.pages.places import log_address, run_address
from andon.flow.pipelines.pages.words import JOB_WORDS, TEST_WORDS, failure
from andon.flow.pipelines.service.listing import Attempt
from andon.kernel.access import Permission, Principal
from andon.web.model import Choice, Fact, State, Task, TestRow, state_of
from andon.web.rendering import capital, duration, plural, size
from andon.web.shell import Action

TABS = ("log", "tests", "attempts", "definition", "package")
MOST_TESTS = 500
HISTORY_OF = 200
"""Tests whose past is looked up."""


@dataclass(frozen=True, slots=True)
class Choosing:
    """What the address asks for; ``follows`` when it leaves the choice to the run."""

    job: Job | None
    deployment: Stage | None
    follows: bool


def choose(asked: str, stages: Sequence[Stage], jobs: Sequence[Job]) -> Choosing:
    """The job named ``stage/job`` (or by its id), the deployment named ``stage/``, or the one that matters most now."""
    stage_name, _, name = asked.partition("/")
    stage = next((one for one in stages if one.name == stage_name), None)
    if stage is not None and not name and stage.environment is not None:
        return Choosing(None, stage, follows=False)
    for job in jobs:
        if job.id == asked or (stage is not None and job.stage == stage.position and job.name == name):
            return Choosing(job, None, follows=False)
    failed = [one for one in jobs if one.state is JobState.FAILED]
    if failed:
        return Choosing(failed[0], None, follows=True)
    broken = next((one for one in stages if one.environment and one.state in _DEPLOYMENT_MATTERS), None)
    if broken is not None and not any(one.stage == broken.position and one.started_at for one in jobs):
        return Choosing(None, broken, follows=True)
    running = [one for one in jobs if one.state is JobState.RUNNING]
    if running:
        return Choosing(max(running, key=lambda one: (one.started_at is not None, one.started_at)), None, follows=True)
    begun = [one for one in jobs if one.started_at is not None]
    last = max(begun, key=lambda one: (one.stage, one.ended_at is not None, one.ended_at), default=None)
    return Choosing(last or (jobs[0] if jobs else None), None, follows=True)


_DEPLOYMENT_MATTERS = {StageState.DEPLOYING, StageState.FAILED}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPane:
    """A job as the template shows it."""

    title: str
    state: State
    word: str
    meta: str
    reason: str
    deeds: tuple[Action, ...]
    tabs: tuple[Choice, ...]
    tab: str
    id: str
    attempt: int
    complete: bool
    log: str
    raw: str
    permalink: str
    topics: str


def job_pane(
    run: Run,
    job: Job,
    *,
    asked: Mapping[str, str],
    past: Sequence[Attempt],
    expected: Mapping[tuple[str, str | None], Expected],
    artifact: Artifact | None,
    principal: Principal,
    name: str,
) -> JobPane:
    stage = run.definition.stages[job.stage].name
    key = f"{stage}/{job.name}"
    current = job.attempt + 1 if job.state in _NOT_BEGUN else job.attempt
    shown = _attempt(asked.get("attempt", ""), job, current)
    former = next((one for one in past if one.number == shown), None) if shown != current else None
    tab = asked.get("tab", "")
    tab = tab if tab in TABS else "log"
    if tab == "package" and (job.kind is not JobKind.PACKAGE or artifact is None):
        tab = "log"
    state, word = JOB_WORDS[job.state]
    if former is not None:
        state, word = (State.NONE, "lost") if former.lost else JOB_WORDS[former.state]
    told = failure(former or job) if state is State.BAD else ""
    usual = expected.get((stage, job.name))
    meta = [f"attempt {shown} of {current}"] if current > 1 else []
    if usual:
        meta.append(f"usually {duration(timedelta(seconds=usual.seconds))} (n = {usual.n})")
    tests = former.tests if former else job.tests
    tests_failed = former.tests_failed if former else job.tests_failed
    at = shown if shown != current else 0

    def choice(name: str, label: str, count: int | None = None, mark: State | None = None) -> Choice:
        return Choice(label, run_address(run.id, job=key, tab=name, attempt=at), count, tab == name, mark)

    tabs = [
        choice("log", "Log"),
        choice("tests", "Tests", tests or None, State.BAD if tests_failed else None),
        choice("attempts", "Attempts", job.attempt if job.attempt > 1 else None),
        choice("definition", "Definition"),
    ]
    if job.kind is JobKind.PACKAGE and artifact is not None:
        tabs.append(choice("package", "Package"))
    return JobPane(
        title=job.name,
        state=state,
        word=f"{word}: {told}" if told else word,
        meta=" · ".join(meta),
        reason=job.reason if former is None else "",
        deeds=_deeds(run, job, artifact, principal, name),
        tabs=tuple(tabs),
        tab=tab,
        id=job.id,
        attempt=0 if shown == current and job.state in _NOT_BEGUN else shown,
        complete=job.state.ended or shown != current,
        log=log_address(job, shown),
        raw=log_address(job, shown, "log.txt"),
        permalink=run_address(run.id, job=key, attempt=shown),
        topics=f"job:{job.id} run:{run.id}",
    )


_NOT_BEGUN = {JobState.PENDING, JobState.READY}


def _attempt(asked: str, job: Job, current: int) -> int:
    number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 6 else current
    return number if 1 <= number <= job.attempt else current


def _deeds(run: Run, job: Job, artifact: Artifact | None, principal: Principal, name: str) -> tuple[Action, ...]:
    if not principal.may(Permission.RUN, run.service):
        return ()
    if not job.state.ended:
        if job.cancel_requested or run.cancel_requested:
            return (Action(f"Cancel {job.name}", "", icon="cancel", blocked="It is being ended."),)
        return (Action(f"Cancel {job.name}", f"/runs/{run.id}/jobs/{job.id}/cancel", icon="cancel"),)
    label = f"Retry {job.name}"
    if job.kind is JobKind.PACKAGE and artifact is not None:
        return (Action(label, "", icon="retry", blocked="The package is published, and it is built once."),)
    if not run.state.ended and run.state.value != "waiting" and not _stage_runs(run, job):
        return ()
    if principal.person is not None and principal.person != run.acting_person:
        # what then deploys, deploys by the authority of whoever asked for it
        label += f" as {name}"
    return (Action(label, f"/runs/{run.id}/jobs/{job.id}/retry", icon="retry"),)


def _stage_runs(run: Run, job: Job) -> bool:
    """A job that failed while its stage goes on is taken up by the stage's own scheduler."""
    return job.state in {JobState.FAILED, JobState.CANCELLED}


def test_rows(
    cases: Sequence[TestCase], history: Mapping[tuple[str, str], tuple[TestState | None, ...]]
) -> tuple[TestRow, ...]:
    rows = []
    for case in cases[:MOST_TESTS]:
        state, word = TEST_WORDS[case.state]
        past = history.get((case.suite, case.name), ())
        rows.append(
            TestRow(
                name=case.name,
                state=state,
                word=word,
                took=timedelta(seconds=case.seconds),
                message=case.message,
                history=tuple(State.NONE if one is None else TEST_WORDS[one][0] for one in past),
                suite=case.suite,
            )
        )
    return tuple(rows)


def definition_facts(run: Run, job: Job) -> tuple[str | None, tuple[Fact, ...]]:
    """The command of the job and the rest of what ``andon.yaml`` said of it at this commit."""
    found = next((one for one, _kind in jobs_of(run.definition, job.stage) if one.name == job.name), None)
    if found is None:
        return None, ()
    facts = [
        Fact("Needs", ", ".join(found.needs) or "nothing"),
        Fact("Network", "the machine's" if found.network is Network.HOST else "none"),
        Fact("Time limit", duration(found.timeout)),
        Fact("Memory", size(found.memory)),
    ]
    if found.cpus:
        facts.append(Fact("Processors", f"{found.cpus:g}"))
    if found.caches:
        facts.append(Fact("Caches", ", ".join(found.caches), mono=True))
    if found.services:
        facts.append(Fact("Services", ", ".join(found.services)))
    if found.reports:
        facts.append(Fact("Reports", ", ".join(found.reports), mono=True))
    facts.extend(Fact(name, value, mono=True) for name, value in sorted(found.environment.items()))
    return found.command, tuple(facts)


def package_facts(artifact: Artifact) -> tuple[Fact, ...]:
    made = artifact.provenance
    facts = [
        Fact("Digest", f"sha256:{artifact.digest}", mono=True, copy=True),
        Fact("Size", f"{size(artifact.size)} in {plural(artifact.files, 'file')}"),
        Fact("Commit", artifact.commit, mono=True, copy=True),
        Fact("Built", artifact.built_at),
        Fact("Builder", made.builder),
        Fact("Inputs", ", ".join(made.inputs) or "the commit alone", mono=bool(made.inputs)),
    ]
    if artifact.removed_at is not None:
        facts.append(Fact("Removed", artifact.removed_at, state=State.WARN))
    return tuple(facts)


def deployment_tasks(found: DeploymentView) -> tuple[Task, ...]:
    tasks = []
    for step in found.steps:
        state, word = state_of(step.state), STEP_WORDS[step.state]
        ended = step.ended_at
        tasks.append(
            Task(
                capital(STEP_NAMES[step.name]),
                state,
                word,
                at=step.started_at,
                took=None if ended is None else max(timedelta(), ended - step.started_at),
                note=step.reason,
            )
        )
    return tuple(tasks)
