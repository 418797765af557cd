"""The room of flags behind a real server, with the repository ``store`` and people who may do different things."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from andon.app.authority import GrantedAuthority
from andon.flow.definition.reader import YamlDefinitionReader
from andon.flow.flags.room import BuiltFlags, build_flags, flags_room
from andon.kernel.access import Permission, Principal, tokens
from andon.kernel.db import Database, open_engine
from andon.web.room import Room
from tests.databases import Databases
from tests.flow.flags.conftest import SECOND_PERSON
from tests.flow.installation import STORE, Installation, definition
from tests.flow.site import ROLES
from tests.serving import Serving, serving, settings_for


@dataclass(slots=True)
class FlagSite:
    installation: Installation
    built: BuiltFlags
    room: Room
    serving: Serving
    people: dict[str, Principal]
    doors: Path

    def api(self, name: str = "Maxine", **restricted: Any) -> httpx.Client:
        return self.serving.api(self.token(name, **restricted))

    def token(
        self, name: str = "Maxine", *, services: list[str] | None = None, scope: str = "", days: float = 1
    ) -> str:
        with self.installation.database.transaction() as tx:
            scopes = [Permission(scope)] if scope else None
            made = tokens.create_token(
                tx, self.people[name], label="a test", scopes=scopes, services=services, days=days
            )
            return made.secret

    def client(self, token: str = "", **headers: str) -> httpx.Client:
        """Of the server's root, as a program that is no console."""
        sent = {"authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.serving.address, headers=sent | headers, timeout=60, verify=False)


@contextmanager
def open_flag_site(folder: Path, databases: Databases, *, second_person: bool = False) -> Iterator[FlagSite]:
    """Served with the machine's own clock; ``store`` has the environments acceptance and production."""
    settings = settings_for(folder / "data", databases.url("sqlite"))
    database = Database(open_engine(settings.database_url))
    installation = Installation(database, folder)
    installation.create(STORE)
    installation.commit(files={"andon.yaml": SECOND_PERSON if second_person else definition()})
    people = {name: installation.sign_up(name, *grants) for name, grants in ROLES.items()}
    # near the root: the path of a socket has at most 107 characters
    with tempfile.TemporaryDirectory(prefix="andon-f-") as doors:
        built = build_flags(
            database,
            sources=installation.sources,
            definitions=YamlDefinitionReader(),
            environments=installation.environments,
            authority=GrantedAuthority(),
        )
        room = flags_room(
            built,
            database=database,
            bell=installation.bell,
            sources=installation.sources,
            environments=installation.environments,
            people=installation.people,
            doors=Path(doors),
        )
        rooms = (*installation.rooms(), room)
        with serving(settings, database, rooms, installation.passwords, installation.bell) as running:
            yield FlagSite(installation, built, room, running, people, Path(doors))


FLAGS = "/services/store/flags"
PRODUCTION = f"{FLAGS}/new-checkout/environments/production"


def create_flag(site: FlagSite, name: str = "new-checkout", **more: Any) -> None:
    answer = site.api().post(FLAGS, json={"name": name, **more})
    assert answer.status_code == 201, answer.text


def set_flag(site: FlagSite, setting: dict[str, Any], name: str = "new-checkout") -> dict[str, Any]:
    answer = site.api().put(f"{FLAGS}/{name}/environments/production", json={"setting": setting})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found
