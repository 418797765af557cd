"""Customers: threads that keep asking the shop, and count every answer. One of them buys."""

from __future__ import annotations

import http.client
import json
import secrets
import threading
import time
from collections import Counter
from dataclasses import dataclass
from urllib.parse import urlsplit

_PATHS = ("/", "/version", "/api/parts", "/health")
_BETWEEN_ORDERS = 0.2


@dataclass(frozen=True, slots=True)
class Counted:
    """``failed`` counts answers of 500 and above, and requests without an answer."""

    served: int
    failed: int

    def since(self, earlier: Counted) -> Counted:
        return Counted(self.served - earlier.served, self.failed - earlier.failed)


class Traffic:
    """Asks over kept connections from ``customers`` threads until it is ended."""

    def __init__(self, address: str, *, customers: int = 4, pause: float = 0.004, buys: bool = False) -> None:
        """With ``buys`` one more customer orders, and changes their mind: the shelves never get empty."""
        parts = urlsplit(address)
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or 80
        self._pause = pause
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

    def _look(self) -> None:
        connection = self._connection()
        turn = 0
        while not self._ending.is_set():
            turn += 1
            self._ask(connection, "GET", _PATHS[turn % len(_PATHS)])
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

    def _ask(self, connection: http.client.HTTPConnection, method: str, path: str, body: str = "") -> str | None:
        """Ask and count; where the answer leads to, if it does."""
        problem: str | None = None
        where: str | None = None
        try:
            connection.request(method, path, body or None, {"Content-Type": "application/json"} if body else {})
            answer = connection.getresponse()
            answer.read()
            where = answer.getheader("Location")
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
