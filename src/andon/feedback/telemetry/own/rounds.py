"""One thread that does several things again and again, each in its own time."""

from __future__ import annotations

import heapq
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from andon.kernel.errors import AndonError

_SAY_AGAIN_SECONDS = 600.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Round:
    """``run`` is called every ``every`` seconds; soon after each other if it takes longer than that."""

    name: str
    every: float
    run: Callable[[], None]


class Rounds:
    """A round that fails is logged, once in ten minutes while it fails in the same way, and stops no other one.

    They share a thread on purpose: what Andon measures by itself must not cost more than a little.
    """

    def __init__(self, rounds: Sequence[Round], *, name: str = "telemetry rounds") -> None:
        self._rounds = tuple(rounds)
        self._name = name
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._said: dict[str, tuple[str, float]] = {}

    def start(self) -> None:
        self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Once this returns, none runs any more."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        begun = time.monotonic()
        due = [(begun, place) for place in range(len(self._rounds))]
        heapq.heapify(due)
        while due and not self._stopping.is_set():
            at, place = due[0]
            if self._stopping.wait(max(0.0, at - time.monotonic())):
                return
            one = self._rounds[place]
            self._run(one)
            # what was missed is not made up for: numbers of the past cannot be read any more
            heapq.heapreplace(due, (max(at + one.every, time.monotonic() + min(one.every, 0.05)), place))

    def _run(self, one: Round) -> None:
        try:
            one.run()
        except AndonError as error:
            if self._is_news(one, str(error)):
                _log.warning("%s: %s", one.name, error)
        except Exception as error:  # noqa: BLE001 - logged whole: one round's fault must not silence the others
            if self._is_news(one, repr(error)):
                _log.exception("%s failed", one.name)
        else:
            self._said.pop(one.name, None)

    def _is_news(self, one: Round, what: str) -> bool:
        said, when = self._said.get(one.name, ("", 0.0))
        now = time.monotonic()
        if said == what and now - when < _SAY_AGAIN_SECONDS:
            return False
        self._said[one.name] = (what, now)
        return True
