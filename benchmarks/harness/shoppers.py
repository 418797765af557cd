"""Customers of the example shop who look at a part and order it if the page lets them; each keeps its cookies."""

from __future__ import annotations

import http.client
import json
import random
import secrets
import threading
import time
from collections import Counter
from dataclasses import dataclass
from urllib.parse import urlsplit

PLANTED = "planted"
"""What a fault that was planted answers with, so that it is told from one of Andon's."""
_THREADS = 6
_BUYING = 0.3
_SKU = "WH-6040"


@dataclass(frozen=True, slots=True)
class Fared:
    asked: int
    planted: int
    failed: int
    """Answers of 500 and above that nobody planted, and requests without an answer."""
    failures: tuple[str, ...]


class Shoppers:
    """As many requests a second as are asked for, or as the machine can; ``seed`` repeats who buys."""

    def __init__(self, address: str, *, rate: float, seed: int) -> None:
        parts = urlsplit(address)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._pause = _THREADS / rate
        self._chance = random.Random(seed)
        self._guard = threading.Lock()
        self._ending = threading.Event()
        self._asked = self._planted = self._failed = 0
        self._failures: Counter[str] = Counter()
        self._threads = [threading.Thread(target=self._shop, daemon=True) for _ in range(_THREADS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def count(self) -> Fared:
        with self._guard:
            return Fared(self._asked, self._planted, self._failed, tuple(self._failures))

    def _shop(self) -> None:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=15)
        while not self._ending.is_set():
            cookies: dict[str, str] = {}  # each time somebody new
            page = self._ask(connection, cookies, "GET", f"/parts/{_SKU}")
            if b"Place the order" not in page or self._chance.random() >= _BUYING:
                continue
            order = {"sku": _SKU, "quantity": 1, "customer": "ada@example.org", "request_key": secrets.token_hex(8)}
            told = self._ask(connection, cookies, "POST", "/api/orders", json.dumps(order))
            try:
                reference = json.loads(told)["reference"]
            except (ValueError, KeyError, TypeError):
                continue
            # so that the shelves never get empty
            self._ask(connection, cookies, "POST", f"/orders/{reference}/cancel")
        connection.close()

    def _ask(
        self, connection: http.client.HTTPConnection, cookies: dict[str, str], method: str, path: str, body: str = ""
    ) -> bytes:
        began = time.monotonic()
        problem, planted, content = "", False, b""
        headers = {"Content-Type": "application/json"} if body else {}
        if cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            content = answer.read()
            for given in answer.headers.get_all("Set-Cookie") or ():
                name, _, value = given.partition(";")[0].partition("=")
                cookies[name] = value
            if answer.status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
                planted = content.strip() == PLANTED.encode()
                problem = "" if planted else f"answered {answer.status} to {method}: {content[:60]!r}"
        except (OSError, http.client.HTTPException) as error:
            problem = f"{type(error).__name__} to {method}"
            connection.close()
        with self._guard:
            self._asked += 1
            self._planted += planted
            self._failed += bool(problem)
            if problem:
                self._failures[problem] += 1
        time.sleep(max(0.0, self._pause - (time.monotonic() - began)))
        return content
