"""Addresses of graphs: everything that a page shows stands in its address."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, urlencode

from andon.feedback.graphs.model.panels import MOST_QUERIES, Panel, PanelKind, Query
from andon.feedback.graphs.model.ranges import CHOICES, COMPARISONS, USUAL, USUAL_POINTS, Range, compared, range_of
from andon.feedback.logs.contract import search_address as logs_address
from andon.feedback.traces.contract import search_address as traces_address
from andon.kernel.errors import Invalid
from andon.web.model import Choice

LONGEST_ADDRESS = 30_000
_WHOLES = frozenset({PanelKind.STACK, PanelKind.BARS})
"""Drawn as sums, in which a single observation has no place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an address asks for. ``pairs`` has everything in it, in its order."""

    pairs: tuple[tuple[str, str], ...] = ()
    start: str = USUAL
    end: str = ""
    compare: str = ""
    table: bool = False
    first: Mapping[str, str] = field(default_factory=dict)

    def all(self, name: str) -> tuple[str, ...]:
        return tuple(value for key, value in self.pairs if key == name)

    def get(self, name: str, otherwise: str = "") -> str:
        return self.first.get(name, otherwise)

    def span(self, now: int, points: int = USUAL_POINTS) -> Range:
        """Raises ``Invalid``."""
        step = self.get("step")
        return range_of(
            self.start, self.end, now, points=self.number("points", points), step=int(step) if step.isdecimal() else 0
        )

    @property
    def earlier(self) -> int:
        """Milliseconds; raises ``Invalid``."""
        return compared(self.compare)

    def number(self, name: str, otherwise: int) -> int:
        text = self.get(name)
        return int(text) if text.isdecimal() and len(text) < 16 else otherwise

    def queries(self) -> tuple[Query, ...]:
        """``query=`` as often as wanted, each with the ``legend=`` in the same place."""
        legends = self.all("legend")
        texts = [one.strip() for one in self.all("query")][:MOST_QUERIES]
        return tuple(
            Query(text=text, legend=legends[place][:200] if place < len(legends) else "")
            for place, text in enumerate(texts)
            if text
        )

    @property
    def kind(self) -> PanelKind:
        """Raises ``Invalid``."""
        try:
            return PanelKind(self.get("kind", "line"))
        except ValueError:
            told = ", ".join(PanelKind)
            raise Invalid(f"No graph is drawn as {self.get('kind')[:20]!r}.", remedy=f"Choose of {told}.") from None

    def range_pairs(self) -> list[tuple[str, str]]:
        pairs = (("from", self.start), ("to", self.end), ("compare", self.compare))
        return [(name, value) for name, value in pairs if value]

    def with_(self, **changes: str) -> str:
        """The same address' query with some values exchanged; an empty one is left out."""
        kept = [(name, value) for name, value in self.pairs if name not in changes]
        return urlencode([*kept, *((name, value) for name, value in changes.items() if value)])


def wanted(query_string: bytes, default: str = USUAL) -> Wanted:
    """Read an address' query. Raises ``Invalid`` for one that is too long."""
    if len(query_string) > LONGEST_ADDRESS:
        raise Invalid("The address is too long.", remedy="Save these graphs as a dashboard.")
    pairs = tuple(parse_qsl(query_string.decode("latin-1"), keep_blank_values=True, max_num_fields=200))
    first = dict(reversed(pairs))
    return Wanted(
        pairs=pairs,
        start=first.get("from", "").strip() or default,
        end=first.get("to", "").strip(),
        compare=first.get("compare", "").strip(),
        table=first.get("as") == "table",
        first=first,
    )


def panel_pairs(panel: Panel) -> list[tuple[str, str]]:
    pairs = [pair for query in panel.queries for pair in (("query", query.text), ("legend", query.legend))]
    pairs.append(("kind", panel.kind.value))
    if panel.unit:
        pairs.append(("unit", panel.unit))
    return pairs


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphView:
    """One graph as the template draws it."""

    id: str
    panel: Panel
    data: str
    image: str
    explore: str
    causes: str
    topics: str
    size: str = ""
    """``tall``, ``wide`` or nothing."""
    sentence: str = ""
    table: TableView | None = None
    exemplars: str = ""
    """Where the traces behind it are asked for; empty where none could be drawn."""
    logs: str = ""
    """Where the lines of the same service and time are; empty where a graph is of no service."""
    traces: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableView:
    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    traces: tuple[TraceRow, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceRow:
    """One observation and the trace in which it was made."""

    at: str
    value: str
    place: str
    """What was measured, as far as that is told: version and environment."""
    trace: str
    href: str


def graph_view(
    number: int, panel: Panel, wanted: Wanted, *, service: str = "", environment: str = "", size: str = ""
) -> GraphView:
    pairs = panel_pairs(panel)
    asked, range_ = urlencode(pairs), urlencode([*pairs, *wanted.range_pairs()])
    titled = urlencode([("title", panel.title), ("service", service), ("environment", environment)])
    return GraphView(
        id=f"graph-{number}",
        panel=panel,
        data=f"/graphs/data?{asked}&{place_query(service, environment)}".rstrip("&"),
        image=f"/graphs/image.svg?{range_}&{titled}",
        explore=f"/graphs/explore?{range_}&{titled}",
        causes=f"/graphs/causes?{place_query(service, environment)}",
        topics=f"service:{service}" if service else "record",
        exemplars="" if panel.kind in _WHOLES else f"/graphs/exemplars?{asked}",
        size=size or ("wide" if panel.wide else ""),
        logs=_behind(wanted, logs_address, service, environment),
        traces=_behind(wanted, traces_address, service, environment),
    )


def _behind(wanted: Wanted, address: Callable[[Mapping[str, str]], str], service: str, environment: str) -> str:
    """Another page about the same service and time."""
    place = {"service": service, "environment": environment, "from": wanted.start, "to": wanted.end}
    return address({name: value for name, value in place.items() if value}) if service else ""


def place_query(service: str, environment: str) -> str:
    return urlencode([(key, value) for key, value in (("service", service), ("environment", environment)) if value])


def service_address(service: str, environment: str = "") -> str:
    where = f"?environment={quote(environment, safe='')}" if environment else ""
    return f"/graphs/services/{quote(service, safe='')}{where}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """Range, comparison and what else stands above the graphs."""

    default: str
    ranges: tuple[Choice, ...]
    comparisons: tuple[tuple[str, Choice], ...]
    environments: tuple[Choice, ...] = ()
    table: Choice
    own: str = ""
    """The range in words where it is none of those offered."""


def bar(asked: Wanted, default: str, environments: Iterable[str] = (), environment: str = "") -> Bar:
    usual = not asked.end
    names = dict(zip(COMPARISONS, ("Nothing", "Day before", "Week before"), strict=True))
    return Bar(
        default=default,
        ranges=tuple(
            Choice(one, f"?{asked.with_(**{'from': one, 'to': ''})}", current=usual and asked.start == one)
            for one in CHOICES
        ),
        comparisons=tuple(
            (key, Choice(name, f"?{asked.with_(compare=key)}", current=asked.compare == key))
            for key, name in names.items()
        ),
        environments=tuple(
            Choice(one or "all", f"?{asked.with_(environment=one)}", current=one == environment)
            for one in ("", *environments)
        )
        if environments
        else (),
        table=Choice("Graphs", f"?{asked.with_(**{'as': ''})}", current=True)
        if asked.table
        else Choice("As a table", f"?{asked.with_(**{'as': 'table'})}"),
        own="" if usual and asked.start in CHOICES else f"{asked.start} to {asked.end or 'now'}",
    )
