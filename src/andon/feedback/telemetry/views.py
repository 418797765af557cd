"""What the API and the command line show of telemetry itself."""

from __future__ import annotations

import msgspec

from andon.feedback.telemetry.overview import Seen
from andon.feedback.telemetry.store.backup import BackupInfo


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
    ways: list[WayShape]
    places: list[PlaceShape]
    series: dict[str, int] | None
    """Today's, by service; the empty name is what belongs to none."""
    series_limit: int
    bytes: dict[str, int] | None
    """By table."""
    memory: int | None

    @classmethod
    def of(cls, seen: Seen) -> TelemetryShape:
        return cls(
            running=seen.running,
            fault=seen.fault,
            ways=[
                WayShape(
                    way=one.way.value,
                    samples=one.samples,
                    logs=one.logs,
                    spans=one.spans,
                    dropped={why.value: count for why, count in (one.dropped or {}).items()},
                )
                for one in seen.ways
            ],
            places=[PlaceShape(what=one.what, address=one.address, fault=one.fault) for one in seen.places],
            series=dict(seen.series) if seen.series is not None else None,
            series_limit=seen.limit,
            bytes=dict(seen.bytes) if seen.bytes is not None else None,
            memory=seen.memory,
        )


class BackupShape(msgspec.Struct, kw_only=True):
    name: str
    began: int
    """Milliseconds since 1970."""
    ended: int
    base: str
    """The copy that this one builds on; empty for a whole one."""
    bytes: int
    rows: int

    @classmethod
    def of(cls, info: BackupInfo) -> BackupShape:
        return cls(
            name=info.name,
            began=info.began,
            ended=info.ended,
            base=info.base,
            bytes=info.bytes,
            rows=sum(info.rows.values()),
        )


class BackupList(msgspec.Struct, kw_only=True):
    backups: list[BackupShape]


class BackupWanted(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    name: str
    base: str = ""
    """Copy only what has come since this copy was made."""
