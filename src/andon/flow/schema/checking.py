"""Checks files of SQL: pure, and in this process. For files that others have written see ``apart``."""

from __future__ import annotations

from collections.abc import Sequence

from andon.flow.schema.catalogue import Catalogue
from andon.flow.schema.collecting import Collector
from andon.flow.schema.contract import Dialect, Phase, Report, Rule, Source
from andon.flow.schema.postgres.judge import judge as judge_postgres
from andon.flow.schema.postgres.reading import read as read_postgres
from andon.flow.schema.sqlite.judge import judge as judge_sqlite
from andon.flow.schema.sqlite.reading import read as read_sqlite
from andon.flow.schema.statement import Cut, Unreadable

_NAMES = {Dialect.POSTGRESQL: "PostgreSQL", Dialect.SQLITE: "SQLite"}


def check(sources: Sequence[Source], dialect: Dialect) -> Report:
    """What stands in the way of running these files while two versions live on one schema.

    ``sources`` are in the order in which they run; those that are not judged tell what the tables were like before.
    """
    catalogue = Catalogue()
    found = []
    statements = 0
    for source in sources:
        if not source.judged and source.phase is Phase.BACKFILL:
            continue
        catalogue.begin_file()
        notes = Collector(source)
        try:
            if dialect is Dialect.POSTGRESQL:
                read = read_postgres(source.text)
                judge_postgres(read, notes, catalogue)
                count = len(read)
            else:
                cuts = read_sqlite(source.text)
                judge_sqlite(cuts, notes, catalogue)
                count = len(cuts)
        except Unreadable as error:
            _unreadable(source, error, notes, dialect)
            count = 0
        if source.judged:
            statements += count
            found += sorted(notes.findings, key=lambda one: one.line)
    return Report(
        findings=tuple(found),
        statements=statements,
        files=tuple(one.file for one in sources if one.judged),
    )


def _unreadable(source: Source, error: Unreadable, notes: Collector, dialect: Dialect) -> None:
    line = source.text.count("\n", 0, error.offset) + 1
    rows = source.text.splitlines()
    shown = Cut(text=rows[line - 1] if line <= len(rows) else "", line=line)
    notes.note(
        shown,
        Rule.UNPARSABLE,
        f"{_NAMES[dialect]} cannot read it: {error}. Nothing in this file was checked.",
        "Write plain SQL, one statement after another. Commands of psql or sqlite3 (\\copy, .read) and templates are "
        "not SQL; a tool that fills in templates can print what it would run, and `migrations.sql` names that command.",
    )
