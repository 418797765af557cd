"""What the registry asks of others, as far as it uses them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from andon.feedback.telemetry.contract.metrics import Sight
from andon.flow.sources.contract import Service


class Window(Protocol):
    """A day's requests, from ``start`` (ms) on."""

    @property
    def start(self) -> int: ...

    @property
    def requests(self) -> float: ...

    @property
    def failed(self) -> float: ...


class DailyAvailability(Protocol):
    """How many requests a service answered in an environment on each day (UTC) of a time, and how many with 500 and
    above: the router's counters. Raises ``Unavailable`` when the store does not answer."""

    def __call__(self, service: Service, environment: str, start: int, end: int, sight: Sight) -> Sequence[Window]: ...
