"""What all pages share: the renderer, the rail, the Andon light; one for the whole application."""

from __future__ import annotations

from collections.abc import Sequence

from litestar.types import Scope

from andon.kernel.access import Principal
from andon.kernel.access.people import PeopleDirectory
from andon.kernel.access.signing_in import Caller
from andon.kernel.clock import Clock
from andon.kernel.db import Reading
from andon.web.http.csrf import token_for
from andon.web.http.errors import Problem
from andon.web.http.visit import cookies, visit_of
from andon.web.model import State
from andon.web.rendering import Renderer, Static
from andon.web.room import Entry, Room
from andon.web.shell import THEME_COOKIE, Frame, Light, Navigation, Page, Viewer, theme_of
from andon.web.shell import Scope as Switch
from andon.web.telling import Teller

_GRAVITY = (State.BAD, State.WARN, State.HOLD, State.RUN, State.OK, State.NONE)
_QUIET = Light(State.NONE, "Nothing has run yet", "/")


class Console:
    """Draws pages. Safe to share between threads."""

    def __init__(self, rooms: Sequence[Room], *, clock: Clock, version: str, static: Static) -> None:
        self._rooms = tuple(rooms)
        self._navigation = Navigation(tuple(item for room in rooms for item in room.navigation))
        self._version = version
        packages = {room.name: room.templates for room in rooms if room.templates}
        self.teller = Teller(tuple(room.telling for room in rooms if room.telling is not None), PeopleDirectory())
        self.renderer = Renderer(packages, clock=clock.now, static=static.address)

    def light(self, reading: Reading, principal: Principal) -> Light:
        """The gravest of what the rooms have to say."""
        said = [found for room in self._rooms if room.light and (found := room.light(reading, principal))]
        return min(said, key=lambda one: _GRAVITY.index(one.state), default=_QUIET)

    def entries(self, reading: Reading, principal: Principal) -> list[Entry]:
        """What the rooms hold, for the palette; the rooms themselves it takes from the rail.

        Each address once, though more than one room may know it: the first room's words for it stand.
        """
        found: dict[str, Entry] = {}
        for room in self._rooms:
            for entry in () if room.entries is None else room.entries(reading, principal):
                found.setdefault(entry.href, entry)
        return list(found.values())

    def rooms(self, principal: Principal) -> list[Entry]:
        """The rooms themselves, for the search without script."""
        return [Entry(item.label, item.href, "room") for item in self._navigation.for_whom(principal).items]

    def frame(
        self,
        scope: Scope,
        caller: Caller | None,
        light: Light = _QUIET,
        switches: tuple[Switch, ...] = (),
        position: int = 0,
    ) -> Frame:
        visit = visit_of(scope)
        return Frame(
            navigation=self._navigation.for_whom(None if caller is None else caller.principal),
            light=light,
            viewer=None if caller is None else Viewer.named(caller.name),
            csrf_token=token_for(visit.seed) if visit.seed else "",
            path=scope["path"],
            theme=theme_of(cookies(scope).get(THEME_COOKIE)),
            scopes=switches,
            live="/live" if caller is not None else "",
            position=position,
            version=self._version,
        )

    def draw_error(self, scope: Scope, status: int, problem: Problem) -> str:
        """The page for an error. Asks the database nothing: it may be what has failed."""
        caller = visit_of(scope).caller
        state = State.HOLD if status in {401, 403, 429} else State.BAD
        return self.renderer.page(
            "web/errors.html" if caller is not None else "web/errors_bare.html",
            page=Page(title="That did not work", sentence=problem.message, state=state, word=str(status)),
            frame=self.frame(scope, caller, Light(State.NONE, "See the overview", "/")),
            code=problem.code,
            safe=problem.safe,
            remedy=problem.remedy,
            reference=problem.reference,
            actions=(),
        )
