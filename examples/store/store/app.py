"""Which request gets which answer."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable
from dataclasses import asdict

from store import catalogue, metrics, orders, pages, visitors
from store.config import Config
from store.database import Pool
from store.orders import Order, OrderRefused
from store.server import Request, Response

Route = Callable[["App", Request, str], Response]


class App:
    """The shop. Called with a request, returns a response; many threads call it at once."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.pool = Pool(config.database)

    def __call__(self, request: Request) -> Response:
        """Find the route and take it."""
        allowed = []
        for method, pattern, route in ROUTES:
            if found := pattern.fullmatch(request.path):
                if method == request.method or (method, request.method) == ("GET", "HEAD"):
                    return route(self, request, found.group(1) if found.groups() else "")
                allowed.append(method)
        if allowed:
            headers = (("Allow", ", ".join(allowed)),)
            return Response(405, b"This address does not take that method.\n", headers=headers)
        if request.path.startswith("/api/"):
            return _json(404, {"error": f"There is nothing at {request.path}."})
        return self._missing("There is no such page", "The address leads nowhere.")

    def front(self, request: Request, _: str) -> Response:
        """The catalogue, whole or searched."""
        search, category = request.query.get("q", "").strip()[:100], request.query.get("category", "")[:40]
        with self.pool.reading() as db:
            parts, shelves = catalogue.find(db, search, category), catalogue.categories(db)
        return _html(200, pages.front(self.config, parts, shelves, search, category))

    def part(self, request: Request, sku: str) -> Response:
        """One part."""
        visitor = visitors.recognise(request)
        with self.pool.reading() as db:
            part = catalogue.get(db, sku)
        if part is None:
            return self._missing("No such part", f"We do not have a part {sku}.")
        page = pages.part(self.config, part, short=visitor.gets_new_checkout())
        return _html(200, page, *visitor.headers)

    def place_order(self, request: Request, _: str) -> Response:
        """The order form. Done: on to the order's page, so that a reload asks for the page and not for the parts."""
        form = {name: value.strip() for name, value in request.form().items()}
        visitor = visitors.recognise(request)
        short = visitor.gets_new_checkout()  # asked first: how an order ends is told of the form that it came from
        try:
            order = self._place(form.get("sku", ""), form.get("quantity", ""), form.get("customer", ""), form)
        except OrderRefused as refused:
            with self.pool.reading() as db:
                part = catalogue.get(db, form.get("sku", ""))
            if part is None:
                return self._missing("No such part", str(refused))
            typed = {"quantity": form.get("quantity", ""), "customer": form.get("customer", "")}
            page = pages.part(self.config, part, str(refused), **typed, short=short)
            return _html(refused.status, page, *visitor.headers)
        return _see(f"/orders/{order.reference}")

    def order(self, _: Request, reference: str) -> Response:
        """The receipt."""
        with self.pool.reading() as db:
            order = orders.get(db, reference)
            part = catalogue.get(db, order.sku) if order else None
        if order is None:
            return self._missing("No such order", f"We do not have an order {reference}.")
        drawing, shelf = (part.drawing, part.category.lower()) if part else ("nut", "")
        return _html(200, pages.order(self.config, order, drawing, shelf))

    def cancel_order(self, _: Request, reference: str) -> Response:
        """The button on the receipt."""
        with self.pool.writing() as db:
            order = orders.cancel(db, reference)
        if order is None:
            return self._missing("No such order", f"We do not have an order {reference}.")
        return _see(f"/orders/{reference}")

    def api_parts(self, _: Request, __: str) -> Response:
        """All parts, for programs."""
        with self.pool.reading() as db:
            return _json(200, {"parts": [asdict(part) for part in catalogue.find(db)]})

    def api_place_order(self, request: Request, _: str) -> Response:
        """An order, from a program: sku, quantity, customer, request_key."""
        value = request.json()
        texts = {name: value[name] for name in ("sku", "customer", "request_key") if isinstance(value.get(name), str)}
        quantity = value.get("quantity")
        if len(texts) != 3 or not isinstance(quantity, int) or isinstance(quantity, bool):
            return _json(
                422, {"error": "An order needs sku, customer and request_key (texts) and quantity (a number)."}
            )
        fields = {name: str(text) for name, text in texts.items()}
        try:
            order = self._place(fields["sku"], quantity, fields["customer"], fields)
        except OrderRefused as refused:
            return _json(refused.status, {"error": str(refused)})
        return _json(201, _describe(order), ("Location", f"/api/orders/{order.reference}"))

    def api_order(self, _: Request, reference: str) -> Response:
        """One order, for programs."""
        with self.pool.reading() as db:
            order = orders.get(db, reference)
        if order is None:
            return _json(404, {"error": f"There is no order {reference}."})
        return _json(200, _describe(order))

    def health(self, _: Request, __: str) -> Response:
        """Whether this copy can serve: its database answers, and with the columns this version needs."""
        try:
            with self.pool.reading() as db:
                count = catalogue.count(db)
        except sqlite3.Error as error:
            return _json(503, {"status": "unhealthy", "version": self.config.commit, "database": str(error)})
        return _json(200, {"status": "healthy", "version": self.config.commit, "database": "ok", "parts": count})

    def version(self, _: Request, __: str) -> Response:
        """The full commit this copy was built from."""
        return _json(200, {"version": self.config.commit})

    def _place(self, sku: str, quantity: str | int, customer: str, fields: dict[str, str]) -> Order:
        key = fields.get("request_key", "")
        with self.pool.writing() as db:
            before = db.total_changes
            order = orders.place(db, self.config, sku=sku, quantity=quantity, customer=customer, request_key=key)
            is_new = db.total_changes > before
        # A retry is no second order, and nobody at .invalid (RFC 2606) is a customer: smoke tests order from there.
        if is_new and not order.customer.endswith(".invalid"):
            metrics.count(self.config, "orders.placed")
        print(f"order {order.reference}: {order.quantity} × {order.sku}, {order.stock_after} left", flush=True)
        return order

    def _missing(self, title: str, text: str) -> Response:
        return _html(404, pages.problem(self.config, title, text))


def _describe(order: Order) -> dict[str, object]:
    lines = [{"label": label, "cents": cents} for label, cents in order.lines()]
    return {**asdict(order), "lines": lines}


def _html(status: int, text: str, *headers: tuple[str, str]) -> Response:
    return Response(status, text.encode(), "text/html; charset=utf-8", (*pages.SECURITY_HEADERS, *headers))


def _json(status: int, value: dict[str, object], *headers: tuple[str, str]) -> Response:
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    return Response(status, body, "application/json", (("Cache-Control", "no-store"), *headers))


def _see(address: str) -> Response:
    return Response(303, headers=(("Location", address), ("Cache-Control", "no-store")))


_SKU, _REFERENCE = r"([A-Z]{2}-[0-9]{4})", r"(PU-[2-9A-Z]{10})"
ROUTES: list[tuple[str, re.Pattern[str], Route]] = [
    ("GET", re.compile("/"), App.front),
    ("GET", re.compile(f"/parts/{_SKU}"), App.part),
    ("POST", re.compile("/orders"), App.place_order),
    ("GET", re.compile(f"/orders/{_REFERENCE}"), App.order),
    ("POST", re.compile(f"/orders/{_REFERENCE}/cancel"), App.cancel_order),
    ("GET", re.compile("/api/parts"), App.api_parts),
    ("POST", re.compile("/api/orders"), App.api_place_order),
    ("GET", re.compile(f"/api/orders/{_REFERENCE}"), App.api_order),
    ("GET", re.compile("/health"), App.health),
    ("GET", re.compile("/version"), App.version),
]
