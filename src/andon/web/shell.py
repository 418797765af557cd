"""The frame round every page: rail, Andon light, viewer. Made once a request by whoever answers it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from andon.kernel.access import Principal
from andon.web.model import Choice, Light, State

__all__ = [
    "ADMINISTRATION",
    "Action",
    "Crumb",
    "Frame",
    "Light",
    "NavItem",
    "Navigation",
    "Page",
    "Scope",
    "Theme",
    "Viewer",
]


class Theme(StrEnum):
    """What the theme switch left in the cookie; SYSTEM follows the reader's device."""

    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


THEME_COOKIE = "andon-theme"


def theme_of(cookie: str | None) -> Theme:
    """Read the cookie's value; whatever we did not write means SYSTEM."""
    try:
        return Theme(cookie or "system")
    except ValueError:
        return Theme.SYSTEM


@dataclass(frozen=True, slots=True)
class NavItem:
    """An entry of the rail.

    `section` is the heading it stands under ("" stands on top without one), `key` the letter after `g` (may be
    empty), `icon` a name out of `icons.html`, `place` where it stands in its section: lower ones first, then in the
    order of the rooms. `shown_to` says who sees it at all; without one everybody does.
    """

    section: str
    label: str
    href: str
    icon: str
    key: str = ""
    place: int = 0
    shown_to: Callable[[Principal], bool] | None = None

    def holds(self, path: str) -> bool:
        """Whether the page at `path` belongs to this entry."""
        return path == self.href or (self.href != "/" and path.startswith(self.href.rstrip("/") + "/"))


ADMINISTRATION = "Administration"
"""The section whose entries stand in the viewer's own menu too: on a phone nobody looks for them below."""


@dataclass(frozen=True, slots=True)
class Navigation:
    """The rail: rooms contribute entries, `app` puts them in order. Only rooms that exist stand in it."""

    items: tuple[NavItem, ...] = ()

    def for_whom(self, principal: Principal | None) -> Navigation:
        """What of it somebody sees; a stranger sees what everybody does."""
        return Navigation(
            tuple(
                item
                for item in self.items
                if item.shown_to is None or (principal is not None and item.shown_to(principal))
            )
        )

    def administration(self) -> list[NavItem]:
        return [item for item in self.items if item.section == ADMINISTRATION]

    def sections(self) -> list[tuple[str, list[NavItem]]]:
        """Entries by section: what stands without a heading, then each section as they first appear."""
        grouped: dict[str, list[NavItem]] = {}
        for item in sorted(self.items, key=lambda one: (one.section != "", one.place)):
            grouped.setdefault(item.section, []).append(item)
        return list(grouped.items())

    def current(self, path: str) -> NavItem | None:
        """The entry with the longest address that holds `path`."""
        held = [item for item in self.items if item.holds(path)]
        return max(held, key=lambda item: len(item.href), default=None)


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who is signed in."""

    name: str
    initials: str

    @classmethod
    def named(cls, name: str) -> Viewer:
        """Initials out of a name: "Maxine Chambers" is MC, "brent" is BR."""
        words = name.split()
        letters = words[0][:1] + words[-1][:1] if len(words) > 1 else name.strip()[:2]
        return cls(name=name, initials=letters.upper() or "?")


@dataclass(frozen=True, slots=True)
class Scope:
    """A switch in the top bar: which service, which environment."""

    label: str
    value: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class Frame:
    """What every page needs and no page should have to think of.

    `csrf_token` goes into each form; `path` is the request's path; `live` is the address of the event stream
    ("" turns live updates off), and `position` how far the record had grown when the page was asked for: what came
    since is told when the stream is opened.
    """

    navigation: Navigation = field(default_factory=Navigation)
    light: Light = field(default_factory=lambda: Light(State.NONE, "Nothing has run yet", "/"))
    viewer: Viewer | None = None
    csrf_token: str = ""
    path: str = "/"
    theme: Theme = Theme.SYSTEM
    scopes: tuple[Scope, ...] = ()
    live: str = "/live"
    position: int = 0
    version: str = ""


@dataclass(frozen=True, slots=True)
class Crumb:
    label: str
    href: str


@dataclass(frozen=True, slots=True)
class Action:
    """A deed a page offers, by POST. `label` says what it will do ("Deploy 3f2c91a to production").

    `confirm` is a name to type before an irreversible deed; `hidden` goes along as form fields; `blocked` says why it
    cannot be done now (the button is shown, disabled, with the reason). `spoken` begins with the label and goes on:
    what a screen reader says where several on a page read alike.
    """

    label: str
    action: str
    hidden: tuple[tuple[str, str], ...] = ()
    kind: str = "plain"  # plain, primary, danger
    icon: str = ""
    confirm: str = ""
    warning: str = ""
    blocked: str = ""
    spoken: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """A page opens with its conclusion: `sentence` is the first heading, `lede` one more line under it.

    `title` is for the browser's tab. `wide` gives up the reading width for panes and matrices.
    """

    title: str
    sentence: str
    lede: str = ""
    crumbs: tuple[Crumb, ...] = ()
    state: State | None = None
    word: str = ""
    wide: bool = False
