"""What is served, kept ready: one compiled document for each place that anybody asks about, and whoever listens to it.

Requests never wait for the database: a thread looks at the revisions when the record has grown, builds what has
changed, and tells the event loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from andon.flow.flags.service.documents import Built
from andon.flow.flags.service.flags import FlagService
from andon.flow.sources.contract import Service
from andon.kernel.db import Database
from andon.kernel.errors import TooMany
from andon.kernel.events import Bell
from andon.web.http.following import Follower
from andon_flags.compiling import Compiled
from andon_flags.document.writing import write_change

MOST_PLACES = 1_000
MOST_STREAMS = 5_000
MOST_OF_ONE = 1_000
"""Streams of one environment: its programs must not take them from everybody else's."""
MOST_WAITING = 50
"""Changes kept for a slow listener; beyond them it gets the whole document."""
KEPT_CHANGES = 64
LARGEST_KEPT = 4 * 2**20
"""Bytes of changes that a listener who comes back is given; beyond them it gets the whole document."""


@dataclass(frozen=True, slots=True)
class Place:
    service: Service
    environment: str


@dataclass(frozen=True, slots=True)
class Change:
    before: int
    revision: int
    event: bytes
    """As it is sent."""


@dataclass(frozen=True, slots=True)
class Served:
    """One place's flags at one revision, ready to be evaluated."""

    built: Built
    compiled: Compiled
    changes: tuple[Change, ...]
    """The newest ones, oldest first, each beginning where the one before ends."""

    @property
    def revision(self) -> int:
        return self.built.told.revision

    def since(self, revision: int) -> list[bytes] | None:
        """The events from a revision to this one; ``None`` where the whole document has to be sent."""
        if revision == self.revision:
            return []
        begin = next((at for at, one in enumerate(self.changes) if one.before == revision), None)
        return None if begin is None else [one.event for one in self.changes[begin:]]


@dataclass(eq=False, slots=True)
class Listener:
    """One open stream. Only the event loop touches it."""

    place: Place
    inside: bool = False
    """It runs in the environment, and came by its socket; with a token comes whoever may look at its flags."""
    id: str = ""
    """By which its program confirms what it has applied; empty for one that does not."""
    told: int = -1
    """The revision that was sent last."""
    confirmed: int = -1
    waiting: deque[Served] = field(default_factory=deque)
    rung: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def has(self) -> int:
        """The revision that its program has for certain; of one that confirms nothing, what it was sent."""
        return self.confirmed if self.id else self.told

    def hear(self, served: Served) -> None:
        if len(self.waiting) >= MOST_WAITING:
            self.waiting.clear()  # what it has missed is in the newest document
        self.waiting.append(served)
        self.rung.set()


class Hub:
    """Safe to ask from any thread; streams are opened on the event loop."""

    def __init__(self, database: Database, bell: Bell, flags: FlagService) -> None:
        self._database = database
        self._flags = flags
        self._served: dict[Place, Served] = {}
        self._guard = threading.Lock()
        self._listeners: set[Listener] = set()
        self._follower = Follower(bell, "flags", self._refresh, self._ring_all)

    def start(self) -> None:
        """Call it from the event loop that serves requests."""
        self._follower.start()

    def end_streams(self) -> None:
        """Let every open stream end now."""
        self._follower.end()

    def stop(self) -> None:
        self._follower.stop()

    @property
    def stopping(self) -> bool:
        return self._follower.stopping

    @property
    def listening(self) -> int:
        return len(self._listeners)

    def known(self, place: Place) -> Served | None:
        """What is ready, without looking anything up."""
        return self._served.get(place)

    def load(self, place: Place) -> Served:
        """What is served there, made ready if it is not. Waits for the database: call it in a thread."""
        with self._database.reading() as reading:
            built = self._flags.built(reading, place.service, place.environment)
        return self._put(place, built)

    def confirm(self, place: Place, listener: str, revision: int) -> None:
        """A program says what it has applied. Only on the event loop."""
        for one in self._listeners:
            if one.id and one.id == listener and one.place == place:
                one.confirmed = max(one.confirmed, min(revision, one.told))

    def audience(self, place: Place, revision: int) -> tuple[int, int]:
        """How many listen inside, and how many of them do not have a revision yet. Only on the event loop."""
        there = [one for one in self._listeners if one.inside and one.place == place]
        return len(there), sum(one.has < revision for one in there)

    @contextmanager
    def listen(self, place: Place, listener: str = "", *, inside: bool = False) -> Iterator[Listener]:
        """Hear of every change from now on; ``listener`` is by what its program confirms. Raises ``TooMany``."""
        of_one = sum(one.place == place for one in self._listeners)
        if len(self._listeners) >= MOST_STREAMS or of_one >= MOST_OF_ONE:
            raise TooMany(
                "Too many programs listen to flags.",
                safe="Each goes on with what it has.",
                remedy="Let them share a connection, or come back later.",
                retry_after=30.0,
            )
        found = Listener(place, inside, listener)
        self._listeners.add(found)
        try:
            yield found
        finally:
            self._listeners.discard(found)

    def _put(self, place: Place, built: Built) -> Served:
        with self._guard:
            old = self._served.get(place)
            if old is not None and old.revision >= built.told.revision:
                return old
            served = _follow(old, built)
            if old is None and len(self._served) >= MOST_PLACES:
                self._forget_one()
            self._served[place] = served
        if old is not None:
            self._follower.tell(self._tell, place, served)
        return served

    def _forget_one(self) -> None:
        heard = {one.place for one in tuple(self._listeners)}
        for place in self._served:
            if place not in heard:
                del self._served[place]
                return

    def _tell(self, place: Place, served: Served) -> None:
        for listener in tuple(self._listeners):
            if listener.place == place:
                listener.hear(served)

    def _ring_all(self) -> None:
        for listener in tuple(self._listeners):
            listener.rung.set()

    def _refresh(self) -> None:
        with self._guard:
            asked = {place: served.revision for place, served in self._served.items()}
        if not asked:
            return
        with self._database.reading() as reading:
            revisions = self._flags.revisions(reading)
            changed = [
                place
                for place, revision in asked.items()
                if revisions.get((place.service, place.environment), 0) > revision
            ]
            built = [(place, self._flags.built(reading, place.service, place.environment)) for place in changed]
        for place, one in built:
            self._put(place, one)


def _follow(old: Served | None, built: Built) -> Served:
    if old is None:
        return Served(built, _compiled(built, None), ())
    change = write_change(old.built.document, built.document)
    revision = built.told.revision
    event = b"id: %d\nevent: change\ndata: %s\n\n" % (revision, change)
    kept = [*old.changes, Change(old.revision, revision, event)][-KEPT_CHANGES:]
    while len(kept) > 1 and sum(len(one.event) for one in kept) > LARGEST_KEPT:
        del kept[0]
    if len(event) > LARGEST_KEPT:
        kept = []
    return Served(built, _compiled(built, old.compiled), tuple(kept))


def _compiled(built: Built, previous: Compiled | None) -> Compiled:
    """With every function made: here somebody waits in a thread, later it would be the event loop."""
    found = Compiled(built.document, previous=previous)
    for name in built.document.flags:
        found.outcomes[name]
    return found
