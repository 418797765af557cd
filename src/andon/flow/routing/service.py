"""Use cases of routing: pointing an environment at a set, and bringing the data plane to what is recorded."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from andon.flow.environments.contract import Environments, EnvironmentView, SetId, Standing
from andon.flow.flags.contract.audiences import NoSegments, Segments
from andon.flow.routing import storage
from andon.flow.routing.contract import (
    ForwardedShare,
    Forwarding,
    Plan,
    RouterStatistics,
    RouteView,
    Served,
    TrafficDivided,
    TrafficForwarded,
    TrafficSwitched,
    Where,
)
from andon.flow.routing.contract.dividing import arm_shares
from andon.flow.routing.model import Listener, Live, Outdated, Table, Upstream, reachable, rules_of
from andon.flow.routing.ports import DataPlane
from andon.flow.sources.contract import Service
from andon.kernel.db import Database, Reading, Transaction
from andon.kernel.errors import Conflict, NotFound, Unavailable
from andon.kernel.events import ANDON, Actor, append

_log = logging.getLogger(__name__)


class RouterService:
    """Implements :class:`andon.flow.routing.contract.Router`."""

    def __init__(
        self,
        *,
        database: Database,
        environments: Environments,
        plane: DataPlane,
        host: str,
        segments: Segments | None = None,
    ) -> None:
        """``segments``: who belongs to those that plans name; without it nobody does."""
        self._segments = segments or NoSegments()
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
        before, place = self._admitted(tx, service, environment, fence)
        divided = storage.plan(tx.connection, service, environment)
        storage.put(
            tx.connection,
            RouteView(service=service, environment=environment, port=place.port, set=to, fence=fence),
            None,
        )
        if before is None or before.set != to or divided is not None:
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

    def divide(
        self, tx: Transaction, service: Service, environment: str, plan: Plan, *, fence: int, deployment: str
    ) -> Plan | None:
        _before, place = self._admitted(tx, service, environment, fence)
        for one in plan.arms:
            self._require_usable(tx, service, environment, one)
        if plan.sticky is not None and not plan.sticky.salt:
            plan = replace(plan, sticky=replace(plan.sticky, salt=deployment))
        divided = storage.plan(tx.connection, service, environment)
        storage.put(
            tx.connection,
            RouteView(service=service, environment=environment, port=place.port, set=plan.stable, fence=fence),
            plan,
        )
        if divided != plan:
            append(
                tx,
                TrafficDivided(
                    environment=environment,
                    service=service,
                    deployment=deployment,
                    shares=arm_shares(plan),
                    matches=len(plan.matches),
                    sticky=plan.sticky is not None,
                    segments=plan.segments,
                ),
                by=ANDON,
            )
        return divided

    def plan(self, reading: Reading, service: Service, environment: str) -> Plan | None:
        return storage.plan(reading.connection, service, environment)

    def forward(
        self, tx: Transaction, service: Service, environment: str, forwarding: Forwarding, *, by: Actor
    ) -> Forwarding:
        if self._environments.find(tx, service, environment) is None:
            raise NotFound(f"There is no environment {service}/{environment}.")
        before = storage.forwarding(tx.connection, service, environment, lock=True)
        if before.version != forwarding.version:
            raise Conflict(
                f"What {service}/{environment} forwards was changed meanwhile: it is version {before.version}, "
                f"not {forwarding.version}.",
                safe="Traffic goes where it went.",
                remedy="Look at it as it is now, and change that.",
            )
        kept = {(one.service, one.environment) for one in before.forwards}  # what is gone may be left out, or left in
        for one in forwarding.forwards:
            if (one.service, one.environment) in kept:
                continue
            if self._environments.find(tx, one.service, one.environment) is None:
                raise NotFound(f"There is no environment {one.service}/{one.environment} to forward to.")
        known = storage.every_forwarding(tx.connection)
        known[service, environment] = forwarding
        _require_no_round(known, (service, environment))
        if replace(forwarding, version=before.version) == before:
            return before
        changed = replace(forwarding, version=before.version + 1)
        storage.put_forwarding(tx.connection, service, environment, changed)
        append(
            tx,
            TrafficForwarded(
                environment=environment,
                service=service,
                version=changed.version,
                forwards=tuple(
                    ForwardedShare(
                        service=one.service,
                        environment=one.environment,
                        parts=one.parts,
                        path=next((asked.value for asked in one.when if asked.where is Where.PATH), ""),
                        conditions=sum(asked.where is not Where.PATH for asked in one.when),
                    )
                    for one in changed.forwards
                ),
            ),
            by=by,
        )
        return changed

    def forwarding(self, reading: Reading, service: Service, environment: str) -> Forwarding:
        return storage.forwarding(reading.connection, service, environment)

    def forget(self, tx: Transaction, service: Service, environment: str) -> None:
        """The environment is gone for good: one of its name that is made later begins with nothing."""
        if self._environments.find(tx, service, environment) is None:  # else it has been made anew by now
            storage.remove(tx.connection, service, environment)
            storage.remove_forwarding(tx.connection, service, environment)

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

    def _admitted(
        self, tx: Transaction, service: Service, environment: str, fence: int
    ) -> tuple[RouteView | None, EnvironmentView]:
        before = storage.find(tx.connection, service, environment, lock=True)
        if before is not None and fence < before.fence:
            raise Outdated(
                f"Traffic of {service}/{environment} was moved by a later deployment ({before.fence}, not {fence}).",
                safe="Traffic stays where it is.",
                remedy="Nothing needs to be done: the later deployment counts.",
            )
        place = self._environments.find(tx, service, environment)
        if place is None:
            raise NotFound(f"There is no environment {service}/{environment}.")
        return before, place

    def _require_usable(self, reading: Reading, service: Service, environment: str, set_id: SetId) -> None:
        found = self._environments.set(reading, set_id)
        if (found.service, found.environment) != (service, environment):
            raise Conflict(f"The set {set_id} runs in {found.service}/{found.environment}, not here.")
        if found.standing is Standing.RETIRED:
            raise Conflict(
                f"The set {set_id} is retired: its instances are stopped or about to be.",
                safe="Traffic stays where it is.",
                remedy="Deploy its version again.",
            )

    def _table(self, reading: Reading) -> Table:
        routes = storage.every(reading.connection)
        forwardings = storage.every_forwarding(reading.connection)
        live = {(route.service, route.environment): Live(set=route.set, plan=plan) for route, plan in routes}
        listeners = []
        for route, plan in routes:
            place = (route.service, route.environment)
            name = f"{route.service}.{route.environment}"
            listeners.append(
                Listener(
                    service=route.service,
                    environment=route.environment,
                    host=self._host,
                    port=route.port,
                    set=route.set,
                    entry=str(self._plane.entry(name)),
                    rules=tuple(rules_of(live[place], forwardings.get(place, Forwarding()), live, name)),
                    mirror=None if plan is None else plan.mirror,
                    members={} if plan is None else self._members(reading, plan),
                    dark=str(self._plane.entry(f"{name}.dark")),
                )
            )
        standing = {known.id: known for place in self._environments.all(reading) for known in place.sets}
        # What a route names is never taken away, whatever has become of it.
        for needed in {one for listener in listeners for one in listener.sets} - standing.keys():
            standing[needed] = self._environments.set(reading, needed)
        upstreams = tuple(
            Upstream(set=known.id, endpoints=tuple(one.endpoint for one in known.instances if one.endpoint))
            for known in standing.values()
        )
        there = {one.set for one in upstreams if one.endpoints}
        return Table(
            listeners=tuple(
                replace(one, rules=tuple(reachable(rule, there) for rule in one.rules)) for one in listeners
            ),
            upstreams=upstreams,
        )

    def _members(self, reading: Reading, plan: Plan) -> dict[str, frozenset[str]]:
        """Who belongs to the plan's segments by now. Nobody to one that is gone, or too large to have names."""
        found = {one.name: self._segments.audience(reading, one.name) for one in plan.segments}
        return {name: one.members for name, one in found.items() if one is not None and one.members is not None}


def _require_no_round(known: Mapping[tuple[Service, str], Forwarding], start: tuple[Service, str]) -> None:
    """Raises ``Conflict`` when what ``start`` forwards leads back to it."""
    reached, open_ = set[tuple[Service, str]](), [start]
    while open_:
        for one in known.get(open_.pop(), Forwarding()).forwards:
            there = (one.service, one.environment)
            if there == start:
                raise Conflict(
                    f"Requests of {start[0]}/{start[1]} would come back to it: what they are forwarded to leads there.",
                    safe="Traffic goes where it went.",
                    remedy="Take the rule away that leads back, here or at the other end.",
                )
            if there not in reached:
                reached.add(there)
                open_.append(there)
