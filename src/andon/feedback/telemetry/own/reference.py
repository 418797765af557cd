"""The reference of what Andon measures by itself, written from the metrics themselves."""

from __future__ import annotations

import sys

from andon.feedback.telemetry.contract.metrics import Kind
from andon.feedback.telemetry.own import names
from andon.feedback.telemetry.own.names import METRICS, Metric

_HEAD = """# What Andon measures by itself

<!-- Written by `python -m andon.feedback.telemetry.own.reference`; a test keeps it equal to the code. -->

Without one line of code. A service that is deployed has rate, errors, duration and saturation of every version; its
pipeline and its machine tell of themselves as well. All of it can be asked for in PromQL.

`version` is the first seven digits of the commit, `set` the instances that one deployment made. Counters begin anew
with the program that counts; `rate()` and `increase()` know that. Of an *observation* every measured thing is a sample
of its own (one run, one job), at the moment at which it ended: ask with `max_over_time()` or `quantile_over_time()`. A
*delta* says how much was added: `sum_over_time()`.
"""

_INSTANCES = """Every 10 s, of every instance that runs, with or without traffic. Where control groups limit it they are
asked, else its processes are."""
_REQUESTS = """Every 5 s, as the router counts them. Each request is a line of the logs as well: those that failed (up
to 1,000 a second of an environment), and of the others up to 100; where there are more, each that is kept says in its
field `sampled` for how many it stands."""
_PARTS = (
    ("The machine", names.HOST_CPU, "Every 10 s."),
    ("Instances", names.INSTANCE_CPU, _INSTANCES),
    ("Requests", names.REQUESTS, _REQUESTS),
    ("The deployment pipeline", names.RUN_SECONDS, "As soon as it has happened."),
    ("Telemetry and Andon itself", names.RECEIVED, "Every 10 s; the sizes of tables every minute."),
)
_KINDS = {
    Kind.GAUGE: "gauge",
    Kind.COUNTER: "counter",
    Kind.DELTA: "delta",
    Kind.OBSERVATION: "observation",
}
_UNITS = {"s": "seconds", "By": "bytes", "1": "number"}


def metrics_reference() -> str:
    """The page ``docs/reference/metrics.md``."""
    firsts = [METRICS.index(first) for _, first, _ in _PARTS]
    lines = [_HEAD]
    for (title, _, says), begin, end in zip(_PARTS, firsts, [*firsts[1:], len(METRICS)], strict=True):
        head = ("| Name | Labels | Kind | What it says |", "|---|---|---|---|")
        lines += [f"## {title}", "", says, "", *head, *(_row(one) for one in METRICS[begin:end]), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _row(one: Metric) -> str:
    labels = " ".join(f"`{label}`" for label in one.labels)
    return f"| `{one.name}` | {labels} | {_KINDS[one.kind]}, {_UNITS[one.unit]} | {one.help} |"


if __name__ == "__main__":
    sys.stdout.write(metrics_reference())
