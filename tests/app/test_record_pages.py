"""The record's pages, its dead letters and who may see them."""

from __future__ import annotations

import re

from andon.flow.environments.contract import SetId
from andon.flow.routing.contract import TrafficSwitched
from andon.flow.sources.contract import Service
from andon.kernel.access import Principal
from andon.kernel.access.contract import PersonJoined, SignedIn
from andon.kernel.access.signing_in import grants_of
from andon.kernel.access.tokens import create_token
from andon.kernel.db import Transaction
from andon.kernel.events import ANDON, Actor, ActorKind, Bell, Envelope, Reaction, append, page
from andon.kernel.events.reactions import ATTEMPTS, Reactor
from andon.kernel.events.seal import SealingKey, seal_next
from andon.kernel.events.storage import failures
from tests.app.conftest import Terminal
from tests.serving import Browser, Serving


def test_the_record_shows_who_did_what(server: Serving) -> None:
    browser = server.administrator()
    text = browser.get("/record?type=dev.andon.person.*").text
    read = " ".join(re.sub(r"<[^>]+>", " ", text).split())
    assert "Maxine signed in" in read
    assert "Maxine joined chose a password" in read
    assert "made a token" not in read
    assert "What happened: person" in read
    assert "Kind person" in read, "the filter that is on stands above the list"
    event = re.search(r"/record/ev_\w+", text)
    assert event
    detail = browser.get(event[0])
    assert detail.status_code == 200
    assert "Digest" in detail.text
    assert "`" not in detail.text


def test_the_search_understands_names_ids_commits_and_kinds(server: Serving) -> None:
    browser = server.administrator()
    person = server.api().get("/people").json()["people"][0]["id"]
    for words, address in (
        ("maxine", f"/record?person={person}"),
        ("3f2c91a", "/record?commit=3f2c91a"),
        ("run_" + "0" * 26, f"/record?run=run_{'0' * 26}"),
        ("token", "/record?type=dev.andon.token.%2A"),
        ("signed-in", "/record?type=dev.andon.person.signed-in.v1"),
        (person, f"/record?subject=person%3A{person}"),
    ):
        assert browser.get("/record", params={"q": words}).headers["location"] == address
    for query in ("before=x", "commit=a", "when=never", "type=%00", "person=%27%20OR%201=1", "before=" + "9" * 30):
        assert browser.get(f"/record?{query}").status_code == 200, query


def test_pages_go_back_to_the_beginning(server: Serving) -> None:
    api, browser = server.api(), server.administrator()
    for number in range(60):
        api.post("/tokens", json={"label": f"token {number}"})
    seen: set[str] = set()
    address = "/record?type=dev.andon.token.*"
    while address:
        text = browser.get(address).text
        new = set(re.findall(r'id="e(\d+)"', text))
        assert new
        assert not new & seen
        seen |= new
        older = re.search(r'rel="next" href="([^"]+)"', text)
        address = older[1].replace("&amp;", "&") if older else ""
    assert len(seen) >= 60


def test_filters_offer_more_than_the_page_holds(server: Serving) -> None:
    browser = server.administrator()
    with server.database.transaction() as tx:
        for service, environment in (("mailer", "staging"), *[("store", "production")] * 60):
            told = TrafficSwitched(
                environment=environment, service=Service(service), deployment="dep_1", set=SetId("set_1"), before=None
            )
            append(tx, told, by=ANDON)
    page = browser.get("/record").text
    offered = set(re.findall(r'href="/record\?(service|environment|person)=([^"]+)"', page))
    assert {("service", "mailer"), ("environment", "staging"), ("service", "store")} <= offered
    narrowed = browser.get("/record?service=mailer").text
    assert "environment=staging" in narrowed
    assert "environment=production" not in narrowed


def test_the_chain_is_checked_on_demand(server: Serving) -> None:
    browser = server.administrator()
    page = browser.get("/record/verify")
    assert page.status_code == 200
    assert "are whole" in page.text
    assert "Keep the newest seal" not in page.text, "nothing has been sealed here"
    with server.database.transaction() as tx:
        assert seal_next(tx, SealingKey.at(server.settings.data / "keys" / "record.pem")) is not None
    link = re.search(
        r'href="([^"]+)"[^>]*>(?:<svg.*?</svg>)?<span>Keep the newest seal', browser.get("/record/verify").text
    )
    assert link, "the seal can be taken along"
    kept = browser.get(link[1])
    assert "attachment" in kept.headers["content-disposition"]
    assert '"signature"' in kept.text


def test_a_dead_letter_is_seen_retried_and_discarded(server: Serving) -> None:
    browser = server.administrator()
    working = False

    def fail(tx: Transaction, envelope: Envelope) -> None:
        if not working:
            raise ValueError("<b>no luck</b>")

    database = server.database
    reactions = [
        Reaction("tests.luckless", (SignedIn,), fail),
        Reaction("tests.hopeless", (PersonJoined,), fail),
    ]
    reactor = Reactor(database, Bell(database), reactions)
    while reactor.turn():
        pass
    with database.transaction() as tx:
        tx.connection.execute(failures.update().values(attempts=ATTEMPTS, next_at=None))
    text = browser.get("/dead-letters").text
    assert "tests.luckless" in text
    assert "&lt;b&gt;no luck" in text
    assert "<b>no luck" not in text
    assert "dead letter" in browser.get("/record").text
    waiting = server.api().get("/dead-letters").json()["deliveries"]
    assert all(one["dead"] for one in waiting)

    working = True
    for one in waiting:
        if one["reaction"] == "tests.luckless":
            answer = browser.submit("/dead-letters", f"/dead-letters/{one['reaction']}/{one['position']}/retry")
            assert answer.status_code == 303
    while reactor.turn():
        pass
    (hopeless, *_) = left = server.api().get("/dead-letters").json()["deliveries"]
    assert {one["reaction"] for one in left} == {"tests.hopeless"}
    address = f"/dead-letters/tests.hopeless/{hopeless['position']}/discard"
    assert browser.submit("/account", address).status_code == 400
    assert browser.submit("/account", address, confirm="tests.hopeless").status_code == 303
    assert browser.submit("/account", address, confirm="tests.hopeless").status_code == 404


def test_whoever_may_read_nothing_reads_nothing(server: Serving) -> None:
    browser: Browser = server.person("Nobody in particular")
    for path in ("/record", "/record/lines", "/record/verify", "/dead-letters", "/record/ev_x"):
        assert browser.get(path).status_code == 403, path
    with server.database.reading() as reading:
        event = page(reading, limit=1)[0].id
    assert browser.get(f"/api/v1/events/{event}").status_code == 403
    assert browser.get("/api/v1/events").status_code == 403


def test_what_happens_to_accounts_is_seen_by_their_owner_and_administrators_alone(
    server: Serving, andon: Terminal
) -> None:
    """Through every door: pages, API, export, one event by its id, and the command line, which asks the API."""
    administrator = server.administrator()
    brent = server.person("Brent", [{"role": "operator", "service": "store"}])
    read = " ".join(re.sub(r"<[^>]+>", " ", brent.get("/record").text).split())
    assert "Brent signed in" in read or "Brent joined" in read
    assert "Maxine" not in read
    for path in ("/record", "/record/lines"):
        text = brent.get(f"{path}?type=dev.andon.*").text
        assert "Maxine" not in text, path
    everything = administrator.get("/api/v1/events?limit=500").json()["events"]
    seen = brent.get("/api/v1/events?limit=500").json()["events"]
    own = brent.get("/api/v1/me").json()["person"]
    about = [one for one in everything if one["type"].split(".")[2] in {"person", "token", "role"}]
    of_brent = [one["id"] for one in about if one["data"]["person"] == own]
    assert [one["id"] for one in seen if one in about] == of_brent
    assert len(of_brent) < len(about)
    with server.database.transaction() as tx:
        (grant,) = grants_of(tx, own)
        actor = Actor(ActorKind.PERSON, own, own)
        secret = create_token(tx, Principal(actor=actor, person=own, grants=(grant,)), label="a test").secret
    told = andon("events", "--limit", "500", ANDON_TOKEN=secret).out
    assert "Brent" in told
    assert "Maxine" not in told
    for one in about:
        status = 200 if one["id"] in of_brent else 404
        assert brent.get(f"/api/v1/events/{one['id']}").status_code == status
        assert brent.get(f"/record/{one['id']}").status_code == status
        assert administrator.get(f"/record/{one['id']}").status_code == 200
