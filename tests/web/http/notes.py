"""A small room, as docs/contributing/add-a-room.md describes one: pages, a deed and API routes."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from litestar.types import ControllerRouterHandler

from andon.kernel.access import Permission
from andon.kernel.errors import Conflict, Missing
from andon.kernel.events import Event, append, event
from andon.web.http import api
from andon.web.http.api import Call
from andon.web.http.pages import Html, PageContext, Visitor, deed, page
from andon.web.model import State
from andon.web.room import Entry, Room
from andon.web.shell import Light, NavItem, Page


@event("test.note.written.v1", subject="service")
@dataclass(frozen=True, slots=True, kw_only=True)
class NoteWritten(Event):
    """Somebody wrote a note on a service."""

    service: str
    environment: str | None = None
    text: str = ""


class Note(msgspec.Struct, kw_only=True):
    text: str


def notes_room() -> Room:
    @page("/notes/{service:str}")
    def show(context: PageContext, service: str) -> Html:
        context.principal.require_sight(service)
        return context.page(
            "web/search.html", Page(title="Notes", sentence=context.query.get("say", service)), asked="", found=[]
        )

    @deed("/notes/{service:str}")
    def write(context: PageContext, service: str) -> Html:
        context.principal.require(Permission.CONFIGURE, service)
        with context.database.transaction() as tx:
            append(tx, NoteWritten(service=service, text=context.required("text")), by=context.principal.actor)
        return context.go(context.form.get("to", f"/notes/{service}"))

    @page("/open")
    def open_page(visitor: Visitor) -> Html:
        who = visitor.caller.name if visitor.caller else "a stranger"
        return visitor.bare("web/bare.html", Page(title="Open", sentence=f"Hello {who}"))

    @page("/broken")
    def broken(context: PageContext) -> Html:
        raise ZeroDivisionError("the secret of the house")

    @api.get("/notes/{service:str}")
    def read_note(call: Call, service: str) -> Note:
        """What was written."""
        call.principal.require_sight(service)
        return Note(text=service)

    @api.post("/notes/{service:str}", status=201)
    def write_note(call: Call, service: str, data: Note) -> Note:
        """Write a note."""
        call.principal.require(Permission.CONFIGURE, service)
        with call.database.transaction() as tx:
            append(tx, NoteWritten(service=service, environment="production", text=data.text), by=call.principal.actor)
        return data

    @api.post("/notes/{service:str}/again")
    def write_again(call: Call, service: str) -> Note:
        """Always in conflict."""
        raise Conflict("It is written.", safe="It stays.", remedy="Read it.")

    @api.get("/broken")
    def break_down(call: Call) -> Note:
        """Always broken."""
        raise ZeroDivisionError("the secret of the house")

    @api.get("/missing")
    def miss(call: Call) -> Note:
        """Always missing."""
        raise Missing("There is no git.", remedy="Install git.")

    handlers: tuple[ControllerRouterHandler, ...] = (
        show,
        write,
        open_page,
        broken,
        read_note,
        write_note,
        write_again,
        break_down,
        miss,
    )
    return Room(
        name="notes",
        handlers=handlers,
        navigation=(NavItem(section="Flow", label="Notes", href="/notes/store", icon="flag", key="n"),),
        light=lambda reading, principal: Light(State.WARN, "A note is old", "/notes/store"),
        entries=lambda reading, principal: [Entry("the store", "/notes/store", "service", "notes")],
    )
