"""Which environments there are, from what runs and from what ``andon.yaml`` says."""

from __future__ import annotations

from functools import lru_cache

from andon.flow.definition.contract import DEFINITION_FILE, Definition, DefinitionReader
from andon.flow.environments.contract import Environments
from andon.flow.flags.ports import Places
from andon.flow.sources.contract import CommitHash, Service, Sources
from andon.kernel.db import Reading
from andon.kernel.errors import AndonError, NotFound


class DefinedPlaces(Places):
    """Safe to share between threads."""

    def __init__(self, sources: Sources, definitions: DefinitionReader, environments: Environments) -> None:
        self._sources = sources
        self._environments = environments

        @lru_cache(maxsize=256)
        def definition(service: Service, commit: CommitHash) -> Definition | None:
            source = sources.read(service, commit, DEFINITION_FILE)
            if source is None:
                return None
            try:
                return definitions.read(source)
            except AndonError:  # who pushed it has been told
                return None

        self._definition = definition

    def services(self, reading: Reading) -> tuple[Service, ...]:
        return self._sources.services(reading)

    def environments(self, reading: Reading, service: Service) -> tuple[str, ...]:
        found = self._defined(reading, service)
        named = () if found is None else tuple(one.name for one in found.environments)
        running = tuple(one.name for one in self._environments.all(reading, service))
        return tuple(dict.fromkeys((*named, *running)))

    def production(self, reading: Reading, service: Service) -> str | None:
        found = self._defined(reading, service)
        return None if found is None else found.production

    def needs_second_person(self, reading: Reading, service: Service, environment: str) -> bool:
        """An environment that somebody made by hand asks for what the one asks for that it is made from."""
        found = self._defined(reading, service)
        if found is None:
            return False
        there = found.environment(environment)
        if there is None:
            running = self._environments.find(reading, service, environment)
            there = None if running is None else found.environment(running.like)
        return there is not None and there.flags.second_person

    def _defined(self, reading: Reading, service: Service) -> Definition | None:
        try:
            head = self._sources.resolve(service, self._sources.default_branch(reading, service))
        except NotFound:  # nothing was pushed yet
            return None
        return self._definition(service, head)
