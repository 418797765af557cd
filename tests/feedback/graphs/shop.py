"""A shop with a past: weeks of traffic with days and weekends, deployments, one of which raised errors and was taken
back; and graphs of it, served."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from math import erf
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from andon.app.people.room import people_room
from andon.app.record.room import record_room
from andon.feedback.graphs.room import graphs_room
from andon.feedback.promql.service import Engine
from andon.feedback.telemetry.contract.metrics import Exemplar, Kind, Level, Series, SeriesId, canonical, series_id
from andon.feedback.telemetry.memory import MemoryMeasurements
from andon.flow.configuration.contract import ConfigSet
from andon.flow.deployments.contract import (
    CommandRan,
    DeploymentFinished,
    DeploymentId,
    DeploymentState,
    StepName,
)
from andon.flow.deployments.contract import Kind as Deed
from andon.flow.sources.contract import CommitHash, Service, Sources
from andon.kernel.access.people import PeopleDirectory
from andon.kernel.clock import SettableClock
from andon.kernel.db import Database, Reading, open_engine
from andon.kernel.errors import NotFound
from andon.kernel.events import ANDON, Actor, ActorKind, append
from tests.serving import Serving, quick_passwords, serving, settings_for

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
STORE = Service("store")
COMMITS = tuple(CommitHash((one * 6)[:40]) for one in ("3f2c91a", "b81d07e", "9e4a2c6", "d07f3b5", "51c8ea9"))
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, float("inf"))
SLOW_TRACE, SLOWEST = "4bf92f3577b34da6a3ce929d0e0e4736", 7.5
Array = NDArray[np.float64]


class Shelf:
    """The services there are."""

    def __init__(self, *services: str) -> None:
        self._services = tuple(Service(one) for one in services)

    def services(self, reading: Reading) -> tuple[Service, ...]:
        return self._services

    def default_branch(self, reading: Reading, service: Service) -> str:
        if service not in self._services:
            raise NotFound("There is no such service.")
        return "main"


class Shop:
    """Series and samples from ``days`` before ``now`` (ms) to half an hour after it, so that a live graph has news."""

    def __init__(self, now: int, days: float = 30, step: int = MINUTE, dense: int = 15_000) -> None:
        self.now = now
        self.start = now - int(days * DAY)
        coarse = np.arange(self.start, now - 2 * HOUR, step, dtype=np.int64)
        self.times = np.concatenate([coarse, np.arange(now - 2 * HOUR, now + 30 * MINUTE, dense, dtype=np.int64)])
        self.series: list[Series] = []
        self.samples: dict[SeriesId, tuple[NDArray[np.int64], Array]] = {}
        self._chance = np.random.default_rng(7)
        self.deployed = tuple(now - int(days * DAY * part) for part in (1.0, 0.6, 0.3, 0.07, 0.035))
        self.bad = (self.deployed[3], self.deployed[3] + 40 * MINUTE)
        self._make()
        self.exemplars = self._exemplars()

    def measurements(self) -> MemoryMeasurements:
        return MemoryMeasurements(
            self.series,
            self.samples,  # type: ignore[arg-type]  # arrays do as sequences
            exemplars=self.exemplars,
        )

    def add(
        self,
        name: str,
        values: Array,
        kind: Kind,
        labels: Mapping[str, str],
        *,
        level: Level = Level.APPLICATION,
        unit: str = "",
        help: str = "",
        times: NDArray[np.int64] | None = None,
    ) -> None:
        told = canonical(labels)
        identity = series_id(name, told)
        one = Series(id=identity, name=name, labels=told, kind=kind, level=level, unit=unit, help=help)
        self.series.append(one)
        self.samples[identity] = (self.times if times is None else times, values)

    def _make(self) -> None:
        place = {"service": "store", "environment": "production"}
        hours = self.times / HOUR
        daily = 1 + 0.55 * np.sin((hours % 24 - 9) / 24 * 2 * np.pi) + 0.18 * np.sin((hours % 24 - 3) / 12 * 2 * np.pi)
        weekend = np.where((self.times // DAY + 4) % 7 >= 5, 0.72, 1.0)
        growth = np.linspace(0.88, 1.12, len(self.times))
        noise = 1 + 0.05 * self._walk()
        rate = 42 * daily * weekend * growth * np.clip(noise, 0.7, 1.3)
        gaps = np.diff(self.times, prepend=self.times[0] - 1000) / 1000
        served = rate * gaps
        owner = self._owners()
        slow = np.zeros(len(self.times))
        for number, commit in enumerate(COMMITS):
            mine = owner == number
            if not mine.any():
                continue
            version = {**place, "version": commit[:7]}
            failing = number == 3
            errors = np.where(mine, served * (0.09 if failing else 0.0012 + 0.0005 * number), 0)
            odd = np.where(mine, served * 0.021, 0)
            good = np.where(mine, served, 0) - errors - odd
            inside = self._alive(mine)
            for code, counted in (("2xx", good), ("4xx", odd), ("5xx", errors)):
                self.add(
                    "andon_requests_total",
                    np.cumsum(np.round(self._chance.poisson(np.maximum(0, counted)).astype(float)))[inside],
                    Kind.COUNTER,
                    {**version, "code_class": code},
                    times=self.times[inside],
                )
            middle = (0.052, 0.047, 0.041, 0.12, 0.036)[number]
            slow = np.where(mine, middle, slow)
            for bound in BUCKETS:
                share = 1.0 if np.isinf(bound) else 0.5 * (1 + erf(np.log(bound / middle) / 0.85 / 2**0.5))
                counts = np.cumsum(np.where(mine, served * share, 0))
                self.add(
                    "andon_request_duration_seconds_bucket",
                    counts[inside],
                    Kind.COUNTER,
                    {**version, "le": "+Inf" if np.isinf(bound) else str(bound)},
                    unit="s",
                    times=self.times[inside],
                )
            cpu = np.cumsum(np.where(mine, rate * (0.006 + 0.001 * number) * gaps, 0))
            self.add(
                "andon_instance_cpu_seconds_total",
                cpu[inside],
                Kind.COUNTER,
                version,
                unit="s",
                times=self.times[inside],
            )
            memory = 2.1e8 + number * 1.4e7 + 3e7 * np.sin(hours / 7) + np.where(mine, self._walk() * 6e6, 0)
            self.add(
                "andon_instance_memory_bytes",
                memory[inside],
                Kind.GAUGE,
                version,
                unit="By",
                times=self.times[inside],
            )
            self.add(
                "andon_requests_active",
                np.round(rate * slow)[inside],
                Kind.GAUGE,
                version,
                unit="1",
                times=self.times[inside],
            )
        hurt = np.where(owner == 3, 0.78, 1.0)
        business = Level.BUSINESS
        for name, part, title in (
            ("orders_placed_total", 0.021 * hurt, "Orders that were paid for."),
            ("searches_total", np.full(len(hurt), 0.31), "Searches of the catalogue."),
        ):
            self.add(name, np.cumsum(served * part), Kind.COUNTER, place, level=business, help=title)
        for outcome, share in (("success", 0.06), ("failure", 0.004)):
            self.add(
                "logins_total", np.cumsum(served * share), Kind.COUNTER, {**place, "result": outcome}, level=business
            )
        self.add(
            "baskets_open",
            np.round(rate * 9 + self._walk() * 8),
            Kind.GAUGE,
            place,
            unit="1",
            help="Baskets with something in them.",
            level=business,
        )
        every = self.times[::5]
        self.add(
            "basket_value_euros",
            np.exp(self._chance.normal(3.6, 0.6, len(every))),
            Kind.OBSERVATION,
            place,
            unit="EUR",
            help="What is in a basket when it is paid.",
            times=every,
            level=business,
        )
        for mode, share in (("user", 0.31), ("system", 0.09), ("iowait", 0.02), ("idle", 1.58)):
            used = np.cumsum((share * (rate / 42 if mode != "idle" else 1)) * gaps)
            self.add("host_cpu_seconds_total", used, Kind.COUNTER, {"mode": mode}, level=Level.INFRASTRUCTURE, unit="s")
        left = 3.1e9 - 4e8 * np.sin(hours / 30) - self._walk() * 3e7
        self.add("host_memory_available_bytes", left, Kind.GAUGE, {}, level=Level.INFRASTRUCTURE, unit="By")
        self._pipeline()
        self._newcomer()

    def _newcomer(self) -> None:
        """A service that has been there for five minutes."""
        times = np.arange(self.now - 5 * MINUTE, self.now + 30 * MINUTE, 15_000, dtype=np.int64)
        place = {"service": "wishlist", "environment": "production"}
        self.add("wishes_open", 40 + 9 * np.sin(times / 3e5), Kind.GAUGE, place, unit="1", times=times)

        # as StatsD's counters are: what came since the last flush, and nothing where nothing came
        for outcome, every in (("granted", 4), ("refused", 11)):
            at = times[::every]
            told = self._chance.poisson(3, len(at)).astype(np.float64) + 1
            labels = {**place, "outcome": outcome}
            self.add("wishes_made", told, Kind.DELTA, labels, level=Level.BUSINESS, times=at)

    def _exemplars(self) -> list[Exemplar]:
        """Some requests with their traces, and one that took longer than all others."""
        durations = [
            one
            for one in self.series
            if one.name == "andon_request_duration_seconds_bucket" and one.label("le") == "+Inf"
        ]
        made = []
        for one in durations:
            times = self.samples[one.id][0]
            for at in self._chance.choice(times[times < self.now], 300).tolist():
                took = float(np.exp(self._chance.normal(np.log(0.05), 0.9)))
                made.append(Exemplar(series=one.id, time=at, value=took, trace=self._chance.bytes(16).hex()))
        newest = durations[-1].id if durations[-1].label("version") == COMMITS[4][:7] else durations[0].id
        made.append(Exemplar(series=newest, time=self.now - 5 * MINUTE, value=SLOWEST, trace=SLOW_TRACE))
        return made

    def _pipeline(self) -> None:
        runs = np.sort(self._chance.choice(self.times[self.times < self.now], 90, replace=False))
        took = self._chance.normal(170, 22, len(runs)) + np.where(np.arange(len(runs)) % 23 == 7, 190, 0)
        leads = np.array(self.deployed[1:], dtype=np.int64)
        for name, values, times, labels in (
            ("andon_run_seconds", took, runs, {"outcome": "passed"}),
            ("andon_tests_seconds", took * 0.4, runs, {"stage": "commit", "job": "test"}),
            ("andon_job_queue_seconds", self._chance.exponential(4, len(runs)), runs, {}),
            ("andon_lead_time_seconds", np.array([940.0, 720.0, 655.0, 610.0]), leads, {"environment": "production"}),
        ):
            told = {"service": "store", **labels}
            self.add(name, values, Kind.OBSERVATION, told, level=Level.PIPELINE, unit="s", times=times)

    def _walk(self) -> Array:
        """Noise with a memory, about as wide as one."""
        steps = self._chance.normal(0, 1, len(self.times))
        kernel = np.exp(-np.arange(40) / 8)
        walked: Array = np.convolve(steps, kernel / np.sqrt((kernel**2).sum()), "same")
        return walked

    def _owners(self) -> NDArray[np.int64]:
        """Which version has the traffic; the bad one for forty minutes, then the one before again."""
        owner = np.searchsorted(np.array(self.deployed), self.times, "right") - 1
        owner = np.maximum(owner, 0)
        after = (self.times >= self.bad[1]) & (self.times < self.deployed[4])
        return np.where(after, 2, owner)

    def _alive(self, mine: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """From its first request to a little after its last."""
        places = np.flatnonzero(mine)
        alive = np.zeros(len(mine), dtype=bool)
        alive[places[0] : places[-1] + 2] = True
        return alive


def record(database_url: str, shop: Shop) -> None:
    """What happened, in the record at its own time."""
    clock = SettableClock()
    database = Database(open_engine(database_url), clock)
    maxine = Actor(ActorKind.PERSON, "Maxine", "Maxine")
    brent = Actor(ActorKind.PERSON, "Brent", "Brent")

    def at(ms: int) -> None:
        clock.advance((datetime.fromtimestamp(ms / 1000, UTC) - clock.now()).total_seconds())

    place = "production"
    for number, when in enumerate(shop.deployed):
        at(when)
        with database.transaction() as tx:
            append(tx, finished(number, DeploymentState.SUCCEEDED), by=maxine if number % 2 else brent)
            if number == 2:
                ran = CommandRan(
                    deployment=DeploymentId("dep_2"),
                    step=StepName.EXPAND,
                    name="migrate",
                    command="flask db upgrade",
                    exit_code=0,
                    seconds=3.1,
                    output_digest="0" * 64,
                    service=STORE,
                    environment=place,
                )
                append(tx, ran, by=ANDON)
    at(shop.bad[1])
    with database.transaction() as tx:
        back = DeploymentFinished(
            deployment=DeploymentId("dep_9"),
            kind=Deed.ROLL_BACK,
            commit=COMMITS[2],
            state=DeploymentState.SUCCEEDED,
            reason="",
            lead_time=None,
            service=STORE,
            environment=place,
        )
        append(tx, back, by=brent)
    at(shop.now - int((shop.now - shop.start) * 0.02))
    with database.transaction() as tx:
        append(
            tx, ConfigSet(name="SEARCH_TIMEOUT", version=3, removed=False, service=STORE, environment=place), by=maxine
        )
    at(shop.now - int((shop.now - shop.start) * 0.012))
    with database.transaction() as tx:
        append(tx, finished(4, DeploymentState.FAILED, "its health check answered 503"), by=maxine)
    database.close()


def finished(number: int, state: DeploymentState, reason: str = "") -> DeploymentFinished:
    return DeploymentFinished(
        deployment=DeploymentId(f"dep_{number}"),
        service=STORE,
        environment="production",
        kind=Deed.DEPLOY,
        commit=COMMITS[number],
        state=state,
        reason=reason,
        lead_time=600.0,
    )


@contextmanager
def served(
    folder: Path, database_url: str, shop: Shop, *, measurements: MemoryMeasurements | None = None
) -> Iterator[Serving]:
    """Graphs of the shop, with the record beside them."""
    settings = settings_for(folder, database_url)
    measurements = measurements or shop.measurements()
    people, passwords = PeopleDirectory(), quick_passwords()
    rooms = (
        graphs_room(
            measurements=measurements,
            questions=Engine(measurements),
            sources=cast("Sources", Shelf("store", "catalogue", "wishlist")),
            people=people,
        ),
        record_room(people, settings.data / "keys" / "record.pem"),
        people_room(settings, passwords),
    )
    with serving(settings, Database(open_engine(database_url)), rooms, passwords) as running:
        yield running


def now_ms() -> int:
    return time.time_ns() // 1_000_000
