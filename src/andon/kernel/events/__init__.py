"""The record: one append-only log of everything that happens to a change.

What needs the database is loaded when it is first asked for: the command line uses the types alone, and SQLAlchemy
would cost it a quarter of a second at each call.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from andon.kernel.events.model import ANDON, Actor, ActorKind, Envelope, Event, event, event_types
from andon.kernel.events.sight import Sight

if TYPE_CHECKING:
    from andon.kernel.events.bell import Bell
    from andon.kernel.events.reactions import Reaction
    from andon.kernel.events.record import Facets, append, page

_HOMES = {"Bell": "bell", "Reaction": "reactions", "Facets": "record", "append": "record", "page": "record"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


__all__ = [
    "ANDON",
    "Actor",
    "ActorKind",
    "Bell",
    "Envelope",
    "Event",
    "Facets",
    "Reaction",
    "Sight",
    "append",
    "event",
    "event_types",
    "page",
]
