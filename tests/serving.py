"""A real server in a thread, and a browser's worth of manners to talk to it."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
from argon2 import PasswordHasher
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket

from andon.kernel.access import people, tokens
from andon.kernel.access.passwords import Passwords
from andon.kernel.db import Database
from andon.kernel.events import Bell
from andon.kernel.settings import DatabaseSettings, Settings, WebSettings
from andon.web.http.application import WebApplication
from andon.web.http.port import listen
from andon.web.http.server import WebServer
from andon.web.room import Room
from benchmarks.harness.ports import free_port

PASSWORD = "correct horse battery"
_TOKEN = re.compile(r'name="_csrf_token" value="([0-9a-f]{64})"')


def settings_for(data: Path, database_url: str) -> Settings:
    """Settings with a free port of this machine."""
    return Settings(data=data, database=DatabaseSettings(url=database_url), web=WebSettings(port=free_port()))


def quick_passwords() -> Passwords:
    """Argon2 as it is, at a cost that only tests can afford."""
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


class _Compiled(BytecodeCache):
    """Templates compiled by one server, for all that this process starts."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._kept:
            bucket.bytecode_from_string(self._kept[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[bucket.key] = bucket.bytecode_to_string()


COMPILED = _Compiled()


class Browser(httpx.Client):
    """Keeps cookies, asks for HTML, and takes each form's token from the page that it stands on."""

    def __init__(self, address: str) -> None:
        # verify: the machine's authorities take longer to read than a page, and nobody here speaks TLS
        super().__init__(base_url=address, headers={"accept": "text/html"}, timeout=60, verify=False)

    def submit(self, page: str, to: str, /, **fields: str | list[str]) -> httpx.Response:
        """Open ``page`` and send a form of it to ``to``; redirects are not followed."""
        found = _TOKEN.search(self.get(page).text)
        assert found, f"{page} has no form"
        return self.post(to, data={"_csrf_token": found[1], **fields})

    def sign_in(self, name: str, password: str = PASSWORD) -> httpx.Response:
        return self.submit("/login", "/login", name=name, password=password)


class Serving:
    """A running installation. ``welcome`` is the first administrator's one-time address."""

    def __init__(self, settings: Settings, database: Database, welcome: str) -> None:
        self.settings = settings
        self.database = database
        self.address = settings.address
        self.welcome = welcome
        self.operator = (settings.data / "operator.token").read_text().strip()
        self._administrator = ""
        self._open = ExitStack()

    def close(self) -> None:
        self._open.close()

    def browser(self) -> Browser:
        """A browser of somebody who is not signed in; closed with the server."""
        return self._open.enter_context(Browser(self.address))

    def api(self, token: str | None = None) -> httpx.Client:
        """The API with a token; the operator's when none is given."""
        headers = {"authorization": f"Bearer {token or self.operator}"}
        client = httpx.Client(base_url=f"{self.address}/api/v1", headers=headers, timeout=60, verify=False)
        return self._open.enter_context(client)

    def administrator(self, name: str = "Maxine") -> Browser:
        """A browser of the first administrator: made by the one-time link, signed in when there is one already."""
        browser = self.browser()
        if self._administrator == name:
            answer = browser.sign_in(name)
            assert answer.status_code == 303, answer.text
            return browser
        fields = {
            "token": self.welcome.partition("=")[2],
            "name": name,
            "password": PASSWORD,
            "again": PASSWORD,
        }
        answer = browser.submit(self.welcome, "/welcome", **fields)
        assert answer.status_code == 303, answer.text
        self._administrator = name
        return browser

    def person(self, name: str, roles: Sequence[dict[str, str]] = ()) -> Browser:
        """Invite somebody through the API; their browser is signed in."""
        made = self.api().post("/people", json={"name": name, "roles": list(roles)})
        assert made.status_code == 201, made.text
        link = made.json()["link"].removeprefix(self.address)
        browser = self.browser()
        secret = link.partition("=")[2]
        answer = browser.submit(link, "/welcome", token=secret, name=name, password=PASSWORD, again=PASSWORD)
        assert answer.status_code == 303, answer.text
        return browser


@contextmanager
def serving(
    settings: Settings,
    database: Database,
    rooms: Sequence[Room],
    passwords: Passwords,
    bell: Bell | None = None,
) -> Iterator[Serving]:
    """Serve these rooms in a thread until the block ends; the database has its tables already."""
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    with database.transaction() as tx:
        tokens.ensure_operator(tx, settings.data / "operator.token")
        link = people.offer_first_administrator(tx)
    bell = bell or Bell(database)
    ready = threading.Event()
    application = WebApplication(
        settings=settings, database=database, bell=bell, rooms=rooms, version="0", passwords=passwords
    )
    application.console.renderer.environment.bytecode_cache = COMPILED
    server = WebServer(settings, application, ready.set)
    listening = listen(settings)
    bell.start()
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=listening)))
    thread.start()
    try:
        assert ready.wait(60), "the server did not start"
        running = Serving(settings, database, f"/welcome?token={link.secret}" if link else "")
        try:
            yield running
        finally:
            running.close()
    finally:
        server.should_exit = True
        thread.join(60)
        bell.stop()
        for one in listening:
            one.close()
        database.close()
        assert not thread.is_alive(), "the server did not end"
