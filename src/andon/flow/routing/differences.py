"""In which ways two versions answer differently, request by request of one kind."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from andon.flow.routing.access import AccessLines
from andon.flow.routing.comparing import Pairing
from andon.flow.routing.contract import Differing, Pair
from andon.flow.sources.contract import Service

RECENT_BYTES = 8 * 1024 * 1024
"""How much of the log is looked through: about 25,000 requests of all environments, in a quarter of a second."""
MOST_KINDS = 100
_PAGE = 5000
_IDENTITY = re.compile(r"\d+|(?=[^/]*\d)[0-9a-fA-F-]{8,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestDifferences:
    method: str
    path: str
    """With ``*`` in the place of numbers and ids."""
    pairs: int
    differing: int
    status: int
    content_type: int
    size: int
    body: int
    served_ms: float
    """Median."""
    dark_ms: float
    example: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    pairs: int
    differing: int
    requests: tuple[RequestDifferences, ...]
    """Those with most differences first."""


def kind_of(path: str) -> str:
    """A path without what names one thing: ``/orders/17`` is ``/orders/*``."""
    return "/".join("*" if _IDENTITY.fullmatch(part) else part for part in path.split("/"))


def differences(pairs: Iterable[Pair]) -> Differences:
    kinds: dict[tuple[str, str], list[Pair]] = {}
    for one in pairs:
        kinds.setdefault((one.method, kind_of(one.path)), []).append(one)
    requests = [_of(method, path, alike) for (method, path), alike in kinds.items()]
    requests.sort(key=lambda one: (-one.differing, -one.pairs, one.path, one.method))
    return Differences(
        pairs=sum(one.pairs for one in requests),
        differing=sum(one.differing for one in requests),
        requests=tuple(requests[:MOST_KINDS]),
    )


def _of(method: str, path: str, alike: list[Pair]) -> RequestDifferences:
    found = [(one, one.differing) for one in alike]
    ways = Counter(way for _, differing in found for way in differing)
    differing = [one for one, ways_of_one in found if ways_of_one]
    return RequestDifferences(
        method=method,
        path=path,
        pairs=len(alike),
        differing=len(differing),
        status=ways[Differing.STATUS],
        content_type=ways[Differing.CONTENT_TYPE],
        size=ways[Differing.SIZE],
        body=ways[Differing.BODY],
        served_ms=median(one.served.duration for one in alike) / 1000,
        dark_ms=median(one.dark.duration for one in alike) / 1000,
        example=max(differing, key=lambda one: one.time).request if differing else "",
    )


class RecentDifferences:
    """Looks through the end of the log of the Envoy whose ``folder`` this is, from any process."""

    def __init__(self, folder: Path) -> None:
        self._lines = AccessLines(folder)

    def of(self, service: Service, environment: str) -> Differences:
        """Raises ``OSError`` when the disk does."""
        pairing, found = Pairing(), list[Pair]()
        position = self._lines.near_end(RECENT_BYTES)
        while True:
            page = self._lines.read(position, _PAGE)
            ours = [
                one
                for one in page.lines
                if one.compared and (one.access.service, one.access.environment) == (service, environment)
            ]
            found += pairing.join(ours)[0]
            if page.position == position:
                return differences(found)
            position = page.position
