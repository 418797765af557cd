"""Puts the web application together out of rooms; readable as the order in which a request meets things."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from litestar import Litestar, MediaType, Request, Response, get
from litestar.di import Provide
from litestar.enums import ScopeType
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme, Server
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler, Message, Receive, Scope, Send

from andon.kernel.access.passwords import Passwords
from andon.kernel.db import Database
from andon.kernel.events import Bell
from andon.kernel.settings import Settings
from andon.web.http import errors
from andon.web.http.api import PREFIX, Calls
from andon.web.http.authentication import Authentication, CookieNames
from andon.web.http.console import Console
from andon.web.http.csrf import SAFE, checked
from andon.web.http.door import Door, door_handlers
from andon.web.http.finding import finding_handlers
from andon.web.http.live import LiveFeed, live_handler
from andon.web.http.pages import Contexts, WebRequest
from andon.web.http.security import Hosts, protecting
from andon.web.http.static import static_files
from andon.web.http.visit import visit_of
from andon.web.rendering import Static
from andon.web.room import Mounted, Room
from andon.web.telling import Teller

LARGEST_BODY = 4 * 1024 * 1024
"""Bytes of a request's body; a route that takes more says so itself (``request_max_body_size``)."""


class WebApplication:
    """The ASGI application. :meth:`let_go` lets a server that wants to end do so quickly."""

    def __init__(
        self,
        *,
        settings: Settings,
        database: Database,
        bell: Bell,
        rooms: Sequence[Room],
        version: str,
        passwords: Passwords | None = None,
        handlers: Sequence[ControllerRouterHandler] = (),
    ) -> None:
        names = CookieNames.of(settings)
        static = Static()
        self.feed = LiveFeed(database, bell)
        self.door = Door(settings, names, passwords or Passwords())
        self.console = Console(rooms, clock=database.clock, version=version, static=static)
        contexts, calls = Contexts(database, self.console, bell), Calls(database)

        @asynccontextmanager
        async def lifespan(_: Litestar) -> AsyncIterator[None]:
            self.feed.start()
            for room in self._rooms:
                room.open()
            try:
                yield
            finally:
                for room in reversed(self._rooms):
                    room.shut()
                self.feed.stop()

        self.litestar = Litestar(
            [
                static_files(static),
                live_handler(self.feed),
                *door_handlers(self.door),
                *finding_handlers(),
                _own_description(),
                *handlers,
                *(handler for room in rooms for handler in room.handlers),
            ],
            dependencies={
                "visitor": Provide(contexts.visitor),
                "context": Provide(contexts.context),
                "call": Provide(calls.call),
                "open_call": Provide(calls.open_call),
                "feed": Provide(self._feed, sync_to_thread=False),
                "teller": Provide(self._teller, sync_to_thread=False),
            },
            exception_handlers=errors.handlers(self.console.draw_error),
            openapi_config=_openapi(settings, version),
            request_max_body_size=LARGEST_BODY,
            lifespan=[lifespan],
            logging_config=None,
            debug=False,
        )
        self._rooms = tuple(rooms)
        self._mounts = {path: mounted for room in rooms for path, mounted in room.mounts.items()}
        self._hosts = Hosts(settings)
        self._names = names
        self._authentication = Authentication(database, names)
        self._asgi = protecting(self._guarded, secure=names.secure)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            await self._asgi(scope, receive, send)
        else:
            await self.litestar(scope, receive, send)

    def let_go(self) -> None:
        """End every answer that waits for news: it would never end by itself."""
        self.feed.end_streams()
        for room in self._rooms:
            room.leave()

    def _mounted(self, path: str) -> Mounted | None:
        for stands, mounted in self._mounts.items():
            if path == stands or path.startswith(f"{stands}/"):
                return mounted
        return None

    def _feed(self) -> LiveFeed:
        return self.feed

    def _teller(self) -> Teller:
        return self.console.teller

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == ScopeType.HTTP  # noqa: S101 - nothing else is guarded
        started = False

        async def noting(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                visit = visit_of(scope)
                if visit.new_visitor and scope["path"] in {"/login", "/welcome"}:
                    cookie = self._names.make(self._names.visitor, visit.seed)
                    message["headers"] = [
                        *message["headers"],
                        (b"set-cookie", cookie.to_header(header="").encode()),
                    ]
            await send(message)

        try:
            self._hosts.check(scope)
            if (mounted := self._mounted(scope["path"])) is not None:
                await mounted(scope, receive, noting)
                return
            if (better := self._hosts.better(scope)) is not None:
                await Redirect(better, status_code=307).to_asgi_response(app=None, request=Request(scope))(
                    scope, receive, send
                )
                return
            if not scope["path"].startswith("/static/"):
                await self._authentication.note(scope)
                if scope["method"] not in SAFE and visit_of(scope).seed:
                    self._hosts.check_origin(scope)
                receive = await checked(scope, receive)
            await self.litestar(scope, receive, noting)
        except Exception as error:
            if started:
                raise  # nothing can be taken back; the connection is cut
            response = errors.answer(scope, error, self.console.draw_error)
            await response.to_asgi_response(app=None, request=Request(scope))(scope, receive, send)


def _own_description() -> ControllerRouterHandler:
    @get(f"{PREFIX}/openapi.json", include_in_schema=False)
    async def describe(request: WebRequest) -> Response[bytes]:
        schema = request.app.openapi_schema.to_schema()
        return Response(JsonRenderPlugin.render_json(request, schema), media_type=MediaType.JSON)

    return describe


def _openapi(settings: Settings, version: str) -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Andon",
        version=version,
        description="Everything the console and the command line do. Errors are problem documents.",
        servers=[Server(url=settings.address)],
        # Litestar answers everything below this path itself, with pages of its own: not where our API lives.
        path="/api/openapi",
        render_plugins=[JsonRenderPlugin()],
        components=Components(
            security_schemes={
                "token": SecurityScheme(type="http", scheme="bearer", description="`andon token create`"),
            }
        ),
        security=[{"token": []}],
        use_handler_docstrings=True,
    )
