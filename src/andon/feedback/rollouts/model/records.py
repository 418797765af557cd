"""What is kept of a rollout, and the errors of asking something of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from andon.feedback.judge.contract import Because, Direction, Kind, Metric, Verdict
from andon.feedback.rollouts.contract import Hold, Left, RolloutId, RolloutState, Wish
from andon.feedback.rollouts.model.differing import Differences
from andon.feedback.rollouts.model.stages import Sets, Stage, stages_of
from andon.feedback.rollouts.model.takeovers import Takeover
from andon.flow.definition.contract import ReleaseDefinition
from andon.flow.deployments.contract import DeploymentId
from andon.flow.environments.contract import SetId
from andon.flow.sources.contract import CommitHash, Service
from andon.kernel.access import PersonId
from andon.kernel.errors import Conflict


class RolloutEnded(Conflict):
    """Nothing can be asked of a rollout that has come to its end."""

    code = "rollouts.ended"


class NothingToDo(Conflict):
    """It is in that state already."""

    code = "rollouts.nothing_to_do"


class AlreadyTaking(Conflict):
    """Another takeover of the same requests is under way, or they are forwarded already."""

    code = "rollouts.already_taking"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """What the router had counted of a set, or a process of one, at one moment; counters only rise until they begin
    anew."""

    requests: int = 0
    failed: int = 0
    """Answers of 500 and above, and connections that could not be made."""
    bounds: tuple[float, ...] = ()
    """Milliseconds."""
    times: tuple[int, ...] = ()
    """Requests at most as long as each bound and longer than the one before; the last is longer than all."""
    restarts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """Both arms at one moment."""

    canary: Arm = field(default_factory=Arm)
    baseline: Arm = field(default_factory=Arm)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A metric that is watched, and where it comes from: the router and the instances, or telemetry."""

    name: str
    kind: Kind
    title: str
    direction: Direction = Direction.MORE_IS_WORSE
    quantile: float = 0.99
    weight: float = 1.0
    tolerance: float | None = None
    """How much worse is not worth going back for, as a ratio; ``None`` is what fits the kind."""
    least: float = 0.0
    """Of a latency: by how much it has to be higher for anybody to mind."""
    clusters: float | None = None
    """How many events of a rate come together, where that is known; ``None`` is estimated."""
    unit: str = ""
    telemetry: bool = False
    """Asked of the telemetry store, which is slower and may be away."""
    dark: bool = True
    """Says something of a version that nobody sees the answers of."""
    series: str = ""
    """The name of the metric in the store, for one that the service declares."""

    @property
    def metric(self) -> Metric:
        return Metric(
            name=self.name,
            kind=self.kind,
            title=self.title,
            direction=self.direction,
            quantile=self.quantile,
            weight=self.weight,
            tolerance=self.tolerance,
            least=self.least,
            clusters=self.clusters,
            unit=self.unit,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """A rollout as its workflow needs it."""

    id: RolloutId
    deployment: DeploymentId | None
    """``None`` for a takeover."""
    service: Service
    environment: str
    commit: CommitHash
    former_commit: CommitHash
    set: SetId
    former: SetId
    baseline: SetId | None
    state: RolloutState
    hold: Hold | None
    reason: str
    stage: int
    """Which of :attr:`stages` it is in, from 0."""
    wish: Wish | None
    """What somebody asked for and what has not been heeded yet."""
    wished_by: PersonId | None
    release: ReleaseDefinition
    watched: tuple[Watched, ...]
    unwatched: tuple[str, ...]
    """What was to be watched and cannot be, each with the reason in a sentence."""
    smallest_harm: str
    proposal: str
    counters: Counters | None
    """As they were at the last look."""
    differences: Differences | None
    """What was answered differently in the dark; ``None`` where nothing was mirrored."""
    started_at: datetime
    ended_at: datetime | None
    takeover: Takeover | None = None
    """Another service takes requests over; ``set`` and ``former`` are then what was live at both when it began."""

    @property
    def taking(self) -> str:
        """What is taken over by whom, in words; empty for a version of the service itself."""
        return "" if self.takeover is None else self.takeover.words

    @property
    def stages(self) -> tuple[Stage, ...]:
        return stages_of(self.release)

    @property
    def sets(self) -> Sets:
        return Sets(canary=self.set, former=self.former, baseline=self.baseline)

    @property
    def now(self) -> Stage:
        return self.stages[self.stage]

    @property
    def is_last(self) -> bool:
        return self.stage + 1 >= len(self.stages)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRecord:
    """What happened in a stage."""

    number: int
    """From 0."""
    entered_at: datetime
    left_at: datetime | None
    left: Left | None
    held_seconds: float
    """For how long it was paused, up to the last pause's end; its time does not run meanwhile."""
    held_since: datetime | None

    def elapsed(self, now: datetime) -> float:
        """Seconds of the stage without its pauses."""
        end = self.left_at or now
        paused = self.held_seconds
        if self.held_since is not None:
            paused += max(0.0, (end - self.held_since).total_seconds())
        return max(0.0, (end - self.entered_at).total_seconds() - paused)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one arm showed in a look, by metric. What is missing was not measured."""

    counts: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Events and exposure."""
    histograms: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]] = field(default_factory=dict)
    """Bounds and counts."""
    samples: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    gauges: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    traffic: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LookRecord:
    number: int
    """From 0, over the whole rollout."""
    stage: int
    at: datetime
    offset: float
    """Seconds since the phase began: the mirror is one, the stages are another."""
    seconds: float
    share: float | None
    canary: Seen
    baseline: Seen
    slow: bool
    """Telemetry answered in it."""
    until: int = 0
    """Up to where telemetry was asked, in milliseconds since 1970."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BinRecord:
    low: float
    high: float | None
    """``None`` is without end."""
    canary: float
    baseline: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricVerdict:
    """What the judge said of a metric, as it is kept: numbers that are not to be had are ``None``."""

    metric: str
    title: str
    kind: Kind
    unit: str
    verdict: Verdict
    because: Because
    reason: str
    canary_n: float
    baseline_n: float
    canary: float | None = None
    baseline: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    confidence: float = 0.99
    threshold: float | None = None
    p: float | None = None
    boundary: float | None = None
    bins: tuple[BinRecord, ...] = ()
    against_history: bool = False
    canary_above: float | None = None
    """Where the level is above what can be told apart (``canary`` is then ``None``): the last bound."""
    baseline_above: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictRecord:
    """What the judge said last in a stage."""

    verdict: Verdict
    because: Because
    sentence: str
    looks: int
    metrics: tuple[MetricVerdict, ...]
    at: datetime
