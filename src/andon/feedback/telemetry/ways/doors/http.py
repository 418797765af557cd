"""Serving the ways in over HTTP, at any number of places that come and go."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass

from andon.feedback.telemetry.ways.doors.application import WaysIn
from andon.feedback.telemetry.ways.doors.listening import Place, Unix, address, bound
from andon.feedback.telemetry.ways.doors.loop import LoopThread
from andon.web.http.listening import Listening, listen_on

_GRACE = 5.0
"""Seconds that requests under way may take to end."""


@dataclass(slots=True)
class _Open:
    listening: Listening
    place: Place


class HttpDoor:
    """The ways in, served by a loop of their own."""

    def __init__(self, ways: WaysIn) -> None:
        self._ways = ways
        self._thread = LoopThread("telemetry http", fast=True)
        self._open: dict[str, _Open] = {}

    def start(self) -> None:
        self._thread.start()

    def listen(self, place: Place) -> str:
        """Take in what comes there from now on; says at which address that is.

        Raises ``Unavailable`` if the place is taken; the others go on.
        """
        made = bound(place)
        try:
            where = address(made)
            self._open[where] = self._thread.call(self._serve(made, place))
        except BaseException:
            made.close()
            raise
        return where

    def close(self, where: str) -> None:
        """No longer take in what comes at this address; what is under way is finished."""
        opened = self._open.pop(where, None)
        if opened is not None:
            self._thread.call(_ended(opened))

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(self._open)

    def stop(self) -> None:
        if self._thread.alive:
            for where in self.addresses:
                self.close(where)
        self._thread.stop()

    async def _serve(self, made: socket.socket, place: Place) -> _Open:
        listening = await listen_on(made, self._ways.at(place.origin, place.admits))
        return _Open(listening, place)


async def _ended(opened: _Open) -> None:
    opened.listening.close()
    await opened.listening.ended(_GRACE)
    if isinstance(opened.place, Unix):
        with contextlib.suppress(FileNotFoundError):
            opened.place.path.unlink()
