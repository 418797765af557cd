"""The order of a takeover's steps: one, which is safe to begin again."""

from __future__ import annotations

from functools import partial

from andon.feedback.rollouts.contract import RolloutId
from andon.feedback.rollouts.taking import Taking
from andon.kernel.workflows import Step, Workflow

TAKE_OVER = "rollouts.take-over"


def takeover_workflow(taking: Taking) -> Workflow:
    """One step and not one for each stage: what it does next follows from what is stored of the rollout."""

    def run(step: Step, subject: str) -> None:
        step("take over", partial(taking.conduct, RolloutId(subject)))

    return Workflow(TAKE_OVER, run)
