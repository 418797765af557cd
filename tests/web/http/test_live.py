"""Changes as they happen, and the end of it."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import httpx
import sqlalchemy as sa

from andon.kernel.access.storage import sessions
from andon.kernel.events import ANDON, append
from andon.kernel.events.record import latest_position
from andon.web.http.live import MOST_TOPICS, MOST_WAITING, PER_CALLER
from tests.serving import Serving
from tests.web.http.notes import NoteWritten


def write(server: Serving, service: str = "store", count: int = 1) -> None:
    with server.database.transaction() as tx:
        for _ in range(count):
            append(tx, NoteWritten(service=service, environment="production"), by=ANDON)


def changes(lines: Iterator[str]) -> Iterator[tuple[str, list[str]]]:
    kind = ""
    for line in lines:
        if line.startswith("event: "):
            kind = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield kind, json.loads(line.removeprefix("data: "))


def position_of(page: str) -> int:
    """Up to which place in the record a page knows."""
    found = re.search(r'data-live-position="(\d+)"', page)
    assert found is not None
    return int(found[1])


def test_a_change_is_told_to_whoever_listens(server: Serving) -> None:
    browser = server.administrator()
    with browser.stream("GET", "/live?topics=environment:store/production,run:run_x") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        next(lines)
        write(server, "payment")
        write(server, "store")
        assert next(changes(lines)) == ("change", ["environment:store/production"])


def test_all_topics_of_an_event_are_named(server: Serving) -> None:
    with server.administrator().stream("GET", "/live") as answer:
        lines = answer.iter_lines()
        next(lines)
        write(server)
        # signing in was an event too, and may be told first
        topics = next(found for _, found in changes(lines) if "service:store" in found)
    assert {"record", "light", "environment:store/production"} <= set(topics)


def test_what_may_not_be_seen_is_not_told(server: Serving) -> None:
    server.administrator()
    browser = server.person("Brent", [{"role": "viewer", "service": "store"}])
    with browser.stream("GET", "/live?topics=service:payment,service:store") as answer:
        lines = answer.iter_lines()
        next(lines)
        write(server, "payment")
        write(server, "store")
        assert next(changes(lines)) == ("change", ["service:store"])


def test_other_peoples_accounts_are_not_told(server: Serving) -> None:
    administrator = server.administrator()
    browser = server.person("Patty", [{"role": "viewer", "service": "store"}])
    with (
        browser.stream("GET", "/live") as answer,
        administrator.stream("GET", "/live") as whole,
        browser.stream("GET", "/live", headers={"last-event-id": "0"}) as returning,
    ):
        told, all_told = answer.iter_lines(), whole.iter_lines()
        next(told)
        next(all_told)
        person = server.person("Bill")
        write(server)
        heard: list[list[str]] = []
        for lines in (told, all_told, returning.iter_lines()):
            heard.append([])
            for _, topics in changes(lines):
                heard[-1] += topics
                if "environment:store/production" in topics:  # what was written last; Patty's role is on store, too
                    break
    bill = f"person:{person.get('/api/v1/me').json()['person']}"
    assert [bill in topics for topics in heard] == [False, True, False]


def test_a_returning_listener_learns_what_it_missed(server: Serving) -> None:
    browser = server.administrator()
    write(server, "store")
    with browser.stream("GET", "/live?topics=service:store", headers={"last-event-id": "0"}) as answer:
        assert next(changes(answer.iter_lines())) == ("change", ["service:store"])
    write(server, "store", MOST_WAITING + 1)
    with browser.stream("GET", "/live?topics=service:store", headers={"last-event-id": "0"}) as answer:
        assert next(changes(answer.iter_lines())) == ("change", ["*"])


def test_what_happens_between_a_page_and_its_stream_is_told(server: Serving) -> None:
    browser = server.administrator()
    with server.database.reading() as reading:
        written = latest_position(reading)
    # a page knows what the bell has told, which may not have heard yet of all that tests before this one wrote
    deadline = time.monotonic() + 60
    while (known := position_of(browser.get("/account").text)) < written:
        assert time.monotonic() < deadline, f"{known} of {written} were told"
        time.sleep(0.05)
    write(server, "store")
    with browser.stream("GET", f"/live?topics=service:store&after={known}") as answer:
        assert next(changes(answer.iter_lines())) == ("change", ["service:store"])


def test_signing_out_ends_the_stream(server: Serving) -> None:
    browser, other = server.administrator(), server.browser()
    other.cookies.update(browser.cookies)
    with browser.stream("GET", "/live?topics=nothing") as answer:
        lines = answer.iter_lines()
        next(lines)
        other.submit("/account", "/logout")
        assert list(changes(lines)) == [("over", [])]


def test_a_session_that_expires_ends_the_stream(server: Serving) -> None:
    browser = server.administrator()
    with server.database.transaction() as tx:
        tx.connection.execute(sa.update(sessions).values(expires_at=tx.now + timedelta(seconds=5)))
    with browser.stream("GET", "/live?topics=nothing") as answer:
        assert answer.status_code == 200, "it was asked for while the session was good"
        assert list(changes(answer.iter_lines())) == [("over", [])]


def test_streams_are_bounded_and_freed(server: Serving) -> None:
    browser = server.administrator()
    assert browser.get("/live?topics=" + ",".join(map(str, range(MOST_TOPICS + 1)))).status_code == 400
    limits = httpx.Limits(max_connections=PER_CALLER + 5)
    with httpx.Client(base_url=server.address, cookies=browser.cookies, limits=limits, timeout=30) as client:
        opened = [client.send(client.build_request("GET", "/live"), stream=True) for _ in range(PER_CALLER)]
        readers = [answer.iter_lines() for answer in opened]
        for reader in readers:
            next(reader)
        with client.stream("GET", "/live") as refused:
            assert refused.status_code == 429
        for answer in opened:
            answer.close()
    settled = threading.Event()
    for _ in range(200):
        with browser.stream("GET", "/live") as answer:
            if answer.status_code == 200:
                return
        settled.wait(0.05)
    raise AssertionError("closed streams were never freed")


def test_a_stranger_hears_nothing(server: Serving) -> None:
    assert httpx.get(f"{server.address}/live", timeout=60).status_code == 401


def test_waiting_for_the_next_event_over_the_api(server: Serving) -> None:
    api = server.api()
    last = api.get("/events?limit=1").json()["events"][0]["andonposition"]
    timer = threading.Timer(0.2, write, [server])
    timer.start()
    found = api.get(f"/events?after={last}&wait=30&type=test.*").json()["events"]
    timer.join()
    assert [one["type"] for one in found] == ["test.note.written.v1"]


def test_who_waits_for_one_kind_is_not_answered_because_of_another(server: Serving) -> None:
    """Else whoever follows would ask again without a pause as soon as there is one event that does not match."""
    api = server.api()
    last = api.get("/events?limit=1").json()["events"][0]["andonposition"]
    write(server, "payment")
    timer = threading.Timer(0.2, write, [server])
    timer.start()
    found = api.get(f"/events?after={last}&wait=30&service=store").json()["events"]
    timer.join()
    assert [one["andonservice"] for one in found] == ["store"]
