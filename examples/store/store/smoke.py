"""The smoke test: one real order, before customers are let in.

    python3 -m store.smoke             places an order at $ANDON_URL, reads it back, checks the sums
    python3 -m store.smoke --cleanup   removes every order of the smoke test's customer, puts the parts back

The order is made as $ANDON_SMOKE_IDENTITY, an address that no customer can have (`.invalid` never exists), so that it
can be told from real ones and removed. Customers may be ordering from the old version at this very moment, so nothing
here compares the shelf before and after: the order itself tells what it found and what it left.
"""

from __future__ import annotations

import argparse
import http.client
import os
import secrets
import sqlite3
import sys
from contextlib import closing

from store import config, database, orders
from store.client import Answer, Client

IDENTITY = "smoke@andon.invalid"
QUANTITY = 2


class SmokeFailed(Exception):
    """The shop answered, and the answer was wrong."""


def _expect(true: bool, what: str) -> None:
    if not true:
        raise SmokeFailed(what)


def _read(answer: Answer, what: str, status: int = 200) -> dict[str, object]:
    _expect(answer.status == status, f"{what}: expected {status}, got {answer.status}: {answer.text[:300].strip()}")
    return answer.json()


def order_once(url: str, customer: str) -> str:
    """Place one order and check it. Returns its reference; raises SmokeFailed with what was wrong."""
    client = Client(url)
    try:
        parts = _read(client.get("/api/parts"), "the list of parts")["parts"]
        _expect(isinstance(parts, list) and bool(parts), "the list of parts is empty")
        assert isinstance(parts, list)
        part = max(parts, key=lambda each: int(each["stock"]))
        _expect(int(part["stock"]) >= QUANTITY, f"no part has {QUANTITY} in stock")

        request: dict[str, str | int] = {
            "sku": str(part["sku"]),
            "quantity": QUANTITY,
            "customer": customer,
        }
        placed = client.post_json("/api/orders", {**request, "request_key": secrets.token_hex(16)})
        reference = str(_read(placed, f"ordering {QUANTITY} × {part['sku']}", 201)["reference"])

        order = _read(client.get(f"/api/orders/{reference}"), f"reading order {reference} back")
        for name, value in request.items():
            _expect(order[name] == value, f"order {reference} has {name} {order[name]!r} instead of {value!r}")
        before, after = int(str(order["stock_before"])), int(str(order["stock_after"]))
        _expect(before - QUANTITY == after, f"the shelf went from {before} to {after} for an order of {QUANTITY}")
        lines = order["lines"]
        _expect(
            isinstance(lines, list) and sum(int(line["cents"]) for line in lines) == order["total_cents"],
            f"the lines of order {reference} do not add up to its total",
        )
        page = client.get(f"/orders/{reference}")
        _expect(page.status == 200 and reference in page.text, f"the page of order {reference} does not show it")
        return reference
    finally:
        client.close()


def clean_up(customer: str) -> int:
    """Remove what `customer` ordered; returns how many orders that were. Safe to repeat."""
    with closing(database.connect(config.database_path())) as db, database.writing(db):
        return orders.forget(db, customer)


def main(arguments: list[str] | None = None) -> int:
    """The command line. 0: the shop works, 1: it does not, with the reason on standard error."""
    parser = argparse.ArgumentParser(prog="store.smoke", description="Place one order and check it.")
    parser.add_argument("--cleanup", action="store_true", help="remove what earlier smoke tests left")
    customer = os.environ.get("ANDON_SMOKE_IDENTITY") or IDENTITY
    try:
        if parser.parse_args(arguments).cleanup:
            print(f"smoke: {clean_up(customer)} order(s) of {customer} removed")
        else:
            url = os.environ.get("ANDON_URL", "http://127.0.0.1:8000")
            print(f"smoke: order {order_once(url, customer)} placed, read back and checked")
    except (SmokeFailed, config.ConfigError, sqlite3.Error, OSError, http.client.HTTPException, ValueError) as error:
        print(f"smoke: {error or type(error).__name__}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
