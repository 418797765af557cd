"""A small town of services: a store that needs others, one that only sends telemetry, two machines."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from andon.feedback.telemetry.contract.logs import LogLine, LogSource
from andon.feedback.telemetry.contract.metrics import Kind, Level, Series, SeriesId, Sight, canonical, series_id
from andon.feedback.telemetry.contract.traces import Span, SpanKind, SpanStatus
from andon.feedback.telemetry.memory import MemoryMeasurements
from andon.feedback.telemetry.memory_logs import MemoryLogs
from andon.feedback.telemetry.memory_traces import MemoryTraces
from andon.feedback.telemetry.own.availability import Availability, Step, Window
from andon.flow.artifacts.contract import Digest
from andon.flow.configuration.contract import ConfigVersion
from andon.flow.deployments.contract import DeploymentId, DeploymentState
from andon.flow.environments.contract import (
    EnvironmentView,
    Health,
    InstanceId,
    InstanceView,
    SetId,
    SetState,
    SetView,
    Standing,
)
from andon.flow.sources.contract import ChangedFile, CommitHash, Difference, Service
from andon.kernel.db import Reading
from andon.kernel.errors import NotFound

HOST = "forge"
NOW = time.time_ns() // 1_000_000
DAY = 86_400_000
OLD, NEW = CommitHash("9e4a2c6" * 5 + "00000"), CommitHash("3f2c91a" * 5 + "00000")
BEFORE = "def basket():\n    return 1\n"
AFTER = BEFORE + '\n\n@app.post("/pay/<b>")\ndef pay():\n    return charge()\n\n\ndef charge():\n    return 2\n'
DEFINITION = b"owner: team-shop\nstages: {commit: {jobs: {test: {run: make test}}}}\n"


class Repositories:
    """Three services, of which the store changed one file."""

    def __init__(self) -> None:
        self.gone = False

    def services(self, reading: Reading) -> tuple[Service, ...]:
        return (Service("store"), Service("catalogue"), Service("idle"))

    def read(self, service: Service, commit: CommitHash, path: str) -> bytes | None:
        if path == "andon.yaml":
            return DEFINITION if service == "store" else None
        return {OLD: BEFORE, NEW: AFTER}[commit].encode()

    def difference(self, service: Service, base: CommitHash | None, head: CommitHash) -> Difference:
        if self.gone:
            raise NotFound("There is no such commit.")
        files = (ChangedFile(path="shop/pay.py", added=9, removed=0), ChangedFile(path="README.md", added=1, removed=0))
        return Difference(commits=(), undone=(), files=files, truncated=False)


@dataclass(frozen=True)
class Deployed:
    id: DeploymentId
    commit: CommitHash
    state: DeploymentState
    switched_at: datetime


class Past:
    """The store was deployed twice."""

    def __init__(self) -> None:
        self._all = (
            Deployed(DeploymentId("dep_2"), NEW, DeploymentState.SUCCEEDED, datetime.now(UTC) - timedelta(hours=2)),
            Deployed(DeploymentId("dep_1"), OLD, DeploymentState.SUCCEEDED, datetime.now(UTC) - timedelta(days=2)),
        )

    def live(self, reading: Reading, service: Service, environment: str) -> Deployed | None:
        return self._all[0] if service == "store" else None

    def recent(self, reading: Reading, service: Service, environment: str, *, limit: int) -> tuple[Deployed, ...]:
        return self._all[:limit] if service == "store" else ()


class Places:
    """The store in two environments, the catalogue in one where an instance is not well."""

    def all(self, reading: Reading, service: Service | None = None) -> tuple[EnvironmentView, ...]:
        return (
            place("store", "acceptance", NEW, Health.HEALTHY),
            place("store", "production", NEW, Health.HEALTHY, Health.HEALTHY),
            place("catalogue", "production", OLD, Health.HEALTHY, Health.UNHEALTHY),
        )


def place(service: str, name: str, commit: CommitHash, *health: Health) -> EnvironmentView:
    instances = tuple(
        InstanceView(
            id=InstanceId(f"{service}-{name}-{number}"),
            process="web",
            number=number,
            health=one,
            reason="",
            restarts=0,
            since=datetime.now(UTC) - timedelta(hours=2),
            endpoint="",
            log=Path("/nowhere"),
        )
        for number, one in enumerate(health, 1)
    )
    sick = any(one is Health.UNHEALTHY for one in health)
    live = SetView(
        id=SetId(f"set-{service}-{name}"),
        service=Service(service),
        environment=name,
        deployment="dep_2",
        commit=commit,
        digest=Digest("0" * 64),
        config_version=ConfigVersion(1),
        standing=Standing.LIVE,
        state=SetState.DEGRADED if sick else SetState.HEALTHY,
        created_at=datetime.now(UTC) - timedelta(hours=2),
        instances=instances,
    )
    return EnvironmentView(
        service=Service(service),
        name=name,
        port=7801,
        address="http://127.0.0.1:7801",
        like=name,
        created_at=datetime.now(UTC) - timedelta(days=30),
        expires_at=None,
        sets=(live,),
    )


def measurements() -> MemoryMeasurements:
    series: list[Series] = []
    samples: dict[SeriesId, tuple[list[int], list[float]]] = {}

    def add(name: str, kind: Kind, level: Level, times: list[int], values: list[float], **labels: str) -> None:
        told = canonical(labels)
        one = Series(id=series_id(name, told), name=name, labels=told, kind=kind, level=level)
        series.append(one)
        samples[one.id] = (times, values)

    lately = [NOW - 120_000, NOW - 60_000]
    store = {"service": "store", "environment": "production", "version": "3f2c91a"}
    add("orders_placed", Kind.DELTA, Level.BUSINESS, lately, [3, 4], **store)
    add("andon_run_seconds", Kind.OBSERVATION, Level.PIPELINE, lately, [80, 81], service="store")
    add("andon_instance_up", Kind.GAUGE, Level.INFRASTRUCTURE, lately, [1, 1], **store, instance="store-production-1")
    hours = list(range(NOW - 40 * DAY, NOW, 3_600_000))
    for code, each in (("2xx", 1000), ("5xx", 1)):
        counted = [float(each * number) for number in range(len(hours))]
        add("andon_requests_total", Kind.COUNTER, Level.APPLICATION, hours, counted, **store, code_class=code)
    add("mails_sent", Kind.DELTA, Level.BUSINESS, lately, [2, 1], service="cron")  # by StatsD, and no more than that
    add("queue_length", Kind.GAUGE, Level.APPLICATION, lately, [1, 2],
        service="legacy", environment="production", version="1.4", instance="l-1", host="annex")  # fmt: skip
    for host, load in ((HOST, 0.7), ("annex", 14.2)):
        add("host_load1", Kind.GAUGE, Level.INFRASTRUCTURE, lately, [load, load], host=host)
        add("host_cpus", Kind.GAUGE, Level.INFRASTRUCTURE, lately, [4, 4], host=host)
        add("host_memory_available_bytes", Kind.GAUGE, Level.INFRASTRUCTURE, lately, [2e9, 3e9], host=host)
        add("host_memory_total_bytes", Kind.GAUGE, Level.INFRASTRUCTURE, lately, [8e9, 8e9], host=host)
    return MemoryMeasurements(series, samples)


def traces() -> MemoryTraces:
    """The front calls the store, the store the catalogue, the catalogue what is not Andon's."""
    made = []
    for number, (caller, callee, failed) in enumerate(
        (
            ("front", "store", False),
            ("store", "catalogue", False),
            ("store", "catalogue", True),
            ("catalogue", "legacy", False),
        )
    ):
        trace, at = f"{number + 1:032x}", (NOW - 60_000) * 1_000_000
        one = partial(Span, trace=trace, environment="production", name="GET /")
        made += [
            one(id="1" * 16, service=caller, kind=SpanKind.CLIENT, start=at, duration=40_000_000),
            one(id="2" * 16, parent="1" * 16, service=callee, kind=SpanKind.SERVER, start=at, duration=30_000_000,
                 status=SpanStatus.ERROR if failed else SpanStatus.OK),
        ]  # fmt: skip
    made.append(Span(trace="ab" * 16, id="c" * 16, service="batch", name="job", start=NOW * 1_000_000 - 60, duration=5))
    return MemoryTraces(made)


def logs() -> MemoryLogs:
    """One request to the store through the router, of a batch whose callee sends no spans."""
    return MemoryLogs(
        [
            LogLine(
                time=(NOW - 60_000) * 1000,
                body="GET / 503",
                service="store",
                environment="production",
                fields={"status": "503"},
                trace="ab" * 16,
                span="c" * 16,
                source=LogSource.ROUTER,
            )
        ]
    )


class Days:
    """The router's counters by day, as they are told of."""

    def __init__(self, held: MemoryMeasurements) -> None:
        self._availability = Availability(held, lambda: NOW)

    def __call__(self, service: Service, environment: str, start: int, end: int, sight: Sight) -> Sequence[Window]:
        return self._availability.of(service, environment, start, end, step=Step.DAY, sight=sight).windows
