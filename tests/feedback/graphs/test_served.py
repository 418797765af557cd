"""What telemetry tells of flags: which variant was served how often, and when a flag was last asked for."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from andon.feedback.graphs.served import METRIC, MeasuredFlags
from andon.feedback.telemetry.contract.metrics import Kind, Series, canonical, series_id
from andon.feedback.telemetry.memory import MemoryMeasurements
from andon.flow.sources.contract import Service

STORE = Service("store")
NOW = datetime.fromtimestamp(time.time() // 60 * 60, UTC)


def ago(minutes: float) -> int:
    return int((NOW - timedelta(minutes=minutes)).timestamp() * 1000)


def counting(*counted: tuple[str, str, str, dict[int, float]]) -> MeasuredFlags:
    """Environment, flag, variant, and what was counted at which moment."""
    series, samples = [], {}
    for number, (environment, flag, variant, values) in enumerate(counted):
        told = {
            "service": "store",
            "environment": environment,
            "flag": flag,
            "variant": variant,
            "instance": f"{number}",
        }
        labels = canonical(told)
        one = Series(id=series_id(METRIC, labels), name=METRIC, labels=labels, kind=Kind.DELTA)
        series.append(one)
        samples[one.id] = (list(values), list(values.values()))
    return MeasuredFlags(MemoryMeasurements(series, samples))


def test_variants_are_counted_over_instances_in_equal_parts_of_the_time() -> None:
    flags = counting(
        ("production", "banner", "on", {ago(50): 3, ago(10): 4}),
        ("production", "banner", "on", {ago(10): 5, ago(90): 100}),
        ("production", "banner", "off", {ago(10): 1}),
        ("production", "other", "on", {ago(10): 1000}),
        ("acceptance", "banner", "on", {ago(10): 1000}),
    )
    found = flags.served(STORE, "production", "banner", start=NOW - timedelta(hours=1), end=NOW, parts=2)
    assert found is not None
    assert found.counts == {"on": (3.0, 9.0), "off": (0.0, 1.0)}
    assert "flags_evaluated" in found.more


def test_longer_times_are_read_from_what_was_summed_up() -> None:
    flags = counting(("production", "banner", "on", {ago(60 * hour): float(hour) for hour in range(1, 100)}))
    for days, most in ((1, 24), (7, 100)):
        start = NOW - timedelta(days=days)
        found = flags.served(STORE, "production", "banner", start=start, end=NOW, parts=12)
        assert found is not None
        assert abs(sum(found.counts["on"]) - sum(range(1, most))) <= most


def test_without_counts_there_are_none() -> None:
    found = counting().served(STORE, "production", "banner", start=NOW - timedelta(hours=1), end=NOW, parts=2)
    assert found is not None
    assert found.counts == {}


def test_a_flag_was_last_asked_for_when_it_was_last_counted() -> None:
    flags = counting(("production", "banner", "on", {ago(60 * 30): 1, ago(60 * 20): 2}))
    found = flags.last_asked(STORE, "production", "banner")
    assert found is not None
    assert abs(found - (NOW - timedelta(hours=20))) <= timedelta(hours=1)
    assert flags.last_asked(STORE, "production", "other") is None
    assert flags.last_asked(STORE, "acceptance", "banner") is None
