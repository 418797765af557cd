"""The value stream as values: who stands on it in which order, and what its last thirty days were like."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from andon.flow.deployments.contract import DeploymentState, DeploymentView, Kind, Outcome
from andon.flow.environments.contract import EnvironmentView, Health, SetView
from andon.flow.pipelines.contract import RunState, RunSummary, StageState, StageSummary
from andon.flow.sources.contract import CommitHash, Service

DAYS = 30
_SHOWS_NOTHING = frozenset({RunState.CANCELLED, RunState.SUPERSEDED})
_HAD_TRAFFIC = frozenset({DeploymentState.SUCCEEDED, DeploymentState.ROLLED_BACK})


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """An environment on a service's line: what serves there, and what is on its way there."""

    environment: str
    place: EnvironmentView | None
    """``None`` as long as nothing was ever put there."""
    serving: DeploymentView | None
    coming: DeploymentView | None
    """The deployment that holds the lock, or is next."""
    queued: int

    @property
    def refuted(self) -> bool:
        """Whether telemetry has found harm in what serves."""
        return self.serving is not None and self.serving.refuted

    @property
    def live(self) -> SetView | None:
        return None if self.place is None else self.place.live

    @property
    def commit(self) -> CommitHash | None:
        return None if self.live is None else self.live.commit

    @property
    def healthy(self) -> int:
        """Live instances that are healthy."""
        return 0 if self.live is None else sum(one.health is Health.HEALTHY for one in self.live.instances)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A pushed commit with which nothing could be begun."""

    commit: CommitHash
    at: datetime
    fault: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A service's way from the newest commit of its default branch to its last environment."""

    service: Service
    branch: str
    newest: RunSummary | None
    refused: Refusal | None
    """Newer than ``newest``."""
    stations: tuple[Station, ...]
    own: tuple[EnvironmentView, ...]
    """Environments that somebody made by hand: they stand beside the line."""
    refuted: StageSummary | None = None
    """The stage of the newest run whose deployment telemetry has found harm in, after it had passed."""

    def station(self, environment: str) -> Station | None:
        return next((one for one in self.stations if one.environment == environment), None)

    @property
    def stages(self) -> tuple[StageSummary, ...]:
        return () if self.newest is None else self.newest.stages

    @property
    def production(self) -> Station | None:
        """The last environment of the pipeline; of all there are, when the pipeline has none."""
        named = {stage.environment for stage in self.stages if stage.environment is not None}
        on_line = [one for one in self.stations if one.environment in named]
        chosen = on_line or list(self.stations)
        return chosen[-1] if chosen else None

    @property
    def broken_stage(self) -> StageSummary | None:
        """The stage in which the newest run failed, be it later."""
        if self.newest is None or self.newest.state is not RunState.FAILED:
            return self.refuted
        return next((stage for stage in self.stages if stage.state is StageState.FAILED), None)

    @property
    def broke(self) -> str:
        """How the broken stage broke: "failed", or "was refuted"."""
        return "was refuted" if self.refuted is not None and self.broken_stage is self.refuted else "failed"

    @property
    def stopped(self) -> bool:
        failed = self.newest is not None and self.newest.state is RunState.FAILED
        return failed or self.refused is not None or self.refuted is not None

    @property
    def down(self) -> bool:
        """Something was given production's traffic, and nothing there can answer."""
        last = self.production
        return last is not None and last.live is not None and last.healthy == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The last thirty days before customers, a value a day, oldest first; ``None`` is a day without any."""

    lead_times: tuple[float | None, ...]
    """Seconds, the median of the day."""
    lead_time: float | None
    """Seconds, the median of all."""
    led: int
    """How many changes the lead time is of."""
    shares: tuple[float | None, ...]
    share: float | None
    """Of the changes that got traffic, the part that was taken back."""
    changes: int


def newest_of(runs: Iterable[RunSummary]) -> RunSummary | None:
    """The newest run that tells something; one that was cancelled only when there is no other."""
    found = list(runs)
    return next((one for one in found if one.state not in _SHOWS_NOTHING), found[0] if found else None)


def environments_of(run: RunSummary | None, places: Iterable[EnvironmentView]) -> tuple[str, ...]:
    """In the order of the pipeline, then those that are defined and that no stage deploys to."""
    named = [] if run is None else [stage.environment for stage in run.stages if stage.environment is not None]
    further = sorted(place.name for place in places if place.like == place.name and place.name not in named)
    return tuple(dict.fromkeys((*named, *further)))


def columns_of(lines: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """One order in which every line reads from left to right, as far as the lines agree."""
    found: list[str] = []
    for names in sorted(lines, key=len, reverse=True):
        place = 0
        for name in names:
            if name in found:
                place = max(place, found.index(name) + 1)
            else:
                found.insert(place, name)
                place += 1
    return tuple(found)


def figures_of(outcomes: Iterable[Outcome], now: datetime) -> Figures:
    """What the deployments of one environment of each service make of its last thirty days; oldest first.

    A change counts once, when it first has traffic: what failed before never reached anybody. It is taken back, once,
    when Andon does so by itself, or somebody goes back from it to one that came before. Whoever then returns to it
    takes nothing back.
    """
    begins = now - timedelta(days=DAYS)
    led: list[list[float]] = [[] for _ in range(DAYS)]
    changes, taken = [0] * DAYS, [0] * DAYS
    lines: dict[Service, _Followed] = {}
    for one in outcomes:
        day = (one.ended_at - begins).days
        if not 0 <= day < DAYS:
            continue
        line = lines.setdefault(one.service, _Followed())
        if line.is_change(one):
            changes[day] += 1
        if line.takes_back(one):
            taken[day] += 1
        if one.lead_time is not None:
            led[day].append(one.lead_time)
    every = [value for day in led for value in day]
    total = sum(changes)
    return Figures(
        lead_times=tuple(median(day) if day else None for day in led),
        lead_time=median(every) if every else None,
        led=len(every),
        shares=tuple(_share(back, all_) if all_ or back else None for back, all_ in zip(taken, changes, strict=True)),
        share=_share(sum(taken), total) if total else None,
        changes=total,
    )


class _Followed:
    """One environment as its deployments end, one after the other."""

    def __init__(self) -> None:
        self._came: dict[CommitHash, int] = {}
        """Which of the changes it was, in the order of their first traffic."""
        self._back: set[CommitHash] = set()
        self._live: CommitHash | None = None

    def is_change(self, one: Outcome) -> bool:
        """Whether a change has its first traffic with it."""
        if one.kind is not Kind.DEPLOY or one.state not in _HAD_TRAFFIC or one.commit in self._came:
            return False
        self._came[one.commit] = len(self._came)
        return True

    def takes_back(self, one: Outcome) -> bool:
        """Whether it takes a change back; to be asked after :meth:`is_change`."""
        left: CommitHash | None = None
        if one.state is DeploymentState.ROLLED_BACK and one.kind is Kind.DEPLOY:
            left = one.commit
        elif one.state is DeploymentState.SUCCEEDED:
            # what came before these thirty days is older than all that came in them
            older = self._came.get(one.commit, -1) < self._came.get(self._live, -1) if self._live else False
            if one.kind is Kind.ROLL_BACK and older:
                left = self._live
            self._live = one.commit
        if left is None or left in self._back:
            return False
        self._back.add(left)
        return True


def _share(part: int, whole: int) -> float:
    # A roll-back may come on a later day than the change it takes back.
    return min(1.0, part / whole) if whole else 1.0
