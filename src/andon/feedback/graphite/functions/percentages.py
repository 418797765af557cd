"""Series as shares of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from andon.feedback.graphite.aggregating import along
from andon.feedback.graphite.contract import BadTarget
from andon.feedback.graphite.functions.combining import combined, quotient
from andon.feedback.graphite.registry import SERIES, Asked, Function, Given, Type, declare, needs, takes
from andon.feedback.graphite.rows import Row, aligned, expressions, key_of

KNOWN: dict[str, Function] = {}


@declare(
    KNOWN,
    "Combine",
    "asPercent pct",
    SERIES,
    takes("total", Type.ANY),
    takes("nodes", Type.NODE_OR_TAG, multiple=True),
)
def as_percent(given: Given) -> list[Row]:
    """Each series as per cent of all together, of a number, of one other series, or of the one that belongs to it.

    With nodes (or tags), series are grouped by them: each is a share of its own group's total.
    """
    rows, nodes = given.rows(), given.many("nodes")
    total = given.values.get("total")
    totals = given.rows("total") if isinstance(total, list) else None
    if nodes:
        if totals is None and total is not None:
            raise BadTarget("total must be None or a seriesList", remedy="Use none where nodes are given.")
        return _by_nodes(rows, totals, nodes)
    if not rows:
        return []
    if totals is None:
        return _of_all(rows) if total is None else _of_number(rows, given)
    if len(totals) == 1:
        return [quotient(f"asPercent({row.name},{totals[0].name})", row, totals[0], times=100.0) for row in rows]
    if len(totals) != len(rows):
        raise BadTarget(
            "asPercent second argument must be missing, a single digit, reference exactly 1 series or reference the "
            "same number of series as the first argument",
            remedy="Sum the totals up, or group both by nodes.",
        )
    pairs = zip(sorted(rows, key=lambda one: one.name), sorted(totals, key=lambda one: one.name), strict=True)
    return [quotient(f"asPercent({one.name},{other.name})", one, other, times=100.0) for one, other in pairs]


def _of_number(rows: Sequence[Row], given: Given) -> list[Row]:
    number, told = given.number("total"), given.plain("total")
    return [
        row.as_is(f"asPercent({row.name},{told})", row.values / number * 100.0 if number else np.full(len(row), np.nan))
        for row in rows
    ]


def _of_all(rows: Sequence[Row]) -> list[Row]:
    block = aligned(rows)
    values = along("sum", block.values.T)
    name = f"sumSeries({expressions(rows)})"
    total = Row(name=name, start=block.start, end=block.end, step=block.step, values=values, expression=name)
    return [
        replace(
            quotient(f"asPercent({row.name},{name})", row, total, times=100.0),
            start=row.start,
            end=row.end,
            tags=row.tags,
        )
        for row in block.rows
    ]


def _grouped(rows: Sequence[Row], nodes: Sequence[float | str]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(key_of(row, nodes), []).append(row)
    return found


def _total(rows: Sequence[Row]) -> Row:
    if len(rows) == 1:
        return rows[0]
    block = aligned(rows)
    name = f"sumSeries({expressions(rows)})"
    return Row(
        name=name,
        start=block.start,
        end=block.end,
        step=block.step,
        values=along("sum", block.values.T),
        expression=name,
    )


def _by_nodes(rows: Sequence[Row], totals: Sequence[Row] | None, nodes: Sequence[float | str]) -> list[Row]:
    groups = _grouped(rows, nodes)
    wholes: Mapping[str, Row] = {
        key: _total(members) for key, members in (groups if totals is None else _grouped(totals, nodes)).items()
    }
    found: list[Row] = []
    for key in dict.fromkeys([*groups, *wholes]):
        whole = wholes.get(key)
        if key not in groups and whole is not None:
            found.append(whole.as_is(f"asPercent(MISSING,{whole.name})", np.full(len(whole), np.nan)))
        for row in groups.get(key, ()):
            if whole is None:
                found.append(row.as_is(f"asPercent({row.name},MISSING)", np.full(len(row), np.nan)))
            else:
                found.append(quotient(f"asPercent({row.name},{whole.name})", row, whole, times=100.0))
    return found


@declare(
    KNOWN,
    "Combine",
    "weightedAverage",
    needs("seriesListAvg", Type.SERIES),
    needs("seriesListWeight", Type.SERIES),
    takes("nodes", Type.NODE_OR_TAG, multiple=True),
)
def weighted_average(given: Given) -> list[Row]:
    """The average of the first list, weighted with the second; nodes say which belong together."""
    averages, weights, nodes = given.rows("seriesListAvg"), given.rows("seriesListWeight"), given.many("nodes")
    if len(averages) != len(weights):
        raise BadTarget(
            f"weightedAverage got {len(averages)} averages and {len(weights)} weights.",
            remedy="Use patterns that fit the same things.",
        )
    by_key = {key_of(row, nodes): row for row in weights}
    products = [_product(given.asked, row, by_key[key]) for row in averages if (key := key_of(row, nodes)) in by_key]
    if not products:
        return []
    told = (
        ",".join(sorted({row.expression for row in averages})),
        ",".join(sorted({row.expression for row in weights})),
        ",".join(_told(node) for node in nodes),
    )
    name = f"weightedAverage({told[0]}, {told[1]}, {told[2]})"
    return [quotient(name, combined(given.asked, products, "sum")[0], combined(given.asked, weights, "sum")[0])]


def _told(node: float | str) -> str:
    return node if isinstance(node, str) else f"{node:g}"


def _product(asked: Asked, one: Row, other: Row) -> Row:
    return combined(asked, [one, other], "multiply")[0]
