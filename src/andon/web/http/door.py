"""Signing in and out, the first administrator, invitations, and one's own account."""

from __future__ import annotations

from andon.kernel.access import Permission, people, signing_in, tokens
from andon.kernel.access.passwords import Passwords
from andon.kernel.access.people import Purpose
from andon.kernel.access.signing_in import NewSession
from andon.kernel.errors import AndonError, Forbidden, Invalid, NotAuthenticated
from andon.kernel.settings import Settings
from andon.web.http.authentication import CookieNames
from andon.web.http.pages import Handlers, Html, PageContext, Visitor, deed, page
from andon.web.http.visit import header
from andon.web.shell import Page

_SIGN_IN = Page(title="Sign in", sentence="Sign in")
_WELCOME = Page(title="Welcome", sentence="Welcome to Andon", lede="Make the first account: it administers everything.")


class Door:
    """What the door's handlers share."""

    def __init__(self, settings: Settings, names: CookieNames, passwords: Passwords) -> None:
        self.names = names
        self.passwords = passwords
        self.hours = settings.web.session_hours

    def let_in(self, visitor: Visitor, session: NewSession, to: str) -> Html:
        """Go on with the session's cookie; the visitor's own has done its work."""
        response = visitor.go(to)
        response.set_cookie(self.names.make(self.names.session, session.secret, seconds=round(self.hours * 3600)))
        response.set_cookie(self.names.make(self.names.visitor, "", seconds=0))
        return response

    def sign_in(self, visitor: Visitor, name: str, password: str) -> NewSession | None:
        """``None`` for a wrong name or password. Raises :class:`~andon.kernel.errors.TooMany`."""
        with visitor.database.transaction() as tx:
            attempt = signing_in.begin_sign_in(tx, name, visitor.address)
        matched = attempt.matches(password, self.passwords)
        with visitor.database.transaction() as tx:
            return signing_in.finish_sign_in(
                tx, attempt, matched, agent=header(visitor.scope, "user-agent"), hours=self.hours
            )


def door_handlers(door: Door) -> Handlers:
    return [*_signing_in(door), *_joining(door), *_account(door)]


def _signing_in(door: Door) -> Handlers:
    @page("/login")
    def login(visitor: Visitor) -> Html:
        if visitor.caller is not None:
            return visitor.go(visitor.query.get("next", "/"))
        return visitor.bare("web/login.html", _SIGN_IN, error="", name="", next=visitor.query.get("next", "/"))

    @deed("/login")
    def sign_in(visitor: Visitor) -> Html:
        name, to = visitor.form.get("name", ""), visitor.form.get("next", "/")
        try:
            session = door.sign_in(visitor, name, visitor.form.get("password", ""))
        except AndonError as error:
            return visitor.bare("web/login.html", _SIGN_IN, status=error.status, error=str(error), name=name, next=to)
        if session is None:
            return visitor.bare(
                "web/login.html",
                _SIGN_IN,
                status=401,
                error="The name or the password is wrong.",
                name=name,
                next=to,
            )
        return door.let_in(visitor, session, to)

    @deed("/logout")
    def logout(context: PageContext) -> Html:
        if context.caller.session is not None:
            with context.database.transaction() as tx:
                signing_in.sign_out(tx, context.caller.session, by=context.principal.actor)
        response = context.go("/login")
        response.set_cookie(door.names.make(door.names.session, "", seconds=0))
        response.headers["clear-site-data"] = '"cache"'  # what the back button would still show
        return response

    return [login, sign_in, logout]


def _joining(door: Door) -> Handlers:
    """The one-time links: ``/welcome?token=…`` for the first administrator and for whoever was invited."""

    def form(visitor: Visitor, secret: str, errors: dict[str, str], status: int = 200) -> Html:
        answer = drawn(visitor, secret, errors, status)
        answer.headers["cache-control"] = "no-store"  # the secret stands in its address and in its form
        return answer

    def drawn(visitor: Visitor, secret: str, errors: dict[str, str], status: int) -> Html:
        with visitor.database.reading() as reading:
            link = people.find_link(reading, secret)
        if link.purpose is Purpose.FIRST_ADMINISTRATOR:
            return visitor.bare(
                "web/welcome.html",
                _WELCOME,
                status=status,
                token=secret,
                name=visitor.form.get("name", ""),
                errors=errors,
            )
        return visitor.bare(
            "web/invitation.html",
            Page(title="Welcome", sentence=f"Welcome, {link.name}", lede="Choose a password to sign in with."),
            status=status,
            token=secret,
            name=link.name,
            errors=errors,
        )

    @page("/welcome")
    def welcome(visitor: Visitor) -> Html:
        return form(visitor, visitor.query.get("token", ""), {})

    @deed("/welcome")
    def join(visitor: Visitor) -> Html:
        secret, password = visitor.form.get("token", ""), visitor.form.get("password", "")
        with visitor.database.reading() as reading:
            link = people.find_link(reading, secret)
        name = link.name or visitor.form.get("name", "")
        if password != visitor.form.get("again", ""):
            return form(visitor, secret, {"again": "The two passwords differ."}, 400)
        try:
            hashed = people.prepare_password(password, name, door.passwords)
        except Invalid as error:
            return form(visitor, secret, {"password": str(error)}, error.status)
        try:
            with visitor.database.transaction() as tx:
                person = (
                    people.create_first_administrator(tx, secret, name=name, password_hash=hashed)
                    if link.purpose is Purpose.FIRST_ADMINISTRATOR
                    else people.accept_invitation(tx, secret, password_hash=hashed)
                )
                session = signing_in.open_session(
                    tx, person, agent=header(visitor.scope, "user-agent"), hours=door.hours
                )
        except AndonError as error:
            return form(visitor, secret, {"name": str(error)}, error.status)
        return door.let_in(visitor, session, "/")

    return [welcome, join]


def _account(door: Door) -> Handlers:
    def own(context: PageContext, *, made: str = "", error: str = "", done: str = "", status: int = 200) -> Html:
        person = context.principal.person
        if person is None or context.caller.session is None:
            raise Forbidden("An account's page is for people.", remedy="Sign in to the console.")
        with context.database.reading() as reading:
            mine = tokens.tokens_of(reading, person)
            open_sessions = signing_in.sessions_of(reading, person)
        return context.page(
            "web/account.html",
            Page(title="Your account", sentence=f"You are {context.caller.name}"),
            status=status,
            tokens=mine,
            sessions=open_sessions,
            grants=context.principal.grants,
            this_session=context.caller.session,
            scopes=tuple(Permission),
            made=made,
            error=error,
            done=done,
        )

    @page("/account")
    def account(context: PageContext) -> Html:
        return own(context)

    @deed("/account/tokens")
    def make_token(context: PageContext) -> Html:
        wanted = context.all("scope")
        services = context.form.get("services", "").replace(",", " ").split()
        days = context.form.get("days", "90").strip()
        try:
            with context.database.transaction() as tx:
                made = tokens.create_token(
                    tx,
                    context.principal,
                    label=context.form.get("label", ""),
                    scopes=[_permission(one) for one in wanted] or None,
                    services=services or None,
                    days=None if days == "never" else _number(days),
                )
        except Invalid as error:
            return own(context, error=str(error), status=error.status)
        # shown in the answer itself, once: an address with a secret would stay in histories and logs
        return own(context, made=made.secret)

    @deed("/account/tokens/{token:str}/revoke")
    def revoke_token(context: PageContext, token: str) -> Html:
        with context.database.transaction() as tx:
            tokens.revoke_token(tx, context.principal, token)
        return context.go("/account")

    @deed("/account/sessions/{session:str}/end")
    def end_session(context: PageContext, session: str) -> Html:
        with context.database.transaction() as tx:
            person = context.principal.person
            if person is not None and any(one.id == session for one in signing_in.sessions_of(tx, person)):
                signing_in.sign_out(tx, session, by=context.principal.actor)
        return context.go("/account")

    @deed("/account/password")
    def change_password(context: PageContext) -> Html:
        person = context.principal.person
        if person is None or context.caller.session is None:
            raise NotAuthenticated("Only somebody signed in changes a password.", remedy="Sign in first.")
        if context.form.get("password", "") != context.form.get("again", ""):
            return own(context, error="The two new passwords differ.", status=400)
        with context.database.transaction() as tx:
            attempt = signing_in.begin_sign_in(tx, context.caller.name, context.address)
        if not attempt.matches(context.form.get("current", ""), door.passwords):
            return own(context, error="The current password is wrong.", status=400)
        try:
            hashed = people.prepare_password(context.form.get("password", ""), context.caller.name, door.passwords)
        except Invalid as error:
            return own(context, error=str(error), status=error.status)
        with context.database.transaction() as tx:
            people.change_password(tx, person, hashed, keep=context.caller.session)
            signing_in.forget_attempt(tx, attempt)
        return own(context, done="Your password is changed; other sessions have ended.")

    return [account, make_token, revoke_token, end_session, change_password]


def _permission(text: str) -> Permission:
    try:
        return Permission(text)
    except ValueError:
        raise Invalid(f"There is no scope {text!r}.", remedy="Choose from those shown.") from None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise Invalid(f"{text!r} is not a number of days.", remedy="Write a number or never.") from None
