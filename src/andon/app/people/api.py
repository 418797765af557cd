"""The API of people, tokens and roles."""

from __future__ import annotations

from andon.app.people.links import welcome_address
from andon.app.people.permission import require_administration
from andon.app.people.views import (
    Invitation,
    InvitationLink,
    NewTokenView,
    PasswordSignIn,
    People,
    PersonView,
    RoleView,
    TokenRequest,
    Tokens,
    TokenView,
    WhoAmI,
)
from andon.kernel.access import people, signing_in, tokens
from andon.kernel.access.passwords import Passwords
from andon.kernel.access.people import NewLink
from andon.kernel.errors import NotAuthenticated
from andon.kernel.settings import Settings
from andon.web.http import api
from andon.web.http.api import Call, Handlers, OpenCall


def people_routes(settings: Settings, passwords: Passwords) -> Handlers:
    return [*_tokens(passwords), *_people(settings)]


def _tokens(passwords: Passwords) -> Handlers:
    @api.get("/me")
    def who_am_i(call: Call) -> WhoAmI:
        """Whoever asks, and what they may do."""
        return WhoAmI.of(call.caller)

    @api.post("/sign-in", status=201, security=[])
    def sign_in_for_token(open_call: OpenCall, data: PasswordSignIn) -> NewTokenView:
        """Exchange a name and password for a token, as the command line does."""
        with open_call.database.transaction() as tx:
            attempt = signing_in.begin_sign_in(tx, data.name, open_call.address)
        matched = attempt.matches(data.password, passwords)
        with open_call.database.transaction() as tx:
            session = signing_in.finish_sign_in(tx, attempt, matched, agent=open_call.agent, hours=1)
            made = None
            if session is not None:
                # the session was only needed to become somebody who may make a token
                caller = signing_in.caller_of_session(tx, session.secret)
                made = tokens.create_token(tx, caller.principal, label=data.label, days=data.days)
                signing_in.sign_out(tx, session.id, by=caller.principal.actor)
        if made is None:
            raise NotAuthenticated("The name or the password is wrong.", safe="No token was made.", remedy="Try again.")
        return NewTokenView.of(made)

    @api.get("/tokens")
    def list_tokens(call: Call) -> Tokens:
        """Your own tokens, newest first."""
        if call.principal.person is None:
            return Tokens(tokens=[])
        with call.database.reading() as reading:
            return Tokens(tokens=[TokenView.of(one) for one in tokens.tokens_of(reading, call.principal.person)])

    @api.post("/tokens", status=201)
    def create_token(call: Call, data: TokenRequest) -> NewTokenView:
        """Make a token that acts for you; its secret is shown this once."""
        with call.database.transaction() as tx:
            made = tokens.create_token(
                tx,
                call.principal,
                label=data.label,
                scopes=data.scopes,
                services=data.services,
                days=data.days,
            )
        return NewTokenView.of(made)

    @api.delete("/tokens/{token:str}")
    def revoke_token(call: Call, token: str) -> None:
        """Revoke a token by its id or by how it begins; `this` is the one you ask with."""
        with call.database.transaction() as tx:
            wanted = call.caller.token if token == "this" and call.caller.token else token  # noqa: S105 - a word
            tokens.revoke_token(tx, call.principal, wanted)

    return [who_am_i, sign_in_for_token, list_tokens, create_token, revoke_token]


def _people(settings: Settings) -> Handlers:
    def link_view(link: NewLink) -> InvitationLink:
        return InvitationLink(
            person=link.person or "",
            link=welcome_address(settings, link),
            expires_at=link.expires_at,
        )

    @api.get("/people")
    def list_people(call: Call) -> People:
        """Everybody who has or had an account, with their roles."""
        require_administration(call.principal)
        with call.database.reading() as reading:
            return People(people=[PersonView.of(one) for one in people.all_people(reading)])

    @api.post("/people", status=201)
    def invite_person(call: Call, data: Invitation) -> InvitationLink:
        """Make a person known; answers the one-time link by which they choose a password."""
        require_administration(call.principal)
        with call.database.transaction() as tx:
            link = people.invite(
                tx,
                name=data.name,
                email=data.email,
                roles=[one.grant() for one in data.roles],
                by=call.principal.actor,
            )
        return link_view(link)

    @api.post("/people/{person:str}/invite", status=201)
    def invite_person_again(call: Call, person: str) -> InvitationLink:
        """A new one-time link for somebody who lost theirs or their password."""
        require_administration(call.principal)
        with call.database.transaction() as tx:
            link = people.invite_again(tx, people.find_person(tx, person), by=call.principal.actor)
        return link_view(link)

    @api.delete("/people/{person:str}")
    def erase_person(call: Call, person: str) -> None:
        """Remove a person's name, address and credentials for good; the record keeps the id."""
        require_administration(call.principal)
        with call.database.transaction() as tx:
            people.erase_person(tx, people.find_person(tx, person), by=call.principal.actor)

    @api.get("/people/{person:str}/tokens")
    def list_tokens_of_person(call: Call, person: str) -> Tokens:
        """Somebody's tokens, newest first; `DELETE /tokens/{token}` with an id revokes one."""
        require_administration(call.principal)
        with call.database.reading() as reading:
            found = tokens.tokens_of(reading, people.find_person(reading, person))
        return Tokens(tokens=[TokenView.of(one) for one in found])

    @api.post("/people/{person:str}/roles", status=201)
    def grant_role(call: Call, person: str, data: RoleView) -> RoleView:
        """Grant a role; again does nothing."""
        require_administration(call.principal)
        with call.database.transaction() as tx:
            people.grant_role(tx, people.find_person(tx, person), data.grant(), by=call.principal.actor)
        return data

    @api.post("/people/{person:str}/roles/revoke")
    def revoke_role(call: Call, person: str, data: RoleView) -> RoleView:
        """Take a role away."""
        require_administration(call.principal)
        with call.database.transaction() as tx:
            people.revoke_role(tx, people.find_person(tx, person), data.grant(), by=call.principal.actor)
        return data

    return [
        list_people,
        invite_person,
        invite_person_again,
        erase_person,
        list_tokens_of_person,
        grant_role,
        revoke_role,
    ]
