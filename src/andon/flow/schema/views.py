"""Backfills as the API and the terminal show them."""

from __future__ import annotations

from datetime import datetime

import msgspec

from andon.flow.schema.contract import Phase
from andon.flow.schema.contract.backfills import BackfillState, BackfillView
from andon.flow.schema.model import Pace, Progress, Wish


class PaceShape(msgspec.Struct, kw_only=True):
    """How fast rows are filled, pauses between batches and failures among it."""

    rows_per_second: float
    soonest: float | None
    """Seconds until nothing is left, as in the fastest of the stretches looked at; ``null``: no end in sight."""
    latest: float | None
    """As in the slowest; ``null``: nobody can tell."""

    @classmethod
    def of(cls, pace: Pace) -> PaceShape:
        return cls(
            rows_per_second=pace.rows_per_second,
            soonest=None if pace.soonest is None else pace.soonest.total_seconds(),
            latest=None if pace.latest is None else pace.latest.total_seconds(),
        )


class BackfillShape(msgspec.Struct, kw_only=True):
    id: str
    service: str
    environment: str
    commit: str
    state: BackfillState
    reason: str
    batches: int
    rows: int
    """Of a batch at this moment."""
    seconds: float
    left: int | None
    """Rows that are left, as far as its command tells."""
    share: float | None
    """Done, from 0 to 1."""
    failures: int
    """Batches in a row that have failed last."""
    problem: str
    """What the newest batch that failed said."""
    problem_at: datetime | None
    started_at: datetime
    changed_at: datetime
    pace: PaceShape | None = None
    """``null`` while too few batches have told how many rows are left."""

    @classmethod
    def of(cls, view: BackfillView, pace: Pace | None = None) -> BackfillShape:
        return cls(
            id=view.id,
            service=view.service,
            environment=view.environment,
            commit=view.commit,
            state=view.state,
            reason=view.reason,
            batches=view.batches,
            rows=view.rows,
            seconds=view.seconds,
            left=view.left,
            share=view.share,
            failures=view.failures,
            problem=view.problem,
            problem_at=view.problem_at,
            started_at=view.started_at,
            changed_at=view.changed_at,
            pace=None if pace is None else PaceShape.of(pace),
        )


class MigrationShape(msgspec.Struct, kw_only=True):
    """One phase of a migration, as far as the record tells."""

    name: str
    """Empty where ``andon.yaml`` names commands and no folder."""
    phase: Phase
    file: str
    progress: Progress
    at: datetime | None
    commit: str | None
    """Whose deployment ran it."""
    deployment: str | None


class Migrations(msgspec.Struct, kw_only=True):
    """What goes on with the database of an environment."""

    backfill: BackfillShape | None
    """The newest one."""
    migrations: list[MigrationShape]
    """Newest first, a line for each phase of each."""
    contract_waits_for: list[str]
    """Who needs the old shape, as sentences; empty when nobody does or nothing is to be contracted."""


class BackfillRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    wish: Wish
