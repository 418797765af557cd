"""Asking an instance whether it is well."""

from __future__ import annotations

import re
import socket
import time
from contextlib import closing, suppress
from pathlib import Path

from andon.kernel.sockets import connect_pinned

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])[ \r]")
_HEALTHY = range(200, 400)
_MOST = 256 * 1024
_POLITE = 0.1
"""Seconds to hear an answer to its end after its first line: many programs complain when nobody listens."""


def ask(endpoint: str, path: str, timeout: float) -> str | None:
    """GET a path; what is wrong with the answer, or ``None``. Statuses from 200 to 399 are well.

    ``endpoint`` is ``unix:/…`` or ``host:port``. Nothing but the answer's first line is believed, and the whole
    takes no longer than ``timeout`` seconds however slowly the other side speaks.
    """
    deadline = time.monotonic() + timeout
    request = f"GET {path} HTTP/1.1\r\nHost: instance\r\nUser-Agent: andon-health\r\nConnection: close\r\n\r\n"
    try:
        with closing(_connect(endpoint, timeout)) as asking:
            asking.sendall(request.encode("utf-8", "replace"))
            said = _hear(asking, deadline)
    except TimeoutError:
        return f"no answer to GET {path} within {timeout:g} s"
    except OSError:
        return f"nothing answers GET {path}"
    if not said:
        return f"nothing answers GET {path}"
    found = _STATUS.match(said)
    if found is None:
        return f"the answer to GET {path} is not HTTP"
    status = int(found[1])
    return None if status in _HEALTHY else f"GET {path} answered {status}"


def _connect(endpoint: str, timeout: float) -> socket.socket:
    if endpoint.startswith("unix:"):
        return connect_pinned(Path(endpoint.removeprefix("unix:")), timeout)
    host, _, port = endpoint.rpartition(":")
    return socket.create_connection((host, int(port)), timeout)


def _hear(asking: socket.socket, deadline: float) -> bytes:
    """The beginning of the answer. Raises ``TimeoutError``."""
    said = b""
    while b"\n" not in said and len(said) < 4096:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        asking.settimeout(left)
        more = asking.recv(4096)
        if not more:
            return said
        said += more
    # The verdict is there; the rest is listened to for politeness only.
    with suppress(OSError):
        heard, until = len(said), min(deadline, time.monotonic() + _POLITE)
        while heard < _MOST and (left := until - time.monotonic()) > 0:
            asking.settimeout(left)
            more = asking.recv(65536)
            if not more:
                break
            heard += len(more)
    return said


def free_port() -> int:
    """A port of the loopback nobody listens on at this moment."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def port_is_free(host: str, port: int) -> bool:
    """Whether nobody listens there now."""
    with closing(socket.socket()) as probe:
        # As Envoy binds: connections of a listener that has just gone do not hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
