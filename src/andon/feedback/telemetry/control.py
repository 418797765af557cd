"""What the telemetry process is told to do by the others: copy what it keeps, and put a copy in its place."""

from __future__ import annotations

from urllib.parse import urlencode

import httpx
import msgspec

from andon.feedback.telemetry.store.backup import BackupInfo, listed
from andon.feedback.telemetry.store.door import Refusal
from andon.feedback.telemetry.where import Where
from andon.kernel.errors import AndonError, Conflict, Invalid, NotFound, Unavailable

_PATIENCE = 3600.0
"""Seconds: copying some hundred GB takes its time."""
_KINDS: dict[str, type[AndonError]] = {one.code: one for one in (Conflict, Invalid, NotFound, Unavailable)}


class Control:
    """``server`` says that telemetry is kept on a ClickHouse server, which is copied with its own means."""

    def __init__(self, where: Where, *, server: bool) -> None:
        self._where, self._server = where, server

    def backups(self) -> tuple[BackupInfo, ...]:
        """The newest first. Raises ``Conflict`` where a server keeps telemetry."""
        self._require_own()
        return listed(self._where.backups)

    def backup(self, name: str, *, base: str = "") -> BackupInfo:
        """Copy everything while it goes on. Raises what :func:`~.store.backup.backup` raises."""
        return self._do("backup", {"name": name, "base": base})

    def restore(self, name: str) -> BackupInfo:
        """Put a copy in the place of what is kept; the process begins anew then, and what comes in meanwhile is
        refused. Raises what :func:`~.store.backup.restore` raises."""
        return self._do("restore", {"name": name})

    def _do(self, deed: str, values: dict[str, str]) -> BackupInfo:
        self._require_own()
        if not self._where.door.is_socket():
            raise self._silent("it is not up")
        address = f"http://telemetry/deeds/{deed}?{urlencode(values)}"
        transport = httpx.HTTPTransport(uds=str(self._where.door))
        try:
            with httpx.Client(transport=transport, timeout=_PATIENCE) as client:
                answer = client.post(address)
        except (httpx.HTTPError, OSError) as error:
            raise self._silent(type(error).__name__) from error
        if answer.status_code == 200:
            return msgspec.json.decode(answer.content, type=BackupInfo)
        told = msgspec.json.decode(answer.content, type=Refusal)
        raise _KINDS.get(told.code, Unavailable)(told.message, safe=told.safe, remedy=told.remedy)

    @staticmethod
    def _silent(why: str) -> Unavailable:
        return Unavailable(
            f"The telemetry process does not answer: {why}.",
            safe="What it keeps is as it was.",
            remedy="Its log is log/telemetry.log in the data directory.",
        )

    def _require_own(self) -> None:
        if self._server:
            raise Conflict(
                "Telemetry is kept on a ClickHouse server.",
                remedy="Copy it there: BACKUP DATABASE … TO …, as the server's manual says.",
            )
