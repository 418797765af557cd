"""What is known of a request before any handler sees it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie

from litestar.types import Scope

from andon.kernel.access.signing_in import Caller
from andon.kernel.ids import new_id

_KEY = "andon.visit"


@dataclass(slots=True)
class Visit:
    """``seed`` is the secret that the CSRF token is derived from: the session's, or a visitor cookie's."""

    caller: Caller | None = None
    by_cookie: bool = False
    seed: str = field(default="", repr=False)
    new_visitor: bool = False
    reference: str = field(default_factory=lambda: new_id("req"))


def visit_of(scope: Scope) -> Visit:
    """The request's visit; a nameless one where none was noted (a scope that came past the door)."""
    found = scope.get("state", {}).get(_KEY)
    return found if isinstance(found, Visit) else Visit()


def note_visit(scope: Scope, visit: Visit) -> None:
    scope.setdefault("state", {})[_KEY] = visit


def caller_of(scope: Scope) -> Caller | None:
    """Whoever asks, for handlers that speak plain ASGI; ``None`` for somebody who did not sign in."""
    return visit_of(scope).caller


def header(scope: Scope, name: str) -> str:
    """A header's first value, or "". ``name`` in lower case."""
    return next(_values(scope, name.encode()), "")


def headers(scope: Scope, name: str) -> list[str]:
    return list(_values(scope, name.encode()))


def cookies(scope: Scope) -> Mapping[str, str]:
    """All cookies; what cannot be read counts as none."""
    found: dict[str, str] = {}
    for line in headers(scope, "cookie"):
        for part in line.split(";"):
            try:
                jar = SimpleCookie(part.strip())
            except CookieError:
                continue
            found.update({name: morsel.value for name, morsel in jar.items()})
    return found


def address_of(scope: Scope) -> str:
    """The network address of whoever is connected; a proxy's own where one stands between."""
    client = scope.get("client")
    return client[0] if client else "local"


def _values(scope: Scope, name: bytes) -> Iterator[str]:
    return (value.decode("latin-1") for key, value in scope["headers"] if key == name)
