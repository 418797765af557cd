"""The API of telemetry itself: what comes in, and copies of what is kept."""

from __future__ import annotations

from andon.feedback.telemetry.contract.moments import now_ms
from andon.feedback.telemetry.contract.sight import sight_of
from andon.feedback.telemetry.control import Control
from andon.feedback.telemetry.overview import Overview, Seen
from andon.feedback.telemetry.store.backup import BackupInfo
from andon.feedback.telemetry.views import (
    BackupList,
    BackupShape,
    BackupWanted,
    PlaceShape,
    TelemetryShape,
    WayShape,
)
from andon.kernel.access import Permission
from andon.web.http import api
from andon.web.http.api import Call, Handlers


def telemetry_routes(overview: Overview, control: Control) -> Handlers:
    @api.get("/telemetry")
    def show_telemetry(call: Call) -> TelemetryShape:
        """What comes in, what does not and why, who has how many series, and where it listens."""
        seen = overview.look(now_ms(), sight=sight_of(call.principal))
        return _shape(seen)

    @api.get("/telemetry/backups")
    def list_backups(call: Call) -> BackupList:
        """Copies of telemetry, the newest first."""
        call.principal.require(Permission.ADMINISTER)
        return BackupList(backups=[_copy(one) for one in control.backups()])

    @api.post("/telemetry/backups", status=201)
    def make_backup(call: Call, data: BackupWanted) -> BackupShape:
        """Copy telemetry while it goes on; answers when the copy is on the disk."""
        call.principal.require(Permission.ADMINISTER)
        return _copy(control.backup(data.name, base=data.base))

    @api.post("/telemetry/backups/{name:str}/restore")
    def restore_backup(call: Call, name: str) -> BackupShape:
        """Put a copy in the place of what is kept now. What came in since the copy was made is gone."""
        call.principal.require(Permission.ADMINISTER)
        return _copy(control.restore(name))

    return [show_telemetry, list_backups, make_backup, restore_backup]


def _shape(seen: Seen) -> TelemetryShape:
    return TelemetryShape(
        running=seen.running,
        fault=seen.fault,
        trouble=seen.trouble,
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


def _copy(info: BackupInfo) -> BackupShape:
    return BackupShape(
        name=info.name,
        began=info.began,
        ended=info.ended,
        base=info.base,
        bytes=info.bytes,
        rows=sum(info.rows.values()),
    )
