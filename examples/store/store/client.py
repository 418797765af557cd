"""Asking a running shop, over TCP or over a Unix socket: http://127.0.0.1:8000 or unix:/path/to/socket."""

from __future__ import annotations

import http.client
import json
import socket
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Open the socket; http.client calls this before the first request."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def connect(url: str, timeout: float = 10.0) -> http.client.HTTPConnection:
    """A connection to `url`. Raises ValueError for an address of another shape."""
    if url.startswith("unix:"):
        return _UnixConnection(url.removeprefix("unix:"), timeout)
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(f"{url!r} is neither http://host:port nor unix:/path/to/socket")
    return http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=timeout)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status, headers by lower-case name, body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> dict[str, object]:
        """The body as a JSON object. Raises ValueError when it is something else."""
        value = json.loads(self.body)
        if not isinstance(value, dict):
            raise ValueError(f"expected a JSON object, got {self.text[:200]}")
        return value


class Client:
    """Sends requests one after the other over one kept-open connection."""

    def __init__(self, url: str) -> None:
        self._connection = connect(url)

    def get(self, path: str) -> Answer:
        """GET `path`; redirects are returned, not followed."""
        return self._send("GET", path)

    def post_form(self, path: str, **fields: str | int) -> Answer:
        """POST a form, as a browser does."""
        return self._send("POST", path, urlencode(fields).encode(), "application/x-www-form-urlencoded")

    def post_json(self, path: str, value: dict[str, str | int]) -> Answer:
        """POST a JSON object."""
        return self._send("POST", path, json.dumps(value).encode(), "application/json")

    def post(self, path: str, body: bytes, kind: str) -> Answer:
        """POST `body` as it is."""
        return self._send("POST", path, body, kind)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _send(self, method: str, path: str, body: bytes | None = None, kind: str | None = None) -> Answer:
        headers = {"Content-Type": kind} if kind else {}
        self._connection.request(method, path, body, headers)
        response = self._connection.getresponse()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
