"""The value stream as the console's components draw it. Nothing here asks anybody anything but git's memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote, urlencode

from andon.flow.deployments.contract import (
    STEP_NAMES,
    STEP_WORDS,
    DeploymentState,
    DeploymentView,
    Kind,
    StepState,
)
from andon.flow.environments.contract import EnvironmentView, SetView
from andon.flow.overview.commits import MOST_COUNTED, Commits
from andon.flow.overview.model import Figures, Line, Station
from andon.flow.overview.service import Stream
from andon.flow.pipelines.contract import RunState, RunSummary, StageState, StageSummary
from andon.flow.sources.contract import CommitHash, Service
from andon.web.model import Cell, Gap, ServiceRow, State, Step, Trend, state_of
from andon.web.rendering import capital, duration, percent, plural

RUN_STATES: Mapping[RunState, tuple[State, str]] = {
    RunState.QUEUED: (State.RUN, "about to begin"),
    RunState.RUNNING: (State.RUN, "running"),
    RunState.WAITING: (State.HOLD, "waits for a person"),
    RunState.PASSED: (State.OK, "passed"),
    RunState.FAILED: (State.BAD, "failed"),
    RunState.CANCELLED: (State.NONE, "cancelled"),
    RunState.SUPERSEDED: (State.NONE, "superseded"),
}
STAGE_STATES: Mapping[StageState, tuple[State, str]] = {
    StageState.PENDING: (State.NONE, "not yet"),
    StageState.DEPLOYING: (State.RUN, "deploying"),
    StageState.RUNNING: (State.RUN, "running"),
    StageState.WAITING: (State.HOLD, "waits for a person"),
    StageState.PASSED: (State.OK, "passed"),
    StageState.FAILED: (State.BAD, "failed"),
    StageState.CANCELLED: (State.NONE, "cancelled"),
    StageState.SKIPPED: (State.NONE, "not for this branch"),
}
DEPLOYMENT_STATES: Mapping[DeploymentState, tuple[State, str]] = {
    DeploymentState.QUEUED: (State.HOLD, "waits its turn"),
    DeploymentState.RUNNING: (State.RUN, "under way"),
    DeploymentState.SUCCEEDED: (State.OK, "done"),
    DeploymentState.FAILED: (State.BAD, "failed before the switch"),
    DeploymentState.ROLLED_BACK: (State.BAD, "rolled back"),
    DeploymentState.CANCELLED: (State.NONE, "cancelled"),
}
_STEPS = 7
"""Steps of a full deployment, for how far one is."""
NEWEST = "Newest change"


def service_address(service: str) -> str:
    return f"/services/{quote(service, safe='')}"


def place_address(service: str, environment: str) -> str:
    return f"{service_address(service)}/environments/{quote(environment, safe='')}"


def deploy_address(service: str, environment: str, commit: str = "") -> str:
    return f"{place_address(service, environment)}/deploy" + (f"?{urlencode({'commit': commit})}" if commit else "")


def deployment_address(deployment: DeploymentView) -> str:
    return f"/deployments/{deployment.id}"


def run_address(run: RunSummary) -> str:
    return f"/runs/{run.run}"


def who(person: str | None, names: Mapping[str, str]) -> str:
    return "Andon" if person is None else names.get(person, person)


def health_of(one: SetView) -> tuple[State, str]:
    """A set's health as a colour and in words: "healthy", "1 of 2 healthy"."""
    return state_of(one.condition), one.says


@dataclass(frozen=True, slots=True)
class Drawing:
    """Draws lines, knowing people's names and commits' subjects."""

    commits: Commits
    names: Mapping[str, str]

    def rows(self, stream: Stream, figures: Mapping[Service, Figures]) -> tuple[ServiceRow, ...]:
        return tuple(self._row(line, stream.columns, figures.get(line.service)) for line in stream.lines)

    def newest(self, line: Line) -> Cell:
        """The cell before all environments: the newest change of the default branch, and how its run goes."""
        if line.refused is not None:
            return Cell(
                environment=NEWEST,
                commit=line.refused.commit,
                state=State.BAD,
                word="andon.yaml is faulty",
                since=line.refused.at,
                title=self.commits.subject(line.service, line.refused.commit),
                href=service_address(line.service),
            )
        if line.newest is None:
            return Cell(environment=NEWEST, word="nothing pushed yet")
        run = line.newest
        state, word = RUN_STATES[run.state]
        stage = next((one for one in run.stages if one.state in {StageState.RUNNING, StageState.DEPLOYING}), None)
        if stage is not None and run.state is RunState.RUNNING:
            word = f"{stage.name} {STAGE_STATES[stage.state][1]}"
        if line.broken_stage is not None:
            state, word = State.BAD, _broken_word(line, line.broken_stage)
        return Cell(
            environment=NEWEST,
            commit=run.commit,
            state=state,
            word=word,
            since=run.pushed_at,
            who=who(run.person, self.names),
            title=self.commits.subject(line.service, run.commit),
            href=run_address(run),
        )

    def cell(self, line: Line, station: Station) -> Cell:
        service, live = line.service, station.live
        if live is None:
            if station.coming is not None and station.coming.state is DeploymentState.RUNNING:
                return Cell(
                    environment=station.environment,
                    commit=station.coming.commit,
                    state=State.RUN,
                    word="first deployment",
                    since=station.coming.requested_at,
                    who=who(station.coming.person, self.names),
                    title=self.commits.subject(service, station.coming.commit),
                    href=deployment_address(station.coming),
                )
            return Cell(environment=station.environment)
        state, word = health_of(live)
        broken = line.broken_stage
        if (
            state is State.OK
            and broken is not None
            and broken.environment == station.environment
            and line.newest is not None
            and line.newest.commit == live.commit
        ):
            state, word = State.BAD, _broken_word(line, broken)
        if state is State.OK and station.refuted:
            state, word = State.BAD, "refuted"
        serving = station.serving
        return Cell(
            environment=station.environment,
            commit=live.commit,
            state=state,
            word=word,
            since=serving.switched_at if serving is not None else live.created_at,
            lead=_span(None if serving is None else serving.lead_time),
            who="" if serving is None else who(serving.person, self.names),
            title=self.commits.subject(service, live.commit),
            href=place_address(service, station.environment),
        )

    def gap(self, line: Line, before: CommitHash | None, station: Station) -> Gap:
        """What lies between a commit and the environment it goes to next."""
        service, name = line.service, station.environment
        coming = station.coming
        if coming is not None and coming.state is DeploymentState.RUNNING:
            done = sum(one.state is StepState.PASSED for one in coming.steps)
            return Gap(
                State.RUN,
                0,
                f"{coming.commit[:7]} is on its way to {name}",
                min(0.95, done / _STEPS),
                deployment_address(coming),
            )
        if coming is not None:
            return Gap(
                State.HOLD,
                1 + station.queued,
                f"{plural(1 + station.queued, 'deployment')} wait for {name}",
                None,
                deployment_address(coming),
            )
        broken = line.broken_stage
        if broken is not None and line.newest is not None and self._breaks_before(line, station):
            sentence = f"Stopped: {line.newest.commit[:7]} {line.broke} in {broken.name}"
            return Gap(State.BAD, 0, sentence, None, run_address(line.newest))
        if before is None or before == station.commit:
            return Gap(State.OK if before is not None else State.NONE, 0, "same version" if before else "nothing yet")
        href = deploy_address(service, name, before)
        if station.commit is None:
            return Gap(State.NONE, 1, f"{before[:7]} has never been in {name}", None, href)
        waiting = self.commits.between(service, station.commit, before)
        if not waiting:
            return Gap(State.NONE, 0, f"{name} runs something else", None, href)
        held = line.newest is not None and any(
            stage.environment == name and stage.state is StageState.WAITING for stage in line.newest.stages
        )
        count = f"{MOST_COUNTED} or more changes" if waiting >= MOST_COUNTED else plural(waiting, "change")
        verb = "waits" if waiting == 1 else "wait"
        if held:
            return Gap(State.HOLD, waiting, f"{count} {verb} for a person to go on to {name}", None, href)
        if self._on_its_way(line, station):
            return Gap(State.RUN, 0, f"{before[:7]} is on its way to {name}", None, href)
        return Gap(State.OK, waiting, f"{count} {verb} for {name}", None, href)

    def _row(self, line: Line, columns: Sequence[str], figures: Figures | None) -> ServiceRow:
        cells, gaps = [self.newest(line)], []
        before = None if line.newest is None or line.refused else line.newest.commit
        for name in columns:
            station = line.station(name)
            if station is None:
                cells.append(Cell(environment=name, word="not on its line"))
                gaps.append(Gap(State.NONE, 0, ""))
                continue
            cells.append(self.cell(line, station))
            gaps.append(self.gap(line, before, station))
            before = station.commit
        return ServiceRow(
            name=line.service,
            href=service_address(line.service),
            cells=tuple(cells),
            gaps=tuple(gaps),
            trends=() if figures is None else trends_of(figures),
            owner=plural(len(line.own), "more place") if line.own else "",
        )

    @staticmethod
    def _breaks_before(line: Line, station: Station) -> bool:
        """Whether the newest run broke on its way into this environment, and not earlier or later."""
        broken, newest = line.broken_stage, line.newest
        if broken is None or newest is None:
            return False
        place = line.stages.index(broken)
        # A stage puts the change there first: what broke afterwards keeps it from going on, not from coming here.
        own = line.station(broken.environment) if broken.environment is not None else None
        after = place + 1 if own is not None and own.commit == newest.commit else place
        following = next((stage.environment for stage in line.stages[after:] if stage.environment is not None), None)
        return following == station.environment

    @staticmethod
    def _on_its_way(line: Line, station: Station) -> bool:
        newest = line.newest
        if newest is None or newest.state not in {RunState.QUEUED, RunState.RUNNING}:
            return False
        ahead = (
            stage.environment
            for stage in newest.stages
            if stage.environment is not None and stage.state in {StageState.PENDING, StageState.DEPLOYING}
        )
        return next(ahead, None) == station.environment


def break_address(line: Line) -> str:
    """Where one sees why a line is stopped by its newest run."""
    assert line.newest is not None  # noqa: S101 - the caller chose by it
    broken = line.broken_stage
    if broken is not None and broken is line.refuted:
        return f"/deployments/{broken.deployment}"
    return run_address(line.newest)


def _broken_word(line: Line, stage: StageSummary) -> str:
    return f"refuted in {stage.name}" if stage is line.refuted else f"{stage.name} failed"


def steps_of(run: RunSummary) -> tuple[Step, ...]:
    """A run as a line: its push, then its stages."""
    first = Step("Push", State.OK, run.commit[:7], at=run.pushed_at)
    found = [first]
    for stage in run.stages:
        state, word = STAGE_STATES[stage.state]
        took = None
        if stage.started_at is not None and stage.ended_at is not None:
            took = max(timedelta(), stage.ended_at - stage.started_at)
        found.append(Step(stage.name.capitalize(), state, word, at=stage.started_at, took=took, href=run_address(run)))
    return tuple(found)


def deployment_steps(one: DeploymentView) -> tuple[Step, ...]:
    """A deployment as a line of the steps it has taken so far."""
    if not one.steps:
        return (Step("Queue", State.HOLD, "waits its turn"),)
    return tuple(
        Step(capital(STEP_NAMES[step.name]), state_of(step.state), STEP_WORDS[step.state]) for step in one.steps
    )


def doing(one: DeploymentView) -> str:
    """What a deployment is about at this moment: "smoke tests of 3f2c91a"."""
    running = next((step for step in one.steps if step.state is StepState.RUNNING), None)
    return "waits its turn" if running is None else STEP_NAMES[running.name]


def deed_of(one: DeploymentView) -> str:
    """What a deployment is, in a few words: "3f2c91a to production of store"."""
    where = f"{one.environment} of {one.service}"
    match one.kind:
        case Kind.DEPLOY:
            return f"{one.commit[:7]} to {where}"
        case Kind.ROLL_BACK:
            return f"Roll {where} back to {one.commit[:7]}"
        case Kind.REBUILD:
            return f"Rebuild {where} at {one.commit[:7]}"
        case Kind.CONTRACT:
            return f"Contract the database of {where}"


def trends_of(figures: Figures) -> tuple[tuple[State, Trend], ...]:
    """The right margin: lead time and the share taken back, each with its n; nothing where there is nothing."""
    found = []
    if figures.lead_time is not None:
        found.append((State.OK, Trend(figures.lead_times, figures.led, f"{duration(figures.lead_time)} lead")))
    if figures.share is not None:
        worst = State.BAD if figures.share > 0 else State.NONE
        found.append((worst, Trend(figures.shares, figures.changes, f"{percent(figures.share)} taken back")))
    return tuple(found)


def environment_word(place: EnvironmentView) -> tuple[State, str]:
    """How an environment is, in a word."""
    return (State.NONE, "nothing runs there") if place.live is None else health_of(place.live)


def _span(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)
