"""The rules of a backfill, as values and pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise

from andon.flow.schema.contract.backfills import BackfillState
from andon.kernel.errors import Conflict

LONG_SECONDS = 2.0
"""A batch that takes longer is halved: its locks last as long as it does."""
SHORT_SECONDS = 0.5
TRIES = 5
"""Batches in a row that may fail: a deadlock or a lock's timeout is over with the next one."""
STANDSTILL = 50
"""Batches in a row after which as many rows are left as before."""
RETRY_SECONDS = 5.0

TRANSITIONS: Mapping[BackfillState, frozenset[BackfillState]] = {
    BackfillState.RUNNING: frozenset(BackfillState) - {BackfillState.RUNNING},
    BackfillState.PAUSED: frozenset({BackfillState.RUNNING, BackfillState.STOPPED, BackfillState.SUPERSEDED}),
    BackfillState.FAILED: frozenset({BackfillState.RUNNING}),
    BackfillState.STOPPED: frozenset({BackfillState.RUNNING}),
    BackfillState.DONE: frozenset(),
    BackfillState.SUPERSEDED: frozenset(),
}


class Progress(StrEnum):
    """Where a migration is in one of its phases."""

    DONE = "done"
    UNDER_WAY = "under way"
    PAUSED = "paused"
    STOPPED = "stopped"
    FAILED = "failed"
    WAITS = "waits"
    """For somebody, or for something that has to happen before."""
    COMING = "comes with its version"
    """Its version has not the traffic."""


class BackfillNotSo(Conflict):
    """It is not in a state in which this can be asked of it."""

    code = "schema.backfill_not_so"


class Wish(StrEnum):
    """What somebody may ask of a backfill."""

    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"


WISHES: Mapping[Wish, BackfillState] = {
    Wish.PAUSE: BackfillState.PAUSED,
    Wish.RESUME: BackfillState.RUNNING,
    Wish.STOP: BackfillState.STOPPED,
}


@dataclass(frozen=True, slots=True)
class Said:
    """What a batch's last line of output says."""

    done: bool
    left: int | None


def said(output: str) -> Said:
    """``done``, or how many rows are left; anything else says only that there is more to do."""
    last = next((line.strip() for line in reversed(output.splitlines()) if line.strip()), "")
    if last.lower().rstrip(".") == "done":
        return Said(done=True, left=0)
    if last.isascii() and last.isdigit() and len(last) <= 18:
        return Said(done=int(last) == 0, left=int(last))
    return Said(done=False, left=None)


def next_rows(rows: int, declared: int, seconds: float) -> int:
    """How many rows the next batch has: fewer after one that took long, and slowly as many as declared again."""
    if seconds > LONG_SECONDS:
        return max(1, rows // 2)
    if seconds < SHORT_SECONDS:
        return min(declared, rows * 2)
    return min(rows, declared)


FEWEST_STEPS = 3
"""From batch to batch, before anything is said of a pace."""
STRETCHES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One that went well."""

    start: int
    """Counts how often the backfill was begun: between two of them lies a pause or a stop."""
    left: int | None
    """Rows that were left after it."""
    seconds: float
    """Spent in it."""
    ended_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast rows are filled, with the pauses between batches and the batches that failed."""

    rows_per_second: float
    """May be 0 or less: rows come as fast as they are filled."""
    steps: int
    """From batch to batch, that it was taken from."""
    soonest: timedelta | None
    """Until nothing is left, as fast as in the fastest stretch."""
    latest: timedelta | None
    """As slowly as in the slowest one; ``None`` when nothing was filled in that."""


def pace_of(batches: Sequence[Batch]) -> Pace | None:
    """From the newest batches, oldest first; ``None`` while they are too few or do not tell how much is left.

    The steps from batch to batch are cut into at most :data:`STRETCHES` stretches that follow one another. The fastest
    and the slowest of them bound the time that remains.
    """
    steps = [
        (before.left - after.left, (after.ended_at - before.ended_at).total_seconds(), after.left)
        for before, after in pairwise(batches)
        if before.left is not None and after.left is not None and before.start == after.start
    ]
    steps = [one for one in steps if one[1] > 0]
    if len(steps) < FEWEST_STEPS:
        return None
    length = -(-len(steps) // STRETCHES)
    rates = [_rate(steps[begin : begin + length]) for begin in range(0, len(steps), length)]
    left, rate = steps[-1][2], _rate(steps)
    if rate <= 0:
        return Pace(rows_per_second=rate, steps=len(steps), soonest=None, latest=None)
    slowest = min(rates)
    return Pace(
        rows_per_second=rate,
        steps=len(steps),
        soonest=_after(left / max(rates)),
        latest=_after(left / slowest) if slowest > 0 else None,
    )


def _rate(steps: Sequence[tuple[int, float, int]]) -> float:
    return sum(rows for rows, _, _ in steps) / sum(seconds for _, seconds, _ in steps)


def _after(seconds: float) -> timedelta:
    return timedelta(seconds=min(seconds, 3650 * 86_400.0))
