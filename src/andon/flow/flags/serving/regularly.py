"""Something that is done again and again beside the event loop."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from andon.kernel.errors import AndonError

_log = logging.getLogger(__name__)


class Regularly:
    """Calls ``action`` every so many seconds, and a last time when it is stopped."""

    def __init__(self, name: str, seconds: float, action: Callable[[], None]) -> None:
        self._name = name
        self._seconds = seconds
        self._action = action
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._seconds):
            self._once()
        self._once()

    def _once(self) -> None:
        try:
            self._action()
        except AndonError as error:
            _log.warning("%s: %s", self._name, error)
        except Exception:  # noqa: BLE001 - logged whole; the next time may go well
            _log.exception("%s failed", self._name)
