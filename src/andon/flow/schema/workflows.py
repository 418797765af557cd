"""The order of a backfill's steps: one, which is safe to begin again."""

from __future__ import annotations

from functools import partial

from andon.flow.schema.contract.backfills import BackfillId
from andon.flow.schema.filling import Filling
from andon.kernel.workflows import Step, Workflow

BACKFILL = "schema.backfill"


def backfill_workflow(filling: Filling) -> Workflow:
    """One step and not one for each batch: a backfill may have a hundred thousand of them."""

    def run(step: Step, subject: str) -> None:
        step("fill", partial(filling.work, BackfillId(subject)))

    return Workflow(BACKFILL, run)
