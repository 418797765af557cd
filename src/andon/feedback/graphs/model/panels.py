"""Panels and dashboards: what is asked, and how the answer is drawn."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from andon.feedback.graphs.contract import DashboardName
from andon.flow.sources.contract import Service
from andon.kernel.errors import Invalid

LONGEST_QUERY = 4000
LONGEST_TEXT = 200
MOST_QUERIES = 12
MOST_PANELS = 60
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
_UNIT = re.compile(r"[\w %/.{}()*^-]{0,30}")


class PanelKind(StrEnum):
    LINE = "line"
    STACK = "stack"
    """Areas on top of each other: parts of a whole."""
    BARS = "bars"
    """How much came in each step, from zero and on top of each other: what is counted now and then."""
    DOTS = "dots"
    """A dot for each value: things that happen now and then, such as builds."""
    HEAT = "heat"
    """How often which value: the query answers a histogram's buckets, one line for each ``le``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A question in PromQL. In it ``$window`` stands for a length of time that fits the range shown, for ``rate()`` and
    its kin, and ``$step`` for the distance of two points."""

    text: str
    legend: str = ""
    """What the answer's lines are called: ``p95 {{version}}``. Empty names them by the labels that differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    title: str
    queries: tuple[Query, ...]
    kind: PanelKind = PanelKind.LINE
    unit: str = ""
    """As in UCUM, and ``%`` for a share between 0 and 1, ``/s`` at the end for a rate: ``s``, ``By``, ``1/s``."""
    note: str = ""
    wide: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """Panels that somebody put together."""

    name: DashboardName
    title: str
    panels: tuple[Panel, ...] = ()
    service: Service | None = None
    """Whose it is: who may push to the service may change it, and its causes are drawn. ``None`` is nobody's."""
    environment: str | None = None
    note: str = ""

    def check(self) -> None:
        """Raises :class:`Invalid` with the place that is wrong."""
        if not _NAME.fullmatch(self.name):
            raise _wrong("name", "is made of lower case letters, digits and dashes, at most 60", "such as checkout-day")
        _text("title", self.title, LONGEST_TEXT, empty=False)
        _text("note", self.note, 1000)
        if len(self.panels) > MOST_PANELS:
            raise _wrong("panels", f"are more than {MOST_PANELS}", "make two dashboards of it")
        for number, panel in enumerate(self.panels, 1):
            check_panel(f"panels[{number}]", panel)


def check_panel(place: str, panel: Panel) -> None:
    """Raises :class:`Invalid`."""
    _text(f"{place}.title", panel.title, LONGEST_TEXT, empty=False)
    _text(f"{place}.note", panel.note, 1000)
    if not _UNIT.fullmatch(panel.unit):
        raise _wrong(f"{place}.unit", "is not a unit", "write s, ms, By, %, 1/s or leave it out")
    if not 0 < len(panel.queries) <= MOST_QUERIES:
        raise _wrong(f"{place}.queries", f"are none or more than {MOST_QUERIES}", "write between 1 and 12 queries")
    for number, query in enumerate(panel.queries, 1):
        _text(f"{place}.queries[{number}].text", query.text, LONGEST_QUERY, empty=False)
        _text(f"{place}.queries[{number}].legend", query.legend, LONGEST_TEXT)


def _text(place: str, text: str, longest: int, *, empty: bool = True) -> None:
    if (not empty and not text.strip()) or len(text) > longest or "\0" in text:
        raise _wrong(place, f"is empty or longer than {longest} characters", "shorten it")


def _wrong(place: str, what: str, remedy: str) -> Invalid:
    return Invalid(f"The dashboard's {place} {what}.", safe="Nothing was saved.", remedy=f"{remedy.capitalize()}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A line of the difference between two definitions: ``sign`` is ``+``, ``-`` or a space."""

    sign: str
    text: str


_PLACEHOLDER = re.compile(r"\{\{\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*\}\}")


def legend_of(template: str, labels: Mapping[str, str]) -> str:
    """The template with each ``{{label}}`` replaced; a label that is not there is left out."""
    return " ".join(_PLACEHOLDER.sub(lambda found: labels.get(found[1], ""), template).split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A dashboard as it once was saved."""

    dashboard: Dashboard
    version: int
    removed: bool
    at: int
    """Milliseconds since 1970."""
    person: str | None
    changes: tuple[Change, ...] = field(default=())
