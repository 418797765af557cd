"""What happened in an environment, in a person's words."""

from __future__ import annotations

from collections.abc import Mapping

from andon.flow.configuration.contract import ConfigSet, SecretSet
from andon.flow.environments.contract import (
    EnvironmentCreated,
    EnvironmentDestroyed,
    Health,
    InstanceHealthChanged,
    InstanceReplaced,
    InstanceReplacementRequested,
    InstanceRestarted,
    ReplacementReason,
    SetPrepared,
    SetStandingChanged,
    Standing,
)
from andon.kernel.access.contract import People
from andon.kernel.db import Reading
from andon.kernel.events import Envelope, Facets, page
from andon.web.model import EventLine, State
from andon.web.rendering import plural

MOST_READ = 200

Told = tuple[str, str, str, str, State | None]
"""What, subject, detail, icon, state."""

_HEALTH: Mapping[Health, tuple[str, State | None]] = {
    Health.HEALTHY: ("healthy", State.OK),
    Health.UNHEALTHY: ("not healthy", State.BAD),
    Health.STOPPED: ("stopped", None),
}
_REPLACED: Mapping[ReplacementReason, tuple[str, State | None]] = {
    ReplacementReason.DRIFT: ("replaced, because it had drifted,", State.WARN),
    ReplacementReason.UNHEALTHY: ("replaced, because it was not healthy,", State.WARN),
    ReplacementReason.LOST: ("started again, because its process was gone,", State.WARN),
    ReplacementReason.REBUILD: ("replaced", None),
}
_STANDINGS: Mapping[Standing, str] = {
    Standing.LIVE: "gave the traffic to",
    Standing.WARM: "keeps",
    Standing.RETIRED: "retired",
    Standing.CANDIDATE: "made a candidate of",
}


def happened(
    reading: Reading,
    people: People,
    service: str,
    environment: str,
    names: Mapping[str, str],
    commits: Mapping[str, str],
    limit: int = 12,
) -> tuple[EventLine, ...]:
    """Newest first. ``names`` are those of instances and ``commits`` those of sets, by id."""
    found = page(reading, Facets(service=service, environment=environment), limit=MOST_READ)
    lines: list[tuple[Envelope, Told]] = []
    for envelope in found:
        told = _told(envelope, names, commits)
        if told is not None:
            lines.append((envelope, told))
        if len(lines) == limit:
            break
    who = people.names(reading, {one.actor.person for one, _told_ in lines if one.actor.person})
    called = {str(person): name for person, name in who.items()}
    return tuple(
        EventLine(
            position=envelope.position,
            at=envelope.at,
            actor=called.get(envelope.actor.person or "", "Andon"),
            what=what,
            subject=subject,
            href=f"/record/{envelope.id}",
            icon=icon,
            state=state,
            detail=detail,
        )
        for envelope, (what, subject, detail, icon, state) in lines
    )


def _told(envelope: Envelope, names: Mapping[str, str], commits: Mapping[str, str]) -> Told | None:
    match envelope.decode():
        case EnvironmentCreated() as one:
            return "made the environment", one.environment, f"port {one.port}", "environment", None
        case EnvironmentDestroyed() as one:
            return "took away the environment", one.environment, one.reason, "trash", None
        case SetPrepared() as one:
            return (
                "prepared instances of",
                one.commit[:7],
                f"configuration version {one.config_version}",
                "artifact",
                None,
            )
        case SetStandingChanged() as one:
            warm = f"warm: {one.reason}" if one.standing is Standing.WARM else one.reason
            return _STANDINGS[one.standing], commits.get(one.set, "a former version"), warm, "route", None
        case InstanceHealthChanged() as one:
            if one.health not in _HEALTH:
                return None  # that something starts is told by what comes of it
            how, state = _HEALTH[one.health]
            told = f"{how}: {one.reason}" if one.reason else how
            return "found", names.get(one.instance, "a former instance"), told, "dot", state
        case InstanceReplaced() as one:
            what, state = _REPLACED[one.reason]
            return what, names.get(one.instance, "a former instance"), one.details, "retry", state
        case InstanceReplacementRequested() as one:
            return "asked to replace", names.get(one.instance, "a former instance"), "", "retry", None
        case InstanceRestarted() as one:
            told = f"{plural(one.times, 'time')}: {one.reason}" if one.reason else plural(one.times, "time")
            return "started again", names.get(one.instance, "a former instance"), told, "retry", State.WARN
        case ConfigSet() as one:
            return ("removed" if one.removed else "set"), one.name, f"version {one.version}", "settings", None
        case SecretSet() as one:
            return (
                ("removed the secret" if one.removed else "set the secret"),
                one.name,
                f"version {one.version}",
                "lock",
                None,
            )
        case _:
            return None
