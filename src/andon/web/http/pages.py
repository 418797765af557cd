"""Pages and deeds of rooms: plain functions that run in a thread and answer with HTML.

::

    def pages(runs: Runs) -> Handlers:
        @page("/runs/{run:str}")
        def show(context: PageContext, run: str) -> Html:
            with context.database.reading() as reading:
                found = runs.get(reading, RunId(run))
            context.principal.require_sight(found.service)
            return context.page("pipelines/run.html", Page(title=…, sentence=…), run=found)

        @deed("/runs/{run:str}/cancel")
        def cancel(context: PageContext, run: str) -> Html:
            with context.database.transaction() as tx:
                runs.cancel(tx, RunId(run), by=context.principal)
            return context.go(f"/runs/{run}")

        return [show, cancel]

Whoever is not signed in is sent to the door before the function is called; errors that it raises become pages;
a deed's form has been checked to come from a page of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from litestar import MediaType, Request, Response, get, post
from litestar.datastructures import State
from litestar.types import ControllerRouterHandler, Scope

from andon.kernel.access import Principal
from andon.kernel.access.signing_in import Caller
from andon.kernel.db import Database, Reading
from andon.kernel.errors import Invalid, NotAuthenticated
from andon.kernel.events import Bell, Envelope
from andon.web.http.console import Console
from andon.web.http.plain import in_thread
from andon.web.http.visit import address_of, header, visit_of
from andon.web.model import EventLine
from andon.web.shell import Page
from andon.web.shell import Scope as Switch

Html = Response[str]
"""What a page or a deed answers."""
Handlers = list[ControllerRouterHandler]
WebRequest = Request[Any, Any, State]

_F = TypeVar("_F", bound=Callable[..., Html])


class Visitor:
    """Somebody at a page that needs no sign-in; ``caller`` is ``None`` for a stranger.

    ``query`` and ``form`` hold the first value of each name; see :meth:`all` for a field that may come several
    times. (No dataclass: Litestar would take it apart and look into its fields at each request.)
    """

    def __init__(
        self,
        caller: Caller | None,
        database: Database,
        console: Console,
        scope: Scope,
        query: Mapping[str, str],
        fields: tuple[tuple[str, str], ...],
        position: int,
    ) -> None:
        self.caller = caller
        self.database = database
        self.console = console
        self.scope = scope
        self.query = query
        self.form: Mapping[str, str] = dict(reversed(fields))
        self._fields = fields
        self._position = position

    @property
    def address(self) -> str:
        """The network address of whoever asks."""
        return address_of(self.scope)

    @property
    def is_htmx(self) -> bool:
        """Whether htmx asks for a piece of a page."""
        return header(self.scope, "hx-request") == "true"

    def all(self, name: str) -> list[str]:
        """All values sent for a field."""
        return [value for key, value in self._fields if key == name]

    def required(self, name: str) -> str:
        """A form field that must not be empty. Raises :class:`Invalid`."""
        value = self.form.get(name, "").strip()
        if not value:
            raise Invalid(f"The form lacks {name!r}.", safe="Nothing was changed.", remedy="Go back and fill it in.")
        return value

    def bare(self, template: str, page: Page, /, *, status: int = 200, **values: object) -> Html:
        """A page without rail: ``template`` extends "web/bare.html"."""
        frame = self.console.frame(self.scope, self.caller)
        text = self.console.renderer.page(template, page=page, frame=frame, **values)
        return Response(text, media_type=MediaType.HTML, status_code=status)

    def go(self, to: str) -> Html:
        """Send the browser to another address of ours, after a deed for example."""
        # "//host" and "/\host" are other hosts to a browser
        safe = to if to.startswith("/") and not to.startswith(("//", "/\\")) and to.isprintable() else "/"
        return Response("", status_code=303, headers={"location": safe}, media_type=MediaType.TEXT)


class PageContext(Visitor):
    """Somebody who is signed in, at a page of a room."""

    caller: Caller

    @property
    def principal(self) -> Principal:
        return self.caller.principal

    def told(self, reading: Reading, found: Iterable[Envelope]) -> tuple[EventLine, ...]:
        """Events as lines of a history, for ``ui.events``: each in the sentence that its own room has for it."""
        return self.console.teller.lines(reading, found)

    def page(
        self,
        template: str,
        page: Page,
        /,
        *,
        status: int = 200,
        switches: tuple[Switch, ...] = (),
        **values: object,
    ) -> Html:
        """A whole page in its frame: ``template`` extends "web/layout.html". Opens a reading of its own."""
        with self.database.reading() as reading:
            light = self.console.light(reading, self.principal)
        frame = self.console.frame(self.scope, self.caller, light, switches, self._position)
        text = self.console.renderer.page(template, page=page, frame=frame, **values)
        return Response(text, media_type=MediaType.HTML, status_code=status)

    def part(self, template: str, /, **values: object) -> Html:
        """A piece of a page, for an htmx swap."""
        frame = self.console.frame(self.scope, self.caller)
        text = self.console.renderer.part(template, frame=frame, **values)
        return Response(text, media_type=MediaType.HTML, headers={"vary": "hx-request"})


def page(*paths: str) -> Callable[[_F], ControllerRouterHandler]:
    """A page at these addresses. The function takes ``context: PageContext`` and the path's parameters."""

    def declare(function: _F) -> ControllerRouterHandler:
        return get(list(paths), include_in_schema=False, media_type=MediaType.HTML)(in_thread(function, paths))

    return declare


def deed(*paths: str) -> Callable[[_F], ControllerRouterHandler]:
    """What a form does, by POST. It ends with ``context.go(…)`` to where its effect is seen."""

    def declare(function: _F) -> ControllerRouterHandler:
        return post(
            list(paths),
            include_in_schema=False,
            media_type=MediaType.HTML,
            status_code=200,
        )(in_thread(function, paths))

    return declare


class Contexts:
    """Makes the contexts of requests; `app` registers its methods as dependencies."""

    def __init__(self, database: Database, console: Console, bell: Bell) -> None:
        self._database = database
        self._bell = bell
        self._console = console

    async def visitor(self, request: WebRequest) -> Visitor:
        return Visitor(visit_of(request.scope).caller, *await self._parts(request))

    async def context(self, request: WebRequest) -> PageContext:
        caller = visit_of(request.scope).caller
        if caller is None:
            raise NotAuthenticated(
                "You are not signed in.", safe="Nothing was changed.", remedy="Sign in and try again."
            )
        return PageContext(caller, *await self._parts(request))

    async def _parts(
        self, request: WebRequest
    ) -> tuple[Database, Console, Scope, dict[str, str], tuple[tuple[str, str], ...], int]:
        query = dict(reversed(tuple(request.query_params.multi_items())))
        position = self._bell.position  # before anything is read: what comes after is told to the page when it listens
        return self._database, self._console, request.scope, query, await _form(request), position


async def _form(request: WebRequest) -> tuple[tuple[str, str], ...]:
    if request.method != "POST" or request.content_type[0] != "application/x-www-form-urlencoded":
        return ()
    form = await request.form()
    return tuple((name, value) for name, value in form.multi_items() if isinstance(value, str))
