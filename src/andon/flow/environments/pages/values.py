"""Configuration as an environment's page shows it: what is in force, what the next deployment will take up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from andon.flow.configuration.contract import ConfigurationDesk, ConfigVersion, ValueView
from andon.flow.definition.contract import EnvironmentDefinition
from andon.flow.environments.contract import EnvironmentView
from andon.flow.environments.pages.words import place_address
from andon.flow.sources.contract import Service
from andon.kernel.access import Permission, Principal
from andon.kernel.db import Reading
from andon.web.model import State
from andon.web.shell import Action


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigRow:
    name: str
    value: str | None
    """``None`` when it was removed and the definition says nothing of it."""
    origin: str
    at: datetime | None
    pending: bool
    """Changed since the deployment that runs."""
    remove: Action | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretRow:
    name: str
    state: State
    word: str
    who: str
    at: datetime | None
    pending: bool
    remove: Action | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ValuesShown:
    version: ConfigVersion
    in_force: ConfigVersion | None
    """The version that the live set was started with."""
    config: tuple[ConfigRow, ...]
    secrets: tuple[SecretRow, ...]
    changed: tuple[str, ...]
    may_configure: bool
    may_set_secrets: bool

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(one.name for one in self.secrets if one.state is State.BAD)


def values_shown(
    reading: Reading,
    principal: Principal,
    configuration: ConfigurationDesk,
    place: EnvironmentView,
    definition: EnvironmentDefinition | None,
    called: Mapping[str, str],
    shown: tuple[ValueView, ...],
) -> ValuesShown:
    service, name = Service(place.service), place.name
    version = configuration.current_version(reading, service, name)
    in_force = place.live.config_version if place.live is not None else None
    changed = configuration.changed_names(reading, service, name, in_force, version) if in_force is not None else ()
    defined = dict(definition.config) if definition is not None else {}
    wanted = definition.secrets if definition is not None else ()
    may_configure = principal.may(Permission.CONFIGURE, service, name)
    may_set_secrets = principal.may(Permission.SET_SECRET, service, name)
    given = {one.name: one for one in shown}

    def remove(one: ValueView) -> Action | None:
        if not (may_set_secrets if one.secret else may_configure):
            return None
        kind = "secrets" if one.secret else "config"
        confirm = one.name if one.secret else ""
        return Action(
            f"Remove {one.name}",
            f"{place_address(service, name)}/{kind}/remove",
            hidden=(("name", one.name),),
            kind="danger" if one.secret else "plain",
            icon="trash",
            confirm=confirm,
            warning="Its value is gone for good; what runs keeps it until the next deployment." if one.secret else "",
        )

    config = []
    for key in sorted({*defined, *(one.name for one in shown if not one.secret)}):
        one = given.get(key)
        if one is not None and one.secret:
            continue
        config.append(
            ConfigRow(
                name=key,
                value=defined.get(key) if one is None else one.value,
                origin="andon.yaml" if one is None else called.get(one.person or "", "Andon"),
                at=None if one is None else one.set_at,
                pending=key in changed,
                remove=None if one is None else remove(one),
            )
        )
    known = {*defined, *given, *wanted}
    config.extend(
        ConfigRow(name=key, value=None, origin="removed", at=None, pending=True, remove=None)
        for key in changed
        if key not in known
    )
    secrets = []
    for key in sorted({*wanted, *(one.name for one in shown if one.secret)}):
        one = given.get(key)
        if one is None or not one.secret:
            secrets.append(
                SecretRow(name=key, state=State.BAD, word="missing", who="", at=None, pending=False, remove=None)
            )
            continue
        asked_for = key in wanted
        secrets.append(
            SecretRow(
                name=key,
                state=State.OK if asked_for else State.NONE,
                word="set" if asked_for else "set, but andon.yaml does not ask for it",
                who=called.get(one.person or "", "Andon"),
                at=one.set_at,
                pending=key in changed,
                remove=remove(one),
            )
        )
    return ValuesShown(
        version=version,
        in_force=in_force,
        config=tuple(config),
        secrets=tuple(secrets),
        changed=changed,
        may_configure=may_configure,
        may_set_secrets=may_set_secrets,
    )
