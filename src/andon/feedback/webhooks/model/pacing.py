"""When a try that failed is made again, and when it is given up."""

from __future__ import annotations

from datetime import datetime, timedelta

FIRST_PAUSE = 5.0
LONGEST_PAUSE = 3600.0
"""Seconds between tries: each pause twice the one before, from the first to the longest."""
GIVEN_UP_AFTER = timedelta(hours=24)
"""From the first try of an event. Nothing is skipped: the event and those behind it wait for a test that succeeds."""
GONE = 410
"""The status by which a program says that it wants nothing more."""


def pause(attempts: int, chance: float, retry_after: float | None) -> timedelta:
    """How long to wait after so many tries. ``chance``, 0 to 1, takes away up to half of it, so that what failed
    together does not come back together; never shorter than what was asked for, up to the longest."""
    whole = min(FIRST_PAUSE * 2.0 ** min(attempts - 1, 30), LONGEST_PAUSE)
    asked = 0.0 if retry_after is None else min(max(retry_after, 0.0), LONGEST_PAUSE)
    return timedelta(seconds=max(whole * (1 - chance / 2), asked))


def is_given_up(status: int | None, since: datetime, now: datetime) -> bool:
    return status == GONE or now - since >= GIVEN_UP_AFTER
