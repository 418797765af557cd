"""Every function, operator and modifier of PromQL, in variations. The samples are those of :mod:`.samples`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_COUNTERS = ('node_cpu_seconds_total{cpu="0"}', "node_network_receive_bytes_total", "node_forks_total", "odd")
_GAUGES = ("node_load1", 'node_memory_MemFree_bytes{instance="alpha:9100"}', "odd", "odd_seldom")
_RANGES = ("45s", "1m", "5m", "1h")

_OF_COUNTERS = ("rate", "increase", "irate", "resets")
_OF_GAUGES = ("delta", "idelta", "deriv", "changes")
_OVER_TIME = ("avg", "min", "max", "sum", "count", "stddev", "stdvar", "last", "present", "absent")
_MATHS = (
    *("abs", "ceil", "floor", "exp", "sqrt", "ln", "log2", "log10", "sgn", "round", "deg", "rad"),
    *("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh"),
)
_CALENDAR = ("minute", "hour", "day_of_week", "day_of_month", "day_of_year", "days_in_month", "month", "year")
_SIMPLE = ("sum", "avg", "min", "max", "count", "group", "stddev", "stdvar")

BEYOND = (
    "limitk(2, node_load1)",
    "mad_over_time(node_load1[5m])",
    "double_exponential_smoothing(node_load1[5m], 0.5, 0.5)",
    'sort_by_label(node_cpu_seconds_total, "mode")',
    "histogram_fraction(0, 0.5, rate(apiserver_request_duration_seconds_bucket[5m]))",
    "ts_of_max_over_time(node_load1[5m])",
    "first_over_time(node_load1[5m])",
    "rate(node_forks_total[300])",
)
"""What came into PromQL after Prometheus 2.42."""


DISPUTED = {
    'odd_info{word=~"line.break"}': "since Prometheus 3 a dot fits the end of a line, as it does here",
    'stddev_over_time(odd{shape="huge"}[5m])': "squares out of range: infinite here, NaN from 2.42's Kahan sum",
    'stdvar_over_time(odd{shape="huge"}[5m])': "squares out of range: infinite here, NaN from 2.42's Kahan sum",
    "hour(odd)": "there is no hour of NaN; 2.42 makes 15 of it, of which day its processor decides",
    "stdvar(timestamp(node_network_receive_bytes_total))": "near 1.7e9 one pass loses digits that two keep",
    "predict_linear(node_load1[10m] @ end(), 60)": "the fixed window slides away from under 2.42 step by step",
}
"""Where we do not want to be like Prometheus 2.42, and why."""


def queries() -> tuple[str, ...]:
    """Each once."""
    return tuple(dict.fromkeys(_all()))


def _all() -> Iterator[str]:
    for function in _OF_COUNTERS:
        for selector in _COUNTERS:
            for length in _RANGES:
                yield f"{function}({selector}[{length}])"
    for function in _OF_GAUGES:
        for selector in _GAUGES:
            for length in ("1m", "10m"):
                yield f"{function}({selector}[{length}])"
    for function in _OVER_TIME:
        for selector in _GAUGES:
            finite = selector.replace("odd", 'odd{shape!="huge"}') if selector == "odd" else selector
            yield f"{function}_over_time({finite if function in {'stddev', 'stdvar'} else selector}[5m])"
        yield f"{function}_over_time(node_procs_running[1h])"
        yield f"{function}_over_time(node_load1[5m:20s])"
    for function in _MATHS:
        yield f"{function}(odd)"
        yield f"{function}(node_load1 - 1)"
    for function in _CALENDAR:
        yield f"{function}()"
        yield f"{function}(node_boot_time_seconds)"
    for operator in _SIMPLE:
        yield f"{operator}(node_cpu_seconds_total)"
        yield f"{operator} by (mode) (rate(node_cpu_seconds_total[1m]))"
        yield f"{operator} without (cpu, mode) (node_cpu_seconds_total)"
    yield from (Path(__file__).parent / "queries" / "every_form.promql").read_text().splitlines()
