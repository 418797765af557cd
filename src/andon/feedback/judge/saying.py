"""Numbers and verdicts in words."""

from __future__ import annotations

import math

from andon.feedback.judge.contract import Kind
from andon.feedback.judge.model import Terms

THINGS = {Kind.SHARE: "requests", Kind.RATE: "requests", Kind.TRAFFIC: "requests", Kind.LATENCY: "values"}


def number(value: float) -> str:
    """Three figures that count, with thousands apart."""
    if not math.isfinite(value):
        return "∞"
    if value == 0 or abs(value) >= 1000:
        return f"{value:,.0f}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:.{min(digits, 6)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def count(value: float) -> str:
    return f"{value:,.0f}"


def percent(share: float | None) -> str:
    if share is None:
        return "none"
    return f"{number(share * 100)} %"


def level(terms: Terms, value: float | None, last_bound: float | None = None) -> str:
    """A level of the metric in its unit; one that is infinite lies above the last bound."""
    if value is None:
        return "nothing"
    if not math.isfinite(value):
        return "more than can be told" if last_bound is None else f"more than {level(terms, last_bound)}"
    if terms.metric.kind is Kind.SHARE:
        return percent(value)
    unit = terms.metric.unit
    return f"{number(value)} {unit}" if unit else number(value)


def times(ratio: float) -> str:
    return "twice" if 1.95 <= ratio <= 2.05 else f"{number(float(f'{ratio:.2g}'))} times"


def span(seconds: float) -> str:
    if seconds < 120:
        return f"{number(round(seconds, 1))} s"
    if seconds < 7200:
        return f"{number(round(seconds / 60))} min"
    return f"{number(round(seconds / 3600, 1))} h"


def confidence(value: float) -> str:
    return f"{number(value * 100)} %"
