"""Prometheus' mark for a series that has ended: one NaN among many, told apart by its bits."""

from __future__ import annotations

import struct

STALE_BITS = 0x7FF0000000000002
STALE: float = struct.unpack("<d", struct.pack("<Q", STALE_BITS))[0]


def is_stale(value: float) -> bool:
    return value != value and struct.pack("<d", value) == _RAW  # noqa: PLR0124 - only a NaN differs from itself


_RAW = struct.pack("<Q", STALE_BITS)
