"""Paths of pages as labels: few enough to be compared, and naming nobody."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable

MOST_PAGES = 300
"""Of one service in a day; further ones are ``other``."""
MOST_VERSIONS = 50
OTHER = "other"
_MOST_SERVICES = 1000
_MOST_SEGMENTS = 8
_LONGEST_SEGMENT = 40
_ID = re.compile(
    r"\d+|[0-9a-fA-F]{8,}|[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|.*@.*|.*%40.*|(?=.*\d)[A-Za-z0-9_-]{16,}|\w{2,8}_[0-9a-z]{12,}"
)
_PLAIN = re.compile(r"[A-Za-z0-9._~-]+")


def page_of(path: str) -> str:
    """``/orders/4711/items`` becomes ``/orders/:id/items``; what is no plain word is an id too."""
    segments = [segment for segment in re.split(r"[?#;]", path[:2000], maxsplit=1)[0].split("/") if segment]
    kept = [
        segment
        if len(segment) <= _LONGEST_SEGMENT and _PLAIN.fullmatch(segment) and not _ID.fullmatch(segment)
        else ":id"
        for segment in segments[:_MOST_SEGMENTS]
    ]
    if len(segments) > _MOST_SEGMENTS:
        kept.append("…")
    return "/" + "/".join(kept)


class Few:
    """Values of a label, of which each service may have so many a day. Safe to use from every thread."""

    def __init__(self, most: int, clock: Callable[[], float] = time.time) -> None:
        self._most, self._clock = most, clock
        self._day = -1
        self._seen: dict[str, set[str]] = {}
        self._lock = threading.Lock()

    def label(self, service: str, value: str) -> str:
        """The value, or ``other``."""
        day = int(self._clock() // 86_400)
        with self._lock:
            if day != self._day:
                self._day, self._seen = day, {}
            if service not in self._seen and len(self._seen) >= _MOST_SERVICES:
                return OTHER
            seen = self._seen.setdefault(service, set())
            if value not in seen:
                if len(seen) >= self._most:
                    return OTHER
                seen.add(value)
        return value
