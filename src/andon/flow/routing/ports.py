"""The outside world of routing: the program that carries the traffic."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from andon.flow.environments.contract import SetId
from andon.flow.routing.contract import RouterStatistics, Served
from andon.flow.routing.model import Table


class DataPlane(Protocol):
    def start(self) -> None:
        """Start it, or find it running. Raises ``Missing`` or ``Unavailable``."""
        ...

    def stop(self) -> None: ...

    def follow(self, table: Table) -> frozenset[str]:
        """Bring it to ``table`` and wait until it is there: nothing is taken away before what replaces it is up.

        Answers the names of listeners that could not be opened, because their ports are another program's; the
        others are not held up by them.

        Raises ``Unavailable`` when it does not follow in time, with what it says against it.
        """
        ...

    def entry(self, name: str) -> Path:
        """The Unix socket on which it serves the listener of this name, beside its port."""
        ...

    def served(self, set_id: SetId) -> Served | None: ...

    def statistics(self) -> RouterStatistics | None: ...

    def rotate(self) -> None:
        """Keep the access log from growing for ever. Cheap when there is nothing to do."""
        ...
