"""What others may know of configuration and secrets: values set outside the repository, versioned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NewType, Protocol

from andon.flow.definition.contract import EnvironmentDefinition
from andon.flow.sources.contract import Service
from andon.kernel.db import Reading
from andon.kernel.events import Event, event

ConfigVersion = NewType("ConfigVersion", int)
"""Counts the changes to one environment's configuration; a deployment remembers the one it used."""


@event("dev.andon.config.set.v1", subject="name")
@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigSet(Event):
    """A value was set or removed. Values are not secret, yet only the name is in the record."""

    name: str
    service: Service
    environment: str
    version: int
    removed: bool


@event("dev.andon.secret.set.v1", subject="name")
@dataclass(frozen=True, slots=True, kw_only=True)
class SecretSet(Event):
    """A secret was set or removed. The record has its name and the version, never its value."""

    name: str
    service: Service
    environment: str
    version: int
    removed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """The environment variables of an instance."""

    config: Mapping[str, str]
    secrets: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Values(config={sorted(self.config)}, secrets={sorted(self.secrets)})"


class Configuration(Protocol):
    def current_version(self, reading: Reading, service: Service, environment: str) -> ConfigVersion:
        """0 when nothing has ever been set."""
        ...

    def missing_secrets(
        self, reading: Reading, service: Service, environment: EnvironmentDefinition, version: ConfigVersion
    ) -> tuple[str, ...]:
        """Names the definition declares that have no value at that version."""
        ...

    def values(
        self, reading: Reading, service: Service, environment: EnvironmentDefinition, version: ConfigVersion
    ) -> Values:
        """The definition's values overlaid with those set at that version; only declared secrets, decrypted."""
        ...

    def changed_names(
        self, reading: Reading, service: Service, environment: str, since: ConfigVersion, until: ConfigVersion
    ) -> tuple[str, ...]:
        """Names whose value differs between two versions."""
        ...


class SecretBox(Protocol):
    """Seals small secrets for storage."""

    def seal(self, plain: bytes, *, context: str) -> bytes: ...

    def open(self, sealed: bytes, *, context: str) -> bytes: ...
