"""Reading the value stream: questions to other rooms, put together. Nothing here changes anything but by their word."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from andon.flow.deployments.contract import (
    DeploymentId,
    DeploymentState,
    DeploymentSurvey,
    DeploymentView,
    Kind,
    Outcome,
    StepState,
)
from andon.flow.environments.contract import Environments, EnvironmentView
from andon.flow.overview.commits import Commits
from andon.flow.overview.model import (
    DAYS,
    Line,
    Refusal,
    Station,
    columns_of,
    environments_of,
    newest_of,
)
from andon.flow.pipelines.contract import RunId, RunRefused, RunState, RunSummary, RunSurvey, StageSummary
from andon.flow.sources.contract import Service, Sources
from andon.kernel.access import Principal
from andon.kernel.access.contract import People
from andon.kernel.db import Reading, Transaction
from andon.kernel.events import Facets, page

_UNDER_WAY = (RunState.QUEUED, RunState.RUNNING)
_LOOKED_AT = 5
"""Runs of a branch looked at for one that tells something."""
_MOST = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Every line that the asker may see."""

    lines: tuple[Line, ...]
    columns: tuple[str, ...]
    """Names of environments, left to right."""

    def line(self, service: Service) -> Line | None:
        return next((one for one in self.lines if one.service == service), None)


class OverviewService:
    """Safe to share between threads."""

    def __init__(
        self,
        *,
        sources: Sources,
        runs: RunSurvey,
        deployments: DeploymentSurvey,
        environments: Environments,
        people: People,
    ) -> None:
        self._sources = sources
        self._runs = runs
        self._deployments = deployments
        self._environments = environments
        self._people = people
        self.commits = Commits(sources)

    def services(self, reading: Reading, principal: Principal) -> tuple[Service, ...]:
        visible = principal.visible_services()
        return tuple(one for one in self._sources.services(reading) if visible is None or one in visible)

    def stream(self, reading: Reading, principal: Principal) -> Stream:
        services = self.services(reading, principal)
        places: dict[Service, list[EnvironmentView]] = defaultdict(list)
        for place in self._environments.all(reading) if services else ():
            places[place.service].append(place)
        serving = {(one.service, one.environment): one for one in self._deployments.serving(reading)}
        coming = _by_place(self._deployments.under_way(reading))
        refused = self._refusals(reading, principal)
        lines = self._with_refuted(
            reading,
            [
                self._line(reading, service, places[service], serving, coming, refused.get(service))
                for service in services
            ],
        )
        return Stream(
            lines=lines, columns=columns_of([station.environment for station in one.stations] for one in lines)
        )

    def line(self, reading: Reading, principal: Principal, service: Service) -> Line:
        """Raises ``NotFound`` for a service that is not there or may not be seen."""
        principal.require_sight(service)
        self._sources.default_branch(reading, service)
        found = self._line(
            reading,
            service,
            self._environments.all(reading, service),
            {(one.service, one.environment): one for one in self._deployments.serving(reading, service)},
            _by_place(self._deployments.under_way(reading, service)),
            self._refusals(reading, principal, service).get(service),
        )
        return self._with_refuted(reading, [found])[0]

    def outcomes(self, reading: Reading, lines: Iterable[Line]) -> Mapping[Service, tuple[Outcome, ...]]:
        """What the last thirty days brought to each line's last environment; lines without one are missing."""
        chosen = {line.service: line.production.environment for line in lines if line.production is not None}
        only = next(iter(chosen)) if len(chosen) == 1 else None
        grouped: dict[Service, list[Outcome]] = {service: [] for service in chosen}
        for one in self._deployments.outcomes(reading, since=reading.now - timedelta(days=DAYS), service=only):
            if chosen.get(one.service) == one.environment:
                grouped[one.service].append(one)
        return {service: tuple(found) for service, found in grouped.items()}

    def runs_under_way(self, reading: Reading, principal: Principal) -> tuple[RunSummary, ...]:
        return self._runs.list_runs(reading, services=principal.visible_services(), states=_UNDER_WAY, limit=_MOST)

    def runs_waiting(self, reading: Reading, principal: Principal) -> tuple[RunSummary, ...]:
        """For a person, newest first; of one branch only its newest, which takes the rest along."""
        found = self._runs.list_runs(
            reading, services=principal.visible_services(), states=(RunState.WAITING,), limit=_MOST
        )
        newest: dict[tuple[Service, str], RunSummary] = {}
        for one in found:
            newest.setdefault((one.service, one.branch), one)
        return tuple(newest.values())

    def deployments_under_way(self, reading: Reading, principal: Principal) -> tuple[DeploymentView, ...]:
        visible = principal.visible_services()
        return tuple(one for one in self._deployments.under_way(reading) if visible is None or one.service in visible)

    def recent_runs(
        self, reading: Reading, services: Iterable[str] | None, service: Service | None = None, limit: int = 20
    ) -> tuple[RunSummary, ...]:
        return self._runs.list_runs(reading, services=services, service=service, limit=limit)

    def names(self, reading: Reading, persons: Iterable[str | None]) -> Mapping[str, str]:
        """By id; nobody is Andon itself."""
        found = self._people.names(reading, {one for one in persons if one})
        return {str(person): name for person, name in found.items()}

    def proceed(self, tx: Transaction, principal: Principal, run: RunId) -> None:
        """Let a waiting run go on. Raises what its room raises."""
        self._runs.proceed(tx, principal, run)

    # Inside

    def _line(
        self,
        reading: Reading,
        service: Service,
        places: Iterable[EnvironmentView],
        serving: Mapping[tuple[Service, str], DeploymentView],
        coming: Mapping[tuple[Service, str], list[DeploymentView]],
        refused: Refusal | None,
    ) -> Line:
        branch = self._sources.default_branch(reading, service)
        newest = newest_of(self._runs.list_runs(reading, service=service, branch=branch, limit=_LOOKED_AT))
        known = {place.name: place for place in places}
        stations = []
        for name in environments_of(newest, known.values()):
            waiting = coming.get((service, name), [])
            stations.append(
                Station(
                    environment=name,
                    place=known.get(name),
                    serving=serving.get((service, name)),
                    coming=waiting[0] if waiting else None,
                    queued=max(0, len(waiting) - 1),
                )
            )
        on_line = {one.environment for one in stations}
        return Line(
            service=service,
            branch=branch,
            newest=newest,
            refused=refused if refused and (newest is None or refused.at >= newest.pushed_at) else None,
            stations=tuple(stations),
            own=tuple(place for name, place in known.items() if name not in on_line),
        )

    def _with_refuted(self, reading: Reading, lines: Sequence[Line]) -> tuple[Line, ...]:
        """The same, with what telemetry said of the newest runs' deployments after they had passed."""
        deployed = {DeploymentId(one.deployment) for line in lines for one in line.stages if one.deployment}
        unconfirmed = self._deployments.unconfirmed(reading, deployed)
        refuted = {one for one, state in unconfirmed.items() if state is StepState.FAILED}
        return tuple(replace(line, refuted=_refuted(line, refuted)) for line in lines) if refuted else tuple(lines)

    def _refusals(
        self, reading: Reading, principal: Principal, service: Service | None = None
    ) -> Mapping[Service, Refusal]:
        """The newest of each service's default branch."""
        wanted = Facets(
            type=RunRefused.type,
            service=service,
            sight=principal.sight(),
            since=reading.now - timedelta(days=DAYS),
        )
        found: dict[Service, Refusal] = {}
        for envelope in page(reading, wanted, limit=_MOST):
            happened = envelope.decode()
            if not isinstance(happened, RunRefused) or happened.service in found:
                continue
            if happened.branch == self._sources.default_branch(reading, happened.service):
                fault = happened.faults[0] if happened.faults else "its andon.yaml cannot be read"
                found[happened.service] = Refusal(commit=happened.commit, at=envelope.at, fault=fault)
        return found


def overdue(one: DeploymentView, now: datetime) -> bool:
    """Whether a deployment takes so long that somebody should look."""
    if one.state is DeploymentState.RUNNING and one.started_at is not None:
        return now - one.started_at > timedelta(minutes=10)
    return now - one.requested_at > timedelta(minutes=5)


def _refuted(line: Line, refuted: Collection[str]) -> StageSummary | None:
    return next(
        (one for one in line.stages if one.deployment in refuted and not _has_returned(line, one)),
        None,
    )


def _has_returned(line: Line, stage: StageSummary) -> bool:
    """Whether somebody has brought the version back to where it was refuted, and that was not for fresh instances."""
    station = None if stage.environment is None else line.station(stage.environment)
    serving = None if station is None else station.serving
    if line.newest is None or serving is None or serving.refuted or serving.commit != line.newest.commit:
        return False
    return serving.id != stage.deployment and serving.kind is not Kind.REBUILD


def _by_place(views: Iterable[DeploymentView]) -> dict[tuple[Service, str], list[DeploymentView]]:
    """Oldest first, but whoever holds the lock before all."""
    found: dict[tuple[Service, str], list[DeploymentView]] = {}
    for one in views:
        found.setdefault((one.service, one.environment), []).append(one)
    for waiting in found.values():
        waiting.sort(key=lambda one: one.state is not DeploymentState.RUNNING)
    return found
