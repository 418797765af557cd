"""Addresses of event streams: a page's ``EventSource`` sends no headers, so what it may hear stands in its address.

A ticket says nothing to anybody but the process that issued it, opens nothing but news that something has changed, and
is good for as long as its token is, a day at most.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable

from andon.flow.flags.serving.hub import Place

LIFE = 86_400.0
SAME = LIFE / 2
"""Seconds for which whoever asks again gets the same: each new one is another answer, which somebody has to be sent."""
MOST = 20_000


class Tickets:
    """Only the event loop touches it. ``clock`` tells seconds that only grow."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._issued: OrderedDict[str, tuple[Place, str, float]] = OrderedDict()
        self._by_holder: dict[tuple[Place, str], str] = {}

    def issue(self, place: Place, secret: str) -> str:
        """One for each place and token; the same again for half a day, so that asking often makes no more of them."""
        now = self._clock()
        known = self._by_holder.get((place, secret))
        if known is not None and known in self._issued and now < self._issued[known][2] - LIFE + SAME:
            return known
        ticket = secrets.token_urlsafe(24)
        self._issued[ticket] = (place, secret, now + LIFE)
        self._by_holder[place, secret] = ticket
        while len(self._issued) > MOST:
            gone, (old_place, old_secret, _) = self._issued.popitem(last=False)
            if self._by_holder.get((old_place, old_secret)) == gone:
                del self._by_holder[old_place, old_secret]
        return ticket

    def open(self, ticket: str) -> tuple[Place, str] | None:
        """The place and the token that it was issued for."""
        found = self._issued.get(ticket)
        if found is None or found[2] < self._clock():
            return None
        return found[0], found[1]
