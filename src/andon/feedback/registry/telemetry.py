"""What the registry asks of telemetry: who measures what, who calls whom, which machines tell of themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from andon.feedback.registry.model.known import Availability, Day, Instance, Link, LinkSource
from andon.feedback.registry.model.levels import LevelState, gaps, own
from andon.feedback.registry.ports import DailyAvailability
from andon.feedback.telemetry.contract.logs import LogQuery, LogStore, Term, TermKind
from andon.feedback.telemetry.contract.metrics import (
    ENVIRONMENT,
    INSTANCE,
    NAME,
    SERVICE,
    VERSION,
    Comparison,
    Matcher,
    Measurements,
    MetricName,
    Sight,
    named,
)
from andon.feedback.telemetry.contract.traces import TraceQuery, TraceStore
from andon.flow.sources.contract import Service

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
HOST_LABELS = ("host", "host_name")
"""Andon's own, and what OpenTelemetry's ``host.name`` becomes."""
MOST_SERIES = 5_000
MOST_HOSTS = 500
MOST_INSTANCES = 300
MOST_SENDERS = 1_000
NEWEST = 200
_LINES, _TRACES = 200, 20
_HOST_NAMES = Matcher(NAME, Comparison.LIKE, "host_.*|system_.*|node_.*")
_LOAD, _CPUS = "host_load1", "host_cpus"
_FREE, _MEMORY = "host_memory_available_bytes", "host_memory_total_bytes"


class Telemetry:
    """All raise ``Unavailable`` when the store does not answer. Times are milliseconds. Safe to share."""

    def __init__(
        self,
        measurements: Measurements,
        traces: TraceStore,
        availability: DailyAvailability,
        logs: LogStore | None = None,
    ) -> None:
        self._measurements, self._traces, self._availability, self._logs = measurements, traces, availability, logs

    def services(self, now: int, sight: Sight) -> tuple[str, ...]:
        """Those that sent metrics in the last day, or lines or spans in the last hour; of spans the newest requests
        are looked at."""
        found = set(self._measurements.label_values(SERVICE, (), now - DAY, now, sight=sight, limit=MOST_SENDERS))
        if self._logs is not None:
            lines = LogQuery(start=(now - HOUR) * 1000, end=now * 1000)
            found.update(self._logs.facets(lines, SERVICE, sight=sight, limit=MOST_SENDERS))
        spans = TraceQuery(start=(now - HOUR) * 1_000_000, end=now * 1_000_000)
        for one in self._traces.find(spans, sight=sight, limit=NEWEST):
            found.update(one.services)
        return tuple(sorted(one for one in found if one))

    def common(self, now: int) -> tuple[MetricName, ...]:
        """What is measured of no service."""
        return self._measurements.names(now - DAY, now, sight=frozenset())

    def levels(
        self, service: str, now: int, common: Sequence[MetricName], *, deployed: bool = True
    ) -> tuple[LevelState, ...]:
        seen = self._measurements.names(now - DAY, now, sight=frozenset({Service(service)}))
        return gaps(own(seen, common), deployed=deployed)

    def links(self, now: int, sight: Sight) -> tuple[Link, ...]:
        """Who called whom in the last day, as spans tell."""
        found = self._traces.calls((now - DAY) * 1_000_000, now * 1_000_000, sight=sight)
        return tuple(
            Link(
                caller=one.caller,
                callee=one.callee,
                calls=one.calls,
                errors=one.errors,
                p95=one.p95,
                source=LinkSource.TRACES,
            )
            for one in found
        )

    def routed(self, service: str, now: int, sight: Sight) -> tuple[Link, ...]:
        """Who called a service through the router: its newest requests that carried a trace, whose caller the span
        names that they carried. A sample of a sample, so that only who it was is told, and how many were looked at."""
        if self._logs is None:
            return ()
        terms = (Term(TermKind.FIELD, "router", "source"), Term(TermKind.FIELD, service, "service"))
        query = LogQuery(start=(now - DAY) * 1000, end=now * 1000, terms=terms)
        lines = [one for one in self._logs.search(query, sight=sight, limit=_LINES).lines if one.trace and one.span]
        counted: dict[str, list[bool]] = {}
        for trace in list(dict.fromkeys(one.trace for one in lines))[:_TRACES]:
            callers = {one.id: one.service for one in self._traces.trace(trace, sight=sight)}
            for line in lines:
                caller = callers.get(line.span, "") if line.trace == trace else ""
                if caller and caller != service:
                    counted.setdefault(caller, []).append(line.fields.get("status", "").startswith("5"))
        return tuple(
            Link(
                caller=caller,
                callee=service,
                calls=len(failed),
                errors=sum(failed),
                p95=None,
                source=LinkSource.ROUTER,
            )
            for caller, failed in sorted(counted.items())
        )

    def instances(
        self, now: int, sight: Sight, *, service: str = "", host: str = ""
    ) -> dict[str, tuple[Instance, ...]]:
        """By service: those that sent anything within an hour and named their machine, or themselves."""
        found: dict[str, dict[tuple[str, str, str, str], Instance]] = {}
        wanted = [Matcher(SERVICE, Comparison.EQUAL, service) if service else Matcher(SERVICE, Comparison.UNEQUAL, "")]
        labels: Iterable[str] = HOST_LABELS if host else (*HOST_LABELS, INSTANCE)
        for label in labels:
            told = Matcher(label, Comparison.EQUAL, host) if host else Matcher(label, Comparison.UNEQUAL, "")
            for one in self._measurements.select((*wanted, told), now - HOUR, now, sight=sight, limit=MOST_SERIES):
                machine = one.label(HOST_LABELS[0]) or one.label(HOST_LABELS[1])
                key = (one.label(INSTANCE), one.label(ENVIRONMENT), one.label(VERSION), machine)
                mine = found.setdefault(one.label(SERVICE), {})
                if key not in mine and len(mine) < MOST_INSTANCES:
                    mine[key] = Instance(id=key[0], environment=key[1], version=key[2], host=machine)
        # a program tells its machine once, on target_info, and not on every series
        placed = {(name, *key[:3]) for name, some in found.items() for key in some if key[3]}
        return {
            name: tuple(some[key] for key in sorted(some) if key[3] or (name, *key[:3]) not in placed)
            for name, some in found.items()
        }

    def hosts(self, now: int, sight: Sight) -> tuple[str, ...]:
        """Machines that told of themselves, or were named by a service, in the last day."""
        found: set[str] = set()
        for label in HOST_LABELS:
            found.update(self._measurements.label_values(label, (), now - DAY, now, sight=sight, limit=MOST_HOSTS))
        return tuple(sorted(one for one in found if one))

    def host(self, host: str, now: int, sight: Sight) -> tuple[int | None, dict[str, float]]:
        """When a machine last told of itself, within an hour, and its newest load and memory."""
        newest: int | None = None
        figures: dict[str, float] = {}
        for name in (_LOAD, _CPUS, _FREE, _MEMORY):
            series = self._measurements.select(named(name, host=host), now - HOUR, now, sight=sight, limit=4)
            samples = self._measurements.samples(series, now - HOUR, now)
            for place in range(len(samples.series)):
                times, values = samples.of(place)
                if len(times) and (newest is None or int(times[-1]) >= newest or name not in figures):
                    newest = max(newest or 0, int(times[-1]))
                    figures[name] = float(values[-1])
        if newest is None and self._measurements.select(
            (_HOST_NAMES, Matcher(HOST_LABELS[0], Comparison.EQUAL, host)), now - MINUTE * 5, now, sight=sight, limit=1
        ):
            newest = now
        return newest, figures

    def available(self, service: str, environment: str, days: int, now: int, sight: Sight) -> Availability:
        """The last days, today among them."""
        end = now // DAY * DAY + DAY
        windows = self._availability(Service(service), environment, end - days * DAY, end, sight)
        return Availability(
            service=service,
            environment=environment,
            days=tuple(Day(start=one.start, requests=round(one.requests), failed=round(one.failed)) for one in windows),
        )
