"""The API of logs, and what is counted on both databases."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import msgspec
import pytest

from andon.feedback.logs.contract import CountedLine, CountedLines, CountingEnded, LineCounted
from andon.feedback.logs.service import MOST_COUNTED, LogsService
from andon.feedback.logs.views import FoundLines, LogLineShape
from andon.feedback.telemetry.memory_logs import MemoryLogs
from andon.kernel.access import Grant, PersonId, Principal, Role
from andon.kernel.db import Database
from andon.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from andon.kernel.events import Actor, ActorKind, page
from tests.feedback.logs.chatter import NEW, Chatter, Followed, now_us
from tests.serving import Serving


def _person(role: Role, service: str | None = None) -> Principal:
    return Principal(
        actor=Actor(ActorKind.PERSON, "per_1", "Brent"), person=PersonId("per_1"), grants=(Grant(role, service),)
    )


ADMINISTRATOR = _person(Role.ADMINISTRATOR)


@pytest.fixture(scope="module")
def api(server: Serving) -> httpx.Client:
    return server.api()


def test_lines_are_found_page_by_page(api: httpx.Client) -> None:
    asked: dict[str, str | int] = {"q": "basket holds", "since": "12h", "limit": 20, "severity": "info"}
    first = msgspec.json.decode(api.get("/logs/search", params=asked).content, type=FoundLines)
    then = msgspec.json.decode(
        api.get("/logs/search", params={**asked, "before": first.older}).content, type=FoundLines
    )
    assert len(first.lines) == 20
    times = [one.time for one in (*first.lines, *then.lines)]
    assert times == sorted(times, reverse=True)
    assert len(set(times)) == len(times)
    assert all("basket" in one.body and one.severity == "info" and one.service == "store" for one in first.lines)


def test_the_histogram_counts_what_the_search_finds(api: httpx.Client) -> None:
    # before its beginning nobody said anything: bars begin earlier than the search does
    asked = {"q": "basket holds", "since": "13h"}
    found = api.get("/logs/search", params={**asked, "limit": 1000}).json()["lines"]
    counted = api.get("/logs/histogram", params=asked).json()
    assert sum(one["lines"] for one in counted["counts"]) == len(found)
    assert {one["severity"] for one in counted["counts"]} == {"info"}
    assert counted["width"] == 600_000


def test_facets_are_the_values_there_are(api: httpx.Client) -> None:
    found = api.get("/logs/facets", params={"field": "http.status", "since": "12h"}).json()
    assert found["values"][0]["value"] == "200"
    assert "402" in {one["value"] for one in found["values"]}


def test_patterns_say_which_deployment_brought_them(api: httpx.Client) -> None:
    found = api.get("/logs/templates", params={"since": "12h"}).json()["patterns"]
    by_text = {one["text"]: one for one in found}
    assert by_text["stock of product <*> is negative: <*>"]["came_with"] == NEW
    assert by_text["payment refused by the bank for order <*>"]["came_with"] == ""
    assert found[0]["came_with"] == NEW


@pytest.mark.parametrize(
    "path",
    [
        "/logs/search?q=%22open",
        "/logs/search?since=soon",
        "/logs/search?severity=loud",
        "/logs/search?limit=0",
        "/logs/search?before=1",
        "/logs/histogram?since=0s",
        "/logs/follow?q=%22open",
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(api: httpx.Client, path: str) -> None:
    answer = api.get(path)
    assert answer.status_code == 400
    assert answer.json()["message"]


def test_a_store_that_does_not_answer_is_a_problem_with_a_status_of_its_own(
    api: httpx.Client, logs: MemoryLogs
) -> None:
    logs.down = True
    try:
        answer = api.get("/logs/search")
    finally:
        logs.down = False
    assert answer.status_code == 503
    assert answer.json()["message"] == "The telemetry store does not answer."


def test_new_lines_follow_as_they_come(api: httpx.Client, logs: Followed, chatter: Chatter) -> None:
    with api.stream("GET", "/logs/follow", params={"q": "follow-me -not"}) as answer:
        told = answer.iter_lines()
        assert next(told) == ""
        logs.until_followed("follow-me -not")
        _say(logs, chatter, "not follow-me", "hello", "follow-me one", "follow-me two")
        assert [one.body for one in _lines(told, 2)] == ["follow-me one", "follow-me two"]


def test_following_begins_where_one_has_read_to(api: httpx.Client, logs: MemoryLogs, chatter: Chatter) -> None:
    _say(logs, chatter, "begun-here first", "begun-here second")
    since = api.get("/logs/search", params={"q": "begun-here"}).json()["lines"][0]["time"]
    with api.stream("GET", "/logs/follow", params={"q": "begun-here", "since": since}) as answer:
        assert [one.body for one in _lines(answer.iter_lines(), 1)] == ["begun-here second"]


def test_what_is_followed_ends_when_the_store_does_not_answer(api: httpx.Client, logs: MemoryLogs) -> None:
    with api.stream("GET", "/logs/follow") as answer:
        told = answer.iter_lines()
        next(told)
        logs.down = True
        try:
            assert not [one for one in told if one and "never said" in one], "and it comes to an end"
        finally:
            logs.down = False


def test_counting_by_the_api(api: httpx.Client) -> None:
    wanted = {"service": "store", "metric": "sign_ins", "query": '"signed in"'}
    made = api.post("/logs/counted", json=wanted)
    assert made.status_code == 201, made.text
    assert [one["metric"] for one in api.get("/logs/counted").json()["counted"]] == ["sign_ins"]
    assert api.post("/logs/counted", json=wanted).status_code == 409
    assert api.delete(f"/logs/counted/{made.json()['id']}").status_code == 204
    assert api.delete(f"/logs/counted/{made.json()['id']}").status_code == 404
    assert api.get("/logs/counted").json()["counted"] == []


def test_what_is_counted_is_kept_on_both_databases_with_its_events(database: Database) -> None:
    service = LogsService()
    provided: CountedLines = service
    with database.transaction() as tx:
        second = service.count(tx, ADMINISTRATOR, "store", "b.second", "two")
        first = service.count(tx, ADMINISTRATOR, "store", "a_first", " one ")
        other = service.count(tx, ADMINISTRATOR, "catalogue", "a_first", "one")
    with database.reading() as reading:
        assert list(provided.counted(reading)) == [other, first, second]
        assert first.query == "one"
        told = [one.decode() for one in page(reading)]
        assert LineCounted(count=first.id, service=first.service, metric="a_first", query="one") in told
    with database.transaction() as tx, pytest.raises(Conflict):
        service.count(tx, ADMINISTRATOR, "store", "a_first", "three")
    with database.transaction() as tx:
        service.end(tx, ADMINISTRATOR, first.id)
    with database.reading() as reading:
        assert list(provided.counted(reading)) == [other, second]
        gone = CountingEnded(count=first.id, service=first.service, metric="a_first")
        assert gone in [one.decode() for one in page(reading)]
    with database.transaction() as tx:
        assert isinstance(service.count(tx, ADMINISTRATOR, "store", "a_first", "again"), CountedLine)


def test_counting_has_bounds(database: Database) -> None:
    service = LogsService()
    with database.transaction() as tx:
        for number in range(MOST_COUNTED):
            service.count(tx, ADMINISTRATOR, "store", f"m{number}", "x")
        for metric, query in (("m", "x"), ("1m", "x"), ("m" * 201, "x"), ("m m", "x"), ("m", ""), ("m", "a\x00b")):
            with pytest.raises(Invalid):
                service.count(tx, ADMINISTRATOR, "store", metric, query)


def test_counting_is_for_those_who_may_push(database: Database) -> None:
    service = LogsService()
    reader, stranger = _person(Role.VIEWER, "store"), _person(Role.ADMINISTRATOR, "catalogue")
    with database.transaction() as tx:
        made = service.count(tx, _person(Role.CONTRIBUTOR, "store"), "store", "m", "x")
        for who, error in ((reader, Forbidden), (stranger, NotFound)):
            with pytest.raises(error):
                service.count(tx, who, "store", "n", "x")
            with pytest.raises(error):
                service.end(tx, who, made.id)
        assert service.counted_for(tx, stranger) == ()
        assert service.counted_for(tx, reader) == (made,)


def _say(logs: MemoryLogs, chatter: Chatter, *texts: str) -> None:
    logs.add(*(chatter.said(now_us() - 1_000 + turn, text) for turn, text in enumerate(texts)))


def _lines(told: Iterator[str], count: int) -> list[LogLineShape]:
    found: list[LogLineShape] = []
    for text in told:
        if text:
            found.append(msgspec.json.decode(text, type=LogLineShape))
            if len(found) == count:
                break
    return found
