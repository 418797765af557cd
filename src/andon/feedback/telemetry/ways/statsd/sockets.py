"""The sockets that lines come in by, and what the kernel says it had no room for."""

from __future__ import annotations

import os
import socket
import stat
import struct
from pathlib import Path

from andon.kernel.errors import Unavailable
from andon.kernel.sockets import LONGEST_PATH

RECEIVE_BYTES = 64 * 1024**2
"""What the kernel may keep for us of one socket: half a second of a million metrics a second."""
_SO_RCVBUFFORCE = 33
_SO_MEMINFO = 55
_MEMINFO = struct.Struct("9I")
_DROPS = 8
_TRIES = 20


def listen(host: str, port: int, setting: str = "telemetry.statsd_port") -> tuple[socket.socket, socket.socket]:
    """A datagram and a stream socket at one port; 0 is any that is free. Raises ``Unavailable``."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for attempt in range(_TRIES):
        datagrams = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        streams = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        try:
            datagrams.bind((host, port))
            _enlarge(datagrams)
            streams.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            streams.bind((host, datagrams.getsockname()[1]))
            streams.listen(128)
        except OSError as error:
            datagrams.close()
            streams.close()
            if port or attempt == _TRIES - 1:
                raise Unavailable(
                    f"StatsD cannot be received at {host}:{port}: {error.strerror}.",
                    safe="Everything else is received.",
                    remedy=f"End the program that listens there, or change {setting}.",
                ) from error
        else:
            return datagrams, streams
    raise AssertionError


def listen_at(path: Path, mode: int = 0o600) -> socket.socket:
    """A datagram socket with a name; one that was left there by a process that has ended is replaced.

    Raises ``Unavailable``.
    """
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise Unavailable(f"The path of a socket may have {LONGEST_PATH} bytes, {path} has more.")
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        if os.path.lexists(path):
            if not stat.S_ISSOCK(os.lstat(path).st_mode):
                raise FileExistsError(17, "something else has this name")
            path.unlink()
        os.fchmod(made.fileno(), mode)  # the name gets the mode of the socket: there is no moment with a wider one
        made.bind(str(path))
        _enlarge(made)
    except OSError as error:
        made.close()
        raise Unavailable(f"StatsD cannot be received at {path}: {error.strerror}.") from error
    return made


def kernel_drops(of: socket.socket) -> int:
    """Datagrams that the kernel threw away for want of room, since the socket was made; grows to 2^32 and begins anew.

    The same counter as the last column of ``/proc/net/udp``, without reading the lines of all other sockets. A Unix
    socket's is always zero: its senders wait.
    """
    return int(_MEMINFO.unpack(of.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size))[_DROPS])


def room(of: socket.socket) -> int:
    """Bytes that the kernel keeps at the most, its own book-keeping of some 800 a datagram included."""
    return of.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)


def _enlarge(made: socket.socket) -> None:
    try:
        made.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BYTES)
    except PermissionError:  # up to net.core.rmem_max is everybody's right
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
