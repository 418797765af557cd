"""The pages of people: everybody, one person, and the link that lets somebody in."""

from __future__ import annotations

from andon.app.people.pages.inviting import inviting_pages
from andon.app.people.pages.listing import listing_pages, people_entries
from andon.app.people.pages.person import person_pages
from andon.app.people.pages.places import PlacesOf
from andon.kernel.settings import Settings
from andon.web.http.pages import Handlers

__all__ = ["people_entries", "people_pages"]


def people_pages(settings: Settings, places: PlacesOf) -> Handlers:
    """Every page and deed of the console about people."""
    return [*listing_pages(), *inviting_pages(settings, places), *person_pages(places)]
