"""What stands in the way of a contract migration: flags that still serve the old side, as the files' comments say."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from andon.flow.deployments.contract import DeploymentState
from andon.flow.deployments.model import ContractRefused
from andon.flow.schema.contract import FlagNeed, Phase
from andon.flow.schema.contract.files import in_order, needs_of, phase_of
from andon.flow.schema.contract.guarding import ContractAsked, Objection
from andon.flow.schema.flagged import _Document, objection
from andon.kernel.access import SYSTEM
from andon.kernel.clock import SettableClock
from andon.kernel.db import Database, Reading
from tests.flow.installation import STORE, Installation, definition

DEFINITION = definition().replace("  expand: python3", "  folder: sql\n  database: sqlite\n  expand: python3")
NEED = FlagNeed(flag="new-orders", variant="on")


class Objecting:
    """A guard that objects as long as it is told to."""

    def __init__(self) -> None:
        self.says = ""
        self.asked: list[ContractAsked] = []

    def objections(self, reading: Reading, asked: ContractAsked) -> tuple[Objection, ...]:
        self.asked.append(asked)
        return (Objection(sentence=self.says),) if self.says else ()


@pytest.fixture
def local(sqlite_database: Database, tmp_path: Path) -> Installation:
    made = Installation(sqlite_database, tmp_path)
    made.create()
    return made


def test_a_guard_holds_a_contract_migration_up_and_is_asked_what_its_files_need(local: Installation) -> None:
    guard = Objecting()
    local.deployments.guarded_by(guard)
    commit = local.built(
        {
            "andon.yaml": DEFINITION,
            "sql/0001_a.expand.sql": "-- needs flag not-this-one at on\n",
            "sql/0001_a.contract.sql": "-- The old state goes.\n-- needs flag new-orders at on\nDROP TABLE x;\n",
        }
    )
    local.deploy(commit)
    guard.says = "The flag new-orders still serves the old side to 40 %."
    with pytest.raises(ContractRefused, match="still serves the old side to 40 %"), local.database.transaction() as tx:
        local.deployments.contract(tx, SYSTEM, STORE, "production")
    assert (guard.asked[0].commit, guard.asked[0].needs) == (commit, (NEED,))
    guard.says = ""
    with local.database.transaction() as tx:
        asked = local.deployments.contract(tx, SYSTEM, STORE, "production")
    # a flag is turned back while the request waits in the queue
    guard.says = "The flag new-orders still serves the old side to 1 %."
    local.settle()
    view = local.view(asked)
    assert view.state is DeploymentState.FAILED
    assert "to 1 %" in view.reason
    assert all(one.key.partition("-")[0] != "contract" for one in local.environments.commands)


def test_files_that_a_former_contract_has_run_ask_for_nothing_any_more(local: Installation) -> None:
    guard = Objecting()
    local.deployments.guarded_by(guard)
    local.deploy(local.built({"andon.yaml": DEFINITION, "sql/0001_a.contract.sql": "-- needs flag new-orders at on\n"}))
    with local.database.transaction() as tx:
        local.deployments.contract(tx, SYSTEM, STORE, "production")
    local.settle()
    local.deploy(local.built({"sql/contract/0002.sql": "-- needs flag dark-mode at off\n"}))
    with local.database.transaction() as tx:
        local.deployments.contract(tx, SYSTEM, STORE, "production", give_up_rollback=True)
    assert guard.asked[-1].needs == (FlagNeed(flag="dark-mode", variant="off"),)


def test_nobody_is_asked_to_give_rollbacks_up_for_a_contract_that_has_run(local: Installation) -> None:
    local.deploy(local.built({"andon.yaml": DEFINITION, "sql/0001_a.contract.sql": "DROP TABLE x;\n"}))
    with local.database.transaction() as tx:
        local.deployments.contract(tx, SYSTEM, STORE, "production")
    local.settle()
    local.deploy(local.built({"page.html": "new\n"}))
    with (
        pytest.raises(ContractRefused, match="Nothing is left to contract") as told,
        local.database.transaction() as tx,
    ):
        local.deployments.contract(tx, SYSTEM, STORE, "production")
    assert "every rollback is still possible" in told.value.safe
    local.deploy(local.built({"sql/0002_b.contract.sql": "DROP TABLE y;\n"}))
    with pytest.raises(ContractRefused, match="can still be rolled back to"), local.database.transaction() as tx:
        local.deployments.contract(tx, SYSTEM, STORE, "production")


@pytest.mark.parametrize(
    ("flag", "says"),
    [
        ({}, ""),
        ({"default": [[0, 60_000, "on"], [60_000, 100_000, "off"]]}, "still serves the old side to 40 %"),
        ({"default": "off"}, "still serves the old side to 100 %"),
        ({"enabled": False}, "is switched off and serves 'off' to everybody"),
        ({"enabled": False, "off": "on"}, ""),
        ({"rules": [{"id": "r", "when": [], "serve": "off"}]}, "still serves the old side to 100 % by a rule"),
        ({"rules": [{"id": "r", "when": [], "serve": [[0, 30_000, "on"]]}]}, ""),
        ({"individuals": {"u1": "off", "u2": "on"}}, "still serves the old side to 1 who are named"),
        ({"prerequisites": [{"flag": "x", "variants": ["on"]}]}, "serves 'off' where a prerequisite"),
        ({"until": 1.0}, "serves 'off' where a prerequisite or its time does not hold"),
    ],
)
def test_a_flag_that_may_serve_the_old_side_to_anybody_objects(flag: dict[str, object], says: str) -> None:
    whole = {
        "kind": "boolean",
        "variants": {"on": True, "off": False},
        "enabled": True,
        "off": "off",
        "default": "on",
        **flag,
    }
    document = msgspec.json.decode(json.dumps({"flags": {"new-orders": whole}}), type=_Document)
    assert says in objection(NEED, document.flags)
    assert bool(says) == bool(objection(NEED, document.flags))


def test_a_flag_that_is_not_there_objects() -> None:
    assert "is not there" in objection(NEED, {})


def test_only_line_comments_ask_for_flags() -> None:
    text = "-- needs flag a at on\n  --   needs flag b.c at v2  \n/*\n needs flag d at on */\nSELECT '-- needs flag e';"
    assert [one.flag for one in needs_of(text)] == ["a", "b.c"]


def test_names_say_the_phase_and_the_order() -> None:
    assert phase_of("sql/0007_orders.expand.sql") is Phase.EXPAND
    assert phase_of("sql/contract/0001-drop.sql") is Phase.CONTRACT
    assert phase_of("sql/0007_orders.sql") is None
    assert phase_of("sql/expand/readme.md") is None
    files = ["10_b.expand.sql", "9_a.contract.sql", "9_a.expand.sql", "9_a.backfill.sql"]
    assert in_order(files) == ["9_a.expand.sql", "9_a.backfill.sql", "9_a.contract.sql", "10_b.expand.sql"]


def test_what_files_do_not_say_of_contracts_is_not_taken_for_done(local: Installation) -> None:
    local.deploy(local.built({"andon.yaml": DEFINITION, "sql/contract/drop.py": "print('dropped')\n"}))
    local.deploy(local.built({"page.html": "new\n"}))
    with pytest.raises(ContractRefused, match="can still be rolled back to"), local.database.transaction() as tx:
        local.deployments.contract(tx, SYSTEM, STORE, "production")


def test_what_ran_before_an_environment_was_destroyed_is_left_to_the_one_made_anew(
    local: Installation, clock: SettableClock
) -> None:
    guard = Objecting()
    local.deployments.guarded_by(guard)
    contracting = {"andon.yaml": DEFINITION, "sql/0001_a.contract.sql": "-- needs flag new-orders at on\n"}
    local.deploy(local.built(contracting))
    with local.database.transaction() as tx:
        local.deployments.contract(tx, SYSTEM, STORE, "production")
    local.settle()
    with local.database.transaction() as tx:
        local.deployments.destroy(tx, SYSTEM, STORE, "production", reason="to begin anew")
    local.settle()
    clock.advance(1)
    local.deploy(local.built({"page.html": "new\n"}))
    with local.database.transaction() as tx:
        local.deployments.contract(tx, SYSTEM, STORE, "production")
    assert guard.asked[-1].needs == (NEED,)
