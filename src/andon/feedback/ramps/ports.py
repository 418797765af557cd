"""What judging ramps asks of telemetry, which may be away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from andon.feedback.ramps.model.looks import Sides
from andon.flow.flags.contract import RampView
from andon.flow.sources.contract import Service


class Outcomes(Protocol):
    """Times are milliseconds since 1970; all raise ``Unavailable``."""

    def measure(self, ramp: RampView, start: int, end: int) -> Sides | None:
        """How requests ended after ``start``, up to ``end``; ``None`` where no process told anything. While processes
        tell that they watch, nothing told of a side is nothing that happened."""
        ...

    def listeners(self, start: int, end: int) -> Mapping[tuple[Service, str], tuple[str, ...]]:
        """Which services, in which environments, told that they can tell outcomes; and what their business counts."""
        ...


class NoOutcomes:
    """Telemetry is off: nobody tells anything."""

    def measure(self, ramp: RampView, start: int, end: int) -> Sides | None:
        return None

    def listeners(self, start: int, end: int) -> Mapping[tuple[Service, str], tuple[str, ...]]:
        return {}
