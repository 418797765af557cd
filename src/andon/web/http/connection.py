"""A connection that does not wait for ever to be told what is wanted."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

HEAD_SECONDS = 20.0
"""How long the head of a request may take to arrive, from the connection's beginning or the head's first byte."""


class ImpatientProtocol(HttpToolsProtocol):
    """uvicorn's own, but a request whose head does not come to its end is given up: such connections cost
    whoever opens them nothing, and enough of them would keep everybody else out."""

    _giving_up: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # None before the first head is complete, whatever uvicorn declares.
        known: RequestResponseCycle | None = self.cycle
        if known is None or known.response_complete:
            self._expect_head()
        else:
            self._stop_expecting()

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
