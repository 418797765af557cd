"""Which series have been named to the store already, so that their next samples cost a look-up.

Keys are 64-bit hashes of what tells a series apart on the wire. Python's hash is keyed anew for each process, so two
labels sets that share one cannot be made on purpose, and by chance not in a million years of a million series.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Generic, TypeVar

_LOOK_AT = 16
_DAY = 86_400_000
_BEFORE_MIDNIGHT = 3_000
"""Milliseconds. A store writes series down once a day (UTC): what is sent at its very end may be stored on the next,
and must be named for it."""
MOST = 1_000_000

T = TypeVar("T", bound=int | tuple[object, ...])
"""A series, or a tuple with one or more among what else is known of them."""


class Known(Generic[T]):
    """From what came on the wire to what it means, for as long as the store knows the series."""

    def __init__(self, knows: Callable[[int], bool], *, most: int = MOST) -> None:
        self._knows = knows
        self._most = most
        self._found: dict[int, T] = {}

    def at(self, now: int) -> dict[int, T]:
        """What may be sent unnamed at this moment, in milliseconds since 1970. For reading: a dictionary is safe to
        read while another thread adds to it."""
        return {} if now % _DAY >= _DAY - _BEFORE_MIDNIGHT else self._found

    def learn(self, named: dict[int, T], disputed: AbstractSet[int] = frozenset()) -> None:
        """These have been stored now, except for series that must be named again."""
        if disputed:
            named = {
                told: one
                for told, one in named.items()
                if disputed.isdisjoint(one if isinstance(one, tuple) else (one,))
            }
        if len(self._found) + len(named) > self._most:
            self._found = {}
        self._found.update(named)

    def still(self, ids: list[int]) -> bool:
        """Whether the store still knows what is sent unnamed: a look at a few, since it forgets all of them at once.

        If not, everything is forgotten here too, and the request must be read again.
        """
        step = max(len(ids) // _LOOK_AT, 1)
        if all(self._knows(one) for one in ids[::step]):
            return True
        self._found = {}
        return False
