"""What series are called."""

from __future__ import annotations

import math
from dataclasses import replace

from andon.feedback.graphite.contract import BadTarget
from andon.feedback.graphite.patterns import substituted
from andon.feedback.graphite.registry import SERIES, Function, Given, Type, declare, needs, takes
from andon.feedback.graphite.rows import Row, key_of

KNOWN: dict[str, Function] = {}
_LONGEST = 1_024


def _called(row: Row, name: str) -> Row:
    if len(name) > _LONGEST * 16:
        raise BadTarget("The name of a series becomes longer than anybody can read.", remedy="Use a shorter one.")
    return row.titled(name)


@declare(KNOWN, "Alias", "alias", SERIES, needs("newName", Type.STRING))
def alias(given: Given) -> list[Row]:
    """Call all series by this name."""
    return [_called(row, given.text("newName")) for row in given.rows()]


@declare(KNOWN, "Alias", "aliasByNode", SERIES, takes("nodes", Type.NODE_OR_TAG, multiple=True))
def alias_by_node(given: Given) -> list[Row]:
    """Call each series by these nodes of its path, or by these tags."""
    return [row.titled(key_of(row, given.many("nodes"))) for row in given.rows()]


@declare(KNOWN, "Alias", "aliasByTags", SERIES, takes("tags", Type.NODE_OR_TAG, multiple=True))
def alias_by_tags(given: Given) -> list[Row]:
    """Call each series by these tags, or by these nodes of its path."""
    return [row.titled(key_of(row, given.many("tags"))) for row in given.rows()]


@declare(KNOWN, "Alias", "aliasByMetric", SERIES)
def alias_by_metric(given: Given) -> list[Row]:
    """Call each series by the last node of its path."""
    return [row.titled(_cut(row.name, -1, 0)) for row in given.rows()]


@declare(KNOWN, "Alias", "substr", SERIES, takes("start", Type.NODE, 0), takes("stop", Type.NODE, 0))
def substr(given: Given) -> list[Row]:
    """Call each series by the nodes of its path from one to another."""
    return [row.titled(_cut(row.name, given.whole("start"), given.whole("stop"))) for row in given.rows()]


def _cut(name: str, start: int, stop: int) -> str:
    begin, end = name.rfind("(") + 1, name.find(")")
    nodes = name[begin : end if end >= 0 else len(name)].split(".")
    return ".".join(nodes[start:] if stop == 0 else nodes[start:stop]).split(",", 1)[0]


@declare(KNOWN, "Alias", "aliasSub", SERIES, needs("search", Type.STRING), needs("replace", Type.STRING))
def alias_sub(given: Given) -> list[Row]:
    r"""Replace what a pattern finds in the names; ``\1`` is what its first group found."""
    rows = given.rows()
    names = substituted(given.text("search"), given.text("replace"), [row.name for row in rows])
    return [_called(row, name) for row, name in zip(rows, names, strict=True)]


@declare(
    KNOWN,
    "Alias",
    "legendValue",
    SERIES,
    takes("valueTypes", Type.STRING, multiple=True),
)
def legend_value(given: Given) -> list[Row]:
    """Put what all values come to behind the names."""
    rows = given.rows()
    for kind in (str(one) for one in given.many("valueTypes")):
        if kind in {"si", "binary"}:
            continue
        made = []
        for row in rows:
            value = row.reduced(kind)
            made.append(_called(row, f"{row.name} ({kind}: {'None' if math.isnan(value) else value})"))
        rows = made
    return rows


def _declare_look(name: str, *parameter: str) -> None:
    """How a series is drawn: nothing that an answer in numbers tells of."""
    wanted = [needs(one, Type.ANY) for one in parameter]

    def body(given: Given) -> list[Row]:
        return given.rows()

    body.__doc__ = "How the series is drawn; whoever draws the numbers decides that."
    declare(KNOWN, "Graph", name, SERIES, *wanted)(body)


_declare_look("color", "theColor")
_declare_look("alpha", "alpha")
_declare_look("lineWidth", "width")


@declare(KNOWN, "Graph", "dashed", SERIES, takes("dashLength", Type.FLOAT, 5))
def dashed(given: Given) -> list[Row]:
    """To be drawn with a dashed line."""
    return [row.titled(f"dashed({row.name}, {given.number('dashLength'):g})") for row in given.rows()]


@declare(KNOWN, "Graph", "drawAsInfinite", SERIES)
def draw_as_infinite(given: Given) -> list[Row]:
    """To be drawn as a line from top to bottom wherever a value is not zero."""
    return [row.titled(f"drawAsInfinite({row.name})") for row in given.rows()]


@declare(KNOWN, "Graph", "secondYAxis", SERIES)
def second_y_axis(given: Given) -> list[Row]:
    """To be drawn against the axis on the right."""
    return [row.titled(f"secondYAxis({row.name})") for row in given.rows()]


@declare(KNOWN, "Graph", "areaBetween", SERIES)
def area_between(given: Given) -> list[Row]:
    """Two series of one name, for drawing what is between them."""
    rows = given.rows()
    if len(rows) != 2:
        raise BadTarget(f"areaBetween needs exactly two series, it was given {len(rows)}.", remedy="Use group().")
    return [replace(row, name=f"areaBetween({rows[1].expression})") for row in rows]
