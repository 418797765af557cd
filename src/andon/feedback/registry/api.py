"""The API of the registry."""

from __future__ import annotations

from datetime import UTC, datetime

from andon.feedback.registry.drawing import host_sentence
from andon.feedback.registry.model.known import Added, Availability, Entry, Host, Instance, Link
from andon.feedback.registry.service import STATUS_DAYS, RegistryService
from andon.feedback.registry.views import (
    AboutShape,
    AddedShape,
    AffectedShape,
    AvailabilityShape,
    DayShape,
    Hosts,
    HostShape,
    InstanceShape,
    LevelShape,
    LinkShape,
    PlacedShape,
    ReachedShape,
    RunningShape,
    Services,
    ServiceShape,
    StatusData,
    UnmeasuredShape,
)
from andon.feedback.telemetry.contract.moments import now_ms
from andon.flow.sources.contract import Service
from andon.kernel.errors import Invalid
from andon.web.http import api
from andon.web.http.api import Call, Handlers


def registry_routes(registry: RegistryService) -> Handlers:
    @api.get("/registry")
    def list_services(call: Call) -> Services:
        """Every service that you may see: who answers for it, where it runs, what it needs and who needs it."""
        with call.database.reading() as reading:
            deployed = registry.deployed(reading, call.principal)
        found, measured = registry.entries(deployed, call.principal, now_ms())
        return Services(services=[_service(one) for one in found], measured=measured)

    @api.get("/registry/{service:str}")
    def show_service(call: Call, service: str) -> AboutShape:
        """One service with its instances, what it calls and who calls it, what is measured of it and what is not."""
        with call.database.reading() as reading:
            found, measured = registry.about(reading, call.principal, Service(service), now_ms())
        return AboutShape(
            service=_service(found.entry),
            levels=[
                LevelShape(
                    level=one.level.value,
                    metrics=one.names,
                    silent=one.silent,
                    examples=list(one.examples),
                    line=one.filler.of(found.entry.service) if one.silent else "",
                )
                for one in found.entry.levels
            ],
            instances=[_instance(one) for one in found.instances],
            links=[_link(one) for one in found.links],
            added=None if found.added is None else _added(found.added),
            measured=measured,
        )

    @api.get("/hosts")
    def list_hosts(call: Call) -> Hosts:
        """Every machine that is known, with what runs there."""
        with call.database.reading() as reading:
            deployed = registry.deployed(reading, call.principal)
        found, measured = registry.hosts(deployed, call.principal, now_ms())
        return Hosts(hosts=[_host(one) for one in found], measured=measured)

    @api.get("/hosts/{host:str}")
    def show_host(call: Call, host: str) -> AffectedShape:
        """Who is affected when this machine is sick: what runs there, and what needs that."""
        with call.database.reading() as reading:
            deployed = registry.deployed(reading, call.principal)
        found = registry.affected(deployed, call.principal, host, now_ms())
        return AffectedShape(
            sentence=host_sentence(found),
            host=_host(found.host),
            reached=[ReachedShape(service=one.service, path=list(one.path)) for one in found.reached],
            measured=found.measured,
        )

    @api.get("/availability")
    def list_availability(call: Call, days: int = STATUS_DAYS) -> StatusData:
        """The data of a status page: of each service in each environment, how many requests there were on each day and
        how many were answered with 500 and above. A day without requests has no share."""
        if not 1 <= days <= 400:
            raise Invalid("Between 1 and 400 days can be asked for.")
        with call.database.reading() as reading:
            deployed = registry.deployed(reading, call.principal)
        found, more = registry.status(deployed, call.principal, now_ms(), days)
        return StatusData(services=[_available(one) for one in found], more=more)

    return [list_services, show_service, list_hosts, show_host, list_availability]


def _service(one: Entry) -> ServiceShape:
    whole = None if one.available is None else one.available.over(len(one.available.days))
    return ServiceShape(
        name=one.service,
        seen=one.seen.value,
        owner=one.owner,
        running=[
            RunningShape(
                environment=place.environment,
                version=place.version,
                health="unknown" if place.state is None else place.state.value,
                instances=place.instances,
            )
            for place in one.running
        ],
        needs=list(one.needs),
        needed_by=list(one.needed_by),
        silent=[gap.level.value for gap in one.silent],
        availability=None if whole is None else whole.share,
        requests=0 if whole is None else whole.requests,
    )


def _instance(one: Instance) -> InstanceShape:
    return InstanceShape(
        id=one.id,
        environment=one.environment,
        version=one.version,
        host=one.host,
        health="unknown" if one.health is None else one.health.value,
        since=one.since,
    )


def _link(one: Link) -> LinkShape:
    return LinkShape(
        caller=one.caller,
        callee=one.callee,
        calls=one.calls,
        errors=one.errors,
        p95=one.p95,
        source=one.source.value,
    )


def _added(one: Added) -> AddedShape:
    return AddedShape(
        environment=one.environment,
        before=one.before,
        after=one.after,
        paths=[
            UnmeasuredShape(file=path.file, line=path.line, kind=path.kind.value, name=path.name) for path in one.paths
        ],
        looked_at=one.looked_at,
        left_out=one.left_out,
    )


def _host(one: Host) -> HostShape:
    return HostShape(
        name=one.name,
        placed=[
            PlacedShape(
                service=placed.service,
                environment=placed.environment,
                instances=[_instance(each) for each in placed.instances],
                elsewhere=placed.elsewhere,
            )
            for placed in one.placed
        ],
        reported=None if one.reported is None else datetime.fromtimestamp(one.reported / 1000, UTC),
    )


def _available(one: Availability) -> AvailabilityShape:
    whole = one.over(len(one.days))
    return AvailabilityShape(
        service=one.service,
        environment=one.environment,
        requests=whole.requests,
        failed=whole.failed,
        share=whole.share,
        days_without_data=sum(day.share is None for day in one.days),
        days=[
            DayShape(
                day=f"{datetime.fromtimestamp(day.start / 1000, UTC):%Y-%m-%d}",
                requests=day.requests,
                failed=day.failed,
                share=day.share,
            )
            for day in one.days
        ],
    )
