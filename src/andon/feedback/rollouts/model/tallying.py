"""How many customers' requests each version served and failed in a rollout."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from andon.feedback.rollouts.model.records import LookRecord, Rollout
from andon.feedback.rollouts.model.watching import ERRORS


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Of the new version, without copies that nobody saw the answers of."""

    requests: int
    failed: int


def tally(rollout: Rollout, looks: Iterable[LookRecord]) -> Tally:
    dark = {number for number, one in enumerate(rollout.stages) if one.dark}
    seen = [one.canary for one in looks if one.stage not in dark]
    return Tally(
        requests=round(sum(one.traffic or 0.0 for one in seen)),
        failed=round(sum(one.counts.get(ERRORS, (0.0, 0.0))[0] for one in seen)),
    )


def served_in(stage: int, looks: Iterable[LookRecord]) -> float:
    """Requests (or copies) that the new version answered in a stage."""
    return sum(one.canary.traffic or 0.0 for one in looks if one.stage == stage)


def counted_in(rollout: Rollout, looks: Iterable[LookRecord]) -> float:
    """What a stage waits for: requests that the new version answered, and in the dark those that both did."""
    if rollout.now.dark and rollout.now.plan.requests:
        return 0.0 if rollout.differences is None else float(rollout.differences.of(rollout.stage).pairs)
    return served_in(rollout.stage, looks)
