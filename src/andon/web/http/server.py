"""Serving the application with uvicorn."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn

from andon.kernel.settings import Settings
from andon.web.http.application import WebApplication
from andon.web.http.connection import ImpatientProtocol

SHUTDOWN = 10
"""Seconds that requests under way may take to end."""


class WebServer(uvicorn.Server):
    """Lets go whoever waits for news before it waits for connections: those would never end by themselves.

    ``ready`` is called once it listens. ``should_exit = True`` ends it from another thread.
    """

    def __init__(self, settings: Settings, application: WebApplication, ready: Callable[[], None]) -> None:
        super().__init__(_config(settings, application))
        self._application = application
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._application.let_go()
        await super().shutdown(sockets)


def _config(settings: Settings, application: WebApplication) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        host=settings.web.host,
        port=settings.web.port,
        loop="uvloop" if _has_uvloop() else "asyncio",
        http=ImpatientProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,  # the record says who did what; addresses of pages would leak into a log
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=SHUTDOWN,
        backlog=1024,
    )


def _has_uvloop() -> bool:
    try:
        import uvloop  # noqa: F401, PLC0415 - absent on other Pythons, see pyproject.toml
    except ImportError:
        return False
    return True
