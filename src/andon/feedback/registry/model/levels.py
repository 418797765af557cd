"""On which of the five levels a service is measured, and on which it is silent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from andon.feedback.telemetry.contract.levels import LEVELS, Filler, filler
from andon.feedback.telemetry.contract.metrics import Level, MetricName

MOST_EXAMPLES = 6
_NO_MEASUREMENTS = frozenset(
    {"target_info", "otel_scope_info", "andon_telemetry_series", "andon_telemetry_dropped_total"}
)
"""Say who sends and how much, and nothing of how it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelState:
    level: Level
    names: int
    """How many metrics there are; none is a gap."""
    examples: tuple[str, ...]
    deployed: bool = True
    """Whether Andon runs the service."""

    @property
    def silent(self) -> bool:
        return not self.names

    @property
    def filler(self) -> Filler:
        return filler(self.level, deployed=self.deployed)


def gaps(names: Iterable[MetricName], *, deployed: bool = True) -> tuple[LevelState, ...]:
    """The five levels in their order, each with what is measured on it."""
    found: dict[Level, list[str]] = defaultdict(list)
    for one in names:
        if one.name not in _NO_MEASUREMENTS:
            found[one.level].append(one.name)
    return tuple(
        LevelState(
            level=level,
            names=len(found[level]),
            examples=tuple(sorted(found[level])[:MOST_EXAMPLES]),
            deployed=deployed,
        )
        for level in LEVELS
    )


def own(visible: Iterable[MetricName], common: Iterable[MetricName]) -> tuple[MetricName, ...]:
    """What a service measures itself: of the metrics that its members see, those that are not everybody's.

    A sight of one service sees its series and those that name no service; ``common`` are the latter.
    """
    everyones = {one.name: one.series for one in common}
    return tuple(one for one in visible if one.series > everyones.get(one.name, 0))
