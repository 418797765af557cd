"""The page of somebody who may not see people: whom to ask."""

from __future__ import annotations

from andon.app.people.pages.words import listed
from andon.app.people.permission import require_administration
from andon.kernel.access.people import administrators, all_people
from andon.kernel.errors import Forbidden
from andon.web.http.pages import Html, PageContext
from andon.web.model import State
from andon.web.shell import Page

NAMED = 5
"""So many administrators are named at most."""


def refused(context: PageContext) -> Html | None:
    """The page that says whom to ask, for whoever may not see people; ``None`` for an administrator."""
    try:
        require_administration(context.principal)
    except Forbidden as error:
        return _whom_to_ask(context, error)
    return None


def _whom_to_ask(context: PageContext, error: Forbidden) -> Html:
    with context.database.reading() as reading:
        known = administrators(reading)
        names = [one.name for one in all_people(reading) if one.id in known]
    if not names:
        names = ["whoever operates this machine"]
    more = len(names) - NAMED
    whom = listed([*names[:NAMED], *([f"{more} more"] if more > 0 else [])])
    return context.page(
        "people/ask.html",
        Page(
            title="People",
            sentence=f"People and roles are looked after by {whom}",
            lede=f"{error.message} Ask one of them for what you need."
            if len(names) > 1
            else f"{error.message} Ask there for what you need.",
            state=State.HOLD,
            word="not for you to see",
        ),
        status=error.status,
        grants=context.principal.grants,
    )
