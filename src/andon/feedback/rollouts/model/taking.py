"""What the old service and the new one answered to the requests that one takes over from the other."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from andon.feedback.rollouts.model.records import Seen
from andon.feedback.rollouts.model.takeovers import Takeover, condition_words
from andon.feedback.rollouts.model.watching import ERRORS, LATENCY, RESTARTS, ROUTED
from andon.flow.environments.contract import SetId
from andon.flow.routing.contract import PARTS, Access, Forwarding, Where

BOUNDS = tuple(round(0.5 * 2 ** (step / 2), 3) for step in range(36))
"""Milliseconds, from half of one to a minute and a half: each request's own duration is known, so they lie closely."""
WATCHED = tuple(one for one in ROUTED if one.name != RESTARTS)
"""What the router tells of single requests. Two services are two programs: what they use says nothing of each other."""
UNWATCHED = ("Restarts, log, memory, processor, business: two services are compared by what they answer",)
_SERVER_ERROR = 500


class Side(Enum):
    OLD = "old"
    NEW = "new"


@dataclass(slots=True)
class Answered:
    """What one side answered between two looks."""

    requests: int = 0
    failed: int = 0
    times: list[int] | None = None

    def take(self, one: Access) -> None:
        self.requests += 1
        self.failed += one.status >= _SERVER_ERROR
        if self.times is None:
            self.times = [0] * (len(BOUNDS) + 1)
        # somebody who left has waited for at least that long
        self.times[bisect_left(BOUNDS, one.duration / 1000)] += 1

    @property
    def counts(self) -> Mapping[str, tuple[float, float]]:
        return {ERRORS: (float(self.failed), float(self.requests))}

    @property
    def histograms(self) -> Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]]:
        times = self.times or [0] * (len(BOUNDS) + 1)
        return {LATENCY: (BOUNDS, tuple(map(float, times)))}


def seen_of(answered: Answered) -> Seen:
    return Seen(counts=answered.counts, histograms=answered.histograms, traffic=float(answered.requests))


@dataclass(frozen=True, slots=True)
class Led:
    """Which requests of the past a takeover's rule would have taken."""

    takeover: Takeover
    forwarding: Forwarding
    """Beside which it comes."""

    @property
    def untold(self) -> str:
        """What it asks of requests that the router's log does not tell, in words; it tells of paths alone."""
        return condition_words(one for one in self.takeover.when if one.where is not Where.PATH)

    def of(self, requests: Iterable[Access]) -> list[Access]:
        ours = self.takeover.rule
        rules = [one.rule for one in self.takeover.applied(self.forwarding, PARTS).forwards]
        sooner = frozenset(rules[: rules.index(ours)])
        told = not self.untold
        return [one for one in requests if one.rule == ours or (told and one.rule not in sooner and self._fits(one))]

    def _fits(self, one: Access) -> bool:
        return all(condition.fits(one.path) for condition in self.takeover.when)


def sorted_out(requests: Iterable[Access], sides: Mapping[SetId, Side], unreached: int) -> tuple[Answered, Answered]:
    """What the new side answered, and the old one.

    ``unreached`` is how many connections to the new side could not be made meanwhile. A request that the old side
    served in its place had more than one attempt: the new side failed it, although its customer saw nothing.
    """
    new, old = Answered(), Answered()
    for one in requests:
        side = None if one.set is None else sides.get(one.set)
        if side is Side.OLD and one.attempts > 1 and unreached > 0:
            unreached -= 1
            new.requests += 1
            new.failed += 1
        elif side is Side.OLD:
            old.take(one)
        elif side is Side.NEW:
            new.take(one)
    return new, old
