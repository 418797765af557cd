"""People, tokens and roles; the account's own page belongs to the door."""

from __future__ import annotations

from collections.abc import Mapping

from andon.app.people.api import people_routes
from andon.app.people.pages import people_entries, people_pages
from andon.app.people.pages.places import PlacesOf
from andon.app.people.permission import administers
from andon.app.people.telling import TELLING
from andon.kernel.access.passwords import Passwords
from andon.kernel.db import Reading
from andon.kernel.settings import Settings
from andon.web.room import Room
from andon.web.shell import ADMINISTRATION, NavItem


def _nowhere(reading: Reading) -> Mapping[str, tuple[str, ...]]:
    return {}


def people_room(settings: Settings, passwords: Passwords, *, places: PlacesOf = _nowhere) -> Room:
    """``places`` answers the environments of each service, to be offered where a role is granted."""
    return Room(
        name="people",
        templates="andon.app.people",
        handlers=(*people_pages(settings, places), *people_routes(settings, passwords)),
        navigation=(NavItem(ADMINISTRATION, "People", "/people", "people", "u", shown_to=administers),),
        entries=people_entries,
        telling=TELLING,
    )
