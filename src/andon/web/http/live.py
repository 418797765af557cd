"""Changes as they happen, by server-sent events: which topics have changed, never what they hold.

A page listens at ``/live?topics=run:run_…,service:store&after=4700``, where ``after`` (or ``Last-Event-ID``) is the
place in the record up to which it knows. For each event of the record that the listener may
see, the names of what it touches are sent::

    id: 4711
    event: change
    data: ["run:run_01k…","service:store","record"]

Topics are ``record`` (everything), ``light`` (what may change the Andon light), ``service:NAME``,
``environment:SERVICE/NAME``, ``run:ID``, ``deployment:ID`` and each event's subject. ``*`` asks to look at
everything anew, because too much happened. ``event: over`` comes before the end when the session is over.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from anyio import to_thread
from litestar import get
from litestar.response import Stream
from litestar.types import ControllerRouterHandler

from andon.kernel.access.contract import (
    PasswordChanged,
    PersonErased,
    RoleGranted,
    RoleRevoked,
    SignedOut,
    TokenRevoked,
)
from andon.kernel.access.signing_in import Caller, grants_of, is_still_good
from andon.kernel.db import Database
from andon.kernel.errors import Invalid, TooMany, Unavailable
from andon.kernel.events import Bell, Envelope, Sight, page
from andon.web.http.following import Follower
from andon.web.http.pages import PageContext
from andon.web.http.plain import in_thread

HEARTBEAT = 15.0
"""Seconds between signs of life, by which both ends notice that the other has gone."""
PER_CALLER = 24
IN_ALL = 2000
MOST_TOPICS = 50
MOST_WAITING = 200
"""Topics kept for a slow listener; beyond them it is told to look at everything."""
_PAUSE = 0.05
_AT_ONCE = 500
_ANYTHING = "*"
_ABOUT_ACCESS = {
    kind.type for kind in (SignedOut, TokenRevoked, PersonErased, RoleGranted, RoleRevoked, PasswordChanged)
}


def topics_of(envelope: Envelope) -> list[str]:
    """The names of what an event touches."""
    facets = envelope.facets
    found = ["record", envelope.subject]
    found += [f"{name}:{facets[name]}" for name in ("service", "run", "deployment") if name in facets]
    if "service" in facets:
        found.append("light")
        if "environment" in facets:
            found.append(f"environment:{facets['service']}/{facets['environment']}")
    return list(dict.fromkeys(found))


@dataclass(eq=False)
class Listener:
    """One open stream. Only the event loop touches ``waiting``."""

    caller: Caller
    wanted: frozenset[str]
    sight: Sight
    position: int
    waiting: dict[str, None] = field(default_factory=dict)
    doubtful: bool = False
    over: bool = False
    rung: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, position: int, topics: Iterable[str], doubtful: bool) -> None:
        self.position = position
        self.doubtful = self.doubtful or doubtful
        for topic in topics:
            if not self.wanted or topic in self.wanted or topic == _ANYTHING:
                self.waiting[topic] = None
        if _ANYTHING in self.waiting or len(self.waiting) > MOST_WAITING:  # everything includes each
            self.waiting = {_ANYTHING: None}
        if self.waiting or self.doubtful:
            self.rung.set()


class LiveFeed:
    """Reads new events once for everybody who listens, in one thread."""

    def __init__(self, database: Database, bell: Bell) -> None:
        self._database = database
        self._bell = bell
        self._listeners: set[Listener] = set()
        self._open: Counter[str] = Counter()
        self._position = 0
        self._follower = Follower(bell, "live updates", self._look, self._ring_all)

    def start(self) -> None:
        """Call it from the event loop that serves requests."""
        self._position = self._bell.position
        self._follower.start()

    def end_streams(self) -> None:
        """Let every open stream end now; call it before the server waits for its connections."""
        self._follower.end()

    def stop(self) -> None:
        self._follower.stop()

    @property
    def listening(self) -> int:
        return len(self._listeners)

    def check_room(self, caller: Caller) -> None:
        """Raises :class:`TooMany` when the caller, or everybody together, has too many streams open."""
        if self._open[_door(caller)] < PER_CALLER and len(self._listeners) < IN_ALL:
            return
        raise TooMany(
            "Too many live streams are open.",
            safe="The page works without one.",
            remedy="Close some of its windows.",
            retry_after=HEARTBEAT,
        )

    @contextmanager
    def listen(self, caller: Caller, wanted: frozenset[str]) -> Iterator[Listener]:
        """Call it from the event loop, right after :meth:`check_room`."""
        listener = Listener(caller, wanted, caller.principal.sight(), self._bell.position)
        self._open[_door(caller)] += 1
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)
            self._open[_door(caller)] -= 1
            if not self._open[_door(caller)]:
                del self._open[_door(caller)]

    @property
    def position(self) -> int:
        """How far the record is known to have grown."""
        return self._bell.position

    async def grown(self, caller: Caller, beyond: int, seconds: float) -> bool:
        """Wait until the record has grown beyond a position by something the caller may see, or for ``seconds``.

        Whether to look again: not when the time is over or everything ends.
        """
        self.check_room(caller)
        with self.listen(caller, frozenset({"record"})) as listener:
            if self._follower.stopping:
                return False
            if self._bell.position > beyond:
                return True
            with suppress(TimeoutError):
                await asyncio.wait_for(listener.rung.wait(), seconds)
                return not self._follower.stopping
        return False

    async def stream(self, caller: Caller, wanted: frozenset[str], last: int | None) -> AsyncIterator[bytes]:
        """The body of the stream; ``last`` is the position a returning listener has seen."""
        with self.listen(caller, wanted) as listener:
            yield b"retry: 1000\n: here\n\n"
            if last is not None and last < listener.position:
                await to_thread.run_sync(self._catch_up, listener, last)
            while not self._follower.stopping:
                if listener.waiting:
                    topics, listener.waiting = list(listener.waiting), {}
                    text = json.dumps(topics, separators=(",", ":"))
                    yield f"id: {listener.position}\nevent: change\ndata: {text}\n\n".encode()
                    await asyncio.sleep(_PAUSE)  # a burst becomes a few messages
                if not listener.waiting and not listener.doubtful:
                    listener.rung.clear()
                    try:
                        await asyncio.wait_for(listener.rung.wait(), self._patience(caller))
                    except TimeoutError:
                        listener.doubtful = True
                        yield b": alive\n\n"
                if listener.doubtful:
                    listener.doubtful = False
                    await to_thread.run_sync(self._look_again, listener)
                if listener.over:
                    yield b"event: over\ndata: []\n\n"
                    return

    def _patience(self, caller: Caller) -> float:
        if caller.expires_at is None:
            return HEARTBEAT
        left = (caller.expires_at - self._database.clock.now()).total_seconds()
        return min(HEARTBEAT, max(0.05, left + 0.05))

    def _look_again(self, listener: Listener) -> None:
        """Is the session still good, and what may its holder see by now?"""
        caller = listener.caller
        try:
            with self._database.reading() as reading:
                listener.over = not is_still_good(reading, caller)
                if caller.principal.person is not None:
                    grants = grants_of(reading, caller.principal.person)
                    listener.sight = replace(caller.principal, grants=grants).sight()
        except Unavailable:
            return  # the next heartbeat looks again

    def _catch_up(self, listener: Listener, last: int) -> None:
        with self._database.reading() as reading:
            missed = page(reading, after=last, limit=MOST_WAITING)
        topics = [topic for one in missed if listener.sight.covers(one) for topic in topics_of(one)]
        if len(missed) == MOST_WAITING:
            topics = [_ANYTHING]
        self._follower.tell(listener.hear, listener.position, topics, doubtful=False)

    def _look(self) -> None:
        with self._database.reading() as reading:
            found = page(reading, after=self._position, limit=_AT_ONCE)
        if len(found) == _AT_ONCE:
            self._follower.again()
        if found:
            self._position = found[-1].position
            self._follower.tell(self._tell, self._position, [(one, topics_of(one)) for one in found])

    def _tell(self, position: int, news: list[tuple[Envelope, list[str]]]) -> None:
        doubtful = any(one.type in _ABOUT_ACCESS for one, _ in news)
        for listener in tuple(self._listeners):
            topics = [topic for one, names in news if listener.sight.covers(one) for topic in names]
            listener.hear(position, topics, doubtful)

    def _ring_all(self) -> None:
        for listener in tuple(self._listeners):
            listener.rung.set()


def _door(caller: Caller) -> str:
    return caller.session or caller.token or ""


def live_handler(feed: LiveFeed) -> ControllerRouterHandler:
    async def live(context: PageContext) -> Stream:
        wanted = frozenset(one for one in context.query.get("topics", "").split(",") if one)
        if len(wanted) > MOST_TOPICS:
            raise Invalid(f"A stream has at most {MOST_TOPICS} topics.", remedy="Ask for fewer.")
        feed.check_room(context.caller)  # before the answer begins: afterwards it could only be cut off
        given = context.query.get("after", "")
        given = next((v.decode("latin-1") for k, v in context.scope["headers"] if k == b"last-event-id"), given)
        last = int(given) if given.isascii() and given.isdigit() and len(given) < 20 else None
        return Stream(
            feed.stream(context.caller, wanted, last),
            media_type="text/event-stream",
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )

    return get("/live", include_in_schema=False)(in_thread(live, ()))
