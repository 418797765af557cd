"""Webhooks over the API, in the console and in the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from andon.app.people.room import people_room
from andon.feedback.webhooks.contract import (
    WebhookAdded,
    WebhookFailing,
    WebhookId,
    WebhookRecovered,
    WebhookState,
)
from andon.feedback.webhooks.room import webhooks_room
from andon.feedback.webhooks.storage import webhooks
from andon.feedback.webhooks.telling import tell
from andon.flow.configuration.sealing import FileSecretBox
from andon.kernel.access.people import PeopleDirectory
from andon.kernel.db import Database, open_engine
from andon.kernel.events import Bell
from tests.app.conftest import Terminal
from tests.databases import Databases
from tests.feedback.webhooks.receiver import Receiver, receiving
from tests.serving import Serving, quick_passwords, serving, settings_for

TYPES = ["dev.andon.webhook.*"]


@contextmanager
def webhooks_served(folder: Path, databases: Databases) -> Iterator[Serving]:
    """People and webhooks, served; nothing else."""
    settings = settings_for(folder / "data", databases.url("sqlite"))
    settings.data.mkdir(mode=0o700)
    database = Database(open_engine(settings.database_url))
    passwords = quick_passwords()
    room = webhooks_room(
        database=database,
        bell=Bell(database),
        box=FileSecretBox(settings.data / "secrets.key"),
        people=PeopleDirectory(),
        source=settings.address,
    )
    with serving(settings, database, (people_room(settings, passwords), room), passwords) as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[Serving]:
    with webhooks_served(tmp_path_factory.mktemp("webhooks"), databases) as running:
        yield running


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


def test_the_secret_is_answered_once(server: Serving, receiver: Receiver) -> None:
    api = server.api()
    made = api.post("/webhooks", json={"url": receiver.url, "types": TYPES})
    assert made.status_code == 201, made.text
    secret, name = made.json()["secret"], made.json()["webhook"]["id"]
    assert secret.startswith("whsec_")
    answers = [api.get(path).text for path in ("/webhooks", f"/webhooks/{name}", f"/webhooks/{name}/deliveries")]
    assert all(secret not in one for one in answers)
    tried = api.post(f"/webhooks/{name}/test").json()
    assert (tried["taken"], tried["status"]) == (True, 204)
    assert receiver.messages[0].is_signed_with(secret)
    assert len(api.get(f"/webhooks/{name}/deliveries").json()["deliveries"]) == 1
    assert api.delete(f"/webhooks/{name}").status_code == 204
    assert api.get(f"/webhooks/{name}").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"url": "http://hooks.example/", "types": TYPES},
        {"url": "https://hooks.example/", "types": ["dev.andon.nothing.*"]},
        {"url": "https://hooks.example/", "types": []},
        {"url": "https://hooks.example/", "types": TYPES, "service": "../x"},
    ],
)
def test_what_cannot_be_is_refused(server: Serving, body: dict[str, object]) -> None:
    refused = server.api().post("/webhooks", json=body)
    assert refused.status_code == 400
    assert refused.json()["remedy"]


def test_the_console_adds_tries_and_removes(server: Serving, receiver: Receiver) -> None:
    browser = server.administrator()
    assert "A webhook posts what happens" in browser.get("/webhooks").text
    wrong = browser.submit("/webhooks/add", "/webhooks", url="http://hooks.example/", types=["*"])
    assert "Webhooks go over https" in wrong.text
    assert "http://hooks.example/" in wrong.text, "what was typed is there to be mended"
    added = browser.submit("/webhooks/add", "/webhooks", url=receiver.url, types=["dev.andon.webhook.*"], more="")
    assert "whsec_" in added.text
    assert "it is not shown again" in added.text
    host = receiver.url.removeprefix("http://").removesuffix("/hook")
    assert host in browser.get("/webhooks").text
    name = server.api().get("/webhooks").json()["webhooks"][-1]["id"]
    href = f"/webhooks/{name}"
    assert "Nothing was sent yet" in browser.get(href).text
    assert browser.submit(href, f"{href}/test").status_code == 303
    receiver.answers = lambda _: (500, {})
    browser.submit(href, f"{href}/test")
    page = browser.get(href).text
    assert "taken, 204" in page
    assert "it answered 500" in page
    assert "It did not take the last test: it answered 500." in page
    assert "takes no webhooks any more" not in page
    with server.database.transaction() as tx:
        tx.connection.execute(webhooks.update().where(webhooks.c.id == name).values(state=WebhookState.FAILING))
    assert f"{host} takes no webhooks any more" in browser.get("/people").text, "the light says it everywhere"
    assert browser.submit(href, f"{href}/remove", confirm="other").status_code == 400
    assert browser.submit(href, f"{href}/remove", confirm=host).status_code == 303
    assert browser.get(href).status_code == 404


def test_whoever_administers_nothing_sees_no_webhooks(server: Serving) -> None:
    developer = server.person("Jo", [{"role": "developer"}])
    assert developer.get("/webhooks").status_code == 403
    assert developer.get("/webhooks/add").status_code == 403
    assert developer.get("/webhooks/wh_x").status_code == 404


def test_the_terminal_does_the_same(server: Serving, receiver: Receiver, tmp_path: Path) -> None:
    andon = Terminal(tmp_path, server.settings.data, server.address)
    made = andon("webhooks", "add", receiver.url, "-e", "dev.andon.webhook.*")
    assert made.code == 0, made.err
    name, secret = made.out.split()
    assert "every service" in andon("webhooks", "list").out
    refused = andon("webhooks", "add", receiver.url, "-e", "dev.andon.webhook.*", "-s", "store")
    assert "Only a webhook of the whole installation" in refused.err
    assert "It took the test: 204" in andon("webhooks", "test", name).out
    assert receiver.messages[0].is_signed_with(secret)
    receiver.answers = lambda _: (500, {})
    failed = andon("webhooks", "test", name)
    assert (failed.code, "it answered 500" in failed.out) == (1, True)
    assert "taken (204)" in andon("webhooks", "deliveries", name).out
    assert andon("webhooks", "remove", name).code == 0
    assert andon("webhooks", "test", name).code == 3


class Nobody:
    """Names of nothing."""

    def person(self, id: str) -> str:
        return id

    def of(self, kind: str, id: str, otherwise: str) -> str:
        return otherwise

    def title(self, service: str, commit: str) -> str:
        return ""


def test_what_happens_to_a_webhook_is_told() -> None:
    webhook = WebhookId("wh_1")
    for happened, words in (
        (
            WebhookAdded(webhook=webhook, host="h", types=("*",), service="store"),
            "added the webhook h for what happens to store",
        ),
        (
            WebhookFailing(webhook=webhook, host="h", service=None, attempts=3, reason="it answered 500"),
            "gave the webhook h up after 3 attempts: what happens waits for it",
        ),
        (WebhookRecovered(webhook=webhook, host="h", service=None), "tells the webhook h again, which answers"),
    ):
        told = tell(happened, Nobody())
        assert told is not None
        assert words in f"{told.what} {told.about} {told.then}"
