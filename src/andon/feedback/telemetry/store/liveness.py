"""Whether a store answers at all, so that one that hangs does not hold up everybody who asks it.

A question may take long, and a store may be busy with others for long; a ping may not. So nobody waits for an answer,
or for their turn, without a ping having been answered of late.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from andon.kernel.errors import Unavailable
from andon.kernel.sockets import connect_pinned

FRESH_SECONDS = 1.0
"""For how long an answer shows that the next question will have one too."""
PING_SECONDS = 2.0
_AGAIN_SECONDS = 1.0
"""After a ping that was not answered nobody is kept waiting for so long; then one tries again."""


class Liveness:
    """Safe to use from every thread. ``ping`` says whether the store hangs (``False``); at most one waits for it."""

    def __init__(self, ping: Callable[[], bool], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._ping, self._clock = ping, clock
        self._pinging = threading.Lock()
        self._answered = self._again = float("-inf")
        self._hangs = False

    def answered(self) -> None:
        """Something was."""
        self._answered, self._hangs = self._clock(), False

    def require(self) -> None:
        """Raises ``Unavailable``."""
        now = self._clock()
        if now - self._answered < FRESH_SECONDS:
            return
        if now < self._again:
            raise _hung()
        if self._pinging.acquire(blocking=False):
            try:
                self._try()
            finally:
                self._pinging.release()
            return
        # somebody tries: that is waited for unless it was in vain the last time
        if self._hangs or not self._pinging.acquire(timeout=2 * PING_SECONDS):
            raise _hung()
        self._pinging.release()
        if self._hangs:
            raise _hung()

    def _try(self) -> None:
        if self._ping():
            self.answered()
            return
        self._hangs, self._again = True, self._clock() + _AGAIN_SECONDS
        raise _hung()


def ping_over(path: Path) -> bool:
    """Whether whoever asks at the store's Unix socket is not kept waiting. Where nobody listens they are not: they are
    refused at once, and found out at once when somebody does again."""
    try:
        with connect_pinned(path, PING_SECONDS) as connected:
            connected.sendall(b"GET /ping HTTP/1.1\r\nHost: telemetry\r\nConnection: close\r\n\r\n")
            return bool(connected.recv(64))
    except (TimeoutError, BlockingIOError):  # nobody takes what waits there: either from us, or from so many before us
        return False
    except OSError:
        return True


def _hung() -> Unavailable:
    return Unavailable(
        "The telemetry store does not answer.",
        safe="Deployments and everything else go on without it.",
        remedy="`andon status` says how the telemetry process is; its log is log/telemetry.log in the data directory.",
    )
