"""Asking Andon's API.

::

    with connect() as andon:
        run = andon.get("/runs/run_01k…", RunView)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import httpx
import msgspec

from andon.kernel.errors import (
    AndonError,
    Conflict,
    Forbidden,
    Invalid,
    NotAuthenticated,
    NotFound,
    TooMany,
    Unavailable,
)
from andon.web.terminal.contexts import Context, current_context

PREFIX = "/api/v1"
_T = TypeVar("_T")
Value = str | int | float | bool | None
_EXIT_CODES = {kind.status: kind.exit_code for kind in (Invalid, NotAuthenticated, Forbidden, NotFound, Conflict)}
_EXIT_CODES |= {413: Invalid.exit_code, 429: TooMany.exit_code, 503: Unavailable.exit_code}


class Refusal(AndonError):
    """What Andon answered instead of doing it; carries the problem document's own words."""

    def __init__(self, status: int, problem: Problem) -> None:
        remedy = problem.remedy
        if problem.reference:
            remedy = f"{remedy} Reference: {problem.reference}.".strip()
        super().__init__(problem.message, safe=problem.safe, remedy=remedy)
        self.problem = problem
        self.answered = status

    @property
    def leaves(self) -> int:
        """The exit code that this answer means."""
        return _EXIT_CODES.get(self.answered, AndonError.exit_code)


class Problem(msgspec.Struct):
    """The problem document that the API answers with."""

    code: str
    message: str
    safe: str = ""
    remedy: str = ""
    reference: str = ""


class Client:
    """Asks one Andon. Every method raises :class:`Refusal` or :class:`Unavailable`."""

    def __init__(self, context: Context, http: httpx.Client) -> None:
        self.context = context
        self._http = http

    def get(self, path: str, kind: type[_T], **query: Value) -> _T:
        """Ask; ``None`` among the query's values is left out."""
        return self._decoded(self._ask("GET", path, query=query), kind)

    def post(self, path: str, kind: type[_T], body: object = None, **query: Value) -> _T:
        """Do; ``body`` is a msgspec struct."""
        return self._decoded(self._ask("POST", path, body=body, query=query), kind)

    def put(self, path: str, kind: type[_T], body: object = None, **query: Value) -> _T:
        return self._decoded(self._ask("PUT", path, body=body, query=query), kind)

    def delete(self, path: str, **query: Value) -> None:
        self._ask("DELETE", path, query=query)

    @contextmanager
    def lines(self, path: str, **query: Value) -> Iterator[Iterator[str]]:
        """The lines of a stream as they come, such as a log that is followed; without a limit in time."""
        try:
            with self._http.stream(
                "GET", self._address(path), params=_sent(query), timeout=httpx.Timeout(10, read=None)
            ) as response:
                if response.is_error:
                    response.read()
                    raise _refusal(response)
                yield response.iter_lines()
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def _ask(self, method: str, path: str, *, body: object = None, query: Mapping[str, Value]) -> httpx.Response:
        content = None if body is None else msgspec.json.encode(body)
        headers = {} if body is None else {"content-type": "application/json"}
        try:
            response = self._http.request(
                method, self._address(path), params=_sent(query), content=content, headers=headers
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._unreachable(error) from error
        if not response.is_success:
            raise _refusal(response)
        return response

    def _address(self, path: str) -> str:
        return self.context.url + PREFIX + path

    def _decoded(self, response: httpx.Response, kind: type[_T]) -> _T:
        try:
            return msgspec.json.decode(response.content, type=kind)
        except msgspec.MsgspecError as error:
            raise Unavailable(
                f"What answers at {self.context.url} is not an Andon of this release: {error}.",
                remedy="Compare `andon --version` with the server's.",
            ) from error

    def _unreachable(self, error: Exception) -> Unavailable:
        return Unavailable(
            f"Andon does not answer at {self.context.url}: {str(error) or type(error).__name__}.",
            safe="Nothing was asked of it.",
            remedy=f"Is it running (`andon up`)? The address comes from {self.context.source}.",
        )


@contextmanager
def connect(context: Context | None = None) -> Iterator[Client]:
    """A client for the current context. Raises :class:`NotAuthenticated` when there is none."""
    context = context or current_context()
    headers = {"accept": "application/json", "user-agent": "andon-cli"}
    if context.token:
        headers["authorization"] = f"Bearer {context.token}"
    # trust_env=False: neither a proxy nor a .netrc of the environment gets to see the token
    with httpx.Client(headers=headers, timeout=60, trust_env=False) as http:
        yield Client(context, http)


def _sent(query: Mapping[str, Value]) -> dict[str, str | int | float | bool]:
    return {name: value for name, value in query.items() if value is not None}


def _refusal(response: httpx.Response) -> Refusal:
    try:
        problem = msgspec.json.decode(response.content, type=Problem)
    except msgspec.MsgspecError:
        problem = Problem(
            "andon.unexpected",
            f"{response.url.host} answered {response.status_code} without saying why.",
            remedy="Is there an Andon at that address?",
        )
    return Refusal(response.status_code, problem)
