"""Who is at the door, and what is let out to them: a flag decides, visitor by visitor.

In Andon's sandboxes `andon_flags` is there without being packaged, and finds its flags by itself. Without it, or where
there is no such flag, the shop is as it was before.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

from store.server import Handler, Request, Response

try:
    from andon_flags import flags
except ImportError:  # started by hand
    flags = None  # type: ignore[assignment] # there is nobody to ask

_YEAR = 365 * 24 * 3600
_COOKIE = re.compile(r"(?:^|;\s*)visitor=([0-9a-f]{32})(?:;|$)")


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody, known by a random number in a cookie and by nothing else."""

    number: str
    headers: tuple[tuple[str, str], ...] = ()
    """What gives them their cookie; nothing for those who have one."""

    def gets_new_checkout(self) -> bool:
        """Whether the flag `new-checkout` is on for them. The same visitor gets the same answer from every copy."""
        return flags is not None and flags.boolean("new-checkout", {"targetingKey": self.number}, default=False)


def recognise(request: Request) -> Visitor:
    """The visitor who sent it; a new one if they have no cookie, or something else in its place."""
    if known := _COOKIE.search(request.headers.get("cookie", "")):
        return Visitor(known[1])
    number = secrets.token_hex(16)
    return Visitor(number, (("Set-Cookie", f"visitor={number}; Path=/; Max-Age={_YEAR}; HttpOnly; SameSite=Lax"),))


def telling(answer: Handler) -> Handler:
    """The same, and how each request ends is told: so Andon can compare those who get a variant with the others."""
    if flags is None:
        return answer

    def _told(request: Request) -> Response:
        with flags.outcome() as it:
            response = answer(request)
            if response.status >= 500:
                it.failed()
        return response

    return _told
