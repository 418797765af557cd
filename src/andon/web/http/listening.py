"""An application served on a socket that is bound already: uvicorn's protocol without a server of its own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from andon.web.http.connection import ImpatientProtocol

Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]  # ASGI's own shape

MOST_CONNECTIONS = 2_000
_BACKLOG = 1_024
_KEEP_ALIVE = 75
"""Seconds; longer than senders wait between two exports."""


@dataclass(frozen=True, slots=True)
class Listening:
    """One place where an application is served; one place more costs a file descriptor, not a server."""

    server: asyncio.Server
    state: ServerState

    def close(self) -> None:
        """Take no new connection, and end each when its request is answered."""
        self.server.close()
        for connection in tuple(self.state.connections):
            connection.shutdown()

    async def ended(self, grace: float) -> None:
        """After :meth:`close`: wait ``grace`` seconds for what is under way, then cut it off."""
        if self.state.tasks:
            _, late = await asyncio.wait(list(self.state.tasks), timeout=grace)
            for task in late:
                task.cancel()
        for connection in tuple(self.state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.sleep(0)  # lets the transports say that they are closed


async def listen_on(made: socket.socket, application: Application, *, most: int = MOST_CONNECTIONS) -> Listening:
    """Serve the application there, on the event loop that is running; the socket is the listening's from then on.

    ``most`` connections are kept there at the same time; what comes beyond them is closed at once.
    """
    config = uvicorn.Config(
        application,
        http=ImpatientProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE,
        limit_concurrency=most,
    )
    config.load()
    state = ServerState()

    def protocol() -> asyncio.Protocol:
        return ImpatientProtocol(config=config, server_state=state, app_state={})

    loop = asyncio.get_running_loop()
    if made.family is socket.AF_UNIX:
        server = await loop.create_unix_server(protocol, sock=made, backlog=_BACKLOG)
    else:
        server = await loop.create_server(protocol, sock=made, backlog=_BACKLOG)
    return Listening(server, state)
