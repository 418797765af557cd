"""Unix sockets in folders that somebody else may write to."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LONGEST_PATH = 107
"""Bytes of a socket's path, by the kernel's ``sockaddr_un``."""


@contextmanager
def pinned(path: Path) -> Iterator[str]:
    """A path that leads to this very socket, whatever becomes of the name meanwhile.

    A program that may write to the socket's folder could put a link there instead, to a socket that answers only to
    us (a container engine's, an agent's): whoever then connects would speak to that one. Raises ``OSError`` when
    there is no socket, or something else with that name.
    """
    handle = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if not stat.S_ISSOCK(os.fstat(handle).st_mode):
            raise ConnectionRefusedError(f"{path} is no socket")
        yield f"/proc/self/fd/{handle}"
    finally:
        os.close(handle)


def connect_pinned(path: Path, timeout: float) -> socket.socket:
    """Connect to the socket itself. Raises ``OSError``."""
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        found.settimeout(timeout)
        with pinned(path) as sure:
            found.connect(sure)
    except BaseException:
        found.close()
        raise
    return found
