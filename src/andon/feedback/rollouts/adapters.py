"""Telemetry, asked for what a rollout is judged by beside the router's own counts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from andon.feedback.judge.contract import Counts, Direction, Gauges, Observation, Samples
from andon.feedback.judge.contract import Kind as JudgedKind
from andon.feedback.rollouts.model.records import LookRecord, Seen, Watched
from andon.feedback.rollouts.model.watching import CPU, ERRORS, LATENCY, LOG_ERRORS, MEASURED, MEMORY, direction_of
from andon.feedback.rollouts.ports import Measured, Side, Watchable
from andon.feedback.telemetry.contract.logs import LogQuery, LogSource, LogStore, Severity, Term, TermKind
from andon.feedback.telemetry.contract.metrics import (
    ENVIRONMENT,
    INSTANCE,
    SERVICE,
    VERSION,
    Comparison,
    Kind,
    Matcher,
    Measurements,
    Series,
    named,
)
from andon.feedback.telemetry.contract.patterns import named_like
from andon.flow.definition.contract import Harm
from andon.flow.environments.contract import SetId
from andon.flow.environments.contract.equipment import version_of
from andon.flow.sources.contract import Service

INSTANCE_MEMORY, INSTANCE_CPU = "andon_instance_memory_bytes", "andon_instance_cpu_seconds_total"
REQUESTS, DURATIONS = "andon_requests_total", "andon_request_duration_seconds_bucket"
"""Names of what Andon measures by itself."""
_MOST_SERIES = 2_000
_MOST_INSTANCES = 1_000
_MOST_BUSINESS = 20
_MOST_SAMPLES = 50_000
_BACK = 30_000
"""Milliseconds before a time in which the sample lies that a counter's growth is counted from."""
_LATELY = 1_800_000
"""Milliseconds: what was not measured for so long is not watched."""
_MINUTE = 60_000
_MEGABYTE = 1_000_000
_OURS = re.compile(r"andon_|host_")


class TelemetrySignals:
    """Implements :class:`andon.feedback.rollouts.ports.Signals`. It sees everybody's telemetry: Andon itself asks."""

    def __init__(self, measurements: Measurements, logs: LogStore) -> None:
        self._measurements = measurements
        self._logs = logs

    def watchable(
        self,
        service: Service,
        environment: str,
        baseline: Side,
        *,
        business: Sequence[str],
        watch: Mapping[str, Harm],
        now: int,
    ) -> Watchable:
        wanted = [*((one, Harm.FALL) for one in business if one not in watch), *watch.items()]
        if not wanted:
            return Watchable(watched=MEASURED)
        series = self._of_side(
            [one for one in self._select(service, environment, (), now - _LATELY, now) if not _OURS.match(one.name)],
            baseline,
        )
        spoken = {one.name for one in self._spoken(series, now - _LATELY, now)}
        watched: dict[str, Watched] = {}
        unwatched = []
        for pattern, harm in wanted:
            fitting = named_like([pattern])
            found = [one for one in series if fitting.fullmatch(one.path) or fitting.fullmatch(one.name)]
            if not any(one.name in spoken for one in found):
                unwatched.append(f"{pattern}: the live version sent none of it in the last half hour")
            for one in found:
                if one.name in spoken and len(watched) < _MOST_BUSINESS:
                    watched.setdefault(one.name, _declared(one, direction_of(harm)))
        return Watchable(watched=(*MEASURED, *watched.values()), unwatched=tuple(unwatched))

    def measure(
        self,
        service: Service,
        environment: str,
        watched: Sequence[Watched],
        canary: Side,
        baseline: Side,
        start: int,
        end: int,
    ) -> Measured:
        found: tuple[dict[str, Observation], dict[str, Observation]] = ({}, {})
        names = {one.name for one in watched}
        if LOG_ERRORS in names:
            lines = self._errors_logged(service, environment, start, end)
            for arm, side in zip(found, (canary, baseline), strict=True):
                arm[LOG_ERRORS] = Counts(float(sum(lines.get(one, 0) for one in side.instances)), side.requests)
        if MEMORY in names:
            memory = self._last(service, environment, INSTANCE_MEMORY, start - _BACK // 2, end)
            _gauge(found, MEMORY, memory, canary, baseline, 1 / _MEGABYTE, 1 / _MEGABYTE)
        if CPU in names:
            used = self._grown_a_second(service, environment, INSTANCE_CPU, start, end)
            _gauge(found, CPU, used, canary, baseline, 100 / _load(canary, baseline), 100.0)
        for one in watched:
            if one.series:
                series = self._select(service, environment, named(one.series), start - _BACK, end)
                for arm, side in zip(found, (canary, baseline), strict=True):
                    observed = self._observed(one, self._of_side(series, side), side, start, end)
                    if observed is not None:
                        arm[one.name] = observed
        empty = all(_is_nothing(observed) for arm in found for observed in arm.values())
        if empty and not self._last(service, environment, INSTANCE_MEMORY, start - _BACK, end):
            # a store that answers and takes nothing in has no errors either: that is no measurement
            return Measured({}, {})
        return Measured(*found)

    def history(
        self, service: Service, environment: str, set_id: SetId, *, before: int, minutes: int
    ) -> tuple[LookRecord, ...]:
        start = before - minutes * _MINUTE
        edges = np.arange(start, before + 1, _MINUTE, dtype=np.int64)
        answered = self._by_minute(service, environment, REQUESTS, set_id, "code_class", edges)
        slower = self._by_minute(service, environment, DURATIONS, set_id, "le", edges)
        bounds = sorted((float(le), rows) for le, rows in slower.items() if le != "+Inf")
        whole = slower.get("+Inf", np.zeros(minutes))
        looks = []
        for place in range(minutes):
            requests = float(sum(rows[place] for rows in answered.values()))
            if not requests:
                continue  # nobody asked, or nobody counted: neither is a past to compare with
            failed = float(answered["5xx"][place]) if "5xx" in answered else 0.0
            cumulative = [float(rows[place]) for _, rows in bounds]
            counts = [max(0.0, b - a) for a, b in zip([0.0, *cumulative], cumulative, strict=False)]
            beyond = max(0.0, float(whole[place]) - (cumulative[-1] if cumulative else 0.0))
            histograms = {}
            if bounds:
                kept = tuple(round(bound * 1000, 6) for bound, _ in bounds)
                histograms[LATENCY] = (kept, (*counts, beyond))
            end = int(edges[place + 1])
            looks.append(
                LookRecord(
                    number=place,
                    stage=0,
                    at=datetime.fromtimestamp(end / 1000, UTC),
                    offset=(end - before) / 1000,
                    seconds=_MINUTE / 1000,
                    share=None,
                    canary=Seen(),
                    baseline=Seen(counts={ERRORS: (failed, requests)}, histograms=histograms, traffic=requests),
                    slow=False,
                )
            )
        return tuple(looks)

    # Inside

    def _select(
        self, service: Service, environment: str, matchers: Sequence[Matcher], start: int, end: int
    ) -> tuple[Series, ...]:
        return self._measurements.select(
            (*matchers, _is(SERVICE, service), _is(ENVIRONMENT, environment)),
            start,
            end,
            sight=None,
            limit=_MOST_SERIES,
        )

    @staticmethod
    def _of_side(series: Iterable[Series], side: Side) -> list[Series]:
        """Those that say they are of this arm: by instance, or else by version."""
        version, instances = version_of(side.commit), set(side.instances)
        return [
            one
            for one in series
            if (one.label(INSTANCE) in instances if one.label(INSTANCE) else one.label(VERSION) == version)
        ]

    def _spoken(self, series: Sequence[Series], start: int, end: int) -> list[Series]:
        if not series:
            return []
        found = self._measurements.samples(series, start, end)
        return [one for place, one in enumerate(found.series) if len(found.of(place)[0])]

    def _errors_logged(self, service: Service, environment: str, start: int, end: int) -> Mapping[str, int]:
        asked = LogQuery(
            start=start * 1000,
            end=end * 1000,
            terms=(
                Term(TermKind.FIELD, service, SERVICE),
                Term(TermKind.FIELD, environment, ENVIRONMENT),
                # the router's lines are of requests, which are counted as such
                Term(TermKind.FIELD, LogSource.ROUTER, "source", negated=True),
            ),
            at_least=Severity.ERROR,
        )
        return self._logs.facets(asked, INSTANCE, sight=None, limit=_MOST_INSTANCES)

    def _last(self, service: Service, environment: str, name: str, start: int, end: int) -> dict[str, float]:
        series = self._select(service, environment, named(name), start, end)
        if not series:
            return {}
        found = self._measurements.samples(series, start, end)
        values = {one.label(INSTANCE): found.of(place)[1] for place, one in enumerate(found.series)}
        return {instance: float(one[-1]) for instance, one in values.items() if len(one)}

    def _grown_a_second(self, service: Service, environment: str, name: str, start: int, end: int) -> dict[str, float]:
        series = self._select(service, environment, named(name), start - _BACK, end)
        if not series:
            return {}
        found = self._measurements.samples(series, start - _BACK, end)
        rates = {}
        for place, one in enumerate(found.series):
            times, values = found.of(place)
            inside = np.flatnonzero(times > start)
            first = max(0, int(inside[0]) - 1) if len(inside) else len(times)
            if len(times) - first >= 2 and times[-1] > times[first]:
                grown = float(np.diff(values[first:]).clip(min=0).sum())
                rates[one.label(INSTANCE)] = grown / (float(times[-1] - times[first]) / 1000)
        return rates

    def _observed(
        self, watched: Watched, series: Sequence[Series], side: Side, start: int, end: int
    ) -> Observation | None:
        if not series:
            # nothing came of this version: of counts that is a count, of levels it is none
            return Counts(0.0, side.requests) if watched.kind is JudgedKind.RATE else None
        found = self._measurements.samples(series, start - _BACK, end)
        total, levels, drawn = 0.0, dict[str, float](), list[float]()
        for place, one in enumerate(found.series):
            times, values = found.of(place)
            inside = values[(times > start) & (times <= end)]
            match one.kind:
                case Kind.DELTA:
                    total += float(inside.clip(min=0).sum())
                case Kind.COUNTER:
                    total += _increase(times, values, start)
                case Kind.GAUGE:
                    if len(inside):
                        levels[f"{place}"] = float(inside[-1])
                case Kind.OBSERVATION:
                    drawn += inside[:_MOST_SAMPLES].tolist()
        match watched.kind:
            case JudgedKind.RATE:
                return Counts(total, side.requests)
            case JudgedKind.GAUGE:
                return Gauges(levels) if levels else None
            case _:
                return Samples(tuple(drawn[:_MOST_SAMPLES]))

    def _by_minute(
        self, service: Service, environment: str, name: str, set_id: SetId, label: str, edges: NDArray[np.int64]
    ) -> dict[str, NDArray[np.float64]]:
        """How much a counter grew in each minute, by a label."""
        start, end = int(edges[0]), int(edges[-1])
        series = self._select(service, environment, (*named(name), _is("set", set_id)), start - _BACK, end)
        found: dict[str, NDArray[np.float64]] = {}
        if not series:
            return found
        samples = self._measurements.samples(series, start - _BACK, end)
        for place, one in enumerate(samples.series):
            times, values = samples.of(place)
            rows = found.setdefault(one.label(label), np.zeros(len(edges) - 1))
            grown = np.diff(values)
            grown = np.where(grown < 0, values[1:], grown)  # a smaller one began anew
            minutes = np.searchsorted(edges, times[1:], "left") - 1
            inside = (minutes >= 0) & (minutes < len(rows))
            np.add.at(rows, minutes[inside], grown[inside])
        return found


def _declared(series: Series, direction: Direction) -> Watched:
    kind = {
        Kind.GAUGE: JudgedKind.GAUGE,
        Kind.OBSERVATION: JudgedKind.LATENCY,
    }.get(series.kind, JudgedKind.RATE)
    return Watched(
        name=f"metric:{series.name}",
        kind=kind,
        title=series.path or series.name,
        direction=direction,
        quantile=0.5,
        unit=series.unit if kind is not JudgedKind.RATE else "",
        weight=1.0,
        telemetry=True,
        dark=False,  # what copies of requests bring about is nobody's business
        series=series.name,
    )


def _gauge(
    found: tuple[dict[str, Observation], dict[str, Observation]],
    name: str,
    values: Mapping[str, float],
    canary: Side,
    baseline: Side,
    mine: float,
    other: float,
) -> None:
    for arm, side, factor in zip(found, (canary, baseline), (mine, other), strict=True):
        levels: dict[str, float] = {one: values[one] * factor for one in side.instances if one in values}
        if levels:
            arm[name] = Gauges(levels)


def _load(canary: Side, baseline: Side) -> float:
    """How many times the requests of one of the other's instances each of the canary's has, at least one.

    What a process uses while nobody asks it is not divided: a canary with little traffic is compared as it is.
    """
    if not (canary.instances and baseline.instances and baseline.requests):
        return 1.0
    return max(1.0, (canary.requests / len(canary.instances)) / (baseline.requests / len(baseline.instances)))


def _increase(times: NDArray[np.int64], values: NDArray[np.float64], start: int) -> float:
    """What a counter gained since ``start``; one that fell began anew, and one without a past began then."""
    if not len(times) or times[-1] <= start:
        return 0.0
    first = int(np.searchsorted(times, start, "right"))
    kept = values[max(0, first - 1) :]
    if first == 0:
        kept = np.concatenate([[0.0], kept])
    grown = np.diff(kept)
    return float(np.where(grown < 0, kept[1:], grown).sum())


def _is(label: str, value: str) -> Matcher:
    return Matcher(label, Comparison.EQUAL, value)


def _is_nothing(observed: Observation) -> bool:
    return isinstance(observed, Counts) and observed.events == 0
