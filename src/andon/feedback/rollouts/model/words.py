"""What rollouts are called wherever people read of them: in the record, on pages, on the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from andon.feedback.judge.contract import Verdict
from andon.feedback.rollouts.contract import RolloutState
from andon.flow.definition.contract import PARTS

STATE_WORDS: Mapping[RolloutState, str] = {
    RolloutState.RUNNING: "on its way",
    RolloutState.PAUSED: "paused",
    RolloutState.PASSED: "released",
    RolloutState.FAILED: "taken back",
    RolloutState.ABORTED: "ended by somebody",
}
VERDICT_WORDS: Mapping[Verdict, str] = {
    Verdict.PASS: "passes",
    Verdict.FAIL: "fails",
    Verdict.INCONCLUSIVE: "undecided",
}


def share_words(parts: int) -> str:
    """A share of traffic without more digits than it has: "5 %", "0.1 %"."""
    return f"{parts * 100 / PARTS:.3f}".rstrip("0").rstrip(".") + " %"
