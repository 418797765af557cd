"""What a rollout could see, said before it starts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a metric is likely to show, from the service's last days."""

    metric: str
    level: float
    """Without harm: the share, the rate for each exposure, the quantile, the level of a gauge."""
    exposure: float
    """Requests (visits, values) a second that reach *both arms together*; of a ``GAUGE`` it says nothing."""
    dispersion: float = 1.0
    """By how much the counts of a look vary more than independent events would (variance to mean)."""
    variation: float = 0.1
    """Of a ``GAUGE``: its standard deviation from minute to minute to its level."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visible:
    """The smallest harm that is found with the stated power."""

    metric: str
    title: str
    level: float
    harm: float | None
    """The level that it must come to; ``None``: no harm whatever would be found."""
    ratio: float | None
    canary: float
    """Requests (visits, values) that the new version will have had by the end."""
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Another share or another time, and what it would see of the metric that is seen worst."""

    share: float
    horizon: float
    metric: str
    harm: float | None
    ratio: float | None
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Foresight:
    power: float
    visible: tuple[Visible, ...]
    proposals: tuple[Proposal, ...]
    sentence: str
