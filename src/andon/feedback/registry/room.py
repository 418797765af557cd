"""The registry: which services there are, what they need, where they run, and what is not known of them."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from andon.feedback.registry.api import registry_routes
from andon.feedback.registry.contract import HOSTS, SERVICES, service_address
from andon.feedback.registry.instrumenting import Instrumenting
from andon.feedback.registry.pages import registry_pages
from andon.feedback.registry.ports import DailyAvailability
from andon.feedback.registry.service import RegistryService
from andon.feedback.registry.telemetry import Telemetry
from andon.feedback.telemetry.contract.logs import LogStore
from andon.feedback.telemetry.contract.metrics import Measurements
from andon.feedback.telemetry.contract.traces import TraceStore
from andon.flow.definition.contract import DefinitionReader
from andon.flow.deployments.contract import Deployments
from andon.flow.environments.contract import Environments
from andon.flow.sources.contract import Sources
from andon.kernel.access import Principal
from andon.kernel.db import Reading
from andon.web.room import Entry, Room
from andon.web.shell import NavItem


def registry_room(
    *,
    sources: Sources,
    environments: Environments,
    deployments: Deployments,
    definitions: DefinitionReader,
    measurements: Measurements,
    traces: TraceStore,
    availability: DailyAvailability,
    logs: LogStore | None = None,
    host: str = "",
) -> Room:
    """``availability`` answers a service's days; ``logs`` finds callers in the router's access log; ``host`` is what
    this machine is called, as its own metrics call it."""
    registry = RegistryService(
        sources=sources,
        environments=environments,
        definitions=definitions,
        instrumenting=Instrumenting(sources, deployments),
        telemetry=Telemetry(measurements, traces, availability, logs),
        host=host or socket.gethostname(),
    )

    def entries(reading: Reading, principal: Principal) -> Iterator[Entry]:
        visible = principal.visible_services()
        for service in sources.services(reading):
            if visible is None or service in visible:
                yield Entry(f"What is known of {service}", service_address(service), "catalog")
        if visible is None or visible:
            yield Entry("Machines: who is affected?", HOSTS, "environment", "hosts")

    return Room(
        name="registry",
        templates="andon.feedback.registry",
        handlers=(*registry_pages(registry), *registry_routes(registry)),
        navigation=(NavItem("Feedback", "Services", SERVICES, "catalog", "s"),),
        entries=entries,
    )
