"""Errors that tell the reader what happened, what is safe, and what to do next.

Every error a user can meet derives from :class:`AndonError`. The edges map it once: HTTP status for the
web, exit code for the terminal. Services raise these; they never return error codes.
"""

from __future__ import annotations

from typing import ClassVar


class AndonError(Exception):
    """A business error with a meaning.

    ``message`` says what happened, ``safe`` what has not been touched (may be empty), ``remedy`` what to do
    next. ``code`` is a stable dotted word that clients may match on.
    """

    code: ClassVar[str] = "andon.error"
    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, remedy: str = "", safe: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.safe = safe

    def __str__(self) -> str:
        return " ".join(part for part in (self.message, self.safe, self.remedy) if part)


class Invalid(AndonError):
    """The request cannot be understood or breaks a rule; nothing was changed."""

    code = "andon.invalid"
    status = 400
    exit_code = 2


class NotAuthenticated(AndonError):
    """Nobody is signed in, or the token or session is wrong or has expired."""

    code = "andon.not_authenticated"
    status = 401
    exit_code = 4


class Forbidden(AndonError):
    """Who asks is known, and may not do this."""

    code = "andon.forbidden"
    status = 403
    exit_code = 4


class NotFound(AndonError):
    """There is no such thing, or the asker may not know of it."""

    code = "andon.not_found"
    status = 404
    exit_code = 3


class Conflict(AndonError):
    """The thing is in a state in which this cannot be done."""

    code = "andon.conflict"
    status = 409
    exit_code = 5


class TooMany(AndonError):
    """A limit on how often something may be tried; ``retry_after`` is in seconds."""

    code = "andon.too_many"
    status = 429
    exit_code = 6

    def __init__(self, message: str, *, retry_after: float, remedy: str = "", safe: str = "") -> None:
        super().__init__(message, remedy=remedy, safe=safe)
        self.retry_after = retry_after


class Unavailable(AndonError):
    """Something Andon needs does not answer or is full; trying again later may work."""

    code = "andon.unavailable"
    status = 503
    exit_code = 7


class Missing(AndonError):
    """The machine lacks something Andon needs; ``andon doctor`` tells how to mend it."""

    code = "andon.missing"
    status = 500
    exit_code = 8
