"""Whose telemetry somebody may see: the one rule by which every question of a person or a token is cut."""

from __future__ import annotations

from andon.feedback.telemetry.contract.metrics import Sight
from andon.flow.sources.contract import Service
from andon.kernel.access import Principal


def sight_of(principal: Principal) -> Sight:
    """Raises :class:`~andon.kernel.errors.Forbidden` for whoever may read nothing."""
    principal.require_reading()
    visible = principal.visible_services()
    return None if visible is None else frozenset(Service(one) for one in visible)
