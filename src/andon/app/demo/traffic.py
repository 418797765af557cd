"""Customers: threads that keep asking the shop, and count every answer."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from dataclasses import dataclass
from urllib.parse import urlsplit

_PATHS = ("/", "/version", "/api/parts", "/health")


@dataclass(frozen=True, slots=True)
class Counted:
    """``failed`` counts answers of 500 and above, and requests without an answer."""

    served: int
    failed: int

    def since(self, earlier: Counted) -> Counted:
        return Counted(self.served - earlier.served, self.failed - earlier.failed)


class Traffic:
    """Asks over kept connections from ``customers`` threads until it is ended."""

    def __init__(self, address: str, *, customers: int = 4, pause: float = 0.004) -> None:
        parts = urlsplit(address)
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or 80
        self._pause = pause
        self._ending = threading.Event()
        self._guard = threading.Lock()
        self._served = 0
        self._failed = 0
        self.failures: Counter[str] = Counter()
        self._threads = [threading.Thread(target=self._shop, daemon=True) for _ in range(customers)]

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

    def _shop(self) -> None:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=15)
        turn = 0
        while not self._ending.is_set():
            turn += 1
            problem: str | None = None
            try:
                connection.request("GET", _PATHS[turn % len(_PATHS)])
                answer = connection.getresponse()
                answer.read()
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
            time.sleep(self._pause)
        connection.close()
