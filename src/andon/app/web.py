"""The web process: the console, the API and the git remote on one port."""

from __future__ import annotations

import resource
from collections.abc import Callable

from litestar.types import ASGIApp

import andon
from andon.app.composition import Installation, compose
from andon.kernel.settings import Settings
from andon.web.http.application import WebApplication
from andon.web.http.port import listen
from andon.web.http.server import WebServer


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


def serve(installation: Installation, *, ready: Callable[[], None] = lambda: None) -> None:
    """Serve until a signal ends it. Starts and stops the bell.

    Raises :class:`~andon.kernel.errors.Unavailable` for a port that is taken.
    """
    allow_many_files()
    server = WebServer(installation.settings, create_web(installation), ready)
    listening = listen(installation.settings)
    installation.bell.start()
    try:
        server.run(sockets=listening)
    finally:
        for one in listening:
            one.close()
        installation.bell.stop()


def allow_many_files() -> None:
    """Each environment has a socket for its programs here, and up to a thousand of them listen there: more files than
    the 1,024 that many systems begin with, without which nobody could sign in."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
