"""The registry: what Andon runs and what only tells of itself, put together."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from andon.feedback.registry.instrumenting import Instrumenting
from andon.feedback.registry.model.affected import Reached, reached
from andon.feedback.registry.model.known import (
    About,
    Availability,
    Entry,
    Host,
    Instance,
    Link,
    Placed,
    Running,
    Seen,
)
from andon.feedback.registry.telemetry import Telemetry
from andon.feedback.telemetry.contract.metrics import MetricName, Sight
from andon.feedback.telemetry.contract.sight import sight_of
from andon.flow.definition.contract import DEFINITION_FILE, DefinitionReader
from andon.flow.environments.contract import Environments, EnvironmentView
from andon.flow.sources.contract import CommitHash, Service, Sources
from andon.kernel.access import Principal
from andon.kernel.db import Reading
from andon.kernel.errors import Invalid, NotFound, Unavailable

LISTED_DAYS = 30
STATUS_DAYS = 90
MOST_MEASURED = 60
"""Services for which levels and availability are asked on the list; the others are listed without."""
MOST_PLACES = 100
"""Services in environments that the data of a status page are told of."""
AT_ONCE = 6
"""Questions to the store and to git for one page."""
_OWNERS_KEPT = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """``host`` says what runs on the machine; ``reached`` need that."""

    host: Host
    reached: tuple[Reached, ...]
    environments: tuple[str, ...]
    measured: bool
    """Whether the store answered: without it only what Andon runs itself is known, and nobody who needs it."""


class RegistryService:
    """Safe to share between threads. What is asked in a transaction is read first; the store is asked after it."""

    def __init__(
        self,
        *,
        sources: Sources,
        environments: Environments,
        definitions: DefinitionReader,
        instrumenting: Instrumenting,
        telemetry: Telemetry,
        host: str,
    ) -> None:
        self._sources, self._environments, self._definitions = sources, environments, definitions
        self._instrumenting, self._telemetry = instrumenting, telemetry
        self.host = host
        """This machine, on which everything runs that Andon runs."""
        self._lock = threading.Lock()
        self._owners: dict[tuple[Service, CommitHash], str] = {}

    # What Andon knows itself

    def deployed(self, reading: Reading, principal: Principal) -> dict[Service, tuple[EnvironmentView, ...]]:
        """Every service that may be seen, with where it runs. Raises ``Forbidden``."""
        principal.require_reading()
        visible = principal.visible_services()
        found: dict[Service, list[EnvironmentView]] = {
            one: [] for one in self._sources.services(reading) if visible is None or one in visible
        }
        for view in self._environments.all(reading):
            if view.service in found:
                found[view.service].append(view)
        return {service: tuple(views) for service, views in found.items()}

    def owner(self, service: Service, views: Sequence[EnvironmentView]) -> str:
        """As ``andon.yaml`` says at the commit that runs, in production before elsewhere; empty where nobody is."""
        live = sorted((one for one in views if one.live), key=lambda one: (one.name != "production", one.name))
        for view in live:
            assert view.live is not None  # noqa: S101 - chosen above
            found = self._owner_at(service, view.live.commit)
            if found:
                return found
        return ""

    def _owner_at(self, service: Service, commit: CommitHash) -> str:
        key = (service, commit)
        with self._lock:
            known = self._owners.get(key)
        if known is not None:
            return known
        try:
            source = self._sources.read(service, commit, DEFINITION_FILE)
            owner = "" if source is None else self._definitions.read(source).owner or ""
        except (NotFound, Invalid):
            owner = ""  # it ran, so it was sound once; what is no longer there has no owner to name
        with self._lock:
            if len(self._owners) >= _OWNERS_KEPT:
                self._owners.clear()
            self._owners[key] = owner
        return owner

    # Together with what is measured

    def entries(
        self, deployed: dict[Service, tuple[EnvironmentView, ...]], principal: Principal, now: int
    ) -> tuple[tuple[Entry, ...], bool]:
        """All services, and whether the store answered. Those that Andon runs come first."""
        sight = sight_of(principal)
        try:
            links = self._telemetry.links(now, sight)
            called = {name for one in links for name in (one.caller, one.callee)}
            told = tuple(sorted(called.union(self._telemetry.services(now, sight))))
            common: tuple[MetricName, ...] | None = self._telemetry.common(now)
            outside = self._telemetry.instances(now, sight) if set(told) - set(deployed) else {}
        except Unavailable:
            links, told, common, outside = (), (), None, {}
        names = [*sorted(deployed), *sorted(set(told) - set(deployed))]

        def entry(place: int, name: str, common: Sequence[MetricName] | None) -> Entry:
            measured = common if place < MOST_MEASURED else None
            views = deployed.get(Service(name))
            return self._entry(Service(name), views, links, outside.get(name, ()), sight, now, measured)

        with ThreadPoolExecutor(AT_ONCE, "registry") as pool:
            try:
                found = tuple(pool.map(partial(entry, common=common), range(len(names)), names))
                return found, common is not None
            except Unavailable:
                return tuple(entry(place, name, None) for place, name in enumerate(names)), False

    def _entry(
        self,
        service: Service,
        views: tuple[EnvironmentView, ...] | None,
        links: Sequence[Link],
        outside: Sequence[Instance],
        sight: Sight,
        now: int,
        common: Sequence[MetricName] | None,
    ) -> Entry:
        running = running_of(views or ()) or running_outside(outside)
        place = main_environment(running)
        return Entry(
            service=service,
            seen=Seen.TELEMETRY if views is None else Seen.DEPLOYED,
            owner=self.owner(service, views or ()),
            running=running,
            needs=tuple(sorted({one.callee for one in links if one.caller == service})),
            needed_by=tuple(sorted({one.caller for one in links if one.callee == service})),
            levels=() if common is None else self._telemetry.levels(service, now, common, deployed=views is not None),
            available=None
            if common is None or not place
            else self._telemetry.available(service, place, LISTED_DAYS, now, sight),
        )

    def about(
        self,
        reading: Reading,
        principal: Principal,
        service: Service,
        now: int,
    ) -> tuple[About, bool]:
        """One service, and whether the store answered. Raises ``NotFound``."""
        principal.require_sight(service)
        sight = sight_of(principal)
        views = self.deployed(reading, principal).get(service)
        place = main_environment(running_of(views or ()))
        pair = self._instrumenting.pair(reading, service, place) if place else None
        links: tuple[Link, ...]
        try:
            links = self._telemetry.links(now, sight)
            common: tuple[MetricName, ...] | None = self._telemetry.common(now)
            outside = self._telemetry.instances(now, sight, service=service).get(service, ())
            seen = {(one.caller, one.callee) for one in links}
            routed = self._telemetry.routed(service, now, sight)
            links += tuple(one for one in routed if (one.caller, one.callee) not in seen)
            heard = bool(outside) or any(service in (one.caller, one.callee) for one in links)
            if views is None and not heard:
                heard = service in self._telemetry.services(now, sight)
        except Unavailable:
            links, common, outside, heard = (), None, (), False
        if views is None and not heard:
            raise NotFound(
                f"There is no service {service!r}, and nothing was heard of one within a day.",
                remedy="Look at the name's spelling.",
            )
        entry = self._entry(service, views, links, outside, sight, now, common)
        own = self.instances_of(views or ())
        known = {one.id for one in own}
        return (
            About(
                entry=entry,
                instances=(*own, *(one for one in outside if one.id not in known and (one.host or views is None))),
                links=tuple(one for one in links if service in (one.caller, one.callee)),
                added=None if pair is None else self._instrumenting.added(service, place, *pair),
                available=()
                if common is None
                else tuple(
                    self._telemetry.available(service, one.environment, STATUS_DAYS, now, sight)
                    for one in entry.running[:6]
                ),
            ),
            common is not None,
        )

    def instances_of(self, views: Iterable[EnvironmentView]) -> tuple[Instance, ...]:
        return tuple(
            Instance(
                id=one.id,
                environment=view.name,
                version=owner.commit[:7],
                host=self.host,
                health=one.health,
                since=one.since,
                process=f"{one.process} {one.number}",
            )
            for view in views
            for owner in view.sets
            for one in owner.instances
        )

    # Machines

    def hosts(
        self, deployed: dict[Service, tuple[EnvironmentView, ...]], principal: Principal, now: int
    ) -> tuple[tuple[Host, ...], bool]:
        """Every machine that is known, this one first, and whether the store answered."""
        sight = sight_of(principal)
        try:
            names = dict.fromkeys((self.host, *self._telemetry.hosts(now, sight)))
            outside = self._telemetry.instances(now, sight)
            told = {name: self._telemetry.host(name, now, sight) for name in names}
        except Unavailable:
            return (self._host(self.host, deployed, {}, None, {}),), False
        return tuple(self._host(name, deployed, outside, *told[name]) for name in names), True

    def affected(
        self, deployed: dict[Service, tuple[EnvironmentView, ...]], principal: Principal, host: str, now: int
    ) -> Affected:
        """Who is affected when a machine is sick. What runs on this machine is told without the store too.

        Raises ``NotFound``, and ``Unavailable`` for another machine while the store does not answer.
        """
        sight = sight_of(principal)
        links: tuple[Link, ...]
        try:
            if host != self.host and host not in self._telemetry.hosts(now, sight):
                raise NotFound(
                    f"No machine {host[:80]!r} is known.",
                    remedy="A machine is known once it, or a service on it, has told its name within a day.",
                )
            outside = self._telemetry.instances(now, sight)
            links = self._telemetry.links(now, sight)
            found = self._host(host, deployed, outside, *self._telemetry.host(host, now, sight))
            measured = True
        except Unavailable:
            if host != self.host:
                raise
            links, found, measured = (), self._host(host, deployed, {}, None, {}), False
        return Affected(
            host=found,
            reached=reached(found.services, ((one.caller, one.callee) for one in links)),
            environments=tuple(sorted({one.environment for one in found.placed if one.environment})),
            measured=measured,
        )

    def _host(
        self,
        host: str,
        deployed: dict[Service, tuple[EnvironmentView, ...]],
        outside: dict[str, tuple[Instance, ...]],
        reported: int | None,
        figures: dict[str, float],
    ) -> Host:
        here: dict[tuple[str, str], list[Instance]] = defaultdict(list)
        elsewhere: dict[tuple[str, str], int] = defaultdict(int)
        every: dict[str, list[Instance]] = {
            service: list(self.instances_of(views)) for service, views in deployed.items()
        }
        for service, some in outside.items():
            known = {one.id for one in every.get(service, ())}
            every.setdefault(service, []).extend(one for one in some if one.host and one.id not in known)
        for service, members in every.items():
            for one in members:
                if one.host == host:
                    here[service, one.environment].append(one)
                else:
                    elsewhere[service, one.environment] += 1
        return Host(
            name=host,
            placed=tuple(
                Placed(
                    service=service,
                    environment=environment,
                    instances=tuple(some),
                    elsewhere=elsewhere[service, environment],
                )
                for (service, environment), some in sorted(here.items())
            ),
            reported=reported,
            figures=figures_said(figures),
        )

    # The status page's data

    def status(
        self, deployed: dict[Service, tuple[EnvironmentView, ...]], principal: Principal, now: int, days: int
    ) -> tuple[tuple[Availability, ...], bool]:
        """Availability by day of every service in every environment that is no one's own, and whether there are more.

        Raises ``Unavailable``.
        """
        sight = sight_of(principal)
        places = [
            (service, view.name) for service, views in sorted(deployed.items()) for view in views if not view.by_hand
        ]

        def available(place: tuple[Service, str]) -> Availability:
            service, environment = place
            return self._telemetry.available(service, environment, days, now, sight)

        with ThreadPoolExecutor(AT_ONCE, "registry") as pool:
            found = tuple(pool.map(available, places[:MOST_PLACES]))
        return found, len(places) > MOST_PLACES


def running_of(views: Iterable[EnvironmentView]) -> tuple[Running, ...]:
    return tuple(
        Running(
            environment=view.name,
            version=view.live.commit[:7],
            state=view.live.condition,
            says=view.live.says,
            instances=sum(len(one.instances) for one in view.sets),
        )
        for view in views
        if view.live is not None
    )


def running_outside(instances: Sequence[Instance]) -> tuple[Running, ...]:
    """Places and versions, as what only tells of itself says."""
    grouped: dict[tuple[str, str], set[str]] = defaultdict(set)
    for one in instances:
        grouped[one.environment, one.version].add(one.id)
    return tuple(
        Running(environment=environment, version=version, state=None, says="seen in telemetry only", instances=len(ids))
        for (environment, version), ids in sorted(grouped.items())
    )


def main_environment(running: Sequence[Running]) -> str:
    """Production, or the first one; empty where it runs nowhere."""
    names = [one.environment for one in running if one.environment]
    return "production" if "production" in names else names[0] if names else ""


def figures_said(figures: dict[str, float]) -> tuple[tuple[str, str], ...]:
    told = []
    if "host_load1" in figures:
        cpus = figures.get("host_cpus")
        of = f" on {cpus:.0f} processors" if cpus else ""
        told.append(("Load", f"{figures['host_load1']:.1f}{of}"))
    if "host_memory_available_bytes" in figures:
        gib, total = 2.0**30, figures.get("host_memory_total_bytes")
        of = f" of {total / gib:.1f} GiB" if total else ""
        told.append(("Memory left", f"{figures['host_memory_available_bytes'] / gib:.1f}{of or ' GiB'}"))
    return tuple(told)
