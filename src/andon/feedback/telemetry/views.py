"""What the API and the command line show of telemetry itself."""

from __future__ import annotations

import msgspec


class WayShape(msgspec.Struct, kw_only=True):
    way: str
    samples: float
    """In the last hour; lines and spans too."""
    logs: float
    spans: float
    dropped: dict[str, float]
    """By reason."""


class PlaceShape(msgspec.Struct, kw_only=True):
    what: str
    address: str
    fault: str
    """Why it is not listened at; empty when it is."""


class TelemetryShape(msgspec.Struct, kw_only=True):
    running: bool
    fault: str
    """Why the store does not answer; empty when it does. What it would tell is missing then."""
    trouble: str
    """Why nothing is taken in, such as a full disk; empty while something is."""
    ways: list[WayShape]
    places: list[PlaceShape]
    series: dict[str, int] | None
    """Today's, by service; the empty name is what belongs to none."""
    series_limit: int
    bytes: dict[str, int] | None
    """By table."""
    memory: int | None


class BackupShape(msgspec.Struct, kw_only=True):
    name: str
    began: int
    """Milliseconds since 1970."""
    ended: int
    base: str
    """The copy that this one builds on; empty for a whole one."""
    bytes: int
    rows: int


class BackupList(msgspec.Struct, kw_only=True):
    backups: list[BackupShape]


class BackupWanted(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    name: str
    base: str = ""
    """Copy only what has come since this copy was made."""
