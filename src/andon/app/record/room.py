"""The record for reading: every event, the state of the chain, and what could not be delivered."""

from __future__ import annotations

from pathlib import Path

from andon.app.record.api import record_routes
from andon.app.record.pages import record_pages
from andon.kernel.access.contract import People
from andon.web.room import Room
from andon.web.shell import NavItem


def record_room(people: People, key: Path) -> Room:
    """``key`` is the file of the sealing key; only the public half beside it is ever read here."""
    return Room(
        name="record",
        templates="andon.app.record",
        handlers=(*record_pages(people, key), *record_routes(key)),
        navigation=(NavItem(section="Record", label="Record", href="/record", icon="record", key="r"),),
    )
