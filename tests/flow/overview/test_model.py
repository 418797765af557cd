"""Orders and figures of the value stream, as values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from andon.flow.deployments.contract import DeploymentState, Kind, Outcome
from andon.flow.overview.model import DAYS, columns_of, figures_of
from andon.flow.sources.contract import CommitHash, Service
from andon.kernel.ids import new_id

NOW = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)


def outcome(
    days_ago: float,
    state: DeploymentState = DeploymentState.SUCCEEDED,
    kind: Kind = Kind.DEPLOY,
    lead_time: float | None = None,
    *,
    commit: str = "",
) -> Outcome:
    """Of a commit that is deployed only once, unless it is named."""
    return Outcome(
        service=Service("store"),
        environment="production",
        commit=CommitHash(commit or new_id("c")),
        kind=kind,
        state=state,
        ended_at=NOW - timedelta(days=days_ago),
        lead_time=lead_time,
    )


@pytest.mark.parametrize(
    ("lines", "columns"),
    [
        ([], ()),
        ([("acceptance", "production")], ("acceptance", "production")),
        (
            [("acceptance", "production"), ("acceptance", "staging", "production")],
            ("acceptance", "staging", "production"),
        ),
        ([("test", "production"), ("acceptance", "production")], ("acceptance", "test", "production")),
        ([("a", "b", "c"), ("b", "d")], ("a", "b", "d", "c")),
    ],
)
def test_columns_keep_every_lines_order(lines: list[tuple[str, ...]], columns: tuple[str, ...]) -> None:
    found = columns_of(lines)
    assert sorted(found) == sorted(columns)
    for line in lines:
        assert [one for one in found if one in line] == list(line)


def test_no_deployment_is_no_data_and_not_zero() -> None:
    figures = figures_of([], NOW)
    assert figures.lead_time is None
    assert figures.share is None
    assert figures.lead_times == figures.shares == (None,) * DAYS


def test_the_lead_time_is_the_median_and_days_without_are_gaps() -> None:
    figures = figures_of([outcome(0.1, lead_time=60), outcome(0.2, lead_time=180), outcome(3.5, lead_time=600)], NOW)
    assert (figures.lead_time, figures.led) == (180, 3)
    assert figures.lead_times[-1] == 120
    assert figures.lead_times[-4] == 600
    assert sum(value is not None for value in figures.lead_times) == 2


def test_only_changes_that_had_traffic_count_and_both_ways_of_taking_back_do() -> None:
    figures = figures_of(
        [
            outcome(DAYS + 1, DeploymentState.ROLLED_BACK),
            outcome(2, commit="a"),
            outcome(2, commit="b"),
            outcome(1, DeploymentState.ROLLED_BACK),
            outcome(1, kind=Kind.ROLL_BACK, commit="a"),
            outcome(1, DeploymentState.FAILED),
            outcome(1, DeploymentState.CANCELLED),
            outcome(1, DeploymentState.FAILED, Kind.ROLL_BACK, commit="b"),
            outcome(1, kind=Kind.REBUILD, commit="a"),
        ],
        NOW,
    )
    assert figures.changes == 3
    assert figures.share == pytest.approx(2 / 3)


def test_returning_to_a_change_takes_nothing_back() -> None:
    figures = figures_of(
        [
            outcome(5, commit="a"),
            outcome(4, commit="b"),
            outcome(3, kind=Kind.ROLL_BACK, commit="a"),
            outcome(2, kind=Kind.ROLL_BACK, commit="b"),
            outcome(1.5, commit="b"),
            outcome(1, kind=Kind.ROLL_BACK, commit="a"),
        ],
        NOW,
    )
    assert (figures.changes, figures.share) == (2, 0.5), "b was taken back, however often"


def test_going_back_to_what_came_before_these_days_takes_a_change_back() -> None:
    assert figures_of([outcome(5, commit="b"), outcome(1, kind=Kind.ROLL_BACK, commit="a")], NOW).share == 1.0
    assert figures_of([outcome(1, kind=Kind.ROLL_BACK, commit="a")], NOW).share is None
