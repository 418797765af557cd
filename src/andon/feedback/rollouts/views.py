"""The shapes in which the API speaks of rollouts; shared with the commands."""

from __future__ import annotations

from datetime import datetime

import msgspec

from andon.feedback.judge.contract import Because, Kind, Verdict
from andon.feedback.rollouts.contract import Hold, Left, RolloutState, StageKind, Wish
from andon.flow.routing.contract import Condition, Differing


class StageShape(msgspec.Struct, kw_only=True):
    """``share`` is 0 to 1 of all traffic, or of the copies of a mirror; ``elapsed`` is without pauses."""

    name: str
    kind: StageKind
    share: float
    audience: list[str]
    seconds: float
    requests: int
    entered_at: datetime | None
    left_at: datetime | None
    left: Left | None
    elapsed: float
    served: int


class MetricShape(msgspec.Struct, kw_only=True):
    """Levels are in ``unit``; ``low`` and ``high`` hold the ratio of new to old with ``confidence`` for everything that
    is watched at once. Of ``traffic``, ``old`` is scaled to the share that the new version has; of ``cpu``, ``new`` to
    the load that the old one has."""

    metric: str
    title: str
    kind: Kind
    unit: str
    verdict: Verdict
    because: Because
    sentence: str
    new: float | None
    old: float | None
    new_above: float | None
    """Where ``new`` is null because it lies above the last bound up to which values are told apart: that bound."""
    old_above: float | None
    new_n: float
    old_n: float
    ratio: float | None
    low: float | None
    high: float | None
    confidence: float


class ExampleShape(msgspec.Struct, kw_only=True):
    """Method and path are the client's words."""

    method: str
    path: str
    differing: list[Differing]
    old: str
    new: str


class DifferencesShape(msgspec.Struct, kw_only=True):
    """Of the requests that both versions answered while they were mirrored; ``slower`` took more than twice as long."""

    pairs: int
    differing: int
    by: dict[Differing, int]
    slower: int
    examples: list[ExampleShape]


class TakeoverShape(msgspec.Struct, kw_only=True):
    """Who takes over which requests; ``requests`` says in words what ``when`` says for programs."""

    service: str
    environment: str
    requests: str
    when: list[Condition]


class RolloutShape(msgspec.Struct, kw_only=True):
    id: str
    deployment: str | None
    """None when another service takes over."""
    service: str
    environment: str
    takeover: TakeoverShape | None
    """None for a version of the service itself; else ``commit`` and ``former`` are what was live at both ends."""
    commit: str
    former: str
    state: RolloutState
    hold: Hold | None
    reason: str
    waits_for: str
    """What the stage it is in still waits for; empty for one that is over."""
    stage: int
    """Which of ``stages``, from 0."""
    stages: list[StageShape]
    verdict: Verdict | None
    sentence: str
    """What the judge says of all metrics together."""
    metrics: list[MetricShape]
    differences: DifferencesShape | None
    smallest_harm: str
    proposal: str
    unwatched: list[str]
    requests: int
    """Customers' requests that the new version served."""
    failed: int
    """Of these, how many it failed."""
    wish: Wish | None
    """What somebody asked for and what is not done yet."""
    started_at: datetime
    ended_at: datetime | None
    address: str = ""
    """Of its page in the console."""


class RolloutList(msgspec.Struct, kw_only=True):
    rollouts: list[RolloutShape]


class WishRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    wish: Wish


class TakeoverStageWanted(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """``parts`` of 100,000 of the requests that fit; ``seconds`` and ``requests`` are what it lasts for at least."""

    parts: int
    seconds: float = 300.0
    requests: int = 100


class TakeoverWanted(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """``service`` and ``environment`` are who takes over; no condition in ``when`` is every request."""

    service: str
    environment: str
    when: list[Condition] = []
    stages: list[TakeoverStageWanted]
