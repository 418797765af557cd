"""How environments and what runs in them are told."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from andon.flow.environments.contract import (
    HEALTH_WORDS,
    EnvironmentCreated,
    EnvironmentDestroyed,
    EnvironmentExtended,
    Health,
    InstanceHealthChanged,
    InstanceId,
    InstanceReplaced,
    InstanceReplacementRequested,
    InstanceRestarted,
    ReplacementReason,
    SetId,
    SetPrepared,
    SetStandingChanged,
    Standing,
)
from andon.flow.environments.service import EnvironmentService
from andon.kernel.db import Reading
from andon.kernel.errors import NotFound
from andon.kernel.events import Event
from andon.web.model import State, state_of
from andon.web.rendering import duration, exact, plural
from andon.web.telling import Names, Sentence, Telling

_REPLACED: Mapping[ReplacementReason, tuple[str, str, State | None]] = {
    ReplacementReason.DRIFT: ("replaced", ", because it had drifted", State.WARN),
    ReplacementReason.UNHEALTHY: ("replaced", ", because it was not healthy", State.WARN),
    ReplacementReason.LOST: ("started", "again, because its process was gone", State.WARN),
    ReplacementReason.REBUILD: ("replaced", "", None),
}
_STANDINGS: Mapping[Standing, tuple[str, str]] = {
    Standing.CANDIDATE: ("made", "the candidate"),
    Standing.LIVE: ("made", "the live version"),
    Standing.WARM: ("kept", "warm"),
    Standing.QUARANTINED: ("put aside", "to be looked at"),
    Standing.RETIRED: ("retired", ""),
}


def environment_telling(service: EnvironmentService) -> Telling:
    def name(reading: Reading, kind: str, id: str) -> str | None:
        try:
            if kind == "instance":
                one, _ = service.instance(reading, InstanceId(id))
                return f"{one.process}-{one.number}"
            if kind == "set":
                return service.require_set(reading, SetId(id)).commit[:7]
        except NotFound:
            pass  # the record outlives what it tells of
        return None

    return Telling(tell=tell, name=name)


def tell(happened: Event, names: Names) -> Sentence | None:
    match happened:
        case EnvironmentCreated(service=service, environment=environment, port=port):
            href = _address(service, environment)
            return Sentence("made the environment", environment, href, detail=f"on port {port}", icon="environment")
        case EnvironmentExtended(service=service, environment=environment, expires_at=ends, expired_at=before):
            href = _address(service, environment)
            longer = duration(ends - before)
            return Sentence("extended", environment, href, f"by {longer}", f"until {exact(ends)}", "environment")
        case EnvironmentDestroyed(environment=environment, reason=reason):
            return Sentence("took away the environment", environment, detail=reason, icon="trash")
        case SetPrepared(deployment=deployment, commit=commit, config_version=version):
            told = f"with version {version} of the configuration"
            href = f"/deployments/{deployment}"
            return Sentence("prepared instances of", commit[:7], href, told, icon="environment", minor="set change")
        case SetStandingChanged(service=service, environment=environment, standing=standing, reason=reason):
            what, then = _STANDINGS[standing]
            about = names.of("set", happened.set, "a former version")
            href = _address(service, environment)
            return Sentence(what, about, href, then, reason, "environment", minor="set change")
    return _instance(happened, names)


def _instance(happened: Event, names: Names) -> Sentence | None:
    match happened:
        case InstanceHealthChanged(health=health, reason=reason):
            minor = "" if health is Health.UNHEALTHY else "health change"
            return _of("found", happened, names, HEALTH_WORDS[health], reason, "dot", _marked(health), minor)
        case InstanceReplaced(reason=why, details=details):
            what, then, state = _REPLACED[why]
            return _of(what, happened, names, then, details, "retry", state)
        case InstanceReplacementRequested():
            return _of("asked to replace", happened, names, "", "", "retry")
        case InstanceRestarted(times=times, reason=reason):
            told = f"{plural(times, 'time')} so far" + (f": {reason}" if reason else "")
            return _of("started", happened, names, "again, as it had ended by itself", told, "retry", State.WARN)
    return None


def _marked(health: Health) -> State | None:
    """Only what became good or bad; that something starts or was stopped is neither."""
    return state_of(health) if health in {Health.HEALTHY, Health.UNHEALTHY} else None


def _of(
    what: str,
    one: InstanceHealthChanged | InstanceReplaced | InstanceReplacementRequested | InstanceRestarted,
    names: Names,
    then: str,
    detail: str,
    icon: str,
    state: State | None = None,
    minor: str = "",
) -> Sentence:
    known = names.of("instance", one.instance, "")
    place = _address(one.service, one.environment)
    href = f"{place}/instances/{one.instance}" if known else place
    return Sentence(what, known or "a former instance", href, then, detail, icon, state, minor)


def _address(service: str, environment: str) -> str:
    return f"/services/{quote(service, safe='')}/environments/{quote(environment, safe='')}"
