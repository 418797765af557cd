"""What flags ask of the world around them."""

from __future__ import annotations

from typing import Protocol

from andon.flow.sources.contract import Service
from andon.kernel.db import Reading


class Places(Protocol):
    """Which environments there are, and what they ask of those who change flags."""

    def services(self, reading: Reading) -> tuple[Service, ...]: ...

    def environments(self, reading: Reading, service: Service) -> tuple[str, ...]:
        """Those that run, and those that ``andon.yaml`` of the default branch has beside them; in its order."""
        ...

    def needs_second_person(self, reading: Reading, service: Service, environment: str) -> bool: ...
