"""Segments: who belongs to them, and which flags name them."""

from __future__ import annotations

from andon.flow.flags.desk import Desk
from andon.flow.flags.model import words
from andon.flow.flags.pages.drawing import flag_address
from andon.kernel.events import Facets
from andon.kernel.events import page as record
from andon.web.http.pages import Handlers, Html, PageContext, page
from andon.web.model import Fact
from andon.web.shell import Crumb, Page
from andon_flags.document import Condition


def segment_pages(desk: Desk) -> Handlers:
    @page("/segments")
    def segments(context: PageContext) -> Html:
        with context.database.reading() as reading:
            found = desk.segments.all(reading, context.principal)
        said = f"{len(found)} {'segment' if len(found) == 1 else 'segments'}" if found else "No segment yet"
        return context.page(
            "flags/segments.html",
            Page(
                title="Segments",
                sentence=said,
                lede="Audiences with a name, for the rules of all flags.",
                crumbs=(Crumb("Flags", "/flags"),),
            ),
            segments=[(one, _who(one.when)) for one in found],
        )

    @page("/segments/{segment:str}")
    def one_segment(context: PageContext, segment: str) -> Html:
        with context.database.reading() as reading:
            found = desk.segments.get(reading, context.principal, segment)
            members = desk.segments.members(reading, found)
            visible = context.principal.visible_services()
            uses = [
                (one, flag_address(one.service, one.flag))
                for one in desk.segments.uses(reading, segment)
                if visible is None or one.service in visible
            ]
            asked = context.query.get("member", "").strip()
            has = desk.segments.has(reading, found, asked) if asked else None
            facets = Facets(subject=f"segment:{segment}", sight=context.principal.sight())
            lines = context.told(reading, record(reading, facets, limit=20))
        facts = [
            Fact("Service", found.service),
            Fact("Members", f"{found.size:,}"),
            Fact("Or whoever has", _who(found.when) or "no conditions"),
            Fact("Kept as", "names" if members is not None else "hashes: it is large"),
            Fact("Changed", found.changed_at),
        ]
        return context.page(
            "flags/segment.html",
            Page(
                title=f"Segment {segment}",
                sentence=f"{segment}: {found.size:,} members",
                lede=found.description,
                crumbs=(Crumb("Flags", "/flags"), Crumb("Segments", "/segments")),
            ),
            segment=found,
            facts=facts,
            members=None if members is None else members[:200],
            uses=uses,
            asked=asked,
            has=has,
            lines=lines,
        )

    return [segments, one_segment]


def _who(when: tuple[tuple[Condition, ...], ...]) -> str:
    return " or ".join(words.audience(every) for every in when)
