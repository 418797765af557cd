"""Commands of people, tokens and roles: login, logout, whoami, token, person, role."""

from __future__ import annotations

import platform
import sys
from typing import Annotated
from urllib.parse import quote, urlsplit

import typer

from andon.app.people.views import (
    Invitation,
    InvitationLink,
    NewTokenView,
    PasswordSignIn,
    People,
    RoleView,
    TokenRequest,
    Tokens,
    WhoAmI,
)
from andon.kernel.access.model import Permission, Role
from andon.kernel.errors import Invalid
from andon.web.terminal.asking import ask
from andon.web.terminal.client import Refusal, connect
from andon.web.terminal.contexts import (
    DEFAULT_URL,
    Context,
    config_file,
    forget_context,
    read_contexts,
    save_context,
)
from andon.web.terminal.output import Table, ago, report, say, show, wants_json

_Service = Annotated[str | None, typer.Option("--service", "-s", help="Only on this service.")]
_Environment = Annotated[str | None, typer.Option("--environment", "-e", help="Only on this environment.")]
_Person = Annotated[str, typer.Argument(help="A name, an e-mail address or an id.")]


def add_to(cli: typer.Typer) -> None:
    cli.command()(login)
    cli.command()(logout)
    cli.command()(whoami)
    for name, words, commands in (
        ("token", "Tokens for programs, git and other machines.", (create, list_tokens, revoke)),
        ("person", "Who has an account.", (invite, list_people, erase)),
        ("role", "Who may do what.", (grant, revoke_role)),
    ):
        group = typer.Typer(no_args_is_help=True, help=words)
        for command in commands:
            group.command(_NAMES.get(command.__name__, command.__name__))(command)
        cli.add_typer(group, name=name)


_NAMES = {"list_tokens": "list", "list_people": "list", "revoke_role": "revoke"}


def login(
    url: Annotated[str, typer.Argument(help="Andon's address.")] = DEFAULT_URL,
    name: Annotated[str, typer.Option("--name", help="Your name; asked for when left out.")] = "",
    context: Annotated[str, typer.Option("--context", help="How this machine calls that Andon.")] = "",
    token_stdin: Annotated[bool, typer.Option("--token-stdin", help="Read a token from standard input.")] = False,
) -> None:
    """Sign in to an Andon; its address and a token are kept in your configuration, readable by you only."""
    address = urlsplit(url)
    if address.scheme not in {"http", "https"} or not address.netloc:
        raise Invalid(f"{url!r} is not an address.", remedy="Write http://HOST:PORT or https://HOST.")
    context = context or address.netloc
    if token_stdin:
        token = sys.stdin.readline().strip()
    else:
        name = name or typer.prompt("Name")
        password = typer.prompt("Password", hide_input=True)
        with connect(Context(url.rstrip("/"), "", "the command")) as andon:
            wanted = PasswordSignIn(name=name, password=password, label=f"command line on {platform.node()}")
            token = andon.post("/sign-in", NewTokenView, wanted).secret
    with connect(Context(url.rstrip("/"), token, "the command")) as andon:
        me = andon.get("/me", WhoAmI)
    save_context(context, url, token)
    say(f"You are {me.name} at {url}. The token is in {config_file()}.", value=me)


def logout(context: Annotated[str, typer.Option("--context", help="Which one, if not the current.")] = "") -> None:
    """Revoke this machine's token and forget it."""
    saved = read_contexts()
    name = context or saved.current
    if name not in saved.contexts:
        raise Invalid("This machine is not signed in.", remedy="`andon login URL` signs in.")
    try:
        with connect(saved.contexts[name]) as andon:
            andon.delete("/tokens/this")
    except Refusal as error:
        # wrong or expired by now: what is left to do is to forget it
        report(error.message, remedy="The token is forgotten here.", code=error.problem.code)
    forget_context(name)
    say(f"Signed out of {saved.contexts[name].url}.", value={"context": name})


def whoami() -> None:
    """Who asks, at which Andon, and what they may do."""
    with connect() as andon:
        me = andon.get("/me", WhoAmI)
        where = andon.context
    say(f"{me.name} ({me.actor}) at {where.url}, by {where.source}", value=me)
    _show_roles(me)


def _show_roles(me: WhoAmI) -> None:
    if wants_json():
        return
    table = Table("role", "service", "environment", empty="No role yet: an administrator grants one.")
    show(me, table, [(one.role, one.service or "all", one.environment or "all") for one in me.roles])


def create(
    label: Annotated[str, typer.Argument(help="What it is for.")],
    scope: Annotated[
        list[Permission] | None, typer.Option("--scope", help="It may only do this; may be repeated.")
    ] = None,
    service: Annotated[
        list[str] | None, typer.Option("--service", "-s", help="Only on this service; may be repeated.")
    ] = None,
    days: Annotated[float, typer.Option("--days", help="Days until it expires.")] = 90,
    never_expires: Annotated[bool, typer.Option("--never-expires")] = False,
) -> None:
    """Make a token that acts for you. It is shown this once."""
    wanted = TokenRequest(
        label=label, scopes=scope or None, services=service or None, days=None if never_expires else days
    )
    with connect() as andon:
        made = andon.post("/tokens", NewTokenView, wanted)
    say(made.secret, value=made)


def list_tokens() -> None:
    """Your tokens."""
    with connect() as andon:
        mine = andon.get("/tokens", Tokens)
    table = Table("label", "begins with", "may", "on", "used", "expires", empty="You have no tokens.")
    show(
        mine,
        table,
        [
            (
                one.label,
                one.prefix,
                "all you may" if one.scopes is None else ", ".join(one.scopes),
                "every service" if one.services is None else ", ".join(one.services),
                ago(one.used_at),
                ago(one.expires_at),
            )
            for one in mine.tokens
        ],
    )


def revoke(token: Annotated[str, typer.Argument(help="Its id, or how it begins.")]) -> None:
    """Revoke a token."""
    with connect() as andon:
        andon.delete(f"/tokens/{_segment(token)}")
    say("The token is revoked.", value={"revoked": token})


def invite(
    name: Annotated[str, typer.Argument(help="The name that colleagues know.")],
    email: Annotated[str | None, typer.Option("--email")] = None,
    role: Annotated[Role | None, typer.Option("--role", help="A first role.")] = None,
    service: _Service = None,
    environment: _Environment = None,
) -> None:
    """Make a person known; prints the one-time link by which they choose a password."""
    roles = [] if role is None else [RoleView(role=role, service=service, environment=environment)]
    with connect() as andon:
        link = andon.post("/people", InvitationLink, Invitation(name=name, email=email, roles=roles))
    say(f"Hand this link to {name}; it works once, for seven days:\n{link.link}", value=link)


def list_people() -> None:
    """Everybody with their roles."""
    with connect() as andon:
        found = andon.get("/people", People)
    table = Table("name", "e-mail", "state", "roles", "id", empty="Nobody yet.")
    show(
        found,
        table,
        [
            (
                one.name,
                one.email,
                "erased" if one.erased else "joined" if one.joined else "invited",
                ", ".join(_role(role) for role in one.roles),
                one.id,
            )
            for one in found.people
        ],
    )


def erase(person: _Person, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Remove a person's name, address and credentials for good; the record keeps the id."""
    if not yes:
        ask(f"Erase {person}? This cannot be undone.")
    with connect() as andon:
        andon.delete(f"/people/{_segment(person)}")
    say("The person is erased.", value={"erased": person})


def grant(person: _Person, role: Role, service: _Service = None, environment: _Environment = None) -> None:
    """Grant a role, everywhere or on a service and environment."""
    wanted = RoleView(role=role, service=service, environment=environment)
    with connect() as andon:
        given = andon.post(f"/people/{_segment(person)}/roles", RoleView, wanted)
    say(f"{person} is {_role(given)}.", value=given)


def revoke_role(person: _Person, role: Role, service: _Service = None, environment: _Environment = None) -> None:
    """Take a role away."""
    wanted = RoleView(role=role, service=service, environment=environment)
    with connect() as andon:
        taken = andon.post(f"/people/{_segment(person)}/roles/revoke", RoleView, wanted)
    say(f"{person} is no longer {_role(taken)}.", value=taken)


def _role(one: RoleView) -> str:
    place = "/".join(part for part in (one.service, one.environment) if part)
    return f"{one.role}{f' on {place}' if place else ''}"


def _segment(text: str) -> str:
    return quote(text, safe="")
