"""Numbers as they are kept: ``m * 10^e`` with whole ``m``, or their 64 bits. See :mod:`.schema`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RAW_BITS = 127
"""The ``e`` that says: ``m`` is the 64 bits of the number."""
MOST_DECIMALS = 9

_POWERS = 10.0 ** np.arange(MOST_DECIMALS + 1)
_EXACT = float(2**53)
_UNSCALED = MOST_DECIMALS + 1


def decimals(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """How many decimals each has, :data:`MOST_DECIMALS` + 1 where that many do not give it back exactly."""
    found = np.full(values.shape, _UNSCALED, np.uint8)
    open_ = np.flatnonzero(_fits(values, 0))
    found[open_] = 0
    left = np.flatnonzero(found == _UNSCALED)
    for places in range(1, MOST_DECIMALS + 1):
        if not left.size:
            break
        fit = _fits(values[left], places)
        found[left[fit]] = places
        left = left[~fit]
    return found


def encode(values: NDArray[np.float64], places: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """``m`` and ``e`` with so many decimals; what does not fit them is kept as its bits."""
    places = np.minimum(places, MOST_DECIMALS)
    powers = _POWERS[places]
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.rint(values * powers)
        sound = (np.abs(scaled) < _EXACT) & (scaled / powers == values) & ~(np.signbit(values) & (values == 0))
    m = np.where(sound, np.where(sound, scaled, 0).astype(np.int64), values.view(np.int64))
    e = np.where(sound, -places.astype(np.int8), np.int8(RAW_BITS))
    return m, e


def decode(m: NDArray[np.int64], e: NDArray[np.int8]) -> NDArray[np.float64]:
    bits = e == RAW_BITS
    values = m / _POWERS[np.where(bits, 0, -e)]
    if bits.any():
        values[bits] = m[bits].view(np.float64)
    return values


def _fits(values: NDArray[np.float64], places: int) -> NDArray[np.bool_]:
    power = _POWERS[places]
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.rint(values * power)
        return np.asarray((np.abs(scaled) < _EXACT) & (scaled / power == values))
