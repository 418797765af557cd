"""Use cases of configuration: setting values, reading them for a version."""

from __future__ import annotations

from andon.flow.configuration import storage
from andon.flow.configuration.contract import (
    ConfigForgotten,
    ConfigSet,
    ConfigVersion,
    SecretBox,
    SecretSet,
    Values,
    ValueView,
)
from andon.flow.configuration.model import ConfigChanged, check_environment, check_name, check_value
from andon.flow.definition.contract import EnvironmentDefinition
from andon.flow.sources.contract import Service
from andon.kernel.access import Permission, Principal
from andon.kernel.db import Reading, Transaction
from andon.kernel.errors import NotFound, Unavailable
from andon.kernel.events import Actor, append


class ConfigurationService:
    """Implements :class:`andon.flow.configuration.contract.Configuration`."""

    def __init__(self, box: SecretBox) -> None:
        self._box = box

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

        Raises ``Forbidden``, ``Invalid``, ``NotFound`` for removing what is not set, ``Conflict``.
        """
        principal.require_sight(service)
        principal.require(Permission.SET_SECRET if secret else Permission.CONFIGURE, service, environment)
        check_environment(environment)
        check_name(name)
        newest = storage.newest(tx.connection, service, environment)
        known = storage.at_version(tx.connection, service, environment, newest).get(name)
        is_set = known is not None and known.value is not None
        if known is not None and is_set and known.secret is not secret:
            if value is None:
                kind, command = ("a secret", "secret") if known.secret else ("no secret", "config")
                raise NotFound(f"{name} is {kind}.", safe="Nothing was changed.", remedy=f"Use: andon {command} unset")
            # What was secret becomes readable, or the other way round: that takes both permissions.
            principal.require(Permission.CONFIGURE if secret else Permission.SET_SECRET, service, environment)
        stored: bytes | None = None
        if value is not None:
            check_value(name, value, secret=secret)
            stored = value.encode()
            if secret:
                stored = self._box.seal(stored, context=_context(service, environment, name))
        elif not is_set:
            raise NotFound(f"{name} is not set in {service}/{environment}.", remedy="See what is: andon config list")
        version = newest + 1
        added = storage.add(
            tx.connection,
            service,
            environment,
            version=version,
            name=name,
            secret=secret,
            value=stored,
            person=principal.person,
            now=tx.now,
        )
        if not added:
            raise ConfigChanged(
                f"Somebody changed the configuration of {service}/{environment} at the same moment.",
                safe="Their change counts, yours was not made.",
                remedy="Look at what it is now and try again.",
            )
        event = SecretSet if secret else ConfigSet
        append(
            tx,
            event(name=name, service=service, environment=environment, version=version, removed=value is None),
            by=principal.actor,
        )
        return ConfigVersion(version)

    def forget(self, tx: Transaction, service: Service, environment: str, *, by: Actor) -> None:
        version = storage.newest(tx.connection, service, environment)
        if not version:
            return
        found = storage.at_version(tx.connection, service, environment, version)
        here = [(name, one.secret) for name, one in sorted(found.items()) if one.value is not None]
        storage.delete(tx.connection, service, environment)
        append(
            tx,
            ConfigForgotten(
                environment=environment,
                service=service,
                settings=tuple(name for name, secret in here if not secret),
                secrets=tuple(name for name, secret in here if secret),
            ),
            by=by,
        )

    def shown(
        self, reading: Reading, principal: Principal, service: Service, environment: str
    ) -> tuple[ValueView, ...]:
        """What is set, sorted by name; values of secrets are never shown again."""
        principal.require_sight(service)
        principal.require(Permission.READ, service, environment)
        version = storage.newest(reading.connection, service, environment)
        found = storage.at_version(reading.connection, service, environment, version)
        return tuple(
            ValueView(
                name=one.name,
                secret=one.secret,
                value=None if one.secret else one.value.decode(),
                version=one.version,
                set_at=one.at,
                person=one.person,
            )
            for _name, one in sorted(found.items())
            if one.value is not None
        )

    def current_version(self, reading: Reading, service: Service, environment: str) -> ConfigVersion:
        return ConfigVersion(storage.newest(reading.connection, service, environment))

    def missing_secrets(
        self, reading: Reading, service: Service, environment: EnvironmentDefinition, version: ConfigVersion
    ) -> tuple[str, ...]:
        found = storage.at_version(reading.connection, service, environment.name, version)
        return tuple(
            name
            for name in environment.secrets
            if name not in found or not found[name].secret or found[name].value is None
        )

    def values(
        self, reading: Reading, service: Service, environment: EnvironmentDefinition, version: ConfigVersion
    ) -> Values:
        found = storage.at_version(reading.connection, service, environment.name, version)
        config = dict(environment.config)
        secrets: dict[str, str] = {}
        for name, one in found.items():
            if one.secret:
                # Only what the definition asks for: a version gets no secret it does not declare.
                if one.value is not None and name in environment.secrets:
                    context = _context(service, environment.name, name)
                    secrets[name] = self._box.open(one.value, context=context).decode()
            elif one.value is not None:
                config[name] = one.value.decode()
        return Values(config=config, secrets=secrets)

    def changed_names(
        self, reading: Reading, service: Service, environment: str, since: ConfigVersion, until: ConfigVersion
    ) -> tuple[str, ...]:
        before = storage.at_version(reading.connection, service, environment, since)
        after = storage.at_version(reading.connection, service, environment, until)
        changed = (
            name
            for name in before.keys() | after.keys()
            if self._plain(service, environment, before.get(name)) != self._plain(service, environment, after.get(name))
        )
        return tuple(sorted(changed))

    def _plain(self, service: Service, environment: str, one: storage.StoredValue | None) -> tuple[bool, bytes] | None:
        if one is None or one.value is None:
            return None
        if not one.secret:
            return False, one.value
        try:
            return True, self._box.open(one.value, context=_context(service, environment, one.name))
        except Unavailable:
            return True, one.value  # cannot be opened any more: the same only if it is the very same


def _context(service: Service, environment: str, name: str) -> str:
    return f"{service}/{environment}/{name}"
