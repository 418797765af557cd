"""Ordering, and everything an order must not do."""

from __future__ import annotations

import secrets
from dataclasses import replace

from store import database, orders
from store.orders import Order, OrderRefused
from tests.shop import ShopTest

FILTER = "EN-2004"


class Orders(ShopTest):
    """Orders against a real database."""

    def _place(
        self, sku: str = FILTER, quantity: str | int = 2, customer: str = "ada@example.org", key: str = ""
    ) -> Order:
        with database.writing(self.db) as db:
            key = key or secrets.token_hex(8)
            return orders.place(db, self.config, sku=sku, quantity=quantity, customer=customer, request_key=key)

    def test_an_order_takes_its_parts_from_the_shelf(self) -> None:
        before = self.stock(FILTER)
        order = self._place(quantity=3)
        self.assertEqual((order.stock_before, order.stock_after), (before, before - 3))
        self.assertEqual(self.stock(FILTER), before - 3)
        self.assertEqual(orders.get(self.db, order.reference), order)

    def test_the_lines_add_up_to_the_total(self) -> None:
        order = self._place(quantity=3)
        self.assertEqual(sum(cents for _, cents in order.lines()), order.total_cents)
        self.assertEqual(order.lines()[0], ("3 × Spin-on oil filter", 2970))

    def test_the_same_key_buys_once(self) -> None:
        before = self.stock(FILTER)
        first, second = self._place(key="same-key"), self._place(key="same-key")
        self.assertEqual(first, second)
        self.assertEqual(self.stock(FILTER), before - 2)

    def test_somebody_elses_key_shows_nothing(self) -> None:
        self._place(key="same-key")
        with self.assertRaises(OrderRefused) as caught:
            self._place(key="same-key", customer="eve@example.org")
        self.assertEqual(caught.exception.status, 409)

    def test_an_empty_shelf_refuses_and_stays_as_it_is(self) -> None:
        self.db.execute("UPDATE parts SET stock = 1 WHERE sku = ?", (FILTER,))
        with self.assertRaisesRegex(OrderRefused, "only 1 left"):
            self._place(quantity=2)
        self.assertEqual(self.stock(FILTER), 1)

    def test_nonsense_is_refused(self) -> None:
        wrong: list[dict[str, str | int]] = [
            {"quantity": 0},
            {"quantity": -1},
            {"quantity": 21},
            {"quantity": "two"},
            {"customer": "nobody"},
            {"customer": "a b@example.org"},
            {"customer": "a" * 250 + "@example.org"},
            {"key": "short"},
            {"sku": "XX-0000"},
        ]
        for each in wrong:
            with self.subTest(each), self.assertRaises(OrderRefused):
                self._place(**each)  # type: ignore[arg-type] # wrong on purpose
        self.assertEqual(self.db.execute("SELECT count(*) FROM orders").fetchone()[0], 0)

    def test_cancelling_puts_the_parts_back_once(self) -> None:
        before = self.stock(FILTER)
        order = self._place()
        for _ in range(2):
            with database.writing(self.db) as db:
                cancelled = orders.cancel(db, order.reference)
            self.assertIsNotNone(cancelled and cancelled.cancelled_at)
        self.assertEqual(self.stock(FILTER), before)

    def test_forgetting_a_customer_leaves_the_others(self) -> None:
        before = self.stock(FILTER)
        mine = self._place(customer="smoke@andon.invalid")
        gone = self._place(customer="smoke@andon.invalid")
        other = self._place(customer="ada@example.org")
        with database.writing(self.db) as db:
            orders.cancel(db, gone.reference)
            self.assertEqual(orders.forget(db, "smoke@andon.invalid"), 2)
            self.assertEqual(orders.forget(db, "smoke@andon.invalid"), 0)
        self.assertIsNone(orders.get(self.db, mine.reference))
        self.assertIsNotNone(orders.get(self.db, other.reference))
        self.assertEqual(self.stock(FILTER), before - 2)

    def test_the_authorisation_depends_on_the_key_and_never_shows_it(self) -> None:
        signed = orders.authorise(self.config, "PU-X", 100, "ada@example.org")
        other = orders.authorise(replace(self.config, payment_key=b"another"), "PU-X", 100, "ada@example.org")
        self.assertNotEqual(signed, other)
        self.assertIsNone(orders.authorise(replace(self.config, payment_key=None), "PU-X", 100, "ada@example.org"))
        self.assertNotIn("a test key", repr(self.config))
