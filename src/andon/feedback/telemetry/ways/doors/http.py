"""Serving the ways in over HTTP, at any number of places that come and go."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import dataclass

import uvicorn
from uvicorn.server import ServerState

from andon.feedback.telemetry.ways.doors.application import WaysIn
from andon.feedback.telemetry.ways.doors.listening import Place, Unix, address, bound
from andon.feedback.telemetry.ways.doors.loop import LoopThread
from andon.web.http.connection import ImpatientProtocol

_GRACE = 5.0
"""Seconds that requests under way may take to end."""
_MOST_CONNECTIONS = 2000


@dataclass(slots=True)
class _Listening:
    server: asyncio.Server
    state: ServerState
    place: Place
    address: str


class HttpDoor:
    """uvicorn's protocol on sockets of our own: one place more costs a file descriptor, not a server."""

    def __init__(self, ways: WaysIn) -> None:
        self._ways = ways
        self._thread = LoopThread("telemetry http", fast=True)
        self._open: dict[str, _Listening] = {}

    def start(self) -> None:
        self._thread.start()

    def listen(self, place: Place) -> str:
        """Take in what comes there from now on; says at which address that is.

        Raises ``Unavailable`` if the place is taken; the others go on.
        """
        made = bound(place)
        try:
            where = address(made)
            self._open[where] = self._thread.call(self._serve(made, place, where))
        except BaseException:
            made.close()
            raise
        return where

    def close(self, where: str) -> None:
        """No longer take in what comes at this address; what is under way is finished."""
        listening = self._open.pop(where, None)
        if listening is not None:
            self._thread.call(_ended(listening))

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(self._open)

    def stop(self) -> None:
        if self._thread.alive:
            for where in self.addresses:
                self.close(where)
        self._thread.stop()

    async def _serve(self, made: socket.socket, place: Place, where: str) -> _Listening:
        config = uvicorn.Config(
            self._ways.at(place.origin, place.admits),
            http=ImpatientProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=75,  # longer than senders wait between two exports
            limit_concurrency=_MOST_CONNECTIONS,
            backlog=1024,
        )
        config.load()
        state = ServerState()

        def protocol() -> asyncio.Protocol:
            return ImpatientProtocol(config=config, server_state=state, app_state={})

        loop = asyncio.get_running_loop()
        if isinstance(place, Unix):
            server = await loop.create_unix_server(protocol, sock=made, backlog=config.backlog)
        else:
            server = await loop.create_server(protocol, sock=made, backlog=config.backlog)
        return _Listening(server, state, place, where)


async def _ended(listening: _Listening) -> None:
    listening.server.close()
    for connection in list(listening.state.connections):
        connection.shutdown()
    if listening.state.tasks:
        _, late = await asyncio.wait(list(listening.state.tasks), timeout=_GRACE)
        for task in late:
            task.cancel()
    for connection in list(listening.state.connections):
        transport = connection.transport
        if transport is not None:
            transport.abort()
    await asyncio.sleep(0)  # lets the transports say that they are closed
    if isinstance(listening.place, Unix):
        with contextlib.suppress(FileNotFoundError):
            listening.place.path.unlink()
