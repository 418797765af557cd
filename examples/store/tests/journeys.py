"""Acceptance tests: what a customer does, against the shop as it is deployed at $ANDON_URL.

They know nothing but the shop's addresses, leave no order standing, and may run while others use the shop.
"""

from __future__ import annotations

import os
import re
import secrets
import unittest

from store.client import Client

CUSTOMER = "journey@andon.invalid"


class Journey(unittest.TestCase):
    """One customer at the door."""

    def setUp(self) -> None:
        url = os.environ.get("ANDON_URL")
        if not url:
            self.fail("Set ANDON_URL to the shop to test, e.g. http://127.0.0.1:8000 or unix:/path/to/socket.")
        self.client = Client(url)
        self.addCleanup(self.client.close)

    def test_looks_around_and_buys_a_part(self) -> None:
        front = self.client.get("/")
        self.assertEqual(front.status, 200)
        self.assertIn("Parts Unlimited", front.text)
        found = self.client.get("/?q=oil+filter")
        address = re.search(r'href="(/parts/[A-Z]{2}-[0-9]{4})"', found.text)
        assert address is not None, "the search found no part"

        page = self.client.get(address[1])
        hidden = dict(re.findall(r'name="(sku|request_key)" value="([^"]+)"', page.text))
        sent = self.client.post_form("/orders", **hidden, quantity=2, customer=CUSTOMER)
        self.assertEqual(sent.status, 303, sent.text[:300])
        receipt = sent.headers["location"]
        self.addCleanup(self.client.post_form, f"{receipt}/cancel")
        self.assertIn("Thank you", self.client.get(receipt).text)

    def test_changes_their_mind(self) -> None:
        order = self._order("EN-2240", 1)
        self.client.post_form(f"/orders/{order['reference']}/cancel")
        self.assertIn("Cancelled", self.client.get(f"/orders/{order['reference']}").text)

    def test_the_sums_are_right(self) -> None:
        order = self._order("WH-6040", 3)
        lines = order["lines"]
        assert isinstance(lines, list)
        self.assertEqual(lines[0]["cents"], 3 * int(str(order["unit_cents"])))
        self.assertEqual(sum(line["cents"] for line in lines), order["total_cents"])
        self.assertEqual(int(str(order["stock_before"])) - 3, order["stock_after"])

    def test_sends_the_form_twice_and_pays_once(self) -> None:
        key = secrets.token_hex(16)
        self.assertEqual(self._order("EN-2051", 1, key)["reference"], self._order("EN-2051", 1, key)["reference"])

    def test_wants_what_nobody_has(self) -> None:
        self.assertEqual(self.client.get("/parts/XX-0000").status, 404)
        self.assertIn("Nothing like that", self.client.get("/?q=helicopter").text)

    def test_wants_too_many(self) -> None:
        request: dict[str, str | int] = {"sku": "EN-2240", "customer": CUSTOMER, "request_key": secrets.token_hex(16)}
        self.assertEqual(self.client.post_json("/api/orders", {**request, "quantity": 21}).status, 422)

    def test_the_shop_is_healthy_and_knows_its_version(self) -> None:
        health = self.client.get("/health").json()
        self.assertEqual(health["status"], "healthy")
        if commit := os.environ.get("ANDON_COMMIT"):
            self.assertEqual(health["version"], commit)

    def _order(self, sku: str, quantity: int, key: str = "") -> dict[str, object]:
        request: dict[str, str | int] = {"sku": sku, "quantity": quantity, "customer": CUSTOMER}
        placed = self.client.post_json("/api/orders", {**request, "request_key": key or secrets.token_hex(16)})
        self.assertEqual(placed.status, 201, placed.text[:300])
        order = placed.json()
        self.addCleanup(self.client.post_form, f"/orders/{order['reference']}/cancel")
        return order


if __name__ == "__main__":
    unittest.main()
