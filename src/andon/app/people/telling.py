"""How people, tokens and roles are told."""

from __future__ import annotations

from andon.kernel.access.contract import (
    UNKNOWN,
    PasswordChanged,
    PersonErased,
    PersonInvited,
    PersonJoined,
    RoleGranted,
    RoleRevoked,
    SignedIn,
    SignedOut,
    SignInFailed,
    TokenCreated,
    TokenRevoked,
)
from andon.kernel.events import Event
from andon.web.model import State
from andon.web.telling import Names, Sentence, Telling


def tell(happened: Event, names: Names) -> Sentence | None:
    match happened:
        case PersonInvited(person=person):
            return Sentence("invited", names.person(person), _events_of(person), icon="user")
        case PersonJoined(person=person):
            return Sentence("joined", icon="user", detail="chose a password", actor=names.person(person))
        case PersonErased(person=person):
            told = "name, address and credentials are removed; the record keeps the id"
            return Sentence("erased", "somebody", _events_of(person), detail=told, icon="user", state=State.WARN)
        case SignedIn():
            return Sentence("signed in", icon="user")
        case SignInFailed(person=person):
            who = "a name that nobody has" if person == UNKNOWN else names.person(person)
            return Sentence("could not sign in as", who, icon="user", state=State.WARN, actor="Somebody")
        case SignedOut(person=person):
            return Sentence("ended a session", "", "", f"of {names.person(person)}", icon="user")
        case PasswordChanged():
            return Sentence("chose a new password", icon="lock", detail="all other sessions ended")
        case TokenCreated():
            return _token(happened)
        case TokenRevoked(token=token, person=person):
            return Sentence(f"revoked a token of {names.person(person)},", _short(token), _about(token), icon="lock")
        case RoleGranted() | RoleRevoked():
            return _role(happened, names)
    return None


def _token(one: TokenCreated) -> Sentence:
    may = (
        "all that its owner may" if one.scopes is None else ", ".join(scope.value for scope in one.scopes) or "nothing"
    )
    where = "" if one.services is None else f" on {', '.join(one.services) or 'no service'}"
    return Sentence("made a token,", _short(one.token), _about(one.token), detail=f"may {may}{where}", icon="lock")


def _role(one: RoleGranted | RoleRevoked, names: Names) -> Sentence:
    where = [part for part in (one.service, one.environment) if part is not None]
    on = f"on {'/'.join(where)}" if where else "on every service"
    verb, joins = ("granted", "the role") if isinstance(one, RoleGranted) else ("took from", "the role")
    return Sentence(
        verb, names.person(one.person), _events_of(one.person), f"{joins} {one.role.value} {on}", icon="shield"
    )


def _events_of(person: str) -> str:
    return f"/record?subject=person%3A{person}"


def _about(token: str) -> str:
    return f"/record?subject=token%3A{token}"


def _short(token: str) -> str:
    """An id's last letters tell it from its neighbours; its first ones are the time."""
    return f"…{token[-6:]}"


TELLING = Telling(tell=tell)
