"""Use cases of routing: pointing an environment at a set, and bringing the data plane to what is recorded."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from andon.flow.environments.contract import Environments, SetId
from andon.flow.routing import storage
from andon.flow.routing.contract import RouterStatistics, RouteView, Served, TrafficSwitched
from andon.flow.routing.model import Listener, Outdated, Table, Upstream
from andon.flow.routing.ports import DataPlane
from andon.flow.sources.contract import Service
from andon.kernel.db import Database, Reading, Transaction
from andon.kernel.errors import NotFound, Unavailable
from andon.kernel.events import ANDON, append

_log = logging.getLogger(__name__)


class RouterService:
    """Implements :class:`andon.flow.routing.contract.Router`."""

    def __init__(self, *, database: Database, environments: Environments, plane: DataPlane, host: str) -> None:
        self._database = database
        self._environments = environments
        self._plane = plane
        self._host = host
        # Two threads that render at once could write an older state over a newer one.
        self._applying = threading.Lock()

    def route(self, reading: Reading, service: Service, environment: str) -> RouteView | None:
        return storage.find(reading.connection, service, environment)

    def point(
        self, tx: Transaction, service: Service, environment: str, *, to: SetId, fence: int, deployment: str
    ) -> SetId | None:
        before = storage.find(tx.connection, service, environment)
        if before is not None and fence < before.fence:
            raise Outdated(
                f"Traffic of {service}/{environment} was moved by a later deployment ({before.fence}, not {fence}).",
                safe="Traffic stays where it is.",
                remedy="Nothing needs to be done: the later deployment counts.",
            )
        place = self._environments.find(tx, service, environment)
        if place is None:
            raise NotFound(f"There is no environment {service}/{environment}.")
        storage.put(
            tx.connection,
            RouteView(service=service, environment=environment, port=place.port, set=to, fence=fence),
        )
        if before is None or before.set != to:
            append(
                tx,
                TrafficSwitched(
                    environment=environment,
                    service=service,
                    deployment=deployment,
                    set=to,
                    before=None if before is None else before.set,
                ),
                by=ANDON,
            )
        return None if before is None else before.set

    def withdraw(self, tx: Transaction, service: Service, environment: str) -> None:
        storage.remove(tx.connection, service, environment)

    def apply(self, concerning: tuple[Service, str] | None = None) -> None:
        with self._applying:
            with self._database.reading() as reading:
                table = self._table(reading)
            closed = self._plane.follow(table)
        for listener in table.listeners:
            if listener.name not in closed:
                continue
            problem = f"Port {listener.port} of {listener.service}/{listener.environment} cannot be opened"
            if concerning == (listener.service, listener.environment):
                raise Unavailable(
                    f"{problem}: another program has it.",
                    safe="What runs goes on, and other environments are served.",
                    remedy=f"Stop that program, or give {listener.environment} another port in andon.yaml.",
                )
            _log.warning("%s; it is tried again", problem)

    def entry(self, service: Service, environment: str) -> Path:
        return self._plane.entry(f"{service}.{environment}")

    def served(self, set_id: SetId) -> Served | None:
        return self._plane.served(set_id)

    def statistics(self) -> RouterStatistics | None:
        return self._plane.statistics()

    def _table(self, reading: Reading) -> Table:
        listeners = tuple(
            Listener(
                service=route.service,
                environment=route.environment,
                host=self._host,
                port=route.port,
                set=route.set,
                entry=str(self.entry(route.service, route.environment)),
            )
            for route in storage.every(reading.connection)
        )
        standing = {known.id: known for place in self._environments.all(reading) for known in place.sets}
        # What a route names is never taken away, whatever has become of it.
        for one in listeners:
            if one.set not in standing:
                standing[one.set] = self._environments.set(reading, one.set)
        upstreams = tuple(
            Upstream(set=known.id, endpoints=tuple(one.endpoint for one in known.instances if one.endpoint))
            for known in standing.values()
        )
        return Table(listeners=listeners, upstreams=upstreams)
