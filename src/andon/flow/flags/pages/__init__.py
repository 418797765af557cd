"""The pages of flags and segments."""

from __future__ import annotations

from andon.flow.flags.desk import Desk
from andon.flow.flags.pages.deeds import deed_pages
from andon.flow.flags.pages.looking import flag_pages
from andon.flow.flags.pages.regions import region_pages
from andon.flow.flags.pages.segment_deeds import segment_deeds
from andon.flow.flags.pages.segments import segment_pages
from andon.web.http.pages import Handlers


def pages_of(desk: Desk) -> Handlers:
    return [*flag_pages(desk), *region_pages(desk), *deed_pages(desk), *segment_pages(desk), *segment_deeds(desk)]
