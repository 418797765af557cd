"""How the judge is asked; ``andon.app`` wires it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from andon.feedback.judge.contract.harms import Expected, Foresight
from andon.feedback.judge.contract.looks import Look
from andon.feedback.judge.contract.plans import Plan
from andon.feedback.judge.contract.verdicts import Judgement


class Judge(Protocol):
    def judge(self, plan: Plan, looks: Sequence[Look], *, history: Sequence[Look] = ()) -> Judgement:
        """The verdict after all ``looks`` of a rollout so far, oldest first, from its start.

        A pure function: the same looks, the same answer. It is meant to be asked at every look. What has failed once
        stays failed while the looks go on.

        ``history`` is what the service did before the rollout (looks with a ``baseline``, ideally of the same length):
        the last hour, the same hour a week ago. It stands in for an old version where none runs, and tells whether both
        are worse than before.
        """
        ...

    def smallest_harm(
        self, plan: Plan, shares: Sequence[tuple[float, float]], expected: Sequence[Expected], *, power: float = 0.9
    ) -> Foresight:
        """What this rollout could see with the traffic that is expected, and what would let it see more.

        ``shares`` are its stages: the share of the canary (0 to 1) and for how many seconds. Where the canary has all
        of the traffic (1.0) it is compared with a past of the same length.
        """
        ...
