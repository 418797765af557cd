"""What the numbers of a metric mean, by Prometheus' types or, where none is told, by its name."""

from __future__ import annotations

from collections.abc import Mapping

from andon.feedback.telemetry.contract.metrics import Kind

_RUNNING = ("_total", "_count", "_sum", "_bucket")

COUNTERS = frozenset({"counter"})
OF_SEVERAL = {"histogram": ("_bucket", "_sum", "_count", "_total"), "summary": ("_sum", "_count")}
GAUGES = frozenset({"gauge", "info", "stateset", "gaugehistogram"})
SUFFIXES = ("_bucket", "_sum", "_count", "_total", "_created", "_info", "_gsum", "_gcount")


def guessed(name: str) -> Kind:
    """By Prometheus' habits of naming."""
    return Kind.COUNTER if name.endswith(_RUNNING) else Kind.GAUGE


def kind_by_type(type_: str, name: str) -> Kind:
    """Of the series ``name`` in a family of this type, which is in lower case; by its name where the type is none."""
    if name.endswith("_created"):
        return Kind.GAUGE
    if type_ in COUNTERS:
        return Kind.COUNTER
    if type_ in OF_SEVERAL:
        return Kind.COUNTER if name.endswith(OF_SEVERAL[type_]) else Kind.GAUGE
    return Kind.GAUGE if type_ in GAUGES else guessed(name)


def kind_by_families(types: Mapping[str, str], name: str) -> Kind:
    """Of a series, where types are known by family and the series' name may have a suffix."""
    if name in types:
        return kind_by_type(types[name], name)
    for suffix in SUFFIXES:
        if name.endswith(suffix) and (family := name.removesuffix(suffix)) in types:
            return kind_by_type(types[family], name)
    return guessed(name)
