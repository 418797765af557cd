"""Everybody: who they are, what they may, whether they have come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from urllib.parse import urlencode

from andon.app.people.pages.asking import refused
from andon.app.people.pages.seen import last_seen
from andon.app.people.pages.words import LIST, Standing, listed, person_address, place, role, standing
from andon.app.people.permission import administers
from andon.kernel.access import Grant, PersonId, Principal, Role
from andon.kernel.access.people import administrators
from andon.kernel.access.roster import Member, place_in_roster, roster
from andon.kernel.db import Reading
from andon.web.http.pages import Handlers, Html, PageContext, page
from andon.web.model import Choice, State
from andon.web.rendering import number, plural
from andon.web.room import Entry
from andon.web.shell import Page, Viewer

SHOWN = 50
NAMED = 3
"""So many administrators are named in the sentence; of more, their number is told."""


class Which(StrEnum):
    """What the list is narrowed to."""

    EVERYBODY = ""
    INVITED = "invited"
    ADMINISTRATORS = "administrators"
    WITHOUT_ROLE = "without-role"
    ERASED = "erased"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    href: str
    name: str
    initials: str
    email: str
    roles: tuple[tuple[str, str], ...]
    """Each as the role and where it holds."""
    standing: Standing
    seen_at: datetime | None
    you: bool
    gone: bool
    """Erased: there is no name any more."""


def listing_pages() -> Handlers:
    @page(LIST)
    def everybody(context: PageContext) -> Html:
        if (instead := refused(context)) is not None:
            return instead
        words = context.query.get("q", "").strip()
        which = _which(context.query.get("which", ""))
        after = context.query.get("after", "")
        with context.database.reading() as reading:
            known = roster(reading)
            joined_administrators = administrators(reading)
            groups = {one: tuple(_in(one, known, joined_administrators)) for one in Which}
            found = [one for one in groups[which] if _matches(one, words)]
            shown = _behind(found, known, after)
            rows = tuple(_row(reading, one, context.principal.person) for one in shown[:SHOWN])
        query = {"q": words, "which": which.value}
        return context.page(
            "people/people.html",
            Page(title="People", sentence=_sentence(which, words, found, groups), wide=True),
            rows=rows,
            total=len(found),
            words=words,
            which=which.value,
            tabs=_tabs(groups, which, words),
            alone=len(groups[Which.EVERYBODY]) == 1 and not words and which is Which.EVERYBODY,
            older=_address(**query, after=shown[SHOWN - 1].person.id) if len(shown) > SHOWN else "",
            newer=_address(**query) if after else "",
        )

    return [everybody]


def people_entries(reading: Reading, principal: Principal) -> Iterable[Entry]:
    """Who can be jumped to, for the palette."""
    if not administers(principal):
        return []
    return [
        Entry(
            one.person.name,
            person_address(one.person.id),
            "person",
            listed([role(grant) for grant in one.person.grants]) if one.person.grants else "no role",
        )
        for one in roster(reading)
        if one.person.erased_at is None
    ]


def _which(text: str) -> Which:
    try:
        return Which(text)
    except ValueError:
        return Which.EVERYBODY


def _in(which: Which, known: Sequence[Member], joined_administrators: frozenset[PersonId]) -> Iterable[Member]:
    if which is Which.ERASED:
        return [one for one in known if one.person.erased_at is not None]
    here = [one for one in known if one.person.erased_at is None]
    match which:
        case Which.EVERYBODY:
            return here
        case Which.INVITED:
            return [one for one in here if not one.person.joined]
        case Which.ADMINISTRATORS:
            return [one for one in here if one.person.id in joined_administrators]
        case Which.WITHOUT_ROLE:
            return [one for one in here if not one.person.grants]


def _matches(one: Member, words: str) -> bool:
    held = " ".join((one.person.name, one.person.email or "", *(role(grant) for grant in one.person.grants)))
    return all(word in held.casefold() for word in words.casefold().split())


def _behind(found: Sequence[Member], known: Sequence[Member], after: str) -> Sequence[Member]:
    """Those that stand behind the one with this id; all for an id that nobody has."""
    last = next((one for one in known if one.person.id == after), None)
    return found if last is None else [one for one in found if place_in_roster(one) > place_in_roster(last)]


def _row(reading: Reading, one: Member, asker: PersonId | None) -> Row:
    return Row(
        href=person_address(one.person.id),
        name=one.person.name,
        initials=Viewer.named(one.person.name).initials,
        email=one.person.email or "",
        roles=tuple((grant.role.value, place(grant)) for grant in _grave_first(one.person.grants)),
        standing=standing(one),
        seen_at=last_seen(reading, one),
        you=one.person.id == asker,
        gone=one.person.erased_at is not None,
    )


def _grave_first(grants: Iterable[Grant]) -> list[Grant]:
    order = list(Role)
    return sorted(grants, key=lambda one: (-order.index(one.role), one.service or "", one.environment or ""))


def _tabs(groups: Mapping[Which, tuple[Member, ...]], chosen: Which, words: str) -> tuple[Choice, ...]:
    labels = {
        Which.EVERYBODY: "Everybody",
        Which.INVITED: "Invited",
        Which.ADMINISTRATORS: "Administrators",
        Which.WITHOUT_ROLE: "Without a role",
        Which.ERASED: "Erased",
    }
    return tuple(
        Choice(
            label,
            _address(q=words, which=which.value),
            count=sum(_matches(one, words) for one in groups[which]),
            current=which is chosen,
        )
        for which, label in labels.items()
        if which is Which.EVERYBODY or groups[which] or which is chosen
    )


def _sentence(which: Which, words: str, found: Sequence[Member], groups: Mapping[Which, tuple[Member, ...]]) -> str:
    if words:
        return f"{plural(len(found), 'person', 'people')} found for “{words}”"
    here = plural(len(found), "person", "people")
    match which:
        case Which.INVITED:
            return _invitations(found) or "No invitation is open"
        case Which.ADMINISTRATORS:
            return _administrators(groups) or "Nobody administers Andon"
        case Which.WITHOUT_ROLE:
            return f"{here} may see nothing yet" if found else "Everybody has a role"
        case Which.ERASED:
            return f"{here} {'was' if len(found) == 1 else 'were'} erased: the record keeps their ids"
        case Which.EVERYBODY:
            parts = (here, _invitations(groups[Which.INVITED]), _administrators(groups))
            return "; ".join(part for part in parts if part)


def _invitations(invited: Sequence[Member]) -> str:
    over = sum(standing(one).state is State.WARN for one in invited)
    still = len(invited) - over
    parts = []
    if still:
        parts.append(f"{plural(still, 'invitation')} {'is' if still == 1 else 'are'} open")
    if over:
        parts.append(f"{number(over)} {'has' if over == 1 else 'have'} run out")
    return ", ".join(parts) if still else f"{plural(over, 'invitation')} ran out" if over else ""


def _administrators(groups: Mapping[Which, tuple[Member, ...]]) -> str:
    names = [one.person.name for one in groups[Which.ADMINISTRATORS]]
    if not names:
        return ""
    if len(names) > NAMED:
        return f"{plural(len(names), 'person', 'people')} administer Andon"
    return f"{listed(names)} {'administers' if len(names) == 1 else 'administer'} Andon"


def _address(**query: str) -> str:
    kept = {name: value for name, value in query.items() if value}
    return f"{LIST}?{urlencode(kept)}" if kept else LIST
