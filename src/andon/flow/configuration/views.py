"""Shapes of the API of configuration and secrets; server and command line share them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:  # the command line reads these shapes without loading what makes them
    from andon.flow.configuration.contract import ValueView


class ValueShape(msgspec.Struct, kw_only=True):
    """``value`` is ``null`` for a secret: it is never shown again. ``person`` is who set it."""

    name: str
    secret: bool
    value: str | None
    version: int
    set_at: datetime
    person: str | None

    @classmethod
    def of(cls, view: ValueView) -> ValueShape:
        return cls(
            name=view.name,
            secret=view.secret,
            value=view.value,
            version=view.version,
            set_at=view.set_at,
            person=view.person,
        )


class ConfigShape(msgspec.Struct, kw_only=True):
    """What is set for an environment, beside what its definition says. The next deployment takes ``version`` up."""

    service: str
    environment: str
    version: int
    values: list[ValueShape]


class ConfigValues(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Names and the values they get, all or none of them."""

    values: dict[str, str]


class SecretValue(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    value: str

    def __repr__(self) -> str:
        return "SecretValue()"
