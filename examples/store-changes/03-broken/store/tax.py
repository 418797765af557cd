"""Sales tax by region."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

PERCENT = {
    "test": Decimal("19"),
}


def on(cents: int, region: str) -> int:
    """The tax on an amount, in cents, rounded as a till does."""
    return int((cents * PERCENT[region] / 100).quantize(Decimal(1), ROUND_HALF_UP))
