"""Who has a say in a rollout."""

from __future__ import annotations

from andon.feedback.rollouts.contract import Wish
from andon.feedback.rollouts.model.records import Rollout, RolloutEnded
from andon.feedback.rollouts.model.words import STATE_WORDS
from andon.kernel.access import Permission, Principal


def may_say(principal: Principal, rollout: Rollout) -> bool:
    """A version takes the right to deploy; a takeover the right to release at both ends."""
    if rollout.takeover is None:
        return principal.may(Permission.DEPLOY, rollout.service, rollout.environment)
    there = principal.may(Permission.RELEASE, rollout.takeover.service, rollout.takeover.environment)
    return there and principal.may(Permission.RELEASE, rollout.service, rollout.environment)


def may_begin(principal: Principal) -> bool:
    """Whether there is any place in which somebody could begin a takeover."""
    return any(principal.may(Permission.RELEASE, one.service, one.environment) for one in principal.grants)


def may_end(principal: Principal, rollout: Rollout) -> bool:
    """Going back takes the right to, where customers are served."""
    return may_say(principal, rollout) or principal.may(Permission.ROLL_BACK, rollout.service, rollout.environment)


def require_say(principal: Principal, rollout: Rollout, wish: Wish) -> None:
    """Raises ``Forbidden``."""
    if wish is Wish.ABORT and may_end(principal, rollout):
        return
    if rollout.takeover is None:
        principal.require(Permission.DEPLOY, rollout.service, rollout.environment)
    else:
        principal.require(Permission.RELEASE, rollout.service, rollout.environment)
        principal.require(Permission.RELEASE, rollout.takeover.service, rollout.takeover.environment)


def over(rollout: Rollout) -> RolloutEnded:
    """It can be asked nothing any more."""
    if rollout.takeover is not None:
        return RolloutEnded(
            f"The takeover of {rollout.takeover.words} is over: it was {STATE_WORDS[rollout.state]}.",
            safe="Nothing was changed.",
            remedy=f"See who serves what: andon traffic show {rollout.service} {rollout.environment}",
        )
    return RolloutEnded(
        f"The rollout of {rollout.commit[:7]} to {rollout.environment} is over: it was {STATE_WORDS[rollout.state]}.",
        safe="Nothing was changed.",
        remedy=f"To go back to a former version: andon rollback {rollout.service} {rollout.environment}",
    )
