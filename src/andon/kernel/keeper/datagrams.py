"""A way out of a sandbox for datagrams: what is sent to 127.0.0.1:PORT goes on to a Unix socket, mounted from outside.

Made for StatsD's lines. Each datagram goes on as it is, without an answer. While the socket is full the kernel keeps
what comes, as much as it likes; while nobody listens everything is dropped. How many were dropped is told in a line of
its own, ``andon.forwarder.dropped:N|c``, once somebody listens again.

Part of :mod:`andon.kernel.keeper.forwarder`, inside the sandbox: the standard library's smallest, and nothing else.
"""

from __future__ import annotations

import errno
import socket
import struct
from contextlib import suppress

_LONGEST_DATAGRAM = 65536
_DATAGRAMS_AT_ONCE = 256
_RECEIVE = 4 * 1024 * 1024  # bytes the kernel may keep for us; it takes less where it has been told so
_SO_MEMINFO, _MEMINFO, _MEMINFO_DROPS = 55, struct.Struct("=9I"), 8  # linux/sock_diag.h: what the kernel dropped


class Datagrams:
    """One way out for datagrams."""

    def __init__(self, bound: socket.socket, path: str) -> None:
        self._path = path
        self._in = bound
        with suppress(OSError):
            self._in.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE)
        self._out = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        self._connected = False
        self._waiting: bytes | None = None  # what did not fit any more
        self._lost = 0  # dropped here because nobody listened
        self._told = 0  # dropped, here and by the kernel, and told
        self.fd = self._in.fileno()
        self.out = self._out.fileno()

    def serve(self) -> bool:
        """Pass on what has come. False when the target is full: once there is room, call again."""
        if self._waiting is not None:
            if not self._send(self._waiting):
                return False
            self._waiting = None
            self._tell()
        for _ in range(_DATAGRAMS_AT_ONCE):
            try:
                datagram = self._in.recv(_LONGEST_DATAGRAM)
            except OSError:  # nothing more
                return True
            if not self._send(datagram):
                self._waiting = datagram
                return False
        return True

    def finish(self) -> None:
        """The last words of a command that has ended; briefly waited for."""
        self._out.settimeout(0.2)
        self.serve()

    def _send(self, datagram: bytes) -> bool:
        for again in (True, False):
            try:
                if not self._connected:
                    self._out.connect(self._path)
                    self._connected = True
                    self._tell()
                self._out.send(datagram)
            except (BlockingIOError, TimeoutError):
                return False
            except OSError as error:
                # Nobody listens (any more); who listened may have come back under the same name.
                if again and self._connected and error.errno != errno.EMSGSIZE:
                    self._connected = False
                    continue
                self._lost += 1
            break
        return True

    def _tell(self) -> None:
        dropped = self._lost
        with suppress(OSError, struct.error):  # an older kernel does not say
            told = self._in.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
            dropped += _MEMINFO.unpack(told)[_MEMINFO_DROPS]
        if dropped > self._told:
            with suppress(OSError):  # told another time
                self._out.send(b"andon.forwarder.dropped:%d|c" % (dropped - self._told))
                self._told = dropped
