"""Series grouped by the nodes of their paths or by their tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from andon.feedback.graphite.aggregating import function_name
from andon.feedback.graphite.contract import BadTarget
from andon.feedback.graphite.functions.combining import combined
from andon.feedback.graphite.patterns import replaced
from andon.feedback.graphite.registry import SERIES, Asked, Function, Given, Type, declare, needs, takes
from andon.feedback.graphite.rows import Row, key_of, tags_of

KNOWN: dict[str, Function] = {}
_CALLBACK = needs("callback", Type.STRING, options=("sum", "average", "max", "min", "median", "last", "count"))
_MOST_PREFIXES = 500


def _gathered(asked: Asked, rows: Sequence[Row], keys: Sequence[str], callback: str) -> list[Row]:
    """One series for each key, named by it; ``callback`` is a function of series or the name of an aggregation."""
    groups: dict[str, list[Row]] = {}
    for row, key in zip(rows, keys, strict=True):
        groups.setdefault(key, []).append(row)
    found = []
    for key, members in groups.items():
        asked.check()
        made = asked.called(callback, members)
        if made is None:
            made = combined(asked, members, callback)
        found += [one.titled(key) for one in made[:1]]
    return found


@declare(
    KNOWN,
    "Combine",
    "groupByNode",
    SERIES,
    needs("nodeNum", Type.NODE_OR_TAG),
    takes("callback", Type.STRING, "average"),
)
def group_by_node(given: Given) -> list[Row]:
    """One series for each value of a node, made by the callback."""
    node = given.plain("nodeNum")
    return _by_nodes(given, [node if isinstance(node, int | float | str) else 0])


@declare(KNOWN, "Combine", "groupByNodes", SERIES, _CALLBACK, takes("nodes", Type.NODE_OR_TAG, multiple=True))
def group_by_nodes(given: Given) -> list[Row]:
    """One series for each combination of the nodes' values, made by the callback."""
    return _by_nodes(given, given.many("nodes"))


def _by_nodes(given: Given, nodes: Sequence[float | str]) -> list[Row]:
    rows = given.rows()
    return _gathered(given.asked, rows, [key_of(row, nodes) for row in rows], given.text("callback"))


@declare(KNOWN, "Combine", "groupByTags", SERIES, _CALLBACK, takes("tags", Type.TAG, multiple=True))
def group_by_tags(given: Given) -> list[Row]:
    """One series for each combination of the tags' values, made by the callback."""
    rows, tags, callback = given.rows(), [str(tag) for tag in given.many("tags")], given.text("callback")
    if not tags:
        raise BadTarget("groupByTags(): no tags specified", remedy='Name them: groupByTags(…, "sum", "service").')
    names = {row.tags.get("name", row.name) for row in rows}
    shared = next(iter(names)) if len(names) == 1 else callback
    keys = []
    for row in rows:
        name = row.tags.get("name", row.name) if "name" in tags else shared
        pairs = sorted(f"{tag}={row.tags.get(tag, '')}" for tag in tags if tag != "name")
        keys.append(";".join([name, *pairs]))
    return [
        replace(row, expression=row.name, tags=tags_of(row.name))
        for row in _gathered(given.asked, rows, keys, callback)
    ]


def _without(name: str, positions: Sequence[int]) -> str:
    return ".".join(node for place, node in enumerate(name.split(".")) if place not in positions)


def _with_wildcards(given: Given, function: str) -> list[Row]:
    positions = [int(one) for one in given.many("position") if isinstance(one, int | float)]
    rows = given.rows()
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(_without(row.name, positions), []).append(row)
    found = []
    for key, members in groups.items():
        found += [one.titled(key) for one in combined(given.asked, members, function)]
    return found


@declare(
    KNOWN,
    "Combine",
    "aggregateWithWildcards",
    SERIES,
    needs("func", Type.AGGREGATION),
    takes("position", Type.NODE, multiple=True),
)
def aggregate_with_wildcards(given: Given) -> list[Row]:
    """Series whose paths differ only at these nodes as one, by the function that is named."""
    return _with_wildcards(given, function_name(given.text("func")))


def _declare_wildcards(name: str, function: str) -> None:
    def body(given: Given) -> list[Row]:
        return _with_wildcards(given, function)

    body.__doc__ = f"Series whose paths differ only at these nodes as one, by {function}."
    declare(KNOWN, "Combine", name, SERIES, takes("position", Type.NODE, multiple=True))(body)


for _name, _function in (
    ("sumSeriesWithWildcards", "sum"),
    ("averageSeriesWithWildcards", "average"),
    ("multiplySeriesWithWildcards", "multiply"),
):
    _declare_wildcards(_name, _function)


@declare(
    KNOWN,
    "Combine",
    "applyByNode",
    SERIES,
    needs("nodeNum", Type.NODE),
    needs("templateFunction", Type.STRING),
    takes("newName", Type.STRING),
)
def apply_by_node(given: Given) -> list[Row]:
    """A target evaluated for each beginning of the paths up to a node, with that beginning for ``%``."""
    rows, node = given.rows(), given.whole("nodeNum")
    prefixes = sorted({".".join(row.name.split(".")[: node + 1]) for row in rows})
    if len(prefixes) > _MOST_PREFIXES:
        raise BadTarget(
            f"applyByNode would evaluate {len(prefixes):,} targets, more than {_MOST_PREFIXES}.",
            remedy="Use a narrower pattern.",
        )
    found = []
    for prefix in prefixes:
        for row in given.asked.target(replaced(given.text("templateFunction"), "%", prefix)):
            name = replaced(given.text("newName"), "%", prefix) if given.has("newName") else row.name
            found.append(replace(row, name=name, expression=prefix, start=rows[-1].start, end=rows[-1].end))
    return found


@declare(KNOWN, "Combine", "mapSeries map", SERIES, takes("mapNodes", Type.NODE_OR_TAG, multiple=True))
def map_series(given: Given) -> list[Row]:
    """Series that share these nodes beside each other, for reduceSeries."""
    groups: dict[str, list[Row]] = {}
    for row in given.rows():
        groups.setdefault(key_of(row, given.many("mapNodes")), []).append(row)
    return [row for members in groups.values() for row in members]


@declare(
    KNOWN,
    "Combine",
    "reduceSeries reduce",
    needs("seriesLists", Type.SERIES),
    needs("reduceFunction", Type.STRING),
    needs("reduceNode", Type.NODE),
    takes("reduceMatchers", Type.STRING, multiple=True),
)
def reduce_series(given: Given) -> list[Row]:
    """A function of the series that differ at a node only, given in the order in which that node's values are told."""
    function, place = given.text("reduceFunction"), given.whole("reduceNode")
    wanted = [str(one) for one in given.many("reduceMatchers")]
    groups: dict[str, dict[str, Row]] = {}
    for row in given.rows("seriesLists"):
        nodes = row.name.split(".")
        if 0 <= place < len(nodes) and nodes[place] in wanted:
            name = ".".join([*nodes[:place], "reduce", function])
            groups.setdefault(name, {})[nodes[place]] = row
    found = []
    for name, members in groups.items():
        if len(members) == len(wanted):
            found += [row.titled(name) for row in given.asked.applied(function, [[members[one]] for one in wanted])[:1]]
    return found
