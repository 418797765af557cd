"""The pages of environments: all of them, one with its sets of instances, one instance with what it says."""

from __future__ import annotations

from andon.flow.configuration.contract import ConfigurationDesk
from andon.flow.deployments.contract import Deployments, EnvironmentEnd
from andon.flow.environments.pages.deeds import environment_deeds
from andon.flow.environments.pages.instance import instance_pages
from andon.flow.environments.pages.listing import environment_entries, listing_pages
from andon.flow.environments.pages.show import Note, Places, environment_pages
from andon.flow.environments.service import EnvironmentService
from andon.flow.sources.contract import Sources
from andon.kernel.access.contract import People
from andon.web.http.pages import Handlers

__all__ = ["environment_entries", "environments_pages"]


def environments_pages(
    service: EnvironmentService,
    *,
    configuration: ConfigurationDesk,
    deployments: Deployments,
    end: EnvironmentEnd,
    sources: Sources,
    people: People,
    note: Note = lambda _reading, _service, _environment: "",
) -> Handlers:
    """Every page, answer and deed of the console about environments. ``note`` is what its page says of one for now."""
    places = Places(
        service, configuration=configuration, deployments=deployments, sources=sources, people=people, note=note
    )
    return [
        *listing_pages(places),
        *environment_pages(places),
        *instance_pages(places),
        *environment_deeds(places, end),
    ]
