"""OpenFeature's Remote Evaluation Protocol 0.3: each case of the specification, over the network."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from andon.flow.flags.serving.admission import Admission
from andon.flow.flags.serving.asking import Asking
from andon.flow.flags.serving.door import FlagDoor
from andon.flow.flags.serving.hub import Hub, Place
from andon.flow.flags.serving.tickets import Tickets
from tests.databases import Databases
from tests.flow.flags.serving import FLAGS, FlagSite, create_flag, open_flag_site, set_flag
from tests.flow.installation import STORE

EVALUATE = "/ofrep/v1/evaluate/flags"
WHO = {"x-andon-service": "store", "x-andon-environment": "production"}
STAFF = {
    "when": [{"attribute": "email", "is": "ends-with", "values": ["@parts.example"]}],
    "serve": "on",
    "id": "staff",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[FlagSite]:
    with open_flag_site(tmp_path_factory.mktemp("ofrep"), databases) as found:
        create_flag(found)
        set_flag(found, {"default": {"on": 30, "off": 70}, "rules": [STAFF]})
        create_flag(found, "static")
        create_flag(found, "killed")
        assert found.api().post(f"{FLAGS}/killed/environments/production/kill", json={}).status_code == 200
        create_flag(found, "banner", kind="string", variants={"blue": "#00f", "red": "#f00"}, off="blue")
        create_flag(found, "limit", kind="number", variants={"few": 10, "many": 2.5}, off="few")
        create_flag(found, "pages", kind="number", variants={"few": 10, "many": 25}, off="few")
        create_flag(found, "layout", kind="object", variants={"old": {"columns": [1, 2]}, "new": {}}, off="old")
        yield found


@pytest.fixture(scope="module")
def client(site: FlagSite) -> Iterator[httpx.Client]:
    with site.client(site.token(scope="evaluate"), **WHO) as found:
        yield found


def ask(client: httpx.Client, key: str, context: object = None) -> httpx.Response:
    return client.post(f"{EVALUATE}/{key}", json={"context": {"targetingKey": "u1"} if context is None else context})


@pytest.mark.parametrize(
    ("key", "context", "expected"),
    [
        ("static", {"targetingKey": "u1"}, {"value": False, "reason": "STATIC", "variant": "off"}),
        ("killed", {"targetingKey": "u1"}, {"value": False, "reason": "DISABLED", "variant": "off"}),
        ("new-checkout", {"targetingKey": "u1"}, {"reason": "SPLIT"}),
        (
            "new-checkout",
            {"targetingKey": "u1", "email": "brent@parts.example"},
            {"value": True, "reason": "TARGETING_MATCH", "variant": "on"},
        ),
        ("banner", {"targetingKey": "u1"}, {"value": "#00f", "reason": "STATIC", "variant": "blue"}),
        ("limit", {"targetingKey": "u1"}, {"value": 10, "variant": "few"}),
        ("layout", {"targetingKey": "u1"}, {"value": {"columns": [1, 2]}, "variant": "old"}),
        # no targeting key is needed where nothing is drawn
        ("static", {}, {"value": False, "reason": "STATIC"}),
    ],
)
def test_a_flag_that_is_there_is_evaluated(
    client: httpx.Client, key: str, context: dict[str, Any], expected: dict[str, Any]
) -> None:
    answer = ask(client, key, context)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    found = answer.json()
    assert found["key"] == key
    assert expected.items() <= found.items()
    assert all(isinstance(value, bool | str | int | float) for value in found["metadata"].values())


@pytest.mark.parametrize(
    ("key", "body", "status", "code"),
    [
        ("nothing", b'{"context":{"targetingKey":"u1"}}', 404, "FLAG_NOT_FOUND"),
        ("new-checkout", b'{"context":{}}', 400, "TARGETING_KEY_MISSING"),
        ("new-checkout", b'{"context":[]}', 400, "INVALID_CONTEXT"),
        ("new-checkout", b'{"context":{"targetingKey":7}}', 400, "INVALID_CONTEXT"),
        ("new-checkout", b"{", 400, "PARSE_ERROR"),
        ("new-checkout", b"[1]", 400, "PARSE_ERROR"),
        ("new-checkout", b"\xff\xfe", 400, "PARSE_ERROR"),
        ("new-checkout", b"[" * 100_000, 400, "PARSE_ERROR"),
        ("new-checkout", b"x" * 300_000, 400, "PARSE_ERROR"),
    ],
)
def test_what_cannot_be_evaluated_says_why_in_openfeatures_words(
    client: httpx.Client, key: str, body: bytes, status: int, code: str
) -> None:
    answer = client.post(f"{EVALUATE}/{key}", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status
    found = answer.json()
    assert found["errorCode"] == code
    assert found["errorDetails"]
    # without them JavaScript's provider, and Java's, take it for no answer at all
    assert found["key"] == key
    assert isinstance(found["metadata"], dict)


def test_a_number_of_a_flag_with_fractions_is_always_one(client: httpx.Client) -> None:
    """Languages that tell them apart ask for one kind, whichever variant comes."""
    assert b'"value":10.0,' in ask(client, "limit").content
    assert b'"value":10,' in ask(client, "pages").content
    assert ask(client, "static").json()["value"] is False


def test_all_flags_are_evaluated_at_once(client: httpx.Client) -> None:
    answer = client.post(EVALUATE, json={"context": {"targetingKey": "u1"}})
    assert answer.status_code == 200
    found = answer.json()
    assert [one["key"] for one in found["flags"]] == [
        "banner",
        "killed",
        "layout",
        "limit",
        "new-checkout",
        "pages",
        "static",
    ]
    assert all({"value", "reason", "variant"} <= one.keys() for one in found["flags"])
    assert found["metadata"]["service"] == "store"


def test_one_flag_that_fails_leaves_the_others(client: httpx.Client) -> None:
    found = client.post(EVALUATE, json={"context": {}}).json()
    by_key = {one["key"]: one for one in found["flags"]}
    assert by_key["new-checkout"]["errorCode"] == "TARGETING_KEY_MISSING"
    assert by_key["static"]["value"] is False


def test_what_has_not_changed_for_somebody_is_not_sent_again(site: FlagSite, client: httpx.Client) -> None:
    body = {"context": {"targetingKey": "u1"}}
    etag = client.post(EVALUATE, json=body).headers["etag"]
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = client.post(EVALUATE, json=body, headers={"if-none-match": known})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == etag
    assert client.post(EVALUATE, json=body, headers={"if-none-match": '"other"'}).status_code == 200
    mail = {"context": {"targetingKey": "u1", "email": "x@parts.example"}}
    assert client.post(EVALUATE, json=mail, headers={"if-none-match": etag}).status_code == 200


def test_whoever_holds_the_stream_of_another_token_is_sent_its_own(site: FlagSite, client: httpx.Client) -> None:
    """A 304 says nothing of streams: a page kept for weeks, or over a restart, would never hear of a change again."""
    body = {"context": {"targetingKey": "u1"}}
    etag = client.post(EVALUATE, json=body).headers["etag"]
    with site.client(site.token(scope="evaluate"), **WHO) as another:
        answer = another.post(EVALUATE, json=body, headers={"if-none-match": etag})
        assert answer.status_code == 200
        known = another.post(EVALUATE, json=body, headers={"if-none-match": answer.headers["etag"]})
        assert known.status_code == 304


def test_without_a_good_token_the_answer_tells_what_to_do(site: FlagSite) -> None:
    expired = site.token(days=0.000001)
    time.sleep(0.2)
    for token in ("", "andon_wrong", expired):
        with site.client(token, **WHO) as client:
            answer = ask(client, "static")
            assert answer.status_code == 401
            assert "andon token create" in answer.json()["errorDetails"]
            assert (answer.json()["key"], answer.json()["metadata"]) == ("static", {})
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert int(answer.headers["retry-after"]) >= 30


def test_an_api_key_is_a_token_too(site: FlagSite) -> None:
    with site.client(**WHO, **{"x-api-key": site.token()}) as client:
        assert ask(client, "static").status_code == 200


def test_a_token_that_may_only_push_evaluates_nothing(site: FlagSite) -> None:
    with site.client(site.token(scope="push"), **WHO) as client:
        answer = ask(client, "static")
    assert answer.status_code == 403
    assert answer.json()["errorCode"] == "GENERAL"


def test_a_token_for_pages_has_flags_evaluated_and_reads_nothing_of_how(site: FlagSite) -> None:
    with site.client(site.token(scope="evaluate-remotely"), **WHO) as client:
        assert ask(client, "static").status_code == 200
        everything = client.post(EVALUATE, json={"context": {"targetingKey": "u1"}})
        assert everything.status_code == 200
        events = everything.json()["eventStreams"][0]["endpoint"]["requestUri"]
        with client.stream("GET", events) as stream:
            assert stream.status_code == 200
        for closed in ("document", "stream"):
            answer = client.get(f"/api/v1/flags/{closed}")
            assert answer.status_code == 403, closed
            assert "evaluate" in answer.text


def test_nobody_learns_of_services_that_they_may_not_see(site: FlagSite) -> None:
    with site.client(site.token("Erik")) as client:
        there, not_there = (
            client.post(f"/ofrep/{name}/production/ofrep/v1/evaluate/flags/static", json={}) for name in ("store", "no")
        )
    assert there.status_code == not_there.status_code == 404
    assert there.json() == not_there.json()


def test_a_token_of_one_service_need_not_name_it(site: FlagSite) -> None:
    with site.client(site.token(services=["store"]), **{"x-andon-environment": "production"}) as client:
        assert ask(client, "static").status_code == 200
    with site.client(site.token(services=["store"])) as client:
        answer = ask(client, "static")
        assert answer.status_code == 400
        assert "environment" in answer.json()["errorDetails"]


def test_service_and_environment_can_stand_in_the_address(site: FlagSite) -> None:
    with site.client(site.token()) as client:
        found = client.post(
            "/ofrep/store/production/ofrep/v1/evaluate/flags/static", json={"context": {"targetingKey": "u1"}}
        )
        assert found.json()["value"] is False
        slashed = client.post("/ofrep/store/production//ofrep/v1/evaluate/flags/static", json={})
        assert slashed.json()["value"] is False
        wrong = client.post("/ofrep/store/prodution/ofrep/v1/evaluate/flags/static", json={})
        assert wrong.status_code == 404
        assert (wrong.json()["key"], wrong.json()["errorCode"]) == ("static", "FLAG_NOT_FOUND")
        assert "prodution" in wrong.json()["errorDetails"]


def test_a_browser_of_another_origin_may_ask(client: httpx.Client) -> None:
    asked = client.options(EVALUATE, headers={"origin": "https://shop.example"})
    assert asked.status_code == 204
    assert asked.headers["access-control-allow-origin"] == "*"
    assert "authorization" in asked.headers["access-control-allow-headers"]
    answer = client.post(EVALUATE, json={}, headers={"origin": "https://shop.example"})
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    ("method", "path"), [("GET", EVALUATE), ("PUT", f"{EVALUATE}/static"), ("POST", "/ofrep/v2/x")]
)
def test_other_ways_to_ask_are_refused(client: httpx.Client, method: str, path: str) -> None:
    assert client.request(method, path).status_code in {404, 405}


def test_the_event_stream_tells_to_evaluate_again(site: FlagSite, client: httpx.Client) -> None:
    create_flag(site, "noticed")
    found = client.post(EVALUATE, json={"context": {"targetingKey": "u1"}}).json()
    stream = found["eventStreams"][0]
    assert stream["type"] == "sse"
    assert stream["inactivityDelaySec"] > 0
    uri = stream["endpoint"]["requestUri"]
    with site.client() as stranger, stranger.stream("GET", uri) as events:
        assert events.headers["content-type"].startswith("text/event-stream")
        lines = events.iter_lines()
        assert next(line for line in lines if line == ": here")
        set_flag(site, {"default": "on"}, "noticed")
        data = next(line for line in lines if line.startswith("data: "))
        assert '"refetchEvaluation"' in data
        # whoever was told gets what is new, at once
        fresh = client.post(f"{EVALUATE}?flagConfigEtag=x", json={"context": {"targetingKey": "u1"}}).json()
        assert {one["key"]: one for one in fresh["flags"]}["noticed"]["value"] is True


def test_what_has_changed_before_the_event_stream_is_heard_of_is_told_at_once(
    site: FlagSite, client: httpx.Client
) -> None:
    found = client.post(EVALUATE, json={"context": {"targetingKey": "u1"}}).json()
    uri = found["eventStreams"][0]["endpoint"]["requestUri"]
    before = found["metadata"]["revision"]
    create_flag(site, "meanwhile")
    now = client.post(f"{EVALUATE}?flagConfigEtag=x", json={}).json()["metadata"]["revision"]
    assert now > before
    with site.client() as stranger:
        with stranger.stream("GET", uri) as events:
            lines = events.iter_lines()
            # with it comes back a browser whose connection breaks off before anything has changed
            assert next(line for line in lines if line.startswith("id: ")) == f"id: {now}"
            assert "refetchEvaluation" in next(line for line in lines if line.startswith("data: "))
        with stranger.stream("GET", uri, headers={"last-event-id": str(now)}) as events:
            lines = events.iter_lines()
            assert next(line for line in lines if line.startswith("id: ")) == f"id: {now}"
            create_flag(site, "meanwhile-too")
            told = next(line for line in lines if line.startswith("id: "))
            assert told == f"id: {now + 1}"


def test_a_wrong_address_of_an_event_stream_opens_nothing(site: FlagSite) -> None:
    with site.client() as stranger:
        assert stranger.get("/ofrep/v1/events?ticket=guess").status_code == 401
        assert stranger.get("/ofrep/v1/events").status_code == 401


def test_names_that_no_flag_has_are_told_where_flags_are_listed(site: FlagSite, client: httpx.Client) -> None:
    assert ask(client, "long-gone").status_code == 404
    site.room.shut()  # writes what was counted; threads and sockets end
    found = site.api().get(FLAGS).json()
    assert "long-gone" in found["unknown"]


def test_a_fault_of_ours_is_told_as_the_protocol_tells_it(site: FlagSite) -> None:
    def broken(_place: Place) -> bool:
        raise RuntimeError("the disk has gone")

    database, bell = site.installation.database, site.installation.bell
    door = FlagDoor(
        Hub(database, bell, site.built.flags),
        Admission(database, bell),
        Tickets(),
        Asking(database, site.built.flags),
        broken,
    )

    async def ask_it() -> tuple[httpx.Response, httpx.Response]:
        inside: Any = door.at(Place(STORE, "production"))  # ASGI in other words than httpx has for it
        async with httpx.AsyncClient(transport=httpx.ASGITransport(inside), base_url="http://andon") as client:
            return await client.post(f"{EVALUATE}/static", json={}), await client.post(EVALUATE, json={})

    one, every = asyncio.run(ask_it())
    assert one.status_code == every.status_code == 500
    assert one.headers["access-control-allow-origin"] == every.headers["access-control-allow-origin"] == "*"
    assert (one.json()["key"], one.json()["errorCode"], one.json()["metadata"]) == ("static", "GENERAL", {})
    assert every.json()["errorCode"] == "GENERAL"
    assert "the disk has gone" not in one.text + every.text


def test_the_address_of_a_stream_stays_for_half_a_day_and_is_good_for_as_long() -> None:
    """A new one is another answer, and a 304 says that the one that somebody holds is still good."""
    now = 1_000.0
    place, issued = Place(STORE, "production"), Tickets(lambda: now)
    first = issued.issue(place, "secret")
    now += 43_000
    assert issued.issue(place, "secret") == first
    now += 43_000
    assert issued.open(first) == (place, "secret")
    second = issued.issue(place, "secret")
    assert second != first
    now += 1_000
    assert issued.open(first) is None
    assert issued.open(second) == (place, "secret")
