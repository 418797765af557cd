"""What happened, in a person's words: the events of the record that an overview tells of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from andon.flow.configuration.contract import ConfigSet, SecretSet
from andon.flow.deployments.contract import DeploymentFinished, DeploymentState, Kind, RollbackGivenUp
from andon.flow.environments.contract import (
    EnvironmentCreated,
    EnvironmentDestroyed,
    Health,
    InstanceHealthChanged,
    InstanceReplaced,
)
from andon.flow.overview.commits import Commits
from andon.flow.overview.drawing import place_address, service_address
from andon.flow.pipelines.contract import RunContinued, RunFinished, RunRefused, RunState
from andon.flow.sources.contract import BranchDeleted, BranchPushed, RepositoryCreated
from andon.kernel.db import Reading
from andon.kernel.events import ActorKind, Envelope, Event, Facets, page
from andon.web.model import EventLine, State
from andon.web.rendering import duration, plural

TOLD: tuple[type[Event], ...] = (
    RepositoryCreated,
    BranchPushed,
    BranchDeleted,
    RunRefused,
    RunContinued,
    RunFinished,
    DeploymentFinished,
    RollbackGivenUp,
    EnvironmentCreated,
    EnvironmentDestroyed,
    InstanceHealthChanged,
    InstanceReplaced,
    ConfigSet,
    SecretSet,
)

_RUN_WORDS: Mapping[RunState, tuple[State | None, str]] = {
    RunState.PASSED: (State.OK, "finished the line of"),
    RunState.FAILED: (State.BAD, "stopped"),
    RunState.CANCELLED: (None, "cancelled"),
}
_DEEDS: Mapping[Kind, str] = {
    Kind.DEPLOY: "deployed",
    Kind.ROLL_BACK: "rolled back to",
    Kind.REBUILD: "rebuilt",
    Kind.CONTRACT: "contracted the database of",
}
_TRIED: Mapping[Kind, str] = {
    Kind.DEPLOY: "could not deploy",
    Kind.ROLL_BACK: "could not roll back to",
    Kind.REBUILD: "could not rebuild",
    Kind.CONTRACT: "could not contract the database of",
}


def happened(reading: Reading, wanted: Facets, limit: int) -> tuple[Envelope, ...]:
    """The newest events worth telling, newest first: one question a kind, each answered by an index."""
    found: list[Envelope] = []
    for kind in TOLD:
        facets = Facets(
            type=kind.type,
            service=wanted.service,
            services=wanted.services,
            since=wanted.since,
        )
        # Instances change their health all the time; only what is bad news is told.
        found += page(reading, facets, limit=limit)
    found.sort(key=lambda one: one.position, reverse=True)
    return tuple(found)


def persons_in(found: Iterable[Envelope]) -> set[str]:
    return {one.actor.person for one in found if one.actor.person}


def lines(found: Iterable[Envelope], names: Mapping[str, str], commits: Commits, limit: int) -> tuple[EventLine, ...]:
    told = (line for one in found if (line := _line(one, names, commits)) is not None)
    return tuple(line for line, _ in zip(told, range(limit), strict=False))


def _line(one: Envelope, names: Mapping[str, str], commits: Commits) -> EventLine | None:
    told = _told(one.decode(), commits)
    if told is None:
        return None
    what, subject, href, icon, state, detail = told
    return EventLine(one.position, one.at, _actor(one, names), what, subject, href, icon, state, detail)


def _actor(one: Envelope, names: Mapping[str, str]) -> str:
    person = one.actor.person
    if person is not None:
        return names.get(person, person)
    return "Andon" if one.actor.kind is ActorKind.SYSTEM else one.actor.id


_Told = tuple[str, str, str, str, State | None, str]


def _told(happened: Event | None, commits: Commits) -> _Told | None:
    match happened:
        case BranchPushed():
            return (
                "pushed",
                f"{happened.commit[:7]} to {happened.service}",
                service_address(happened.service),
                "change",
                None,
                commits.subject(happened.service, happened.commit),
            )
        case BranchDeleted():
            subject = f"{happened.branch} of {happened.service}"
            return "deleted the branch", subject, service_address(happened.service), "change", None, ""
        case RepositoryCreated():
            return "made the repository", happened.service, service_address(happened.service), "change", None, ""
        case RunRefused():
            return (
                "could not begin with",
                f"{happened.commit[:7]} of {happened.service}",
                service_address(happened.service),
                "pipeline",
                State.BAD,
                happened.faults[0] if happened.faults else "",
            )
        case RunContinued():
            subject = f"a run of {happened.service}"
            return "let go on", subject, f"/runs/{happened.run}", "pipeline", None, f"into {happened.stage}"
        case RunFinished():
            return _run(happened)
        case DeploymentFinished():
            return _deployment(happened, commits)
        case RollbackGivenUp():
            where = f"{happened.service} in {happened.environment}"
            count = plural(len(happened.commits), "former version")
            href = place_address(happened.service, happened.environment)
            return "gave up rolling back", where, href, "back", State.WARN, count
    return _environment(happened)


def _run(happened: RunFinished) -> _Told | None:
    known = _RUN_WORDS.get(happened.outcome)
    if known is None:
        return None
    state, what = known
    subject = f"{happened.commit[:7]} of {happened.service}"
    detail = "every stage passed" if happened.outcome is RunState.PASSED else happened.reason
    return what, subject, f"/runs/{happened.run}", "pipeline", state, detail


def _deployment(happened: DeploymentFinished, commits: Commits) -> _Told:
    commit, where = happened.commit[:7], f"{happened.service} in {happened.environment}"
    href = f"/deployments/{happened.deployment}"
    subject = where if happened.kind is Kind.CONTRACT else f"{commit} of {where}"
    detail = happened.reason
    match happened.state:
        case DeploymentState.SUCCEEDED:
            if happened.lead_time is not None:
                detail = f"lead time {duration(happened.lead_time)}"
            icon = "back" if happened.kind is Kind.ROLL_BACK else "deploy"
            state = State.WARN if happened.kind is Kind.ROLL_BACK else State.OK
            detail = detail or commits.subject(happened.service, happened.commit)
            return _DEEDS[happened.kind], subject, href, icon, state, detail
        case DeploymentState.CANCELLED:
            return "cancelled the deployment of", subject, href, "cancel", None, ""
        case DeploymentState.ROLLED_BACK:
            return "gave the traffic back and took away", subject, href, "back", State.BAD, detail
        case _:
            return _TRIED[happened.kind], subject, href, "deploy", State.BAD, detail


def _environment(happened: Event | None) -> _Told | None:
    match happened:
        case EnvironmentCreated():
            subject = f"{happened.environment} of {happened.service}"
            href = place_address(happened.service, happened.environment)
            return "made", subject, href, "environment", None, f"port {happened.port}"
        case EnvironmentDestroyed():
            subject = f"{happened.environment} of {happened.service}"
            return "took away", subject, service_address(happened.service), "trash", None, happened.reason
        case InstanceHealthChanged() if happened.health is Health.UNHEALTHY:
            subject = f"an instance of {happened.service} in {happened.environment}"
            href = place_address(happened.service, happened.environment)
            return "found unhealthy", subject, href, "alert", State.BAD, happened.reason
        case InstanceReplaced():
            subject = f"an instance of {happened.service} in {happened.environment}"
            href = place_address(happened.service, happened.environment)
            return "replaced", subject, href, "retry", State.WARN, happened.reason.value
        case ConfigSet() | SecretSet():
            kind = "secret" if isinstance(happened, SecretSet) else "setting"
            what = f"{'removed' if happened.removed else 'set'} the {kind}"
            subject = f"{happened.name} of {happened.service} in {happened.environment}"
            href = place_address(happened.service, happened.environment)
            return what, subject, href, "lock" if kind == "secret" else "settings", None, "takes effect when deployed"
    return None
