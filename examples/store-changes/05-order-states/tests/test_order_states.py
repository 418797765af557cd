"""States of orders, beside what the version before knows of them."""

from __future__ import annotations

from store import database, migrate, orders
from tests.shop import ShopTest


class States(ShopTest):
    """Orders with a state, and those from before."""

    def _place(self, key: str) -> orders.Order:
        with database.writing(self.db) as db:
            return orders.place(db, self.config, sku="EN-2004", quantity=1, customer="ada@example.org", request_key=key)

    def _state(self, order: orders.Order) -> tuple[str | None, str | None]:
        question = "SELECT state, state_since FROM orders WHERE reference = ?"
        row = self.db.execute(question, (order.reference,)).fetchone()
        return row["state"], row["state_since"]

    def test_an_order_is_placed_until_it_is_cancelled(self) -> None:
        order = self._place("key-0001")
        self.assertEqual(self._state(order), ("placed", order.placed_at))
        with database.writing(self.db) as db:
            cancelled = orders.cancel(db, order.reference)
        assert cancelled is not None
        self.assertEqual(self._state(order), ("cancelled", cancelled.cancelled_at))

    def test_the_backfill_fills_what_older_versions_wrote(self) -> None:
        orders_ = [self._place(f"key-000{number}") for number in range(3)]
        # The first two were there before; the third was cancelled by a version that knows no states.
        self.db.execute("UPDATE orders SET state = NULL, state_since = NULL WHERE request_key < 'key-0002'")
        self.db.execute("UPDATE orders SET cancelled_at = '2024-05-01T08:00:00+00:00' WHERE request_key > 'key-0000'")
        self.assertEqual([migrate.fill(self.db, 2) for _ in range(2)], [1, 0])
        since = "2024-05-01T08:00:00+00:00"
        self.assertEqual(
            [self._state(order) for order in orders_],
            [("placed", orders_[0].placed_at), ("cancelled", since), ("cancelled", since)],
        )
