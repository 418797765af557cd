"""The rules of a backfill, as values and pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

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
