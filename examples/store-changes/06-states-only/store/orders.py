"""Placing, reading and cancelling orders. An order and the stock it takes change together or not at all.

Whether an order is cancelled is read from its state. It is still written where the version before reads it, as long as
that column is there: until the contract migration, going back is safe.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime

from store import catalogue
from store.config import Config

MOST_AT_ONCE = 20
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # no 0/O and 1/I: people read these out on the telephone
_COLUMNS = (
    "reference, sku, part_name, quantity, customer, unit_cents, total_cents, "
    "stock_before, stock_after, authorisation, placed_at, CASE state WHEN 'cancelled' THEN state_since END"
)


class OrderRefused(Exception):
    """The order cannot be taken. `status` is the HTTP status that says so."""

    def __init__(self, message: str, status: int = 422) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Order:
    """One order. Money is in cents; times are ISO 8601 in UTC."""

    reference: str
    sku: str
    part_name: str
    quantity: int
    customer: str
    unit_cents: int
    total_cents: int
    stock_before: int
    stock_after: int
    authorisation: str | None
    placed_at: str
    cancelled_at: str | None

    def lines(self) -> list[tuple[str, int]]:
        """What makes up the total: label and cents."""
        return [(f"{self.quantity} × {self.part_name}", self.quantity * self.unit_cents)]


def place(
    db: sqlite3.Connection, config: Config, *, sku: str, quantity: str | int, customer: str, request_key: str
) -> Order:
    """Take an order, inside the transaction of `db`.

    The same `request_key` again returns the order it made the first time: a reload or a retry buys nothing twice.
    Raises OrderRefused when something is wrong with the order or the shelf is too empty.
    """
    if not re.fullmatch(r"[!-~]{8,100}", request_key):
        raise OrderRefused("The order needs a request key of 8 to 100 plain characters.")
    if known := db.execute("SELECT reference FROM orders WHERE request_key = ?", (request_key,)).fetchone():
        order = get(db, known["reference"])
        if order is None or (order.sku, order.customer) != (sku, customer.strip()):
            raise OrderRefused("This request key belongs to another order.", 409)
        return order
    amount = _amount(quantity)
    customer = customer.strip()
    if len(customer) > 254 or not _ADDRESS.fullmatch(customer):
        raise OrderRefused("Please give an e-mail address, like ada@example.org.")
    part = catalogue.get(db, sku)
    if part is None:
        raise OrderRefused(f"There is no part {sku!r}.", 404)
    if part.stock < amount:
        left = f"only {part.stock} left" if part.stock else "none left"
        raise OrderRefused(f"{part.name}: {left}.", 409)

    reference = "PU-" + "".join(secrets.choice(_LETTERS) for _ in range(10))
    total, now = amount * part.price_cents, _now()
    db.execute("UPDATE parts SET stock = stock - ? WHERE sku = ?", (amount, sku))
    db.execute(
        "INSERT INTO orders (reference, request_key, sku, part_name, quantity, customer, unit_cents, total_cents, "
        "stock_before, stock_after, authorisation, placed_at, state, state_since) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'placed', ?)",
        (
            *(reference, request_key, sku, part.name, amount, customer, part.price_cents, total),
            *(part.stock, part.stock - amount, authorise(config, reference, total, customer), now, now),
        ),
    )
    order = get(db, reference)
    assert order is not None
    return order


def get(db: sqlite3.Connection, reference: str) -> Order | None:
    """The order, or None. Whoever knows the reference may read it: it cannot be guessed."""
    question = f"SELECT {_COLUMNS} FROM orders WHERE reference = ?"  # noqa: S608 - fixed text
    row = db.execute(question, (reference,)).fetchone()
    return Order(*row) if row else None


def cancel(db: sqlite3.Connection, reference: str) -> Order | None:
    """Cancel an order and put its parts back. Cancelling twice changes nothing the second time."""
    order = get(db, reference)
    if order is None or order.cancelled_at:
        return order
    now = _now()
    db.execute("UPDATE orders SET state = 'cancelled', state_since = ? WHERE reference = ?", (now, reference))
    if db.execute("SELECT 1 FROM pragma_table_info('orders') WHERE name = 'cancelled_at'").fetchone():
        db.execute("UPDATE orders SET cancelled_at = ? WHERE reference = ?", (now, reference))
    db.execute("UPDATE parts SET stock = stock + ? WHERE sku = ?", (order.quantity, order.sku))
    return get(db, reference)


def forget(db: sqlite3.Connection, customer: str) -> int:
    """Remove every order of one customer and put the parts back. Returns how many there were."""
    db.execute(
        "UPDATE parts SET stock = stock + taken FROM "
        "(SELECT sku AS which, sum(quantity) AS taken FROM orders"
        " WHERE customer = ? AND state <> 'cancelled' GROUP BY sku) WHERE parts.sku = which",
        (customer,),
    )
    return db.execute("DELETE FROM orders WHERE customer = ?", (customer,)).rowcount


def authorise(config: Config, reference: str, total_cents: int, customer: str) -> str | None:
    """Sign a payment, as a payment provider would want it. None without a key: then one pays on delivery."""
    if config.payment_key is None:
        return None
    text = f"{reference}|{total_cents}|{customer}".encode()
    return hmac.new(config.payment_key, text, hashlib.sha256).hexdigest()[:24]


def _amount(quantity: str | int) -> int:
    try:
        amount = int(quantity)
    except ValueError:
        amount = 0
    if not 1 <= amount <= MOST_AT_ONCE:
        raise OrderRefused(f"Please order between 1 and {MOST_AT_ONCE}.")
    return amount


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
