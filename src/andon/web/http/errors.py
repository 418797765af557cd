"""Errors on their way out: a problem document for programs, a page for people, and never a traceback."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import msgspec
from litestar import MediaType, Request, Response
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap, Scope

from andon.kernel.errors import AndonError, NotAuthenticated, TooMany
from andon.kernel.ids import new_id
from andon.web.http.misfit import in_words
from andon.web.http.visit import header

_log = logging.getLogger(__name__)


class Problem(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What every error looks like to a program.

    ``code`` is stable and may be matched on; ``message`` says what happened, ``safe`` what was not touched,
    ``remedy`` what to do next; ``reference`` finds the error in Andon's log.
    """

    code: str
    message: str
    safe: str = ""
    remedy: str = ""
    reference: str = ""
    retry_after: float | None = None


_LITESTAR = {
    400: ("andon.invalid", "This request cannot be understood."),
    401: ("andon.not_authenticated", "Nobody is signed in."),
    403: ("andon.forbidden", "This may not be done."),
    404: ("andon.not_found", "There is nothing at this address."),
    405: ("andon.method_not_allowed", "This cannot be done at this address."),
    413: ("andon.too_large", "The request is larger than is accepted here."),
    415: ("andon.unsupported_media_type", "The request is of a kind that is not accepted here."),
}

ErrorPage = Callable[[Scope, int, Problem], str]
"""Draws the page for a person."""


def problem_of(error: BaseException, scope: Scope) -> tuple[int, Problem]:
    """The status and document for any error; one nobody foresaw is logged under a new reference."""
    if isinstance(error, AndonError):
        problem = Problem(code=error.code, message=error.message, safe=error.safe, remedy=error.remedy)
        if isinstance(error, TooMany):
            problem.retry_after = error.retry_after
        if error.status < 500:
            return error.status, problem
        problem.reference = new_id("err")
        _log.warning("%s: %s", problem.reference, error)
        return error.status, problem
    if isinstance(error, HTTPException) and error.status_code < 500:
        code, message = _LITESTAR.get(error.status_code, ("andon.refused", "This request was refused."))
        return error.status_code, Problem(code=code, message=message, remedy=in_words(error, scope))
    if isinstance(error, RecursionError) and "deserializing" in str(error):
        # how msgspec says that a document has more levels than anybody needs
        code, message = _LITESTAR[400]
        return 400, Problem(code=code, message=message, remedy="Its JSON is nested too deeply.")
    reference = new_id("err")
    _log.error("%s: %s", reference, type(error).__name__, exc_info=error)
    return 500, Problem(
        code="andon.unexpected",
        message="Andon made a mistake of its own.",
        safe="What had been recorded before is untouched; a change under way was not made.",
        remedy="Look for the reference in Andon's log and report it.",
        reference=reference,
    )


def is_for_program(scope: Scope) -> bool:
    """Whether the answer goes to a program: the API, or a client that does not ask for HTML."""
    path = scope["path"]
    return path.startswith("/api/") or path.endswith(".json") or "text/html" not in header(scope, "accept")


def answer(scope: Scope, error: BaseException, draw: ErrorPage) -> Response[bytes]:
    """The response for an error. A person who is not signed in is sent to the door, and back afterwards."""
    status, problem = problem_of(error, scope)
    headers: dict[str, str] = {"cache-control": "no-store"}
    if problem.retry_after is not None:
        headers["retry-after"] = str(max(1, round(problem.retry_after)))
    if is_for_program(scope):
        if status == 401:
            api = scope["path"].startswith("/api/")
            headers["www-authenticate"] = f'{"Bearer" if api else "Basic"} realm="Andon", charset="UTF-8"'
        return Response(
            msgspec.json.encode(problem),
            status_code=status,
            headers=headers,
            media_type="application/problem+json",
        )
    if isinstance(error, NotAuthenticated) and scope.get("method") in {"GET", "HEAD"}:
        return Response(
            b"", status_code=303, headers=headers | {"location": door_for(scope)}, media_type=MediaType.TEXT
        )
    if isinstance(error, HTTPException) and error.headers:
        headers |= {name.lower(): value for name, value in error.headers.items()}
    return Response(
        draw(scope, status, problem).encode(), status_code=status, headers=headers, media_type=MediaType.HTML
    )


def door_for(scope: Scope) -> str:
    """The sign-in page's address with the way back."""
    query = scope.get("query_string", b"").decode("latin-1")
    back = scope["path"] + (f"?{query}" if query else "")
    return "/login" if back == "/" else f"/login?next={quote(back, safe='/')}"


def handlers(draw: ErrorPage) -> ExceptionHandlersMap:
    """What Litestar asks for every kind of error."""

    def handle(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        return answer(request.scope, error, draw)

    return {AndonError: handle, HTTPException: handle, Exception: handle}
