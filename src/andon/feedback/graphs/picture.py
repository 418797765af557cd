"""A graph as an SVG, drawn by the server: for pages without script, mails and documents. Attributes only, no style."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime

from markupsafe import Markup, escape

from andon.feedback.graphs.model.answers import Columns, Drawn
from andon.feedback.graphs.model.causes import Cause
from andon.feedback.graphs.model.panels import PanelKind
from andon.feedback.graphs.model.ranges import DAY
from andon.feedback.graphs.model.units import said

WIDTH, HEIGHT, LEFT, TOP, FOOT = 640, 200, 64, 10, 24
_COLOURS = {
    "1": "#3f74c4",
    "2": "#2a9076",
    "3": "#b9801f",
    "4": "#8a5bbd",
    "5": "#c4566f",
    "6": "#54798b",
    "bad": "#d9472a",
}
_GREY = "#7b848e"
"""Reads on white and on black: the picture does not know the page's theme."""
MOST_LINES = 30
_Place = Callable[[float], float]


def picture(columns: Columns, unit: str, kind: PanelKind, causes: Iterable[Cause] = (), title: str = "") -> str:
    """The whole document. Lines begin at zero; a logarithm or a heat map is not drawn here."""
    lines = [one for one in columns.lines if not one.past and one.numbers][:MOST_LINES]
    rows = _stacked(lines) if kind in (PanelKind.STACK, PanelKind.BARS) else [list(one.values) for one in lines]
    most = max((value for row in rows for value in row if value is not None), default=0.0) or 1.0
    least = min(0.0, min((value for row in rows for value in row if value is not None), default=0.0))

    def across(at: float) -> float:
        return LEFT + (at - columns.start) / max(1, columns.end - columns.start) * (WIDTH - LEFT - 8)

    def up(value: float) -> float:
        return TOP + (1 - (value - least) / (most * 1.05 - least)) * (HEIGHT - TOP - FOOT)

    parts = [*_axes(columns, unit, least, most, across, up)]
    for cause in causes:
        if columns.start <= cause.time <= columns.end:
            x = f"{across(cause.time):.1f}"
            colour = _COLOURS["bad"] if cause.failed else _GREY
            parts.append(
                Markup('<path d="M{},{}V{}" stroke="{}" stroke-dasharray="3 3"><title>{}</title></path>').format(
                    x, TOP, HEIGHT - FOOT, colour, cause.title
                )
            )
    for line, row in zip(lines, rows, strict=True):
        parts.append(_line(columns, line, row, kind, across, up))
    if not lines:
        parts.append(
            Markup('<text x="{}" y="{}" text-anchor="middle" fill="{}">no data in this time</text>').format(
                WIDTH // 2, HEIGHT // 2, _GREY
            )
        )
    head = Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {} {}" width="{}" height="{}" font-family="system-ui,'
        ' sans-serif" font-size="11" fill="none"><title>{}</title>'
    ).format(WIDTH, HEIGHT, WIDTH, HEIGHT, title)
    return str(head + Markup("").join(parts) + Markup("</svg>"))


def sentence(columns: Columns, unit: str) -> str:
    """What the picture shows, for whoever does not see it: the last value, the least, the most."""
    values = [value for one in columns.lines if not one.past for value in one.numbers]
    if not values:
        return "no data in this time"
    present = [one for one in columns.lines if not one.past and one.numbers][:3]
    last = ", ".join(f"{one.label + ' ' if len(present) > 1 else ''}{said(one.numbers[-1], unit)}" for one in present)
    return f"last {last}; from {said(min(values), unit)} to {said(max(values), unit)}"


def _stacked(lines: Sequence[Drawn]) -> list[list[float | None]]:
    """Each on those after it."""
    total: list[float | None] = [None] * (len(lines[0].values) if lines else 0)
    rows: list[list[float | None]] = []
    for line in reversed(lines):
        total = [
            before if value is None else (before or 0.0) + value
            for before, value in zip(total, line.values, strict=True)
        ]
        rows.insert(0, total)
    return rows


def _line(
    columns: Columns, line: Drawn, row: Sequence[float | None], kind: PanelKind, across: _Place, up: _Place
) -> Markup:
    colour = _COLOURS.get(line.colour, _COLOURS["1"])
    if kind is PanelKind.DOTS:
        return Markup("").join(
            Markup('<circle cx="{:.1f}" cy="{:.1f}" r="3" fill="{}"/>').format(across(at), up(value), colour)
            for at, value in zip(columns.times, row, strict=True)
            if value is not None
        )
    if kind is PanelKind.BARS:
        return Markup('<path d="{}" fill="{}"><title>{}</title></path>').format(
            "".join(_bars(columns, row, across, up)), colour, line.label
        )
    drawn, pen = [], "M"
    for at, value in zip(columns.times, row, strict=True):
        if value is None:
            pen = "M"
            continue
        drawn.append(f"{pen}{across(at):.1f},{up(value):.1f}")
        pen = "L"
    return Markup(
        '<path d="{}" stroke="{}" stroke-width="1.5" stroke-linejoin="round"><title>{}</title></path>'
    ).format("".join(drawn), colour, line.label)


def _bars(columns: Columns, row: Sequence[float | None], across: _Place, up: _Place) -> Iterator[str]:
    """Each as wide as the time in which it came, but for a gap to the next."""
    before = columns.times[0] - columns.step if columns.times else 0
    for at, value in zip(columns.times, row, strict=True):
        if value is not None:
            left, right = across(before), across(at)
            yield f"M{left:.1f},{up(0):.1f}V{up(value):.1f}H{max(left + 0.5, right - 1):.1f}V{up(0):.1f}Z"
        before = at


def _axes(columns: Columns, unit: str, least: float, most: float, across: _Place, up: _Place) -> Iterator[Markup]:
    for part in range(4):
        value = least + (most - least) * part / 3
        y = up(value)
        yield Markup('<path d="M{},{:.1f}H{}" stroke="{}" stroke-opacity="0.25"/>').format(LEFT, y, WIDTH - 8, _GREY)
        yield Markup('<text x="{}" y="{:.1f}" text-anchor="end" fill="{}">{}</text>').format(
            LEFT - 7, y + 4, _GREY, escape(said(value, unit))
        )
    length = columns.end - columns.start
    for part in range(5):
        at = columns.start + length * part / 4
        when = datetime.fromtimestamp(at / 1000, UTC)
        text = f"{when.day} {when:%b}" if length > 2 * DAY else f"{when:%H:%M}"
        anchor = "start" if part == 0 else "end" if part == 4 else "middle"
        yield Markup('<text x="{:.1f}" y="{}" text-anchor="{}" fill="{}">{}</text>').format(
            across(at), HEIGHT - 7, anchor, _GREY, text
        )
