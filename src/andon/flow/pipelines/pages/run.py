"""One run: its line, the graph of its jobs, and the chosen one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from andon.flow.artifacts.contract import Artifacts
from andon.flow.deployments.contract import Deployments
from andon.flow.pipelines.contract import RunState, StageState
from andon.flow.pipelines.folders import RunFolders
from andon.flow.pipelines.model import Expected, Job, JobKind, Run, Stage
from andon.flow.pipelines.pages.chosen import (
    HISTORY_OF,
    Choosing,
    JobPane,
    choose,
    definition_facts,
    deployment_tasks,
    job_pane,
    package_facts,
    test_rows,
)
from andon.flow.pipelines.pages.graph import Column, draw
from andon.flow.pipelines.pages.line import DEPLOYED, deployment_of, run_line
from andon.flow.pipelines.pages.places import LIST, deploy_address, list_address, run_address, seen_run
from andon.flow.pipelines.pages.words import JOB_WORDS, RUN_WORDS, failure, remark, sentence
from andon.flow.pipelines.service import PipelineService
from andon.flow.pipelines.service.listing import Attempt, attempts
from andon.flow.pipelines.usual import unusual, worked_seconds
from andon.flow.sources.contract import Commit, CommitHash, Service, Sources
from andon.kernel.access import Permission
from andon.kernel.access.contract import People
from andon.kernel.access.people import all_people
from andon.kernel.db import Reading
from andon.kernel.errors import AndonError
from andon.kernel.logs.reader import LogReader
from andon.kernel.logs.text import plain
from andon.web.http.pages import Handlers, Html, PageContext, page
from andon.web.logs import Drawn, log_lines
from andon.web.model import Fact, State, Step, Task, TestRow
from andon.web.shell import Action, Crumb, Page

LINES = 200
"""Lines of a log that the server draws for readers without script."""


def told(commit: Commit) -> Commit:
    """The commit with words that neither colour nor turn the text round them; markup is escaped by the templates."""
    return replace(commit, subject=plain(commit.subject), author=plain(commit.author))


class Commits:
    """Commits as they are shown."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def find(self, service: Service, commit: CommitHash) -> Commit | None:
        try:
            return told(self._sources.commit(service, commit))
        except AndonError:
            return None  # a page about a run does not fail because its commit was pruned


AttemptRow = tuple[Attempt, State, str, str, str]
"""An attempt, its state and word, how it failed, and the address that shows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """What the chosen tab of a job holds; the others are left empty."""

    lines: tuple[Drawn, ...] = ()
    dropped: int = 0
    tests: tuple[TestRow, ...] = ()
    tests_in_all: int = 0
    attempts: tuple[AttemptRow, ...] = ()
    command: str | None = None
    facts: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentPane:
    """The deployment that a stage begins with."""

    environment: str
    state: State
    word: str
    reason: str
    tasks: tuple[Task, ...]
    href: str
    waits: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the live parts of a run's page are drawn from."""

    run: Run
    sentence: str
    state: State
    word: str
    line: tuple[Step, ...]
    columns: tuple[Column, ...]
    here: str
    """Key of the chosen row."""
    follows: bool
    region: str
    deeds: tuple[Action, ...]
    compare: tuple[str, int] | None
    """Address, and number of the run to compare with."""
    remark: str
    """One line under the line: who may let it go on, how long it still takes, how long it took."""
    pane: JobPane | None = None
    detail: Detail = field(default_factory=Detail)
    deploying: DeploymentPane | None = None


_COMPARED = 20
"""Runs of the branch that passed before, which one is compared with."""


class RunView:
    """Gathers what is shown of a run."""

    def __init__(
        self,
        service: PipelineService,
        *,
        sources: Sources,
        artifacts: Artifacts,
        deployments: Deployments,
        people: People,
        folders: RunFolders,
    ) -> None:
        self._service = service
        self._artifacts = artifacts
        self._deployments = deployments
        self._people = people
        self._folders = folders
        self._sources = sources
        self.commits = Commits(sources)

    def gather(self, context: PageContext, identity: str) -> Shown:
        with context.database.reading() as reading:
            run = seen_run(reading, context.principal, identity)
            return self._gather(context, reading, run)

    def _gather(self, context: PageContext, reading: Reading, run: Run) -> Shown:
        service = self._service
        stages, jobs = service.stages(reading, run.id), service.jobs(reading, run.id)
        expected = service.expected(reading, run.service)
        before = service.compare(reading, run.id)
        chosen = choose(context.query.get("job", ""), stages, jobs)
        state, word = RUN_WORDS[run.state]
        who = self._who(reading, run)
        shown = Shown(
            run=run,
            sentence=sentence(run, stages, jobs),
            state=state,
            word=word,
            line=run_line(run, stages, jobs, who=who, deployments=self._deployments, reading=reading),
            columns=draw(stages, jobs, expected, reading.now),
            here=_key(run, chosen),
            follows=chosen.follows and not run.state.ended,
            region=_region(context, run),
            deeds=self._deeds(context, run, stages),
            compare=(run_address(run.id, part="compare"), before.number) if before else None,
            remark=self._waiting(context, reading, run, stages)
            or self._slow(reading, run, stages)
            or remark(run, stages, expected, reading.now),
        )
        if chosen.job is not None:
            return self._with_job(shown, context, reading, chosen.job, expected)
        if chosen.deployment is not None:
            return replace(shown, deploying=self._deploying(reading, run, chosen.deployment))
        return shown

    def _slow(self, reading: Reading, run: Run, stages: Sequence[Stage]) -> str:
        """What is to be said of a run that passed and took much longer than such runs do; else nothing."""
        if run.state is not RunState.PASSED:
            return ""
        before = self._service.list_runs(
            reading,
            service=run.service,
            branch=run.branch,
            states=(RunState.PASSED,),
            older_than=run.id,
            limit=_COMPARED,
        )
        found = unusual(worked_seconds(stages), [worked_seconds(one.stages) for one in before])
        return found.says if found is not None else ""

    def _with_job(
        self,
        shown: Shown,
        context: PageContext,
        reading: Reading,
        job: Job,
        expected: Mapping[tuple[str, str | None], Expected],
    ) -> Shown:
        run = shown.run
        artifact = self._artifacts.of_run(reading, run.id) if job.kind is JobKind.PACKAGE else None
        past = attempts(reading, job)
        pane = job_pane(
            run,
            job,
            asked=context.query,
            past=past,
            expected=expected,
            artifact=artifact,
            principal=context.principal,
            name=context.caller.name,
        )
        match pane.tab:
            case "log":
                tail = LogReader(self._folders.log(run.id, job.id, pane.attempt)).tail(LINES)
                detail = Detail(lines=tuple(log_lines(tail)), dropped=tail.dropped)
            case "tests":
                cases = self._service.tests(reading, job.id, pane.attempt)
                past_of = self._service.history(reading, job, cases[:HISTORY_OF])
                detail = Detail(tests=test_rows(cases, past_of), tests_in_all=len(cases))
            case "attempts":
                detail = Detail(attempts=tuple(_attempt_row(one, shown) for one in past))
            case "package" if artifact is not None:
                detail = Detail(facts=package_facts(artifact), command=artifact.provenance.command)
            case _:
                command, facts = definition_facts(run, job)
                detail = Detail(command=command, facts=facts)
        return replace(shown, pane=pane, detail=detail)

    def _deploying(self, reading: Reading, run: Run, stage: Stage) -> DeploymentPane:
        found = deployment_of(self._deployments, reading, stage.deployment)
        state, word = DEPLOYED[found.state] if found else (State.NONE, "not begun")
        environment = stage.environment or ""
        return DeploymentPane(
            environment=environment,
            state=state,
            word=word,
            reason=(found.reason if found else "") or stage.reason,
            tasks=deployment_tasks(found) if found else (),
            href=deploy_address(run.service, environment),
            waits=stage.state is StageState.WAITING,
        )

    def _who(self, reading: Reading, run: Run) -> str:
        if run.person is not None:
            return next(iter(self._people.names(reading, [run.person]).values()), run.person)
        commit = self.commits.find(run.service, run.commit)
        return commit.author if commit else ""

    def _deeds(self, context: PageContext, run: Run, stages: tuple[Stage, ...]) -> tuple[Action, ...]:
        principal, own = context.principal, f"{LIST}/{run.id}"
        deeds = []
        waiting = next((one for one in stages if one.state is StageState.WAITING), None)
        if run.state is RunState.WAITING and waiting is not None:
            needed = Permission.DEPLOY if waiting.environment else Permission.RUN
            if principal.may(needed, run.service, waiting.environment):
                label = f"Let {run.commit[:7]} go on to {waiting.name}"
                deeds.append(Action(label, f"{own}/proceed", kind="primary", icon="arrow"))
        if not principal.may(Permission.RUN, run.service):
            return tuple(deeds)
        if run.state.ended:
            deeds.append(Action(f"Run {run.commit[:7]} again", f"{own}/again", icon="retry"))
        elif run.cancel_requested:
            deeds.append(Action(f"Cancel run {run.number}", "", icon="cancel", blocked="It is being ended."))
        else:
            deeds.append(Action(f"Cancel run {run.number}", f"{own}/cancel", icon="cancel"))
        return tuple(deeds)

    def _waiting(self, context: PageContext, reading: Reading, run: Run, stages: tuple[Stage, ...]) -> str:
        """Who may let a waiting run go on; empty when it does not wait."""
        waiting = next((one for one in stages if one.state is StageState.WAITING), None)
        if run.state is not RunState.WAITING or waiting is None:
            return ""
        needed = Permission.DEPLOY if waiting.environment else Permission.RUN
        names = [
            one.name
            for one in all_people(reading)
            if one.joined
            and one.erased_at is None
            and any(grant.covers(needed, run.service, waiting.environment) for grant in one.grants)
        ]
        said = f"{waiting.reason[:1].upper()}{waiting.reason[1:]}. " if waiting.reason else ""
        if context.principal.may(needed, run.service, waiting.environment):
            others = f" So may {_and([one for one in names if one != context.caller.name])}." if len(names) > 1 else ""
            return f"{said}You may let it go on.{others}"
        return f"{said}{_and(names)} may let it go on." if names else f"{said}Nobody may let it go on yet."


def run_page(view: RunView) -> Handlers:
    @page("/runs/{run:str}")
    def show(context: PageContext, run: str) -> Html:
        shown = view.gather(context, run)
        found = shown.run
        return context.page(
            "pipelines/run.html",
            Page(
                title=f"Run {found.number} of {found.service}",
                sentence=shown.sentence,
                crumbs=(
                    Crumb(found.service, list_address(service=found.service)),
                    Crumb("Runs", list_address(service=found.service)),
                    Crumb(str(found.number), run_address(found.id)),
                ),
                wide=True,
            ),
            shown=shown,
            address=run_address,
            commit=view.commits.find(found.service, found.commit),
            branch_href=list_address(service=found.service, branch=found.branch),
            oob=False,
        )

    @page("/runs/{run:str}/now")
    def now(context: PageContext, run: str) -> Html:
        shown = view.gather(context, run)
        return context.part("pipelines/run_live.html", shown=shown, address=run_address, oob=True)

    return [show, now]


def _key(run: Run, chosen: Choosing) -> str:
    if chosen.job is not None:
        return f"{run.definition.stages[chosen.job.stage].name}/{chosen.job.name}"
    return f"{chosen.deployment.name}/" if chosen.deployment is not None else ""


def _attempt_row(one: Attempt, shown: Shown) -> AttemptRow:
    state, word = (State.NONE, "lost: Andon stopped, it ran again") if one.lost else JOB_WORDS[one.state]
    how = failure(one) if state is State.BAD else ""
    return one, state, word, how, run_address(shown.run.id, job=shown.here, attempt=one.number)


def _region(context: PageContext, run: Run) -> str:
    """Where the live part fetches itself anew: with what the address chose, or following the run."""
    asked = context.query
    number = asked.get("attempt", "")
    attempt = int(number) if number.isascii() and number.isdigit() and len(number) < 6 else 0
    return run_address(run.id, job=asked.get("job", ""), tab=asked.get("tab", ""), attempt=attempt, part="now")


def _and(names: list[str]) -> str:
    if len(names) > 4:
        return f"{', '.join(names[:3])} and {len(names) - 3} others"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
