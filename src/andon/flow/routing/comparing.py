"""Pairs of answers to the same request, put together from the lines of the access log."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from pathlib import Path

from andon.flow.routing.access import AccessLines, Told
from andon.flow.routing.contract import AccessPosition, Answer, ComparisonPage, Comparisons, Pair

WAITS = 120_000_000
"""Microseconds between the beginnings of two requests after which the first is no longer waited for."""
MOST_WAITING = 20_000


class Pairing:
    """Joins lines by environment and request id, in whatever order they come, and in bounded memory.

    A client may choose its requests' ids and use one again: of several with one id, the oldest is answered first.
    """

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str, str, bool], deque[Told]] = {}
        self._order: deque[tuple[tuple[str, str, str, bool], Told]] = deque()
        self._gone: set[int] = set()

    def join(self, lines: Iterable[Told]) -> tuple[list[Pair], int]:
        """The pairs that are complete now, and how many halves were given up."""
        pairs, unpaired = [], 0
        for one in lines:
            if not one.compared:
                continue
            found = one.access
            other = self._take((found.service, found.environment, found.request, not one.dark))
            if other is not None:
                pairs.append(_pair(other, one) if one.dark else _pair(one, other))
            elif found.request:
                self._keep(one)
            else:
                unpaired += 1
            unpaired += self._give_up(found.time)
        return pairs, unpaired

    def _keep(self, one: Told) -> None:
        key = (one.access.service, one.access.environment, one.access.request, one.dark)
        self._waiting.setdefault(key, deque()).append(one)
        self._order.append((key, one))

    def _take(self, key: tuple[str, str, str, bool]) -> Told | None:
        waiting = self._waiting.get(key)
        if waiting is None:
            return None
        one = waiting.popleft()
        if not waiting:
            del self._waiting[key]
        self._gone.add(id(one))  # it stands in the order still, which keeps the id its own
        return one

    def _give_up(self, now: int) -> int:
        given_up = 0
        while self._order:
            key, one = self._order[0]
            taken = id(one) in self._gone
            if not taken and len(self._order) <= MOST_WAITING and now - one.access.time < WAITS:
                break
            self._order.popleft()
            if taken:
                self._gone.discard(id(one))
                continue
            waiting = self._waiting[key]
            waiting.popleft()  # the oldest of its key is the oldest of all
            if not waiting:
                del self._waiting[key]
            given_up += 1
        return given_up


class EnvoyComparisons(Comparisons):
    """Reads the log of the Envoy whose ``folder`` this is, from any process."""

    def __init__(self, folder: Path) -> None:
        self._lines = AccessLines(folder)
        self._pairing = Pairing()

    def read(self, after: AccessPosition | None = None, *, limit: int = 5000) -> ComparisonPage:
        page = self._lines.read(after, limit)
        pairs, unpaired = self._pairing.join(page.lines)
        return ComparisonPage(pairs=tuple(pairs), position=page.position, unpaired=unpaired, missed=page.missed)


def _pair(served: Told, dark: Told) -> Pair:
    return Pair(
        time=served.access.time,
        service=served.access.service,
        environment=served.access.environment,
        request=served.access.request,
        method=served.access.method,
        path=served.access.path,
        served=_answer(served),
        dark=_answer(dark),
    )


def _answer(one: Told) -> Answer:
    return Answer(
        set=one.access.set,
        status=one.access.status,
        duration=one.access.duration,
        sent=one.access.sent,
        content_type=one.content_type,
        digest=one.digest,
        masked=one.masked,
    )
