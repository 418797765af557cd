"""How often one address may send. Addresses are not kept: a keyed hash of each, for a minute."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from hashlib import blake2b

A_MINUTE = 60
_MOST_ADDRESSES = 100_000


class Patience:
    """At most ``most`` in each minute from one address. Safe to use from every thread."""

    def __init__(self, most: int = A_MINUTE, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = most, clock
        self._lock = threading.Lock()
        self._minute = -1
        self._key = b""
        self._counts: dict[bytes, int] = {}

    def allows(self, address: str) -> bool:
        minute = int(self._clock() // 60)
        with self._lock:
            if minute != self._minute:
                self._minute, self._key, self._counts = minute, os.urandom(16), {}
            told = blake2b(address.encode(), digest_size=8, key=self._key).digest()
            count = self._counts.get(told, 0)
            if count >= self._most or (not count and len(self._counts) >= _MOST_ADDRESSES):
                return False
            self._counts[told] = count + 1
            return True
