"""The API of telemetry itself: what comes in, and copies of what is kept."""

from __future__ import annotations

import time

from andon.feedback.telemetry.control import Control
from andon.feedback.telemetry.overview import Overview, sight_of
from andon.feedback.telemetry.views import BackupList, BackupShape, BackupWanted, TelemetryShape
from andon.kernel.access import Permission
from andon.web.http import api
from andon.web.http.api import Call, Handlers


def telemetry_routes(overview: Overview, control: Control) -> Handlers:
    @api.get("/telemetry")
    def show_telemetry(call: Call) -> TelemetryShape:
        """What comes in, what does not and why, who has how many series, and where it listens."""
        call.principal.require_reading()
        sight = call.principal.visible_services()
        seen = overview.look(time.time_ns() // 1_000_000, sight=sight_of(sight), whole=sight is None)
        return TelemetryShape.of(seen)

    @api.get("/telemetry/backups")
    def list_backups(call: Call) -> BackupList:
        """Copies of telemetry, the newest first."""
        call.principal.require(Permission.ADMINISTER)
        return BackupList(backups=[BackupShape.of(one) for one in control.backups()])

    @api.post("/telemetry/backups", status=201)
    def make_backup(call: Call, data: BackupWanted) -> BackupShape:
        """Copy telemetry while it goes on; answers when the copy is on the disk."""
        call.principal.require(Permission.ADMINISTER)
        return BackupShape.of(control.backup(data.name, base=data.base))

    @api.post("/telemetry/backups/{name:str}/restore")
    def restore_backup(call: Call, name: str) -> BackupShape:
        """Put a copy in the place of what is kept now. What came in since the copy was made is gone."""
        call.principal.require(Permission.ADMINISTER)
        return BackupShape.of(control.restore(name))

    return [show_telemetry, list_backups, make_backup, restore_backup]
