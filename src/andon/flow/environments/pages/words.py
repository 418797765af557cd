"""How environments, sets and instances are called on the pages, and which of the six states they show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from andon.flow.environments.contract import (
    HEALTH_WORDS,
    EnvironmentView,
    Health,
    InstanceId,
    InstanceView,
    SetView,
    Standing,
)
from andon.flow.sources.contract import CommitHash
from andon.web.charts import version_series
from andon.web.model import Instance, State, state_of
from andon.web.rendering import capital, plural

LIST = "/environments"
STANDINGS: Mapping[Standing, tuple[str, str]] = {
    Standing.LIVE: ("Live", "has the traffic"),
    Standing.CANDIDATE: ("Candidate", "gets traffic once it is healthy and its smoke tests pass"),
    Standing.WARM: ("Warm", "runs without traffic: going back to it takes no start"),
    Standing.QUARANTINED: ("Put aside", "was taken back, and runs without traffic so that somebody can look at it"),
    Standing.RETIRED: ("Retired", "is being stopped"),
}


def place_address(service: str, environment: str) -> str:
    return f"/services/{quote(service, safe='')}/environments/{quote(environment, safe='')}"


def service_address(service: str) -> str:
    return f"/services/{quote(service, safe='')}"


def instance_address(service: str, environment: str, instance: InstanceId) -> str:
    return f"{place_address(service, environment)}/instances/{instance}"


def record_address(service: str, environment: str) -> str:
    return f"/record?service={quote(service, safe='')}&environment={quote(environment, safe='')}"


def instance_name(one: InstanceView) -> str:
    """As the command line calls it."""
    return f"{one.process}-{one.number}"


def colours(place: EnvironmentView) -> Mapping[CommitHash, int]:
    """The series colour of each version that is there."""
    ordered = sorted(place.sets, key=lambda one: one.created_at)
    return {CommitHash(commit): series for commit, series in version_series(one.commit for one in ordered).items()}


def tile(place: EnvironmentView, of: SetView, one: InstanceView, series: int) -> Instance:
    state, word = state_of(one.health), HEALTH_WORDS[one.health]
    if of.standing is Standing.WARM and state is State.OK:
        word = "healthy, warm"
    notes = [plural(one.restarts, "restart")] if one.restarts else []
    if one.reason and one.health is not Health.HEALTHY:
        notes.append(_short(one.reason))
    return Instance(
        name=instance_name(one),
        version=of.commit[:7],
        series=series,
        state=state,
        word=word,
        since=one.since,
        note=" · ".join(notes),
        href=instance_address(place.service, place.name, one.id),
    )


def health_of(of: SetView) -> tuple[State, str]:
    """A set's health in two or three words: "healthy", "2 of 3 healthy"."""
    return state_of(of.condition), of.says


def conclusion(place: EnvironmentView) -> tuple[State, str, str]:
    """State, its word, and the sentence without the time: "Production runs 3f2c91a, healthy, 2 instances"."""
    name = capital(place.name)
    live = place.live
    if live is None:
        coming = next((one for one in place.sets if one.standing is Standing.CANDIDATE), None)
        if coming is not None:
            return State.RUN, "starting", f"{name} is getting its first version, {coming.commit[:7]}"
        return State.NONE, "empty", f"{name} is empty: nothing has been deployed there yet"
    state, word = health_of(live)
    if state is State.WARN:
        bad = len(live.instances) - _healthy(live.instances)
        verb = "is" if bad == 1 else "are"
        return (
            state,
            word,
            f"{name} runs {live.commit[:7]}, but {bad} of {plural(len(live.instances), 'instance')} {verb} not healthy",
        )
    return state, word, f"{name} runs {live.commit[:7]}, {word}, {plural(len(live.instances), 'instance')}"


def _healthy(instances: Sequence[InstanceView]) -> int:
    return sum(one.health is Health.HEALTHY for one in instances)


def _short(text: str) -> str:
    return text if len(text) <= 120 else text[:119] + "…"
