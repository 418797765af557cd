"""What a room gives to the application. docs/contributing/add-a-room.md shows one from top to bottom."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from litestar.types import ControllerRouterHandler

from andon.kernel.access import Principal
from andon.kernel.db import Reading
from andon.kernel.events import Reaction
from andon.kernel.workflows import Workflow
from andon.web.shell import Light, NavItem
from andon.web.telling import Telling


@dataclass(frozen=True, slots=True)
class Entry:
    """A line in the palette: what can be jumped to. ``kind`` is a word such as "service" or "run"."""

    label: str
    href: str
    kind: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Reconciler:
    """Compares what should be with what is and mends the difference; safe to repeat at any moment.

    ``run`` is called in the worker at start and then ``every`` so many seconds; it opens its own transactions.
    """

    name: str
    every: float
    run: Callable[[], None]


Mounted = Callable[[Any, Any, Any], Awaitable[None]]  # Any: ASGI's scope, receive and send, as whoever answers has them
"""An ASGI application."""


def _nothing() -> None:
    return


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Everything a room offers. Commands are not here: they speak to the API and load without the room.

    ``templates`` is the package with a ``templates/`` folder, found as ``name/….html``. ``handlers`` come from
    :mod:`andon.web.http.pages` and :mod:`andon.web.http.api`. ``light`` answers what the room has to say to the
    Andon light (``None`` is nothing); the gravest of all rooms is shown. ``entries`` fills the palette. ``telling`` has
    a sentence for every event of the room's own.
    """

    name: str
    templates: str = ""
    handlers: tuple[ControllerRouterHandler, ...] = ()
    navigation: tuple[NavItem, ...] = ()
    light: Callable[[Reading, Principal], Light | None] | None = None
    entries: Callable[[Reading, Principal], Iterable[Entry]] | None = None
    telling: Telling | None = None
    reactions: tuple[Reaction, ...] = ()
    workflows: tuple[Workflow, ...] = ()
    reconcilers: tuple[Reconciler, ...] = ()
    begin: Callable[[], None] = _nothing
    """Called in the worker, in the order of the rooms, before workflows are resumed: finds and ends what an earlier
    life left behind, starts what the room needs beside it."""
    end: Callable[[], None] = _nothing
    """Called when the worker stops, in the opposite order: what waits is told to give up waiting."""
    mounts: Mapping[str, Mounted] = field(default_factory=dict)
    """Applications for programs by the path that each stands at, such as ``/ofrep``, and everything below it. They find
    out by themselves who asks: sessions and cookies mean nothing there."""
    open: Callable[[], None] = _nothing
    """Called in the web process on its event loop, before the first request."""
    shut: Callable[[], None] = _nothing
    """Called there when every request has ended."""
    leave: Callable[[], None] = _nothing
    """Called in the web process when it stops, before requests under way are waited for: those that would go on
    until something happens are let go. Must return at once."""
