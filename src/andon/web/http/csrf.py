"""Forms are answered only when they came from a page of ours.

A browser sends the session cookie along whoever wrote the page, so a change asked for by cookie must also
bring a token that only our pages know: derived from the session's own secret, it needs no storage and ends
with the session. Requests that bring a bearer token are sent by no browser on its own and need none.
"""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import parse_qs

from litestar.enums import ScopeType
from litestar.types import HTTPRequestEvent, Receive, ReceiveMessage, Scope

from andon.kernel.errors import AndonError, Forbidden
from andon.web.http.visit import header, visit_of

FIELD = "_csrf_token"
HEADER = "x-csrf-token"
LARGEST_FORM = 1024 * 1024
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class WrongPage(Forbidden):
    """The form does not belong to the session that sends it."""

    code = "andon.wrong_page"


class TooLarge(AndonError):
    """More was sent than is accepted here."""

    code = "andon.too_large"
    status = 413


def token_for(seed: str) -> str:
    """The token that pages of this session (or, before signing in, of this visitor) carry."""
    return hmac.new(seed.encode("utf-8", "surrogatepass"), b"andon csrf", hashlib.sha256).hexdigest()


async def checked(scope: Scope, receive: Receive) -> Receive:
    """Let a change by cookie through only with its token; answers how to read the body from then on.

    Raises :class:`WrongPage`, :class:`TooLarge`.
    """
    visit = visit_of(scope)
    if scope["type"] != ScopeType.HTTP or scope["method"] in SAFE or not _is_ambient(scope):
        return receive
    given = header(scope, HEADER)
    if not given and header(scope, "content-type").startswith("application/x-www-form-urlencoded"):
        body = await _whole(receive)
        receive = _again(body, receive)
        fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=1000)
        given = fields.get(FIELD, [""])[0]
    if not hmac.compare_digest(given.encode("utf-8", "surrogatepass"), token_for(visit.seed).encode()):
        raise WrongPage(
            "This form is out of date: its page was opened before you signed in or out.",
            safe="Nothing was changed.",
            remedy="Go back, load the page again and repeat it.",
        )
    return receive


def _is_ambient(scope: Scope) -> bool:
    visit = visit_of(scope)
    # Before signing in nobody has anything to abuse, except at the door itself: a stranger's page must not
    # sign its reader in as somebody else.
    return visit.by_cookie or (visit.caller is None and not scope["path"].startswith("/api/"))


async def _whole(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b""
        size += len(message["body"])
        if size > LARGEST_FORM:
            raise TooLarge(
                "This form is larger than one megabyte.", safe="Nothing was changed.", remedy="Send less at once."
            )
        parts.append(message["body"])
        if not message.get("more_body", False):
            return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    handed_out = False

    async def read() -> ReceiveMessage:
        nonlocal handed_out
        if handed_out:
            return await receive()
        handed_out = True
        return HTTPRequestEvent(type="http.request", body=body, more_body=False)

    return read
