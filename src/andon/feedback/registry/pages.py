"""Services and machines as pages."""

from __future__ import annotations

from datetime import UTC, datetime

from andon.feedback.registry.contract import HOSTS, SERVICES, host_address, service_address
from andon.feedback.registry.drawing import (
    about_lede,
    about_sentence,
    host_sentence,
    hosts_sentence,
    level_word,
    list_lede,
    list_sentence,
    path_said,
    silence_said,
    state_of_running,
    strip,
)
from andon.feedback.registry.model.known import share_said
from andon.feedback.registry.service import RegistryService
from andon.feedback.telemetry.contract.moments import now_ms
from andon.flow.environments.contract import Health
from andon.flow.sources.contract import Service
from andon.web.http.pages import Handlers, Html, PageContext, page
from andon.web.model import State, state_of
from andon.web.shell import Crumb, Page


def registry_pages(registry: RegistryService) -> Handlers:
    @page(SERVICES)
    def listing(context: PageContext) -> Html:
        with context.database.reading() as reading:
            deployed = registry.deployed(reading, context.principal)
        entries, measured = registry.entries(deployed, context.principal, now_ms())
        sick = any(one.sick for one in entries)
        return context.page(
            "registry/services.html",
            Page(
                title="Services",
                sentence=list_sentence(entries),
                lede=list_lede(entries),
                state=State.WARN if sick else None,
                word="not healthy" if sick else "",
                wide=True,
            ),
            entries=entries,
            measured=measured,
            address=service_address,
            state_of_running=state_of_running,
            share_said=share_said,
            level_word=level_word,
            silence_said=silence_said,
        )

    @page(f"{SERVICES}/{{service:str}}")
    def show(context: PageContext, service: str) -> Html:
        with context.database.reading() as reading:
            found, measured = registry.about(reading, context.principal, Service(service), now_ms())
        return context.page(
            "registry/service.html",
            Page(
                title=service,
                sentence=about_sentence(found),
                lede=about_lede(found.entry),
                crumbs=(Crumb("Services", SERVICES),),
                state=State.WARN if found.entry.sick else None,
                word="not healthy" if found.entry.sick else "",
                wide=True,
            ),
            about=found,
            measured=measured,
            strips=tuple(strip(one) for one in found.available),
            address=service_address,
            host_address=host_address,
            health_state=health_state,
            level_word=level_word,
        )

    @page(HOSTS)
    def hosts(context: PageContext) -> Html:
        with context.database.reading() as reading:
            deployed = registry.deployed(reading, context.principal)
        found, measured = registry.hosts(deployed, context.principal, now_ms())
        return context.page(
            "registry/hosts.html",
            Page(title="Machines", sentence=hosts_sentence(found), crumbs=(Crumb("Services", SERVICES),), wide=True),
            hosts=found,
            measured=measured,
            host_address=host_address,
            moment=moment,
        )

    @page(f"{HOSTS}/{{host:str}}")
    def host(context: PageContext, host: str) -> Html:
        with context.database.reading() as reading:
            deployed = registry.deployed(reading, context.principal)
        found = registry.affected(deployed, context.principal, host, now_ms())
        return context.page(
            "registry/host.html",
            Page(
                title=host,
                sentence=host_sentence(found),
                lede=""
                if found.host.reported or not found.measured
                else "It has told nothing of itself within an hour.",
                crumbs=(Crumb("Services", SERVICES), Crumb("Machines", HOSTS)),
                wide=True,
            ),
            found=found,
            reported=moment(found.host.reported),
            address=service_address,
            health_state=health_state,
            path_said=path_said,
        )

    return [listing, show, hosts, host]


def health_state(health: Health | None) -> State:
    return State.NONE if health is None else state_of(health)


def moment(milliseconds_: int | None) -> datetime | None:
    return None if milliseconds_ is None else datetime.fromtimestamp(milliseconds_ / 1000, UTC)
