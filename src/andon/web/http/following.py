"""A thread that looks whenever the record has grown, and tells the event loop what it found."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import ParamSpec

from andon.kernel.errors import Unavailable
from andon.kernel.events import Bell

_P = ParamSpec("_P")
_PAUSE = 0.5
"""Seconds between two looks while the database does not answer."""
_log = logging.getLogger(__name__)


class Follower:
    """``look`` runs in the thread, ``ring_all`` on the event loop when everybody who listens has to go.

    ``what`` says in the log what stays as it was when a look fails.
    """

    def __init__(self, bell: Bell, what: str, look: Callable[[], None], ring_all: Callable[[], None]) -> None:
        self._bell = bell
        self._what = what
        self._look = look
        self._ring_all = ring_all
        self._rung = threading.Event()
        self._stopping = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._unlisten: Callable[[], None] = lambda: None

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    def start(self) -> None:
        """Call it from the event loop that is told."""
        self._loop = asyncio.get_running_loop()
        self._unlisten = self._bell.listen(lambda _position: self._rung.set())
        self._thread = threading.Thread(target=self._run, name=self._what, daemon=True)
        self._thread.start()

    def again(self) -> None:
        """Look once more as soon as this look is over."""
        self._rung.set()

    def tell(self, function: Callable[_P, object], *arguments: _P.args, **named: _P.kwargs) -> None:
        """Call it on the event loop; nothing happens when nobody is there any more."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: nobody listens
                self._loop.call_soon_threadsafe(lambda: function(*arguments, **named))

    def end(self) -> None:
        """Let everybody who listens go now."""
        self._stopping.set()
        self._rung.set()
        self.tell(self._ring_all)

    def stop(self) -> None:
        self.end()
        if self._thread is not None:
            self._unlisten()
            self._thread.join()

    def _run(self) -> None:
        while self._rung.wait() and not self.stopping:
            self._rung.clear()
            try:
                self._look()
            except Unavailable as error:
                _log.warning("%s: everything stays as it was: %s", self._what, error)
                self._stopping.wait(_PAUSE)
                self._rung.set()
            except Exception:  # noqa: BLE001 - logged whole; the thread must outlive what nobody foresaw
                _log.exception("%s: everything stays as it was", self._what)
