"""Routes of the API: plain functions that run in a thread, take and answer msgspec structs.

::

    def routes(runs: Runs) -> Handlers:
        @api.get("/runs/{run:str}")
        def show_run(call: Call, run: str) -> RunView:
            '''One run with its stages.'''
            with call.database.reading() as reading:
                return RunView.of(runs.get(reading, RunId(run)))

        @api.post("/runs/{run:str}/cancel")
        def cancel_run(call: Call, run: str) -> RunView: …

        return [show_run, cancel_run]

The function's name becomes the operation's id, its docstring the description; ``data: SomeStruct`` is the body.
Errors that it raises become problem documents.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import litestar
from litestar.datastructures import State
from litestar.openapi import ResponseSpec
from litestar.types import ControllerRouterHandler, Scope

from andon.kernel.access import Principal
from andon.kernel.access.signing_in import Caller
from andon.kernel.db import Database
from andon.kernel.errors import NotAuthenticated
from andon.web.http.errors import Problem
from andon.web.http.plain import in_thread
from andon.web.http.visit import address_of, header, visit_of

PREFIX = "/api/v1"

Handlers = list[ControllerRouterHandler]
_F = TypeVar("_F", bound=Callable[..., object])

_PROBLEMS = {
    400: "The request cannot be understood or breaks a rule.",
    401: "Nobody is signed in, or the token is wrong or has expired.",
    403: "Who asks may not do this.",
    404: "There is no such thing, or the asker may not know of it.",
    409: "The thing is in a state in which this cannot be done.",
    413: "The request is too large.",
    429: "Too many attempts; `retry_after` is in seconds.",
    503: "Something Andon needs does not answer or is full.",
}
_RESPONSES = {
    status: ResponseSpec(Problem, description=words, generate_examples=False, media_type="application/problem+json")
    for status, words in _PROBLEMS.items()
}


class OpenCall:
    """A request to the API by somebody who need not be known."""

    def __init__(self, caller: Caller | None, database: Database, scope: Scope) -> None:
        self.caller = caller
        self.database = database
        self.scope = scope

    @property
    def address(self) -> str:
        return address_of(self.scope)

    @property
    def agent(self) -> str:
        return header(self.scope, "user-agent")


class Call(OpenCall):
    """A request to the API by somebody known."""

    caller: Caller

    @property
    def principal(self) -> Principal:
        return self.caller.principal


def get(path: str, **options: Any) -> Callable[[_F], ControllerRouterHandler]:  # Any: handed on to Litestar
    """A question."""
    return _route(litestar.get, path, 200, options)


def post(
    path: str, *, status: int = 200, **options: Any
) -> Callable[[_F], ControllerRouterHandler]:  # Any: handed on to Litestar
    """A deed; ``status`` 201 where something comes into being, 202 where work was begun."""
    return _route(litestar.post, path, status, options)


def put(path: str, **options: Any) -> Callable[[_F], ControllerRouterHandler]:  # Any: handed on to Litestar
    """Set something to what is sent."""
    return _route(litestar.put, path, 200, options)


def delete(path: str, **options: Any) -> Callable[[_F], ControllerRouterHandler]:  # Any: handed on to Litestar
    """Do away with something; answers nothing."""
    return _route(litestar.delete, path, 204, options)


def _route(
    kind: Callable[..., Callable[[Any], Any]],
    path: str,
    status: int,
    options: dict[str, Any],
) -> Callable[[_F], ControllerRouterHandler]:
    def declare(function: _F) -> ControllerRouterHandler:
        settings: dict[str, Any] = {
            "status_code": status,
            "responses": _RESPONSES,
            "operation_id": function.__name__,
            "description": function.__doc__,
            "summary": (function.__doc__ or function.__name__).strip().split("\n", 1)[0],
        }
        handler: ControllerRouterHandler = kind(PREFIX + path, **(settings | options))(in_thread(function, (path,)))
        return handler

    return declare


class Calls:
    """Makes the calls of requests; `app` registers its methods as dependencies."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def call(self, request: litestar.Request[Any, Any, State]) -> Call:
        caller = visit_of(request.scope).caller
        if caller is None:
            raise NotAuthenticated(
                "This needs a token.",
                safe="Nothing was changed.",
                remedy="`andon login` fetches one; programs send `Authorization: Bearer TOKEN`.",
            )
        return Call(caller, self._database, request.scope)

    async def open_call(self, request: litestar.Request[Any, Any, State]) -> OpenCall:
        return OpenCall(visit_of(request.scope).caller, self._database, request.scope)
