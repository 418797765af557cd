"""What took longer than it does: twice as long, and longer than chance."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from andon.flow.pipelines.contract import StageState, StageSummary
from andon.flow.pipelines.storage.tables import stages
from andon.flow.pipelines.usual import unusual, worked_seconds
from andon.kernel.access import Grant, Role
from andon.kernel.db import Database
from tests.flow.installation import STORE
from tests.flow.pipelines.shown import Shown, console_of

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


def test_a_run_took_what_its_stages_took_and_not_what_it_waited_between_them() -> None:
    begun = datetime(2026, 1, 1, tzinfo=UTC)

    def stage(name: str, begins: float, seconds: float | None) -> StageSummary:
        started = begun + timedelta(seconds=begins)
        return StageSummary(
            name=name,
            state=StageState.PASSED,
            environment=None,
            started_at=started,
            ended_at=None if seconds is None else started + timedelta(seconds=seconds),
        )

    assert worked_seconds([stage("commit", 0, 20), stage("production", 4000, 5), stage("next", 5000, None)]) == 25


def test_the_page_of_a_run_says_that_it_took_much_longer_than_usual(sqlite_database: Database, tmp_path: Path) -> None:
    flow = Shown(sqlite_database, tmp_path)
    flow.create()
    for number in range(7):
        flow.built({"app/main.py": f"VERSION = {number}\n"})
    with flow.database.transaction() as tx:
        runs = flow.pipelines.list_runs(tx, service=STORE, limit=10)
        for run in runs:
            # each stage ends when it begins, but the first
            times = {"started_at": run.pushed_at, "ended_at": run.pushed_at}
            tx.connection.execute(stages.update().where(stages.c.run == run.run).values(**times))
            first = (stages.c.run == run.run) & (stages.c.position == 0)
            ended = run.pushed_at + timedelta(seconds=100 if run is runs[0] else 10)
            tx.connection.execute(stages.update().where(first).values(ended_at=ended))
    patty = flow.sign_up("Patty", Grant(Role.ADMINISTRATOR))
    with console_of(flow) as console, closing(console.browser(patty)) as browser:
        assert "10.0 times the usual 10 s" in browser.get(f"/runs/{runs[0].run}").text
        assert "times the usual" not in browser.get(f"/runs/{runs[1].run}").text
