"""A git remote of Andon's in this process, on a port of this machine, and a person's checkout to push from."""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn

from andon.flow.definition.contract import DefinitionReader
from andon.flow.sources import service, storage
from andon.flow.sources.adapters.gate import Gate
from andon.flow.sources.adapters.http import GitRemote
from andon.flow.sources.adapters.sources import GitSources
from andon.flow.sources.contract import Announcer, CommitHash, PushId, Service
from andon.flow.sources.git import LARGEST_PUSH, Git
from andon.kernel.access import SYSTEM, Grant, Permission, PersonId, Principal, Role
from andon.kernel.db import Database, metadata, open_engine
from andon.kernel.errors import NotAuthenticated
from andon.kernel.events import Actor, ActorKind, Event, Facets, page


def person(
    name: str, *grants: Grant, scopes: frozenset[Permission] | None = None, services: frozenset[str] | None = None
) -> Principal:
    actor = Actor(ActorKind.TOKEN, f"tok_{name}", name)
    return Principal(actor=actor, person=PersonId(name), grants=grants, scopes=scopes, services=services)


# token → who presents it
PEOPLE: Mapping[str, Principal] = {
    "t-admin": person("admin", Grant(Role.ADMINISTRATOR)),
    "t-dev": person("dev", Grant(Role.DEVELOPER)),
    "t-shop": person("shop", Grant(Role.DEVELOPER, "shop")),
    "t-viewer": person("viewer", Grant(Role.VIEWER)),
    "t-reading": person("dev", Grant(Role.DEVELOPER), scopes=frozenset({Permission.READ})),
}


async def authenticate(scope: Any) -> Principal:
    for key, value in scope["headers"]:
        if key != b"authorization":
            continue
        scheme, _, rest = value.decode("latin-1").partition(" ")
        try:
            token = rest if scheme == "Bearer" else base64.b64decode(rest).decode("latin-1").partition(":")[2]
        except ValueError:
            break
        if token in PEOPLE:
            return PEOPLE[token]
    raise NotAuthenticated("This needs a token.", remedy="Give it as the password.")


@dataclass
class Installation:
    data: Path
    database: Database
    git: Git
    gate: Gate
    port: int = 0
    sources: GitSources = field(init=False)

    def __post_init__(self) -> None:
        self.sources = GitSources(self.git)

    def address(self, name: str, token: str = "t-dev") -> str:
        user = f"x:{token}@" if token else ""
        return f"http://{user}127.0.0.1:{self.port}/git/{name}.git"

    def create(self, name: str, default_branch: str = "main") -> Service:
        with self.database.transaction() as tx:
            return service.create_repository(tx, self.git, SYSTEM, name, default_branch).service

    def events(self, type: str = "dev.andon.*") -> list[Event]:
        with self.database.reading() as reading:
            found = page(reading, Facets(type=type), after=0, limit=1000)
        return [event for one in found if (event := one.decode()) is not None]

    def actors(self, type: str) -> list[str]:
        with self.database.reading() as reading:
            return [one.actor.id for one in page(reading, Facets(type=type), after=0, limit=1000)]

    def recorded(self, name: str = "shop") -> dict[str, str]:
        with self.database.reading() as reading:
            return storage.recorded_refs(reading, Service(name))

    def open_pushes(self) -> list[PushId]:
        with self.database.reading() as reading:
            return list(service.pushes_under_way(reading, reading.now))


def open_installation(
    data: Path,
    *,
    announcers: Sequence[Announcer] = (),
    definitions: DefinitionReader | None = None,
    largest_push: int = LARGEST_PUSH,
    database: Database | None = None,
) -> Installation:
    if database is None:
        database = Database(open_engine(f"sqlite:///{data / 'andon.db'}"))
        metadata.create_all(database.engine)
    git = Git(data / "repositories", largest_push=largest_push)
    git.prepare()
    return Installation(data, database, git, Gate(database, git, announcers=announcers, definitions=definitions))


@contextmanager
def serving(installation: Installation, wrap: Callable[[Any], Any] = lambda app: app) -> Iterator[Installation]:
    remote = GitRemote(installation.database, installation.git, installation.gate, authenticate)
    # asyncio switches Nagle off (else each answer waits 40 ms) only on sockets that name their protocol.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    installation.port = listening.getsockname()[1]
    config = uvicorn.Config(wrap(remote), lifespan="off", log_level="warning", timeout_graceful_shutdown=10)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])), daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    try:
        yield installation
    finally:
        installation.gate.stop_following()
        server.should_exit = True
        thread.join(60)
        listening.close()
        installation.database.close()
        assert not thread.is_alive()


def wait_until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came to this"
        time.sleep(0.01)


CLEAN = {
    "PATH": os.environ.get("PATH", os.defpath),
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "Maxine Chambers",
    "GIT_AUTHOR_EMAIL": "maxine@parts.example",
    "GIT_COMMITTER_NAME": "Maxine Chambers",
    "GIT_COMMITTER_EMAIL": "maxine@parts.example",
    "GIT_ADVICE": "0",
    "LC_ALL": "C.UTF-8",
}


@dataclass
class Outcome:
    status: int
    said: str


@dataclass
class Checkout:
    folder: Path

    def git(self, *arguments: str, check: bool = True) -> Outcome:
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.folder,
            env={**CLEAN, "HOME": str(self.folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=90,
            check=False,
        )
        outcome = Outcome(done.returncode, done.stdout)
        assert not check or done.returncode == 0, outcome.said
        return outcome

    def commit(self, name: str = "file", content: str = "", message: str = "Change it") -> CommitHash:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content or f"{time.monotonic_ns()}\n")
        self.git("add", "--all")
        self.git("commit", "-q", "-m", message)
        return self.head

    @property
    def head(self) -> CommitHash:
        return CommitHash(self.git("rev-parse", "HEAD").said.strip())


def new_checkout(folder: Path) -> Checkout:
    folder.mkdir()
    checkout = Checkout(folder)
    checkout.git("init", "-q", "-b", "main")
    return checkout
