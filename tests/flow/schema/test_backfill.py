"""A backfill from the switch to its end, on both databases of Andon's and a real one of the shop's."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from andon.flow.definition.reader import YamlDefinitionReader
from andon.flow.deployments.contract import DeploymentState, Kind
from andon.flow.deployments.model import ContractRefused
from andon.flow.deployments.reactions import reactions as deployment_reactions
from andon.flow.schema.contract.backfills import BackfillEnded, BackfillStarted, BackfillState, BackfillView
from andon.flow.schema.filling import Filling
from andon.flow.schema.ledger import Ledger
from andon.flow.schema.model import STANDSTILL, BackfillNotSo, Said, Wish, next_rows, said
from andon.flow.schema.reactions import reactions
from andon.flow.schema.service import BackfillService
from andon.flow.schema.workflows import backfill_workflow
from andon.kernel.access import SYSTEM, Grant, Role
from andon.kernel.db import Database, open_engine
from andon.kernel.errors import Forbidden, NotFound
from andon.kernel.events.reactions import Reactor
from tests.flow.installation import STORE, Installation, definition
from tests.flow.schema.shop import RunningEnvironments, Shop

DEFINITION = definition().replace(
    "  contract: python3", "  backfill: python3 -m migrate backfill\n  batch: 10\n  pause: 0s\n  contract: python3"
)


class Place(Installation):
    """An installation with backfills."""

    def __init__(self, database: Database, folder: Path) -> None:
        super().__init__(database, folder)
        self.shop = Shop(folder)
        self.environments.__class__ = RunningEnvironments
        assert isinstance(self.environments, RunningEnvironments)
        self.environments.shop, self.environments.logs = self.shop, folder / "logs"
        self.backfills = BackfillService()
        self.deployments.guarded_by(self.backfills)
        self.filling = Filling(
            database=database,
            service=self.backfills,
            environments=self.environments,
            sources=self.sources,
            definitions=self.deployments._definitions,
            retry_seconds=0.0,
        )
        self.ledger = Ledger(
            backfills=self.backfills,
            deployments=self.deployments,
            contracting=self.deployments,
            sources=self.sources,
            definitions=YamlDefinitionReader(),
        )
        self.workflows.register(backfill_workflow(self.filling))
        both = (
            *deployment_reactions(self.deployments, self.workflows, self.router),
            *reactions(self.backfills, self.filling, self.workflows),
        )
        self.reactor = Reactor(database, self.bell, both)

    @property
    def backfill(self) -> BackfillView:
        with self.database.reading() as reading:
            found = self.backfills.current(reading, STORE, "production")
        assert found is not None
        return found

    def ask(self, wish: Wish) -> BackfillView:
        with self.database.transaction() as tx:
            return self.backfills.ask(tx, SYSTEM, STORE, "production", wish)


@pytest.fixture
def place(database: Database, tmp_path: Path) -> Place:
    made = Place(database, tmp_path)
    made.create()
    return made


def test_after_the_switch_the_old_rows_are_filled_batch_by_batch(place: Place) -> None:
    place.shop.fill(55)
    commit = place.built({"andon.yaml": DEFINITION})
    place.deploy(commit)
    found = place.backfill
    assert (found.state, found.batches, found.left, found.first_left, found.share) == (
        BackfillState.DONE,
        6,
        0,
        45,
        1.0,
    )
    assert place.shop.left == 0
    assert len(place.events(BackfillStarted)) == 1
    (ended,) = place.events(BackfillEnded)
    assert isinstance(ended, BackfillEnded)
    assert (ended.state, ended.commit, ended.batches) == (BackfillState.DONE, commit, 6)
    assert not list((place.folder / "logs").iterdir()), "logs of batches that went well are not kept"


def test_a_version_without_a_backfill_begins_none(place: Place) -> None:
    place.deploy(place.built())
    assert not place.events(BackfillStarted)
    with pytest.raises(NotFound), place.database.transaction() as tx:
        place.backfills.ask(tx, SYSTEM, STORE, "production", Wish.PAUSE)


def test_contract_waits_until_everything_is_filled(place: Place) -> None:
    place.shop.fill(20)
    place.shop.break_()
    place.deploy(place.built({"andon.yaml": DEFINITION}))
    assert "5 batches in a row failed: it ended with 1: database is locked" in place.backfill.reason
    refused = pytest.raises(ContractRefused, match=r"backfill of \w{7} is not done \(failed")
    with refused, place.database.transaction() as tx:
        place.deployments.contract(tx, SYSTEM, STORE, "production", give_up_rollback=True)
    place.shop.mend()
    place.ask(Wish.RESUME)
    place.settle()
    with place.database.transaction() as tx:
        place.deployments.contract(tx, SYSTEM, STORE, "production", give_up_rollback=True)


def test_a_pause_holds_it_and_it_goes_on_from_there(place: Place) -> None:
    place.shop.fill(35)
    commit = place.built({"andon.yaml": DEFINITION})
    before = place.filling._rest
    paused = threading.Event()

    def rest(seconds: float) -> None:
        if not paused.is_set():
            place.ask(Wish.PAUSE)
            paused.set()
        before(seconds)

    place.filling._rest = rest  # type: ignore[method-assign]  # somebody pauses it between two batches
    place.deploy(commit)
    assert (place.shop.left, place.backfill.batches) == (25, 1)
    with pytest.raises(BackfillNotSo):
        place.ask(Wish.PAUSE)
    place.ask(Wish.RESUME)
    place.settle()
    assert place.backfill.batches == 4


def test_it_rests_between_batches_as_declared_and_takes_fewer_rows_after_a_slow_one(place: Place) -> None:
    place.shop.fill(25)
    rests: list[tuple[float, int]] = []

    def rest(seconds: float) -> None:
        rests.append((seconds, place.shop.left))
        if len(rests) == 1:
            with place.database.transaction() as tx:
                place.backfills.note_batch(tx, place.backfill.id, Said(False, place.shop.left), 5.0, 10)

    place.filling._rest = rest  # type: ignore[method-assign]  # nobody waits, and the first batch is told to be slow
    place.deploy(place.built({"andon.yaml": DEFINITION.replace("pause: 0s", "pause: 3s")}))
    assert place.backfill.state is BackfillState.DONE
    assert rests == [(3.0, 15), (3.0, 10)], "of ten rows, then of five, then of ten again"


def test_one_that_was_stopped_stays_stopped_until_somebody_resumes_it(place: Place) -> None:
    place.shop.fill(5)
    place.shop.break_()
    place.deploy(place.built({"andon.yaml": DEFINITION}))
    place.shop.mend()
    place.ask(Wish.RESUME)
    assert place.ask(Wish.STOP).state is BackfillState.STOPPED
    place.settle()
    assert place.backfill.state is BackfillState.STOPPED
    assert place.shop.left == 5


def test_another_version_with_the_traffic_supersedes_it(place: Place) -> None:
    place.shop.fill(5)
    place.shop.break_()
    place.deploy(place.built({"andon.yaml": DEFINITION}))
    place.ask(Wish.RESUME)
    place.ask(Wish.PAUSE)
    old = place.backfill
    second = place.built({"app/new": "x"})
    place.shop.mend()
    place.deploy(second)
    with place.database.reading() as reading:
        assert place.backfills.get(reading, old.id).state is BackfillState.SUPERSEDED
    assert place.backfill.commit == second


def test_a_rollback_ends_it_and_begins_none(place: Place) -> None:
    place.shop.fill(5)
    first, second = place.built({"andon.yaml": DEFINITION}), place.built({"app/new": "x"})
    place.deploy(first)
    place.deploy(second)
    begun = len(place.events(BackfillStarted))
    with place.database.transaction() as tx:
        asked = place.deployments.roll_back(tx, SYSTEM, STORE, "production")
    place.settle()
    with place.database.reading() as reading:
        view = place.deployments.get(reading, asked)
    assert (view.state, view.kind) == (DeploymentState.SUCCEEDED, Kind.ROLL_BACK)
    assert len(place.events(BackfillStarted)) == begun


def test_only_who_may_deploy_there_may_pause_it(place: Place) -> None:
    viewer = place.sign_up("Sarah", Grant(Role.VIEWER, "store"))
    with pytest.raises(Forbidden), place.database.transaction() as tx:
        place.backfills.ask(tx, viewer, STORE, "production", Wish.PAUSE)


def test_one_that_does_not_move_is_told_and_not_run_for_ever(place: Place) -> None:
    place.shop.fill(5)
    place.shop.hold_still()
    place.deploy(place.built({"andon.yaml": DEFINITION}))
    assert place.backfill.state is BackfillState.FAILED
    assert place.backfill.reason == f"5 rows are left, as many as {STANDSTILL} batches ago"


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("done", Said(True, 0)),
        ("filled 10\nDone.\n\n", Said(True, 0)),
        ("0", Said(True, 0)),
        ("working\n1234\n", Said(False, 1234)),
        ("1234 left", Said(False, None)),
        ("", Said(False, None)),
        ("9" * 30, Said(False, None)),
        ("-5", Said(False, None)),
    ],
)
def test_the_last_line_says_how_much_is_left(output: str, expected: Said) -> None:
    assert said(output) == expected


def test_batches_shrink_when_they_take_long_and_grow_back_to_what_was_declared() -> None:
    assert next_rows(1000, 1000, 5.0) == 500
    assert next_rows(1, 1000, 5.0) == 1
    assert next_rows(500, 1000, 0.1) == 1000
    assert next_rows(800, 1000, 0.1) == 1000
    assert next_rows(500, 1000, 1.0) == 500


@pytest.mark.slow
def test_killed_in_the_middle_it_goes_on_where_it_was(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.fill(200)
    worker = [sys.executable, "-m", "tests.flow.schema.worker", str(tmp_path)]
    first = subprocess.Popen(worker, cwd=Path(__file__).parents[3])
    end = time.monotonic() + 60
    while not 0 < shop.left < 200:
        assert time.monotonic() < end, "no batch ever ran"
        assert first.poll() is None
        time.sleep(0.01)
    first.kill()
    first.wait()
    left = shop.left
    assert 0 < left < 200
    subprocess.run(worker, cwd=Path(__file__).parents[3], check=True, timeout=100)
    assert shop.left == 0
    database = Database(open_engine(f"sqlite:///{tmp_path / 'andon.db'}"))
    with database.reading() as reading:
        found = BackfillService().current(reading, STORE, "production")
    database.close()
    assert found is not None
    assert found.state is BackfillState.DONE
    # nothing was begun anew: of a batch that was over when it died only the count may be missing
    assert 19 <= found.batches <= 20
