"""The keeper's side of its control socket: who is connected, what they ask, what they are told.

The keeper process imports this module: the standard library's smallest only.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
from collections.abc import Callable

from andon.kernel.keeper.layout import MOST, VERSION, listen

_CLIENTS = 64


class Door:
    """Listens in a keeper's folder; ``order`` is called with a client and the line it sent, and has to answer it.

    Raises OSError when the socket cannot be made.
    """

    def __init__(self, folder: str, poll: select.poll, order: Callable[[socket.socket, bytes], None]) -> None:
        self._order = order
        self._poll = poll
        self._clients: dict[int, tuple[socket.socket, bytes]] = {}
        self._listening = listen(folder)
        poll.register(self._listening, select.POLLIN)

    def event(self, fd: int) -> None:
        """Something happened at ``fd``, which may be none of the door's."""
        if fd == self._listening.fileno():
            self._accept()
        elif fd in self._clients:
            self._hear(fd)

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        try:
            client, _ = self._listening.accept()
        except OSError:
            return
        credentials = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        user = int.from_bytes(credentials[4:8], sys.byteorder)
        if user not in (0, os.geteuid()) or len(self._clients) >= _CLIENTS:
            client.close()
            return
        client.setblocking(False)
        self._clients[client.fileno()] = (client, b"")
        self._poll.register(client, select.POLLIN)

    def _hear(self, fd: int) -> None:
        client, before = self._clients[fd]
        try:
            more = client.recv(MOST)
        except BlockingIOError:
            return
        except OSError:
            more = b""
        data = before + more
        if more and b"\n" not in data and len(data) < MOST:
            self._clients[fd] = (client, data)
            return
        self._poll.unregister(fd)
        del self._clients[fd]
        if b"\n" in data:
            self._order(client, data.partition(b"\n")[0])
        else:
            client.close()


def tell(client: socket.socket, *, ok: bool, **more: object) -> None:
    """Answer a client and let it go."""
    answer = {"version": VERSION, "ok": ok, **more}
    try:
        client.setblocking(True)
        client.settimeout(1.0)
        client.sendall(json.dumps(answer).encode() + b"\n")
    except OSError:
        pass  # who asked has gone
    finally:
        client.close()
