"""The door for programs: OFREP, the document and its stream, as one ASGI application.

It stands in two places: in the web process under its own paths, where a token says who asks and path, header or query
which flags are meant; and on the socket of each environment, where whoever speaks is of that environment.
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote, unquote

import msgspec
from anyio import to_thread

from andon.flow.flags.reaching import AUDIENCE
from andon.flow.flags.serving import ofrep
from andon.flow.flags.serving.admission import COME_BACK, Admission
from andon.flow.flags.serving.asking import Asking
from andon.flow.flags.serving.hub import Hub, Listener, Place, Served
from andon.flow.flags.serving.ofrep import Answer
from andon.flow.flags.serving.tickets import Tickets
from andon.flow.sources.contract import Service
from andon.kernel.access import Permission, Principal
from andon.kernel.access.model import is_place
from andon.kernel.errors import AndonError, Forbidden, Invalid, NotAuthenticated, NotFound, TooMany
from andon.web.http.errors import problem_of
from andon_flags.outcomes import ErrorCode

DOCUMENT, STREAM, REMOTE = "/api/v1/flags/document", "/api/v1/flags/stream", "/ofrep"
HEARTBEAT = 15.0
"""Seconds between signs of life, by which both ends notice that the other has gone."""
BODY_SECONDS = 10.0

Scope = dict[str, Any]  # ASGI's own shape
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

# some providers put their path behind an address that ends with a slash
_REMOTE = re.compile(r"/ofrep(?:/([^/]+)/([^/]+)//?ofrep)?/v1/(evaluate/flags|evaluate/flags/(.+)|events)")
_LISTENER = re.compile(r"[0-9a-f]{16,64}")
_CORS = ((b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", b"etag, retry-after"))
_PREFLIGHT = (
    *_CORS,
    (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
    (
        b"access-control-allow-headers",
        b"authorization, content-type, if-none-match, x-api-key, x-andon-service, x-andon-environment",
    ),
    (b"access-control-max-age", b"3600"),
)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Visit:
    """A request whose asker is let in."""

    place: Place
    secret: str
    """Of the token; empty on an environment's own socket."""
    base: str
    """What stands before ``/v1`` in the address that was asked."""
    query: dict[str, list[str]]
    needs: Permission


class FlagDoor:
    """``exists`` says whether there is such a service and environment; it may wait for the database."""

    def __init__(
        self, hub: Hub, admission: Admission, tickets: Tickets, asking: Asking, exists: Callable[[Place], bool]
    ) -> None:
        self._hub = hub
        self._admission = admission
        self._tickets = tickets
        self._asking = asking
        self._exists = exists

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """In the web process."""
        await self._serve(scope, receive, send, None)

    def at(self, place: Place) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
        """On the socket of an environment."""

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                await self._serve(scope, receive, send, place)

        return application

    async def _serve(self, scope: Scope, receive: Receive, send: Send, own: Place | None) -> None:
        path: str = scope["path"]
        try:
            if path in {DOCUMENT, STREAM}:
                await self._own(scope, receive, send, own)
            elif path == AUDIENCE and own is not None:
                await self._audience(scope, send, own)
            elif (found := _REMOTE.fullmatch(path)) is not None:
                await self._remote(scope, receive, send, own, found)
            else:
                raise NotFound("There is nothing at this address.", remedy="See docs/guide/flags.md.")
        except AndonError as error:
            await _reply(send, _refused(scope, error, path))
        except Exception as error:  # noqa: BLE001 - answered as a fault of ours, and logged whole
            await _reply(send, _refused(scope, error, path))

    # The document

    async def _own(self, scope: Scope, receive: Receive, send: Send, own: Place | None) -> None:
        if scope["method"] == "POST" and scope["path"] == STREAM:
            await self._confirm(scope, send, own)
            return
        if scope["method"] not in {"GET", "HEAD"}:
            await _reply(send, Answer(405, b"", {"allow": "GET, HEAD"}))
            return
        visit = await self._visit(scope, own, "", "")
        served = await self._served(visit.place)
        if scope["path"] == STREAM:
            last = _header(scope, b"last-event-id")
            name = _header(scope, b"x-andon-listener")
            await self._stream(receive, send, visit, own, _number(last), name if _LISTENER.fullmatch(name) else "")
            return
        told = served.built.told
        headers = {"etag": told.etag, "cache-control": "no-cache", "content-type": "application/json"}
        given = [one.strip().removeprefix("W/") for one in _header(scope, b"if-none-match").split(",")]
        if told.etag in given:
            await _reply(send, Answer(304, b"", headers))
            return
        await _reply(send, Answer(200, told.content, headers), head=scope["method"] == "HEAD")

    async def _confirm(self, scope: Scope, send: Send, own: Place | None) -> None:
        """A program has applied a revision."""
        visit = await self._visit(scope, own, "", "")
        revision = _number(_header(scope, b"x-andon-revision"))
        if revision is not None:
            self._hub.confirm(visit.place, _header(scope, b"x-andon-listener"), revision)
        await _reply(send, Answer(204, b"", {}))

    async def _audience(self, scope: Scope, send: Send, own: Place) -> None:
        """Who listens, and whether all of them have a revision; for Andon's worker, on the environment's own socket."""
        query = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=20)
        revision = _number(query.get("revision", [""])[0])
        # whoever connects from here on gets this or something newer
        served = await to_thread.run_sync(self._hub.load, own)
        listening, behind = self._hub.audience(own, served.revision if revision is None else revision)
        told = {"revision": served.revision, "listening": listening, "behind": behind}
        await _reply(send, Answer(200, msgspec.json.encode(told), {"content-type": "application/json"}))

    async def _stream(
        self, receive: Receive, send: Send, visit: _Visit, own: Place | None, last: int | None, name: str
    ) -> None:
        with self._hub.listen(visit.place, name, inside=own is not None) as listener:
            # after it is listened: what changes from here on is heard, and what was heard before is skipped
            served = await self._served(visit.place)
            await _begin(send)
            missed = None if last is None else served.since(last)
            first = _whole(served) if missed is None else b"".join(missed)
            await _more(send, b"retry: 2000\n: here\n\n" + first + _confirming(listener, served))
            listener.told = served.revision
            await self._follow(receive, send, visit, listener, served.revision, _events)

    async def _follow(
        self,
        receive: Receive,
        send: Send,
        visit: _Visit,
        listener: Listener,
        revision: int,
        told: Callable[[Served, int], bytes],
    ) -> None:
        """Send what is heard until the listener goes, its token ends, or everything does."""
        gone = asyncio.ensure_future(_gone(receive))
        try:
            while not self._hub.stopping and not gone.done():
                while listener.waiting:
                    served = listener.waiting.popleft()
                    if served.revision > revision:
                        await _more(send, told(served, revision) + _confirming(listener, served))
                        listener.told = revision = served.revision
                listener.rung.clear()
                bell = asyncio.ensure_future(listener.rung.wait())
                done, _ = await asyncio.wait({bell, gone}, timeout=HEARTBEAT, return_when=asyncio.FIRST_COMPLETED)
                if bell not in done:
                    bell.cancel()
                if not done:
                    await _more(send, b": alive\n\n")
                if visit.secret:
                    try:
                        caller = await self._admission.admit(visit.secret)
                        _require(caller.principal, visit.place, visit.needs)
                    except AndonError as error:
                        await _more(send, _over(error))
                        break
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            gone.cancel()

    # OFREP

    async def _remote(
        self, scope: Scope, receive: Receive, send: Send, own: Place | None, found: re.Match[str]
    ) -> None:
        method: str = scope["method"]
        if method == "OPTIONS":
            await send({"type": "http.response.start", "status": 204, "headers": list(_PREFLIGHT)})
            await send({"type": "http.response.body", "body": b""})
            return
        service, environment = (unquote(one) if one else "" for one in (found[1], found[2]))
        base = f"/ofrep/{quote(service)}/{quote(environment)}/ofrep" if service else "/ofrep"
        if found[3] == "events":
            await self._notify(scope, receive, send, own)
            return
        if method != "POST":
            await _reply(send, Answer(405, b"", {"allow": "POST, OPTIONS"}), remote=True)
            return
        visit = await self._visit(scope, own, service, environment, base, needs=Permission.EVALUATE_REMOTELY)
        body = await _body(receive)
        if body is None:
            says = "The body is too large, or did not come to its end."
            answer = ofrep.failed(400, ErrorCode.PARSE_ERROR, says, found[4] or "")
            await _reply(send, answer, remote=True)
            return
        # told of a change: whoever was told must not get what was before
        fresh = "flagConfigEtag" in visit.query or "flagConfigLastModified" in visit.query
        served = await self._served(visit.place, fresh=fresh)
        key = found[4]
        if key is not None:
            self._asking.note(visit.place, key)
            answer = ofrep.evaluated(served, key, body)
        else:
            answer = ofrep.bulk(served, body, _header(scope, b"if-none-match"), self._event_stream(visit, own))
        await _reply(send, answer, remote=True)

    def _event_stream(self, visit: _Visit, own: Place | None) -> str:
        uri = f"{visit.base}/v1/events"
        return uri if own is not None else f"{uri}?ticket={self._tickets.issue(visit.place, visit.secret)}"

    async def _notify(self, scope: Scope, receive: Receive, send: Send, own: Place | None) -> None:
        if scope["method"] != "GET":
            await _reply(send, Answer(405, b"", {"allow": "GET"}), remote=True)
            return
        query = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=20)
        visit = (
            _Visit(own, "", "", query, Permission.EVALUATE_REMOTELY)
            if own is not None
            else await self._by_ticket(query)
        )
        with self._hub.listen(visit.place, inside=own is not None) as listener:
            served = await self._served(visit.place)
            await _begin(send, remote=True)
            last = _header(scope, b"last-event-id") or query.get(ofrep.SINCE, [""])[0]
            seen = _number(last)
            behind = seen is not None and seen != served.revision
            await _more(send, ofrep.here(served) + (ofrep.refetch(served) if behind else b""))
            listener.told = served.revision
            await self._follow(
                receive, send, visit, listener, served.revision, lambda new, _revision: ofrep.refetch(new)
            )

    async def _by_ticket(self, query: dict[str, list[str]]) -> _Visit:
        found = self._tickets.open(query.get("ticket", [""])[0])
        if found is None:
            raise NotAuthenticated(
                "This event stream's address is no longer good.", remedy="Evaluate all flags again: it comes with them."
            )
        place, secret = found
        await self._admission.admit(secret)
        return _Visit(place, secret, "", query, Permission.EVALUATE_REMOTELY)

    # Who asks for what

    async def _visit(
        self,
        scope: Scope,
        own: Place | None,
        service: str,
        environment: str,
        base: str = "",
        *,
        needs: Permission = Permission.EVALUATE,
    ) -> _Visit:
        query = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=20)
        if own is not None:
            return _Visit(own, "", base, query, needs)
        secret = _token(scope)
        caller = await self._admission.admit(secret)
        place = _place(scope, caller.principal, query, service, environment)
        _require(caller.principal, place, needs)
        return _Visit(place, secret, base, query, needs)

    async def _served(self, place: Place, *, fresh: bool = False) -> Served:
        known = self._hub.known(place)
        if known is None:
            if not await to_thread.run_sync(self._exists, place):
                raise NotFound(
                    f"{place.service} has no environment {place.environment[:80]!r}.",
                    remedy="See those it has: andon environment list",
                )
            known = await to_thread.run_sync(self._hub.load, place)
        elif fresh:
            known = await to_thread.run_sync(self._hub.load, place)
        return known


def _place(scope: Scope, principal: Principal, query: dict[str, list[str]], service: str, environment: str) -> Place:
    """By path, query, or header; a token of one service need not name it."""
    service = service or query.get("service", [""])[0] or _header(scope, b"x-andon-service")
    environment = environment or query.get("environment", [""])[0] or _header(scope, b"x-andon-environment")
    bound = principal.services or frozenset()
    if not service and len(bound) == 1:
        service = next(iter(bound))
    if not service or not environment:
        what = "service" if not service else "environment"
        raise Invalid(
            f"Which {what} is meant?",
            remedy=f"Name it as the query's {what}, as the header X-Andon-{what.title()}, or ask at "
            "/ofrep/SERVICE/ENVIRONMENT/ofrep/v1/….",
        )
    if not is_place(service) or not is_place(environment):
        raise NotFound("There is no such service or environment.", remedy="Look at the spelling.")
    return Place(Service(service), environment)


def _require(principal: Principal, place: Place, needs: Permission) -> None:
    # whoever may read how it is decided may have it decided as well
    if any(principal.may(one, place.service, place.environment) for one in (needs, Permission.EVALUATE)):
        return
    try:
        principal.require(needs, place.service, place.environment)
    except Forbidden:
        if not principal.may(Permission.READ, place.service) and principal.scopes is None:
            # the same as for a service that is not there
            raise NotFound("There is no such service or environment.", remedy="Look at the spelling.") from None
        raise


def _events(served: Served, revision: int) -> bytes:
    missed = served.since(revision)
    return _whole(served) if missed is None else b"".join(missed)


def _confirming(listener: Listener, served: Served) -> bytes:
    """Asks a program that can to say when it has applied what was sent; only where somebody waits for that."""
    return b"event: confirm\ndata: %d\n\n" % served.revision if listener.id and served.built.pretended else b""


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 19 else None


def _whole(served: Served) -> bytes:
    return b"id: %d\nevent: document\ndata: %s\n\n" % (served.revision, served.built.told.content)


def _over(error: AndonError) -> bytes:
    told = {"code": error.code, "message": error.message, "safe": error.safe, "remedy": error.remedy}
    return b"event: over\ndata: " + msgspec.json.encode(told) + b"\n\n"


async def _gone(receive: Receive) -> None:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return


async def _body(receive: Receive) -> bytes | None:
    """``None`` for one that is too large or too slow."""
    parts: list[bytes] = []
    size = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                part = message.get("body", b"")
                size += len(part)
                if size > ofrep.LARGEST_BODY:
                    return None
                parts.append(part)
                if not message.get("more_body", False):
                    return b"".join(parts)
    return None


async def _begin(send: Send, *, remote: bool = False) -> None:
    headers = [
        (b"content-type", b"text/event-stream"),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),
        *(_CORS if remote else ()),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def _more(send: Send, data: bytes) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": True})


async def _reply(send: Send, answer: Answer, *, remote: bool = False, head: bool = False) -> None:
    headers = [(name.encode(), value.encode("latin-1", "replace")) for name, value in answer.headers.items()]
    if answer.status != 304:
        headers.append((b"content-length", str(len(answer.body)).encode()))
    if answer.body and "content-type" not in answer.headers:
        headers.append((b"content-type", b"application/json"))
    if remote:
        headers.extend(_CORS)
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else answer.body})


def _refused(scope: Scope, error: Exception, path: str) -> Answer:
    """A problem document; under OFREP's paths with the words that its providers look for."""
    status, problem = problem_of(error, scope)  # type: ignore[arg-type]  # an ASGI scope by another name
    headers = {"cache-control": "no-store"}
    if isinstance(error, TooMany):
        headers["retry-after"] = str(max(1, round(error.retry_after * random.uniform(1, 2))))  # noqa: S311 - spreads
    if status == 401:
        headers["www-authenticate"] = 'Bearer realm="Andon", charset="UTF-8"'
        # five hundred clients of one token must not come back at one moment
        headers["retry-after"] = str(round(COME_BACK * random.uniform(1, 3)))  # noqa: S311 - spreads, hides nothing
    if path.startswith(REMOTE):
        says = " ".join(one for one in (problem.message, problem.safe, problem.remedy) if one)
        found = _REMOTE.fullmatch(path)
        answer = ofrep.refused(status, says, (found[4] or "") if found is not None else "")
        return Answer(status, answer.body, headers | {name.decode(): value.decode() for name, value in _CORS})
    body = msgspec.json.encode(problem)
    return Answer(status, body, headers | {"content-type": "application/problem+json"})


def _header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def _token(scope: Scope) -> str:
    scheme, _, rest = _header(scope, b"authorization").partition(" ")
    if scheme.casefold() == "bearer":
        return rest.strip()
    return _header(scope, b"x-api-key").strip()
