"""What happened, as lines on graphs: a pure reading of events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import quote

from andon.feedback.graphs.contract import Annotated, CauseKind
from andon.feedback.rollouts.contract import RolloutAborted, RolloutFailed, RolloutPaused, StageEntered, StageKind
from andon.flow.configuration.contract import ConfigSet, SecretSet
from andon.flow.definition.contract import share_text
from andon.flow.deployments.contract import (
    STEP_NAMES,
    CommandRan,
    DeploymentFinished,
    DeploymentState,
    Kind,
    StepName,
)
from andon.flow.environments.contract import EnvironmentCreated, EnvironmentDestroyed, InstanceReplaced
from andon.flow.flags.contract import FlagChanged, FlagKilled, FlagRampEnded, FlagRevived, RampState
from andon.kernel.events import ActorKind, Envelope

MOST = 300
"""Lines on one graph."""
CAUSES: tuple[str, ...] = (
    DeploymentFinished.type,
    CommandRan.type,
    ConfigSet.type,
    SecretSet.type,
    EnvironmentCreated.type,
    EnvironmentDestroyed.type,
    InstanceReplaced.type,
    FlagChanged.type,
    FlagKilled.type,
    FlagRevived.type,
    FlagRampEnded.type,
    StageEntered.type,
    RolloutPaused.type,
    RolloutFailed.type,
    RolloutAborted.type,
)
"""Types of events that may be causes, besides annotations, which say themselves when they happened."""
_DONE: Mapping[Kind, str] = {
    Kind.DEPLOY: "Deployed",
    Kind.ROLL_BACK: "Rolled back to",
    Kind.REBUILD: "Rebuilt",
    Kind.CONTRACT: "Contracted the database of",
}
_TRIED: Mapping[Kind, str] = {
    Kind.DEPLOY: "Could not deploy",
    Kind.ROLL_BACK: "Could not roll back to",
    Kind.REBUILD: "Could not rebuild",
    Kind.CONTRACT: "Could not contract the database of",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A line on every graph that it concerns. Texts are somebody else's and shown as text."""

    id: str
    kind: CauseKind
    time: int
    """Milliseconds since 1970."""
    until: int | None = None
    title: str
    detail: str = ""
    who: str
    """An id of a person, or ``Andon``; names are put in by whoever shows it."""
    service: str = ""
    environment: str = ""
    commit: str = ""
    """7 characters where it is about one."""
    href: str = ""
    failed: bool = False


def cause_of(envelope: Envelope) -> Cause | None:
    """The line that an event makes; ``None`` for one that makes none."""
    happened = envelope.decode()
    who = "Andon" if envelope.actor.kind is ActorKind.SYSTEM and not envelope.actor.person else _who(envelope)
    match happened:
        case DeploymentFinished():
            return _deployment(envelope, happened, who)
        case CommandRan(step=step) if step in (StepName.EXPAND, StepName.CONTRACT):
            failed = happened.exit_code != 0
            word = "Could not migrate" if failed else "Migrated"
            return _made(
                envelope,
                CauseKind.MIGRATION,
                f"{word}: {STEP_NAMES[step]}",
                who,
                detail=happened.name,
                href=f"/deployments/{happened.deployment}",
                failed=failed,
            )
        case ConfigSet(name=name, removed=removed):
            return _made(envelope, CauseKind.CONFIGURATION, f"{'Removed' if removed else 'Set'} {name}", who)
        case SecretSet(name=name, removed=removed):
            return _made(envelope, CauseKind.CONFIGURATION, f"{'Removed' if removed else 'Set'} the secret {name}", who)
        case EnvironmentCreated(environment=environment):
            return _made(envelope, CauseKind.ENVIRONMENT, f"Created the environment {environment}", who)
        case EnvironmentDestroyed(environment=environment, reason=reason):
            return _made(
                envelope, CauseKind.ENVIRONMENT, f"Destroyed the environment {environment}", who, detail=reason
            )
        case StageEntered() | RolloutPaused() | RolloutFailed() | RolloutAborted():
            return _rollout(envelope, happened, who)
        case InstanceReplaced(details=details):
            return _made(envelope, CauseKind.INSTANCE, "Replaced an instance", who, detail=details)
        case FlagChanged() | FlagKilled() | FlagRevived() | FlagRampEnded():
            return _flag(envelope, happened, who)
        case Annotated():
            return Cause(
                id=happened.annotation,
                kind=CauseKind.ANNOTATION,
                time=_ms(happened.at),
                until=None if happened.until is None else _ms(happened.until),
                title=happened.text,
                who=who,
                service=happened.service or "",
                environment=happened.environment or "",
                href=f"/record/{envelope.id}",
            )
    return None


def _deployment(envelope: Envelope, one: DeploymentFinished, who: str) -> Cause | None:
    if one.state is DeploymentState.CANCELLED:
        return None
    failed = one.state in (DeploymentState.FAILED, DeploymentState.ROLLED_BACK)
    kind = {Kind.ROLL_BACK: CauseKind.ROLL_BACK, Kind.CONTRACT: CauseKind.MIGRATION}.get(one.kind, CauseKind.DEPLOYMENT)
    verb = (_TRIED if failed else _DONE)[one.kind]
    if one.state is DeploymentState.ROLLED_BACK:
        verb = "Took back"
    return _made(
        envelope,
        kind,
        f"{verb} {one.commit[:7]}",
        who,
        detail=one.reason,
        commit=one.commit[:7],
        href=f"/deployments/{one.deployment}",
        failed=failed,
    )


def _flag(envelope: Envelope, one: FlagChanged | FlagKilled | FlagRevived | FlagRampEnded, who: str) -> Cause | None:
    """Nobody gets anything else by an owner's name, or by a ramp that came to its end as it was meant to."""
    match one:
        case FlagChanged(environment=None):
            return None
        case FlagChanged(sentence=sentence):
            title, failed = f"{one.flag}: {sentence}", False
        case FlagKilled():
            title, failed = f"Killed {one.flag}", True
        case FlagRevived():
            title, failed = f"Revived {one.flag}", False
        case FlagRampEnded(state=RampState.HALTED, percent=percent):
            title, failed = f"Halted the ramp of {one.flag} at {percent:g} %", True
        case _:
            return None
    href = f"/flags/{quote(one.service)}/{quote(one.flag)}"
    return _made(envelope, CauseKind.FLAG, title, who, detail=one.why, href=href, failed=failed)


def _rollout(envelope: Envelope, one: StageEntered | RolloutPaused | RolloutFailed | RolloutAborted, who: str) -> Cause:
    commit = one.takeover or one.commit[:7]
    kind, title, detail = CauseKind.ROLL_BACK, "", ""
    match one:
        case StageEntered(stage=stage, parts=parts):
            share = share_text(parts)
            given = {
                StageKind.MIRROR: f"Copied {share} of the requests to {commit}",
                StageKind.AUDIENCE: f"Gave {commit} to its audience",
                StageKind.SHARE: f"Gave {share} of the traffic to {commit}",
            }
            kind, title, detail = CauseKind.DEPLOYMENT, given[one.kind], f"stage {stage}"
            if one.takeover:
                title = f"Moved {share} of {commit}"
        case RolloutPaused(reason=reason):
            kind, title, detail = CauseKind.DEPLOYMENT, f"Paused the rollout of {commit}", reason
        case RolloutFailed(reason=reason):
            title, detail = f"Took {commit} back", reason
        case RolloutAborted(reason=reason):
            title, detail = f"Took {commit} back by hand", reason
    return _made(
        envelope,
        kind,
        title,
        who,
        detail=detail,
        commit="" if one.takeover else commit,
        href=f"/rollouts/{one.rollout}",
        failed=isinstance(one, RolloutFailed),
    )


def _made(
    envelope: Envelope,
    kind: CauseKind,
    title: str,
    who: str,
    *,
    detail: str = "",
    commit: str = "",
    href: str = "",
    failed: bool = False,
) -> Cause:
    return Cause(
        id=envelope.id,
        kind=kind,
        time=_ms(envelope.at),
        title=title,
        detail=detail[:300],
        who=who,
        service=envelope.facets.get("service", ""),
        environment=envelope.facets.get("environment", ""),
        commit=commit,
        href=href or f"/record/{quote(envelope.id)}",
        failed=failed,
    )


def _who(envelope: Envelope) -> str:
    return envelope.actor.person or envelope.actor.id


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def chosen(found: Iterable[Cause], most: int = MOST) -> tuple[tuple[Cause, ...], int]:
    """In order of time, and how many were left out: the newest of the least telling kinds go first."""
    order = {kind: place for place, kind in enumerate(CauseKind)}
    by_weight = sorted(found, key=lambda one: (order[one.kind], -one.time))
    kept = sorted(by_weight[:most], key=lambda one: (one.time, order[one.kind]))
    return tuple(kept), max(0, len(by_weight) - most)


def with_names(found: Iterable[Cause], name: Callable[[str], str]) -> tuple[Cause, ...]:
    """The same with names for ids of people."""
    return tuple(one if one.who == "Andon" else replace(one, who=name(one.who)) for one in found)
