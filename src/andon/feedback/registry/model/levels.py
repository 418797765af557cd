"""On which of the five levels a service is measured, and what fills a level on which it is silent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from andon.feedback.telemetry.contract.metrics import Level, MetricName

LEVELS = (Level.BUSINESS, Level.APPLICATION, Level.CLIENT, Level.INFRASTRUCTURE, Level.PIPELINE)
"""In the order in which graphs show them: first whether it does anybody good."""
MOST_EXAMPLES = 6
_NO_MEASUREMENTS = frozenset(
    {"target_info", "otel_scope_info", "andon_telemetry_series", "andon_telemetry_dropped_total"}
)
"""Say who sends and how much, and nothing of how it does."""


@dataclass(frozen=True, slots=True)
class Filler:
    """What a silent level hides, and the one line that fills it."""

    why: str
    line: str
    """With ``SERVICE`` where its name belongs."""
    command: bool = False
    """Whether it is typed in a terminal."""

    def of(self, service: str) -> str:
        return self.line.replace("SERVICE", service)


FILLERS: Mapping[Level, Filler] = {
    Level.BUSINESS: Filler(
        "Nobody can see whether it does its users any good: orders, sign-ins, searches that found something.",
        'from andon_client import metric; metric.increment("orders.placed")',
    ),
    Level.APPLICATION: Filler(
        "Requests, errors and durations come from the router by themselves, once it is deployed and asked.",
        "git push andon",
        command=True,
    ),
    Level.CLIENT: Filler(
        "How long a page takes in its reader's browser, and what fails there, nobody else can tell.",
        '<script src="/beacon.js" data-service="SERVICE" data-environment="production" defer></script>',
    ),
    Level.INFRASTRUCTURE: Filler(
        "Processor time and memory of its instances are measured by themselves while one runs.",
        "git push andon",
        command=True,
    ),
    Level.PIPELINE: Filler(
        "Builds, queues, tests and lead times are measured by themselves, from the first run on.",
        "git push andon",
        command=True,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelState:
    level: Level
    names: int
    """How many metrics there are; none is a gap."""
    examples: tuple[str, ...]

    @property
    def silent(self) -> bool:
        return not self.names

    @property
    def filler(self) -> Filler:
        return FILLERS[self.level]


def gaps(names: Iterable[MetricName]) -> tuple[LevelState, ...]:
    """The five levels in their order, each with what is measured on it."""
    found: dict[Level, list[str]] = defaultdict(list)
    for one in names:
        if one.name not in _NO_MEASUREMENTS:
            found[one.level].append(one.name)
    return tuple(
        LevelState(level=level, names=len(found[level]), examples=tuple(sorted(found[level])[:MOST_EXAMPLES]))
        for level in LEVELS
    )


def own(visible: Iterable[MetricName], common: Iterable[MetricName]) -> tuple[MetricName, ...]:
    """What a service measures itself: of the metrics that its members see, those that are not everybody's.

    A sight of one service sees its series and those that name no service; ``common`` are the latter.
    """
    everyones = {one.name: one.series for one in common}
    return tuple(one for one in visible if one.series > everyones.get(one.name, 0))
