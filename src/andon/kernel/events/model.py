"""What an event is.

A room declares its events in its ``contract.py``::

    @event("dev.andon.run.started.v1", subject="run", cdevents="dev.cdevents.pipelinerun.started.0.3.0")
    @dataclass(frozen=True, slots=True, kw_only=True)
    class RunStarted(Event):
        '''A run began to work on its first stage.'''

        run: RunId
        repository: str
        commit: str

Fields named ``service``, ``environment``, ``run``, ``deployment`` and ``commit`` become facets by which the
record can be filtered. An event never holds a secret, a log line or a person's name: people appear as
``PersonId`` only. A changed shape is a new type (``….v2``); old types stay readable for ever.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, TypeVar

import msgspec


class ActorKind(StrEnum):
    PERSON = "person"
    TOKEN = "token"  # noqa: S105 - the kind of an actor, not a credential
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it. ``person`` is whom the act counts for: for a token, the person who made the token."""

    kind: ActorKind
    id: str
    person: str | None = None

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.id}"

    @classmethod
    def parse(cls, text: str, person: str | None = None) -> Actor:
        kind, _, name = text.partition(":")
        return cls(ActorKind(kind), name, person)


ANDON = Actor(ActorKind.SYSTEM, "andon")
"""Andon itself, when it acts without being asked: reconcilers, expiry, roll-back after a failure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base of all events; see the module for how to declare one."""

    type: ClassVar[str]
    subject_field: ClassVar[str]
    cdevents: ClassVar[str | None]

    def in_cdevents(self) -> str | None:
        """The CDEvents type that says the same. An event for which that depends on how things came out overrides it."""
        return self.cdevents


FACETS = ("service", "environment", "run", "deployment", "commit")

_E = TypeVar("_E", bound=Event)
_types: dict[str, type[Event]] = {}


def event(name: str, *, subject: str, cdevents: str | None = None) -> Callable[[type[_E]], type[_E]]:
    """Declare an event's type name, the field that names its subject, and the CDEvents type it maps to."""

    def declare(kind: type[_E]) -> type[_E]:
        known = _types.get(name, kind)
        if (known.__module__, known.__qualname__) != (kind.__module__, kind.__qualname__):
            raise ValueError(f"two events are called {name}: {known.__module__} and {kind.__module__} declare it")
        if subject not in {one.name for one in fields(kind)}:
            raise ValueError(f"{kind.__qualname__} has no field {subject!r} to be about")
        kind.type = name
        kind.subject_field = subject
        kind.cdevents = cdevents
        _types[name] = kind
        return kind

    return declare


def event_types() -> Mapping[str, type[Event]]:
    """Every declared event by its type name."""
    return dict(_types)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """An event as it stands in the record."""

    position: int
    """Where it stands; grows with every event. Gaps can occur on PostgreSQL."""
    id: str
    type: str
    at: datetime
    actor: Actor
    subject: str
    """The kind and id of what it is about, such as ``run:run_01k…``."""
    data: bytes
    """The event's fields as JSON."""
    digest: str
    """SHA-256 over everything but the position, hexadecimal."""
    facets: Mapping[str, str] = field(default_factory=dict)

    def decode(self) -> Event | None:
        """The typed event; ``None`` for a type this release does not know (it stays readable as data)."""
        kind = _types.get(self.type)
        return None if kind is None else msgspec.json.decode(self.data, type=kind)

    @property
    def cdevents(self) -> str | None:
        """The CDEvents type that says the same, where there is one."""
        kind = _types.get(self.type)
        if kind is None or kind.cdevents is None:
            return None
        try:
            return msgspec.json.decode(self.data, type=kind).in_cdevents()
        except msgspec.DecodeError:
            return None  # written by another release, or changed after it was written: it says nothing for certain


def digest_of(*, id: str, type: str, at: datetime, actor: Actor, subject: str, data: bytes) -> str:
    """The digest that is sealed: SHA-256 over length-prefixed fields, so that no two events collide by joining."""
    digest = hashlib.sha256()
    for part in (
        id.encode(),
        type.encode(),
        at.isoformat().encode(),
        str(actor).encode(),
        (actor.person or "").encode(),
        subject.encode(),
        data,
    ):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()
