"""What is scraped, and how it is asked."""

from __future__ import annotations

import contextlib
import http.client
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from andon.feedback.telemetry.contract.intake import Dropped
from andon.feedback.telemetry.ways.compression import opened, too_large
from andon.feedback.telemetry.ways.refusing import why_lost
from andon.kernel.errors import Invalid
from andon.kernel.sockets import connect_pinned

ACCEPT = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"


@dataclass(frozen=True, slots=True)
class Target:
    """``labels`` are put on every series: ``service``, ``environment``, ``version``, ``instance``, ``job``. Either
    ``socket`` is set or ``host`` and ``port``."""

    labels: Mapping[str, str] = field(hash=False)
    host: str = "127.0.0.1"
    port: int = 0
    socket: Path | None = None
    path: str = "/metrics"

    @property
    def key(self) -> tuple[object, ...]:
        """Tells targets apart from one round to the next."""
        return (tuple(sorted(self.labels.items())), self.host, self.port, self.socket, self.path)


@dataclass(frozen=True, slots=True)
class Page:
    text: str
    openmetrics: bool


class Failed(Exception):
    """The target did not give its metrics; the message says why, and ``lost`` where it gave what cannot be taken."""

    def __init__(self, message: str, lost: Dropped | None = None) -> None:
        super().__init__(message)
        self.lost = lost


class Asking:
    """One question to a target. :meth:`give_up` ends it from another thread, however slowly the target speaks."""

    def __init__(self, target: Target, timeout: float, limit: int) -> None:
        self._target, self._timeout, self._limit = target, timeout, limit
        self.deadline = time.monotonic() + timeout
        self._socket: socket.socket | None = None

    def ask(self) -> Page:
        """Raises :class:`Failed`."""
        try:
            self._socket = self._connected()
            return self._spoken(self._socket)
        except Invalid as error:
            raise Failed(error.message, why_lost(error)) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Failed(str(error) or type(error).__name__) from error
        finally:
            if self._socket is not None:
                self._socket.close()

    def give_up(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def _connected(self) -> socket.socket:
        if self._target.socket is not None:
            return connect_pinned(self._target.socket, self._timeout)
        return socket.create_connection((self._target.host, self._target.port), self._timeout)

    def _spoken(self, connected: socket.socket) -> Page:
        connection = http.client.HTTPConnection("localhost" if self._target.socket else self._target.host)
        connection.sock = connected
        connection.request(
            "GET",
            self._target.path,
            headers={
                "Accept": ACCEPT,
                "Accept-Encoding": "gzip",
                "User-Agent": "Andon",
                "X-Prometheus-Scrape-Timeout-Seconds": f"{self._timeout:g}",
                "Connection": "close",
            },
        )
        # closed whatever comes of it: an answer that is given up would hold the socket open until it is collected
        with contextlib.closing(connection.getresponse()) as response:
            return self._read(response)

    def _read(self, response: http.client.HTTPResponse) -> Page:
        if response.status != 200:
            raise Failed(f"it answered {response.status}")
        parts: list[bytes] = []
        size = 0
        while part := response.read1(256 * 1024):
            size += len(part)
            if size > self._limit:
                raise too_large(self._limit)
            if time.monotonic() > self.deadline:
                raise TimeoutError("it took too long")
            parts.append(part)
        body = b"".join(parts)
        expected = response.headers.get("Content-Length")
        if expected is not None and expected.isdigit() and int(expected) != size:
            raise Failed("it broke off")
        body = opened(body, response.headers.get("Content-Encoding", ""), self._limit)
        kind = response.headers.get("Content-Type", "")
        return Page(body.decode("utf-8", "replace"), kind.startswith("application/openmetrics-text"))
