from __future__ import annotations

import re

import pytest

from andon.web.charts import STREAM_ROW, bar, length_of, spark, stream
from andon.web.model import Job, Share, Stage, State


def test_a_sparkline_stands_on_zero_and_keeps_gaps() -> None:
    figure = spark([4, 2, None, 4], width=100, height=20)
    assert figure.lines == ("3.0,3.0 34.3,10.0",)  # twice as much is twice as high over the foot at 17
    assert figure.dots == ((97.0, 3.0),)
    assert figure.last == (97.0, 3.0)


@pytest.mark.parametrize("values", [[], [None], [0, 0], [5]])
def test_a_sparkline_of_nothing_much(values: list[float | None]) -> None:
    figure = spark(values)
    assert (figure.last is None) == (not [value for value in values if value is not None])


def share(part: float, series: int) -> Share:
    return Share(f"v{series}", part, series, State.OK, "healthy")


def thickness(path: str) -> float:
    """At the right end, where a band meets its set."""
    upper = re.search(r" ([\d.]+),([\d.]+) L", path)
    lower = re.search(r"L([\d.]+),([\d.]+) ", path)
    assert upper is not None
    assert lower is not None
    return float(lower.group(2)) - float(upper.group(2))


def test_a_bands_width_is_its_share() -> None:
    height, bands = stream([share(0.75, 1), share(0.25, 2), share(0, 3)])
    assert height == 3 * STREAM_ROW
    assert thickness(bands[0].path) == pytest.approx(3 * thickness(bands[1].path), abs=0.5)
    assert [band.empty for band in bands] == [False, False, True]


def test_nothing_is_routed_without_traffic() -> None:
    assert [band.empty for band in stream([share(0, 1)])[1]] == [True]
    assert stream([])[1] == []


def test_bars_lie_on_the_runs_time() -> None:
    jobs = (Job("a", State.OK, "passed", 0, 30), Job("b", State.RUN, "running", 30, 70), Job("c", State.NONE, "waits"))
    stages = [Stage("commit", State.RUN, "running", jobs)]
    assert length_of(stages) == 100
    placed = [bar(job.start, job.length, 100) for job in jobs]
    assert [(one.x, one.width) if one else None for one in placed] == [(0, 30), (30, 70), None]
    assert length_of([]) == 1
