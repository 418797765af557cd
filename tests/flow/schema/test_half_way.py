"""What a migration that breaks off leaves behind, on real databases: the guide's advice, run."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import psycopg
import pytest

from andon.flow.schema.checking import check
from andon.flow.schema.contract import Dialect, Phase, Rule, Source, Weight
from tests.databases import Databases
from tests.flow.schema.databases_of_cases import schema_of

HALF = (
    "ALTER TABLE orders ADD COLUMN tax int;",
    "CREATE TABLE taxes (id int);",
    "ALTER TABLE orders ADD COLUMN quantity int;",  # it is there: this one breaks off
)
MENDED = (*HALF[:2], "ALTER TABLE orders ADD COLUMN rate int;")
INDEX = (
    "-- andon: accept drop: what a run that broke off has left invalid\n"
    "DROP INDEX CONCURRENTLY IF EXISTS one_customer;\n"
    "CREATE INDEX CONCURRENTLY one_customer ON orders (customer);\n"
)


@pytest.fixture
def postgres(databases: Databases) -> Iterator[psycopg.Connection]:
    with schema_of(databases.postgres, "half_way") as connection:
        yield connection


def columns(connection: psycopg.Connection) -> set[str]:
    found = connection.execute(
        "SELECT column_name FROM information_schema.columns "
        "WHERE table_schema = current_schema AND table_name = 'orders'"
    ).fetchall()
    return {str(row[0]) for row in found}


def as_one(connection: psycopg.Connection, statements: tuple[str, ...]) -> None:
    with connection.transaction():
        for statement in statements:
            connection.execute(statement.encode())


@pytest.mark.postgres
def test_postgresql_undoes_the_whole_file_and_a_mended_one_runs(postgres: psycopg.Connection) -> None:
    before = columns(postgres)
    postgres.commit()
    with pytest.raises(psycopg.errors.DuplicateColumn):
        as_one(postgres, HALF)
    assert columns(postgres) == before
    as_one(postgres, MENDED)
    assert columns(postgres) == before | {"tax", "rate"}


@pytest.mark.postgres
def test_an_index_that_broke_off_is_invalid_and_its_file_mends_it_when_it_runs_again(
    postgres: psycopg.Connection,
) -> None:
    postgres.autocommit = True
    postgres.execute("UPDATE orders SET customer = 'the same'")
    with pytest.raises(psycopg.errors.UniqueViolation):
        postgres.execute("CREATE UNIQUE INDEX CONCURRENTLY one_customer ON orders (customer)")
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'one_customer'::regclass"
    assert postgres.execute(valid.encode()).fetchone() == (False,)
    for _ in range(2):
        for statement in INDEX.split("\n")[1:-1]:
            postgres.execute(statement.encode())
        assert postgres.execute(valid.encode()).fetchone() == (True,)


def test_the_check_lets_that_file_pass_with_its_reason() -> None:
    report = check([Source(file="1.expand.sql", phase=Phase.EXPAND, text=INDEX)], Dialect.POSTGRESQL)
    assert [(one.rule, one.weight, one.line) for one in report.findings] == [(Rule.DROP, Weight.ACCEPTED, 2)]


def test_sqlite_undoes_the_whole_file_where_the_tool_opens_a_transaction() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("CREATE TABLE orders (id INTEGER, quantity INTEGER)")

    def run(statements: tuple[str, ...]) -> None:
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in statements:
                connection.execute(statement)
        except sqlite3.Error:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    with pytest.raises(sqlite3.OperationalError, match="duplicate column name: quantity"):
        run(HALF)
    assert [row[1] for row in connection.execute("PRAGMA table_info(orders)")] == ["id", "quantity"]
    run(MENDED)
    assert [row[1] for row in connection.execute("PRAGMA table_info(orders)")] == ["id", "quantity", "tax", "rate"]
    connection.close()
