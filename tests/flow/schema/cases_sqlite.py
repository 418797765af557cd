"""Statements on SQLite. The tables and the old code are in ``databases_of_cases``."""

from __future__ import annotations

from andon.flow.schema.contract import Phase, Rule
from tests.flow.schema.case import Case, Proof

OLD, ROWS, FAILS = Proof.OLD, Proof.ROWS, Proof.FAILS
ONE_WRITER = "in one connection nobody waits"
NAMES = (Rule.COLUMN_LIST,)

EXPAND = [
    Case(
        "new table",
        (
            "CREATE TABLE reviews (id INTEGER PRIMARY KEY, sku TEXT NOT NULL REFERENCES parts (sku), stars "
            "INTEGER CHECK (stars > 0))"
        ),
    ),
    Case("new strict table", "CREATE TABLE x (id INTEGER PRIMARY KEY, a TEXT) STRICT, WITHOUT ROWID"),
    Case("new table in brackets", 'CREATE TABLE [new orders] (id INTEGER); ALTER TABLE "new orders" ADD COLUMN a TEXT'),
    Case("new table of a query", "CREATE TABLE dear AS SELECT * FROM parts"),
    Case("new full-text table", "CREATE VIRTUAL TABLE words USING fts5(title)"),
    Case("column that may be empty", "ALTER TABLE orders ADD COLUMN tax INTEGER", hints=NAMES),
    Case("column with a constant", "ALTER TABLE orders ADD COLUMN tax INTEGER NOT NULL DEFAULT 0", hints=NAMES),
    Case("column with a negative constant", "ALTER TABLE orders ADD tax INTEGER NOT NULL DEFAULT -1", hints=NAMES),
    Case("column with a text", "ALTER TABLE orders ADD note TEXT NOT NULL DEFAULT 'none'", hints=NAMES),
    Case("column with a word", "ALTER TABLE orders ADD note TEXT DEFAULT none", hints=NAMES),
    Case(
        "required column", "ALTER TABLE orders ADD COLUMN tax INTEGER NOT NULL", (Rule.NOT_NULL,), (FAILS,), hints=NAMES
    ),
    Case(
        "required column with NULL as default",
        "ALTER TABLE orders ADD COLUMN tax INTEGER NOT NULL DEFAULT NULL",
        (Rule.NOT_NULL,),
        (FAILS,),
        hints=NAMES,
    ),
    Case(
        "column with the time",
        "ALTER TABLE orders ADD COLUMN at TEXT DEFAULT CURRENT_TIMESTAMP",
        (Rule.FAILS,),
        (FAILS,),
        hints=NAMES,
    ),
    Case(
        "column with a computed default",
        "ALTER TABLE orders ADD COLUMN at TEXT DEFAULT (datetime('now'))",
        (Rule.FAILS,),
        (FAILS,),
        hints=NAMES,
    ),
    Case(
        "column with the time on a new table",
        "CREATE TABLE x (id INTEGER); ALTER TABLE x ADD COLUMN at TEXT DEFAULT CURRENT_TIMESTAMP",
    ),
    Case("unique column", "ALTER TABLE orders ADD COLUMN token TEXT UNIQUE", (Rule.FAILS,), (FAILS,), hints=NAMES),
    Case(
        "second primary key",
        "ALTER TABLE orders ADD COLUMN nr INTEGER PRIMARY KEY",
        (Rule.FAILS,),
        (FAILS,),
        hints=NAMES,
    ),
    Case(
        "stored computed column",
        "ALTER TABLE orders ADD COLUMN twice INTEGER AS (quantity * 2) STORED",
        (Rule.FAILS,),
        (FAILS,),
    ),
    Case("virtual computed column", "ALTER TABLE orders ADD COLUMN twice INTEGER AS (quantity * 2) VIRTUAL"),
    Case("column with a reference", "ALTER TABLE orders ADD COLUMN gift TEXT REFERENCES parts (sku)", hints=NAMES),
    Case(
        "column with reference and default",
        "ALTER TABLE orders ADD COLUMN gift TEXT DEFAULT 'A' REFERENCES parts (sku)",
        (Rule.FAILS,),
        (FAILS,),
        hints=NAMES,
    ),
    Case("column with a check", "ALTER TABLE orders ADD COLUMN tax INTEGER CHECK (tax >= 0)", hints=NAMES),
    Case(
        "column with a check on another",
        "ALTER TABLE orders ADD COLUMN tax INTEGER CHECK (quantity < 5)",
        (Rule.CONSTRAINT,),
        (OLD,),
        hints=NAMES,
    ),
    Case(
        "column that must not be NULL by its check",
        "ALTER TABLE spare ADD COLUMN tax INTEGER DEFAULT 1 CHECK (tax IS NOT NULL AND id < 1)",
        (Rule.CONSTRAINT,),
        (FAILS,),
        hints=NAMES,
    ),
    Case("drop of a column", "ALTER TABLE orders DROP COLUMN state", (Rule.DROP,), (FAILS,)),
    Case("drop of a column nobody indexes", "ALTER TABLE parts DROP COLUMN stock", (Rule.DROP,), (OLD,)),
    Case(
        "drop of a column just added",
        "ALTER TABLE orders ADD COLUMN a TEXT; ALTER TABLE orders DROP COLUMN a",
        hints=NAMES,
    ),
    Case("drop of a table", "DROP TABLE spare", (Rule.DROP,), (OLD,)),
    Case("drop of a table in quotes", 'DROP TABLE main."SPARE"', (Rule.DROP,), (OLD,)),
    Case("drop between comments", "-- harmless\n/* DROP? */ DROP /* no */ TABLE spare -- yes", (Rule.DROP,), (OLD,)),
    Case("drop of a table just made", "CREATE TABLE scratch (id INTEGER); DROP TABLE scratch"),
    Case(
        "drop of a table that may have been there",
        "CREATE TABLE IF NOT EXISTS spare (id INTEGER); DROP TABLE spare",
        (Rule.DROP,),
        (OLD,),
    ),
    Case("drop of an index", "DROP INDEX orders_of_customer", (Rule.DROP,), (OLD,)),
    Case("drop of a view", "DROP VIEW open_orders", (Rule.DROP,), (OLD,)),
    Case("drop of a trigger", "DROP TRIGGER keep", (Rule.DROP,), (OLD,)),
    Case("rename of a column", "ALTER TABLE orders RENAME COLUMN state TO status", (Rule.RENAME,), (OLD,)),
    Case(
        "rename of a column just added",
        "ALTER TABLE orders ADD COLUMN a TEXT; ALTER TABLE orders RENAME a TO b",
        hints=NAMES,
    ),
    Case("rename of a table", "ALTER TABLE orders RENAME TO bookings", (Rule.RENAME,), (OLD,)),
    Case(
        "table made anew without a column",
        "CREATE TABLE spare_new (other INTEGER);\nINSERT INTO spare_new SELECT id FROM spare;\nDROP TABLE spare;\n"
        "ALTER TABLE spare_new RENAME TO spare;",
        (Rule.DROP,),
        (OLD,),
    ),
    Case("index", "CREATE INDEX by_state ON orders (state)", hints=(Rule.BUSY,)),
    Case("index on a new table", "CREATE TABLE x (a TEXT); CREATE UNIQUE INDEX i ON x (a)"),
    Case("unique index", "CREATE UNIQUE INDEX one_name ON parts (name)", (Rule.UNIQUE,), (OLD,), hints=(Rule.BUSY,)),
    Case(
        "unique index on a new column",
        "ALTER TABLE orders ADD COLUMN token TEXT; CREATE UNIQUE INDEX t ON orders (token)",
        hints=(Rule.BUSY, Rule.COLUMN_LIST),
    ),
    Case(
        "trigger",
        (
            "CREATE TRIGGER loud AFTER INSERT ON orders BEGIN UPDATE orders SET state = 'LOUD' WHERE id = "
            "new.id; DELETE FROM orders WHERE id = 3; END"
        ),
        (Rule.BEHAVIOUR,),
        (OLD,),
    ),
    Case(
        "trigger on a new table",
        "CREATE TABLE x (a TEXT); CREATE TRIGGER t AFTER INSERT ON x BEGIN DELETE FROM x; SELECT 1; END",
    ),
    Case("new view", "CREATE VIEW big_orders AS SELECT id FROM orders WHERE quantity > 2"),
    Case("update of all rows", "UPDATE orders SET state = 'placed'", (Rule.ROWS,), (ROWS, OLD)),
    Case("update of many rows", "UPDATE orders SET state = 'new' WHERE quantity > 0", (Rule.ROWS,), (ROWS, OLD)),
    Case("update of one row", "UPDATE parts SET popularity = 3 WHERE sku = 'A' AND name = 'Disc'"),
    Case("update of a new table", "CREATE TABLE x (a TEXT); UPDATE x SET a = 1"),
    Case("delete", "DELETE FROM orders", (Rule.ROWS,), (ROWS, OLD)),
    Case(
        "rows for the shelves",
        (
            "INSERT OR IGNORE INTO spare (id) SELECT 2 WHERE 0; INSERT INTO parts (sku, name, price_cents) "
            "VALUES ('A', 'x', 1) ON CONFLICT DO NOTHING"
        ),
        (Rule.ROWS,),
        unproven="it copies nothing here",
    ),
    Case("values", "INSERT INTO parts (sku, name, price_cents) VALUES ('A', 'x', 1) ON CONFLICT DO NOTHING"),
    Case("rows copied into a new table", "CREATE TABLE x (a TEXT); INSERT INTO x SELECT sku FROM parts"),
    Case("vacuum", "VACUUM", (Rule.REWRITE,), unproven=ONE_WRITER),
    Case("reindex", "REINDEX orders", (Rule.INDEX,), unproven=ONE_WRITER),
    Case("analyze", "ANALYZE"),
    Case("transaction", "BEGIN IMMEDIATE; ALTER TABLE orders ADD COLUMN a TEXT; COMMIT", hints=NAMES),
    Case("journal", "PRAGMA journal_mode = DELETE", (Rule.HIDDEN,), unproven="a file in memory has no journal"),
    Case("foreign keys off", "PRAGMA foreign_keys = OFF", (Rule.CONSTRAINT,), (OLD,)),
    Case("foreign keys on", "PRAGMA foreign_keys = ON"),
    Case(
        "delete from a table that may have been there",
        "CREATE TABLE IF NOT EXISTS orders (id INTEGER); DELETE FROM orders",
        (Rule.ROWS,),
        (ROWS, OLD),
    ),
    Case("foreign keys looked at later", "PRAGMA defer_foreign_keys = ON"),
    Case("version of the schema", "PRAGMA user_version = 7"),
    # outside
    Case("attach", "ATTACH DATABASE '/tmp/x.db' AS x", (Rule.OUTSIDE,), runs=False),
    Case("detach", "DETACH x", (Rule.OUTSIDE,), runs=False),
    Case("copy to a file", "VACUUM INTO '/tmp/x.db'", (Rule.OUTSIDE,), runs=False),
    Case("extension", "SELECT load_extension('x')", (Rule.OUTSIDE,), runs=False),
    Case("file written", "CREATE TABLE x AS SELECT writefile('a', 'b')", (Rule.OUTSIDE,), runs=False),
    Case("table from a file", "CREATE VIRTUAL TABLE x USING csv(filename='/etc/passwd')", (Rule.OUTSIDE,), runs=False),
    Case(
        "schema by hand",
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'x' WHERE name = 'orders'",
        (Rule.OUTSIDE, Rule.ROWS),
        runs=False,
    ),
    # not SQL
    Case("a word wrong", "ALTER TABEL orders ADD COLUMN a", (Rule.UNPARSABLE,), (FAILS,)),
    Case(
        "a wrong statement between right ones",
        "CREATE TABLE x (a); SELEKT 1; CREATE TABLE y (a)",
        (Rule.UNPARSABLE,),
        (FAILS,),
    ),
    Case("another database's", "ALTER TABLE orders ALTER COLUMN state TYPE varchar(5)", (Rule.UNPARSABLE,), (FAILS,)),
    Case("a command of the sqlite3 program", ".read other.sql", (Rule.UNPARSABLE,), (FAILS,)),
    Case("a quote not closed", "UPDATE parts SET name = 'x WHERE sku = 'A'", (Rule.UNPARSABLE,), (FAILS,)),
    Case("nested too deep", "SELECT " + "(" * 5000 + "1" + ")" * 5000, (Rule.UNPARSABLE,), (FAILS,)),
    Case("NUL", "SELECT 1;\0 DROP TABLE spare", (Rule.UNPARSABLE,), runs=False),
    Case("words in a text are no statement", "CREATE TABLE x (a TEXT DEFAULT 'DROP TABLE orders; --')"),
]

CONTRACT = [
    Case("drop of a column", "ALTER TABLE parts DROP COLUMN popularity", told=(Rule.DROP,), phase=Phase.CONTRACT),
    Case("rename", "ALTER TABLE orders RENAME COLUMN state TO status", (Rule.RENAME,), phase=Phase.CONTRACT),
    Case(
        "table made anew",
        (
            "CREATE TABLE n (id INTEGER NOT NULL);\nINSERT INTO n SELECT id FROM spare;\nDROP TABLE "
            "spare;\nALTER TABLE n RENAME TO spare;"
        ),
        told=(Rule.DROP,),
        phase=Phase.CONTRACT,
    ),
    Case("delete", "DELETE FROM orders", (Rule.ROWS,), phase=Phase.CONTRACT),
    Case("attach", "ATTACH 'x' AS x", (Rule.OUTSIDE,), phase=Phase.CONTRACT),
]

BACKFILL = [
    Case(
        "bounded",
        "UPDATE orders SET state = 'placed' WHERE id IN (SELECT id FROM orders WHERE state IS NULL LIMIT :batch)",
        phase=Phase.BACKFILL,
    ),
    Case(
        "unbounded", "UPDATE orders SET state = 'placed' WHERE state IS NULL", (Rule.UNBOUNDED,), phase=Phase.BACKFILL
    ),
    Case("changes the shape", "ALTER TABLE orders ADD COLUMN a INT", (Rule.PHASE,), phase=Phase.BACKFILL),
    Case("attach", "ATTACH 'x' AS x", (Rule.OUTSIDE, Rule.PHASE), phase=Phase.BACKFILL),
]
