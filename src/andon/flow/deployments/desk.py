"""The parts of the deploy console: what is, what could be, the ways back, as one reader may see and use them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from andon.flow.configuration.contract import Configuration
from andon.flow.deployments.contract import (
    DeploymentState,
    DeploymentView,
    RollbackTarget,
    StepState,
)
from andon.flow.deployments.difference import Between, between, place_of
from andon.flow.deployments.drawing import (
    DOING,
    address,
    console_address,
    deed_of,
    health_of,
    line_of,
    outcome_of,
    place_address,
    sentence_of,
    tasks_of,
    verdict_of,
    who,
)
from andon.flow.deployments.service.deployments import DeploymentService
from andon.flow.deployments.service.steps import StepRecord
from andon.flow.environments.contract import Environments, EnvironmentView, SetView
from andon.flow.pipelines.contract import Build, Pipelines, Verdict
from andon.flow.routing.contract import Router
from andon.flow.sources.contract import CommitHash, Service, Sources
from andon.kernel.access import Permission, Principal
from andon.kernel.access.contract import People
from andon.kernel.db import Reading
from andon.kernel.errors import AndonError, NotFound
from andon.web.model import State, Step, Task
from andon.web.shell import Action


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """What the console asks."""

    deployments: DeploymentService
    pipelines: Pipelines
    sources: Sources
    environments: Environments
    configuration: Configuration
    router: Router
    people: People


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A build that could go: one line of the choice."""

    commit: CommitHash
    title: str
    branch: str
    at: datetime
    state: State
    word: str
    href: str
    chosen: bool
    live: bool
    mark: str
    """How it ended when it was last put here, if that was badly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way back: a former version, and what going there would take."""

    commit: CommitHash
    title: str
    warm: bool
    says: str
    action: Action | None
    refusal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A deployment as a line of a list."""

    title: str
    href: str
    meta: str
    state: State
    word: str
    at: datetime
    steps: tuple[Step, ...]
    cancel: Action | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """What is."""

    commit: CommitHash
    title: str
    state: State
    word: str
    since: datetime | None
    who: str
    lead: timedelta | None
    instances: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Could:
    """What could be."""

    commit: CommitHash
    digest: str
    state: State
    word: str
    who: str
    at: datetime
    run: str
    action: Action | None
    override: Action | None
    """For somebody who may deploy what has not passed; asks for a reason."""
    refusal: str
    """Why there is no button."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    title: str
    sentence: str
    href: str
    since: datetime
    tasks: tuple[Task, ...]
    cancel: Action | None


@dataclass(frozen=True, slots=True)
class Desk:
    """Draws the parts of one environment for one reader."""

    rooms: Rooms
    reading: Reading
    principal: Principal
    service: Service
    environment: str
    names: Mapping[str, str]

    def may(self, permission: Permission) -> bool:
        return self.principal.may(permission, self.service, self.environment)

    @property
    def place(self) -> str:
        return place_address(self.service, self.environment)

    def subject(self, commit: CommitHash) -> str:
        return subject_of(self.rooms.sources, self.service, commit)

    def between(self, live: SetView | None, commit: CommitHash) -> Between | None:
        try:
            return between(
                self.rooms.deployments,
                self.rooms.sources,
                self.rooms.configuration,
                self.reading,
                self.service,
                self.environment,
                live,
                commit,
            )
        except NotFound:
            return None  # one of the two commits is gone from the repository

    def live(self, live: SetView, serving: DeploymentView | None) -> Live:
        state, word = health_of(live)
        lead = None if serving is None or serving.lead_time is None else timedelta(seconds=serving.lead_time)
        return Live(
            commit=live.commit,
            title=self.subject(live.commit),
            state=state,
            word=word,
            since=live.created_at if serving is None else serving.switched_at,
            who="" if serving is None else who(serving.person, self.names),
            lead=lead,
            instances=len(live.instances),
        )

    def could(self, build: Build, live: SetView | None, open_ones: Sequence[DeploymentView]) -> Could:
        state, word = verdict_of(build)
        action = override = None
        refusal = ""
        label = f"Deploy {build.commit[:7]} to {self.environment}"
        if live is not None and live.commit == build.commit:
            refusal = "It is what runs here now."
        elif not self.may(Permission.DEPLOY):
            refusal = "You may look, and not deploy here. An administrator gives the role “developer”."
        else:
            blocked = self._obstacle(build, open_ones)
            passed = build.verdict is Verdict.PASSED
            if not passed and not blocked:
                blocked = f"Its pipeline {word}." if build.verdict is Verdict.FAILED else f"It is {word}."
                if self.may(Permission.OVERRIDE):
                    label_override = f"Deploy {build.commit[:7]} all the same"
                    hidden = (("commit", str(build.commit)),)
                    override = Action(label_override, f"{self.place}/deployments", hidden, kind="danger")
                else:
                    blocked += " An administrator may override."
            action = Action(
                label,
                f"{self.place}/deployments",
                (("commit", str(build.commit)),),
                kind="primary",
                icon="deploy",
                blocked=blocked,
            )
        return Could(
            commit=build.commit,
            digest=build.digest,
            state=state,
            word=word,
            who=self._author(build.commit),
            at=build.pushed_at,
            run=f"/runs/{build.run}",
            action=action,
            override=override,
            refusal=refusal,
        )

    def candidate(
        self, build: Build, chosen: Build | None, live: SetView | None, history: Sequence[DeploymentView]
    ) -> Candidate:
        state, word = verdict_of(build)
        return Candidate(
            commit=build.commit,
            title=self.subject(build.commit) or build.commit[:7],
            branch=build.branch,
            at=build.pushed_at,
            state=state,
            word=word,
            href=console_address(self.service, self.environment, build.commit),
            chosen=chosen is not None and build.run == chosen.run,
            live=live is not None and live.commit == build.commit,
            mark=_mark(build, history),
        )

    def running(self, one: DeploymentView) -> Running:
        record = StepRecord()
        course = record.load(self.reading, one.id).course
        return Running(
            title=deed_of(one),
            sentence=sentence_of(one),
            href=address(one),
            since=one.started_at or one.requested_at,
            tasks=tasks_of(one, course, record.commands(self.reading, one.id), self.names),
            cancel=self._cancel(one),
        )

    def past(self, one: DeploymentView) -> Past:
        return past_of(one, self.names, self.subject(one.commit), self._cancel(one))

    def lock(self, holder: DeploymentView | None, waiting: Sequence[DeploymentView]) -> str:
        if holder is None:
            return f"Nobody holds the lock of {self.environment}; a deployment begins at once."
        step = next((one for one in reversed(holder.steps) if one.state is StepState.RUNNING), None)
        why = DOING[step.name] if step is not None else "it is about to begin"
        behind = "nobody waits" if not waiting else f"{len(waiting)} wait"
        asked = who(holder.person, self.names)
        return f"{holder.commit[:7]}, asked for by {asked}, holds the lock of {self.environment}: {why}; {behind}."

    def way(self, target: RollbackTarget, place: EnvironmentView | None) -> Way:
        warm = next((one for one in place.sets if one.id == target.set), None) if place and target.set else None
        if warm is not None:
            says = f"warm: {len(warm.instances)} of its instances still run, so traffic is back at once"
        else:
            says = "cold: its instances are started and tested first, as in a deployment"
        if target.newer:
            says = f"newer than what runs; {says}"
        action = None
        if target.refusal is None and self.may(Permission.ROLL_BACK):
            action = Action(
                f"{'Return' if target.newer else 'Roll back'} to {target.commit[:7]}",
                f"{self.place}/rollback",
                (("to", str(target.commit)),),
                icon="arrow" if target.newer else "back",
            )
        return Way(
            commit=target.commit,
            title=self.subject(target.commit),
            warm=warm is not None,
            says=says,
            action=action,
            refusal=target.refusal or "",
        )

    def rebuild(self, live: SetView | None) -> Action | None:
        if live is None or not self.may(Permission.DEPLOY):
            return None
        return Action(f"Rebuild {self.environment} at {live.commit[:7]}", f"{self.place}/rebuild", icon="retry")

    def contract(self, live: SetView | None, targets: Sequence[RollbackTarget]) -> Action | None:
        if live is None or not self.may(Permission.CONTRACT):
            return None
        try:
            if self.rooms.deployments.definition(self.service, live.commit).migrations.contract is None:
                return None
        except AndonError:
            return None  # its definition is gone or cannot be read; nothing is offered upon it
        label = f"Contract the database of {self.environment}"
        objections = self.rooms.deployments.contract_objections(
            self.reading, self.service, self.environment, live.commit
        )
        if objections:
            return Action(label, "", icon="database", blocked=objections[0].sentence)
        lost = [one.commit[:7] for one in targets if one.refusal is None]
        if not lost:
            return Action(label, f"{self.place}/contract", icon="database")
        if self.rooms.deployments.left_to_contract(self.reading, self.service, self.environment, live.commit) == ():
            return Action(label, "", icon="database", blocked="Nothing is left to contract.")
        return Action(
            label,
            f"{self.place}/contract",
            (("give_up_rollback", "yes"),),
            kind="danger",
            icon="database",
            confirm=self.environment,
            warning=f"It removes what {', '.join(lost)} may need. "
            f"{'This version' if len(lost) == 1 else 'These versions'} can then never be rolled back to.",
        )

    def _obstacle(self, build: Build, open_ones: Iterable[DeploymentView]) -> str:
        """What keeps the build from going, whatever its tests say; empty when nothing does."""
        if any(one.commit == build.commit for one in open_ones):
            return "It is on its way already."
        place = place_of(self.rooms.deployments, self.reading, self.service, self.environment, build.commit)
        if place is None:
            return f"Its andon.yaml has no environment {self.environment!r}."
        version = self.rooms.configuration.current_version(self.reading, self.service, self.environment)
        missing = self.rooms.configuration.missing_secrets(self.reading, self.service, place, version)
        if missing:
            return (
                f"{self.environment} has no value for {', '.join(missing)}: "
                f"andon secret set {self.service} {self.environment} {missing[0]}"
            )
        return ""

    def _author(self, commit: CommitHash) -> str:
        try:
            return self.rooms.sources.commit(self.service, commit).author
        except NotFound:
            return ""

    def _cancel(self, one: DeploymentView) -> Action | None:
        return cancel_of(one, self.principal)


def cancel_of(one: DeploymentView, principal: Principal) -> Action | None:
    """Offered as long as no traffic was switched."""
    if one.state.ended or one.switched_at is not None:
        return None
    if not principal.may(Permission.DEPLOY, one.service, one.environment):
        return None
    return Action(f"Cancel {one.commit[:7]}", f"{address(one)}/cancel", icon="cancel")


def past_of(one: DeploymentView, names: Mapping[str, str], subject: str, cancel: Action | None = None) -> Past:
    state, word = outcome_of(one)
    said = [who(one.person, names)]
    if subject:
        said.append(subject)
    if one.state in {DeploymentState.FAILED, DeploymentState.ROLLED_BACK} and one.reason:
        said.append(one.reason)
    return Past(
        title=deed_of(one),
        href=address(one),
        meta=" · ".join(said),
        state=state,
        word=word,
        at=one.ended_at or one.started_at or one.requested_at,
        steps=line_of(one),
        cancel=cancel,
    )


def subject_of(sources: Sources, service: Service, commit: CommitHash) -> str:
    try:
        return sources.commit(service, commit).subject
    except NotFound:
        return ""


def _mark(build: Build, history: Sequence[DeploymentView]) -> str:
    last = next((one for one in history if one.commit == build.commit), None)
    if last is None:
        return ""
    if last.refuted:
        return "refuted here"
    return {DeploymentState.FAILED: "failed here", DeploymentState.ROLLED_BACK: "taken back here"}.get(last.state, "")
