"""Sales tax."""

from __future__ import annotations

import unittest

from store import database, orders, tax
from tests.shop import ShopTest


class Rates(unittest.TestCase):
    """The arithmetic."""

    def test_rounding(self) -> None:
        self.assertEqual([tax.on(cents, "test") for cents in (0, 2, 3, 100, 990)], [0, 0, 1, 19, 188])


class TaxedOrders(ShopTest):
    """An order with tax."""

    def test_an_order_pays_tax(self) -> None:
        with database.writing(self.db) as db:
            order = orders.place(
                db, self.config, sku="EN-2004", quantity=2, customer="ada@example.org", request_key="key-0001"
            )
        self.assertEqual(order.lines(), [("2 × Spin-on oil filter", 1980), ("Sales tax", 376)])
        self.assertEqual(order.total_cents, 2356)

    def test_an_order_from_before_the_tax_stays_as_it_was(self) -> None:
        with database.writing(self.db) as db:
            order = orders.place(
                db, self.config, sku="EN-2004", quantity=2, customer="ada@example.org", request_key="key-0001"
            )
            db.execute("UPDATE orders SET tax_cents = NULL, total_cents = 1980")
        before = orders.get(self.db, order.reference)
        assert before is not None
        self.assertEqual(before.lines(), [("2 × Spin-on oil filter", 1980)])
