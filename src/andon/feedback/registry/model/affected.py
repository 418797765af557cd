"""Who is affected when something is sick: those on it, and those who need them, however indirectly."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """``path`` leads from ``service`` over those that it calls to one that is affected itself."""

    service: str
    path: tuple[str, ...]

    @property
    def steps(self) -> int:
        return len(self.path) - 1


def reached(sick: Iterable[str], calls: Iterable[tuple[str, str]]) -> tuple[Reached, ...]:
    """Every service that needs one of the ``sick``, with the shortest way to it; nearer ones first.

    ``calls`` are pairs of caller and callee; circles among them do no harm.
    """
    callers: dict[str, set[str]] = defaultdict(set)
    for caller, callee in calls:
        if caller != callee:
            callers[callee].add(caller)
    begin = sorted(set(sick))
    ways: dict[str, tuple[str, ...]] = {service: (service,) for service in begin}
    waiting = deque(begin)
    while waiting:
        callee = waiting.popleft()
        for caller in sorted(callers[callee]):
            if caller not in ways:
                ways[caller] = (caller, *ways[callee])
                waiting.append(caller)
    found = (Reached(service=service, path=path) for service, path in ways.items() if len(path) > 1)
    return tuple(sorted(found, key=lambda one: (one.steps, one.service)))
