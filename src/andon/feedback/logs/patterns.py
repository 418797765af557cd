"""Patterns of lines: how often each is said, and which of them came with the last deployment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlencode

from andon.feedback.logs.model.marking import seen
from andon.feedback.logs.model.ranges import at_of
from andon.feedback.logs.service import Deployed
from andon.feedback.telemetry.contract.logs import LogQuery, LogStore, Template, Term, TermKind
from andon.feedback.telemetry.contract.metrics import Sight
from andon.feedback.telemetry.contract.ranges import Span
from andon.web.model import Trend

MOST = 200
_SLICES = 24
_MOST_COUNTED = 1_000
"""Patterns in one slice of time: of those beyond it no rate is drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternView:
    template: Template
    parts: tuple[tuple[str, bool], ...]
    """Its text in pieces, and whether each stands for a value."""
    said: str
    """Its beginning, for those who hear the page."""
    first: datetime
    came_with: Deployed | None
    """The last deployment of its service, where it was not seen before that."""
    trend: Trend
    lines: str
    count: str


def pattern_views(
    logs: LogStore, query: LogQuery, span: Span, sight: Sight, last: Mapping[str, Deployed | None]
) -> tuple[PatternView, ...]:
    """Those that are new since the last deployment first, then the most frequent. Raises ``Unavailable``."""
    found = logs.templates(query, sight=sight, limit=MOST)
    rates = _rates(logs, query, sight) if found else {}
    drawn = [_view(one, span, rates.get(one.id, ()), last.get(one.service)) for one in found]
    return tuple(sorted(drawn, key=lambda one: one.came_with is None))


def new_ones(templates: Sequence[Template], last: Deployed | None) -> tuple[Template, ...]:
    """Those that came with a deployment."""
    return tuple(one for one in templates if last is not None and is_new(one, last))


def is_new(template: Template, last: Deployed) -> bool:
    """Whether a pattern was first said by that version, or since it was there. A version that came back, after another
    one, brings nothing new: it said the same before."""
    return template.service == last.service and (
        template.first_seen >= last.at or (template.first_version == last.version and template.first_seen >= last.after)
    )


def _rates(logs: LogStore, query: LogQuery, sight: Sight) -> dict[int, tuple[int, ...]]:
    """How many lines of each pattern there are in each slice of the time: every line is looked at once."""
    length = query.end - query.start
    found: dict[int, list[int]] = {}
    for turn in range(_SLICES):
        slice_ = replace(
            query, start=query.start + length * turn // _SLICES, end=query.start + length * (turn + 1) // _SLICES
        )
        for text, count in logs.facets(slice_, "template", sight=sight, limit=_MOST_COUNTED).items():
            found.setdefault(int(text), [0] * _SLICES)[turn] = count
    return {id_: tuple(counts) for id_, counts in found.items()}


def _view(one: Template, span: Span, rate: Sequence[int], last: Deployed | None) -> PatternView:
    minutes = (span.end - span.start) / 60_000_000
    each = one.lines / minutes if minutes else 0.0
    hourly = each < 1
    said = f"{each * 60:,.1f} an hour" if hourly else f"{each:,.1f} a minute"
    place = urlencode({"service": one.service, "template": str(one.id)})
    return PatternView(
        template=one,
        parts=parts_of(one.text),
        said=seen(one.text[:60]),
        first=at_of(one.first_seen),
        came_with=last if last is not None and is_new(one, last) else None,
        trend=Trend(values=tuple(float(count) for count in rate), n=one.lines, says=said),
        lines=lines_of(one, span),
        count=f"/logs/count?{place}" if one.service else "",
    )


def lines_of(one: Template, span: Span) -> str:
    """The address of its lines in this time."""
    ends = {} if span.live else {"to": str(-(-span.end // 1000))}
    return "/logs?" + urlencode({"q": f"template:{one.id}", "from": str(span.start // 1000), **ends})


def parts_of(text: str) -> tuple[tuple[str, bool], ...]:
    said = [seen(part) for part in text[:1_000].split("<*>")]
    found = [pair for part in said for pair in ((part, False), ("value", True))][:-1]
    return tuple(pair for pair in found if pair[0])


def service_of(terms: Sequence[Term]) -> str:
    """The one service that a search is about; empty where it is about several."""
    named = {one.value for one in terms if one.kind is TermKind.FIELD and one.field == "service" and not one.negated}
    return named.pop() if len(named) == 1 else ""
