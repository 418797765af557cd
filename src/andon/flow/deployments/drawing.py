"""Deployments as the console's components draw them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote, urlencode

from andon.flow.definition.contract import PARTS, share_text
from andon.flow.deployments.contract import (
    STEP_NAMES,
    STEP_WORDS,
    DeploymentState,
    DeploymentView,
    Kind,
    StepName,
    StepState,
    StepView,
)
from andon.flow.deployments.model import STEPS, Course
from andon.flow.deployments.service.steps import RanCommand
from andon.flow.environments.contract import HEALTH_WORDS, EnvironmentView, InstanceView, SetId, SetView, Standing
from andon.flow.pipelines.contract import Build, Verdict
from andon.flow.routing.contract import Served
from andon.flow.sources.contract import CommitHash
from andon.web.charts import version_series
from andon.web.model import Instance, Share, State, Step, Task, state_of
from andon.web.rendering import capital, number, plural

STATES: Mapping[DeploymentState, tuple[State, str]] = {
    DeploymentState.QUEUED: (State.HOLD, "waits its turn"),
    DeploymentState.RUNNING: (State.RUN, "under way"),
    DeploymentState.SUCCEEDED: (State.OK, "done"),
    DeploymentState.FAILED: (State.BAD, "failed before the switch"),
    DeploymentState.ROLLED_BACK: (State.BAD, "rolled back"),
    DeploymentState.CANCELLED: (State.NONE, "cancelled"),
}
DOING: Mapping[StepName, str] = {
    StepName.EXPAND: "its database is being expanded",
    StepName.START: "its instances are being started",
    StepName.HEALTH: "its instances are becoming healthy",
    StepName.SMOKE: "its smoke tests run",
    StepName.RELEASE: "it is being released, a few customers first",
    StepName.SWITCH: "the traffic is being switched",
    StepName.CONFIRM: "it is watched with traffic on it",
    StepName.RETIRE: "it has the traffic; former sets are being put away",
    StepName.CONTRACT: "its database is being contracted",
    StepName.RESTORE: "the traffic is being brought back",
}
_WAYS_BACK: Mapping[StepState, str] = {
    StepState.RUNNING: "refuted, is being taken back",
    StepState.PASSED: "taken back later",
    StepState.FAILED: "refuted, not taken back",
}
_ENDS_BACK: Mapping[StepState, str] = {
    StepState.RUNNING: "it is being taken back",
    StepState.PASSED: "it was taken back",
    StepState.FAILED: "it could not be taken back",
}
VERDICTS: Mapping[Verdict, tuple[State, str]] = {
    Verdict.PASSED: (State.OK, "passed"),
    Verdict.UNDER_WAY: (State.RUN, "still being tested"),
    Verdict.FAILED: (State.BAD, "failed"),
    Verdict.UNKNOWN: (State.NONE, "not finished"),
}


def outcome_of(view: DeploymentView) -> tuple[State, str]:
    """How it stands, or came out, in a few words."""
    if was_refused(view):
        return State.BAD, "taken back during its release"
    if view.refuted:
        return State.BAD, "refuted later" if view.way_back is None else _WAYS_BACK[view.way_back.state]
    return STATES[view.state]


def was_refused(view: DeploymentView) -> bool:
    """Whether it failed with its first customers on it."""
    steps = {one.name for one in view.steps if one.state is StepState.FAILED}
    return view.state is DeploymentState.FAILED and StepName.RELEASE in steps


def place_address(service: str, environment: str) -> str:
    return f"/services/{quote(service, safe='')}/environments/{quote(environment, safe='')}"


def console_address(service: str, environment: str, commit: str = "") -> str:
    return f"{place_address(service, environment)}/deploy" + (f"?{urlencode({'commit': commit})}" if commit else "")


def address(deployment: DeploymentView) -> str:
    return f"/deployments/{deployment.id}"


def who(person: str | None, names: Mapping[str, str]) -> str:
    return "Andon" if person is None else names.get(person, person)


def deed_of(one: DeploymentView) -> str:
    """What it is, in a few words: "3f2c91a to production of store"."""
    where = f"{one.environment} of {one.service}"
    match one.kind:
        case Kind.DEPLOY:
            return f"{one.commit[:7]} to {where}"
        case Kind.ROLL_BACK:
            return f"{where} back to {one.commit[:7]}"
        case Kind.REBUILD:
            return f"{where} rebuilt at {one.commit[:7]}"
        case Kind.CONTRACT:
            return f"the database of {where} contracted"


def sentence_of(one: DeploymentView) -> str:
    """What has become of a deployment, as its page's first sentence."""
    commit, where = one.commit[:7], f"{one.environment} of {one.service}"
    current = next((step for step in reversed(one.steps) if step.state is StepState.RUNNING), None)
    match one.state:
        case DeploymentState.QUEUED:
            return f"{commit} waits for its turn in {where}"
        case DeploymentState.RUNNING:
            now = "it is about to begin" if current is None else DOING[current.name]
            return f"{commit} is going to {where}: {now}"
        case DeploymentState.SUCCEEDED if one.kind is Kind.CONTRACT:
            return f"The database of {where} is contracted"
        case DeploymentState.SUCCEEDED:
            if one.refuted:
                told = "" if one.way_back is None else f": {_ENDS_BACK[one.way_back.state]}"
                return f"{commit} went to {where}, and telemetry found harm in it later{told}"
            done = {Kind.ROLL_BACK: "rolled back to", Kind.REBUILD: "rebuilt at"}.get(one.kind)
            return f"{where.capitalize()} was {done} {commit}" if done else f"{commit} went to {where}"
        case DeploymentState.FAILED:
            if was_refused(one):
                return f"{commit} was taken back from the first customers of {where}; all traffic is where it was"
            return f"{commit} did not go to {where}; its traffic was never touched"
        case DeploymentState.ROLLED_BACK:
            return f"{commit} failed in {where} and was taken back"
        case DeploymentState.CANCELLED:
            return f"{commit} was cancelled before it went to {where}"


def line_of(one: DeploymentView) -> tuple[Step, ...]:
    """The steps taken, as nodes of a small line."""
    if not one.steps:
        return (Step("Queue", *STATES[one.state]),)
    return tuple(
        Step(capital(STEP_NAMES[step.name]), state_of(step.state), STEP_WORDS[step.state]) for step in one.steps
    )


def tasks_of(
    one: DeploymentView, course: Course, commands: Sequence[RanCommand], names: Mapping[str, str]
) -> tuple[Task, ...]:
    """The steps taken with what they ran, then those that are still to come."""
    taken = {step.name: step for step in one.steps}
    found = [_task(one, step, commands, names) for step in one.steps]
    if not one.state.ended and StepName.RESTORE not in taken:
        ahead = [name for name in STEPS[course] if name not in taken]
        found += [
            Task(capital(STEP_NAMES[name]), State.NONE, "next" if place == 0 and one.steps else "then")
            for place, name in enumerate(ahead)
        ]
    return tuple(found)


def _task(one: DeploymentView, step: StepView, commands: Sequence[RanCommand], names: Mapping[str, str]) -> Task:
    state, word = state_of(step.state), STEP_WORDS[step.state]
    ran = [command for command in commands if command.step is step.name]
    ended = step.ended_at
    return Task(
        name=capital(STEP_NAMES[step.name]),
        state=state,
        word=word,
        at=step.started_at,
        took=None if ended is None else max(timedelta(), ended - step.started_at),
        note=_note(step, ran),
        command=ran[0].command if len(ran) == 1 else "",
        output=_output(step, ran),
        authority=_authority(one, names) if ran else "",
        open=state in {State.BAD, State.RUN} and bool(ran or step.reason),
    )


def _note(step: StepView, ran: Sequence[RanCommand]) -> str:
    if step.state is StepState.FAILED:
        return ""  # it stands in the output
    return step.reason or (plural(len(ran), "command") if ran else "")


def _output(step: StepView, ran: Sequence[RanCommand]) -> str:
    failed = step.reason if step.state is StepState.FAILED else ""
    if len(ran) == 1:
        text = ran[0].output.rstrip()
    else:
        text = "\n\n".join(f"{_head(command)}\n{command.output.rstrip()}".rstrip() for command in ran)
    # A failed command's reason repeats its last line; a failure without a command has only its reason.
    return text if ran else failed


def _head(command: RanCommand) -> str:
    code = "ended by a signal or its time" if command.exit_code is None else f"exit {command.exit_code}"
    return f"{command.name} · {code} · {command.seconds:.1f} s\n$ {command.command}"


def _authority(one: DeploymentView, names: Mapping[str, str]) -> str:
    said = f"Run by Andon by authority of {who(one.person, names)}" if one.person else "Run by Andon by itself"
    return f"{said}, in {one.environment} of {one.service}"


def series_of(sets: Iterable[SetView]) -> Mapping[CommitHash, int]:
    """A colour for each version: its own as long as no older one beside it has that."""
    ordered = sorted(sets, key=lambda view: view.created_at)
    return {CommitHash(commit): colour for commit, colour in version_series(one.commit for one in ordered).items()}


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the router knows at this moment."""

    shares: Mapping[SetId, int]
    """Parts of all requests that no header or cookie leads elsewhere; sets without any are left out."""
    served: Mapping[SetId, Served]
    dark: Mapping[SetId, int]
    """How many parts of all requests are copied to a set that answers nobody."""


def shares_of(place: EnvironmentView, traffic: Traffic) -> tuple[Share, ...]:
    """The sets behind the router, with their part of the traffic."""
    series = series_of(place.sets)
    return tuple(_share(one, traffic, series[one.commit]) for one in place.sets)


def _share(one: SetView, traffic: Traffic, series: int) -> Share:
    state, word = health_of(one)
    if one.standing is Standing.WARM and state is State.OK:
        state, word = State.NONE, "warm"
    if one.standing is Standing.CANDIDATE and state is State.OK:
        word = "candidate"
    served = traffic.served.get(one.id)
    notes = {
        Standing.LIVE: "serves",
        Standing.CANDIDATE: "gets traffic at the switch",
        Standing.WARM: "kept for a roll-back",
        Standing.QUARANTINED: "taken back; kept to be looked at",
        Standing.RETIRED: "is being put away",
    }
    note = notes[one.standing]
    share, copied = traffic.shares.get(one.id, 0), traffic.dark.get(one.id, 0)
    if one.standing is Standing.CANDIDATE and share:
        note = f"serves {share_text(share)} of the requests"
    elif copied:
        note = f"copies of {share_text(copied)}, answers thrown away"
    counted = (
        ""
        if served is None or not served.requests
        else f"{number(served.failed)} of {plural(served.requests, 'request')} failed"
    )
    return Share(
        name=one.commit[:7],
        share=share / PARTS,
        series=series,
        state=state,
        word=word,
        note=note,
        instances=tuple(_instance(instance, one, series) for instance in one.instances),
        counted=counted,
        failing=served is not None and served.failed > 0,
    )


def _instance(one: InstanceView, of: SetView, series: int) -> Instance:
    name = f"{one.process} {one.number}"
    return Instance(
        name, of.commit[:7], series, state_of(one.health), one.reason or HEALTH_WORDS[one.health], one.since
    )


def health_of(one: SetView) -> tuple[State, str]:
    return state_of(one.condition), one.says


def verdict_of(build: Build) -> tuple[State, str]:
    """Whether a build may go, in words: "failed in acceptance"."""
    state, word = VERDICTS[build.verdict]
    if build.verdict is Verdict.FAILED and build.failed_stage:
        word = f"failed in {build.failed_stage}"
    if build.verdict is Verdict.PASSED and build.passed_stages:
        word = f"passed {', '.join(build.passed_stages)}"
    return state, word
