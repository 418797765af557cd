"""Change the database in steps, so that two versions of the shop can use it at the same time.

    python3 -m store.migrate expand     before the new code: only adds, so the old code goes on working
    python3 -m store.migrate backfill   after the switch, again and again: fills some of what expand has added
    python3 -m store.migrate contract   later and on purpose: removes what only old code needed
    python3 -m store.migrate status     what has been done, what has not; changes nothing

A migration is one file in store/migrations/expand, backfill or contract; they run in the order of their names. Expand
and contract are safe to repeat and safe to run twice at once: one run takes the write lock, the other waits and finds
nothing left to do. Each migration and its line in the ledger are one transaction.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from store import config, database

FOLDER = Path(__file__).parent / "migrations"
KINDS = ("expand", "contract")
_LEDGER = """
CREATE TABLE IF NOT EXISTS migrations (
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  applied_at TEXT NOT NULL,
  PRIMARY KEY (kind, name)
)"""


class MigrationError(Exception):
    """The database and this version's migrations do not fit together. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: what to change, and the fingerprint that shows whether it was edited after it ran."""

    kind: str
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """The file's fingerprint."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    def statements(self) -> Iterator[tuple[int, str]]:
        """Line and text of each statement: sqlite3's executescript would commit before the first."""
        pending, begun = "", 0
        for number, line in enumerate(self.sql.splitlines(keepends=True), start=1):
            if not begun and line.strip() and not line.lstrip().startswith("--"):
                begun = number
            pending += line
            if sqlite3.complete_statement(pending):
                yield begun or number, pending
                pending, begun = "", 0
        if any(line.strip() and not line.lstrip().startswith("--") for line in pending.splitlines()):
            raise MigrationError(f"{self.kind}/{self.name} ends in the middle of a statement; is a ';' missing?")


def known(kind: str, folder: Path = FOLDER) -> list[Migration]:
    """The migrations this version brings, in order."""
    return [Migration(kind, path.stem, path.read_text("utf-8")) for path in sorted((folder / kind).glob("*.sql"))]


def applied(db: sqlite3.Connection, kind: str) -> dict[str, str]:
    """What the ledger says was done: name to fingerprint."""
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'migrations'").fetchone():
        return {}
    rows = db.execute("SELECT name, sha256 FROM migrations WHERE kind = ? ORDER BY name", (kind,))
    return {row["name"]: row["sha256"] for row in rows}


def run(db: sqlite3.Connection, kind: str, folder: Path = FOLDER) -> list[str]:
    """Apply what is missing and return the names.

    Each migration commits on its own: if the third fails, the first two stay, and the next run goes on at the third.
    Raises MigrationError when this version cannot work with the database as it is.
    """
    done = []
    for migration in known(kind, folder):
        with database.writing(db):
            db.execute(_LEDGER)
            _check(db, folder)
            if kind == "contract" and (missing := _missing(db, "expand", folder)):
                raise MigrationError(f"Run expand first: {', '.join(missing)} has not been applied.")
            # Asked only now, with the lock held: another run may have done it while we waited.
            if migration.name in applied(db, kind):
                continue
            for line, statement in migration.statements():
                try:
                    db.execute(statement)
                except sqlite3.Error as error:
                    raise MigrationError(
                        f"{kind}/{migration.name}.sql:{line}: {error}. Nothing of this file was kept; files before it "
                        "stay as they are. Mend the statement and run this again."
                    ) from error
            db.execute(
                "INSERT INTO migrations VALUES (?, ?, ?, ?)",
                (kind, migration.name, migration.sha256, datetime.now(UTC).isoformat(timespec="seconds")),
            )
        done.append(migration.name)
    return done


def fill(db: sqlite3.Connection, rows: int, folder: Path = FOLDER) -> int:
    """One batch of every backfill, each a transaction of its own; how many rows are left in all of them.

    A file changes at most `:batch` rows that are not done yet, and asks at its end how many are left. There is no
    ledger: an older version may come back and leave rows empty again.
    """
    left = 0
    for migration in known("backfill", folder):
        with database.writing(db):
            if migration.name in applied(db, "contract"):
                continue  # what it would fill from is gone, and every row is filled
            answer = None
            for line, statement in migration.statements():
                try:
                    answer = db.execute(statement, {"batch": rows}).fetchone()
                except sqlite3.Error as error:
                    raise MigrationError(
                        f"backfill/{migration.name}.sql:{line}: {error}. Nothing of this batch was kept; those before "
                        "it stay. Mend the statement and run this again."
                    ) from error
            if answer is None:
                raise MigrationError(f"backfill/{migration.name}.sql has to end with a question: how many are left?")
            left += int(answer[0])
    return left


def _missing(db: sqlite3.Connection, kind: str, folder: Path) -> list[str]:
    there = applied(db, kind)
    return [migration.name for migration in known(kind, folder) if migration.name not in there]


def _check(db: sqlite3.Connection, folder: Path) -> None:
    for kind in KINDS:
        there = applied(db, kind)
        for migration in known(kind, folder):
            if there.get(migration.name, migration.sha256) != migration.sha256:
                raise MigrationError(
                    f"{kind}/{migration.name} was edited after it had been applied. "
                    "Put it back as it was and write a new migration instead."
                )
    # An expand we do not know is a newer version's, and only added something. A contract we do not know took away
    # something that this version may need.
    mine = {migration.name for migration in known("contract", folder)}
    if foreign := sorted(applied(db, "contract").keys() - mine):
        raise MigrationError(
            f"A newer version has contracted this database ({', '.join(foreign)}): this version is too old for it. "
            "Deploy a newer one."
        )


def _status(db: sqlite3.Connection) -> None:
    for kind in KINDS:
        there, mine = applied(db, kind), [migration.name for migration in known(kind)]
        for name in mine:
            print(f"{kind:9} {name:28} {'applied' if name in there else 'not applied'}")
        for name in sorted(there.keys() - set(mine)):
            print(f"{kind:9} {name:28} applied by a newer version")


def main(arguments: list[str] | None = None) -> int:
    """The command line. 0: done, 1: refused or failed, with the reason on standard error."""
    parser = argparse.ArgumentParser(prog="store.migrate", description="Change the shop's database.")
    parser.add_argument("what", choices=(*KINDS, "backfill", "status"))
    what = parser.parse_args(arguments).what
    try:
        path = config.database_path()
        if what == "status" and not path.exists():
            print(f"There is no database at {path} yet; expand makes one.")
            return 0
        with closing(database.connect(path)) as db:
            if what == "status":
                _status(db)
                return 0
            if what == "backfill":
                print(fill(db, int(os.environ.get("ANDON_BATCH", "1000"))) or "done")
                return 0
            done = run(db, what)
    except (config.ConfigError, MigrationError, sqlite3.Error) as error:
        print(f"{what}: {error}", file=sys.stderr)
        return 1
    for name in done:
        print(f"{what}: {name} applied")
    if not done:
        print(f"{what}: nothing to do")
    return 0


if __name__ == "__main__":
    sys.exit(main())
