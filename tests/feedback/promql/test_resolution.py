from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from andon.feedback.promql.contract import Matrix
from andon.feedback.promql.resolution import AIM, choose
from andon.feedback.promql.service import Engine
from andon.feedback.telemetry.contract.metrics import Column, Kind, Resolution, Samples, Series, SeriesId
from andon.feedback.telemetry.memory import MemoryMeasurements
from tests.feedback.promql.measured import MINUTE, alike, lines, series

HOUR, DAY = 60 * MINUTE, 24 * 60 * MINUTE
NOW = 400 * DAY
KEPT = {Resolution.RAW: 15 * DAY, Resolution.MINUTE: 90 * DAY, Resolution.HOUR: 1_000 * DAY}


def _chosen(
    days: float, *, series: int = 1, width: int = 5 * MINUTE, step: int = HOUR, function: str = "rate"
) -> Resolution:
    return choose(
        function,
        series=series,
        start=NOW - round(days * DAY),
        end=NOW,
        width=width,
        step=step,
        now=NOW,
        horizon=KEPT.__getitem__,
    )


def test_raw_samples_are_read_while_they_are_few() -> None:
    assert _chosen(1) is Resolution.RAW
    assert _chosen(1, series=200) is Resolution.RAW
    assert 1_000 * DAY // 10_000 > AIM
    assert _chosen(1, series=1_000) is Resolution.MINUTE


def test_a_rollup_is_never_coarser_than_the_window_or_the_step() -> None:
    assert _chosen(10, series=1_000, width=2 * HOUR, step=HOUR) is Resolution.HOUR
    assert _chosen(10, series=1_000, width=2 * HOUR, step=HOUR - 1) is Resolution.MINUTE
    assert _chosen(10, series=1_000, width=HOUR - 1, step=HOUR) is Resolution.MINUTE
    assert _chosen(10, series=1_000, width=2 * HOUR, step=30_000) is Resolution.RAW
    assert _chosen(10, series=1_000, width=30_000) is Resolution.RAW


def test_functions_that_need_every_sample_get_them_while_they_are_kept() -> None:
    assert _chosen(10, series=1_000, function="quantile_over_time") is Resolution.RAW
    assert _chosen(20, series=1_000, function="quantile_over_time") is Resolution.MINUTE


def test_what_is_older_than_a_resolution_keeps_is_read_from_a_coarser_one() -> None:
    assert _chosen(20) is Resolution.MINUTE
    assert _chosen(100, width=2 * HOUR, step=2 * HOUR) is Resolution.HOUR
    assert _chosen(100, width=MINUTE, step=MINUTE) is Resolution.HOUR
    assert _chosen(5_000) is Resolution.HOUR


class _Counting(MemoryMeasurements):
    """Also says which resolutions were read."""

    def __init__(self, told: list[Series], samples: dict[int, tuple[list[int], list[float]]], raw: int) -> None:
        super().__init__(
            told,
            {one.id: samples[one.id] for one in told},
            horizons={Resolution.RAW: raw, Resolution.MINUTE: 10**15, Resolution.HOUR: 10**15},
        )
        self.read: set[Resolution] = set()

    def samples(
        self,
        series: Sequence[Series],
        start: int,
        end: int,
        *,
        resolution: Resolution = Resolution.RAW,
        column: Column = Column.LAST,
    ) -> Samples:
        self.read.add(resolution)
        return super().samples(series, start, end, resolution=resolution, column=column)


def _told() -> tuple[list[Series], dict[int, tuple[list[int], list[float]]]]:
    """Three hours: a counter that gains steadily, deltas, observations and a gauge, off the edges of buckets."""
    dice = random.Random(3)
    counter, gauge = series("hits", Kind.COUNTER), series("level")
    delta, observation = series("sign_ins", Kind.DELTA), series("took", Kind.OBSERVATION)
    times = list(range(NOW - 3 * HOUR + 5_000, NOW, 10_000))
    return [counter, gauge, delta, observation], {
        counter.id: (times, [float(index * 7) for index in range(len(times))]),
        gauge.id: (times, [dice.gauss(10, 3) for _ in times]),
        delta.id: (times, [float(dice.randrange(9)) for _ in times]),
        observation.id: (times, [dice.expovariate(1) for _ in times]),
    }


QUERIES = [
    "increase(sign_ins[10m])",
    "rate(sign_ins[10m])",
    "increase(took[10m])",
    "rate(hits[10m])",
    "increase(hits[5m])",
    "sign_ins",
    "took",
    "level",
    "hits",
    *(
        f"{function}_over_time({name}[10m])"
        for function in ("avg", "sum", "count", "min", "max", "last")
        for name in ("level", "sign_ins", "took")
    ),
]


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("step", [10 * MINUTE, HOUR])
def test_rollups_answer_like_raw_samples_where_windows_and_buckets_end_together(query: str, step: int) -> None:
    told, samples = _told()
    answers: list[Matrix] = []
    for raw in (10**15, 0):
        measured = _Counting(told, samples, raw)
        answers.append(Engine(measured, now=lambda: NOW).range(query, NOW - 2 * HOUR, NOW, step, sight=None))
        assert (measured.read == {Resolution.RAW}) == (raw > 0)
    raw_lines, rolled_lines = (lines(one) for one in answers)
    assert raw_lines.keys() == rolled_lines.keys()
    assert raw_lines
    for told_labels, values in raw_lines.items():
        assert values.keys() == rolled_lines[told_labels].keys()
        assert all(alike(values[at], rolled_lines[told_labels][at]) for at in values), (values, rolled_lines)


def test_an_hour_stands_until_the_next_for_a_plain_selector() -> None:
    told, samples = _told()
    measured = MemoryMeasurements(
        told,
        {one.id: samples[one.id] for one in told},
        horizons={Resolution.RAW: 0, Resolution.MINUTE: 0, Resolution.HOUR: 10**15},
    )
    answer = Engine(measured, now=lambda: NOW).range("hits", NOW - HOUR, NOW, 10 * MINUTE, sight=None)
    (values,) = lines(answer).values()
    assert len(values) == 7


@pytest.mark.parametrize("function", ["avg", "sum", "count", "min", "max"])
def test_rollups_of_two_ids_with_the_same_labels_are_those_of_one_series(function: str) -> None:
    one = series("level", service="shop")
    other = replace(one, id=SeriesId(7))
    times = range(NOW - HOUR + 5_000, NOW, 10_000)
    values = [float(place * 7 % 31) for place in range(len(times))]
    samples: dict[int, tuple[list[int], list[float]]] = {
        one.id: (list(times)[::2], values[::2]),
        other.id: (list(times)[1::2], values[1::2]),
    }
    answers = []
    for raw in (10**15, 0):
        asked = Engine(_Counting([one, other], samples, raw), now=lambda: NOW)
        query = f"{function}_over_time(level[10m])"
        answers.append(lines(asked.range(query, NOW - HOUR // 2, NOW, 10 * MINUTE, sight=None)))
    (raw_values,), (rolled_values,) = (one.values() for one in answers)
    assert all(alike(raw_values[at], rolled_values[at]) for at in raw_values), (raw_values, rolled_values)
