"""Numbers with their units, as people read them. The script has the same in `graphs.units.js`."""

from __future__ import annotations

import math

_SI = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "min": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"By": 1.0, "kBy": 1e3, "MBy": 1e6, "KiBy": 1024.0, "MiBy": 1024.0**2}
ZERO_BASED = ("", "1", "%", "By")


def said(value: float | None, unit: str) -> str:
    """``1.25 s``, ``340 ms``, ``4.2 MB``, ``12.5 %``, ``3.1 k/s``; nothing is ``no data``."""
    if value is None or not math.isfinite(value):
        return "no data"
    base, rate = (unit[:-2], "/s") if unit.endswith("/s") else (unit, "")
    if base == "%":
        return f"{_digits(value * 100)} %{rate}"
    if base in _SECONDS:
        return _seconds(value * _SECONDS[base]) + rate
    if base in _BYTES:
        return f"{_si(value * _BYTES[base])}B{rate}"
    name = "" if base in ("", "1") or base.startswith("{") else f" {base}"
    number = _si(value)
    return f"{number.rstrip() if number.endswith(' ') else number}{name}{rate and (' ' + rate)}"


def _seconds(value: float) -> str:
    size = abs(value)
    if size == 0:
        return "0 s"
    for limit, divisor, name in ((1e-6, 1e-9, "ns"), (1e-3, 1e-6, "µs"), (1.0, 1e-3, "ms"), (120.0, 1.0, "s")):
        if size < limit:
            return f"{_digits(value / divisor)} {name}"
    for limit, divisor, name in ((7200.0, 60.0, "min"), (172800.0, 3600.0, "h")):
        if size < limit:
            return f"{_digits(value / divisor)} {name}"
    return f"{_digits(value / 86400)} d"


def _si(value: float) -> str:
    """With a space before where the prefix goes."""
    for size, prefix in _SI:
        if abs(value) >= size:
            return f"{_digits(value / size)} {prefix}"
    return f"{_digits(value)} "


def _digits(value: float) -> str:
    """Three that count."""
    size = abs(value)
    if size == 0:
        return "0"
    if size >= 100:
        return f"{value:,.0f}"
    if size < 0.001:
        return f"{value:.1e}"
    places = 1 if size >= 10 else 2 if size >= 1 else 3
    text = f"{value:.{places}f}"
    return text.rstrip("0").rstrip(".")
