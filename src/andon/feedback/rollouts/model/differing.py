"""What two versions answered to the same requests, while one of them answered nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from andon.flow.definition.contract import PARTS, share_text
from andon.flow.routing.contract import AccessPosition, Answer, Differing, Pair

MOST_EXAMPLES = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A request that was answered differently. Method and path are the client's words."""

    method: str
    path: str
    differing: tuple[Differing, ...]
    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Of one step of a mirror."""

    pairs: int = 0
    differing: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """Of all requests that were mirrored so far."""

    pairs: int = 0
    """Answered by both."""
    differing: int = 0
    by: Mapping[Differing, int] = field(default_factory=dict)
    slower: int = 0
    """Pairs in which the new version took more than twice as long and at least 10 ms longer."""
    examples: tuple[Example, ...] = ()
    """The first one of each path and kind of difference."""
    position: AccessPosition | None = None
    """Up to where the router's log was read."""
    stages: Mapping[int, Compared] = field(default_factory=dict)
    """By the number of the stage in which they were read."""
    accepted: tuple[int, ...] = ()
    """Stages that somebody let go on in spite of them."""

    def of(self, stage: int) -> Compared:
        return self.stages.get(stage, Compared())


FEWEST = 20
"""Pairs below which a share of them says nothing."""


def too_many(found: Compared, most: int | None) -> str:
    """Why it may not go on, in a sentence; empty while it may. ``most`` is of :data:`PARTS`."""
    if most is None or found.pairs < FEWEST or found.differing * PARTS <= found.pairs * most:
        return ""
    share = share_text(round(found.differing * PARTS / found.pairs))
    told = f"{found.differing:,} of {found.pairs:,} requests were answered differently"
    return f"{told}: {share} and not {share_text(most)}."


def with_pairs(before: Differences, pairs: Iterable[Pair], position: AccessPosition, stage: int = 0) -> Differences:
    count, differing, slower = before.pairs, before.differing, before.slower
    by = Counter(before.by)
    examples = list(before.examples)
    known = {(one.path, one.differing) for one in examples}
    for pair in pairs:
        count += 1
        slower += pair.dark.duration > max(2 * pair.served.duration, pair.served.duration + 10_000)
        kinds = pair.differing
        if not kinds:
            continue
        differing += 1
        by.update(kinds)
        if len(examples) < MOST_EXAMPLES and (pair.path, kinds) not in known:
            known.add((pair.path, kinds))
            examples.append(
                Example(
                    method=pair.method,
                    path=pair.path,
                    differing=kinds,
                    old=_words(pair.served),
                    new=_words(pair.dark),
                )
            )
    return replace(
        before,
        pairs=count,
        differing=differing,
        slower=slower,
        by=dict(by),
        examples=tuple(examples),
        position=position,
        stages={
            **before.stages,
            stage: Compared(
                pairs=before.of(stage).pairs + count - before.pairs,
                differing=before.of(stage).differing + differing - before.differing,
            ),
        },
    )


def _words(one: Answer) -> str:
    if not one.status:
        return "no answer"
    return f"{one.status}, {one.sent:,} bytes{one.content_type and f', {one.content_type}'}"
