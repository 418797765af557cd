"""One person: what they may and by whom, what acts for them, what happened; and what can be done about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from andon.app.people.pages.asking import refused
from andon.app.people.pages.places import Offered, PlacesOf, grant_in
from andon.app.people.pages.recorded import granted, history, newest_change, role_fields, undoable
from andon.app.people.pages.seen import last_seen
from andon.app.people.pages.words import LIST, MAY, Standing, listed, person_address, place, role, standing
from andon.app.people.permission import require_administration
from andon.kernel.access import Grant, Role, people, tokens
from andon.kernel.access.roster import Member, member
from andon.kernel.access.tokens import Token
from andon.kernel.db import Reading
from andon.kernel.errors import AndonError, Conflict, Invalid, NotFound
from andon.web.http.pages import Handlers, Html, PageContext, deed, page
from andon.web.model import EventLine, Fact, State
from andon.web.shell import Action, Crumb, Page
from andon.web.telling import RECORD

Drawing = Callable[[PageContext, str, AndonError | None], Html]
ONE = f"{LIST}/{{person:str}}"
TOLD = 3
"""So many roles stand in the sentence; of more, their number does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A role somebody has."""

    role: str
    place: str
    may: str
    who: str
    """Who granted it; empty where the record does not tell."""
    at: datetime | None
    event: str
    """The address of the event that granted it."""
    missing: str
    """What it is granted on and does not exist (yet)."""
    revoke: Action


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Everything on the page."""

    member: Member
    standing: Standing
    seen_at: datetime | None
    you: bool
    held: tuple[Held, ...]
    tokens: tuple[tuple[Token, Action], ...]
    events: tuple[EventLine, ...]
    did: str
    """The address of what they did."""
    about: str
    """The address of what happened to their account."""
    facts: tuple[Fact, ...]
    offered: Offered
    href: str
    invite: Action
    erase: Action
    undo: tuple[str, Action] | None

    @property
    def gone(self) -> bool:
        return self.member.person.erased_at is not None


def person_pages(places: PlacesOf) -> Handlers:
    def gather(context: PageContext, person: str) -> Shown:
        asker = context.principal.person
        with context.database.reading() as reading:
            one = member(reading, person)
            seen, known = last_seen(reading, one), places(reading)
            last = people.administrators(reading) == {one.person.id}
            return Shown(
                member=one,
                standing=standing(one),
                seen_at=seen,
                you=one.person.id == asker,
                held=_held(context, reading, one, known, last=last),
                tokens=tuple((token, _revoke(one, token)) for token in tokens.tokens_of(reading, one.person.id)),
                events=context.told(reading, history(reading, one.person.id)),
                did=f"{RECORD}?person={one.person.id}",
                about=f"{RECORD}?subject=person%3A{one.person.id}",
                facts=_facts(one, seen),
                offered=Offered.of(known),
                href=person_address(one.person.id),
                invite=_invite(one),
                erase=_erase(one, last=last),
                undo=undoable(reading, context.query.get("done", ""), one, asker),
            )

    def draw(context: PageContext, person: str, error: AndonError | None = None) -> Html:
        shown = gather(context, person)
        here = shown.member.person.joined
        return context.page(
            "people/person.html",
            Page(
                title=shown.member.person.name,
                sentence=_sentence(shown),
                crumbs=(Crumb("People", LIST),),
                state=None if here else shown.standing.state,
                word=shown.standing.word,
            ),
            status=200 if error is None else error.status,
            shown=shown,
            error=error,
            typed=context.form,
            may=MAY,
        )

    @page(ONE)
    def show(context: PageContext, person: str) -> Html:
        return refused(context) or draw(context, person)

    return [show, *_role_deeds(draw), *_other_deeds()]


def _role_deeds(draw: Drawing) -> Handlers:
    @deed(f"{ONE}/roles")
    def grant_role(context: PageContext, person: str) -> Html:
        require_administration(context.principal)
        try:
            wanted = grant_in(context.form)
            if wanted is None:
                raise Invalid("No role was chosen.", safe="Nothing was changed.", remedy="Choose one.")
            with context.database.transaction() as tx:
                one = member(tx, person).person
                if wanted in one.grants:
                    raise Conflict(
                        f"{one.name} is {role(wanted)} already.", safe="Nothing was changed.", remedy="Choose another."
                    )
                people.grant_role(tx, one.id, wanted, by=context.principal.actor)
                done = newest_change(tx, one.id, wanted)
        except (Invalid, Conflict) as error:
            return draw(context, person, error)
        return context.go(f"{person_address(one.id)}?done={done}")

    @deed(f"{ONE}/roles/revoke")
    def revoke_role(context: PageContext, person: str) -> Html:
        require_administration(context.principal)
        wanted = grant_in(context.form)
        if wanted is None:
            raise Invalid("No role was chosen.", safe="Nothing was changed.", remedy="Go back and choose one.")
        with context.database.transaction() as tx:
            one = member(tx, person).person
            if _gives_up_oneself(wanted, you=one.id == context.principal.person):
                _confirmed(context, wanted.role.value)
            people.revoke_role(tx, one.id, wanted, by=context.principal.actor)
            done = newest_change(tx, one.id, wanted)
        return context.go(f"{person_address(one.id)}?done={done}")

    return [grant_role, revoke_role]


def _other_deeds() -> Handlers:
    @deed(f"{ONE}/tokens/{{token:str}}/revoke")
    def revoke_token(context: PageContext, person: str, token: str) -> Html:
        require_administration(context.principal)
        with context.database.transaction() as tx:
            one = member(tx, person).person
            own = next((each for each in tokens.tokens_of(tx, one.id) if each.id == token), None)
            if own is None:
                raise NotFound("This token is gone already.", remedy="Look at those that are left.")
            _confirmed(context, own.label)
            tokens.revoke_token(tx, context.principal, own.id)
        return context.go(f"{person_address(one.id)}#tokens")

    @deed(f"{ONE}/erase")
    def erase(context: PageContext, person: str) -> Html:
        require_administration(context.principal)
        with context.database.transaction() as tx:
            one = member(tx, person).person
            _confirmed(context, one.name)
            people.erase_person(tx, one.id, by=context.principal.actor)
        return context.go(person_address(one.id))

    return [revoke_token, erase]


def _held(
    context: PageContext, reading: Reading, one: Member, known: Mapping[str, tuple[str, ...]], *, last: bool
) -> tuple[Held, ...]:
    by = granted(reading, one.person.id)
    told = dict(zip(by, context.told(reading, by.values()), strict=True))
    you = one.person.id == context.principal.person
    order = list(Role)
    found = []
    for grant in sorted(one.person.grants, key=lambda each: -order.index(each.role)):
        line = told.get(grant)
        found.append(
            Held(
                role=grant.role.value.capitalize(),
                place=place(grant),
                may=MAY[grant.role],
                who="" if line is None else line.actor,
                at=None if line is None else line.at,
                event="" if line is None else line.event,
                missing=_missing(grant, known),
                revoke=_take_away(one, grant, last=last, you=you),
            )
        )
    return tuple(found)


def _missing(grant: Grant, known: Mapping[str, tuple[str, ...]]) -> str:
    if grant.service is None:
        return ""
    if grant.service not in known:
        return f"there is no service {grant.service} yet"
    if grant.environment is not None and grant.environment not in known[grant.service]:
        return f"{grant.service} has no environment {grant.environment} yet"
    return ""


def _gives_up_oneself(grant: Grant, *, you: bool) -> bool:
    """Whether this cannot be undone by whoever does it: they would not be let to this page any more."""
    return you and grant == Grant(Role.ADMINISTRATOR)


def _take_away(one: Member, grant: Grant, *, last: bool, you: bool) -> Action:
    everything = grant == Grant(Role.ADMINISTRATOR)
    itself = _gives_up_oneself(grant, you=you)
    return Action(
        f"Revoke {grant.role}",
        f"{person_address(one.person.id)}/roles/revoke",
        hidden=role_fields(grant),
        confirm=grant.role.value if itself else "",
        warning="You would not see this page any more: only another administrator can give it back to you."
        if itself
        else "",
        blocked="The last administrator stays." if everything and last else "",
        spoken=f"Revoke {role(grant)}",
    )


def _revoke(one: Member, token: Token) -> Action:
    return Action(
        f"Revoke {token.label}",
        f"{person_address(one.person.id)}/tokens/{token.id}/revoke",
        confirm=token.label,
        warning="Whatever uses it is refused from then on. A token cannot be given back: a new one has to be made.",
    )


def _invite(one: Member) -> Action:
    label = "Make a link for a new password" if one.person.joined else "Make a new invitation link"
    return Action(label, f"{person_address(one.person.id)}/invite", icon="link")


def _erase(one: Member, *, last: bool) -> Action:
    return Action(
        f"Erase {one.person.name}",
        f"{person_address(one.person.id)}/erase",
        kind="danger",
        confirm=one.person.name,
        warning="Name, address, password, sessions, tokens and roles are removed for good. What they did stays in the "
        "record under an id that no longer says whose it was.",
        blocked="The last administrator stays: make somebody else one first." if last else "",
    )


def _facts(one: Member, seen: datetime | None) -> tuple[Fact, ...]:
    person = one.person
    if person.erased_at is not None:
        return (Fact("Erased", person.erased_at), Fact("Id in the record", person.id, mono=True, copy=True))
    return (
        Fact("E-mail", person.email or "not given", copy=bool(person.email)),
        Fact("Last seen", seen or ("not known" if person.joined else "has not come yet")),
        *((Fact("Link ends", one.invited_until),) if one.invited_until else ()),
        Fact("Id in the record", person.id, mono=True, copy=True),
    )


def _sentence(shown: Shown) -> str:
    person = shown.member.person
    if shown.gone:
        return "This person was erased: name and address are gone for good"
    if not person.joined:
        over = shown.standing.state is State.WARN
        return f"{person.name} is invited, {'but the link has run out' if over else 'and has not come yet'}"
    who, verb = ("You", "are") if shown.you else (person.name, "is")
    if not person.grants:
        return f"{who} may see nothing yet: grant a role"
    if len(person.grants) > TOLD:
        return f"{who} {'have' if shown.you else 'has'} {len(person.grants)} roles"
    order = list(Role)
    held = [role(one) for one in sorted(person.grants, key=lambda each: -order.index(each.role))]
    return f"{who} {verb} {listed(held)}"


def _confirmed(context: PageContext, name: str) -> None:
    if context.form.get("confirm", "").strip() != name:
        raise Invalid(
            "What was typed is not the name.", safe="Nothing was changed.", remedy=f"Go back and type {name}."
        )
