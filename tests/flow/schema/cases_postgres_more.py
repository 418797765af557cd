"""More statements on PostgreSQL: constraints, indexes, locks, behaviour, rows, what cannot be seen."""

from __future__ import annotations

from andon.flow.schema.contract import Rule
from tests.flow.schema.case import Case, Proof

TIMEOUT = "SET lock_timeout = '3s';\n"
OLD, REWRITE, SCAN, LOCK, ROWS, FAILS = Proof
CANNOT_BE_SEEN = "what it does cannot be seen: that is the fault"
BY_NATURE = "a matter of rights or of names, which this test's single user does not feel"

EXPAND = [
    # constraints and defaults
    Case(
        "column becomes required",
        TIMEOUT + "ALTER TABLE parts ALTER COLUMN label SET NOT NULL",
        (Rule.NOT_NULL, Rule.SCAN),
        (SCAN, OLD),
    ),
    Case(
        "NOT NULL as a constraint",
        TIMEOUT + "ALTER TABLE orders ADD CONSTRAINT given NOT NULL state NOT VALID",
        (Rule.NOT_NULL,),
        (OLD,),
    ),
    Case(
        "column may be empty",
        TIMEOUT + "ALTER TABLE orders ALTER COLUMN customer DROP NOT NULL",
        hints=(Rule.NEW_VALUES,),
    ),
    Case(
        "check on what is written already",
        TIMEOUT + "ALTER TABLE orders ADD CONSTRAINT few CHECK (quantity < 5)",
        (Rule.CONSTRAINT, Rule.SCAN),
        (SCAN, OLD),
    ),
    Case(
        "check not validated",
        TIMEOUT + "ALTER TABLE orders ADD CONSTRAINT few CHECK (quantity < 5) NOT VALID",
        (Rule.CONSTRAINT,),
        (OLD,),
    ),
    Case("check not enforced", TIMEOUT + "ALTER TABLE orders ADD CONSTRAINT few CHECK (quantity < 5) NOT ENFORCED"),
    Case(
        "reference on what is written already",
        TIMEOUT + "ALTER TABLE orders ADD CONSTRAINT known FOREIGN KEY (state) REFERENCES states",
        (Rule.CONSTRAINT, Rule.SCAN),
        (SCAN, OLD),
    ),
    Case(
        "reference not validated",
        TIMEOUT + "ALTER TABLE orders ADD CONSTRAINT known FOREIGN KEY (state) REFERENCES states NOT VALID",
        (Rule.CONSTRAINT,),
        (OLD,),
    ),
    Case("validating", TIMEOUT + "ALTER TABLE states VALIDATE CONSTRAINT short"),
    Case(
        "unique on what is written already",
        TIMEOUT + "ALTER TABLE parts ADD CONSTRAINT one_name UNIQUE (name)",
        (Rule.UNIQUE, Rule.SCAN),
        (SCAN, OLD),
    ),
    Case(
        "exclusion",
        TIMEOUT + "ALTER TABLE parts ADD CONSTRAINT apart EXCLUDE (name WITH =)",
        (Rule.CONSTRAINT, Rule.SCAN),
        (SCAN, OLD),
    ),
    Case("default changed", TIMEOUT + "ALTER TABLE parts ALTER COLUMN stock SET DEFAULT 7", (Rule.DEFAULT,), (OLD,)),
    Case("default dropped", TIMEOUT + "ALTER TABLE parts ALTER COLUMN stock DROP DEFAULT", (Rule.DEFAULT,), (OLD,)),
    Case(
        "default of a required new column dropped",
        TIMEOUT
        + "ALTER TABLE orders ADD COLUMN a int NOT NULL DEFAULT 0; ALTER TABLE orders ALTER COLUMN a DROP DEFAULT",
        (Rule.DEFAULT,),
        (OLD,),
    ),
    # indexes
    Case("index", TIMEOUT + "CREATE INDEX by_state ON orders (state)", (Rule.INDEX,), (SCAN, LOCK)),
    Case("index without a lock", "CREATE INDEX CONCURRENTLY by_state ON orders (state)"),
    Case(
        "index on a new table",
        "CREATE TABLE reviews (id int, sku text); CREATE INDEX ON reviews (sku); CREATE UNIQUE INDEX ON reviews (id)",
    ),
    Case(
        "index without a lock inside a transaction",
        "BEGIN; CREATE INDEX CONCURRENTLY by_state ON orders (state); COMMIT",
        (Rule.TRANSACTION,),
        (FAILS,),
    ),
    Case("unique index", "CREATE UNIQUE INDEX CONCURRENTLY one_name ON parts (name)", (Rule.UNIQUE,), (OLD,)),
    Case(
        "unique index on a new column",
        TIMEOUT + "ALTER TABLE orders ADD COLUMN token text; CREATE UNIQUE INDEX tokens ON orders (token)",
        (Rule.INDEX,),
        (SCAN, LOCK),
    ),
    Case("reindex", TIMEOUT + "REINDEX TABLE orders", (Rule.INDEX,), (SCAN, LOCK)),
    Case("reindex without a lock", "REINDEX TABLE CONCURRENTLY orders"),
    # rewrites and locks
    Case("vacuum full", "VACUUM FULL orders", (Rule.REWRITE,), (REWRITE,)),
    Case("vacuum full in brackets", "VACUUM (ANALYZE, FULL) orders", (Rule.REWRITE,), (REWRITE,)),
    Case("vacuum", "VACUUM (ANALYZE) orders"),
    Case("analyze", "ANALYZE orders"),
    Case("cluster", "CLUSTER orders USING orders_pkey", (Rule.REWRITE,), (REWRITE,)),
    Case("unlogged", TIMEOUT + "ALTER TABLE spare SET UNLOGGED", (Rule.REWRITE,), (REWRITE,)),
    Case("lock", "BEGIN; LOCK TABLE orders; COMMIT", (Rule.LOCK,), (LOCK,)),
    Case("light lock", "BEGIN; LOCK TABLE orders IN ROW SHARE MODE; COMMIT"),
    Case("sleep", "SELECT pg_sleep(0.01)", (Rule.LOCK,), unproven="it only sleeps"),
    Case("settings of a table", TIMEOUT + "ALTER TABLE orders SET (fillfactor = 80)"),
    Case("statistics", TIMEOUT + "ALTER TABLE orders ALTER COLUMN state SET STATISTICS 500"),
    # behaviour
    Case(
        "trigger",
        TIMEOUT + "CREATE TRIGGER loud BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION shout()",
        (Rule.BEHAVIOUR,),
        (OLD,),
    ),
    Case(
        "trigger on a new table",
        "CREATE TABLE x (state text); CREATE TRIGGER loud BEFORE INSERT ON x FOR EACH ROW EXECUTE FUNCTION shout()",
    ),
    Case("rule", TIMEOUT + "CREATE RULE deaf AS ON INSERT TO orders DO INSTEAD NOTHING", (Rule.BEHAVIOUR,), (OLD,)),
    Case("row security", TIMEOUT + "ALTER TABLE orders ENABLE ROW LEVEL SECURITY", (Rule.ACCESS,), unproven=BY_NATURE),
    Case("policy", TIMEOUT + "CREATE POLICY mine ON orders USING (true)", (Rule.BEHAVIOUR,), unproven=BY_NATURE),
    Case(
        "view replaced",
        "CREATE OR REPLACE VIEW open_orders AS SELECT id FROM orders WHERE quantity > 100",
        (Rule.REPLACED,),
        (OLD,),
    ),
    Case("new view", "CREATE VIEW big_orders AS SELECT id FROM orders WHERE quantity > 100"),
    Case(
        "function replaced",
        "CREATE OR REPLACE FUNCTION dice() RETURNS int LANGUAGE sql AS 'SELECT 5'",
        (Rule.REPLACED,),
        (OLD,),
    ),
    Case("new function", "CREATE FUNCTION coin() RETURNS int LANGUAGE sql AS 'SELECT 1'"),
    Case("sequence restarted", "ALTER SEQUENCE numbers RESTART WITH 1000", (Rule.BEHAVIOUR,), (OLD,)),
    Case("grant", "GRANT SELECT ON orders TO PUBLIC"),
    Case("revoke", "REVOKE SELECT ON orders FROM PUBLIC", (Rule.ACCESS,), unproven=BY_NATURE),
    Case("owner", TIMEOUT + "ALTER TABLE orders OWNER TO CURRENT_USER", (Rule.ACCESS,), unproven=BY_NATURE),
    Case("partition taken away", TIMEOUT + "ALTER TABLE visits DETACH PARTITION visits_1", (Rule.BEHAVIOUR,), (OLD,)),
    Case("comment", "COMMENT ON TABLE orders IS 'placed by customers'"),
    Case("sequence", "CREATE SEQUENCE more_numbers"),
    Case("new type", "CREATE TYPE size AS ENUM ('s', 'm'); ALTER TYPE size ADD VALUE 'l'"),
    # rows
    Case("update of all rows", "UPDATE orders SET state = 'placed'", (Rule.ROWS,), (ROWS, OLD)),
    Case(
        "update of many rows",
        "UPDATE orders SET state = 'new' WHERE state IS NULL OR state = 'open'",
        (Rule.ROWS,),
        (OLD,),
    ),
    Case("update of one row", "UPDATE parts SET popularity = 3 WHERE sku = 'A'"),
    Case("update of a new table", "CREATE TABLE x AS SELECT id FROM orders; UPDATE x SET id = 1"),
    Case(
        "update of rows hidden in a WITH",
        "WITH gone AS (DELETE FROM orders RETURNING id) SELECT count(*) FROM gone",
        (Rule.ROWS,),
        (OLD,),
    ),
    Case("delete", "DELETE FROM orders WHERE quantity > 0", (Rule.ROWS,), (OLD,)),
    Case(
        "merge",
        "MERGE INTO orders USING parts ON parts.sku = orders.sku WHEN MATCHED THEN UPDATE SET state = 'x'",
        (Rule.ROWS,),
        (OLD, ROWS),
    ),
    Case(
        "delete from a table that may have been there",
        "CREATE TABLE IF NOT EXISTS visits (id int); DELETE FROM visits",
        (Rule.ROWS,),
        (OLD,),
    ),
    Case(
        "rows locked",
        "BEGIN; SELECT id FROM orders FOR UPDATE; COMMIT",
        (Rule.LOCK,),
        unproven="one session waits for nobody",
    ),
    Case(
        "switch by a function",
        "SELECT set_config('session_replication_role', 'replica', false)",
        (Rule.HIDDEN,),
        unproven=BY_NATURE,
    ),
    Case("rows for the shelves", "INSERT INTO states (name) VALUES ('lost')"),
    Case(
        "rows copied",
        "INSERT INTO states SELECT 's' || id FROM orders",
        (Rule.ROWS,),
        unproven="new rows in a table that old code does not list",
    ),
    # what cannot be seen
    Case("DO", "DO $x$ BEGIN EXECUTE 'DROP' || ' TABLE spare'; END $x$", (Rule.HIDDEN,), (OLD,)),
    Case("own function called", "SELECT dice()", (Rule.HIDDEN,), unproven=CANNOT_BE_SEEN),
    Case(
        "own function called in an INSERT",
        "INSERT INTO states VALUES (dice()::text)",
        (Rule.HIDDEN,),
        unproven=CANNOT_BE_SEEN,
    ),
    Case("search path", "SET search_path = other", (Rule.HIDDEN,), runs=False, unproven=BY_NATURE),
    Case("prepared statement", "PREPARE p AS DELETE FROM orders", (Rule.HIDDEN,), unproven=CANNOT_BE_SEEN),
    Case("advisory lock", "SELECT pg_advisory_xact_lock(7)"),
    Case("publication", "CREATE PUBLICATION p FOR TABLE orders", (Rule.UNKNOWN,), unproven=CANNOT_BE_SEEN),
    # outside
    Case("COPY TO PROGRAM", "COPY orders TO PROGRAM 'sh'", (Rule.OUTSIDE,), runs=False),
    Case("COPY FROM a file", "COPY orders FROM '/etc/passwd'", (Rule.OUTSIDE,), runs=False),
    Case("reading a file", "SELECT pg_read_file('/etc/passwd')", (Rule.OUTSIDE,), runs=False),
    Case(
        "reading a file in a new table",
        "CREATE TABLE x AS SELECT pg_catalog.pg_read_file('/etc/passwd')",
        (Rule.OUTSIDE,),
        runs=False,
    ),
    Case("large object", "SELECT lo_import('/etc/passwd')", (Rule.OUTSIDE,), runs=False),
    Case("library", "LOAD 'x'", (Rule.OUTSIDE,), runs=False),
    Case("server settings", "ALTER SYSTEM SET fsync = off", (Rule.OUTSIDE,), runs=False),
    Case("extension to other servers", "CREATE EXTENSION dblink", (Rule.OUTSIDE,), runs=False),
    Case(
        "function in another language",
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpython3u AS 'import os'",
        (Rule.OUTSIDE,),
        runs=False,
    ),
    Case("roles", "CREATE ROLE boss SUPERUSER", (Rule.OUTSIDE,), runs=False),
    # not SQL
    Case("a word wrong", "ALTER TABEL orders ADD COLUMN a int", (Rule.UNPARSABLE,), (FAILS,)),
    Case("a command of psql", "\\copy orders FROM 'x'", (Rule.UNPARSABLE,), (FAILS,)),
    Case("a quote not closed", "UPDATE parts SET name = 'x WHERE sku = 'A'", (Rule.UNPARSABLE,), (FAILS,)),
    Case("nested too deep", "SELECT " + "(SELECT " * 3000 + "1" + ")" * 3000, (Rule.UNPARSABLE,), runs=False),
    Case("NUL", "SELECT 1;\0 DROP TABLE orders", (Rule.UNPARSABLE,), runs=False),
    Case("words in a text are no statement", "COMMENT ON TABLE orders IS 'DROP TABLE orders; $$ -- '"),
]
