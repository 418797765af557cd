"""Finding one's way: the palette, the search that works without script, and the Andon light on its own."""

from __future__ import annotations

import msgspec
from litestar import Response, get
from litestar.types import ControllerRouterHandler

from andon.web.http.pages import Handlers, Html, PageContext, page
from andon.web.http.plain import in_thread
from andon.web.room import Entry
from andon.web.shell import Page

MOST = 500
"""Entries sent to a palette."""


def finding_handlers() -> Handlers:
    @page("/search")
    def search(context: PageContext) -> Html:
        asked = context.query.get("q", "").strip()
        known = (*context.console.rooms(context.principal), *_entries(context))
        found = [one for one in known if _matches(one, asked)] if asked else []
        if len(found) == 1:
            return context.go(found[0].href)
        sentence = f"{len(found)} found for “{asked}”" if asked else "Search"
        return context.page("web/search.html", Page(title="Search", sentence=sentence), asked=asked, found=found[:MOST])

    @page("/light")
    def light(context: PageContext) -> Html:
        with context.database.reading() as reading:
            now = context.console.light(reading, context.principal)
        return context.part("web/light.html", light=now)

    return [search, light, _palette()]


def _palette() -> ControllerRouterHandler:
    def palette(context: PageContext) -> Response[bytes]:
        body = msgspec.json.encode({"entries": _entries(context)[:MOST]})
        return Response(body, media_type="application/json")

    return get("/palette.json", include_in_schema=False)(in_thread(palette, ()))


def _entries(context: PageContext) -> list[Entry]:
    with context.database.reading() as reading:
        return context.console.entries(reading, context.principal)


def _matches(entry: Entry, asked: str) -> bool:
    text = f"{entry.label} {entry.kind} {entry.note}".casefold()
    return all(word in text for word in asked.casefold().split())
