"""The overview and the deploy console behind a real server, with people who may do different things."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from andon.kernel.access import Grant, Principal, Role
from andon.kernel.db import Database, open_engine
from tests.databases import Databases
from tests.flow.installation import PASSWORD, STORE, Installation
from tests.serving import Browser, Serving, serving, settings_for

ROLES = {
    "Patty": (Grant(Role.ADMINISTRATOR),),
    "Maxine": (Grant(Role.DEVELOPER, "store"),),
    "Wes": (Grant(Role.VIEWER, "store"),),
    "Erik": (Grant(Role.DEVELOPER, "mailer"),),
}


class Site:
    """``people`` by name, each with the role of :data:`ROLES`; ``browser`` is somebody's, signed in."""

    def __init__(self, installation: Installation, running: Serving, people: dict[str, Principal]) -> None:
        self.installation = installation
        self.serving = running
        self.people = people
        self._browsers: dict[str, Browser] = {}

    def browser(self, name: str) -> Browser:
        if name not in self._browsers:
            browser = self.serving.browser()
            assert browser.sign_in(name, PASSWORD).status_code == 303
            self._browsers[name] = browser
        return self._browsers[name]

    def page(self, path: str, by: str = "Maxine") -> str:
        """A page as somebody sees it."""
        answer = self.browser(by).get(path)
        assert answer.status_code == 200, answer.text
        return answer.text


@contextmanager
def open_site(folder: Path, databases: Databases) -> Iterator[Site]:
    """Served with the machine's own clock, and nothing in it but the empty repository ``store``."""
    settings = settings_for(folder / "data", databases.url("sqlite"))
    database = Database(open_engine(settings.database_url))
    installation = Installation(database, folder)
    installation.create(STORE)
    people = {name: installation.sign_up(name, *grants) for name, grants in ROLES.items()}
    with serving(settings, database, installation.rooms(), installation.passwords, installation.bell) as running:
        yield Site(installation, running, people)
