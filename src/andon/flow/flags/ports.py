"""What flags ask of the world around them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from andon.flow.sources.contract import Service
from andon.kernel.access import Principal
from andon.kernel.db import Reading
from andon.kernel.events import Actor


class Places(Protocol):
    """Which environments there are, and what they ask of those who change flags."""

    def services(self, reading: Reading) -> tuple[Service, ...]: ...

    def environments(self, reading: Reading, service: Service) -> tuple[str, ...]:
        """Those that run, and those that ``andon.yaml`` of the default branch has beside them; in its order."""
        ...

    def production(self, reading: Reading, service: Service) -> str | None:
        """Where changes of the default branch come to last; ``None`` where it deploys nowhere."""
        ...

    def needs_second_person(self, reading: Reading, service: Service, environment: str) -> bool: ...


class Authority(Protocol):
    """Knows who stands behind what was pushed."""

    def releaser(self, reading: Reading, actor: Actor) -> Principal | None:
        """``None`` for somebody who is no more, or a token that may not release."""
        ...


class Reach(Protocol):
    """Knows what the programs of an environment have of its flags."""

    def wait(self, service: Service, environment: str, revision: int, stopping: Callable[[], bool]) -> str | None:
        """Wait until all that run there have the revision, or ``stopping``; what is wrong if they have not."""
        ...
