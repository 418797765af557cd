"""Customers: threads that keep asking the shop, and count every answer. One of them buys.

Each looks around for many visitors, who keep the shop's cookie as their browsers would.
"""

from __future__ import annotations

import http.client
import json
import secrets
import threading
import time
from collections import Counter
from dataclasses import dataclass
from urllib.parse import urlsplit

OFFER = "/parts/WH-6040"
"""A part, with its order form."""
_PATHS = ("/", "/version", "/api/parts", "/health", OFFER)
_NEW_CHECKOUT = b"More than one?"
"""Only the new order form says so."""
_COOKIE = "visitor="
_VISITORS = 50
"""Of each customer who looks around."""
_BETWEEN_ORDERS = 0.2


@dataclass(frozen=True, slots=True)
class Counted:
    """``failed`` counts answers of 500 and above, and requests without an answer."""

    served: int
    failed: int

    def since(self, earlier: Counted) -> Counted:
        return Counted(self.served - earlier.served, self.failed - earlier.failed)


@dataclass(slots=True)
class _Visitor:
    """Who keeps the shop's cookie. The router's they do not keep: it divides every request anew."""

    cookie: str = ""
    sees: bool | None = None
    """Whether the order form they saw last was the new one; ``None`` before they saw any."""


class Traffic:
    """Asks over kept connections from ``customers`` threads until it is ended."""

    def __init__(self, address: str, *, customers: int = 4, pause: float = 0.004, buys: bool = False) -> None:
        """With ``buys`` one more customer orders, and changes their mind: the shelves never get empty."""
        parts = urlsplit(address)
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or 80
        self._pause = pause
        self._paths: tuple[str, ...] = _PATHS
        self._visitors: list[_Visitor] = []
        self._ending = threading.Event()
        self._guard = threading.Lock()
        self._served = 0
        self._failed = 0
        self.failures: Counter[str] = Counter()
        what = [self._look] * customers + [self._buy] * buys
        self._threads = [threading.Thread(target=one, daemon=True) for one in what]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._ending.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def count(self) -> Counted:
        with self._guard:
            return Counted(self._served, self._failed)

    def look_at(self, *paths: str) -> None:
        """What who looks around looks at from now on; everything, if nothing is named."""
        self._paths = paths or _PATHS

    def seeing(self) -> tuple[int, int]:
        """How many visitors saw the new order form when they last saw one, and how many have seen one."""
        with self._guard:
            seen = [one.sees for one in self._visitors if one.sees is not None]
        return sum(seen), len(seen)

    def _look(self) -> None:
        connection = self._connection()
        mine = [_Visitor() for _ in range(_VISITORS)]
        with self._guard:
            self._visitors += mine
        turn = 0
        while not self._ending.is_set():
            turn += 1
            paths = self._paths
            # one looks at everything before the next one comes
            self._ask(connection, "GET", paths[turn % len(paths)], visitor=mine[turn // len(paths) % len(mine)])
            time.sleep(self._pause)
        connection.close()

    def _buy(self) -> None:
        connection = self._connection()
        while not self._ending.wait(_BETWEEN_ORDERS):
            order = {
                "sku": "WH-6040",
                "quantity": 1,
                "customer": "ada@example.org",
                "request_key": secrets.token_hex(8),
            }
            where = self._ask(connection, "POST", "/api/orders", json.dumps(order))
            if where is not None:
                self._ask(connection, "POST", f"{where.removeprefix('/api')}/cancel")
        connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self._host, self._port, timeout=15)

    def _ask(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: str = "",
        visitor: _Visitor | None = None,
    ) -> str | None:
        """Ask and count; where the answer leads to, if it does."""
        problem: str | None = None
        where: str | None = None
        headers = {"Content-Type": "application/json"} if body else {}
        if visitor is not None and visitor.cookie:
            headers["Cookie"] = visitor.cookie
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            page = answer.read()
            where = answer.getheader("Location")
            if visitor is not None:
                for told in answer.headers.get_all("Set-Cookie", ()):
                    if told.startswith(_COOKIE):
                        visitor.cookie = told.partition(";")[0]
                if path == OFFER and answer.status == http.HTTPStatus.OK:
                    visitor.sees = _NEW_CHECKOUT in page
            if answer.status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
                problem = f"answered {answer.status}"
        except (OSError, http.client.HTTPException) as error:
            problem = type(error).__name__
            connection.close()
        with self._guard:
            if problem is None:
                self._served += 1
            else:
                self._failed += 1
                self.failures[problem] += 1
        return where
