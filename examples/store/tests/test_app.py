"""The pages and the API, through the server."""

from __future__ import annotations

import io
import os
from contextlib import redirect_stderr, redirect_stdout
from unittest import mock

from store import smoke
from tests.shop import ShopTest

ORDER: dict[str, str | int] = {"sku": "WH-6040", "quantity": 2, "customer": "ada@example.org"}


class Pages(ShopTest):
    """What a browser sees."""

    def setUp(self) -> None:
        super().setUp()
        self.client = self.open_shop()

    def test_the_front_page_shows_every_part_and_the_version(self) -> None:
        page = self.client.get("/")
        self.assertEqual((page.status, page.text.count("<article")), (200, 24))
        self.assertIn("Parts Unlimited", page.text)
        self.assertIn(">0123456<", page.text)
        self.assertIn("default-src 'none'", page.headers["content-security-policy"])

    def test_what_people_type_never_becomes_markup(self) -> None:
        page = self.client.get("/?q=%3Cscript%3Ealert(1)%3C/script%3E")
        self.assertNotIn("<script", page.text)
        self.assertIn("&lt;script&gt;", page.text)

    def test_ordering_leads_to_the_receipt(self) -> None:
        sent = self.client.post_form("/orders", **ORDER, request_key="a-key-of-mine")
        self.assertEqual(sent.status, 303)
        receipt = self.client.get(sent.headers["location"])
        self.assertEqual(receipt.status, 200)
        self.assertIn("2 × All-season tyre", receipt.text)
        self.assertNotIn("a test key", receipt.text)

    def test_a_refused_order_keeps_what_was_typed(self) -> None:
        page = self.client.post_form("/orders", **{**ORDER, "quantity": 99}, request_key="a-key-of-mine")
        self.assertEqual(page.status, 422)
        self.assertIn("between 1 and 20", page.text)
        self.assertIn('value="ada@example.org"', page.text)

    def test_cancelling(self) -> None:
        before = self.stock("WH-6040")
        address = self.client.post_form("/orders", **ORDER, request_key="a-key-of-mine").headers["location"]
        self.assertEqual(self.client.post_form(f"{address}/cancel").status, 303)
        self.assertIn("back on the shelf", self.client.get(address).text)
        self.assertEqual(self.stock("WH-6040"), before)

    def test_what_is_not_there(self) -> None:
        for path in (
            "/nowhere",
            "/parts/XX-0000",
            "/orders/PU-2222222222",
            "/api/nowhere",
            "/api/orders/PU-2222222222",
        ):
            with self.subTest(path):
                self.assertEqual(self.client.get(path).status, 404)
        wrong = self.client.get("/orders")
        self.assertEqual((wrong.status, wrong.headers["allow"]), (405, "POST"))


class Api(ShopTest):
    """What a program sees."""

    def setUp(self) -> None:
        super().setUp()
        self.client = self.open_shop()

    def test_an_order(self) -> None:
        placed = self.client.post_json("/api/orders", {**ORDER, "request_key": "a-key-of-mine"})
        self.assertEqual(placed.status, 201)
        self.assertEqual(self.client.get(placed.headers["location"]).json(), placed.json())

    def test_nonsense_is_refused(self) -> None:
        for value in ({}, {**ORDER, "request_key": "a-key-of-mine", "quantity": "2"}, {"sku": 1}):
            with self.subTest(value):
                answer = self.client.post_json("/api/orders", value)  # type: ignore[arg-type] # wrong on purpose
                self.assertEqual(answer.status, 422)

    def test_a_body_of_a_thousand_brackets_is_no_order(self) -> None:
        answer = self.client.post_form("/api/orders")
        self.assertEqual(answer.status, 400)
        for body in (b"[" * 60000, b'{"a":' * 10000):
            with self.subTest(body[:5]):
                self.assertEqual(self.client.post("/api/orders", body, "application/json").status, 400)

    def test_health_and_version(self) -> None:
        health = self.client.get("/health")
        self.assertEqual(health.json() | {"parts": 24}, health.json())
        self.assertEqual(self.client.get("/version").json(), {"version": "0123456789abcdef"})

    def test_health_notices_a_database_that_does_not_fit(self) -> None:
        self.db.execute("ALTER TABLE parts RENAME TO elsewhere")
        health = self.client.get("/health")
        self.assertEqual((health.status, health.json()["status"]), (503, "unhealthy"))

    def test_a_broken_page_is_told_in_the_log_only(self) -> None:
        self.db.execute("ALTER TABLE parts RENAME TO elsewhere")
        log = io.StringIO()
        with redirect_stderr(log):
            page = self.client.get("/")
        self.assertEqual(page.status, 500)
        self.assertNotIn("elsewhere", page.text)
        self.assertIn("no such table: parts", log.getvalue())


class Smoke(ShopTest):
    """The smoke test finds a working shop working, a broken one broken, and leaves nothing."""

    def _smoke(self, *arguments: str) -> int:
        environ = {"ANDON_URL": self.url, "STORE_DATABASE": str(self.config.database), "ANDON_SMOKE_IDENTITY": ""}
        with mock.patch.dict(os.environ, environ), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            return smoke.main(list(arguments))

    def test_a_working_shop(self) -> None:
        self.open_shop()
        before = list(self.db.execute("SELECT sku, stock FROM parts"))
        self.assertEqual(self._smoke(), 0)
        self.assertEqual(self.db.execute("SELECT customer FROM orders").fetchone()[0], smoke.IDENTITY)
        self.assertEqual(self._smoke("--cleanup"), 0)
        self.assertEqual(list(self.db.execute("SELECT sku, stock FROM parts")), before)
        self.assertEqual(self.db.execute("SELECT count(*) FROM orders").fetchone()[0], 0)

    def test_a_shop_without_an_order_book(self) -> None:
        self.open_shop()
        self.db.execute("ALTER TABLE orders RENAME TO elsewhere")
        self.assertEqual(self._smoke(), 1)

    def test_no_shop_at_all(self) -> None:
        self.url = f"unix:{self.folder}/nobody"
        self.assertEqual(self._smoke(), 1)
