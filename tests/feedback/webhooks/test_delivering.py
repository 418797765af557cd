"""What happens is told to other programs: signed, in order, at least once, and to nobody who may not know."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from andon.feedback.webhooks.adapters import HttpPost
from andon.feedback.webhooks.contract import WebhookFailing, WebhookId, WebhookRecovered, WebhookState
from andon.feedback.webhooks.delivering import Deliverer
from andon.feedback.webhooks.model.addresses import networks
from andon.feedback.webhooks.model.records import Answer, Webhook
from andon.feedback.webhooks.service import WebhookService
from andon.feedback.webhooks.storage import KEPT, webhooks
from andon.flow.configuration.contract import ConfigSet
from andon.flow.configuration.sealing import FileSecretBox
from andon.flow.sources.contract import Service
from andon.kernel.access import Grant, PersonId, Principal, Role
from andon.kernel.access.people import invite, revoke_role
from andon.kernel.access.signing_in import grants_of, person_actor
from andon.kernel.clock import SettableClock
from andon.kernel.db import Database
from andon.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from andon.kernel.events import ANDON, Bell, Event, Facets, append, page
from tests.feedback.webhooks.receiver import Receiver, receiving

EVERYWHERE = Grant(Role.ADMINISTRATOR)


def happened(name: str, service: str = "store") -> Event:
    return ConfigSet(service=Service(service), environment="production", name=name, version=1, removed=False)


class Told:
    """An installation with one receiver."""

    def __init__(self, database: Database, clock: SettableClock, folder: Path, receiver: Receiver) -> None:
        self.database, self.clock, self.receiver = database, clock, receiver
        self.private_networks: tuple[str, ...] = ("127.0.0.0/8",)
        """The receiver counts as another machine in one."""
        self.service = WebhookService(FileSecretBox(folder / "secrets.key"), plain_http=True)
        self.brent = self.person("Brent", EVERYWHERE)
        self.deliverer = self.another()
        self.secret = ""

    def add_elsewhere(self, *types: str, by: Principal | None = None) -> WebhookId:
        """Of one service, for another machine, which the receiver takes the place of."""
        webhook = self.add(*types, url="https://hooks.example/", service="store", by=by)
        with self.database.transaction() as tx:
            tx.connection.execute(webhooks.update().where(webhooks.c.id == webhook).values(url=self.receiver.url))
        return webhook

    def another(self, is_this_machine: Callable[[str], bool] | None = lambda _: False) -> Deliverer:
        """As after a restart: nothing is remembered but what is stored. The receiver counts as another machine."""
        return Deliverer(
            database=self.database,
            bell=Bell(self.database),
            service=self.service,
            post=HttpPost(
                plain_http=True, seconds=60, is_this_machine=is_this_machine, inside=networks(self.private_networks)
            ),
            source="https://andon.example",
            chance=lambda: 0.0,
        )

    def person(self, name: str, *grants: Grant) -> Principal:
        with self.database.transaction() as tx:
            made = invite(tx, name=name, email=None, roles=grants, by=ANDON).person
            assert made is not None
        return self.now(made)

    def now(self, person: PersonId) -> Principal:
        with self.database.reading() as reading:
            return Principal(actor=person_actor(person), person=person, grants=grants_of(reading, person))

    def add(self, *types: str, url: str = "", service: str | None = None, by: Principal | None = None) -> WebhookId:
        with self.database.transaction() as tx:
            one, self.secret = self.service.add(
                tx,
                by or self.brent,
                url=url or self.receiver.url,
                types=types or ("dev.andon.config.*",),
                service=service,
            )
        return one.id

    def happens(self, *names: str, service: str = "store") -> None:
        with self.database.transaction() as tx:
            for name in names:
                append(tx, happened(name, service), by=ANDON)

    def get(self, webhook: WebhookId) -> Webhook:
        with self.database.reading() as reading:
            return self.service.get(reading, self.brent, webhook)

    def names(self) -> list[str]:
        return [one.event["data"]["name"] for one in self.receiver.messages]

    def events(self, kind: type[Event]) -> int:
        with self.database.reading() as reading:
            return len(page(reading, Facets(type=kind.type)))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@pytest.fixture
def told(sqlite_database: Database, clock: SettableClock, tmp_path: Path, receiver: Receiver) -> Told:
    return Told(sqlite_database, clock, tmp_path, receiver)


def test_what_happens_from_now_on_is_told_signed_and_in_order(
    database: Database, clock: SettableClock, tmp_path: Path, receiver: Receiver
) -> None:
    told = Told(database, clock, tmp_path, receiver)
    told.happens("before")
    webhook = told.add()
    told.happens("a", "b", "c")
    told.deliverer.advance(webhook)
    assert told.names() == ["a", "b", "c"]
    first = receiver.messages[0]
    assert all(one.is_signed_with(told.secret) for one in receiver.messages)
    assert not first.is_signed_with("whsec_AAAA")
    assert first.headers["content-type"].startswith("application/cloudevents+json")
    assert first.headers["webhook-id"] == first.event["id"]
    assert int(first.headers["webhook-timestamp"]) == int(clock.now().timestamp())
    assert (first.event["specversion"], first.event["type"]) == ("1.0", ConfigSet.type)
    assert first.event["source"] == "https://andon.example"
    told.deliverer.advance(webhook)
    assert len(receiver.messages) == 3, "what was taken is not sent again"
    assert told.get(webhook).delivered_at is not None


def test_only_what_is_wanted_is_told(told: Told) -> None:
    webhook = told.add_elsewhere()
    told.happens("other", service="payroll")
    told.happens("mine")
    told.person("Erik")
    told.deliverer.advance(webhook)
    assert told.names() == ["mine"]


def test_nobody_is_told_what_whoever_added_it_may_not_see(told: Told) -> None:
    erik = told.person("Erik", Grant(Role.ADMINISTRATOR, "store"))
    with pytest.raises(Forbidden):
        told.add(by=erik)
    webhook = told.add_elsewhere("*", by=erik)
    told.happens("hidden", service="payroll")
    told.happens("seen")
    told.deliverer.advance(webhook)
    assert told.names() == ["seen"]
    with told.database.transaction() as tx:
        assert erik.person is not None
        revoke_role(tx, erik.person, Grant(Role.ADMINISTRATOR, "store"), by=ANDON)
    told.happens("later")
    told.deliverer.advance(webhook)
    assert told.names() == ["seen"]
    assert told.get(webhook).state is WebhookState.FAILING
    with pytest.raises(Conflict):
        told.deliverer.test(told.brent, webhook)


def test_a_webhook_is_not_there_for_whoever_does_not_administer_it(told: Told) -> None:
    webhook = told.add()
    for somebody in (told.person("Erik", Grant(Role.ADMINISTRATOR, "store")), told.person("Jo", Grant(Role.OPERATOR))):
        with told.database.transaction() as tx, pytest.raises(NotFound):
            told.service.remove(tx, somebody, webhook)
    with told.database.reading() as reading, pytest.raises(Forbidden):
        told.service.all(reading, told.now(PersonId("nobody")))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "store.localhost", "[::1]", "[::ffff:127.0.0.1]"])
def test_a_webhook_of_one_service_is_not_added_for_this_machine(told: Told, host: str) -> None:
    with pytest.raises(Invalid) as refused:
        told.add(url=f"https://{host}/", service="store")
    assert "without naming a service" in refused.value.remedy
    told.add(url=f"https://{host}/")


def test_nothing_of_one_service_goes_to_an_inner_machine_until_the_settings_name_its_network(
    told: Told, receiver: Receiver
) -> None:
    with pytest.raises(Invalid, match="private network"):
        told.add(url="https://10.1.2.3/", service="store")
    told.private_networks = ()
    told.deliverer = told.another()
    webhook = told.add_elsewhere()
    told.happens("a")
    told.deliverer.advance(webhook)
    assert told.names() == []
    assert "`webhooks.private_networks`" in told.get(webhook).error
    told.private_networks = ("127.0.0.1",)
    told.deliverer = told.another()
    told.clock.advance(60)
    told.deliverer.advance(webhook)
    assert told.names() == ["a"], "what waited is sent"


def test_a_webhook_of_one_service_does_not_come_to_this_machine_under_another_name(told: Told) -> None:
    webhook = told.add_elsewhere()
    told.deliverer = told.another(is_this_machine=None)
    told.happens("a")
    told.deliverer.advance(webhook)
    assert told.names() == []
    assert (
        told.get(webhook).error == "127.0.0.1 is this machine, to which only a webhook of the whole installation goes"
    )
    own = [one.address for many in psutil.net_if_addrs().values() for one in many if one.family == socket.AF_INET]
    for address in own:
        tried = HttpPost(seconds=5).post(f"https://{address}:1/", {}, b"{}", elsewhere=True)
        assert "is this machine" in tried.problem, "an address of one of its interfaces is no other machine"
    everything = told.add()
    told.happens("b")
    told.deliverer.advance(everything)
    assert told.names() == ["b"]


def test_what_was_not_taken_is_tried_again_and_nothing_overtakes_it(told: Told, receiver: Receiver) -> None:
    webhook = told.add()
    receiver.answers = lambda _: (503, {})
    told.happens("a", "b")
    told.deliverer.advance(webhook)
    told.deliverer.advance(webhook)
    assert told.names() == ["a"], "it is not time yet"
    assert told.get(webhook).error == "it answered 503"
    told.clock.advance(5)
    told.deliverer.advance(webhook)
    receiver.answers = lambda _: (200, {})
    told.clock.advance(10)
    told.another().advance(webhook)
    assert told.names() == ["a", "a", "a", "b"]
    assert len({one.headers["webhook-id"] for one in receiver.messages}) == 2, "the same message keeps its id"
    now = told.get(webhook)
    assert (now.attempts, now.error, now.next_at) == (0, "", None)
    with told.database.reading() as reading:
        tries = told.service.deliveries(reading, now)
    assert [(one.attempt, one.taken, one.status) for one in reversed(tries)] == [
        (1, False, 503),
        (2, False, 503),
        (3, True, 200),
        (1, True, 200),
    ]


def test_a_program_is_asked_again_when_it_said(told: Told, receiver: Receiver) -> None:
    webhook = told.add()
    receiver.answers = lambda _: (429, {"retry-after": "120"})
    told.happens("a")
    told.deliverer.advance(webhook)
    assert told.get(webhook).next_at == told.clock.now() + timedelta(seconds=120)


def test_it_is_given_up_after_a_day_and_a_test_brings_everything_that_waited(told: Told, receiver: Receiver) -> None:
    webhook = told.add()
    other = told.add("dev.andon.webhook.*")
    receiver.answers = lambda one: (500 if one.event["type"] == ConfigSet.type else 200, {})
    told.happens("a", "b")
    for _ in range(14):
        told.deliverer.advance(webhook)
        told.clock.advance(7200)
    failing = told.get(webhook)
    assert failing.state is WebhookState.FAILING
    assert told.events(WebhookFailing) == 1
    assert set(told.names()) == {"a"}, "nothing is skipped"
    tried = len(receiver.messages)
    told.deliverer.advance(other)
    assert receiver.types()[tried:] == ["dev.andon.webhook.failing.v1"], "the others hear of it"
    receiver.answers = lambda _: (200, {})
    assert told.deliverer.test(told.brent, webhook).taken
    assert told.get(webhook).state is WebhookState.ACTIVE
    assert told.events(WebhookRecovered) == 1
    receiver.messages.clear()
    told.another().advance(webhook)
    assert told.names() == ["a", "b"]


def test_one_that_says_it_is_gone_is_given_up_at_once(told: Told, receiver: Receiver) -> None:
    webhook = told.add()
    receiver.answers = lambda _: (410, {})
    told.happens("a")
    told.deliverer.advance(webhook)
    assert told.get(webhook).state is WebhookState.FAILING


def test_a_webhook_is_not_told_of_itself(told: Told, receiver: Receiver) -> None:
    webhook = told.add("*")
    told.deliverer.test(told.brent, webhook)
    told.deliverer.advance(webhook)
    assert receiver.types() == ["dev.andon.webhook.tested.v1"]
    assert receiver.messages[0].is_signed_with(told.secret)


def test_redirects_are_not_followed(told: Told, receiver: Receiver) -> None:
    webhook = told.add()
    receiver.answers = lambda _: (307, {"location": "/elsewhere"})
    told.happens("a")
    told.deliverer.advance(webhook)
    assert [one.path for one in receiver.messages] == ["/hook"]
    assert told.get(webhook).error == "it answered 307, and redirects are not followed"


def test_nothing_is_sent_to_the_metadata_of_a_cloud(told: Told) -> None:
    for url in ("https://169.254.169.254/latest", "https://[::ffff:169.254.169.254]/", "https://[fd00:ec2::254]/"):
        assert "cloud" in HttpPost(seconds=5).post(url, {}, b"{}", elsewhere=False).problem


def test_who_answers_slowly_or_nothing_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        drip = threading.Thread(target=dripping, args=(silent,), daemon=True)
        drip.start()
        slow = HttpPost(seconds=0.5).post(f"http://127.0.0.1:{port}/", {}, b"{}", elsewhere=False)
        drip.join()  # also where it took the connection only after nobody waited any more
    assert slow.problem == "no answer within 0.5 s"
    with socket.socket() as deaf:  # it has its port, so that nobody else gets it, and does not listen
        deaf.bind(("127.0.0.1", 0))
        port = deaf.getsockname()[1]
        gone = HttpPost(seconds=60).post(f"http://127.0.0.1:{port}/", {}, b"{}", elsewhere=False)
    assert gone.problem == "nothing answers there"


def dripping(silent: socket.socket) -> None:
    """A byte of a header now and then: each arrives in good time, and all of them never."""
    connection, _ = silent.accept()
    with connection:
        try:
            connection.sendall(b"HTTP/1.1 200 OK\r\nx: ")
            for _ in range(200):
                connection.sendall(b"x")
                time.sleep(0.05)
        except OSError:
            return


def test_the_secret_is_kept_sealed_and_neither_it_nor_the_address_is_in_the_record(told: Told) -> None:
    webhook = told.add()
    told.deliverer.test(told.brent, webhook)
    with told.database.reading() as reading:
        rows = reading.connection.execute(sa.text("SELECT * FROM webhooks")).all()
        recorded = "".join(one.data.decode() for one in page(reading, limit=1000))
    for shown in (str(rows), recorded, repr(told.get(webhook))):
        assert told.secret not in shown
    assert told.receiver.url not in recorded, "an address may hold a key"


def test_only_the_last_tries_are_kept(told: Told) -> None:
    webhook = told.add()
    told.happens("a")
    with told.database.transaction() as tx:
        (envelope,) = page(tx, Facets(type=ConfigSet.type))
        for _ in range(KEPT + 5):
            told.service.settle(tx, webhook, envelope, Answer(status=500, milliseconds=1, problem="no"), 0.0)
    with told.database.reading() as reading:
        tries = told.service.deliveries(reading, told.get(webhook), 1000)
    assert [one.attempt for one in tries] == list(range(KEPT + 5, 5, -1))


def test_one_that_hangs_keeps_no_other_waiting(told: Told, receiver: Receiver) -> None:
    held = threading.Event()
    with receiving() as hanging:
        hanging.answers = lambda _: (200 if held.wait(60) else 500, {})
        told.add(url=hanging.url)
        told.add()
        bell = Bell(told.database)
        deliverer = Deliverer(
            database=told.database,
            bell=bell,
            service=told.service,
            post=HttpPost(seconds=60),
            source="x",
            chance=lambda: 0.0,
        )
        bell.start()
        deliverer.begin()
        try:
            told.happens("a", "b")
            until(lambda: told.names() == ["a", "b"] and len(hanging.messages) == 1)
            held.set()
            until(lambda: len(hanging.messages) == 2)
        finally:
            held.set()
            deliverer.end()
            bell.stop()


def until(true: Callable[[], bool]) -> None:
    for _ in range(3000):
        if true():
            return
        time.sleep(0.02)
    raise AssertionError("it never came to that")
