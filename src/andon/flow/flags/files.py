"""The document on the disk of each environment: written at every change, and compared from time to time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from andon.flow.flags.equipping import FILE, FlagFolders
from andon.flow.flags.service.flags import FlagService
from andon.flow.sources.contract import Service
from andon.kernel.db import Database, Reading
from andon.kernel.files import write_whole

Running = Callable[[Reading], Iterable[tuple[Service, str]]]
"""The environments that sandboxes run in."""


class _Stamp(msgspec.Struct):
    revision: int


class FlagFiles:
    """One process writes; whoever reads sees the old document or the new one, never a part."""

    def __init__(self, database: Database, flags: FlagService, folders: FlagFolders, running: Running) -> None:
        self._database = database
        self._flags = flags
        self._folders = folders
        self._running = running
        self._written: dict[Path, int] = {}
        self._guard = threading.Lock()

    def sync(self) -> None:
        """Write what is behind. Safe to repeat."""
        with self._database.reading() as reading:
            self.sync_from(reading)

    def sync_from(self, reading: Reading) -> None:
        """The same from what is read in a transaction."""
        with self._guard:
            revisions = self._flags.revisions(reading)
            for service, environment in self._running(reading):
                path = self._folders.folder(service, environment) / FILE
                wanted = revisions.get((service, environment), 0)
                if self._written.get(path) == wanted and path.exists():
                    continue
                if revision_in(path) != wanted:
                    content = self._flags.document(reading, service, environment).content
                    # readable for the sandbox's own user; the folder above lets nobody else in
                    write_whole(path, content, mode=0o644)
                self._written[path] = wanted


def revision_in(path: Path) -> int | None:
    """The revision of a document on the disk; ``None`` when there is none that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Stamp).revision
    except (OSError, msgspec.DecodeError):
        return None
