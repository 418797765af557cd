"""A server of flags that does as it is told: streams a document and its changes, refuses, hangs up, is away."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from andon_flags.differences import settled
from andon_flags.document import Document, read, write, write_change
from benchmarks.harness.ports import free_port

_T = TypeVar("_T")


class FlagStream:
    """Serves on a TCP port of loopback, or on a Unix socket. Start it with ``with``."""

    def __init__(self, document: dict[str, Any], *, path: str = "", token: str = "", chunked: bool = True) -> None:
        self.document: Document = read(document)
        self.path = path
        self.token = token
        self.chunked = chunked
        # not one that the system hands out: it has to be free still when this comes up again
        self.port = 0 if path else free_port()
        self.asked: list[dict[str, str]] = []
        """The headers of every request."""
        self.refuse: tuple[int, dict[str, str]] | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="flag-stream", daemon=True)
        self._server: asyncio.AbstractServer | None = None
        self._streams: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"unix:{self.path}" if self.path else f"http://127.0.0.1:{self.port}"

    @property
    def streams(self) -> int:
        return len(self._streams)

    def __enter__(self) -> FlagStream:
        self._thread.start()
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.down()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def up(self) -> None:
        self._do(self._up())

    def down(self) -> None:
        """Nobody is there any more, and whoever was connected notices."""
        self._do(self._down())

    def hang_up(self) -> None:
        self._do(self._hang_up())

    def prepared(self, document: dict[str, Any]) -> Document:
        """What ``publish`` takes as well: read, and the same where it says the same."""
        return settled(self.document, read(document))

    def publish(self, document: dict[str, Any] | Document, *, whole: bool = False) -> None:
        """The new document as a change, or as a whole."""
        new = document if isinstance(document, Document) else self.prepared(document)
        old, self.document = self.document, new
        event = _document(new) if whole else _event("change", new.revision, write_change(old, new))
        self._do(self._send(event))

    def send(self, text: bytes) -> None:
        """Whatever this is."""
        self._do(self._send(text))

    def _do(self, what: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(60)

    async def _up(self) -> None:
        if self.path:
            self._server = await asyncio.start_unix_server(self._serve, self.path, backlog=1024)
        else:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=1024)

    async def _down(self) -> None:
        if self._server is not None:
            self._server.close()
        await self._hang_up()

    async def _hang_up(self) -> None:
        for stream in tuple(self._streams):
            stream.close()
        self._streams.clear()

    async def _send(self, text: bytes) -> None:
        for stream in tuple(self._streams):
            stream.write(self._framed(text))
        await asyncio.sleep(0)

    def _framed(self, text: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(text), text) if self.chunked else text

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {
                name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])
            }
            headers[""] = head[0]
            self.asked.append(headers)
            refused = self.refuse
            if refused is None and self.token and headers.get("authorization") != f"Bearer {self.token}":
                refused = 401, {}
            if refused is not None:
                status, more = refused
                told = "".join(f"{name}: {value}\r\n" for name, value in more.items())
                writer.write(f"HTTP/1.1 {status} No\r\n{told}Content-Length: 8\r\n\r\nsay why\n".encode())
                await writer.drain()
                writer.close()
                return
            coding = b"Transfer-Encoding: chunked\r\n" if self.chunked else b""
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" + coding + b"\r\n")
            behind = headers.get("last-event-id") != str(self.document.revision)
            writer.write(self._framed(b"retry: 100\n: here\n\n" + (_document(self.document) if behind else b"")))
            self._streams.add(writer)
            try:
                await reader.read()
            finally:
                self._streams.discard(writer)
                writer.close()


def _event(kind: str, revision: int, data: bytes) -> bytes:
    return f"id: {revision}\nevent: {kind}\n".encode() + b"data: " + data + b"\n\n"


def _document(document: Document) -> bytes:
    return _event("document", document.revision, write(document))
