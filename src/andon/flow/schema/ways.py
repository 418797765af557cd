"""What breaks, for whom, and the safe way: the sentences that both dialects share.

Each returns what :meth:`Collector.note` takes after the rule: what breaks, the safe way, an example in SQL.
"""

from __future__ import annotations

Way = tuple[str, str, str]

LATER = "Do it in a contract migration, once no version that may come back uses it."


def drop_table(table: str) -> Way:
    return (
        f"The version that serves reads and writes {table}; from this moment its requests fail.",
        f"Leave {table} in place. Deploy a version that no longer uses it. {LATER}",
        f"-- 00NN_drop.contract.sql\nDROP TABLE {table};",
    )


def drop_column(table: str, column: str) -> Way:
    return (
        f"The version that serves names {table}.{column} in its queries; from this moment they fail.",
        f"First deploy a version that neither reads nor writes {column}. {LATER}",
        f"-- 00NN_drop_{column}.contract.sql\nALTER TABLE {table} DROP COLUMN {column};",
    )


def drop_other(kind: str, name: str) -> Way:
    return (
        f"The version that serves may rely on the {kind} {name}, by name or by what it guarantees.",
        LATER,
        "",
    )


def rename_column(table: str, old: str, new: str) -> Way:
    return (
        f"Two versions live on one schema: one of them knows {table} only with {old}, the other only with {new}.",
        f"Add {new} beside {old}; write both; fill {new} in a backfill; read {new}; drop {old} in a contract.",
        (
            f"-- expand\nALTER TABLE {table} ADD COLUMN {new} …;\n"
            f"-- backfill\nUPDATE {table} SET {new} = {old} WHERE {new} IS NULL AND … LIMIT :batch;\n"
            f"-- contract\nALTER TABLE {table} DROP COLUMN {old};"
        ),
    )


def rename_table(kind: str, old: str, new: str) -> Way:
    return (
        f"Two versions live on one schema: one of them looks for {old}, the other for {new}.",
        (
            f"Keep the {kind} {old} and give it another name in the code only. If it must be: make {new}, write "
            "both, fill "
            f"{new} in a backfill, read {new}, and drop {old} in a contract migration."
        ),
        f"CREATE TABLE {new} (…);  -- expand" if kind == "table" else "",
    )


def not_null_column(table: str, column: str, default: str = "''") -> Way:
    return (
        f"The version that serves does not know {column}: each of its INSERTs into {table} fails on the missing value.",
        "Give the column a constant default, or let it be empty now and require it in a contract migration.",
        (
            f"ALTER TABLE {table} ADD COLUMN {column} … NOT NULL DEFAULT {default};\n"
            f"-- or\nALTER TABLE {table} ADD COLUMN {column} …;"
        ),
    )


def rows(table: str, what: str) -> Way:
    return (
        f"{what} rows of {table} in one statement locks each of them until the end, and the version that serves waits.",
        "Expand changes the shape only. Move it into a backfill, which runs after the switch, in small batches.",
        (
            f"-- 00NN_fill.backfill.sql, run until it changes no row\n"
            f"UPDATE {table} SET … WHERE id IN (SELECT id FROM {table} WHERE … LIMIT :batch);"
        ),
    )


def constraint(table: str, what: str) -> Way:
    return (
        f"The version that serves does not know of {what}: what it writes to {table} may violate it, and then fails.",
        (
            "Keep the rule in the new version's code first. Add the constraint in a contract migration, when "
            "no version "
            "is left that does not keep it."
        ),
        "",
    )


def unique(table: str, columns: str) -> Way:
    return (
        f"The version that serves may write a value of {columns} to {table} a second time, and then fails.",
        "Make the index unique in a contract migration, once only versions are left that keep the values apart.",
        "",
    )


def behaviour(what: str) -> Way:
    return (
        f"{what} The version that serves was never tested with that.",
        (
            "Do it in the new version's code. If the database has to, say why it does no harm: "
            "-- andon: accept behaviour REASON, on the line before."
        ),
        "",
    )


def outside(what: str) -> Way:
    return (
        f"{what} A migration has the database's rights on that machine.",
        "A migration changes tables and nothing else. Do this by hand, or in a job that is meant for it.",
        "",
    )


def hidden(what: str) -> Way:
    return (
        f"{what}: what it does cannot be seen from here, so nobody can say that the version that serves survives it.",
        (
            "Write the statements out. If that cannot be, say what it does: -- andon: accept hidden REASON, on "
            "the line "
            "before."
        ),
        "",
    )


def unknown(what: str) -> Way:
    return (
        f"{what} is not among the statements that are known to add and nothing else.",
        "If it does no harm to the version that serves, say why: -- andon: accept unknown REASON, on the line before.",
        "",
    )


def in_backfill(what: str) -> Way:
    return (
        f"{what} changes the shape of the database, and a backfill runs while versions on the old shape serve.",
        "Put it into the expand or the contract migration. A backfill is one INSERT, UPDATE, DELETE or MERGE.",
        "",
    )


def unbounded() -> Way:
    return (
        "Nothing bounds how many rows one run of it changes: it would lock the table for as long as that takes.",
        (
            "Bound it with :batch, which Andon replaces by the number of rows of a batch, and let its WHERE "
            "leave out what "
            "is done: it is run until it changes no row."
        ),
        "UPDATE orders SET state = 'placed'\nWHERE id IN (SELECT id FROM orders WHERE state IS NULL LIMIT :batch);",
    )
