"""Which series a query reads, and whether its answer is still in what they observe: on such a graph one observation has
its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from andon.feedback.promql.contract import Source
from andon.feedback.promql.syntax import (
    Aggregation,
    Binary,
    Call,
    Expression,
    Negation,
    Selector,
    Shift,
    Subquery,
    Window,
)

_QUANTILES = frozenset({"histogram_quantile", "histogram_avg"})
_KEEPING_CALLS = frozenset(
    {
        "avg_over_time",
        "last_over_time",
        "max_over_time",
        "min_over_time",
        "quantile_over_time",
        "sort",
        "sort_desc",
        "label_replace",
        "label_join",
        "clamp",
        "clamp_max",
        "clamp_min",
    }
)
_KEEPING_AGGREGATIONS = frozenset({"avg", "max", "min", "quantile", "topk", "bottomk", "limitk"})
_FILTERS = frozenset({"and", "unless", "==", "!=", "<", ">", "<=", ">="})


def sources_of(node: Expression) -> tuple[Source, ...]:
    """Each once, as ``measured`` where it is so in any of its places."""
    found: dict[Source, bool] = {}
    for one in _sources(node, measured=True):
        key = replace(one, measured=False)
        found[key] = one.measured or found.get(key, False)
    return tuple(replace(one, measured=measured) for one, measured in found.items())


def _sources(node: Expression, *, measured: bool) -> Iterator[Source]:
    match node:
        case Selector(matchers, shift) | Window(Selector(matchers, shift)):
            yield Source(matchers=matchers, measured=measured, moved=shift != Shift())
        case Subquery(inner, shift=shift):
            for one in _sources(inner, measured=measured):
                yield replace(one, moved=one.moved or shift != Shift())
        case Negation(inner):
            yield from _sources(inner, measured=False)
        case Call(function, arguments):
            if function in _QUANTILES:  # whatever the buckets went through: it answers what they are bounds of
                for argument in arguments:
                    for one in _sources(argument, measured=False):
                        yield replace(one, measured=measured)
            else:
                for argument in arguments:
                    yield from _sources(argument, measured=measured and function in _KEEPING_CALLS)
        case Aggregation(operator, inner, parameter):
            yield from _sources(inner, measured=measured and operator in _KEEPING_AGGREGATIONS)
            if parameter is not None:
                yield from _sources(parameter, measured=False)
        case Binary(operator, left, right, as_bool=as_bool):
            kept = measured and not as_bool and (operator in _FILTERS or operator == "or")
            yield from _sources(left, measured=kept)
            yield from _sources(right, measured=kept and operator == "or")
