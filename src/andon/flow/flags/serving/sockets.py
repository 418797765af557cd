"""The socket of each environment, opened and closed as environments come and go."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from anyio import to_thread

from andon.flow.flags.equipping import SOCKET, FlagFolders
from andon.flow.flags.serving.door import FlagDoor
from andon.flow.flags.serving.hub import MOST_OF_ONE, Place
from andon.kernel.errors import AndonError
from andon.kernel.sockets import pinned
from andon.web.http.listening import Listening, listen_on

ROUND = 1.0
"""Seconds between two looks at which environments there are, and whether their sockets are still there."""
SPARE = 200
"""Connections of one environment beside its streams. All are files of the process in which the console is, too."""
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Open:
    listening: Listening
    path: Path
    inode: int


class FlagSockets:
    """Everything but the questions happens on the event loop that serves."""

    def __init__(self, door: FlagDoor, folders: FlagFolders, running: Callable[[], Iterable[Place]]) -> None:
        self._door = door
        self._folders = folders
        self._running = running
        self._open: dict[Place, _Open] = {}
        self._task: asyncio.Task[None] | None = None
        self._missed: set[Place] = set()

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._watch())

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
        for place in tuple(self._open):
            self._close(place)

    @property
    def places(self) -> tuple[Place, ...]:
        return tuple(self._open)

    async def _watch(self) -> None:
        while True:
            try:
                await self._round()
            except AndonError as error:
                _log.warning("sockets of flags: %s", error)
            except Exception:  # noqa: BLE001 - logged whole; one look that fails must not be the last
                _log.exception("sockets of flags: a look failed")
            await asyncio.sleep(ROUND)

    async def _round(self) -> None:
        wanted = set(await to_thread.run_sync(lambda: tuple(self._running())))
        for place in tuple(self._open):
            if place not in wanted or not _is_there(self._open[place]):
                self._close(place)
        for place in wanted - self._open.keys():
            try:
                self._open[place] = await self._listen(place)
                self._missed.discard(place)
            except OSError as error:
                if place not in self._missed:  # said once: it is tried again each second
                    self._missed.add(place)
                    _log.warning("flags of %s/%s have no socket: %s", place.service, place.environment, error)

    async def _listen(self, place: Place) -> _Open:
        path = self._folders.folder(place.service, place.environment) / SOCKET
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(FileNotFoundError):
            if not stat.S_ISSOCK(path.lstat().st_mode):
                raise FileExistsError(f"{path} is no socket")
            path.unlink()
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            made.bind(str(path))
            with pinned(path) as sure:
                os.chmod(sure, 0o600)  # noqa: PTH101 - a socket of our own folder: nothing that blocks
            made.setblocking(False)
            listening = await listen_on(made, self._door.at(place), most=MOST_OF_ONE + SPARE)
        except BaseException:
            made.close()
            raise
        return _Open(listening, path, path.lstat().st_ino)

    def _close(self, place: Place) -> None:
        opened = self._open.pop(place)
        opened.listening.close()
        if _is_there(opened):
            opened.path.unlink(missing_ok=True)


def _is_there(opened: _Open) -> bool:
    """Whether it is still our socket that has the name."""
    try:
        return opened.path.lstat().st_ino == opened.inode
    except OSError:
        return False
