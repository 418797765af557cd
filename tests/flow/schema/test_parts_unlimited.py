"""The guide's example, run: a column that is expanded, filled in batches and contracted, in real sandboxes."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest

from andon.flow.deployments.contract import DeploymentState, StepName, StepState
from andon.flow.deployments.model import ContractRefused
from andon.flow.schema.contract import Phase
from andon.flow.schema.contract.backfills import BackfillState
from andon.flow.schema.model import Progress
from andon.flow.sources.contract import CommitHash
from andon.kernel.access import SYSTEM
from tests.flow.environments.place import opened_place, wait_until
from tests.flow.installation import STORE
from tests.flow.schema.parts_unlimited import PartsUnlimited

ORDERS = 1_200
BEFORE = f"""
INSERT INTO orders (reference, request_key, sku, part_name, quantity, customer, unit_cents, total_cents, stock_before,
  stock_after, placed_at, cancelled_at)
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ORDERS})
SELECT 'PU-' || replace(replace(printf('%010d', i), '0', 'A'), '1', 'B'), 'key-' || i,
  'EN-2004', 'Spin-on oil filter', 1, 'ada@example.org', 990, 990, 900, 899,
  '2024-01-01T00:00:00+00:00', CASE WHEN i % 3 = 0 THEN '2024-01-02T00:00:00+00:00' END FROM n
"""
SLOW = """
CREATE TRIGGER slow AFTER UPDATE ON orders BEGIN
  SELECT count(*) FROM (
    WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 20000) SELECT n FROM c);
END
"""
"""Each row takes milliseconds, so that a batch can be hit in its middle."""
HALF = "ALTER TABLE orders ADD COLUMN note TEXT;\n\nALTER TABLE nowhere ADD COLUMN note TEXT;\n"


def test_a_new_column_from_expand_to_contract_with_what_goes_wrong_on_the_way(tmp_path: Path) -> None:
    with opened_place(tmp_path / "andon") as place:
        shop = PartsUnlimited(place)
        old = shop.version("02-reviews")
        assert shop.deploy(old).state is DeploymentState.SUCCEEDED
        with shop.book() as book:
            book.execute(BEFORE)
        with customers(shop) as answers:
            breaks_off(shop, old)
            new = shop.version("02-reviews", "05-order-states")
            is_killed_and_goes_on(shop, new)
            contracts_once_nobody_could_go_back(shop, new)
        assert set(answers) == {200}, "customers noticed nothing of any of it"


def breaks_off(shop: PartsUnlimited, old: CommitHash) -> None:
    """An expand migration that fails in its second statement: nothing of its file, no traffic, and what to do."""
    file = "store/migrations/expand/0005-note.sql"
    broken = shop.version("02-reviews", "05-order-states", more={file: HALF})
    ended = shop.deploy(broken)
    assert ended.state is DeploymentState.FAILED
    assert [(one.name, one.state) for one in ended.steps] == [(StepName.EXPAND, StepState.FAILED)]
    for said in (
        "expand/0005-note.sql:3: no such table: nowhere. Nothing of this file was kept",
        "The version that serves has the traffic as before",
        "Mend the migration and deploy again",
    ):
        assert said in ended.reason
    assert shop.serving == old
    columns = "SELECT group_concat(name) FROM pragma_table_info('orders')"
    assert str(shop.ask(columns)).endswith("cancelled_at,state,state_since"), (
        "the file before it stays, of this one nothing"
    )
    assert shop.story.failed is not None
    (shop.checkout / file).unlink()


def is_killed_and_goes_on(shop: PartsUnlimited, new: CommitHash) -> None:
    with shop.book() as book:
        book.execute(SLOW)
    killer = Killer(shop, new)
    killer.start()
    assert shop.deploy(new).state is DeploymentState.SUCCEEDED
    killer.join()
    assert killer.killed
    assert killer.left == ORDERS, "of a batch that was killed nothing is kept"
    found = shop.backfill
    assert (found.state, found.left, found.batches) == (BackfillState.DONE, 0, 3)
    assert "it was ended by a signal" in found.problem
    count = "SELECT group_concat(state || ' ' || n) FROM (SELECT state, count(*) AS n FROM orders GROUP BY state)"
    assert shop.ask(count) == f"cancelled {ORDERS // 3},placed {2 * ORDERS // 3}"


def contracts_once_nobody_could_go_back(shop: PartsUnlimited, new: CommitHash) -> None:
    with shop.book() as book:  # as the version without states would, after a rollback to it
        book.execute("UPDATE orders SET cancelled_at = '2024-02-01T00:00:00+00:00' WHERE reference = 'PU-AAAAAAAAAB'")
    last = shop.version("02-reviews", "05-order-states", "06-states-only")
    assert shop.deploy(last).state is DeploymentState.SUCCEEDED
    assert shop.ask("SELECT state FROM orders WHERE reference = 'PU-AAAAAAAAAB'") == "cancelled"
    refused = pytest.raises(ContractRefused, match=f"{new[:7]}.* can still be rolled back to")
    with refused, shop.database.transaction() as tx:
        shop.deployments.contract(tx, SYSTEM, STORE, "production")
    assert shop.contract() == "succeeded"
    assert shop.ask("SELECT count(*) FROM pragma_table_info('orders') WHERE name = 'cancelled_at'") == 0
    assert "cancelled" in shop.get("/orders/PU-AAAAAAAAA3").text.lower()
    (states,) = (one for one in shop.story.changes if one.name == "0004-order-states")
    told = [(one.phase, one.progress, one.commit) for one in states.entries]
    first = told[0][2]
    assert told == [
        (Phase.EXPAND, Progress.DONE, first),
        (Phase.BACKFILL, Progress.DONE, new),
        (Phase.CONTRACT, Progress.DONE, last),
    ]


class Killer(threading.Thread):
    """Ends the backfill's process for good while it is in the middle of its first batch."""

    def __init__(self, shop: PartsUnlimited, commit: CommitHash) -> None:
        super().__init__(name="killer")
        self._shop = shop
        self._commit = commit
        self.killed = False
        self.left = -1

    def run(self) -> None:
        wait_until(self._shop.has_begun_to_fill)
        wait_until(lambda: backfills_of(self._commit))
        wait_until(self._writes)
        (process,) = backfills_of(self._commit)
        os.kill(process, signal.SIGKILL)
        self.killed = True
        with self._shop.book() as book:  # the killed one's lock is gone with it
            self.left = book.execute("SELECT count(*) FROM orders WHERE state IS NULL").fetchone()[0]
            book.execute("DROP TRIGGER slow")

    def _writes(self) -> bool:
        """Whether somebody holds the lock for writing."""
        with self._shop.book() as book:
            book.execute("PRAGMA busy_timeout = 0")
            try:
                book.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return True
            book.execute("ROLLBACK")
        return False


def backfills_of(commit: CommitHash) -> list[int]:
    """Processes that fill for this commit: others may run on this machine, too."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            fills = process.cmdline()[-3:] == ["-m", "store.migrate", "backfill"]
            if fills and process.environ().get("ANDON_COMMIT") == commit:
                found.append(process.pid)
    return found


@contextmanager
def customers(shop: PartsUnlimited) -> Iterator[list[int]]:
    """Somebody who looks at the shop all the time; the statuses of all answers."""
    answers: list[int] = []
    over = threading.Event()

    def look() -> None:
        address = shop.place().address
        with httpx.Client(timeout=60, trust_env=False) as client:
            while not over.wait(0.02):
                answers.append(client.get(address).status_code)

    looking = threading.Thread(target=look, name="customers")
    looking.start()
    try:
        yield answers
    finally:
        over.set()
        looking.join()
