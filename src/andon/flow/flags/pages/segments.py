"""Segments: who belongs to them, which flags name them, and what may be done with them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from andon.flow.flags.desk import Desk
from andon.flow.flags.model import words
from andon.flow.flags.model.flag import StoredSegment
from andon.flow.flags.pages.drawing import flag_address
from andon.flow.flags.pages.segment_waiting import places_words, waiting_segments
from andon.flow.flags.pages.written import conditions_of
from andon.flow.flags.service.segments import Use
from andon.kernel.access import Permission
from andon.kernel.errors import AndonError
from andon.kernel.events import Facets
from andon.kernel.events import page as record
from andon.web.http.pages import Handlers, Html, PageContext, page
from andon.web.model import Fact
from andon.web.shell import Action, Crumb, Page
from andon_flags.document import Condition

_SHOWN = 200
_NAMED = 3
_VERSIONS = 20
_LINES = 30


def segment_pages(desk: Desk) -> Handlers:
    @page("/segments")
    def segments(context: PageContext) -> Html:
        return draw_segments(desk, context)

    @page("/segments/{segment:str}")
    def one_segment(context: PageContext, segment: str) -> Html:
        return draw_segment(desk, context, segment)

    @page("/segments/{segment:str}/now")
    def segment_now(context: PageContext, segment: str) -> Html:
        return draw_segment(desk, context, segment, part="flags/segment_now.html")

    return [segments, one_segment, segment_now]


def segment_address(name: str) -> str:
    return f"/segments/{quote(name, safe='')}"


def draw_segments(desk: Desk, context: PageContext, wrong: AndonError | None = None) -> Html:
    """``wrong`` is why a segment could not be made."""
    with context.database.reading() as reading:
        found = desk.segments.all(reading, context.principal)
        visible = context.principal.visible_services()
        waiting = waiting_segments(desk, reading, context.principal)
        services = [
            one
            for one in desk.sources.services(reading)
            if (visible is None or one in visible) and context.principal.may(Permission.RELEASE, one)
        ]
    said = f"{len(found)} {'segment' if len(found) == 1 else 'segments'}" if found else "No segment yet"
    return context.page(
        "flags/segments.html",
        Page(
            title="Segments",
            sentence=said,
            lede="Audiences with a name, for the rules of all flags.",
            crumbs=(Crumb("Flags", "/flags"),),
        ),
        status=200 if wrong is None else wrong.status,
        segments=[(one, who_of(one.when)) for one in found],
        services=services,
        segments_waiting=waiting,
        wrong=wrong,
        name=context.form.get("name", ""),
        description=context.form.get("description", ""),
    )


def draw_segment(
    desk: Desk,
    context: PageContext,
    segment: str,
    *,
    wrong: AndonError | None = None,
    form: str = "",
    part: str = "",
) -> Html:
    """``wrong`` is why the form named ``form`` did nothing: what was written is in it still."""
    with context.database.reading() as reading:
        found = desk.segments.get(reading, context.principal, segment)
        members = desk.segments.members(reading, found)
        visible = context.principal.visible_services()
        named = desk.segments.uses(reading, segment)
        uses = [
            (one, flag_address(one.service, one.flag)) for one in named if visible is None or one.service in visible
        ]
        asked = context.query.get("member", "").strip()
        has = desk.segments.has(reading, found, asked) if asked else None
        facets = Facets(subject=f"segment:{segment}", sight=context.principal.sight())
        lines = context.told(reading, record(reading, facets, limit=20))
        guards = desk.segments.changes.guards(reading, segment)
        releases = [
            f"{service}/{name}"
            for service, name in desk.segments.changes.releases(reading, segment)
            if visible is None or service in visible
        ]
        seen = [f"{service}/{name}" for service, name in guards if visible is None or service in visible]
        waiting = waiting_segments(desk, reading, context.principal, segment=found)
        versions = desk.segment_history(reading, found, limit=_VERSIONS)
    may = context.principal.may(Permission.RELEASE, found.service)
    values: dict[str, Any] = {  # Any: whatever the template draws
        "segment": found,
        "address": segment_address(found.name),
        "facts": _facts(found, members),
        "members": None if members is None else members[:_SHOWN],
        "uses": uses,
        "releases": releases,
        "asked": asked,
        "has": has,
        "membership": _membership(found, asked, has) if may else None,
        "lines": lines,
        "guarded": places_words(seen, len(guards) - len(seen)),
        "segments_waiting": waiting,
        "versions": [(one, who, diff[:_LINES], max(0, len(diff) - _LINES)) for one, who, diff in versions],
    }
    if part:
        return context.part(part, **values)
    return context.page(
        "flags/segment.html",
        Page(
            title=f"Segment {segment}",
            sentence=f"{segment}: {found.size:,} {'member' if found.size == 1 else 'members'}",
            lede=found.description,
            crumbs=(Crumb("Flags", "/flags"), Crumb("Segments", "/segments")),
        ),
        status=200 if wrong is None else wrong.status,
        may=may,
        wrong=wrong,
        form=form,
        written=context.form,
        conditions=conditions_of(found),
        remove=_removal(found, named, visible) if may else None,
        **values,
    )


def _facts(found: StoredSegment, members: tuple[str, ...] | None) -> list[Fact]:
    return [
        Fact("Service", found.service),
        Fact("Members", f"{found.size:,}"),
        Fact("Or whoever has", who_of(found.when) or "no conditions"),
        Fact("Kept as", "names" if members is not None else "hashes: it is large"),
        Fact("Version", str(found.version)),
        Fact("Changed", found.changed_at),
    ]


def _membership(found: StoredSegment, asked: str, has: bool | None) -> Action | None:
    """What can be done about whom somebody has looked for."""
    if has is None:
        return None
    address = segment_address(found.name)
    if has:
        return Action(f"Remove {asked}", f"{address}/drop", hidden=(("members", asked),), icon="close")
    return Action(f"Add {asked}", f"{address}/add", hidden=(("members", asked),), icon="plus")


def _removal(found: StoredSegment, named: tuple[Use, ...], visible: frozenset[str] | None) -> Action:
    blocked = ""
    if named:
        seen = [one for one in named if visible is None or one.service in visible]
        shown = [f"{one.flag} ({one.service}/{one.environment})" for one in seen[:_NAMED]]
        rest = len(named) - len(shown)
        more = f"{rest} {'other' if shown else 'hidden'} {'use' if rest == 1 else 'uses'}"
        by = " and ".join([", ".join(shown), more] if shown and rest else shown or [more])
        blocked = f"It is named by {by}. Take it out of their rules first."
    return Action(
        f"Delete {found.name}",
        f"{segment_address(found.name)}/remove",
        kind="danger",
        icon="trash",
        confirm=found.name,
        warning="Its members are forgotten.",
        blocked=blocked,
    )


def who_of(when: tuple[tuple[Condition, ...], ...]) -> str:
    return " or ".join(words.audience(every) for every in when)
