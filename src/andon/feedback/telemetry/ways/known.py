"""Which series have been named to the store already, so that their next samples cost a look-up.

Keys are 64-bit hashes of what tells a series apart on the wire. Python's hash is keyed anew for each process, so two
labels sets that share one cannot be made on purpose, and by chance not in a million years of a million series.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

_LOOK_AT = 16
MOST = 1_000_000

T = TypeVar("T")


class Known(Generic[T]):
    """From what came on the wire to what it means, for as long as the store knows the series."""

    def __init__(self, knows: Callable[[int], bool], *, most: int = MOST) -> None:
        self._knows = knows
        self._most = most
        self.found: dict[int, T] = {}
        """For reading. A dictionary is safe to read while another thread adds to it."""

    def learn(self, named: dict[int, T]) -> None:
        """These have been stored now."""
        if len(self.found) + len(named) > self._most:
            self.found = {}
        self.found.update(named)

    def still(self, ids: list[int]) -> bool:
        """Whether the store still knows what is sent unnamed: a look at a few, since it forgets all of them at once.

        If not, everything is forgotten here too, and the request must be read again.
        """
        step = max(len(ids) // _LOOK_AT, 1)
        if all(self._knows(one) for one in ids[::step]):
            return True
        self.found = {}
        return False
