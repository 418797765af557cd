"""What telemetry says of two versions, as a rollout asks for it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from andon.feedback.judge.contract import Counts, Direction, Gauges
from andon.feedback.judge.contract import Kind as JudgedKind
from andon.feedback.judge.contract import Samples as Drawn
from andon.feedback.rollouts.adapters import DURATIONS, INSTANCE_CPU, INSTANCE_MEMORY, REQUESTS, TelemetrySignals
from andon.feedback.rollouts.model.records import Watched
from andon.feedback.rollouts.model.watching import CPU, ERRORS, LATENCY, LOG_ERRORS, MEASURED, MEMORY
from andon.feedback.rollouts.ports import Side
from andon.feedback.telemetry.contract.logs import LogLine, LogSource, Severity
from andon.feedback.telemetry.contract.metrics import Kind, Series, canonical, series_id
from andon.feedback.telemetry.memory import MemoryMeasurements
from andon.feedback.telemetry.memory_logs import MemoryLogs
from andon.feedback.telemetry.own import names
from andon.flow.definition.contract import Harm
from andon.flow.environments.contract import InstanceId, SetId
from andon.flow.sources.contract import CommitHash, Service

STORE = Service("store")
NOW = 1_800_000_000_000
NEW = Side(set=SetId("new"), commit=CommitHash("a" * 40), instances=(InstanceId("n1"),), requests=100)
OLD = Side(set=SetId("old"), commit=CommitHash("b" * 40), instances=(InstanceId("o1"), InstanceId("o2")), requests=800)


class Told:
    """Samples by series, put together into a store."""

    def __init__(self) -> None:
        self._series: list[Series] = []
        self._samples: dict[int, tuple[Sequence[int], Sequence[float]]] = {}
        self.logs = MemoryLogs()

    def say(self, name: str, kind: Kind, points: Sequence[tuple[int, float]], path: str = "", **labels: str) -> None:
        """Points are seconds from now and values."""
        kept = canonical({"service": "store", "environment": "production", **labels})
        one = Series(id=series_id(name, kept), name=name, labels=kept, kind=kind, path=path)
        self._series.append(one)
        self._samples[one.id] = ([NOW + at * 1000 for at, _ in points], [value for _, value in points])

    @property
    def signals(self) -> TelemetrySignals:
        samples = {one.id: self._samples[one.id] for one in self._series}
        return TelemetrySignals(MemoryMeasurements(self._series, samples), self.logs)


@pytest.fixture
def told() -> Told:
    return Told()


def measured(told: Told, *watched: Watched, seconds: int = 10) -> tuple[dict[str, object], dict[str, object]]:
    found = told.signals.measure(STORE, "production", watched, NEW, OLD, NOW - seconds * 1000, NOW)
    return dict(found.canary), dict(found.baseline)


def of(name: str) -> Watched:
    return next(one for one in MEASURED if one.name == name)


def sent(name: str, kind: JudgedKind) -> Watched:
    return Watched(name=f"metric:{name}", kind=kind, title="", telemetry=True, series=name)


def levels(found: object, name: str) -> dict[str, float]:
    assert isinstance(found, dict)
    return {instance: round(level, 6) for instance, level in found[name].values.items()}


def test_the_names_are_those_that_andon_measures_by() -> None:
    assert (names.INSTANCE_MEMORY.name, names.INSTANCE_CPU.name) == (INSTANCE_MEMORY, INSTANCE_CPU)
    assert (names.REQUESTS.name, names.DURATION_BUCKET.name) == (REQUESTS, DURATIONS)


def test_memory_is_the_last_of_each_instance(told: Told) -> None:
    for instance, level in (("n1", 90e6), ("o1", 50e6), ("o2", 60e6), ("strange", 1e9)):
        told.say(INSTANCE_MEMORY, Kind.GAUGE, [(-12, 1.0), (-3, level)], instance=instance)
    new, old = measured(told, of(MEMORY))
    assert new == {MEMORY: Gauges({"n1": 90.0})}
    assert old == {MEMORY: Gauges({"o1": 50.0, "o2": 60.0})}


def test_processor_time_is_told_a_second_and_not_held_against_who_serves_more(told: Told) -> None:
    for instance, used in (("n1", 4.0), ("o1", 1.0), ("o2", 1.0)):
        told.say(INSTANCE_CPU, Kind.COUNTER, [(-12, 10.0), (-2, 10.0 + used)], instance=instance)
    new, old = measured(told, of(CPU))
    assert levels(new, CPU) == {"n1": 40.0}
    assert levels(old, CPU) == {"o1": 10.0, "o2": 10.0}
    busy = Side(set=NEW.set, commit=NEW.commit, instances=NEW.instances, requests=1600)
    found = told.signals.measure(STORE, "production", [of(CPU)], busy, OLD, NOW - 10_000, NOW)
    assert levels(dict(found.canary), CPU) == {"n1": 10.0}, "it has four times the requests of each other"


def test_what_is_not_measured_is_missing_and_not_zero(told: Told) -> None:
    assert measured(told, of(MEMORY), of(CPU)) == ({}, {})


def test_lines_of_errors_are_counted_by_instance_and_the_routers_are_not(told: Told) -> None:
    def line(instance: str, severity: Severity = Severity.ERROR, source: LogSource = LogSource.INSTANCE) -> LogLine:
        return LogLine(
            time=(NOW - 3000) * 1000,
            body="no",
            severity=severity,
            service="store",
            environment="production",
            instance=instance,
            source=source,
        )

    told.logs.add(line("n1"), line("n1", Severity.FATAL), line("o2"), line("o1", Severity.INFO))
    told.logs.add(line("n1", source=LogSource.ROUTER))
    new, old = measured(told, of(LOG_ERRORS))
    assert (new, old) == ({LOG_ERRORS: Counts(2, 100)}, {LOG_ERRORS: Counts(1, 800)})


def test_a_store_that_takes_nothing_in_has_not_measured_that_there_are_no_errors(told: Told) -> None:
    assert measured(told, of(LOG_ERRORS)) == ({}, {})
    told.say(INSTANCE_MEMORY, Kind.GAUGE, [(-90, 1.0)], instance="n1")
    assert measured(told, of(LOG_ERRORS)) == ({}, {}), "what it took in long ago says nothing of now"
    told.say(INSTANCE_MEMORY, Kind.GAUGE, [(-3, 1.0)], instance="o2")
    assert measured(told, of(LOG_ERRORS)) == ({LOG_ERRORS: Counts(0, 100)}, {LOG_ERRORS: Counts(0, 800)})


def test_business_metrics_are_found_by_their_patterns_and_must_not_fall(told: Told) -> None:
    told.say("orders_placed", Kind.DELTA, [(-60, 3.0)], path="orders.placed", version="bbbbbbb")
    told.say("orders_lost", Kind.DELTA, [(-7200, 3.0)], path="orders.lost", version="bbbbbbb")
    told.say("orders_anonymous", Kind.DELTA, [(-60, 3.0)], path="orders.anonymous")
    told.say("basket", Kind.OBSERVATION, [(-60, 3.0)], path="basket", instance="o1")
    found = told.signals.watchable(
        STORE,
        "production",
        OLD,
        business=["orders.*", "visits"],
        watch={"basket": Harm.CHANGE, "payment.refused": Harm.RISE},
        now=NOW,
    )
    declared = {one.title: one for one in found.watched if one not in MEASURED}
    assert set(declared) == {"orders.placed", "basket"}
    assert declared["orders.placed"].direction is Direction.LESS_IS_WORSE
    assert (declared["basket"].kind, declared["basket"].direction) == (JudgedKind.LATENCY, Direction.EITHER)
    assert [one.partition(":")[0] for one in found.unwatched] == ["visits", "payment.refused"]


def test_orders_that_do_not_come_are_none_and_not_unknown(told: Told) -> None:
    told.say("orders_placed", Kind.DELTA, [(-5, 3.0), (-2, 4.0), (-60, 9.0)], path="orders.placed", version="bbbbbbb")
    watched = Watched(
        name="metric:orders_placed", kind=JudgedKind.RATE, title="", telemetry=True, series="orders_placed"
    )
    new, old = measured(told, watched)
    assert new == {watched.name: Counts(0, 100)}
    assert old == {watched.name: Counts(7, 800)}


def test_counters_of_a_service_may_begin_anew(told: Told) -> None:
    told.say("sold_total", Kind.COUNTER, [(-15, 50.0), (-8, 60.0), (-4, 5.0), (-1, 9.0)], version="bbbbbbb")
    told.say("sold_total", Kind.COUNTER, [(-4, 5.0), (-1, 9.0)], version="aaaaaaa")
    watched = sent("sold_total", JudgedKind.RATE)
    new, old = measured(told, watched)
    assert (new, old) == ({watched.name: Counts(9, 100)}, {watched.name: Counts(19, 800)})


def test_observations_are_drawn_one_by_one(told: Told) -> None:
    told.say("basket", Kind.OBSERVATION, [(-15, 1.0), (-8, 20.0), (-4, 30.0)], version="bbbbbbb")
    watched = sent("basket", JudgedKind.LATENCY)
    new, old = measured(told, watched)
    assert (new, old) == ({}, {watched.name: Drawn((20.0, 30.0))})


def test_the_past_of_a_version_is_told_by_the_minute(told: Told) -> None:
    def rising(a_minute: float) -> list[tuple[int, float]]:
        return [(at, (at + 3600) / 60 * a_minute) for at in range(-600, 1, 10)]

    told.say(REQUESTS, Kind.COUNTER, rising(600), set="old", code_class="2xx")
    told.say(REQUESTS, Kind.COUNTER, rising(6), set="old", code_class="5xx")
    told.say(REQUESTS, Kind.COUNTER, rising(1000), set="other", code_class="2xx")
    for le, share in (("0.005", 0.5), ("0.01", 0.9), ("+Inf", 1.0)):
        told.say(DURATIONS, Kind.COUNTER, rising(606 * share), set="old", le=le)
    past = told.signals.history(STORE, "production", OLD.set, before=NOW, minutes=5)
    assert [one.offset for one in past] == [-240, -180, -120, -60, 0]
    assert past[1].baseline.counts[ERRORS] == pytest.approx((6, 606))
    bounds, counts = past[1].baseline.histograms[LATENCY]
    assert bounds == (5.0, 10.0)
    assert counts == pytest.approx((303, 242.4, 60.6))
    assert told.signals.history(STORE, "production", NEW.set, before=NOW, minutes=5) == ()
