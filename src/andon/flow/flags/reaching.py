"""Whether all that run in an environment have a revision of its flags: asked on its socket, and seen in its file."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from andon.flow.flags.equipping import FILE, SOCKET, FlagFolders
from andon.flow.flags.files import revision_in
from andon.flow.flags.ports import Reach
from andon.flow.sources.contract import Service

PATIENCE = 30.0
"""Seconds that programs have to apply what they were sent."""
BETWEEN = 1.5
"""Seconds for those that are between two connections: they look at the file each second."""
_LOOK = 0.05
_ANSWER = 64 * 1024
AUDIENCE = "/api/v1/flags/audience"
"""On the socket of an environment only."""


class Audience(msgspec.Struct):
    """Who listens on the socket of an environment."""

    revision: int
    listening: int
    behind: int


class FolderReach(Reach):
    """Waits for the file, and for every program that follows the stream to have confirmed.

    Where nobody follows it, there may be programs that will soon, and that read the file until then: they are given
    the time in which they look at it.
    """

    def __init__(self, folders: FlagFolders, *, patience: float = PATIENCE, between: float = BETWEEN) -> None:
        self._folders = folders
        self._patience = patience
        self._between = between

    def wait(self, service: Service, environment: str, revision: int, stopping: Callable[[], bool]) -> str | None:
        folder = self._folders.folder(service, environment)
        end = time.monotonic() + self._patience
        written: float | None = None
        found: Audience | None = None
        while not stopping():
            now = time.monotonic()
            if written is None and (revision_in(folder / FILE) or 0) >= revision:
                written = now
            if written is not None:
                found = asked(folder / SOCKET, revision)
                if found is not None and found.listening and not found.behind:
                    return None
                if found is None or not found.listening:
                    if now - written >= self._between:
                        return None
                    time.sleep(_LOOK)
                    continue  # written at the last moment: nobody follows it who could be said to be behind
            if now > end:
                return _problem(environment, self._patience, found, written=written is not None)
            time.sleep(_LOOK)
        return None


def asked(path: Path, revision: int) -> Audience | None:
    """What the socket says; ``None`` while nothing answers there."""
    connection = http.client.HTTPConnection("flags", timeout=5.0)
    connection.sock = socket.socket(socket.AF_UNIX)
    try:
        connection.sock.settimeout(5.0)
        connection.sock.connect(str(path))
        connection.request("GET", f"{AUDIENCE}?revision={revision}")
        answer = connection.getresponse()
        body = answer.read(_ANSWER)
        return msgspec.json.decode(body, type=Audience) if answer.status == http.client.OK else None
    except (OSError, http.client.HTTPException, msgspec.DecodeError):
        return None
    finally:
        connection.close()


def _problem(environment: str, seconds: float, found: Audience | None, *, written: bool) -> str:
    if not written:
        return f"the flags of {environment} could not be written within {seconds:g} s"
    assert found is not None  # noqa: S101 - where nothing answers, it was not waited that long
    return (
        f"{found.behind} of {found.listening} programs in {environment} that follow its flags did not apply these "
        f"within {seconds:g} s"
    )
