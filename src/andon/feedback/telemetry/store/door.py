"""The store's door for other processes: ClickHouse's HTTP interface, for reading, on a Unix socket of the owner's.

With it the console asks an embedded store in the same words, through the same client, as it asks a ClickHouse server.
Whoever may connect is whoever owns the data directory, and could read its files as well; statements that write are
refused all the same, because a mistake elsewhere must not be able to change what was measured.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from email.parser import BytesParser
from email.policy import HTTP
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import msgspec
import uvicorn

from andon.feedback.telemetry.store.engine import EmbeddedEngine
from andon.kernel.errors import AndonError

if TYPE_CHECKING:
    from chdb.state.sqlitelike import Connection
    from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope

_MOST_BYTES = 16 * 1024 * 1024
"""Of a statement with its parameters: the ids of some hundred thousand series."""
_THREADS = 6
_READS = re.compile(rb"\s*(?:--[^\n]*\n\s*)*(?:SELECT|WITH|SHOW|DESCRIBE|DESC|EXISTS|EXPLAIN)\b", re.IGNORECASE)
_FORMAT = re.compile(rb"\bFORMAT\s+(\w+)\s*;?\s*$", re.IGNORECASE)
_CODE = re.compile(r"Code: (\d+)")

_log = logging.getLogger(__name__)


Deed = Callable[[Mapping[str, str]], bytes]
"""Something that the process does when it is told to; its answer goes back. Raises ``AndonError``."""


class Refusal(msgspec.Struct, frozen=True):
    """Why a deed was not done."""

    code: str
    message: str
    safe: str
    remedy: str


class Door:
    """Serves in a thread of its own until :meth:`stop`.

    ``deeds`` are what the process does beside answering, by name: ``POST /deeds/NAME`` with the values in the query.
    """

    def __init__(self, engine: EmbeddedEngine, path: Path, deeds: Mapping[str, Deed] | None = None) -> None:
        self._engine, self._path, self._deeds = engine, path, dict(deeds or {})
        self._local = threading.local()
        self._open: list[Connection] = []
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="telemetry door")
        self._server = uvicorn.Server(
            uvicorn.Config(
                self._answer,
                interface="asgi3",
                loop="auto",
                lifespan="off",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=2,
            )
        )
        self._listening = _bind(path)
        self._thread = threading.Thread(target=self._serve, name="telemetry door", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._pool.shutdown()
        for one in self._open:
            one.close()
        self._path.unlink(missing_ok=True)

    def _serve(self) -> None:
        self._server.run(sockets=[self._listening])

    async def _answer(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] == "/ping":
            await _reply(send, 200, b"Ok.\n")
            return
        if scope["path"].startswith("/deeds/"):
            await self._do(scope["path"].removeprefix("/deeds/"), scope["query_string"].decode(), send)
            return
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return  # whoever asked has gone
            body += message.get("body", b"")
            if len(body) > _MOST_BYTES:
                await _reply(send, 413, b"Code: 62. The statement is too long.")
                return
            if not message.get("more_body"):
                break
        query = dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
        kind = dict(scope["headers"]).get(b"content-type", b"")
        if kind.startswith(b"multipart/form-data"):
            query |= _form(kind, bytes(body))
            body.clear()
        statement = query.get("query", "").encode() + bytes(body)
        if not _READS.match(statement):
            await _reply(send, 403, b"Code: 164. Only questions pass through this door. (READONLY)")
            return
        values = {name[6:]: value for name, value in query.items() if name.startswith("param_")}
        found = _FORMAT.search(statement)
        form = found[1].decode() if found else query.get("default_format", "TabSeparated")
        try:
            answer = await asyncio.get_running_loop().run_in_executor(
                self._pool, self._run, statement.decode(), form, values
            )
        except RuntimeError as error:  # chDB's only one
            _log.info("a question was refused: %s", str(error)[:500])
            await _reply(send, 500, str(error).encode())
            return
        await _reply(send, 200, answer, form)

    async def _do(self, name: str, query: str, send: ASGISendCallable) -> None:
        deed = self._deeds.get(name)
        if deed is None:
            await _reply(send, 404, b"There is no such deed.")
            return
        try:
            answer = await asyncio.get_running_loop().run_in_executor(self._pool, deed, dict(parse_qsl(query)))
        except AndonError as error:
            told = Refusal(error.code, error.message, error.safe, error.remedy)
            await _reply(send, 409, msgspec.json.encode(told))
            return
        await _reply(send, 200, answer)

    def _run(self, statement: str, form: str, values: dict[str, str]) -> bytes:
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._engine.connect_bare()
            self._open.append(connection)
        return bytes(connection.query(statement, form, params=values).bytes())


def _form(kind: bytes, body: bytes) -> dict[str, str]:
    """The fields of a form: the client sends one where the values of a question are longer than 4 kB together, as 120
    traces are. ``kind`` is its type, with what its parts begin with."""
    whole = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + kind + b"\r\n\r\n" + body)
    found: dict[str, str] = {}
    for part in whole.iter_parts():
        name, value = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(value, bytes):
            found[name] = value.decode()
    return found


async def _reply(send: ASGISendCallable, status: int, body: bytes, form: str = "") -> None:
    headers = [(b"content-length", str(len(body)).encode()), (b"x-clickhouse-timezone", b"UTC")]
    if status == 200 and form:
        headers.append((b"x-clickhouse-format", form.encode()))
    if status != 200:
        code = _CODE.search(body[:1000].decode(errors="replace"))
        headers.append((b"x-clickhouse-exception-code", (code[1] if code else "1").encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers, "trailers": False})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _bind(path: Path) -> socket.socket:
    """Listen where an earlier life may have left its socket; the folder is ours alone."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    listening.bind(str(path))
    path.chmod(0o600)
    listening.listen(128)
    listening.setblocking(False)
    return listening
