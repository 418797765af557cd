"""Ports for what is about to be started, which nobody else is given meanwhile."""

from __future__ import annotations

import random

from andon.app.demo.server import STRETCH, claim
from andon.flow.environments.probing import port_is_free
from andon.kernel.errors import Unavailable

_STRETCHES = range(10_000, 32_000, STRETCH)
"""Below the ports that the system hands out, to listeners and to whoever connects."""
_MOST = 10
"""Stretches that this process claims before it hands out ports for a second time."""

_own: list[int] = []
_next = 0


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    return free_stretch(1)


def free_stretch(count: int) -> int:
    """The first of so many free ports in a row, at most :data:`STRETCH`. Raises :class:`Unavailable`.

    They come out of stretches that are this process's until it ends, one after the other: what is listened on only
    later, as an environment's port is, has been given to nobody else by then.
    """
    global _next  # noqa: PLW0603 - one row of ports for the whole process is what this is for
    for _ in range(2 * _MOST * STRETCH // count):
        place, offset = divmod(_next, STRETCH)
        if offset + count > STRETCH:
            place, offset = place + 1, 0
        place %= _MOST
        _next = place * STRETCH + offset + count
        if place == len(_own):
            _own.append(_claimed())
        ports = range(_own[place] + offset, _own[place] + offset + count)
        if all(port_is_free("127.0.0.1", port) for port in ports):
            return ports.start
    raise Unavailable(f"No {count} free ports in a row were found on 127.0.0.1.", remedy="Stop other programs.")


def _claimed() -> int:
    for first in random.SystemRandom().sample(_STRETCHES, len(_STRETCHES)):
        if claim(first):
            return first
    raise Unavailable("All ports below 32000 are claimed by other runs.", remedy="Stop some of them.")
