"""The port that the console answers on. Apart from the server, so that the supervisor can try it in no time."""

from __future__ import annotations

import socket

from andon.kernel.errors import Unavailable
from andon.kernel.settings import Settings


def listen(settings: Settings) -> socket.socket:
    """The listening socket. Raises :class:`Unavailable` when the port is taken."""
    family = socket.AF_INET6 if ":" in settings.web.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
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
