"""A question put together from choices, for those who do not know PromQL: metric, function, filters, grouping."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from andon.feedback.graphs.model.panels import PanelKind
from andon.feedback.graphs.model.rules import quoted
from andon.feedback.telemetry.contract.metrics import Comparison, Kind

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,254}")


@dataclass(frozen=True, slots=True)
class Function:
    """``template`` holds ``{}`` where the selector stands; ``says`` is what people read."""

    key: str
    says: str
    template: str
    kinds: frozenset[Kind]
    unit: str = ""
    """``/s`` at its end makes a rate of the metric's own."""
    grouped: str = "sum"
    """By which lines are put together."""


_COUNTS = frozenset({Kind.COUNTER, Kind.DELTA})
FUNCTIONS: tuple[Function, ...] = (
    Function("rate", "how many a second", "rate({}[$window])", _COUNTS, "/s"),
    Function("increase", "how many in each step", "increase({}[$step])", _COUNTS),
    Function(
        "p50",
        "half are below (median)",
        "quantile_over_time(0.5, {}[$window])",
        frozenset({Kind.OBSERVATION}),
        grouped="avg",
    ),
    Function(
        "p95",
        "95 of 100 are below",
        "quantile_over_time(0.95, {}[$window])",
        frozenset({Kind.OBSERVATION}),
        grouped="max",
    ),
    Function(
        "p99",
        "99 of 100 are below",
        "quantile_over_time(0.99, {}[$window])",
        frozenset({Kind.OBSERVATION}),
        grouped="max",
    ),
    Function("often", "how many a second", "count_over_time({}[$window])", frozenset({Kind.OBSERVATION})),
    Function("heat", "how often which value", "{}", frozenset({Kind.OBSERVATION}), grouped=""),
    Function("value", "as it is", "{}", frozenset({Kind.GAUGE}), grouped="avg"),
    Function(
        "highest",
        "the highest of each step",
        "max_over_time({}[$step])",
        frozenset({Kind.GAUGE, Kind.OBSERVATION}),
        grouped="max",
    ),
    Function("raw", "the running total", "{}", frozenset({Kind.COUNTER})),
)
DRAWN: Mapping[str, PanelKind] = {"heat": PanelKind.HEAT, "increase": PanelKind.BARS}
"""How the answers of some functions are drawn; others are lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What somebody chose; empty is not chosen yet."""

    metric: str = ""
    function: str = ""
    filters: tuple[tuple[str, str, str], ...] = ()
    """Label, comparison, value."""
    by: tuple[str, ...] = ()


def functions_for(kind: Kind, metric: str) -> tuple[Function, ...]:
    """What may be asked of such a metric, the most useful first."""
    if metric.endswith("_bucket"):
        rate = "sum by (le) (rate({}[$window]))"
        quantiles = tuple(
            Function(f"p{percent}", says, f"histogram_quantile({share}, {rate})", _COUNTS, grouped="")
            for share, percent, says in (
                (0.5, 50, "half are below (median)"),
                (0.95, 95, "95 of 100 are below"),
                (0.99, 99, "99 of 100 are below"),
            )
        )
        return (*quantiles, Function("heat", "how often which value", rate, _COUNTS, grouped=""))
    return tuple(one for one in FUNCTIONS if kind in one.kinds)


def question(choices: Choices, kind: Kind) -> str:
    """The PromQL of what was chosen; empty before a metric was."""
    if not _METRIC.fullmatch(choices.metric):
        return ""
    offered = functions_for(kind, choices.metric)
    function = next((one for one in offered if one.key == choices.function), offered[0])
    told = {one.value for one in Comparison}
    inside = ",".join(
        f"{label}{comparison}{quoted(value)}"
        for label, comparison, value in choices.filters
        if _LABEL.fullmatch(label) and comparison in told
    )
    selector = f"{choices.metric}{{{inside}}}" if inside else choices.metric
    text = function.template.format(selector)
    by = tuple(one for one in choices.by if _LABEL.fullmatch(one))
    if not by or not function.grouped:
        if by and "by (le)" in text:
            text = text.replace("by (le)", f"by ({', '.join((*by, 'le'))})")
        return text
    return f"{function.grouped} by ({', '.join(by)}) ({text})"


def unit_of(function: str, unit: str) -> str:
    """The unit of an answer."""
    return f"{unit or '1'}/s" if function == "rate" else "1" if function == "often" else unit


def filters_from(fields: Mapping[str, str], most: int = 8) -> tuple[tuple[str, str, str], ...]:
    """``label1``, ``is1``, ``value1`` and so on, as the form sends them."""
    found = []
    for number in range(1, most + 1):
        label, value = fields.get(f"label{number}", "").strip(), fields.get(f"value{number}", "")
        if label and value:
            found.append((label, fields.get(f"is{number}", "="), value[:1024]))
    return tuple(found)
