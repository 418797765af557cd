"""What a target is made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Constant:
    value: float | int | str | bool | None


@dataclass(frozen=True, slots=True)
class Path:
    """A pattern of dotted paths."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    arguments: tuple[Expression, ...] = ()
    named: tuple[tuple[str, Expression], ...] = ()
    text: str = ""
    """As it was written."""


Expression = Constant | Path | Call
