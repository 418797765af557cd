"""Migrations: safe to repeat, whole or not at all, and honest about what does not fit."""

from __future__ import annotations

import shutil
from contextlib import closing

from store import database, migrate
from store.migrate import MigrationError
from tests.shop import ShopTest


class Migrations(ShopTest):
    """`self.db` has all expands of this version; `self.mine` is a copy of the migrations to play with."""

    def setUp(self) -> None:
        super().setUp()
        self.mine = self.folder / "migrations"
        shutil.copytree(migrate.FOLDER, self.mine, dirs_exist_ok=True)
        (self.mine / "contract").mkdir(exist_ok=True)

    def _write(self, name: str, text: str) -> None:
        (self.mine / name).write_text(text, encoding="utf-8")

    def test_a_second_expand_does_nothing(self) -> None:
        self.assertEqual(migrate.run(self.db, "expand"), [])
        self.assertEqual(self.db.execute("SELECT count(*) FROM parts").fetchone()[0], 24)

    def test_a_failing_migration_leaves_nothing_half_done(self) -> None:
        self._write("expand/9001-broken.sql", "CREATE TABLE a (x);\nINSERT INTO nowhere VALUES (1);\n")
        with self.assertRaisesRegex(MigrationError, r"9001-broken.sql:2: no such table: nowhere. Nothing of this file"):
            migrate.run(self.db, "expand", self.mine)
        self.assertIsNone(self.db.execute("SELECT 1 FROM sqlite_master WHERE name = 'a'").fetchone())
        self.assertNotIn("9001-broken", migrate.applied(self.db, "expand"))
        self._write("expand/9001-broken.sql", "CREATE TABLE a (x);\nINSERT INTO a VALUES (1);\n")
        self.assertEqual(migrate.run(self.db, "expand", self.mine), ["9001-broken"])

    def test_a_semicolon_in_a_text_ends_no_statement(self) -> None:
        self._write("expand/9001-note.sql", "-- a; b\nCREATE TABLE a (x);\nINSERT INTO a VALUES ('1;\n2');\n")
        self.assertEqual(migrate.run(self.db, "expand", self.mine), ["9001-note"])
        self.assertEqual(self.db.execute("SELECT x FROM a").fetchone()[0], "1;\n2")

    def test_a_forgotten_semicolon_is_noticed(self) -> None:
        self._write("expand/9001-open.sql", "CREATE TABLE a (x)\n")
        with self.assertRaisesRegex(MigrationError, "';' missing"):
            migrate.run(self.db, "expand", self.mine)

    def test_an_edited_migration_is_refused(self) -> None:
        first = sorted((self.mine / "expand").glob("*.sql"))[0]
        first.write_text(first.read_text("utf-8") + "-- only a comment\n", encoding="utf-8")
        with self.assertRaisesRegex(MigrationError, "edited after"):
            migrate.run(self.db, "expand", self.mine)

    def test_a_newer_versions_expand_is_no_obstacle(self) -> None:
        self._write("expand/9001-newer.sql", "CREATE TABLE newer (x);\n")
        migrate.run(self.db, "expand", self.mine)
        self.assertEqual(migrate.run(self.db, "expand"), [])

    def test_a_newer_versions_contract_is_refused(self) -> None:
        self._write("contract/9001-newer.sql", "CREATE TABLE newer (x);\n")
        migrate.run(self.db, "contract", self.mine)
        with self.assertRaisesRegex(MigrationError, "too old"):
            migrate.run(self.db, "expand")

    def test_contract_waits_for_expand(self) -> None:
        self._write("contract/9001-early.sql", "CREATE TABLE early (x);\n")
        with (
            closing(database.connect(self.folder / "empty.db")) as empty,
            self.assertRaisesRegex(MigrationError, "expand first"),
        ):
            migrate.run(empty, "contract", self.mine)

    def _write_backfill(self) -> None:
        self._write("expand/9001-shelf.sql", "ALTER TABLE parts ADD COLUMN shelf TEXT;\n")
        self._write(
            "backfill/9001-shelf.sql",
            "UPDATE parts SET shelf = category WHERE sku IN (SELECT sku FROM parts WHERE shelf IS NULL LIMIT :batch);\n"
            "SELECT count(*) FROM parts WHERE shelf IS NULL;\n",
        )
        migrate.run(self.db, "expand", self.mine)

    def test_a_backfill_fills_batch_by_batch_and_says_how_many_are_left(self) -> None:
        (self.mine / "backfill").mkdir(exist_ok=True)
        self._write_backfill()
        self.assertEqual([migrate.fill(self.db, 10, self.mine) for _ in range(4)], [14, 4, 0, 0])
        self.db.execute("UPDATE parts SET shelf = NULL WHERE sku = 'EN-2004'")  # as an older version leaves it
        self.assertEqual(migrate.fill(self.db, 10, self.mine), 0)

    def test_a_backfill_that_breaks_off_keeps_nothing_of_its_batch(self) -> None:
        (self.mine / "backfill").mkdir(exist_ok=True)
        self._write_backfill()
        self._write("backfill/9001-shelf.sql", "UPDATE parts SET shelf = category;\nSELECT missing FROM parts;\n")
        with self.assertRaisesRegex(MigrationError, "9001-shelf.sql:2: no such column: missing. Nothing of this batch"):
            migrate.fill(self.db, 10, self.mine)
        self.assertEqual(self.db.execute("SELECT count(shelf) FROM parts").fetchone()[0], 0)

    def test_a_backfill_is_over_once_its_contract_has_run(self) -> None:
        (self.mine / "backfill").mkdir(exist_ok=True)
        self._write_backfill()
        self._write("contract/9001-shelf.sql", "ALTER TABLE parts DROP COLUMN category;\n")
        migrate.run(self.db, "contract", self.mine)
        self.assertEqual(migrate.fill(self.db, 10, self.mine), 0)
