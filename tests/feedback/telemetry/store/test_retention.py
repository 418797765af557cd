"""What is too old goes by whole days, and nothing else does."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from andon.feedback.telemetry.contract.intake import Batch, Way
from andon.feedback.telemetry.contract.logs import LogLine
from andon.feedback.telemetry.contract.metrics import Exemplar, Level, Resolution
from andon.feedback.telemetry.contract.traces import Span
from andon.feedback.telemetry.store.engine import Engine
from andon.feedback.telemetry.store.retention import Keep, partitions, sweep
from andon.feedback.telemetry.store.rollups import Rollups
from tests.feedback.telemetry.asking.filling import DAY, NOW, InStore, series

KEEP = Keep(
    raw_days={level: 10 if level is Level.BUSINESS else 3 for level in Level},
    minute_days=60,
    hour_days=200,
    log_days=5,
    trace_days=2,
)
TODAY = NOW // DAY


@pytest.fixture
def store(engine: Engine) -> Iterator[InStore]:
    made = InStore(engine)
    yield made
    made.close()


def swept(store: InStore) -> list[tuple[str, int]]:
    """Tables and ages in days of what was dropped."""
    return [(one.table, TODAY - one.first_day) for one in sweep(store.engine, KEEP, lambda: store.now).dropped]


def ages(store: InStore, table: str) -> list[int]:
    return sorted(TODAY - one.first_day for one in partitions(store.engine) if one.table == table)


def test_each_level_keeps_its_samples_for_as_long_as_it_is_told_to(store: InStore) -> None:
    for level in (Level.BUSINESS, Level.CLIENT):
        store.put(series(f"of_{level}", level=level), [NOW - age * DAY for age in range(13)], range(13))
    store.rollups.roll()
    assert len(swept(store)) == 2 + 9
    found: dict[Level, list[int]] = {Level.BUSINESS: [], Level.CLIENT: []}
    for one in partitions(store.engine):
        if one.table == "samples" and one.level is not None:
            found[one.level].append(TODAY - one.first_day)
    assert sorted(found[Level.BUSINESS]) == list(range(11))
    assert sorted(found[Level.CLIENT]) == list(range(4))
    assert swept(store) == []


def test_raw_samples_stay_until_they_are_rolled_up_and_that_is_told(store: InStore) -> None:
    store.put(series("load"), [NOW - 20 * DAY], [1])
    told = sweep(store.engine, KEEP, lambda: store.now)
    assert told.dropped == ()
    assert [(one.table, one.rows) for one in told.held] == [("samples", 1)]
    store.rollups.roll()
    store.put(series("load"), [NOW - 20 * DAY + 5], [1])
    assert len(sweep(store.engine, KEEP, lambda: store.now).held) == 1  # the late one is not rolled up yet
    store.rollups.roll()
    assert swept(store) == [("samples", 20)]
    assert store.engine.rows("SELECT sum(count) FROM samples_hour FINAL") == [(2,)]


def test_lines_spans_exemplars_roll_ups_and_series_go_each_in_its_time(store: InStore) -> None:
    store.engine.command(
        "INSERT INTO series (day, name, id, kind, level) "
        "SELECT {today:UInt16} - 4 * number, 'x', 1, 'gauge', 'client' FROM numbers(80)",
        {"today": TODAY},
    )
    for table in ("samples_minute", "samples_hour"):
        store.engine.command(
            f"INSERT INTO {table} (series, time, level) "
            f"SELECT 1, {{now:Int64}} - 4 * {DAY} * number, 'client' FROM numbers(80)",
            {"now": NOW},
        )
    times = [NOW - age * DAY for age in range(0, 30, 4)]
    store.writer.take(
        Batch(
            way=Way.OTLP,
            exemplars=[Exemplar(series=series("x").id, time=at, value=1, trace="a" * 32) for at in times],
            logs=[LogLine(time=at * 1000, body="x") for at in times],
            spans=[Span(trace="a" * 32, id="b" * 16, name="x", start=at * 10**6, duration=1) for at in times],
        )
    ).result(30)
    sweep(store.engine, KEEP, lambda: store.now)
    assert ages(store, "logs") == [0, 4]
    assert ages(store, "spans") == [0]
    assert ages(store, "exemplars") == [0, 4, 8]
    # a month goes when its last day does
    assert KEEP.minute_days <= max(ages(store, "samples_minute")) <= KEEP.minute_days + 30
    assert KEEP.hour_days <= max(ages(store, "samples_hour")) <= KEEP.hour_days + 30
    assert KEEP.hour_days <= max(ages(store, "series")) <= KEEP.hour_days + 30


def test_the_horizon_is_what_every_series_has_at_least() -> None:
    assert KEEP.horizon(Resolution.RAW) == 3 * DAY
    assert KEEP.horizon(Resolution.MINUTE) == 60 * DAY
    assert KEEP.horizon(Resolution.HOUR) == 200 * DAY


def test_the_roll_ups_go_on_by_themselves(store: InStore) -> None:
    store.put(series("load"), [NOW - 20 * DAY], [1])
    rollups = Rollups(store.engine, lambda: store.now, every=0.01)
    rollups.start()
    while not ages(store, "samples_hour"):
        time.sleep(0.01)
    rollups.stop()
