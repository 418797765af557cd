"""The reference of Graphite's interface, written from the functions themselves."""

from __future__ import annotations

import sys

from andon.feedback.graphite.contract import MOST_SERIES, MOST_TARGETS, VERSION
from andon.feedback.graphite.functions import FUNCTIONS
from andon.feedback.graphite.registry import Function, signature

_HEAD = f"""# Graphite

<!-- Written by `python -m andon.feedback.graphite.reference`; a test keeps it equal to the code. -->

Andon answers what Graphite {VERSION} is asked, under `/graphite` of the console's address: dashboards that were made
for StatsD and Graphite go on as they are. In Grafana add a data source of the kind Graphite with the URL
`https://YOUR-ANDON/graphite` and the HTTP header `Authorization: Bearer TOKEN`; `andon token create` makes a token. Who
asks sees what they may see in the console.

| Route | What it answers |
|---|---|
| `/graphite/render` | Series of targets: `target` (up to {MOST_TARGETS}), `from`, `until`, `tz`, `maxDataPoints`, `noNullPoints`, `xFilesFactor`, `template[name]`; `format` is `json`, `csv` or `raw` |
| `/graphite/metrics/find` | The nodes of the tree of paths: `query`, `leavesOnly`, `wildcards`; `format` is `treejson`, `completer` or `json` |
| `/graphite/metrics/expand` | The paths that patterns are of: `query` (several), `groupByExpr`, `leavesOnly` |
| `/graphite/metrics/index.json` | Every path |
| `/graphite/tags` | Every tag: `filter`, `limit` |
| `/graphite/tags/{{tag}}` | The values of a tag |
| `/graphite/tags/findSeries` | The series that meet all `expr` |
| `/graphite/tags/autoComplete/tags` | Tags that begin with `tagPrefix`, of the series that meet all `expr` |
| `/graphite/tags/autoComplete/values` | Values of `tag` that begin with `valuePrefix` |
| `/graphite/functions` | The functions with their parameters: `grouped` |
| `/graphite/version` | `{VERSION}` |

All take `GET`, and `POST` with a form. Paths and tags are those of the last seven days where `from` is not told. What
cannot be answered is refused with status 400 and a text that says why; so are pictures (`png`, `svg`), which Grafana and
the console draw from the numbers.

## Paths

| What was sent | Its paths |
|---|---|
| over Graphite's protocol | the path itself |
| to StatsD, a counter `NAME` | `stats.counters.NAME.count` and `.rate`, `stats.NAME`, `stats_counts.NAME` |
| to StatsD, a timer or histogram | `stats.timers.NAME.` and `count`, `count_ps`, `lower`, `mean`, `median`, `std`, `sum`, `sum_squares`, `upper`; with a percentile `count_90`, `mean_90`, `sum_90`, `sum_squares_90`, `upper_90` and so on for any number, `upper_99_9` too |
| to StatsD, a gauge | `stats.gauges.NAME`: the last value for up to an hour |
| to StatsD, a set | `stats.sets.NAME.count` |
| anything | the name as it was sent, with dots: of a counter how many were counted, of a timer the mean |

A path is all series of that name together, whatever instance sent them: counts add up, a percentile is of all that was
measured, a running total is the sum, of a gauge the last value counts. Gauges and running totals with labels other than
`service`, `environment`, `version` and `instance` are found by their tags, as in Graphite:
`seriesByTag('name=http_requests_total', 'service=shop', 'code=~5')`. A target may name {MOST_SERIES:,} series.

Steps are of 10 seconds, or as far apart as the samples were sent, as long as raw samples are kept and the window is not
longer than 30 hours; then of a minute, and of an hour. Of timers roll-ups know count, sum, mean, lower and upper:
percentiles are told of raw samples alone.

## Where it differs

- Patterns in `aliasSub`, `grep`, `exclude` and `useSeriesAbove` are RE2's: no look-around.
- Where `maxDataPoints` makes one point of several, each is told at the moment at which its first slot begins; Graphite
  tells it a step too late.
- How a series is drawn (`color`, `alpha`, `lineWidth`) is left to whoever draws it.
- There are no `aliasQuery`, `cactiStyle`, `events`, `sinFunction` and `randomWalk`.

## Functions
"""  # noqa: E501 - a row of a table is one line


def graphite_reference() -> str:
    """The page ``docs/reference/graphite.md``."""
    groups: dict[str, list[Function]] = {}
    for _, function in sorted(FUNCTIONS.items()):
        groups.setdefault(function.group, []).append(function)
    lines = [_HEAD]
    for group, functions in sorted(groups.items()):
        lines += [f"### {group}", "", "| Function | What it answers |", "|---|---|"]
        lines += [f"| `{signature(one)}` | {' '.join(one.description.split())} |" for one in functions]
        lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


if __name__ == "__main__":
    sys.stdout.write(graphite_reference())
