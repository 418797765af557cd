"""The present, in telemetry's two units."""

from __future__ import annotations

import time


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def now_us() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000
