"""OpenTelemetry's names and units in PromQL's letters.

After "Prometheus and OpenMetrics Compatibility" of the OpenTelemetry specification: units become suffixes, monotonic
sums end in ``_total``. Values are not converted: milliseconds stay milliseconds, and are called so.
"""

from __future__ import annotations

import re
from functools import lru_cache

from andon.feedback.telemetry.contract.metrics import metric_name

_UNITS = {
    "d": "days",
    "h": "hours",
    "min": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "By": "bytes",
    "KiBy": "kibibytes",
    "MiBy": "mebibytes",
    "GiBy": "gibibytes",
    "TiBy": "tibibytes",
    "KBy": "kilobytes",
    "MBy": "megabytes",
    "GBy": "gigabytes",
    "TBy": "terabytes",
    "m": "meters",
    "V": "volts",
    "A": "amperes",
    "J": "joules",
    "W": "watts",
    "g": "grams",
    "Cel": "celsius",
    "Hz": "hertz",
    "%": "percent",
    "1": "",
}
_PER = {"s": "second", "m": "minute", "min": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "y": "year"}
_BETWEEN = re.compile(r"[^a-zA-Z0-9:]+")
_BRACES = re.compile(r"\{[^}]*\}")


@lru_cache(maxsize=20_000)
def prometheus_name(name: str, unit: str, *, monotonic: bool, gauge: bool) -> str:
    """``http.server.request.duration`` in ``s`` becomes ``http_server_request_duration_seconds``."""
    tokens = [token for token in _BETWEEN.split(name) if token]
    if not tokens:
        return metric_name(name)
    main, _, per = _BRACES.sub("", unit).strip().partition("/")
    main, per = main.strip(), per.strip()
    for token in _suffix(_UNITS.get(main, main)):
        if token not in tokens:
            tokens.append(token)
    per_tokens = _suffix(_PER.get(per, per))
    if per_tokens and per_tokens[-1] not in tokens:
        tokens += ["per", *per_tokens]
    if monotonic:
        tokens = [*(token for token in tokens if token != "total"), "total"]  # noqa: S105 - a suffix, no password
    elif gauge and unit == "1":
        tokens = [*(token for token in tokens if token != "ratio"), "ratio"]  # noqa: S105 - a suffix, no password
    return metric_name("_".join(tokens))


def _suffix(unit: str) -> list[str]:
    return [token for token in _BETWEEN.split(unit) if token]


@lru_cache(maxsize=20_000)
def bound_text(bound: float) -> str:
    """The upper bound of a bucket or a quantile, as Prometheus writes it: ``0.005``, ``1``, ``+Inf``."""
    if bound == float("inf"):
        return "+Inf"
    if bound == float("-inf"):
        return "-Inf"
    return str(int(bound)) if bound == int(bound) and abs(bound) < 1e15 else repr(bound)
