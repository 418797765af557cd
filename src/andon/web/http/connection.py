"""A connection that does not wait for ever to be told what is wanted."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

HEAD_SECONDS = 20.0
"""How long the head of a request may take to arrive, from the connection's beginning or the head's first byte."""


LARGEST_HEAD = 256 * 1024
"""Bytes of a request that may come one after the other without being its body, its head's end or its own end."""


class ImpatientProtocol(HttpToolsProtocol):
    """uvicorn's own, but a request whose head does not come to its end is given up: such connections cost
    whoever opens them nothing, and enough of them would keep everybody else out.

    So is one whose head, or what follows its body, is larger than anybody means: the parser would keep all of it.
    Where ``limit_concurrency`` is set, connections beyond it are not taken at all.
    """

    _giving_up: asyncio.TimerHandle | None = None
    _kept = 0
    """Bytes that the parser may have kept since it last came to something."""
    _came_to_something = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        if self.limit_concurrency is not None and len(self.connections) > self.limit_concurrency:
            transport.abort()
            return
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        self._came_to_something = False
        super().data_received(data)
        self._kept = 0 if self._came_to_something else self._kept + len(data)
        if self._kept > LARGEST_HEAD:
            self._stop_expecting()
            self.transport.abort()
            return
        # None before the first head is complete, whatever uvicorn declares.
        known: RequestResponseCycle | None = self.cycle
        if known is None or known.response_complete:
            self._expect_head()
        else:
            self._stop_expecting()

    def on_headers_complete(self) -> None:
        self._came_to_something = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._came_to_something = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._came_to_something = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # What comes next has uvicorn's own time-out for connections that are kept.
        self._stop_expecting()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_expecting()
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        if self._giving_up is None and not self.transport.is_closing():
            self._giving_up = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _stop_expecting(self) -> None:
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None
