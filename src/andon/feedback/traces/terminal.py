"""The waterfall in a terminal. Pure: from the API's answer to lines of text with their colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from andon.feedback.traces.model.insight import colours
from andon.feedback.traces.model.ranges import said
from andon.feedback.traces.views import SpanShape, TraceShape

MOST_LINES = 200
DEEPEST = 10
_INKS = ("blue", "green", "yellow", "magenta", "red", "cyan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """``bar`` is as wide as was asked for: ``━`` waited for, ``─`` beside that."""

    label: str
    bar: str
    took: str
    ink: str
    failed: bool


def drawn(trace: TraceShape, *, width: int = 100, most: int = MOST_LINES) -> tuple[Line, ...]:
    """A line a span in the order of the waterfall; where there are more than ``most``, those that took longest or
    failed, with all above them."""
    shown = _chosen(trace.spans, most)
    ink = colours(one.service for one in trace.spans)
    labels = [_label(trace.spans[place]) for place in shown]
    wide = min(max((len(one) for one in labels), default=10), max(20, width * 2 // 5))
    room = max(10, width - wide - 12)
    lines = []
    for place, label in zip(shown, labels, strict=True):
        one = trace.spans[place]
        lines.append(
            Line(
                label=(label if len(label) <= wide else f"{label[: wide - 1]}…").ljust(wide),
                bar=_bar(one, trace, room),
                took=said(one.duration).rjust(9),
                ink=_INKS[(ink[one.service] - 1) % len(_INKS)],
                failed=one.status == "error",
            )
        )
    return tuple(lines)


def _chosen(spans: Sequence[SpanShape], most: int) -> list[int]:
    if len(spans) <= most:
        return list(range(len(spans)))
    above: list[int] = []
    parents: list[int | None] = []
    for place, one in enumerate(spans):
        del above[one.depth :]
        parents.append(above[-1] if above else None)
        above.append(place)
    shown: set[int] = set()
    ranked = sorted(range(len(spans)), key=lambda at: (spans[at].status == "error", spans[at].duration), reverse=True)
    for at in ranked:
        way: list[int] = []
        step: int | None = at
        while step is not None and step not in shown and len(shown) + len(way) <= most:
            way.append(step)
            step = parents[step]
        if len(shown) + len(way) <= most:
            shown.update(way)
        if len(shown) == most:
            break
    return sorted(shown)


def _label(one: SpanShape) -> str:
    return f"{'  ' * min(one.depth, DEEPEST)}{'✗ ' if one.status == 'error' else ''}{one.service or '-'} {one.name}"


def _bar(one: SpanShape, trace: TraceShape, room: int) -> str:
    length = max(1, trace.duration)

    def column(moment: int) -> int:
        return min(room, max(0, round((moment - trace.start) / length * room)))

    cells = [" "] * room
    first = min(column(one.start), room - 1)
    for at in range(first, max(first + 1, column(one.start + one.duration))):
        cells[at] = "─"
    for start, end in one.critical:
        begin = min(column(start), room - 1)
        for at in range(begin, max(begin + 1, column(end))):
            cells[at] = "━"
    return "".join(cells)
