"""The tables of the cases and the code that uses them before a migration: what it gets, on a real database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
from psycopg import sql

from tests.databases import Postgres
from tests.flow.schema.case import Proof

POSTGRES_BEFORE = """
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TABLE parts (
  sku text PRIMARY KEY, name text NOT NULL, label text UNIQUE, price_cents int NOT NULL CHECK (price_cents > 0),
  stock int NOT NULL DEFAULT 0, code varchar(50), weight numeric(8,2), added timestamp(3), net cidr, popularity int
);
CREATE TABLE orders (
  id bigint PRIMARY KEY, sku text NOT NULL REFERENCES parts (sku), customer text NOT NULL, quantity int NOT NULL,
  state text, feeling mood, big bigint, placed_at timestamptz NOT NULL DEFAULT '2024-03-01 12:00+00'
);
CREATE INDEX orders_of_customer ON orders (customer);
CREATE UNIQUE INDEX parts_code ON parts (code);
CREATE TABLE states (name text PRIMARY KEY, CONSTRAINT short CHECK (length(name) < 100));
CREATE TABLE spare (id int);
CREATE TABLE visits (id int, month int) PARTITION BY LIST (month);
CREATE TABLE visits_1 PARTITION OF visits FOR VALUES IN (1);
CREATE SEQUENCE numbers;
CREATE VIEW open_orders AS SELECT id FROM orders WHERE state = 'open';
CREATE FUNCTION dice() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 4; END';
CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.state := upper(NEW.state); RETURN NEW; END $$;
"""

POSTGRES_ROWS = """
INSERT INTO parts VALUES ('A', 'Disc', 'a', 100, 5, 'a1', 1.25, '2024-01-01 10:00:00.123', '10.0.0.0/8', 9),
  ('B', 'Pad', 'b', 200, 6, 'b1', 99999.75, '2024-01-02 11:30:00', NULL, NULL);
INSERT INTO orders (id, sku, customer, quantity, state, feeling, big)
  SELECT n, 'A', 'customer ' || n, n % 5, CASE n % 3 WHEN 0 THEN 'open' WHEN 1 THEN 'placed' END, 'ok', 7
  FROM generate_series(1, 50) AS n;
INSERT INTO states VALUES ('open'), ('placed');
INSERT INTO spare VALUES (1);
INSERT INTO visits VALUES (1, 1);
"""

POSTGRES_OLD_CODE = (
    "SELECT id, sku, customer, quantity, state, feeling, big, placed_at FROM orders WHERE id <= 50 ORDER BY id",
    "SELECT * FROM open_orders WHERE id <= 50 ORDER BY id",
    "SELECT sku, name, label, price_cents, stock, code, weight, added, net FROM parts ORDER BY sku",
    (
        "INSERT INTO orders (id, sku, customer, quantity, state, big) VALUES (100, 'A', 'new', 3, NULL, 5000000000) "
        "RETURNING id, state, placed_at, feeling"
    ),
    "INSERT INTO orders VALUES (101, 'B', 'without names', 9, 'unheard of', 'sad', 1, '2024-05-05') RETURNING state",
    "INSERT INTO orders (id, sku, customer, quantity, state) VALUES (102, 'A', 'three', 1, 'lower') RETURNING state",
    (
        "INSERT INTO parts (sku, name, label, price_cents, code, weight, added) VALUES "
        "('C', 'Disc', 'a long label', 1, 'a code that is longer', 123456.78, '2024-06-06 06:06:06.999') "
        "RETURNING stock, code, weight, added"
    ),
    "INSERT INTO parts (sku, name, price_cents) VALUES ('D', 'Disc', 7), ('E', 'Pad', 8) RETURNING sku, stock",
    (
        "INSERT INTO parts (sku, name, label, price_cents) VALUES ('F', 'x', 'a', 7) ON CONFLICT (label) DO UPDATE "
        "SET stock = 77 RETURNING sku, stock"
    ),
    "INSERT INTO parts (sku, name, price_cents, code) VALUES ('G', 'x', 7, 'a1') ON CONFLICT (code) DO NOTHING",
    "UPDATE orders SET state = 'a much longer state' WHERE id = 1 RETURNING state",
    "UPDATE orders SET feeling = 'sad' WHERE id = 2 RETURNING feeling",
    "SELECT big + 3000000000 FROM orders WHERE id = 3",
    "SELECT customer FROM orders WHERE quantity = 2 AND id <= 50 ORDER BY id",
    "UPDATE parts SET stock = stock - 1 WHERE sku = 'A' RETURNING stock",
    "DELETE FROM orders WHERE id = 4 RETURNING id",
    "SELECT dice(), nextval('numbers')",
    "SELECT id FROM spare",
    "SELECT count(*) FROM orders",
    "SELECT * FROM visits",
)

_HEAVY = ("ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock")
_TABLES = ("orders", "parts", "states", "spare")


def seen_on_postgres(server: Postgres, name: str, migration: str) -> set[Proof]:
    """What a server shows while and after ``migration`` runs under old code."""
    expected = _without(server)
    with schema_of(server, name) as connection:
        seen: set[Proof] = set()
        before = _files(connection)
        alone = any(word in migration for word in ("CONCURRENTLY", "VACUUM", "CLUSTER", "BEGIN;"))
        try:
            if alone:
                _run_alone(connection, migration, seen)
            else:
                _run(connection, migration, seen)
        except psycopg.Error:
            connection.rollback()
            seen.add(Proof.FAILS)
        connection.autocommit = True
        connection.execute("RESET lock_timeout")
        after = _files(connection)
        if any(after.get(table, before[table]) != before[table] for table in before):
            seen.add(Proof.REWRITE)
        if _old_code_on_postgres(connection) != expected:
            seen.add(Proof.OLD)
    return seen


_expected: list[list[object]] = []


def _without(server: Postgres) -> list[object]:
    """What old code gets where no migration has run; the same each time."""
    if not _expected:
        with schema_of(server, "untouched") as connection:
            _expected.append(_old_code_on_postgres(connection))
    return _expected[0]


def _run(connection: psycopg.Connection, migration: str, seen: set[Proof]) -> None:
    with connection.transaction():
        before = _counts(connection)
        connection.execute(migration.encode())
        _look(connection, before, seen)


def _run_alone(connection: psycopg.Connection, migration: str, seen: set[Proof]) -> None:
    """Statement by statement, as psql does: some of them allow no transaction around them."""
    inside = "BEGIN" in migration
    connection.autocommit = True
    before = _counts(connection)
    for statement in migration.split(";"):
        if not statement.strip():
            continue
        if inside and statement.strip() == "COMMIT":
            _look(connection, before, seen)
        connection.execute(statement.encode())


def _counts(connection: psycopg.Connection) -> dict[str, tuple[int, int]]:
    """Table → scans of the whole, rows changed or deleted; in this session, and not yet handed on."""
    found = connection.execute(
        "SELECT relname, seq_scan, n_tup_upd + n_tup_del FROM pg_stat_xact_user_tables WHERE schemaname = "
        "current_schema"
    ).fetchall()
    return {str(table): (int(scans), int(changed)) for table, scans, changed in found}


def _look(connection: psycopg.Connection, before: dict[str, tuple[int, int]], seen: set[Proof]) -> None:
    heavy = {
        str(row[0])
        for row in connection.execute(
            "SELECT c.relname FROM pg_locks l JOIN pg_class c ON c.oid = l.relation "
            "WHERE l.pid = pg_backend_pid() AND l.granted AND l.mode = ANY(%s) AND c.relnamespace = "
            "current_schema::regnamespace",
            [list(_HEAVY)],
        ).fetchall()
    } & set(_TABLES)
    if heavy:
        seen.add(Proof.LOCK)
    for table, (scans, changed) in _counts(connection).items():
        scans_before, changed_before = before.get(table, (0, 0))
        if table in heavy and scans > scans_before:
            seen.add(Proof.SCAN)
        if table == "orders" and changed - changed_before >= 50:
            seen.add(Proof.ROWS)


@contextmanager
def schema_of(server: Postgres, name: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server.conninfo("postgres")) as connection:
        named = sql.Identifier(name)
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(named))
        connection.execute(sql.SQL("SET search_path = {}").format(named))
        connection.execute("SET timezone = 'UTC'")
        connection.execute(POSTGRES_BEFORE.encode())
        connection.execute(POSTGRES_ROWS.encode())
        connection.commit()
        yield connection
        connection.rollback()
        connection.autocommit = True
        connection.execute("SET client_min_messages = warning")
        connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(named))


def _files(connection: psycopg.Connection) -> dict[str, int]:
    found = connection.execute(
        "SELECT relname, relfilenode FROM pg_class WHERE relnamespace = current_schema::regnamespace AND relkind = 'r'"
    ).fetchall()
    connection.rollback()
    return {str(name): int(file) for name, file in found if name in _TABLES}


def _old_code_on_postgres(connection: psycopg.Connection) -> list[object]:
    connection.autocommit = True
    results: list[object] = []
    for statement in POSTGRES_OLD_CODE:
        try:
            cursor = connection.execute(statement.encode())
            results.append(cursor.fetchall() if cursor.description else cursor.rowcount)
        except psycopg.Error as error:
            results.append(type(error).__name__)
    return results


SQLITE_BEFORE = """
CREATE TABLE parts (
  sku TEXT PRIMARY KEY, name TEXT NOT NULL, label TEXT UNIQUE, price_cents INTEGER NOT NULL CHECK (price_cents > 0),
  stock INTEGER NOT NULL DEFAULT 0, popularity INTEGER
);
CREATE TABLE orders (
  id INTEGER PRIMARY KEY, sku TEXT NOT NULL REFERENCES parts (sku), customer TEXT NOT NULL, quantity INTEGER NOT NULL,
  state TEXT
);
CREATE INDEX orders_of_customer ON orders (customer);
CREATE UNIQUE INDEX parts_name_code ON parts (name, sku);
CREATE TABLE spare (id INTEGER);
CREATE VIEW open_orders AS SELECT id FROM orders WHERE state = 'open';
CREATE TRIGGER keep AFTER DELETE ON spare BEGIN INSERT INTO spare VALUES (old.id); END;
"""

SQLITE_ROWS = """
INSERT INTO parts VALUES ('A', 'Disc', 'a', 100, 5, 9), ('B', 'Pad', 'b', 200, 6, NULL);
INSERT INTO orders (id, sku, customer, quantity, state) VALUES (1, 'A', 'x', 1, 'open'), (2, 'A', 'y', 2, NULL),
  (3, 'B', 'z', 3, 'placed');
INSERT INTO spare VALUES (1);
"""

SQLITE_OLD_CODE = (
    "SELECT id, sku, customer, quantity, state FROM orders WHERE id <= 3 ORDER BY id",
    "SELECT id FROM open_orders ORDER BY id",
    "SELECT sku, name, label, price_cents, stock FROM parts ORDER BY sku",
    "INSERT INTO orders (id, sku, customer, quantity, state) VALUES (100, 'A', 'new', 9, NULL) RETURNING id, state",
    "INSERT INTO orders (id, sku, customer, quantity, state) VALUES (101, 'B', 'x', 1, 'unheard of') RETURNING state",
    "INSERT INTO orders (id, sku, customer, quantity) VALUES (102, 'nowhere', 'x', 1) RETURNING id",
    "INSERT INTO parts (sku, name, label, price_cents) VALUES ('C', 'Disc', 'c', 7) RETURNING stock",
    (
        "INSERT INTO parts (sku, name, label, price_cents) VALUES ('F', 'x', 'a', 7) ON CONFLICT (label) DO UPDATE "
        "SET stock = 77 RETURNING sku, stock"
    ),
    "INSERT INTO parts (sku, name, price_cents) VALUES ('G', 'x', -1) RETURNING sku",
    "UPDATE orders SET state = 'longer' WHERE id = 1 RETURNING state",
    "SELECT customer FROM orders INDEXED BY orders_of_customer WHERE customer = 'x' AND id <= 3",
    "UPDATE parts SET stock = stock - 1 WHERE sku = 'A' RETURNING stock",
    "DELETE FROM orders WHERE id = 2 RETURNING id",
    "DELETE FROM spare",
    "SELECT id FROM spare",
    "SELECT count(*) FROM orders",
)


def seen_on_sqlite(migration: str, old_code: Sequence[str] = SQLITE_OLD_CODE) -> set[Proof]:
    """What a file in memory shows after ``migration`` has run under old code."""
    untouched, changed = _sqlite(), _sqlite()
    seen: set[Proof] = set()
    count = changed.total_changes
    try:
        # as the sqlite3 program does: each statement commits by itself unless the file says otherwise
        changed.executescript(migration)
    except sqlite3.Error:
        seen.add(Proof.FAILS)
    if changed.total_changes - count >= 3 and "VIRTUAL" not in migration:  # whose own tables are rows, too
        seen.add(Proof.ROWS)
    if _old_code_on_sqlite(changed, old_code) != _old_code_on_sqlite(untouched, old_code):
        seen.add(Proof.OLD)
    untouched.close()
    changed.close()
    return seen


def _sqlite() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(SQLITE_BEFORE + SQLITE_ROWS)
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _old_code_on_sqlite(connection: sqlite3.Connection, old_code: Sequence[str]) -> list[object]:
    results: list[object] = []
    for statement in old_code:
        try:
            results.append(connection.execute(statement).fetchall())
        except sqlite3.Error as error:
            results.append(type(error).__name__)
    return results
