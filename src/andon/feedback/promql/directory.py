"""What there is: series, labels and names, as Prometheus' HTTP interface tells of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from andon.feedback.promql.envelope import Plain, number
from andon.feedback.promql.parameters import Asked
from andon.feedback.promql.parsing import parse
from andon.feedback.promql.sources import sources_of
from andon.feedback.telemetry.contract.metrics import NAME, Kind, Labels, Measurements, Series

_TYPES: Mapping[Kind, str] = {
    Kind.GAUGE: "gauge",
    Kind.COUNTER: "counter",
    Kind.DELTA: "counter",
    Kind.OBSERVATION: "unknown",
}
"""Of observations Prometheus knows nothing like; ``rate`` counts both them and deltas."""

_LAST_DAY = 86_400_000


class Directory:
    """Times not given are all of the past."""

    def __init__(self, measurements: Measurements) -> None:
        self._measurements = measurements

    def series(self, asked: Asked) -> Sequence[Plain]:
        start, end = _times(asked)
        found: set[Labels] = set()
        for selector in asked.selectors(required=True):
            for one in self._measurements.select(selector, start, end, sight=asked.sight):
                found.add(_labels(one))
        return [dict(labels) for labels in sorted(found)]

    def label_names(self, asked: Asked) -> Sequence[Plain]:
        start, end = _times(asked)
        found: set[str] = set()
        for selector in asked.selectors():
            found |= set(self._measurements.label_names(selector, start, end, sight=asked.sight))
        return sorted(found)

    def label_values(self, asked: Asked, label: str) -> Sequence[Plain]:
        start, end = _times(asked)
        found: set[str] = set()
        for selector in asked.selectors():
            found |= set(self._measurements.label_values(label, selector, start, end, sight=asked.sight))
        return sorted(found)

    def metadata(self, asked: Asked) -> Mapping[str, Plain]:
        """Type, help and unit of every name that was measured since yesterday."""
        wanted, limit = asked.text("metric"), asked.limit
        names = self._measurements.names(asked.now - _LAST_DAY, asked.now, sight=asked.sight)
        told: dict[str, Plain] = {
            one.name: [{"type": _TYPES[one.kind], "help": one.help, "unit": one.unit}]
            for one in names
            if wanted in {"", one.name}
        }
        return dict(list(told.items())[: limit or None])

    def exemplars(self, asked: Asked) -> Sequence[Plain]:
        """The exemplars of all series that a query selects."""
        start, end = asked.time("start"), asked.time("end")
        told: list[Plain] = []
        for selector in dict.fromkeys(one.matchers for one in sources_of(parse(asked.text("query")))):
            series = self._measurements.select(selector, start, end, sight=asked.sight)
            of_series: dict[int, list[Plain]] = {}
            for one in self._measurements.exemplars(series, start, end):
                labels = {"trace_id": one.trace, **({"span_id": one.span} if one.span else {}), **dict(one.labels)}
                of_series.setdefault(one.series, []).append(
                    {"labels": labels, "value": number(one.value), "timestamp": one.time / 1000}
                )
            told += [
                {"seriesLabels": dict(_labels(one)), "exemplars": of_series[one.id]}
                for one in series
                if one.id in of_series
            ]
        return told


def _times(asked: Asked) -> tuple[int, int]:
    return asked.time("start", 0), asked.time("end", asked.now)


def _labels(series: Series) -> Labels:
    return ((NAME, series.name), *series.labels)
