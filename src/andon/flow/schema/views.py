"""Backfills as the API and the terminal show them."""

from __future__ import annotations

from datetime import datetime

import msgspec

from andon.flow.schema.contract.backfills import BackfillState, BackfillView
from andon.flow.schema.model import Wish


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
    started_at: datetime
    changed_at: datetime

    @classmethod
    def of(cls, view: BackfillView) -> BackfillShape:
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
            started_at=view.started_at,
            changed_at=view.changed_at,
        )


class Migrations(msgspec.Struct, kw_only=True):
    """What goes on with the database of an environment."""

    backfill: BackfillShape | None
    """The newest one."""


class BackfillRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    wish: Wish
