"""Orders read from their state alone, with the old column and without it."""

from __future__ import annotations

from store import database, migrate, orders
from tests.shop import ShopTest


class StatesOnly(ShopTest):
    """Before the contract migration, and after it."""

    def _cancelled(self, key: str) -> orders.Order:
        with database.writing(self.db) as db:
            order = orders.place(
                db, self.config, sku="EN-2004", quantity=1, customer="ada@example.org", request_key=key
            )
            cancelled = orders.cancel(db, order.reference)
        assert cancelled is not None
        return cancelled

    def test_the_version_before_still_finds_what_it_reads(self) -> None:
        order = self._cancelled("key-0001")
        old = self.db.execute("SELECT cancelled_at FROM orders WHERE reference = ?", (order.reference,)).fetchone()
        self.assertEqual(old["cancelled_at"], order.cancelled_at)

    def test_nothing_is_missed_once_the_old_column_is_gone(self) -> None:
        before = self._cancelled("key-0001")
        migrate.run(self.db, "contract")
        after = self._cancelled("key-0002")
        self.assertEqual(orders.get(self.db, before.reference), before)
        self.assertIsNotNone(after.cancelled_at)
        with database.writing(self.db) as db:
            self.assertEqual(orders.forget(db, "ada@example.org"), 2)
