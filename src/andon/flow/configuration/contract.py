"""What others may know of configuration and secrets: values set outside the repository, versioned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NewType, Protocol

from andon.flow.definition.contract import EnvironmentDefinition
from andon.flow.sources.contract import Service
from andon.kernel.access import Principal
from andon.kernel.events import Actor, Event, event

if TYPE_CHECKING:  # the command line shows what is told here, and knows no database
    from andon.kernel.db import Reading, Transaction

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


@event("dev.andon.config.forgotten.v1", subject="environment")
@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigForgotten(Event):
    """Whatever was ever set for an environment was removed for good, with the environment; its names at the end."""

    environment: str
    service: Service
    settings: tuple[str, ...]
    secrets: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """The environment variables of an instance."""

    config: Mapping[str, str]
    secrets: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Values(config={sorted(self.config)}, secrets={sorted(self.secrets)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueView:
    """A value as people may see it: of a secret, everything but the value."""

    name: str
    secret: bool
    value: str | None
    """``None`` for a secret."""
    version: int
    """The version that set it."""
    set_at: datetime
    person: str | None


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

    def forget(self, tx: Transaction, service: Service, environment: str, *, by: Actor) -> None:
        """Remove every value and secret that was ever set for an environment, in all versions, for good.

        Versions count from the beginning afterwards. Does nothing where nothing was set.
        """
        ...


class ConfigurationDesk(Configuration, Protocol):
    """What people see of configuration, and what they do to it."""

    def set(
        self,
        tx: Transaction,
        principal: Principal,
        service: Service,
        environment: str,
        name: str,
        value: str | None,
        *,
        secret: bool,
    ) -> ConfigVersion:
        """Set a value, or remove it with ``None``; the next deployment takes it up. The new version.

        Raises ``Forbidden``, ``Invalid`` for a name or value that no process would take, ``NotFound``.
        """
        ...

    def shown(
        self, reading: Reading, principal: Principal, service: Service, environment: str
    ) -> tuple[ValueView, ...]:
        """What is set now, sorted by name; values of secrets are never shown again. Raises ``Forbidden``."""
        ...


class SecretBox(Protocol):
    """Seals small secrets for storage."""

    def seal(self, plain: bytes, *, context: str) -> bytes: ...

    def open(self, sealed: bytes, *, context: str) -> bytes: ...
