"""The port that the console answers on. Apart from the server, so that the supervisor can try it in no time."""

from __future__ import annotations

import errno
import socket

from andon.kernel.errors import Unavailable
from andon.kernel.settings import Settings

_NO_SUCH_FAMILY = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT}


def listen(settings: Settings) -> list[socket.socket]:
    """The listening sockets. Raises :class:`Unavailable` when the port is taken.

    On loopback there are two: browsers take ``localhost`` for either address, and were only one of them ours, whoever
    else has an account on this machine could answer on the other and be handed the sessions.
    """
    if not settings.web.on_loopback:
        return [_listen(settings.web.host, settings.web.port)]
    found = [_listen("127.0.0.1", settings.web.port)]
    try:
        found.append(_listen("::1", settings.web.port))
    except OSError:
        pass  # a machine without IPv6
    except Unavailable:
        found[0].close()
        raise
    return found


def _listen(host: str, port: int) -> socket.socket:
    """Raises :class:`Unavailable`, and ``OSError`` when the machine has no such address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # only of a socket that names its protocol does asyncio send the second part of an answer at once; else the kernel
    # keeps it back until the first is acknowledged, some 40 ms later
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(1024)
    except OSError as error:
        listening.close()
        if host == "::1" and error.errno in _NO_SUCH_FAMILY:
            raise
        raise Unavailable(
            f"Andon cannot listen on {f'[{host}]' if ':' in host else host}:{port}: {error.strerror}.",
            safe="Nothing was started.",
            remedy="Is Andon running already? Else set web.port in settings.toml to a free one.",
        ) from error
    return listening
