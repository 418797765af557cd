"""Names, and the words both sides of a keeper's socket use. No imports beyond the standard library's smallest:
the keeper process reads this module too."""

from __future__ import annotations

import os
import socket

VERSION = 1
"""Of state.json and of the socket's protocol. A keeper may be older than the Andon that asks it: add, never change."""

STATE = "state.json"
LOCK = "lock"
SOCKET = "control.sock"
OWN_LOG = "keeper.log"

MOST = 65536
"""Bytes of one request or answer."""


def connect(folder: str, timeout: float) -> socket.socket:
    """Connect to the keeper of a folder. Raises OSError when nobody listens."""
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        found.settimeout(timeout)
        with _Short(folder) as path:
            found.connect(path)
    except BaseException:
        found.close()
        raise
    return found


def listen(folder: str) -> socket.socket:
    """Make the keeper's socket, for its own user only."""
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    before = os.umask(0o177)
    try:
        with _Short(folder) as path:
            found.bind(path)
        found.listen(16)
    finally:
        os.umask(before)
    return found


class _Short:
    """The socket by way of an open folder: a socket's address holds 108 bytes, a data directory may be deeper."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._fd = -1

    def __enter__(self) -> str:
        self._fd = os.open(self._folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        return f"/proc/self/fd/{self._fd}/{SOCKET}"

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)
