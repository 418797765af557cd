"""The web process: the console, the API and the git remote on one port."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import uvicorn
from litestar.types import ASGIApp

import andon
from andon.app.composition import Installation, compose
from andon.kernel.errors import Unavailable
from andon.kernel.settings import Settings
from andon.web.http.application import WebApplication

SHUTDOWN = 10
"""Seconds that requests under way may take to end."""


def create_app(settings: Settings) -> ASGIApp:
    """The ASGI application with everything it needs, for servers that start it themselves."""
    return create_web(compose(settings))


def create_web(installation: Installation) -> WebApplication:
    return WebApplication(
        settings=installation.settings,
        database=installation.database,
        bell=installation.bell,
        rooms=installation.rooms,
        version=andon.__version__,
        passwords=installation.passwords,
    )


class WebServer(uvicorn.Server):
    """Ends live streams before it waits for connections: they would never end by themselves."""

    def __init__(self, config: uvicorn.Config, application: WebApplication, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._application = application
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._application.feed.end_streams()
        await super().shutdown(sockets)


def make_server(installation: Installation, *, ready: Callable[[], None] = lambda: None) -> WebServer:
    """A server that is not listening yet; ``ready`` is called once it does."""
    application = create_web(installation)
    config = uvicorn.Config(
        application,
        host=installation.settings.web.host,
        port=installation.settings.web.port,
        loop="uvloop" if _has_uvloop() else "asyncio",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,  # the record says who did what; addresses of pages would leak into a log
        server_header=False,
        date_header=True,
        proxy_headers=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=SHUTDOWN,
        backlog=1024,
    )
    return WebServer(config, application, ready)


def listen(settings: Settings) -> socket.socket:
    """The listening socket. Raises :class:`Unavailable` when the port is taken."""
    family = socket.AF_INET6 if ":" in settings.web.host else socket.AF_INET
    # asyncio sets TCP_NODELAY only on sockets that name their protocol; without it many answers wait 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((settings.web.host, settings.web.port))
        listening.listen(1024)
    except OSError as error:
        listening.close()
        raise Unavailable(
            f"Andon cannot listen on {settings.web.host}:{settings.web.port}: {error.strerror}.",
            safe="Nothing was started.",
            remedy="Is Andon running already? Else set web.port in settings.toml to a free one.",
        ) from error
    return listening


def serve(installation: Installation, *, ready: Callable[[], None] = lambda: None) -> None:
    """Serve until a signal ends it. Starts and stops the bell. Raises :class:`Unavailable` for a taken port."""
    server = make_server(installation, ready=ready)
    listening = listen(installation.settings)
    installation.bell.start()
    try:
        asyncio.run(server.serve(sockets=[listening]))
    finally:
        listening.close()
        installation.bell.stop()


def _has_uvloop() -> bool:
    try:
        import uvloop  # noqa: F401, PLC0415 - absent on other Pythons, see pyproject.toml
    except ImportError:
        return False
    return True
