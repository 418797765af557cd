"""Questions to Envoy's admin socket."""

from __future__ import annotations

import os
import re
import socket
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlencode

import msgspec

from andon.kernel.files import write_whole

_KNOWN = "admin"


class Stat(msgspec.Struct):
    name: str
    value: int = 0


class _Stats(msgspec.Struct):
    stats: list[Stat]


class _Connection(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("router", timeout=5.0)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.sock.settimeout(self.timeout)
        self.sock.connect(os.fspath(self._path))


class Admin:
    """Asks whichever Envoy runs; ``folder`` is the router's, where the socket's place is written down."""

    def __init__(self, folder: Path) -> None:
        self._known = folder / _KNOWN

    def moves_to(self, path: Path) -> None:
        """Write down where the next Envoy's socket will be."""
        write_whole(self._known, os.fsencode(path), mode=0o600)

    def path(self) -> Path | None:
        try:
            return Path(os.fsdecode(self._known.read_bytes()))
        except FileNotFoundError:
            return None

    def ask(self, path: str, *, method: str = "GET", **parameters: str) -> tuple[int, bytes]:
        """Status and body of an answer. Raises ``OSError`` or ``HTTPException``."""
        known = self.path()
        if known is None:
            raise ConnectionRefusedError("the router has never been started")
        with closing(_Connection(known)) as asking:
            asking.request(method, f"{path}?{urlencode(parameters)}")
            answer = asking.getresponse()
            return answer.status, answer.read()

    def ready(self) -> bool:
        return self.ask("/ready")[0] == HTTPStatus.OK

    def count(self, stat: str) -> int:
        """A counter or a gauge. Raises as :meth:`ask`."""
        return sum(one.value for one in self.find(f"^{re.escape(stat)}$"))

    def find(self, pattern: str) -> list[Stat]:
        """Counters and gauges by a pattern of RE2. Raises as :meth:`ask`."""
        status, body = self.ask("/stats", format="json", filter=pattern)
        if status != HTTPStatus.OK:
            raise HTTPException(f"the router answered {status}")
        return msgspec.json.decode(body, type=_Stats).stats

    def text(self, stat: str) -> str | None:
        """A text that Envoy tells of itself. Raises as :meth:`ask`."""
        _status, body = self.ask("/stats", filter=f"^{re.escape(stat)}$", type="TextReadouts")
        _name, _, value = body.decode().strip().partition(": ")
        return value.strip('"') or None
