"""A database of a shop that a backfill fills, and an environment in which the backfill's command really runs."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

from andon.flow.definition.contract import MigrationDefinition
from andon.flow.environments.contract import CommandOutcome, SetId
from andon.flow.environments.memory import InMemoryEnvironments
from andon.kernel.logs.writer import LogWriter

FILL = """
import os, sqlite3, sys, time
db = sqlite3.connect(os.environ["SHOP"], timeout=30)
if os.path.exists(os.environ["SHOP"] + ".broken"):
    sys.exit("database is locked")
with db:
    os.path.exists(os.environ["SHOP"] + ".still") or db.execute(
        "UPDATE orders SET state = 'placed' WHERE id IN (SELECT id FROM orders WHERE state IS NULL LIMIT ?)",
        (int(os.environ["ANDON_BATCH"]),),
    )
left = db.execute("SELECT count(*) FROM orders WHERE state IS NULL").fetchone()[0]
print(f"{left}" if left else "done")
"""
"""A ``.backfill.sql`` in the hands of a repository's own tool."""


class Shop:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "shop.db"

    def fill(self, orders: int) -> None:
        with closing(sqlite3.connect(self.path)) as db, db:
            db.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, state TEXT)")
            db.executemany("INSERT INTO orders (id) VALUES (?)", [(one,) for one in range(orders)])

    @property
    def left(self) -> int:
        with closing(sqlite3.connect(self.path)) as db:
            return int(db.execute("SELECT count(*) FROM orders WHERE state IS NULL").fetchone()[0])

    def break_(self) -> None:
        self.path.with_name("shop.db.broken").touch()

    def hold_still(self) -> None:
        """Each batch from now on ends well and fills nothing."""
        self.path.with_name("shop.db.still").touch()

    def mend(self) -> None:
        self.path.with_name("shop.db.broken").unlink()


class RunningEnvironments(InMemoryEnvironments):
    """What runs and what routes is imagined; commands of backfills are not."""

    shop: Shop
    logs: Path
    ran: int = 0

    def run_command(
        self,
        set_id: SetId,
        *,
        key: str,
        command: str,
        timeout: float,
        variables: Mapping[str, str],
        stopping: Callable[[], bool],
    ) -> CommandOutcome:
        if key != "backfill":
            return super().run_command(
                set_id, key=key, command=command, timeout=timeout, variables=variables, stopping=stopping
            )
        return run(self.logs, command, variables, self.shop)


def run(logs: Path, command: str, variables: Mapping[str, str], shop: Shop) -> CommandOutcome:
    assert command == COMMAND
    number = len(list(logs.iterdir())) if logs.is_dir() else 0
    ended = subprocess.run(
        [sys.executable, "-c", FILL],
        env={**os.environ, **variables, "SHOP": str(shop.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    log = LogWriter(logs / f"{os.getpid()}-{number}")
    log.write(ended.stdout)
    log.close()
    return CommandOutcome(
        exit_code=ended.returncode, timed_out=False, seconds=0.1, log=logs / f"{os.getpid()}-{number}"
    )


COMMAND = "python3 -m migrate backfill"
DEFINED = MigrationDefinition(backfill=COMMAND, batch=10, pause=0.0)
