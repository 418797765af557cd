"""Ramps and schedules: shares that grow by themselves, each step a transaction, held by people, halted by whoever
judges."""

from __future__ import annotations

from andon.flow.flags.service.ramps.beginning import Beginning
from andon.flow.flags.service.ramps.holding import Holding
from andon.flow.flags.service.ramps.stepping import no_ramp
from andon.flow.flags.service.ramps.turning import Turning

__all__ = ["RampService", "no_ramp"]


class RampService(Beginning, Holding, Turning):
    """Safe to share between threads."""
