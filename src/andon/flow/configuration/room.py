"""Values and secrets of environments, set outside the repository."""

from __future__ import annotations

from andon.flow.configuration.api import configuration_routes
from andon.flow.configuration.service import ConfigurationService
from andon.flow.configuration.telling import TELLING
from andon.flow.sources.contract import Sources
from andon.web.room import Room


def configuration_room(configuration: ConfigurationService, sources: Sources) -> Room:
    return Room(name="configuration", handlers=tuple(configuration_routes(configuration, sources)), telling=TELLING)
