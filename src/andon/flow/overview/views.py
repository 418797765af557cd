"""The shapes in which the API speaks of the value stream; shared with the command."""

from __future__ import annotations

from datetime import datetime

import msgspec


class PlaceStatus(msgspec.Struct, kw_only=True):
    """An environment of a service. ``commit`` is ``None`` where nothing runs."""

    environment: str
    commit: str | None
    health: str
    """Such as "healthy" or "1 of 2 healthy"."""
    well: bool
    since: datetime | None
    by: str
    lead_time: float | None
    """Seconds."""
    coming: str | None
    """The commit that is on its way there."""
    address: str


class ServiceStatus(msgspec.Struct, kw_only=True):
    service: str
    newest: str | None
    """The newest commit of the default branch that a run began with."""
    newest_is: str
    """How its run goes, in words."""
    places: list[PlaceStatus]


class Status(msgspec.Struct, kw_only=True):
    """Every service that the asker may see. ``light`` is ``ok``, ``warn``, ``bad`` or ``none``."""

    light: str
    sentence: str
    services: list[ServiceStatus]
