"""What rollouts do because something happened."""

from __future__ import annotations

from andon.feedback.rollouts.contract import RolloutStarted
from andon.feedback.rollouts.workflows import TAKE_OVER
from andon.kernel.db import Transaction
from andon.kernel.events import Envelope, Reaction
from andon.kernel.workflows import Workflows


def reactions(workflows: Workflows) -> tuple[Reaction, ...]:
    def start(tx: Transaction, envelope: Envelope) -> None:
        happened = envelope.decode()
        assert isinstance(happened, RolloutStarted)  # noqa: S101 - the reaction's only type
        if happened.takeover:  # a version's is conducted by its deployment
            workflows.start(TAKE_OVER, happened.rollout)

    return (Reaction("rollouts.take-over", (RolloutStarted,), start),)
