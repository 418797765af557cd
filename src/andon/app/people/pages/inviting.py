"""Letting somebody in: the form, and the link that is shown once."""

from __future__ import annotations

from collections.abc import Mapping

from andon.app.people.links import welcome_address
from andon.app.people.pages.asking import refused
from andon.app.people.pages.places import Offered, PlacesOf, grant_in
from andon.app.people.pages.words import LIST, MAY, person_address
from andon.app.people.permission import require_administration
from andon.kernel.access import people
from andon.kernel.access.people import NewLink
from andon.kernel.access.roster import member
from andon.kernel.errors import AndonError, Conflict, Invalid
from andon.kernel.settings import Settings
from andon.web.http.pages import Handlers, Html, PageContext, deed, page
from andon.web.shell import Crumb, Page

INVITE = f"{LIST}/invite"
_PEOPLE = Crumb("People", LIST)


def inviting_pages(settings: Settings, places: PlacesOf) -> Handlers:
    def form(context: PageContext, error: AndonError | None = None) -> Html:
        with context.database.reading() as reading:
            offered = Offered.of(places(reading))
        return context.page(
            "people/invite.html",
            Page(
                title="Invite a person",
                sentence="Invite a person",
                lede="You get a link that works once, for seven days. Hand it over yourself: Andon sends no mail.",
                crumbs=(_PEOPLE,),
            ),
            status=200 if error is None else error.status,
            error=error,
            typed=context.form,
            offered=offered,
            may=MAY,
        )

    def show_once(context: PageContext, link: NewLink, *, again: bool = False) -> Html:
        """The link stands in this answer alone: an address with a secret would stay in histories and logs."""
        with context.database.reading() as reading:
            one = member(reading, link.person or "")
        joined = one.person.joined
        answer = context.page(
            "people/invited.html",
            Page(
                title="One-time link",
                sentence=f"Hand this link to {one.person.name}",
                lede="With it they choose a new password; until then the old one stays good."
                if joined
                else "With it they choose a password, and have an account.",
                crumbs=(_PEOPLE, Crumb(one.person.name, person_address(one.person.id))),
            ),
            link=welcome_address(settings, link),
            expires_at=link.expires_at,
            person=one.person,
            again=again,
            href=person_address(one.person.id),
        )
        answer.headers["cache-control"] = "no-store"
        return answer

    @page(INVITE)
    def invite(context: PageContext) -> Html:
        return refused(context) or form(context)

    @deed(INVITE)
    def send(context: PageContext) -> Html:
        require_administration(context.principal)
        typed: Mapping[str, str] = context.form
        try:
            grant = grant_in(typed)
            with context.database.transaction() as tx:
                link = people.invite(
                    tx,
                    name=typed.get("name", ""),
                    email=typed.get("email"),
                    roles=() if grant is None else (grant,),
                    by=context.principal.actor,
                )
        except (Invalid, Conflict) as error:
            return form(context, error)
        return show_once(context, link)

    @deed(f"{LIST}/{{person:str}}/invite")
    def send_again(context: PageContext, person: str) -> Html:
        require_administration(context.principal)
        with context.database.transaction() as tx:
            link = people.invite_again(tx, member(tx, person).person.id, by=context.principal.actor)
        return show_once(context, link, again=True)

    return [invite, send, send_again]
