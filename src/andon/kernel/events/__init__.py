"""The record: one append-only log of everything that happens to a change."""

from andon.kernel.events.bell import Bell
from andon.kernel.events.model import ANDON, Actor, ActorKind, Envelope, Event, event, event_types
from andon.kernel.events.reactions import Reaction
from andon.kernel.events.record import Facets, append, page

__all__ = [
    "ANDON",
    "Actor",
    "ActorKind",
    "Bell",
    "Envelope",
    "Event",
    "Facets",
    "Reaction",
    "append",
    "event",
    "event_types",
    "page",
]
