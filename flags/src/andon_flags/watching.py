"""How requests end that were served a watched flag: counted by flag and variant, so that a ramp can be judged.

A flag is watched while a ramp raises it. Who gets the variant and who does not are asked by the same instances in the
same minutes, so nothing but the variant is between them.
"""

import itertools
import re
import threading
import time
from bisect import bisect_left
from collections.abc import Callable
from contextvars import ContextVar, Token
from types import TracebackType
from typing import NamedTuple, Optional

from andon_flags.document.model import Flag
from andon_flags.outcomes import Outcome, Reason

EVERY = 2.0
"""Seconds between two tellings, while anything is watched."""
BOUNDS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1000, 1500, 2000, 3000, 5000, 10_000)
"""Milliseconds: a duration is counted in the first that it does not exceed, or beyond all of them."""
MOST_ARMS = 1_000
MOST_EVENTS = 20
BY_DEFAULT, NOT_DIVIDED = "-", "_"
"""Instead of the name of a rule: whom no rule served; and who was named, or got what it serves while it is off."""
_EVENT = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")


class Arm(NamedTuple):
    """What somebody was served, and by which rule."""

    variant: str
    rule: str


_MIXED = Arm("", "")
"""Both were served within a request, to different users: it speaks for neither."""


class Request:
    """One that is under way. It may be seen by several threads and tasks, as its context is copied."""

    __slots__ = ("arms", "began", "events", "of", "over")

    def __init__(self, of: "Outcomes") -> None:
        self.of = of
        self.arms: dict[str, Arm] = {}
        self.events: list[str] = []
        self.over = False
        self.began = time.perf_counter()


_current: "ContextVar[Optional[Request]]" = ContextVar("andon-flags request", default=None)


class _Tally:
    __slots__ = ("durations", "errors", "events", "requests")

    def __init__(self) -> None:
        self.requests = 0
        self.errors = 0
        self.durations = [0] * (len(BOUNDS) + 1)
        self.events: dict[str, int] = {}


class Outcomes:
    """Counts of one client, for any number of threads."""

    def __init__(self) -> None:
        self.watching = False
        """Whether any flag is watched; where none is, a request costs the question."""
        self._tells = False
        self._known: list[str] = []
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._tallies: dict[tuple[str, Arm], _Tally] = {}

    def after_fork(self) -> None:
        """In the child: another lock, and what the parent has counted is the parent's to tell."""
        self._begin()

    def noting(self, flag: Flag, outcome: Outcome) -> "Callable[[], None]":
        """What the function of a watched flag calls when it serves ``outcome``."""
        name, arm = flag.name, Arm(outcome.variant or "", _rule(outcome))

        def note() -> None:
            request = _current.get()
            if request is not None and request.of is self and request.arms.setdefault(name, arm) != arm:
                request.arms[name] = _MIXED

        return note

    def request(self) -> Optional[Request]:
        """A request that begins; ``None`` where nothing is watched, or where it is part of one that is under way."""
        self._tells = True
        if not self.watching:
            return None
        outer = _current.get()
        return None if outer is not None and outer.of is self and not outer.over else Request(self)

    def tracked(self, event: str) -> None:
        """Something that the business counts has happened in the present request."""
        if event not in self._known:
            if not _EVENT.fullmatch(event) or len(self._known) >= MOST_EVENTS:
                return
            self._known = [*self._known, event]
        request = _current.get()
        if request is not None and request.of is self and len(request.events) < 100:
            request.events.append(event)

    def ended(self, request: Request, *, failed: bool) -> None:
        """Count it for what it was served."""
        took = (time.perf_counter() - request.began) * 1000
        if request.over:
            return
        request.over = True
        if not request.arms:
            return
        place = bisect_left(BOUNDS, took)
        with self._lock:
            for flag, arm in request.arms.items():
                if arm is _MIXED:
                    continue
                tally = self._tallies.get((flag, arm))
                if tally is None:
                    if len(self._tallies) >= MOST_ARMS:
                        continue
                    tally = self._tallies[flag, arm] = _Tally()
                tally.requests += 1
                tally.errors += failed
                tally.durations[place] += 1
                for event in request.events:
                    tally.events[event] = tally.events.get(event, 0) + 1

    def lines(self, tags: str) -> "list[str]":
        """What was counted since the last time, as StatsD's lines."""
        with self._lock:
            tallies, self._tallies = self._tallies, {}
        found = []
        for (flag, arm), tally in tallies.items():
            of = f"#flag:{flag},variant:{arm.variant},rule:{arm.rule}"
            found.append(f"flags.requests:{tally.requests}|c|{of}{tags}")
            if tally.errors:
                found.append(f"flags.errors:{tally.errors}|c|{of}{tags}")
            for bound, count in itertools.zip_longest(BOUNDS, tally.durations, fillvalue="inf"):
                if count:
                    found.append(f"flags.durations:{count}|c|{of},le:{bound}{tags}")
            for event, count in tally.events.items():
                found.append(f"flags.tracked:{count}|c|{of},event:{event}{tags}")
        return found

    def signs(self, tags: str) -> "list[str]":
        """That this program can tell how requests end, and what it tracks: so a ramp knows beforehand."""
        if not self._tells:
            return []
        return [f"flags.watching:1|c|#event:{event}{tags}" for event in ("-", *self._known)]


class Ending:
    """``with flags.outcome() as it``: a request, or whatever else succeeds or fails. It has failed when an exception
    leaves the block, or when the program says so."""

    __slots__ = ("_failed", "_of", "_request", "_token")

    def __init__(self, of: Outcomes) -> None:
        self._of = of
        self._request: Optional[Request] = None
        self._token: Optional[Token[Optional[Request]]] = None
        self._failed = False

    def failed(self) -> None:
        """It has, whatever the block does from now on."""
        self._failed = True

    def __enter__(self) -> "Ending":
        self._failed = False
        self._request = self._of.request()
        if self._request is not None:
            self._token = enter(self._request)
        return self

    def __exit__(
        self,
        kind: "Optional[type[BaseException]]",
        error: Optional[BaseException],
        where: Optional[TracebackType],
    ) -> None:
        request, token = self._request, self._token
        if request is None or token is None:
            return
        leave(token)
        # a program that is asked to end, and a task that is cancelled, have not failed
        if kind is None or issubclass(kind, Exception):
            self._of.ended(request, failed=self._failed or kind is not None)


def enter(request: Request) -> "Token[Optional[Request]]":
    """From now on, what is served in this context is served to the request."""
    return _current.set(request)


def leave(token: "Token[Optional[Request]]") -> None:
    """The context is as it was before."""
    _current.reset(token)


def _rule(outcome: Outcome) -> str:
    if outcome.rule is not None:
        return outcome.rule
    by_name = outcome.reason in {Reason.DISABLED, Reason.TARGETING_MATCH}
    return NOT_DIVIDED if by_name else BY_DEFAULT
