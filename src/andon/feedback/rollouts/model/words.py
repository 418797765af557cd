"""What rollouts are called wherever people read of them: in the record, on pages, on the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from andon.feedback.judge.contract import Kind, Verdict
from andon.feedback.rollouts.contract import Hold, RolloutState
from andon.feedback.rollouts.model.records import Rollout
from andon.feedback.rollouts.model.watching import CPU, TRAFFIC

STATE_WORDS: Mapping[RolloutState, str] = {
    RolloutState.RUNNING: "on its way",
    RolloutState.PAUSED: "paused",
    RolloutState.PASSED: "released",
    RolloutState.FAILED: "taken back",
    RolloutState.ABORTED: "ended by somebody",
}
HOLD_WORDS: Mapping[Hold, str] = {
    Hold.PERSON: "somebody paused it",
    Hold.NO_DATA: "what is needed to judge is missing",
    Hold.DIFFERENCES: "too many requests are answered differently",
}
VERDICT_WORDS: Mapping[Verdict, str] = {
    Verdict.PASS: "passes",
    Verdict.FAIL: "fails",
    Verdict.INCONCLUSIVE: "undecided",
}

SCALED_WORDS: Mapping[str, str] = {
    TRAFFIC: "old scaled to the new one's share",
    CPU: "new scaled to the old one's load",
}
"""Levels that are no raw ones, by their metric: what is shown of one side is what the other can be compared with."""


def named(one: Rollout) -> str:
    """Such as "store 3f2c91a to production", or "/parts/… of store production to catalogue/production"."""
    if one.takeover is not None:
        return f"{one.takeover.asked} of {one.service} {one.environment} to {one.takeover.place}"
    return f"{one.service} {one.commit[:7]} to {one.environment}"


def stated(one: Rollout) -> str:
    """Such as "store 3f2c91a is on its way to production"."""
    if one.takeover is not None:
        return f"{named(one)} is {STATE_WORDS[one.state]}"
    return f"{one.service} {one.commit[:7]} is {STATE_WORDS[one.state]} to {one.environment}"


def level_words(value: float | None, unit: str, above: float | None = None) -> str:
    """A level as people read it: three digits that count, and its unit; or what it lies ``above`` of, where no more
    than that is known."""
    if value is None and above is not None:
        return f"more than {level_words(above, unit)}"
    if value is None:
        return "no data"
    said = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{said} {unit}".rstrip()


def metric_level(value: float | None, unit: str, kind: Kind, above: float | None = None) -> str:
    """The same with the unit that a kind of metric has by itself."""
    if kind is Kind.SHARE and value is not None:
        return f"{value * 100:.3g} %"
    return level_words(value, unit, above)
