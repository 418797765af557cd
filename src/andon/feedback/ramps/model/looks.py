"""What was seen of a ramp's variant and of the others, from moment to moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from andon.feedback.judge.contract import Counts, Histogram, Kind, Look, Observation, Traffic
from andon.feedback.ramps.model.watching import event_of, metrics
from andon_flags.watching import BOUNDS

MOST_LOOKS = 400
"""The judge is shown: older ones of a long ramp are put together."""
SURE = 100
"""Requests of the variant from which on its part of all is known well enough to miss some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """Requests that ended in a look, of those who were served one side."""

    requests: float = 0.0
    errors: float = 0.0
    durations: tuple[float, ...] = ()
    """For each of the client's bounds, and beyond all of them; empty for none."""
    events: Mapping[str, float] = field(default_factory=dict)
    """What the business counts, by its name."""

    def __add__(self, other: Arm) -> Arm:
        longer, shorter = sorted((self.durations, other.durations), key=len, reverse=True)
        padded = (*shorter, *(0.0 for _ in range(len(longer) - len(shorter))))
        names = self.events.keys() | other.events.keys()
        return Arm(
            requests=self.requests + other.requests,
            errors=self.errors + other.errors,
            durations=tuple(a + b for a, b in zip(longer, padded, strict=True)),
            events={name: self.events.get(name, 0.0) + other.events.get(name, 0.0) for name in sorted(names)},
        )


@dataclass(frozen=True, slots=True)
class Sides:
    """Of the same instances in the same time."""

    variant: Arm
    others: Arm


@dataclass(frozen=True, slots=True, kw_only=True)
class LookRecord:
    number: int
    step: int
    until: int
    """Milliseconds since 1970."""
    seconds: float
    share: float | None
    """Which part of the requests the variant should have, 0 to 1; ``None`` while nobody knows."""
    sides: Sides | None
    """``None`` where nobody told anything."""


def expected_share(records: Sequence[LookRecord], step: int, since: int, known_from: int) -> float | None:
    """Which part of the requests the variant had up to ``known_from`` of a step, from when on it is to keep it.

    The share of users that a ramp sets is not that of requests: users differ, and nobody routes them.
    """
    early = [one.sides for one in records if one.step == step and since < one.until <= known_from and one.sides]
    mine = sum(one.variant.requests for one in early)
    all_of_them = mine + sum(one.others.requests for one in early)
    return mine / all_of_them if mine >= SURE and mine < all_of_them else None


def look_of(record: LookRecord, began: int, events: Sequence[str]) -> Look:
    """What the judge is shown of it; times count from ``began``, in milliseconds since 1970."""
    none: dict[str, Observation | None] = {}
    return Look(
        at=(record.until - began) / 1000,
        seconds=record.seconds,
        canary=none if record.sides is None else _observations(record.sides.variant, events),
        baseline=none if record.sides is None else _observations(record.sides.others, events),
        share=record.share,
    )


def condensed(records: Sequence[LookRecord], most: int = MOST_LOOKS) -> list[LookRecord]:
    """The same with at most so many looks: the older half is put together in pairs until it is so."""
    found = list(records)
    while len(found) > most:
        half = len(found) // 2 // 2 * 2
        older: list[LookRecord] = []
        for one, other in zip(found[:half:2], found[1:half:2], strict=True):
            older += [_joined(one, other)] if (one.step, one.share) == (other.step, other.share) else [one, other]
        if len(older) == half:  # nothing more can be put together
            break
        found = older + found[half:]
    return found


def _joined(one: LookRecord, other: LookRecord) -> LookRecord:
    sides = one.sides or other.sides
    if one.sides is not None and other.sides is not None:
        sides = Sides(one.sides.variant + other.sides.variant, one.sides.others + other.sides.others)
    return replace(other, seconds=one.seconds + other.seconds, sides=sides)


def _observations(arm: Arm, events: Sequence[str]) -> dict[str, Observation | None]:
    bounds = tuple(float(one) for one in BOUNDS)
    durations = arm.durations or (0.0,) * (len(bounds) + 1)
    found: dict[str, Observation | None] = {}
    for one in metrics(events):
        match one.kind:
            case Kind.LATENCY:
                found[one.name] = Histogram(bounds, durations) if len(durations) == len(bounds) + 1 else None
            case Kind.RATE:
                found[one.name] = Counts(arm.events.get(event_of(one.name), 0.0), arm.requests)
            case Kind.TRAFFIC:
                found[one.name] = Traffic(arm.requests)
            case _:
                found[one.name] = Counts(arm.errors, arm.requests)
    return found
