"""What took longer than it does: twice as long, and longer than chance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from andon.feedback.telemetry.own.usual import passed_seconds, unusual
from andon.flow.pipelines.contract import RunId, RunState, RunSummary
from andon.flow.sources.contract import CommitHash, Service

STEADY = [100.0, 102.0, 98.0, 101.0, 99.0]


@pytest.mark.parametrize(
    ("seconds", "before", "is_unusual"),
    [
        (200.0, STEADY, True),
        (199.0, STEADY, False),  # not twice
        (201.0, STEADY[:4], False),  # too few to tell
        (201.0, [], False),
        (120.0, [10.0, 200.0, 30.0, 90.0, 60.0], False),  # twice, and no more than it varies
        (400.0, [10.0, 200.0, 30.0, 90.0, 60.0], True),
        (2.0, [1.0] * 9, True),
        (0.0, [0.0] * 9, False),
    ],
)
def test_unusual_is_twice_the_median_and_beyond_what_it_varies(
    seconds: float, before: list[float], is_unusual: bool
) -> None:
    assert (unusual(seconds, before) is not None) is is_unusual


def test_it_says_how_long_it_usually_takes() -> None:
    found = unusual(500.0, [230.0, 228.0, 231.0, 229.0, 232.0, 230.0])
    assert found is not None
    assert found.says == "It took 8 m 20 s, 2.2 times the usual 3 m 50 s (the median of the last 6 that passed)."


def test_only_what_passed_on_the_branch_is_usual() -> None:
    begun = datetime(2026, 1, 1, tzinfo=UTC)

    def run(seconds: float, branch: str = "main", state: RunState = RunState.PASSED) -> RunSummary:
        return RunSummary(
            run=RunId("run_a"),
            number=1,
            service=Service("store"),
            commit=CommitHash("a" * 40),
            branch=branch,
            state=state,
            reason="",
            pushed_at=begun,
            started_at=begun,
            ended_at=begun + timedelta(seconds=seconds),
            stages=(),
            person=None,
        )

    runs = [run(5), run(6, "other"), run(7, state=RunState.FAILED), run(8)]
    assert passed_seconds(runs, "main") == [5, 8]
