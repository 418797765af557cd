"""A data plane that carries nothing; ships for tests and for looking at what would be routed."""

from __future__ import annotations

from pathlib import Path

from andon.flow.environments.contract import SetId
from andon.flow.routing.contract import RouterStatistics, Served
from andon.flow.routing.model import Table


class InMemoryDataPlane:
    def __init__(self) -> None:
        self.table = Table(listeners=(), upstreams=())
        self.counts: dict[SetId, Served] = {}
        self.counted = RouterStatistics()
        self.closed: frozenset[str] = frozenset()
        """Names of listeners that cannot be opened."""

    def start(self) -> None:
        return

    def stop(self) -> None:
        return

    def follow(self, table: Table) -> frozenset[str]:
        self.table = table
        return self.closed

    def entry(self, name: str) -> Path:
        return Path("/nowhere") / name

    def served(self, set_id: SetId) -> Served | None:
        return self.counts.get(set_id)

    def statistics(self) -> RouterStatistics | None:
        return self.counted

    def rotate(self) -> None:
        return
