"""Who asks: a session cookie from a browser, a bearer token from a program, Basic with a token from git."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from anyio import to_thread
from litestar.datastructures import Cookie
from litestar.types import Scope

from andon.kernel.access.secret import new_secret
from andon.kernel.access.signing_in import (
    Caller,
    caller_of_session,
    caller_of_token,
    is_use_due,
    note_use,
)
from andon.kernel.db import Database
from andon.kernel.errors import NotAuthenticated, Unavailable
from andon.kernel.settings import Settings
from andon.web.http.visit import Visit, cookies, header, note_visit


@dataclass(frozen=True, slots=True)
class CookieNames:
    """Browsers do not tell ports apart: each installation on a machine needs names of its own."""

    session: str
    visitor: str
    secure: bool

    @classmethod
    def of(cls, settings: Settings) -> CookieNames:
        secure = settings.address.startswith("https://")
        # With this prefix a browser takes the cookie only from this very host and only over TLS.
        prefix = "__Host-" if secure else ""
        mark = settings.web.port
        return cls(f"{prefix}andon-session-{mark}", f"{prefix}andon-visitor-{mark}", secure)

    def make(self, name: str, value: str, seconds: int | None = None) -> Cookie:
        return Cookie(
            key=name,
            value=value,
            max_age=seconds,
            path="/",
            secure=self.secure,
            httponly=True,
            samesite="lax",
        )


class Authentication:
    """Finds out who asks, once a request, and notes it in the scope."""

    def __init__(self, database: Database, names: CookieNames) -> None:
        self._database = database
        self._names = names

    async def note(self, scope: Scope) -> None:
        """Raises :class:`NotAuthenticated` for a wrong token; a session that is over makes a stranger only."""
        visit = Visit()
        note_visit(scope, visit)
        token = _token_in(header(scope, "authorization"))
        if token is not None:
            visit.caller = await to_thread.run_sync(self._by_token, token)
            return
        jar = cookies(scope)
        session = jar.get(self._names.session, "")
        if session:
            visit.caller = await to_thread.run_sync(self._by_session, session)
            if visit.caller is not None:
                visit.by_cookie, visit.seed = True, session
                return
        visit.seed = jar.get(self._names.visitor, "")
        if not visit.seed:
            visit.seed, visit.new_visitor = new_secret(), True

    def _by_token(self, secret: str) -> Caller:
        with self._database.reading() as reading:
            caller = caller_of_token(reading, secret)
            due = is_use_due(reading, caller)
        self._note_use(caller, due)
        return caller

    def _by_session(self, secret: str) -> Caller | None:
        with self._database.reading() as reading:
            try:
                caller = caller_of_session(reading, secret)
            except NotAuthenticated:
                return None
            due = is_use_due(reading, caller)
        self._note_use(caller, due)
        return caller

    def _note_use(self, caller: Caller, due: bool) -> None:
        if not due:
            return
        try:
            with self._database.transaction() as tx:
                note_use(tx, caller)
        except Unavailable:
            return  # reading goes on while the disk is full


def _token_in(authorization: str) -> str | None:
    """The token in an Authorization header; ``None`` without one. Raises :class:`NotAuthenticated`."""
    if not authorization:
        return None
    scheme, _, rest = authorization.partition(" ")
    if scheme.casefold() == "bearer" and rest.strip():
        return rest.strip()
    if scheme.casefold() == "basic":
        try:
            _, colon, password = base64.b64decode(rest, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            colon = password = ""
        if colon and password:
            return password
    raise NotAuthenticated(
        "The Authorization header cannot be understood.",
        remedy="Send `Bearer TOKEN`; git sends any user name with a token as its password.",
    )
