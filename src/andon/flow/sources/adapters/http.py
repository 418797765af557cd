"""Andon as a git remote: smart HTTP, served by git's own ``http-backend``, streamed both ways.

Of what a client sends, git sees only what has been recognised: one of three addresses, a repository's name of
letters, digits and dashes, one of two services. Packs pass through in pieces; nothing is held whole.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import threading
import zlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from andon.flow.sources import service
from andon.flow.sources.adapters.backend import CHUNK, Backend
from andon.flow.sources.adapters.gate import Gate, Session
from andon.flow.sources.adapters.prelude import Prelude, refusal
from andon.flow.sources.git import Git
from andon.flow.sources.model import Repository
from andon.kernel.access import Permission, Principal
from andon.kernel.db import Database
from andon.kernel.errors import AndonError, Invalid, NotAuthenticated, NotFound, TooMany, Unavailable

Scope = Any  # ASGI's own types are mappings of anything; each server and framework declares them anew
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

Authenticate = Callable[[Scope], Awaitable[Principal]]
"""Who sends this request. Raises ``NotAuthenticated`` for nobody known, ``TooMany`` for too many wrong tries."""

IDLE = 120.0
"""Seconds a client may keep silent in the middle of its request."""
FETCHES_AT_ONCE = 32
"""Fetches served at the same time, each costs a processor; further ones wait."""
PUSHES_AT_ONCE = 256
"""Pushes served at the same time: more, because who follows a push stays for long and costs little."""

MOST_UNPACKED = 64 * 1024**2
"""Bytes that a compressed push may unpack to. Git does not compress pushes; those who do, do it to small ones."""

_ADDRESS = re.compile(rb"/([a-z0-9-]{1,40})\.git/(info/refs|git-upload-pack|git-receive-pack)")
_PROTOCOL = re.compile(r"[a-z0-9=:-]{1,60}")
_CHALLENGE = (b"www-authenticate", b'Basic realm="Andon", charset="UTF-8"')
_ENCODINGS = {"": "", "identity": "", "gzip": "gzip", "x-gzip": "gzip"}

_log = logging.getLogger(__name__)


class Exchange(StrEnum):
    """What a client wants of a repository."""

    FETCH = "git-upload-pack"
    PUSH = "git-receive-pack"


_NEEDED = {Exchange.FETCH: Permission.READ, Exchange.PUSH: Permission.PUSH}


class _WrongMethod(Invalid):
    """This address is not asked so."""

    code = "git.method"
    status = 405


class _WrongType(Invalid):
    """The body is not what git sends."""

    code = "git.type"
    status = 415


class _TooMuch(Invalid):
    """A little that unpacks to a lot: git keeps the list of what a push moves in memory, whatever its length."""

    code = "git.too_much"
    status = 413


class _ClientGone(Exception):
    """The client hung up or fell silent before its request was whole."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A recognised request."""

    service: str
    exchange: Exchange
    advertises: bool
    """Whether it asks for the list of refs (GET) instead of bringing a body (POST)."""
    encoding: str
    protocol: str


class GitRemote:
    """An ASGI application for addresses such as ``/git/SERVICE.git``."""

    def __init__(
        self, database: Database, git: Git, gate: Gate, authenticate: Authenticate, *, prefix: str = "/git"
    ) -> None:
        self._database = database
        self._git = git
        self._gate = gate
        self._authenticate = authenticate
        self._prefix = prefix.encode()
        self._places = {
            Exchange.FETCH: asyncio.Semaphore(FETCHES_AT_ONCE),
            Exchange.PUSH: asyncio.Semaphore(PUSHES_AT_ONCE),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            wanted = recognise(scope, self._prefix)
            principal = await self._authenticate(scope)
            repository = await asyncio.to_thread(self._open, wanted, principal)
            places = self._places[wanted.exchange]
            try:
                async with asyncio.timeout(30):
                    await places.acquire()
            except TimeoutError as error:
                raise TooMany(
                    "Too many pushes and fetches are under way.",
                    retry_after=10,
                    safe="Nothing was changed.",
                    remedy="Try again in a moment.",
                ) from error
            try:
                await self._serve(wanted, repository, principal, receive, send)
            finally:
                places.release()
        except AndonError as error:
            await _refuse(error, send)

    def _open(self, wanted: Wanted, principal: Principal) -> Repository:
        with self._database.reading() as reading:
            return service.open_repository(reading, principal, wanted.service, _NEEDED[wanted.exchange])

    async def _serve(
        self, wanted: Wanted, repository: Repository, principal: Principal, receive: Receive, send: Send
    ) -> None:
        environment = self._variables(wanted)
        if wanted.advertises or wanted.exchange is Exchange.FETCH:
            await self._run(wanted, environment, None, None, receive, send)
            return
        session = self._gate.open(repository, principal)
        ours, theirs = socket.socketpair()
        talk = threading.Thread(target=self._gate.converse, args=(session, ours), name=session.id, daemon=True)
        talk.start()
        try:
            environment["ANDON_PUSH_MARK"] = session.mark
            await self._run(wanted, environment, theirs, session, receive, send)
        finally:
            session.gone.set()
            theirs.close()
            await asyncio.shield(asyncio.to_thread(self._close, session, talk))

    def _close(self, session: Session, talk: threading.Thread) -> None:
        if not session.recorded:
            talk.join(10)  # it may be about to write something down
        self._gate.close(session)

    def _variables(self, wanted: Wanted) -> dict[str, str]:
        """The CGI variables, made of what was recognised and nothing else."""
        rest = "info/refs" if wanted.advertises else wanted.exchange.value
        variables = self._git.environment() | {
            "GIT_PROJECT_ROOT": str(self._git.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": f"/{wanted.service}.git/{rest}",
            "QUERY_STRING": f"service={wanted.exchange.value}" if wanted.advertises else "",
            "REQUEST_METHOD": "GET" if wanted.advertises else "POST",
            "REMOTE_USER": "andon",
            "CONTENT_TYPE": "" if wanted.advertises else f"application/x-{wanted.exchange.value}-request",
            # who committed what is in the commits; this is for git's own reflog
            "GIT_COMMITTER_NAME": "Andon",
            "GIT_COMMITTER_EMAIL": "andon@localhost",
        }
        if wanted.encoding and wanted.exchange is Exchange.FETCH:
            variables["HTTP_CONTENT_ENCODING"] = wanted.encoding
        if wanted.protocol:
            variables["GIT_PROTOCOL"] = wanted.protocol
        return variables

    async def _run(
        self,
        wanted: Wanted,
        environment: dict[str, str],
        hooks: socket.socket | None,
        session: Session | None,
        receive: Receive,
        send: Send,
    ) -> None:
        try:
            backend = await Backend.start(self._git.backend, environment, hooks)
        except OSError as error:
            raise Unavailable(
                "This machine cannot start git now.",
                safe="Nothing was changed.",
                remedy="Try again in a moment; `andon doctor` says what is short.",
            ) from error
        if hooks is not None:
            hooks.close()  # from here on only git holds it: its end is the conversation's end
        unpacker = _Unpacker() if wanted.encoding and wanted.exchange is Exchange.PUSH else None
        checked = _Checked() if session is not None else None
        incoming = asyncio.create_task(_bring(backend, receive, self._git.largest_push, unpacker, checked))
        outgoing = asyncio.create_task(_answer(backend, send, checked))
        patience = 0.0
        try:
            await asyncio.wait({incoming, outgoing}, return_when=asyncio.FIRST_COMPLETED)
            if incoming.done():
                incoming.result()
                if not await _waits(receive, outgoing):
                    if session is None:
                        return
                    # The push is whole: it is carried out, though nobody reads on.
                    session.gone.set()
                    patience = 600.0
                    await asyncio.wait({outgoing}, timeout=patience)
                    return
            await outgoing
            patience = 10.0
            await incoming  # an answer before the end of the request is heard only if that is read to its end
        except _ClientGone:
            patience = 10.0  # git notices that its input has ended, and tidies up
        finally:
            for task in (incoming, outgoing):
                task.cancel()
            await asyncio.gather(incoming, outgoing, return_exceptions=True)
            status = await backend.finish(patience=patience)
            complaint = backend.complaint()
            if status != 0:
                _log.info("%s of %s ended with %d: %s", wanted.exchange, wanted.service, status, complaint)


def recognise(scope: Scope, prefix: bytes) -> Wanted:
    """Raises ``NotFound`` for any address but git's three, :class:`Invalid` for a request git would not send."""
    # The raw path: a mount cuts its prefix off the other one, and that one is decoded (%2e%2e, %2f).
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    path = raw.partition(b"?")[0]
    found = _ADDRESS.fullmatch(path.removeprefix(prefix)) if path.startswith(prefix + b"/") else None
    if found is None:
        raise NotFound(
            "There is no repository at this address.",
            remedy="Addresses look like …/git/NAME.git; `andon repository list` shows them.",
        )
    name, rest = found[1].decode(), found[2].decode()
    headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]}
    protocol = headers.get("git-protocol", "")
    protocol = protocol if _PROTOCOL.fullmatch(protocol) else ""
    if rest == "info/refs":
        if scope["method"] != "GET":
            raise _WrongMethod("This address answers GET only.")
        asked = scope.get("query_string", b"").decode("latin-1").removeprefix("service=")
        if asked not in set(Exchange):
            raise Invalid("This is not how git asks.", remedy="Use git 1.6.6 or newer.")
        return Wanted(name, Exchange(asked), True, "", protocol)
    if scope["method"] != "POST":
        raise _WrongMethod("This address answers POST only.")
    kind = headers.get("content-type", "")
    encoding = _ENCODINGS.get(headers.get("content-encoding", "").strip().lower())
    if kind != f"application/x-{rest}-request" or encoding is None:
        raise _WrongType("This is not what git sends.", safe="Nothing was changed.")
    return Wanted(name, Exchange(rest), False, encoding, protocol)


class _Unpacker:
    """Unpacks what comes in pieces, in pieces."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=31)
        self._made = 0

    def pieces(self, packed: bytes) -> Iterator[bytes]:
        """Raises :class:`_TooMuch`, and :class:`_WrongType` for what is not compressed so."""
        while packed:
            try:
                piece = self._stream.decompress(packed, CHUNK)
            except zlib.error as error:
                raise _WrongType("This is not what git sends.", safe="Nothing was changed.") from error
            self._made += len(piece)
            if self._made > MOST_UNPACKED:
                raise _TooMuch(
                    f"This push unpacks to more than {MOST_UNPACKED // 1024**2} MiB.",
                    safe="Nothing was changed.",
                    remedy="Push without compressing the request, as git does.",
                )
            yield piece
            packed = self._stream.unconsumed_tail


@dataclass(slots=True)
class _Checked:
    """What a push brings before its pack, and why it was cut off there, if it was."""

    prelude: Prelude = field(default_factory=Prelude)
    refused: Invalid | None = None


async def _bring(
    backend: Backend, receive: Receive, largest: int, unpacker: _Unpacker | None, checked: _Checked | None
) -> None:
    """Carry the request's body to git. Raises :class:`_ClientGone`."""
    taken = 0
    listening = True
    while True:
        try:
            async with asyncio.timeout(IDLE):
                message = await receive()
        except TimeoutError as error:
            raise _ClientGone from error
        if message["type"] != "http.request":
            raise _ClientGone
        body = message.get("body", b"")
        taken += len(body)
        if taken > largest + 64 * CHUNK:  # git has said so already; whoever goes on does not listen
            raise _ClientGone
        if body and listening:
            try:
                for piece in (body,) if unpacker is None else unpacker.pieces(body):
                    if checked is not None and not checked.prelude.over:
                        checked.prelude.take(piece)
                    backend.stdin.write(piece)
                    await backend.stdin.drain()
            except OSError:
                # Git has refused and gone. The rest is read all the same: a client hears no answer before it
                # has sent its request.
                listening = False
            except Invalid as error:
                # Git may have begun to answer: it hears the end of its input instead. Within a pack it then tells
                # the pusher by itself; before the pack it says nothing, and _answer() does.
                _log.info("a push was cut off: %s", error)
                listening = False
                if checked is not None and not checked.prelude.over:
                    checked.refused = error
                backend.stdin.close()
        if not message.get("more_body", False):
            backend.stdin.close()
            return


async def _answer(backend: Backend, send: Send, checked: _Checked | None) -> None:
    """Carry git's answer to the client. Raises :class:`Unavailable` when git gave none."""
    head = await backend.head()
    if head is None or head.status >= 500:
        raise Unavailable(
            "git could not serve this repository.",
            safe="Nothing was changed.",
            remedy="Try again; if it stays so, Andon's log says why.",
        )
    await send({"type": "http.response.start", "status": head.status, "headers": list(head.headers)})
    while piece := await backend.stdout.read(CHUNK):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    last = b""
    if checked is not None and checked.refused is not None:
        last = refusal(checked.refused, side_band=checked.prelude.side_band)
    await send({"type": "http.response.body", "body": last, "more_body": False})


async def _waits(receive: Receive, outgoing: asyncio.Task[None]) -> bool:
    """Whether the client stays until the answer is complete."""

    async def hung_up() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    watch = asyncio.create_task(hung_up())
    try:
        await asyncio.wait({watch, outgoing}, return_when=asyncio.FIRST_COMPLETED)
        return outgoing.done()
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)


async def _refuse(error: AndonError, send: Send) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
    if isinstance(error, NotAuthenticated):
        headers.append(_CHALLENGE)
    if isinstance(error, TooMany):
        headers.append((b"retry-after", str(int(error.retry_after) + 1).encode()))
    body = "\n".join(part for part in (error.message, error.safe, error.remedy) if part).encode() + b"\n"
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
