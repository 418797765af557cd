"""Shapes of the API of environments; server and command line share them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:  # the command line reads these shapes without loading what makes them
    from andon.flow.environments.contract import EnvironmentView, InstanceView, SetView


class InstanceShape(msgspec.Struct, kw_only=True):
    """``reason`` says why it is not healthy; ``since`` is when its health last changed."""

    id: str
    process: str
    number: int
    health: str
    reason: str
    restarts: int
    since: datetime | None

    @classmethod
    def of(cls, view: InstanceView) -> InstanceShape:
        return cls(
            id=view.id,
            process=view.process,
            number=view.number,
            health=view.health.value,
            reason=view.reason,
            restarts=view.restarts,
            since=view.since,
        )


class SetShape(msgspec.Struct, kw_only=True):
    """One version that runs. ``drift`` is empty unless its files differ from the package that was deployed."""

    id: str
    deployment: str
    commit: str
    package: str
    config_version: int
    standing: str
    state: str
    created_at: datetime
    drift: str
    instances: list[InstanceShape]

    @classmethod
    def of(cls, view: SetView) -> SetShape:
        return cls(
            id=view.id,
            deployment=view.deployment,
            commit=view.commit,
            package=view.digest,
            config_version=view.config_version,
            standing=view.standing.value,
            state=view.state.value,
            created_at=view.created_at,
            drift=view.drift,
            instances=[InstanceShape.of(one) for one in view.instances],
        )


class EnvironmentShape(msgspec.Struct, kw_only=True):
    """``like`` names the environment of andon.yaml it is made from; ``sets`` has the live one first."""

    service: str
    name: str
    address: str
    port: int
    like: str
    created_at: datetime
    expires_at: datetime | None
    sets: list[SetShape]

    @classmethod
    def of(cls, view: EnvironmentView) -> EnvironmentShape:
        return cls(
            service=view.service,
            name=view.name,
            address=view.address,
            port=view.port,
            like=view.like,
            created_at=view.created_at,
            expires_at=view.expires_at,
            sets=[SetShape.of(one) for one in view.sets],
        )

    @property
    def live(self) -> SetShape | None:
        return next((one for one in self.sets if one.standing == "live"), None)


class EnvironmentList(msgspec.Struct, kw_only=True):
    environments: list[EnvironmentShape]


class ExtensionRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """``by`` in seconds, added to when it would end."""

    by: float


class LogLineShape(msgspec.Struct, kw_only=True):
    """``n`` counts from 1; ``at`` is in milliseconds since 1970; ``spans`` are pieces of (text, CSS classes)."""

    n: int
    at: int
    section: str | None
    kind: str
    spans: list[tuple[str, str]]


class InstanceLog(msgspec.Struct, kw_only=True):
    """``next`` is the line to go on from, ``dropped`` how many of ``total`` are gone; ``complete``: it is closed."""

    instance: str
    lines: list[LogLineShape]
    next: int
    total: int
    dropped: int
    complete: bool
