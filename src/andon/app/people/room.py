"""People, tokens and roles, as far as the API goes; the account's own page belongs to the door."""

from __future__ import annotations

from andon.app.people.api import people_routes
from andon.app.people.telling import TELLING
from andon.kernel.access.passwords import Passwords
from andon.kernel.settings import Settings
from andon.web.room import Room


def people_room(settings: Settings, passwords: Passwords) -> Room:
    return Room(name="people", handlers=tuple(people_routes(settings, passwords)), telling=TELLING)
