"""The version that serves is tried on the schema that a new one brings, before anybody is served by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from andon.flow.deployments.contract import DeploymentState, StepName
from andon.flow.environments.contract import Standing
from andon.flow.environments.memory import Behaviour
from andon.flow.sources.contract import CommitHash
from andon.kernel.db import Database
from andon.kernel.errors import Unavailable
from tests.flow.installation import Installation, definition

CHECKED = definition().replace("  expand: python3", "  folder: sql\n  database: sqlite\n  expand: python3")
ADDS = {"sql/0002_tax.expand.sql": "ALTER TABLE orders ADD COLUMN tax INTEGER;"}


@pytest.fixture
def local(sqlite_database: Database, tmp_path: Path) -> Installation:
    made = Installation(sqlite_database, tmp_path)
    made.create()
    return made


def serving(local: Installation) -> CommitHash:
    """A version that runs in production and, by a run of its own, in acceptance no more."""
    commit = local.built({"andon.yaml": CHECKED, "sql/0001_orders.expand.sql": "CREATE TABLE orders (id INTEGER);"})
    local.deploy(commit)
    local.environments.commands.clear()
    return commit


def test_it_is_started_beside_asked_its_own_smoke_tests_and_put_away(local: Installation) -> None:
    old = serving(local)
    new = local.built(ADDS, through="commit")
    ended = local.deploy(new, "acceptance")
    assert ended.state is DeploymentState.SUCCEEDED
    expand = next(one for one in ended.steps if one.name is StepName.EXPAND)
    assert expand.reason == (
        "not tried on the old schema, because andon.yaml does not say that it works there (old_schema); "
        f"{old[:7]}, which serves, passes its 1 smoke test on the new schema"
    )
    told = [(one.commit, one.key.partition("-")[2]) for one in local.environments.commands]
    assert told[:3] == [
        (new, "expand"),
        (old, f"one order ({old[:7]})"),
        (old, f"one order ({old[:7]}) (clean-up)"),
    ]
    assert [one.commit for one in local.place("acceptance").sets] == [new]
    assert [local.commit_of(one) for one in local.environments.running()].count(old) == 1, "production's own"


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (
            Behaviour(commands={"one order": 1}, outputs={"one order": "no such column: state\n"}),
            "no such column: state",
        ),
        (Behaviour(never_healthy="web 1: it ended with 1"), "web 1: it ended with 1"),
        (Behaviour(start_fails=Unavailable("The disk is full.")), "The disk is full."),
    ],
    ids=["smoke", "health", "start"],
)
def test_where_it_fails_the_rehearsal_fails_and_says_so(local: Installation, behaviour: Behaviour, reason: str) -> None:
    old = serving(local)
    new = local.built(ADDS, through="commit")
    local.environments.imagine(old, behaviour)
    ended = local.deploy(new, "acceptance")
    assert ended.state is DeploymentState.FAILED
    assert f"{old[:7]}, which serves in production, does not work on the schema of {new[:7]}" in ended.reason
    assert reason in ended.reason
    assert "Production and its database are as they were." in ended.reason
    assert local.live("production") == old
    assert all(one.standing is not Standing.CANDIDATE for one in local.place("acceptance").sets)
    assert [local.commit_of(one) for one in local.environments.running()] == [old]


def test_what_runs_there_already_is_asked_where_it_is(local: Installation) -> None:
    old = local.built({"andon.yaml": CHECKED})
    local.deploy(old, "acceptance")
    local.deploy(old)
    started = len(local.environments.started)
    local.deploy(local.built(ADDS, through="commit"), "acceptance")
    assert len(local.environments.started) == started + 1, "only the new version was started"
    assert local.environments.stopped == []


def test_without_other_migrations_nothing_is_tried(local: Installation) -> None:
    old = serving(local)
    local.deploy(local.built({"app/x": "y"}, through="commit"), "acceptance")
    assert old not in {one.commit for one in local.environments.commands}


def test_production_itself_is_no_place_to_try_things(local: Installation) -> None:
    old = serving(local)
    local.deploy(local.built(ADDS))
    assert old not in {one.commit for one in local.environments.commands}


def test_a_migration_that_fails_half_way_says_what_is_safe_and_how_to_go_on(local: Installation) -> None:
    old = serving(local)
    new = local.built(ADDS)
    local.environments.imagine(
        new, Behaviour(commands={"expand": 1}, outputs={"expand": "sql/0002_tax.expand.sql:1: table is locked\n"})
    )
    ended = local.deploy(new)
    assert ended.state is DeploymentState.FAILED
    assert "sql/0002_tax.expand.sql:1: table is locked" in ended.reason
    assert "The version that serves has the traffic as before" in ended.reason
    assert "Mend the migration and deploy again" in ended.reason
    assert local.live() == old
    local.environments.imagine(new, Behaviour())
    assert local.deploy(new).state is DeploymentState.SUCCEEDED


TOLERANT = {**ADDS, "andon.yaml": CHECKED.replace("  database: sqlite", "  database: sqlite\n  old_schema: true")}


def test_a_version_that_says_so_is_tried_on_the_old_schema_first(local: Installation) -> None:
    serving(local)
    new = local.built(TOLERANT, through="commit")
    ended = local.deploy(new, "acceptance")
    assert ended.state is DeploymentState.SUCCEEDED
    expand = next(one for one in ended.steps if one.name is StepName.EXPAND)
    assert expand.reason.startswith("it works on the old schema, too; ")
    own = [one.key.partition("-")[2] for one in local.environments.commands if one.commit == new]
    assert own[:3] == ["one order (old schema)", "one order (old schema) (clean-up)", "expand"]


def test_one_that_does_not_is_told_and_nothing_is_migrated(local: Installation) -> None:
    serving(local)
    new = local.built(TOLERANT, through="commit")
    local.environments.imagine(new, Behaviour(commands={"old schema": 1}, outputs={"old schema": "no column tax\n"}))
    ended = local.deploy(new, "acceptance")
    assert ended.state is DeploymentState.FAILED
    assert f"{new[:7]} does not work on the old schema, as andon.yaml says it does" in ended.reason
    assert "no column tax" in ended.reason
    assert all(one.key.partition("-")[2] != "expand" for one in local.environments.commands)
    assert ended.set not in local.environments.running()


def test_where_its_migrations_have_run_before_no_old_schema_is_claimed(local: Installation) -> None:
    serving(local)
    local.deploy(local.built(TOLERANT, through="commit"), "acceptance")
    again = local.built({"app/x": "y"}, through="commit")
    ended = local.deploy(again, "acceptance")
    expand = next(one for one in ended.steps if one.name is StepName.EXPAND)
    assert expand.reason.startswith("not tried on the old schema, because its migrations have run here before; ")
    own = [one.key.partition("-")[2] for one in local.environments.commands if one.commit == again]
    assert own[0] == "expand"


def test_one_that_was_mended_after_failing_on_the_old_schema_is_tried_there_again(local: Installation) -> None:
    serving(local)
    new = local.built(TOLERANT, through="commit")
    local.environments.imagine(new, Behaviour(commands={"old schema": 1}, outputs={"old schema": "no column tax\n"}))
    assert local.deploy(new, "acceptance").state is DeploymentState.FAILED
    mended = local.built({"app/x": "y"}, through="commit")
    expand = next(one for one in local.deploy(mended, "acceptance").steps if one.name is StepName.EXPAND)
    assert expand.reason.startswith("it works on the old schema, too; ")
