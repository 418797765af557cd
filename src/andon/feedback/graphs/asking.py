"""Asking: questions in PromQL become columns; what is compared, coloured, named and cut is decided here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from andon.feedback.graphs.model.answers import Columns, Drawn, colours_of, names_of
from andon.feedback.graphs.model.exemplars import Mark, chosen, mark_of, part_of
from andon.feedback.graphs.model.panels import LONGEST_QUERY, MOST_QUERIES, Panel, PanelKind, Query, legend_of
from andon.feedback.graphs.model.ranges import DAY, HOUR, Range, promql_length
from andon.feedback.graphs.observing import observed, summed_selector
from andon.feedback.promql.contract import Questions
from andon.feedback.telemetry.contract.metrics import (
    NAME,
    SERVICE,
    VERSION,
    Column,
    Comparison,
    Kind,
    Labels,
    Matcher,
    Measurements,
    MetricName,
    Resolution,
    Series,
    Sight,
    named,
)
from andon.kernel.errors import Invalid
from andon.web.charts import version_series

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_LINES = 200
MOST_VALUES = 400_000
"""In one answer."""
MOST_SERIES = 5_000
"""Looked at for a service's dashboard."""
MOST_SOURCES = 12
"""Selectors of one graph whose exemplars are looked for."""
MOST_AGED = 1_000
"""Looked at for how long a service has been measured."""
_HEXADECIMAL = re.compile(r"[0-9a-f]{6,40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What one graph wants to know. ``since`` (ms) leaves out what the asker has already."""

    queries: tuple[Query, ...]
    range: Range
    kind: PanelKind = PanelKind.LINE
    compare: int = 0
    since: int = 0
    now: int = 0
    versions: Mapping[str, int] = field(default_factory=dict)
    """Colours that versions have already, by 7 characters of their commits."""


class Asking:
    """Safe to share between threads."""

    def __init__(self, measurements: Measurements, questions: Questions) -> None:
        self.measurements = measurements
        self._questions = questions

    def columns(self, asked: Asked, sight: Sight) -> Columns:
        """The answer to all of a graph's questions on one row of times.

        Raises :class:`Invalid` for a question that is none (with ``query N`` before the message where there are
        several), ``Unavailable`` when the store does not answer.
        """
        if not 0 < len(asked.queries) <= MOST_QUERIES:
            raise Invalid("There is no question.", remedy=f"Ask between 1 and {MOST_QUERIES}.")
        span = asked.range
        first = span.start if not asked.since else max(span.start, asked.since // span.step * span.step + span.step)
        times = np.arange(first, span.end + 1, span.step, dtype=np.int64)
        head = asked.now > span.end and span.live
        grid = np.append(times, asked.now) if head else times
        lines: list[Drawn] = []
        left_out = 0
        for number, query in enumerate(asked.queries):
            found, more = self._lines(query, asked, sight, times, grid if head else None, number)
            lines += found
            left_out += more
            if asked.compare:
                earlier = replace(asked, now=asked.now - asked.compare)
                past, _ = self._lines(
                    query,
                    earlier,
                    sight,
                    times - asked.compare,
                    (grid - asked.compare) if head else None,
                    number,
                )
                lines += [replace(one, past=True) for one in past]
        coloured = _coloured(lines, len(asked.queries), asked.versions)
        return Columns(
            start=span.start,
            end=asked.now if head else span.end,
            step=span.step,
            times=tuple(int(one) for one in grid),
            lines=tuple(coloured),
            left_out=left_out,
            head=head,
        )

    def _lines(
        self,
        query: Query,
        asked: Asked,
        sight: Sight,
        times: NDArray[np.int64],
        grid: NDArray[np.int64] | None,
        number: int,
    ) -> tuple[list[Drawn], int]:
        if len(query.text) > LONGEST_QUERY:
            raise Invalid(f"A question has at most {LONGEST_QUERY} characters.", remedy="Ask in several.")
        step = asked.range.step
        text = written(query.text, asked.range)
        whole = grid if grid is not None else times
        room = min(MOST_LINES, max(1, MOST_VALUES // max(1, len(whole))))
        rows: dict[Labels, NDArray[np.float64]] = {}
        try:
            counted = observed(self.measurements, text, whole, step, sight) if asked.kind is PanelKind.HEAT else None
            if counted is not None:
                rows.update(counted)
            elif len(times):
                for line in self._questions.range(text, int(times[0]), int(times[-1]), step, sight=sight).lines:
                    row = rows.setdefault(line.labels, np.full(len(whole), np.nan))
                    places = (line.times - times[0]) // step
                    fits = (places >= 0) & (places < len(times))
                    row[places[fits]] = line.values[fits]
            if grid is not None and counted is None:
                now = int(grid[-1])
                if asked.kind is PanelKind.BARS and len(times):
                    # what came since the last whole step, not once more what that one has
                    step = now - int(times[-1])
                    text = written(query.text, replace(asked.range, step=step))
                for line in self._questions.range(text, now, now, step, sight=sight).lines:
                    rows.setdefault(line.labels, np.full(len(whole), np.nan))[-1] = line.values[-1]
        except Invalid as error:
            if len(asked.queries) == 1:
                raise
            raise Invalid(f"Query {number + 1}: {error.message}", safe=error.safe, remedy=error.remedy) from error
        keys = list(rows)
        if len(keys) > room:
            weight = {key: float(np.nansum(np.abs(rows[key]))) for key in keys}
            largest = set(sorted(keys, key=lambda key: -weight[key])[:room])
            keys = [key for key in keys if key in largest]
        plain = [tuple(pair for pair in key if pair[0] != NAME) for key in keys]
        names = (
            [legend_of(query.legend, dict(key)) for key in keys]
            if query.legend
            else [
                name or dict(key).get(NAME, "") or query.text for name, key in zip(names_of(plain), keys, strict=True)
            ]
        )
        drawn = [
            Drawn(label=name or "value", labels=labels, values=_plain(rows[key]), colour="", query=number)
            for name, labels, key in zip(names, plain, keys, strict=True)
        ]
        return drawn, len(rows) - len(keys)

    def fitting(self, panel: Panel, span: Range, sight: Sight) -> Panel:
        """The same as bars where lines were to be drawn of what is sent as differences, as StatsD's counters are: the
        answer of a plain question is what came in each step, and nothing where nothing came. A line would be lonely
        dots. As dots they are drawn where that is asked for."""
        if panel.kind is not PanelKind.LINE:
            return panel
        for query in panel.queries:
            matchers = summed_selector(query.text)
            if matchers is None:
                return panel
            series = self.measurements.select(matchers, span.start, span.end, sight=sight, limit=MOST_LINES)
            if not series or any(one.kind is not Kind.DELTA for one in series):
                return panel
        return replace(panel, kind=PanelKind.BARS, note=panel.note or "What came in each step.")

    def exemplars(self, asked: Asked, sight: Sight) -> tuple[Mark, ...]:
        """Single observations of what a graph's questions read, each with its trace: the highest and the first of many
        small parts of the time. Of what was at another time (``offset``) there are none.

        Raises :class:`Invalid` for a question that is none, ``Unavailable``.
        """
        start, end = asked.range.start, max(asked.range.end, asked.now if asked.range.live else 0)
        sources: dict[tuple[Matcher, ...], bool] = {}
        for query in asked.queries:
            for one in self._questions.sources(written(query.text[:LONGEST_QUERY], asked.range)):
                if not one.moved:
                    measured = one.measured or asked.kind is PanelKind.HEAT
                    sources[one.matchers] = measured or sources.get(one.matchers, False)
        part = part_of(asked.range.length)  # which is the same from one moment to the next: so are those chosen
        found: list[Mark | None] = []
        for matchers, measured in list(sources.items())[:MOST_SOURCES]:
            series = self.measurements.select(matchers, start, end, sight=sight, limit=MOST_SERIES)
            by_id = {one.id: one for one in series}
            told = self.measurements.exemplars(series, start, end, every=part) if series else ()
            found += [mark_of(one, by_id[one.series], measured=measured) for one in told]
        return chosen(one for one in found if one is not None)

    def last(self, query: str, span: Range, at: int, sight: Sight) -> dict[str, float]:
        """The value at a moment for each service; the question has to leave their label."""
        lines = self._questions.range(written(query, span), at, at, span.step, sight=sight).lines
        return {
            dict(one.labels).get(SERVICE, ""): float(one.values[-1]) for one in lines if np.isfinite(one.values[-1])
        }

    def by_service(self, query: str, span: Range, sight: Sight) -> dict[str, tuple[float | None, ...]]:
        """The values over a time for each service."""
        lines = self.columns(Asked(queries=(Query(text=query),), range=span), sight).lines
        return {dict(one.labels).get(SERVICE, ""): one.values for one in lines}

    def series_of(self, service: str, environment: str, span: Range, sight: Sight) -> tuple[Series, ...]:
        """What is measured of a service, and of the machine under it."""
        wanted = named_for(service, environment)
        own = self.measurements.select(wanted, span.start, span.end, sight=sight, limit=MOST_SERIES)
        if environment:
            # pipelines belong to no environment
            pipeline = (*named_for(service), Matcher(NAME, Comparison.LIKE, "andon_(run|job|tests|red)_.*"))
            own += self.measurements.select(pipeline, span.start, span.end, sight=sight, limit=500)
        machine = (Matcher(NAME, Comparison.LIKE, "host_(cpu_seconds_total|memory_available_bytes)"),)
        return own + self.measurements.select(machine, span.start, span.end, sight=sight, limit=500)

    def life(self, service: str, environment: str, within: int, now: int, sight: Sight) -> int | None:
        """How many milliseconds ago something of a service was first measured, to the minute; ``None`` when that is
        longer ago than ``within``, or nothing was in the last week."""
        wanted, midnight = named_for(service, environment), (now - within) // DAY * DAY
        if self.measurements.select(wanted, midnight - 7 * DAY, midnight - 1, sight=sight, limit=1):
            return None
        series = self.measurements.select(wanted, midnight, now, sight=sight, limit=MOST_AGED)
        hour = self._begun(series, midnight, (now // HOUR + 1) * HOUR, Resolution.HOUR)
        minute = hour and self._begun(hour[1], hour[0], hour[0] + HOUR, Resolution.MINUTE)
        return now - minute[0] if minute and now - minute[0] <= within else None

    def _begun(
        self, series: Sequence[Series], start: int, end: int, resolution: Resolution
    ) -> tuple[int, tuple[Series, ...]] | None:
        """When the first bucket begins that has a sample, and a few of the series that have one in it."""
        counts = self.measurements.samples(series, start, end, resolution=resolution, column=Column.COUNT)
        if not len(counts.times):
            return None
        first = int(counts.times.min())
        owners = np.searchsorted(counts.offsets, np.flatnonzero(counts.times == first), "right") - 1
        # a bucket has the time of its end
        begun = (first - 1) // resolution.milliseconds * resolution.milliseconds
        return begun, tuple(counts.series[place] for place in owners[:20].tolist())

    def names(self, now: int, sight: Sight) -> tuple[MetricName, ...]:
        """What has been measured in the last week."""
        return self.measurements.names(now - 7 * DAY, now, sight=sight, limit=20_000)

    def kind_of(self, name: str, now: int, sight: Sight) -> tuple[Kind, str] | None:
        """A metric's kind and unit; ``None`` for one that nobody knows."""
        found = self.measurements.select(named(name), now - 7 * DAY, now, sight=sight, limit=1)
        return (found[0].kind, found[0].unit) if found else None

    def labels_of(self, name: str, now: int, sight: Sight) -> dict[str, tuple[str, ...]]:
        """A metric's labels, each with some of its values."""
        start = now - 7 * DAY
        names = self.measurements.label_names(named(name), start, now, sight=sight, limit=40)
        return {
            label: self.measurements.label_values(label, named(name), start, now, sight=sight, limit=50)
            for label in names
            if label != NAME
        }

    def environments_of(self, service: str, now: int, sight: Sight) -> tuple[str, ...]:
        wanted = named_for(service)
        return self.measurements.label_values("environment", wanted, now - 30 * DAY, now, sight=sight, limit=30)


def named_for(service: str, environment: str = "") -> tuple[Matcher, ...]:
    pairs = ((SERVICE, service), ("environment", environment))
    return tuple(Matcher(label, Comparison.EQUAL, value) for label, value in pairs if value)


def written(text: str, span: Range) -> str:
    """The question with its placeholders filled in."""
    return text.replace("$window", promql_length(span.window)).replace("$step", promql_length(span.step))


def _plain(row: NDArray[np.float64]) -> tuple[float | None, ...]:
    values: list[float | None] = row.tolist()
    for place in np.flatnonzero(~np.isfinite(row)).tolist():
        values[place] = None
    return tuple(values)


def _coloured(lines: Sequence[Drawn], queries: int, known: Mapping[str, int]) -> list[Drawn]:
    """Today's lines get their colours; a past one has that of the line it is compared with."""
    present = [one for one in lines if not one.past]
    versions = _versions(present, known)
    if queries > 1 and len(versions) > 1:
        versions = {}  # the questions differ more than the versions do
    colours = colours_of([() if queries > 1 and not versions else one.labels for one in present], versions)
    given: Mapping[tuple[int, Labels], str] = {
        (one.query, one.labels): colour for one, colour in zip(present, colours, strict=True)
    }
    return [replace(one, colour=given.get((one.query, one.labels), "1")) for one in lines]


def _versions(lines: Iterable[Drawn], known: Mapping[str, int]) -> dict[str, int]:
    """Colours of the versions among the lines; of those not known the one seen first is the oldest."""
    seen: dict[str, int] = {}
    for line in lines:
        version = dict(line.labels).get(VERSION, "")
        if _HEXADECIMAL.fullmatch(version):
            first = next((place for place, value in enumerate(line.values) if value is not None), 1 << 30)
            seen[version] = min(first, seen.get(version, first))
    ordered = sorted(seen, key=lambda version: (seen[version], version))
    return version_series(ordered) | {one: known[one[:7]] for one in ordered if one[:7] in known}
