"""Answers as columns: one row of times, and for each line as many values, with nothing where nothing is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from andon.feedback.telemetry.contract.metrics import VERSION, Labels

COLOURS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A line of a graph."""

    label: str
    labels: Labels
    values: tuple[float | None, ...]
    colour: str
    """``1`` to ``6``, or ``bad`` for what is a failure by its own name."""
    query: int = 0
    """Which of the panel's questions it answers, from 0."""
    past: bool = False
    """Whether it is what was then, moved here for comparison."""

    @property
    def numbers(self) -> tuple[float, ...]:
        return tuple(one for one in self.values if one is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    start: int
    end: int
    step: int
    times: tuple[int, ...]
    lines: tuple[Drawn, ...]
    left_out: int = 0
    """Lines for which there was no room."""
    head: bool = False
    """Whether the last time is not on a step yet: it is this very moment, and the next answer replaces it."""


@dataclass(frozen=True, slots=True)
class Figures:
    least: float | None
    mean: float | None
    most: float | None
    last: float | None


def figures(values: Sequence[float | None]) -> Figures:
    """Of what is there; of nothing they are nothing."""
    known = [one for one in values if one is not None]
    if not known:
        return Figures(None, None, None, None)
    return Figures(min(known), sum(known) / len(known), max(known), known[-1])


def names_of(labels: Sequence[Labels]) -> list[str]:
    """What tells the lines of an answer apart: the values of the labels that are not the same for all of them."""
    every = [dict(one) for one in labels]
    keys = sorted({key for one in every for key in one})
    differing = [key for key in keys if len({one.get(key, "") for one in every}) > 1]
    if len(every) == 1:
        differing = []
    if len(differing) == 1:
        return [one.get(differing[0], "") or f"no {differing[0]}" for one in every]
    return [", ".join(f"{key} {one[key]}" for key in differing if one.get(key)) for one in every]


def colours_of(labels: Sequence[Labels], versions: dict[str, int]) -> list[str]:
    """A version has its own colour wherever it is drawn; what is a failure is drawn as one; others take theirs in
    order, those that are taken last."""
    given: list[str] = []
    fresh = 0
    for one in labels:
        told = dict(one)
        version = told.get(VERSION, "")
        if told.get("code_class", "").startswith("5") or told.get("outcome", "") in ("failed", "error"):
            given.append("bad")
        elif version in versions:
            given.append(str(versions[version]))
        else:
            given.append(str(fresh % COLOURS + 1))
            fresh += 1
    return given
