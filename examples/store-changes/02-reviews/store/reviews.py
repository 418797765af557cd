"""What customers say about parts."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime

LONGEST_NAME, LONGEST_TEXT = 40, 500


class ReviewRefused(Exception):
    """The review cannot be taken; the message tells its writer why."""


@dataclass(frozen=True, slots=True)
class Review:
    """One opinion. `written_at` is ISO 8601 in UTC."""

    name: str
    stars: int
    text: str
    written_at: str


def of(db: sqlite3.Connection, sku: str, most: int = 20) -> list[Review]:
    """The reviews of a part, newest first."""
    rows = db.execute(
        "SELECT name, stars, text, written_at FROM reviews WHERE sku = ? ORDER BY id DESC LIMIT ?", (sku, most)
    )
    return [Review(*row) for row in rows]


def add(db: sqlite3.Connection, *, sku: str, name: str, stars: str, text: str, request_key: str) -> None:
    """Take a review and bring the part's rating up to date, inside the transaction of `db`.

    The same `request_key` again changes nothing. Raises ReviewRefused when something is missing.
    """
    name, text = " ".join(name.split()), " ".join(text.split())
    if not re.fullmatch(r"[1-5]", stars):
        raise ReviewRefused("Please give one to five stars.")
    if not 1 <= len(name) <= LONGEST_NAME or not 1 <= len(text) <= LONGEST_TEXT:
        raise ReviewRefused(
            f"A review needs a name (up to {LONGEST_NAME}) and a text (up to {LONGEST_TEXT} characters)."
        )
    if not re.fullmatch(r"[!-~]{8,100}", request_key):
        raise ReviewRefused("The review needs a request key of 8 to 100 plain characters.")
    db.execute(
        "INSERT INTO reviews (request_key, sku, name, stars, text, written_at) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (request_key) DO NOTHING",
        (request_key, sku, name, int(stars), text, datetime.now(UTC).isoformat(timespec="seconds")),
    )
    db.execute("UPDATE parts SET rating = (SELECT avg(stars) FROM reviews WHERE sku = ?1) WHERE sku = ?1", (sku,))
