"""What is counted, and that counting is in nobody's way."""

from __future__ import annotations

import socket
from dataclasses import replace

from store.metrics import count
from tests.shop import ShopTest


class Metrics(ShopTest):
    """Orders through the server, with somebody who counts."""

    def setUp(self) -> None:
        super().setUp()
        self.counted = self.folder / "telemetry"
        self.config = replace(self.config, telemetry=str(self.counted))

    def _listen(self) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(listener.close)
        listener.bind(str(self.counted))
        listener.setblocking(False)
        return listener

    def _order(self, customer: str, key: str) -> None:
        order: dict[str, str | int] = {"sku": "WH-6040", "quantity": 1, "customer": customer, "request_key": key}
        self.assertEqual(self.client.post_json("/api/orders", order).status, 201)

    def test_each_order_of_a_customer_is_counted_once(self) -> None:
        listener = self._listen()
        self.client = self.open_shop()
        for customer, key in (
            ("ada@example.org", "the first"),
            ("ada@example.org", "the first"),
            ("smoke@andon.invalid", "of a test"),
            ("bob@example.org", "the second"),
        ):
            self._order(customer, key.replace(" ", "-"))
        self.assertEqual([listener.recv(100), listener.recv(100)], [b"orders.placed:1|c|#version:0123456"] * 2)
        with self.assertRaises(BlockingIOError):
            listener.recv(100)

    def test_an_order_is_taken_where_nobody_counts(self) -> None:
        self.client = self.open_shop()
        self._order("ada@example.org", "nobody-reads-this")

    def test_a_full_socket_is_not_waited_for(self) -> None:
        self._listen()
        for _ in range(2_000):
            count(self.config, "orders.placed")
