"""Each rule against a real database: what may run leaves old code as it was, what is refused does the harm told."""

from __future__ import annotations

import itertools

import pytest

from andon.flow.schema.checking import check
from andon.flow.schema.contract import Dialect, Phase, Report, Source, Weight
from tests.databases import Databases
from tests.flow.schema import cases_postgres, cases_sqlite
from tests.flow.schema.case import Case, Proof
from tests.flow.schema.databases_of_cases import POSTGRES_BEFORE, SQLITE_BEFORE, seen_on_postgres, seen_on_sqlite

_numbers = itertools.count()
_HARM = {Proof.OLD, Proof.REWRITE, Proof.SCAN, Proof.ROWS, Proof.FAILS}
"""A lock for a moment is no harm: nearly every change of a table takes one."""


def checked(case: Case, dialect: Dialect) -> Report:
    before = POSTGRES_BEFORE if dialect is Dialect.POSTGRESQL else SQLITE_BEFORE
    return check(
        [
            Source(file="0001.expand.sql", phase=Phase.EXPAND, text=before, judged=False),
            Source(file=f"0002.{case.phase}.sql", phase=case.phase, text=case.sql),
        ],
        dialect,
    )


def rules(report: Report, weight: Weight) -> list[str]:
    return sorted({one.rule.value for one in report.findings if one.weight is weight})


def judged_as_told(case: Case, dialect: Dialect) -> None:
    report = checked(case, dialect)
    assert rules(report, Weight.REFUSED) == sorted(case.refused)
    assert rules(report, Weight.HINT) == sorted(case.hints)
    assert rules(report, Weight.TOLD) == sorted(case.told)
    assert all(one.breaks and one.safe and one.file == f"0002.{case.phase}.sql" for one in report.findings)


def proven(case: Case, seen: set[Proof]) -> None:
    if case.refused:
        assert set(case.proof) <= seen, f"it was said to do {sorted(case.proof)}, seen was {sorted(seen)}"
        assert case.proof or case.unproven, "a refusal without a proof says why there is none"
    else:
        assert not seen & _HARM, f"it was let pass, and does {sorted(seen)}"


def named(cases: list[Case]) -> list[object]:
    return [pytest.param(case, id=case.name.replace(" ", "-")) for case in cases]


@pytest.mark.parametrize("case", named([*cases_postgres.EXPAND, *cases_postgres.CONTRACT, *cases_postgres.BACKFILL]))
def test_postgresql_is_judged(case: Case) -> None:
    judged_as_told(case, Dialect.POSTGRESQL)


@pytest.mark.parametrize("case", named([*cases_sqlite.EXPAND, *cases_sqlite.CONTRACT, *cases_sqlite.BACKFILL]))
def test_sqlite_is_judged(case: Case) -> None:
    judged_as_told(case, Dialect.SQLITE)


@pytest.mark.postgres
@pytest.mark.parametrize("case", named([one for one in cases_postgres.EXPAND if one.runs]))
def test_a_postgresql_server_shows_what_was_said(databases: Databases, case: Case) -> None:
    proven(case, seen_on_postgres(databases.postgres, f"case_{next(_numbers)}", case.sql))


@pytest.mark.parametrize("case", named([one for one in cases_sqlite.EXPAND if one.runs]))
def test_sqlite_shows_what_was_said(case: Case) -> None:
    proven(case, seen_on_sqlite(case.sql))


def test_there_are_cases_enough_on_both_databases() -> None:
    every = [*cases_postgres.EXPAND, *cases_postgres.CONTRACT, *cases_postgres.BACKFILL]
    every_sqlite = [*cases_sqlite.EXPAND, *cases_sqlite.CONTRACT, *cases_sqlite.BACKFILL]
    assert len(every) >= 120
    assert len(every_sqlite) >= 60
    for cases in (every, every_sqlite):
        names = [(one.phase, one.name) for one in cases]
        assert len(names) == len(set(names))
