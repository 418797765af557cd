"""Roll-ups hold what the samples said, whatever was late, repeated or cut short."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from andon.feedback.telemetry.asking.measurements import StoredMeasurements
from andon.feedback.telemetry.contract.metrics import Column, Kind, Level, Resolution, Series, named
from andon.feedback.telemetry.store import rollups
from andon.feedback.telemetry.store.engine import Engine
from andon.feedback.telemetry.store.retention import Keep
from andon.feedback.telemetry.store.rollups import HOUR_MS, MINUTE_MS, Rollups, late_days, rolled_until
from tests.feedback.telemetry.asking.filling import DAY, NOW, InStore, series


@pytest.fixture
def store(engine: Engine) -> Iterator[InStore]:
    made = InStore(engine)
    yield made
    made.close()


def read(store: InStore, one: Series, column: Column, resolution: Resolution = Resolution.MINUTE) -> dict[int, float]:
    """Of what is rolled up, by minutes since noon."""
    table = rollups.TABLES[resolution]
    rows = store.engine.rows(
        f"SELECT intDiv(time - {{noon:Int64}}, 60000), toFloat64({column.value}) FROM {table} FINAL "
        "WHERE series = {id:UInt64} ORDER BY time",
        {"noon": NOW, "id": one.id},
    )
    return {int(str(minute)): float(str(value)) for minute, value in rows}


def roll(store: InStore, minutes: float) -> None:
    store.now = NOW + int(minutes * MINUTE_MS)
    store.rollups.roll()


def test_a_minute_is_rolled_up_once_it_is_closed_and_a_while_has_passed(store: InStore) -> None:
    store.rollups = Rollups(store.engine, lambda: store.now, grace=90_000)
    one = store.put(series("load"), [NOW + 1000, NOW + 61_000], [1, 2])
    roll(store, 2.4)
    assert read(store, one, Column.LAST) == {}
    roll(store, 2.6)
    assert read(store, one, Column.LAST) == {1: 1}
    roll(store, 3.6)
    assert read(store, one, Column.LAST) == {1: 1, 2: 2}


def test_an_increase_counts_the_step_between_buckets_and_new_beginnings(store: InStore) -> None:
    one = store.put(
        series("requests", Kind.COUNTER),
        [NOW + at * 1000 for at in (10, 50, 70, 110, 130, 190, 200)],
        [100, 110, 115, 3, 10, 10, 14],
    )
    roll(store, 1)
    roll(store, 2)  # the step over a pass's border is the same as the one within a pass
    roll(store, 4)
    assert read(store, one, Column.INCREASE) == {1: 10, 2: 5 + 3, 3: 7, 4: 4}
    # 10 + 15: what the samples gained, from the first to the last
    assert sum(read(store, one, Column.INCREASE).values()) == 10 + 5 + 3 + 7 + 4


def test_a_counter_that_was_silent_for_long_counts_from_anew(store: InStore) -> None:
    one = store.put(series("requests", Kind.COUNTER), [NOW, NOW + 30 * MINUTE_MS, NOW + 140 * MINUTE_MS], [5, 8, 20])
    for minutes in (10, 40, 120, 150):
        roll(store, minutes)
    assert read(store, one, Column.INCREASE) == {1: 0, 31: 3, 141: 0}


def test_sums_and_counts_of_observations_and_deltas_are_those_of_all_of_them(store: InStore) -> None:
    both = [series(f"of_{kind}", kind) for kind in (Kind.OBSERVATION, Kind.DELTA)]
    for one in both:
        store.put(one, [NOW, NOW, NOW + 1, NOW + MINUTE_MS], [1, 1, 0.5, 4])
    roll(store, 2)
    for one in both:
        assert read(store, one, Column.SUM) == {1: 2.5, 2: 4}
        assert read(store, one, Column.COUNT) == {1: 3, 2: 1}
        assert read(store, one, Column.MIN) == {1: 0.5, 2: 4}


def test_hours_are_made_of_minutes(store: InStore) -> None:
    one = store.put(series("requests", Kind.COUNTER), [NOW + at * 10_000 for at in range(2 * 360)], range(720))
    roll(store, 59)
    assert read(store, one, Column.COUNT, Resolution.HOUR) == {}
    roll(store, 121)
    assert read(store, one, Column.COUNT, Resolution.HOUR) == {60: 360, 120: 360}
    assert read(store, one, Column.INCREASE, Resolution.HOUR) == {60: 359, 120: 360}
    assert read(store, one, Column.LAST, Resolution.HOUR) == {60: 359, 120: 719}
    assert read(store, one, Column.SUM, Resolution.HOUR) == {60: 359 * 180, 120: (360 + 719) * 180}


def test_what_comes_late_is_in_the_roll_ups_after_the_next_pass(store: InStore) -> None:
    one = store.put(series("requests", Kind.COUNTER), [NOW, NOW + 150_000], [1, 9])
    roll(store, 60)
    assert read(store, one, Column.INCREASE) == {1: 0, 3: 8}
    store.put(one, [NOW + 90_000], [4])
    assert late_days(store.engine) == {NOW // DAY: NOW + 90_000}
    store.now += 1
    store.rollups.roll()
    assert read(store, one, Column.INCREASE) == {1: 0, 2: 3, 3: 5}
    assert read(store, one, Column.COUNT, Resolution.HOUR) == {60: 3}
    assert late_days(store.engine) == {}


def test_what_comes_days_late_is_rolled_up_and_found(store: InStore) -> None:
    one = store.put(series("load"), [NOW], [1])
    roll(store, 60)
    store.put(one, [NOW - 3 * DAY, NOW - 2 * DAY + 5], [7, 8])
    store.rollups.roll()
    found = StoredMeasurements(store.engine, Keep()).samples(
        [one], NOW - 4 * DAY, NOW + DAY, resolution=Resolution.HOUR
    )
    assert [part.tolist() for part in found.of(0)] == [
        [NOW - 3 * DAY + HOUR_MS, NOW - 2 * DAY + HOUR_MS, NOW + HOUR_MS],
        [7, 8, 1],
    ]


def test_late_samples_are_known_to_the_next_life_of_the_process(store: InStore) -> None:
    one = store.put(series("load"), [NOW], [1])
    roll(store, 5)
    store.put(one, [NOW + 1], [2])
    store.rollups = Rollups(store.engine, lambda: store.now, grace=0)
    store.rollups.roll()
    assert read(store, one, Column.LAST) == {1: 2}


def test_a_pass_that_was_cut_short_is_done_again_with_the_same_result(store: InStore) -> None:
    one = store.put(series("load"), [NOW, NOW + 90_000], [1, 2])
    roll(store, 5)
    before = {column: read(store, one, column) for column in Column}
    store.engine.command("TRUNCATE TABLE rolled_until")  # its rows were written, how far it came was not
    Rollups(store.engine, lambda: store.now, grace=0).roll()
    assert {column: read(store, one, column) for column in Column} == before
    assert rolled_until(store.engine)[Resolution.MINUTE] == NOW + 5 * MINUTE_MS


def test_days_without_samples_are_passed_over_and_the_future_waits(store: InStore) -> None:
    old = store.put(series("load", host="old"), [NOW - 400 * DAY], [1])
    young = store.put(series("load", host="young"), [NOW, NOW + 5 * DAY], [2, 3])
    done = store.rollups
    store.now = NOW + HOUR_MS
    assert done.roll().minutes_until == NOW + HOUR_MS
    assert list(read(store, old, Column.LAST).values()) == [1]
    assert list(read(store, young, Column.LAST).values()) == [2]
    store.now = NOW + 6 * DAY
    assert done.roll().hours_until == NOW + 5 * DAY + 12 * HOUR_MS
    assert list(read(store, young, Column.LAST, Resolution.HOUR).values()) == [2, 3]


def test_more_series_than_fit_in_the_memory_are_rolled_up_in_slices(
    store: InStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollups, "_ROWS_AT_ONCE", 7)
    for number in range(20):
        store.put(series("load", host=str(number)), [NOW, NOW + 1], [number, number + 1])
    roll(store, 2)
    assert store.engine.rows("SELECT count(), sum(count), sum(last) FROM samples_minute FINAL") == [
        (20, 40, float(sum(range(1, 21))))
    ]


def test_levels_are_kept_apart_so_that_each_can_be_dropped_by_itself(store: InStore) -> None:
    store.put(series("load"), [NOW], [1])
    assert np.array(store.engine.rows("SELECT DISTINCT level FROM samples")).tolist() == [["application"]]
    roll(store, 2)
    assert store.engine.rows("SELECT DISTINCT level FROM samples_minute") == [("application",)]


def test_a_pass_that_is_stopped_leaves_what_came_late_to_the_next_life(store: InStore) -> None:
    one = store.put(series("load"), [NOW - 2 * DAY, NOW], [1, 1])
    roll(store, 60)
    store.put(one, [NOW - 2 * DAY + 1, NOW + 1], [2, 2])
    late = late_days(store.engine)
    store.rollups.start()
    store.rollups.stop()
    store.rollups.roll()  # as one that was in its midst when it was stopped
    assert late_days(store.engine) == late
    Rollups(store.engine, lambda: store.now, grace=0).roll()
    assert list(read(store, one, Column.LAST).values()) == [2, 2]
    assert late_days(store.engine) == {}


def test_whoever_writes_does_not_wait_for_others_that_write_and_a_pass_waits_for_all(store: InStore) -> None:
    passed = threading.Event()

    def run() -> None:
        store.rollups.roll()
        passed.set()

    thread = threading.Thread(target=run)
    with store.rollups.writing(np.array([NOW])):
        with store.rollups.writing(np.array([NOW])):
            thread.start()
        assert not passed.wait(0.2)
    thread.join()
    assert passed.is_set()


def test_a_fault_nobody_thought_of_does_not_end_the_roll_ups(
    store: InStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one = store.put(series("load"), [NOW], [1])
    store.now = NOW + HOUR_MS
    failed = threading.Event()

    def now() -> int:
        if not failed.is_set():
            failed.set()
            raise ValueError("nobody thought of it")
        return store.now

    rollups_ = Rollups(store.engine, now, grace=0, every=0.01)
    rollups_.start()
    while not read(store, one, Column.LAST):
        time.sleep(0.01)
    rollups_.stop()
    assert "nobody thought of it" in caplog.text


@pytest.mark.parametrize("resolution", list(Resolution))
def test_late_samples_of_a_series_that_was_declared_anew_at_midnight_are_there_once(
    store: InStore, resolution: Resolution
) -> None:
    midnight = NOW - 12 * HOUR_MS
    one = series("orders", Kind.DELTA, Level.APPLICATION)
    store.now = midnight - 30_000
    store.put(one, [midnight - 40_000], [1])
    store.now = midnight + 5 * MINUTE_MS
    store.rollups.roll()
    store.put(replace(one, level=Level.BUSINESS), [midnight - 10_000], [2])
    store.rollups.roll()
    found = StoredMeasurements(store.engine, Keep())
    (same,) = found.select(named("orders"), midnight - HOUR_MS, midnight - 1, sight=None)
    column = Column.LAST if resolution is Resolution.RAW else Column.SUM
    samples = found.samples([same], midnight - HOUR_MS, midnight, resolution=resolution, column=column)
    assert samples.values.sum() == 3
    assert read(store, one, Column.SUM, Resolution.HOUR) == {-12 * 60: 3}


def test_a_clock_that_was_set_back_between_two_lives_holds_nothing_up(
    store: InStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = store.put(series("load"), [NOW], [1])
    roll(store, 5)
    store.put(one, [NOW + 1], [2])
    day_before = time.time_ns() - 86_400 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: day_before)
    store.rollups = Rollups(store.engine, lambda: store.now, grace=0)
    roll(store, 10)
    assert read(store, one, Column.LAST) == {1: 2}
    assert late_days(store.engine) == {}
    assert rolled_until(store.engine)[Resolution.MINUTE] == NOW + 10 * MINUTE_MS
