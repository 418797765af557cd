"""Which panels a service gets by itself: a pure function from the series that it has to five levels of panels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from andon.feedback.graphs.model.panels import Panel, PanelKind, Query
from andon.feedback.telemetry.contract.levels import LEVELS
from andon.feedback.telemetry.contract.metrics import ENVIRONMENT, INSTANCE, SERVICE, VERSION, Kind, Level, Series

MOST_PER_LEVEL = 24
MOST_VALUES = 8
"""A label with more values than this is not drawn apart."""
_PLACES = frozenset({SERVICE, ENVIRONMENT, VERSION, INSTANCE, "le"})
_ENDINGS = ("_total", "_count", "_sum", "_bucket")


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelPanels:
    level: Level
    panels: tuple[Panel, ...]
    own: bool
    """Whether any of them is of the service itself, and not only of the machine that it runs on."""
    left_out: int = 0
    """Metrics for which there was no room."""


_SAY_WHO = {"target_info", "otel_scope_info"}
"""OpenTelemetry's: always one, with what is known of the sender as labels."""


@dataclass(frozen=True, slots=True)
class _Metric:
    """All series of one name."""

    name: str
    kind: Kind
    level: Level
    unit: str
    help: str
    labels: Mapping[str, frozenset[str]]
    series: int

    @property
    def title(self) -> str:
        return title_of(self.name)


def title_of(name: str) -> str:
    """A metric's name as people say it: ``orders_placed_total`` is "Orders placed"."""
    words = name
    for ending in _ENDINGS:
        words = words.removesuffix(ending)
    return words.replace("_", " ").strip().capitalize() or name


def level_panels(series: Iterable[Series], service: str, environment: str = "") -> tuple[LevelPanels, ...]:
    """The five levels in their order, each with the panels of what there is; one without any has none."""
    metrics = {one.name: one for one in _metrics(series)}
    where = matchers(service, environment)
    found: dict[Level, list[Panel]] = {level: [] for level in LEVELS}
    known = set()
    own = set()
    for level, name, make in _ANDONS_OWN:
        if name in metrics:
            known.add(name)
            if not name.startswith("host_"):
                own.add(level)
            found[level] += make(where, service)
    left: dict[Level, int] = defaultdict(int)
    for metric in metrics.values():
        if metric.name in known | _SAY_WHO or metric.name.startswith(("andon_", "host_")):
            continue
        if _is_part(metric.name, metrics):
            continue
        if len(found[metric.level]) >= MOST_PER_LEVEL:
            left[metric.level] += 1
        else:
            found[metric.level] += panels_of(metric, where)
            own.add(metric.level)
    return tuple(
        LevelPanels(level=level, panels=tuple(found[level]), own=level in own, left_out=left[level]) for level in LEVELS
    )


def matchers(service: str = "", environment: str = "") -> str:
    """The inside of a selector's braces."""
    pairs = ((SERVICE, service), (ENVIRONMENT, environment))
    return ",".join(f"{label}={quoted(value)}" for label, value in pairs if value)


def quoted(value: str) -> str:
    """A string as PromQL writes it."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _metrics(series: Iterable[Series]) -> Iterable[_Metric]:
    grouped: dict[str, list[Series]] = defaultdict(list)
    for one in series:
        grouped[one.name].append(one)
    for name, members in sorted(grouped.items()):
        labels: dict[str, set[str]] = defaultdict(set)
        for one in members:
            for label, value in one.labels:
                labels[label].add(value)
        first = members[0]
        yield _Metric(
            name=name,
            kind=first.kind,
            level=first.level,
            unit=first.unit or next((one.unit for one in members if one.unit), ""),
            help=first.help,
            labels={label: frozenset(values) for label, values in labels.items()},
            series=len(members),
        )


def _is_part(name: str, metrics: Mapping[str, _Metric]) -> bool:
    """Whether a histogram's or a summary's sum and count: their buckets, or the quantiles, say it better."""
    base = name.removesuffix("_sum").removesuffix("_count")
    return base != name and (f"{base}_bucket" in metrics or base in metrics)


def panels_of(metric: _Metric, where: str) -> list[Panel]:
    """What is asked of a metric nothing else is known of: that follows from its kind."""
    name, unit = metric.name, metric.unit
    if metric.kind in (Kind.COUNTER, Kind.DELTA):
        if name.endswith("_bucket") and "le" in metric.labels:
            return distribution(metric.title, name, where, value_unit(name, unit), metric.help)
        by = dividing(metric)
        return [_rate(metric, where, by)]
    if metric.kind is Kind.OBSERVATION:
        return [
            Panel(
                title=metric.title,
                unit=unit,
                note=metric.help,
                queries=tuple(
                    Query(text=f"quantile_over_time({share}, {name}{{{where}}}[$window])", legend=f"p{percent}")
                    for share, percent in ((0.5, 50), (0.95, 95), (0.99, 99))
                ),
            ),
            Panel(
                title=f"{metric.title}, how often",
                unit=unit,
                note=metric.help,
                kind=PanelKind.HEAT,
                queries=(Query(text=f"{name}{{{where}}}"),),
            ),
        ]
    by = dividing(metric) or (VERSION if len(metric.labels.get(VERSION, ())) > 1 else "")
    text = f"{name}{{{where}}}"
    if metric.series > MOST_VALUES:
        text = f"avg by ({by}) ({text})" if by else f"avg({text})"
    return [Panel(title=metric.title, unit=unit, note=metric.help, queries=(Query(text=text),))]


def value_unit(name: str, unit: str) -> str:
    """The unit of what a histogram's buckets hold: they themselves are counts, and say so."""
    if not name.endswith("_bucket") or unit not in ("", "1"):
        return unit
    known = {"seconds": "s", "milliseconds": "ms", "bytes": "By", "ratio": "%"}
    return known.get(name.removesuffix("_bucket").rpartition("_")[2], "")


def dividing(metric: _Metric) -> str:
    """The label whose few values are told apart; empty where there is none."""
    fit = [
        (len(values), label)
        for label, values in metric.labels.items()
        if label not in _PLACES and 1 < len(values) <= MOST_VALUES
    ]
    return min(fit)[1] if fit else ""


def _rate(metric: _Metric, where: str, by: str) -> Panel:
    inner = f"rate({metric.name}{{{where}}}[$window])"
    text = f"sum by ({by}) ({inner})" if by else f"sum({inner})"
    unit = f"{metric.unit or '1'}/s"
    legend = "" if by else metric.title.lower()
    return Panel(title=metric.title, unit=unit, note=metric.help, queries=(Query(text=text, legend=legend),))


def distribution(title: str, buckets: str, where: str, unit: str, note: str = "") -> list[Panel]:
    """Three quantiles, and how often which value."""
    rate = f"sum by (le) (rate({buckets}{{{where}}}[$window]))"
    return [
        Panel(
            title=title,
            unit=unit,
            note=note,
            queries=tuple(
                Query(text=f"histogram_quantile({share}, {rate})", legend=f"p{percent}")
                for share, percent in ((0.5, 50), (0.95, 95), (0.99, 99))
            ),
        ),
        Panel(title=f"{title}, how often", unit=unit, note=note, kind=PanelKind.HEAT, queries=(Query(text=rate),)),
    ]


# What Andon measures of every service without a line of code


def _requests(where: str, service: str) -> list[Panel]:
    of = f"andon_requests_total{{{where}}}"
    failed = f'andon_requests_total{{{where},code_class=~"5.*"}}'
    every = f"sum by (version) (rate({of}[$window]))"
    return [
        Panel(
            title="Requests by version",
            unit="1/s",
            kind=PanelKind.STACK,
            queries=(Query(text=every, legend="{{version}}"),),
        ),
        Panel(
            title="Failed requests",
            unit="%",
            note="The share of requests answered with 500 and above.",
            queries=(
                Query(
                    # without a failure yet there is nothing to count, and zero is known
                    text=f"(sum by (version) (rate({failed}[$window])) or 0 * {every}) / {every}",
                    legend="{{version}}",
                ),
            ),
        ),
    ]


def _durations(where: str, service: str) -> list[Panel]:
    buckets = "andon_request_duration_seconds_bucket"
    by_version = f"sum by (version, le) (rate({buckets}{{{where}}}[$window]))"
    quantiles, heat = distribution("Request duration", buckets, where, "s")
    return [
        quantiles,
        Panel(
            title="Request duration by version, p95",
            unit="s",
            queries=(Query(text=f"histogram_quantile(0.95, {by_version})", legend="{{version}}"),),
        ),
        heat,
    ]


def _active(where: str, service: str) -> list[Panel]:
    text = f"sum by (version) (andon_requests_active{{{where}}})"
    return [
        Panel(title="Requests under way", unit="1", queries=(Query(text=text, legend="{{version}}"),)),
    ]


def _processor(where: str, service: str) -> list[Panel]:
    text = f"sum by (version) (rate(andon_instance_cpu_seconds_total{{{where}}}[$window]))"
    return [
        Panel(
            title="Processor time",
            unit="%",
            note="100 % is one core all the time.",
            queries=(Query(text=text, legend="{{version}}"),),
        )
    ]


def _memory(where: str, service: str) -> list[Panel]:
    text = f"sum by (version) (andon_instance_memory_bytes{{{where}}})"
    return [Panel(title="Memory", unit="By", queries=(Query(text=text, legend="{{version}}"),))]


def _host_processor(where: str, service: str) -> list[Panel]:
    text = 'sum by (mode) (rate(host_cpu_seconds_total{mode!="idle"}[$window]))'
    return [
        Panel(
            title="Processor of the machine",
            unit="%",
            kind=PanelKind.STACK,
            note="100 % is one core.",
            queries=(Query(text=text, legend="{{mode}}"),),
        )
    ]


def _host_memory(where: str, service: str) -> list[Panel]:
    query = Query(text="host_memory_available_bytes", legend="available")
    return [Panel(title="Memory left on the machine", unit="By", queries=(query,))]


def _events(title: str, name: str, unit: str, legend: str, note: str = "") -> Callable[[str, str], list[Panel]]:
    """One dot for each thing that happened."""

    def make(where: str, service: str) -> list[Panel]:
        place = where if name == "andon_lead_time_seconds" else matchers(service)
        query = Query(text=f"max_over_time({name}{{{place}}}[$step])", legend=legend)
        return [Panel(title=title, unit=unit, kind=PanelKind.DOTS, note=note, queries=(query,))]

    return make


_ANDONS_OWN: Sequence[tuple[Level, str, Callable[[str, str], list[Panel]]]] = (
    (Level.APPLICATION, "andon_requests_total", _requests),
    (Level.APPLICATION, "andon_request_duration_seconds_bucket", _durations),
    (Level.APPLICATION, "andon_requests_active", _active),
    (Level.INFRASTRUCTURE, "andon_instance_cpu_seconds_total", _processor),
    (Level.INFRASTRUCTURE, "andon_instance_memory_bytes", _memory),
    (Level.INFRASTRUCTURE, "host_cpu_seconds_total", _host_processor),
    (Level.INFRASTRUCTURE, "host_memory_available_bytes", _host_memory),
    (
        Level.PIPELINE,
        "andon_lead_time_seconds",
        _events("Lead time", "andon_lead_time_seconds", "s", "{{environment}}", "From the push to traffic on it."),
    ),
    (Level.PIPELINE, "andon_run_seconds", _events("Runs", "andon_run_seconds", "s", "{{outcome}}")),
    (Level.PIPELINE, "andon_job_seconds", _events("Jobs", "andon_job_seconds", "s", "{{stage}} {{job}} {{outcome}}")),
    (
        Level.PIPELINE,
        "andon_job_queue_seconds",
        _events("Waiting for a worker", "andon_job_queue_seconds", "s", "{{stage}} {{job}}"),
    ),
    (Level.PIPELINE, "andon_tests_seconds", _events("Tests", "andon_tests_seconds", "s", "{{stage}} {{job}}")),
    (
        Level.PIPELINE,
        "andon_red_seconds",
        _events("Time the line was red", "andon_red_seconds", "s", "", "From the first failure to green again."),
    ),
)
