"""What a trace says at a glance: where the time went, what failed first, and what was done over and over."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

from andon.feedback.traces.model.waterfall import Node, Waterfall

COLOURS = 6
OFTEN = 10
"""So many calls of one kind out of one span are told of."""
WORTH_TELLING = 0.05
"""Of the trace's duration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One service's part of a trace; times are nanoseconds."""

    service: str
    spans: int
    failed: int
    itself: int
    """In its spans and in none that they called; spans that ran side by side are added up."""
    waited: int
    """On the critical path: over all services this adds up to the main root's duration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """One span made the same call many times."""

    caller: Node
    service: str
    name: str
    calls: int
    together: int


def parts(whole: Waterfall) -> tuple[Part, ...]:
    """What was waited for longest comes first."""
    grouped: dict[str, list[Node]] = defaultdict(list)
    for one in whole.nodes:
        grouped[one.span.service].append(one)
    found = (
        Part(
            service=service,
            spans=len(some),
            failed=sum(one.failed for one in some),
            itself=sum(one.self_time for one in some),
            waited=sum(one.waited for one in some),
        )
        for service, some in grouped.items()
    )
    return tuple(sorted(found, key=lambda one: (-one.waited, -one.itself, one.service)))


def repeats(whole: Waterfall, most: int = 3) -> tuple[Repeat, ...]:
    """What took longest together comes first."""
    found = []
    for caller in whole.nodes:
        if len(caller.children) < OFTEN:
            continue
        alike: dict[tuple[str, str], list[Node]] = defaultdict(list)
        for child in caller.children:
            one = whole.nodes[child]
            alike[one.span.service, one.span.name].append(one)
        for (service, name), some in alike.items():
            together = sum(one.end - one.start for one in some)
            if len(some) >= OFTEN and together >= WORTH_TELLING * whole.duration:
                found.append(Repeat(caller=caller, service=service, name=name, calls=len(some), together=together))
    return tuple(sorted(found, key=lambda one: -one.together)[:most])


def causes(whole: Waterfall) -> tuple[Node, ...]:
    """Failed spans below which none failed: where it began to go wrong, in the order of time."""
    found = [one for one in whole.nodes if one.failed and not one.failed_below]
    return tuple(sorted(found, key=lambda one: (one.end, one.span.id)))


def colours(services: Iterable[str]) -> dict[str, int]:
    """A colour (1 to :data:`COLOURS`) for each service: its own in every trace, unless one beside it has that."""
    given: dict[str, int] = {}
    for service in sorted(set(services)):
        wanted = blake2b(service.encode(), digest_size=2).digest()[0] % COLOURS
        order = [(wanted + step) % COLOURS + 1 for step in range(COLOURS)]
        given[service] = next((free for free in order if free not in given.values()), order[0])
    return given
