"""Series as Graphite's functions see them: values at even steps, NaN where there is none."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from andon.feedback.graphite.aggregating import along, consolidated
from andon.feedback.graphite.parsing import first_path

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """``values[i]`` is at ``start + i * step``; ``end`` is where the last one's slot ends. Seconds since 1970."""

    name: str
    start: int
    end: int
    step: int
    values: Floats
    expression: str
    """Graphite's path expression: what the names of sums are made of."""
    tags: Mapping[str, str] = field(default_factory=dict)
    consolidation: str = "average"
    threshold: float = 0.0
    """Graphite's xFilesFactor: the share of values that must be there for a summary of them to be."""

    def __len__(self) -> int:
        return len(self.values)

    def as_is(self, name: str, values: Floats | None = None) -> Row:
        """Of another name, which its path expression follows."""
        return replace(self, name=name, expression=name, values=self.values if values is None else values)

    def titled(self, name: str) -> Row:
        """Of another name, while its path expression stays what it was."""
        return replace(self, name=name)

    def coarser(self, points: int) -> Row:
        """One value for so many."""
        if points <= 1:
            return self
        values = consolidated(self.values, points, self.consolidation, self.threshold)
        return replace(self, step=self.step * points, values=values)

    def reduced(self, function: str) -> float:
        """All values as one; NaN where there is none."""
        return float(along(function, self.values[None, :])[0])


def tags_of(name: str) -> dict[str, str]:
    """The tags of ``path;tag=value``, and the path as ``name``."""
    path, *pairs = name.split(";")
    found = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    return {**found, "name": path}


def part_of(row: Row, node: float | str, expression: str | None) -> str:
    """A node of the path by its number, else the tag of that name, else nothing."""
    if isinstance(node, int | float) and node == int(node):
        nodes = (expression or row.name).split(";", 1)[0].split(".")
        if -len(nodes) <= node < len(nodes):
            return nodes[int(node)]
    return row.tags.get(_plain(node), "")


def _plain(node: float | str) -> str:
    return node if isinstance(node, str) else f"{node:g}"


def key_of(row: Row, nodes: Sequence[float | str]) -> str:
    """What a series is grouped by: the nodes of its path, even where functions have been put around it."""
    expression = first_path(row.name) if row.name.endswith(")") else None
    return ".".join(part_of(row, node, expression) for node in nodes)


def expressions(rows: Iterable[Row]) -> str:
    return ",".join(dict.fromkeys(row.expression for row in rows))


@dataclass(frozen=True, slots=True)
class Block:
    """Series of one step beside each other, by index as in Graphite; those that are shorter end with NaN."""

    rows: tuple[Row, ...]
    values: Floats
    start: int
    end: int
    step: int


def aligned(rows: Sequence[Row]) -> Block:
    """All series at the smallest step that all of theirs divide. There must be one at least."""
    step = math.lcm(*(row.step for row in rows))
    even = tuple(row.coarser(step // row.step) for row in rows)
    values = np.full((len(even), max(len(row) for row in even)), np.nan)
    for index, row in enumerate(even):
        values[index, : len(row)] = row.values
    start, end = min(row.start for row in rows), max(row.end for row in rows)
    return Block(even, values, start, end - (end - start) % step, step)


def common_tags(rows: Sequence[Row]) -> dict[str, str]:
    found = dict(rows[0].tags)
    for row in rows[1:]:
        found = {tag: value for tag, value in found.items() if row.tags.get(tag) == value}
    return found
