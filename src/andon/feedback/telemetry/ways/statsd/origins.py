"""Who is behind a socket."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    """What is known of everybody who can reach a socket: it overrides what they say of themselves. Empty is unknown."""

    service: str = ""
    environment: str = ""
    version: str = ""
    instance: str = ""


ANYONE = Origin()
"""Behind a port of the machine: whoever sends there says who they are."""


class Origins:
    """Each origin's number. Drawn by lot, since hashes begin with it: nobody knows which lines would be taken for
    somebody else's. Safe to use from every thread."""

    def __init__(self) -> None:
        self._numbers: dict[Origin, int] = {}
        self._origins: dict[int, Origin] = {}
        self._lock = threading.Lock()

    def number(self, origin: Origin) -> int:
        with self._lock:
            found = self._numbers.get(origin)
            if found is None:
                found = secrets.randbits(64)
                self._numbers[origin] = found
                self._origins[found] = origin
            return found

    def __getitem__(self, number: int) -> Origin:
        return self._origins[number]
