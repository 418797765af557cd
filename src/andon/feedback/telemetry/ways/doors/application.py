"""All ways in over HTTP as one ASGI application for each listening place."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from concurrent.futures import Executor
from typing import Any

from andon.feedback.telemetry.contract.intake import Intake
from andon.feedback.telemetry.ways.compression import opened, too_large
from andon.feedback.telemetry.ways.doors.requests import Answer, Request, Route, refusal
from andon.feedback.telemetry.ways.gathering import Origin
from andon.feedback.telemetry.ways.refusing import why_lost
from andon.kernel.errors import AndonError, NotAuthenticated, TooMany

MOST_AT_ONCE = 256 * 1024**2
"""Bytes of all requests that are being taken in; whoever comes on top is told to come again."""
BODY_SECONDS = 30.0
"""How long a body may take to arrive."""
_INLINE = 64 * 1024

Message = MutableMapping[str, Any]  # ASGI's own shape
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Admits = Callable[[str], bool]
"""Whether a bearer token (empty if there was none) may send."""

_log = logging.getLogger(__name__)


class Budget:
    """Bytes that requests under way may hold together."""

    def __init__(self, most: int = MOST_AT_ONCE) -> None:
        self._left = most

    def take(self, size: int) -> None:
        """Raises ``TooMany``."""
        if size > self._left:
            raise TooMany(
                "More telemetry arrives at once than there is memory for.",
                retry_after=1.0,
                safe="Nothing of this request was taken in: it can be sent again whole.",
            )
        self._left -= size

    def give_back(self, size: int) -> None:
        self._left += size


class WaysIn:
    """The routes. One object serves every listening place; :meth:`at` makes the application of one.

    ``intake`` is told of what is refused for good.
    """

    def __init__(
        self, routes: Iterable[Route], executor: Executor, budget: Budget | None = None, *, intake: Intake | None = None
    ) -> None:
        self._routes = {route.path: route for route in routes}
        self._intake = intake
        self._executor = executor
        self._budget = budget or Budget()

    def at(self, origin: Origin | None, admits: Admits | None = None) -> Callable[[Message, Receive, Send], Any]:
        async def application(scope: Message, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                return
            answer = await self._answered(scope, receive, origin, admits)
            headers = [(b"content-length", str(len(answer.body)).encode()), *answer.headers]
            if answer.content_type:
                headers.append((b"content-type", answer.content_type.encode()))
            if answer.status == 413:
                headers.append((b"connection", b"close"))  # what is left of the body is not read
            if answer.status == 204:
                headers = [pair for pair in headers if pair[0] != b"content-length"]
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            await send({"type": "http.response.body", "body": answer.body})

        return application

    async def _answered(self, scope: Message, receive: Receive, origin: Origin | None, admits: Admits | None) -> Answer:
        client = scope.get("client")
        request = Request(
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"].decode("latin-1"),
            headers={name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
            client=client[0] if client else "",
            origin=origin,
        )
        route = self._routes.get(request.path)
        if route is None:
            return Answer(404, b"There is no way in here.\n", "text/plain")
        if request.method not in route.methods:
            return Answer(405, b"", "", ((b"allow", ", ".join(route.methods).encode()),))
        try:
            if admits is not None and not route.public:
                _admit(request, admits)
            return await self._with_body(request, route, receive)
        except AndonError as error:
            self._count(route, request, error)
            return route.refuse(request, error)
        except Exception:  # noqa: BLE001 - a defect of ours must cost one request, and be answered as one
            _log.exception("%s was not answered", request.path)
            return refusal(request, AndonError("Andon could not take this in.", remedy="Its log says why."))

    def _count(self, route: Route, request: Request, error: AndonError) -> None:
        why = why_lost(error)
        if why is not None and route.way is not None and self._intake is not None:
            service = request.origin.service if request.origin is not None else ""
            self._intake.drop(route.way, why, service=service)

    async def _with_body(self, request: Request, route: Route, receive: Receive) -> Answer:
        held = 0
        parts: list[bytes] = []
        try:
            try:
                async with asyncio.timeout(BODY_SECONDS):
                    while True:
                        message = await receive()
                        if message["type"] == "http.disconnect":
                            return Answer(400)
                        part = message.get("body", b"")
                        if held + len(part) > route.received:
                            raise too_large(route.received)
                        self._budget.take(len(part))
                        held += len(part)
                        parts.append(part)
                        if not message.get("more_body", False):
                            break
            except TimeoutError:
                return Answer(408, headers=((b"connection", b"close"),))
            body = b"".join(parts)
            parts = []
            encoding = request.headers.get("content-encoding", "")
            if encoding:
                self._budget.take(route.opened)
                held += route.opened
                if len(body) > _INLINE:
                    loop = asyncio.get_running_loop()
                    body = await loop.run_in_executor(self._executor, opened, body, encoding, route.opened)
                else:
                    body = opened(body, encoding, route.opened)
                self._budget.give_back(route.opened - len(body))
                held += len(body) - route.opened
            return await route.answer(
                Request(
                    method=request.method,
                    path=request.path,
                    query=request.query,
                    headers=request.headers,
                    body=body,
                    client=request.client,
                    origin=request.origin,
                )
            )
        finally:
            self._budget.give_back(held)


def _admit(request: Request, admits: Admits) -> None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if not admits(token.strip() if scheme.lower() == "bearer" else ""):
        raise NotAuthenticated("The token is missing or wrong.", remedy="Send `Authorization: Bearer TOKEN`.")
