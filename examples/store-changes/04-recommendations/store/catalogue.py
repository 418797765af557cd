"""The parts on the shelves: reading and searching them."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from store.recommender import RECOMMENDER

# Columns by name, never `*`: while two versions share one database, there may be columns this version does not know.
COLUMNS = "sku, name, category, drawing, fits, description, price_cents, stock, rating"


@dataclass(frozen=True, slots=True)
class Part:
    """One part as it stands in the catalogue."""

    sku: str
    name: str
    category: str
    drawing: str
    fits: str
    description: str
    price_cents: int
    stock: int
    rating: float | None
    """The average of its reviews, 1 to 5; None while there are none."""


def _part(row: sqlite3.Row) -> Part:
    return Part(*row)


def find(db: sqlite3.Connection, search: str = "", category: str = "") -> list[Part]:
    """Parts, best rated first, and among equals what others buy now.

    Every word of `search` must occur somewhere in name, number or description.
    """
    where, values = ["1"], []
    if category:
        where.append("category = ?")
        values.append(category)
    for word in search.split()[:8]:
        pattern = "%" + word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        where.append("(sku || ' ' || name || ' ' || category || ' ' || fits || ' ' || description) LIKE ? ESCAPE '\\'")
        values.append(pattern)
    question = f"SELECT {COLUMNS} FROM parts WHERE {' AND '.join(where)} "  # noqa: S608 - what people typed is bound
    parts = [_part(row) for row in db.execute(question + "ORDER BY rating DESC NULLS LAST, sku", values)]
    wanted = RECOMMENDER.favourites()
    return sorted(parts, key=lambda part: (part.rating is None, -(part.rating or 0), part.sku not in wanted))


def get(db: sqlite3.Connection, sku: str) -> Part | None:
    """The part with this number, or None."""
    row = db.execute(f"SELECT {COLUMNS} FROM parts WHERE sku = ?", (sku,)).fetchone()  # noqa: S608 - fixed text
    return _part(row) if row else None


def categories(db: sqlite3.Connection) -> list[str]:
    """The shelves, in alphabetical order."""
    return [row[0] for row in db.execute("SELECT DISTINCT category FROM parts ORDER BY category")]


def count(db: sqlite3.Connection) -> int:
    """How many parts there are. Reads the columns this version needs, so a wrong schema is noticed here."""
    row = db.execute("SELECT count(sku), max(rating) FROM parts").fetchone()
    return int(row[0])
