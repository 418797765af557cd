"""Changes to the database: who makes them, and what is checked of them before."""

from __future__ import annotations

from andon.flow.definition.contract import MigrationDefinition
from andon.flow.definition.kinds import Choice, Field, Record, Truth, Values, Whole, duration
from andon.flow.definition.shape.stages import DAY
from andon.flow.definition.shape.texts import FOLDER, command
from andon.flow.schema.contract import Dialect

_MIGRATIONS = MigrationDefinition()

EXPAND: Field[str | None] = Field(
    "expand",
    command("python3 -m store.migrate expand"),
    "Adds what the new version needs; safe to repeat. Runs before the new version starts.",
    None,
)
BACKFILL: Field[str | None] = Field(
    "backfill",
    command("python3 -m store.migrate backfill"),
    "Fills what `expand` has added, `$ANDON_BATCH` rows a run. Run again and again after the switch, until the last "
    "line that it prints is `done`; a number there is how many rows are left.",
    None,
)
CONTRACT: Field[str | None] = Field(
    "contract",
    command("python3 -m store.migrate contract"),
    "Removes what no version needs any more. Runs only when somebody says so, and never while an older "
    "version could be rolled back to.",
    None,
)
TIMEOUT = Field(
    "timeout", duration(1, DAY, "5m"), "Time each of them may take; of `backfill` each run.", _MIGRATIONS.timeout
)
BATCH = Field("batch", Whole(1, 1_000_000, 1_000), "Rows of one run of `backfill`.", _MIGRATIONS.batch)
PAUSE = Field(
    "pause", duration(0, 3600, "1s"), "Time between two runs of `backfill`, in which others get on.", _MIGRATIONS.pause
)
DATABASE: Field[Dialect | None] = Field("database", Choice(Dialect), "What the SQL is written for.", None)
MIGRATION_FOLDER: Field[str | None] = Field(
    "folder",
    FOLDER,
    "Where the files of SQL are. They are checked in the first stage: `0007_state.expand.sql`, `….backfill.sql`, "
    "`….contract.sql`, or in folders `expand`, `backfill`, `contract`.",
    None,
)
SQL: Field[str | None] = Field(
    "sql",
    command("alembic upgrade head --sql"),
    "Prints the SQL of `expand` that is not live yet, to be checked instead of files.",
    None,
)

OLD_SCHEMA = Field(
    "old_schema",
    Truth(),
    "Whether the new version works on the old schema, too. A rehearsal then tries it there, with its health and its "
    "smoke tests, before `expand` runs.",
    _MIGRATIONS.old_schema,
)


def _migrations(_name: str, values: Values) -> MigrationDefinition:
    return MigrationDefinition(
        expand=values[EXPAND],
        backfill=values[BACKFILL],
        contract=values[CONTRACT],
        timeout=values[TIMEOUT],
        batch=values[BATCH],
        pause=values[PAUSE],
        database=values[DATABASE],
        folder=values[MIGRATION_FOLDER],
        sql=values[SQL],
        old_schema=values[OLD_SCHEMA],
    )


MIGRATIONS = Record(
    "a migration",
    "Changes to the database in phases, so that the version before and the version after both work in between.",
    (EXPAND, BACKFILL, CONTRACT, TIMEOUT, BATCH, PAUSE, DATABASE, MIGRATION_FOLDER, SQL, OLD_SCHEMA),
    _migrations,
    together=(("folder", "sql"),),
    one_of=("expand", "backfill", "contract", "folder", "sql"),
)
