from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence

import numpy as np
import pytest

from andon.feedback.promql.contract import MOST_STEPS, BadQuery, QueryFailed, QueryTimeout
from andon.feedback.promql.reading import MOST_SAMPLES, MOST_SERIES
from andon.feedback.promql.service import Engine
from andon.feedback.telemetry.contract.metrics import Column, Matcher, Resolution, Samples, Series, Sight
from andon.feedback.telemetry.memory import MemoryMeasurements
from tests.feedback.promql.measured import engine, every, measurements, series


def test_a_range_has_at_most_eleven_thousand_points() -> None:
    asked = engine(every(15, [1.0], "up"))
    assert len(asked.range("vector(1)", 0, (MOST_STEPS - 1) * 1_000, 1_000, sight=None).lines[0].times) == MOST_STEPS
    with pytest.raises(BadQuery, match="exceeded maximum resolution of 11,000 points"):
        asked.range("up", 0, MOST_STEPS * 1_000, 1_000, sight=None)


@pytest.mark.parametrize(("start", "end", "step"), [(0, 10, 0), (0, 10, -1), (10, 0, 1), (0, 2**60, 2**59)])
def test_a_range_that_makes_no_sense_is_refused(start: int, end: int, step: int) -> None:
    with pytest.raises(BadQuery):
        engine().range("vector(1)", start, end, step, sight=None)


@pytest.mark.parametrize("query", ["up[5m]", "up[5m:1m]", '"word"'])
def test_what_has_no_value_at_a_step_has_no_range(query: str) -> None:
    with pytest.raises(BadQuery, match="invalid expression type"):
        engine().range(query, 0, 10, 1, sight=None)


def test_a_query_ends_when_its_time_is_over() -> None:
    ticks = itertools.count(step=1.0)
    asked = Engine(measurements(every(15, [1.0], "up")), clock=lambda: next(ticks))
    with pytest.raises(QueryTimeout, match="query timed out"):
        asked.instant("sum(rate(up[5m])) + sum(rate(up[5m])) + sum(up)", 5_000, sight=None, timeout=3)


class _Held(MemoryMeasurements):
    """Answers when it is let go."""

    def __init__(self) -> None:
        super().__init__([], {})
        self.asked, self.let_go = threading.Event(), threading.Event()

    def select(
        self, matchers: Sequence[Matcher], start: int, end: int, *, sight: Sight, limit: int = 100_000
    ) -> tuple[Series, ...]:
        self.asked.set()
        assert self.let_go.wait(30)
        return ()


def test_a_query_waits_for_its_turn_no_longer_than_it_may_take() -> None:
    held = _Held()
    asked = Engine(held, at_once=1)
    first = threading.Thread(target=lambda: asked.instant("up", 0, sight=None))
    first.start()
    try:
        assert held.asked.wait(30)
        with pytest.raises(QueryTimeout, match="query queue"):
            asked.instant("1", 0, sight=None, timeout=0.01)
    finally:
        held.let_go.set()
        first.join(30)
    assert str(asked.instant("1", 0, sight=None, timeout=0.01)).startswith("Scalar")


def test_a_subquery_with_countless_steps_is_refused() -> None:
    with pytest.raises(QueryFailed, match="points at once"):
        engine(every(15, [1.0], "up")).instant("max_over_time(up[1y:1ms])", 10**12, sight=None)


class _Crowd(MemoryMeasurements):
    """As many series, or samples of one, as nobody should read."""

    def __init__(self, *, crowd: int = 1, samples: int = 1) -> None:
        super().__init__([], {})
        self._crowd = crowd
        self._samples = samples

    def select(
        self, matchers: Sequence[Matcher], start: int, end: int, *, sight: Sight, limit: int = 100_000
    ) -> tuple[Series, ...]:
        return (series("up"),) * min(limit, self._crowd)

    def samples(
        self,
        series: Sequence[Series],
        start: int,
        end: int,
        *,
        resolution: Resolution = Resolution.RAW,
        column: Column = Column.LAST,
    ) -> Samples:
        nothing = np.broadcast_to(np.zeros(1), (self._samples,))
        return Samples(
            series=tuple(series),
            offsets=np.array([0, self._samples]),
            times=np.broadcast_to(np.zeros(1, dtype=np.int64), (self._samples,)),
            values=nothing,
        )


def test_a_query_reads_a_bounded_number_of_series_and_samples() -> None:
    with pytest.raises(QueryFailed, match=f"{MOST_SERIES:,} series or more"):
        Engine(_Crowd(crowd=MOST_SERIES)).instant("up", 0, sight=None)
    with pytest.raises(QueryFailed, match=f"more than {MOST_SAMPLES:,} samples"):
        Engine(_Crowd(samples=MOST_SAMPLES + 1)).instant("up", 0, sight=None)


def test_count_values_looks_at_a_bounded_number_of_values() -> None:
    told = [every(15, [float(index)], "up", pod=str(index)) for index in range(400)]
    with pytest.raises(QueryFailed, match="values to count"):
        Engine(measurements(*told)).range('count_values("v", up)', 0, 299_000, 50, sight=None)


def test_series_times_steps_are_bounded() -> None:
    told = [every(15, [1.0], "up", pod=str(index)) for index in range(1_000)]
    with pytest.raises(QueryFailed, match="1,000 series at 11,000 steps"):
        engine(*told).range("up", 0, (MOST_STEPS - 1) * 10, 10, sight=None)
