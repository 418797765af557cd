"""Lines of logs that are counted: a metric for each, one sample a batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from andon.feedback.telemetry.contract.logs import LogLine
from andon.feedback.telemetry.contract.metrics import (
    ENVIRONMENT,
    SERVICE,
    VERSION,
    Kind,
    Level,
    Series,
    canonical,
    metric_name,
    series_id,
)
from andon.feedback.telemetry.contract.searching import Matching, parse


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Lines of ``service`` that ``query`` finds are counted as ``metric``."""

    service: str
    metric: str
    query: str
    level: Level = Level.APPLICATION


class LineCounter:
    """``counted`` is asked for each batch: what it answers should be at hand. A query that cannot be read counts
    nothing; whoever wrote it was told when they did."""

    def __init__(self, counted: Callable[[], Sequence[Counted]]) -> None:
        self._counted = counted
        self._seen: Sequence[Counted] = ()
        self._by_service: dict[str, list[tuple[Counted, Matching]]] = {}

    def count(self, lines: Iterable[LogLine]) -> tuple[list[Series], list[float]]:
        """Series, and how many lines each has gained."""
        counted = self._counted()
        if counted is not self._seen:
            self._seen = counted
            self._by_service = {}
            for one in counted:
                self._by_service.setdefault(one.service, []).append((one, Matching(parse(one.query))))
        if not self._by_service:
            return [], []
        found: Counter[tuple[Counted, str, str]] = Counter()
        for line in lines:
            for one, matching in self._by_service.get(line.service, ()):
                if matching.fits(line):
                    found[one, line.environment, line.version] += 1
        series = [_series(one, environment, version) for one, environment, version in found]
        return series, [float(count) for count in found.values()]


def _series(one: Counted, environment: str, version: str) -> Series:
    labels = canonical({SERVICE: one.service, ENVIRONMENT: environment, VERSION: version})
    name = metric_name(one.metric)
    return Series(
        id=series_id(name, labels),
        name=name,
        labels=labels,
        kind=Kind.DELTA,
        level=one.level,
        unit="1",
        help=f"Lines of the log that {one.query!r} finds",
        path=one.metric,
    )
