"""What hostile or broken requests get, and how errors look to people and to programs."""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import socket

import httpx
import pytest

from tests.serving import Serving


def test_a_form_without_its_token_changes_nothing(server: Serving) -> None:
    browser = server.administrator()
    before = newest(server)
    for fields in ({}, {"_csrf_token": ""}, {"_csrf_token": "0" * 64}, {"_csrf_token": "é"}):
        refused = browser.post("/notes/store", data={"text": "x", **fields})
        assert refused.status_code == 403
        assert "out of date" in refused.text
    assert browser.post("/api/v1/notes/store", json={"text": "x"}).status_code == 403
    assert newest(server) == before
    assert browser.submit("/account", "/notes/store", text="x").status_code == 303
    assert newest(server) > before


def test_the_token_of_another_session_is_refused(server: Serving) -> None:
    first, second = server.administrator(), server.browser()
    second.sign_in("Maxine")
    stolen = second.get("/account").text.partition('_csrf_token" value="')[2][:64]
    assert first.post("/notes/store", data={"text": "x", "_csrf_token": stolen}).status_code == 403


def test_a_script_of_ours_sends_the_token_in_a_header(server: Serving) -> None:
    browser = server.administrator()
    token = browser.get("/account").text.partition('name="csrf-token" content="')[2][:64]
    answer = browser.post("/api/v1/notes/store", json={"text": "x"}, headers={"x-csrf-token": token})
    assert answer.status_code == 201


def test_nobody_is_signed_in_by_a_strangers_page(server: Serving) -> None:
    server.administrator()
    stranger = httpx.post(f"{server.address}/login", data={"name": "Maxine", "password": "x"}, timeout=60)
    assert stranger.status_code == 403


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_other_sites_are_refused_even_with_a_token(server: Serving, origin: str) -> None:
    browser = server.administrator()
    browser.headers["origin"] = origin
    assert browser.submit("/account", "/notes/store", text="x").status_code == 403
    browser.headers["origin"] = server.address
    assert browser.submit("/account", "/notes/store", text="x").status_code == 303
    browser.headers["sec-fetch-site"] = "cross-site"
    assert browser.submit("/account", "/notes/store", text="x").status_code == 403


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "localhost.evil.example", "10.0.0.1", "[", ""])
def test_other_host_names_are_refused(server: Serving, host: str) -> None:
    for path in ("/login", "/static/console.css", "/api/v1/me"):
        answer = httpx.get(server.address + path, headers={"host": host}, timeout=60)
        assert answer.status_code in {400, 421}, path
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.0.0.1:1", "[::1]", "console.localhost", "LOCALHOST"])
def test_loopbacks_own_names_are_known(server: Serving, host: str) -> None:
    assert httpx.get(f"{server.address}/login", headers={"host": host}, timeout=60).status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.1:1234", "[::1]:1234"])
@pytest.mark.parametrize(
    ("asked", "better"),
    [
        ("/", "/"),
        ("/record?type=x&q=%2F%0d%0aset-cookie:x", "/record?type=x&q=%2F%0d%0aset-cookie:x"),
        ("//evil.example/%2e%2e", "/evil.example/%2e%2e"),
    ],
)
def test_who_opens_a_page_by_a_loopback_address_is_sent_to_localhost(
    server: Serving, host: str, asked: str, better: str
) -> None:
    answer = httpx.get(server.address + asked, headers={"host": host, "accept": "text/html,*/*"}, timeout=60)
    assert answer.status_code == 307
    assert answer.headers["location"] == f"http://localhost:1234{better}"
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", ["/api/v1/me", "/static/console.css", "/git/x.git/info/refs"])
def test_programs_stay_at_the_address_they_chose(server: Serving, path: str) -> None:
    address = f"http://127.0.0.1:{server.settings.web.port}{path}"
    assert httpx.get(address, headers={"accept": "text/html"}, timeout=60).status_code != 307
    assert httpx.get(f"http://127.0.0.1:{server.settings.web.port}/login", timeout=60).status_code == 200, (
        "no browser asked"
    )


def test_localhost_is_answered_on_both_loopbacks(server: Serving) -> None:
    assert server.address == f"http://localhost:{server.settings.web.port}"
    for host in ("127.0.0.1", "[::1]"):
        assert httpx.get(f"http://{host}:{server.settings.web.port}/login", timeout=60).status_code == 200


def test_two_host_headers_are_refused(server: Serving) -> None:
    port = server.settings.web.port
    with socket.create_connection(("127.0.0.1", port), timeout=30) as line:
        line.sendall(b"GET /login HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
        status = line.makefile("rb").readline()
    assert b" 421 " in status or b" 400 " in status


def test_every_answer_is_protected(server: Serving) -> None:
    browser = server.administrator()
    for path in ("/login", "/account", "/nowhere", "/static/console.css", "/api/v1/me", "/live"):
        with browser.stream("GET", path) as answer:
            headers = answer.headers
        assert "default-src 'self'" in headers["content-security-policy"], path
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert "server" not in headers


def test_errors_are_documents_for_programs(server: Serving) -> None:
    api = server.api()
    conflict = api.post("/notes/store/again")
    assert conflict.status_code == 409
    assert conflict.headers["content-type"] == "application/problem+json"
    assert conflict.json() == {
        "code": "andon.conflict",
        "message": "It is written.",
        "safe": "It stays.",
        "remedy": "Read it.",
    }
    for status, answer in (
        (404, api.get("/nowhere")),
        (405, api.delete("/notes/store")),
        (400, api.post("/notes/store", json={"words": "x"})),
        (400, api.post("/notes/store", content=b"{", headers={"content-type": "application/json"})),
        (400, api.post("/notes/store", content=b'{"x":' + b"[" * 9_000, headers={"content-type": "application/json"})),
        (400, api.post(f"/dead-letters/nothing/{10**20}/retry")),
        (400, api.post(f"/dead-letters/nothing/{10**20}/discard")),
        (400, api.get("/events?limit=0")),
        (400, api.get("/events?since=2026-01-01T00:00:00")),
        (404, api.get("/events/ev_nothing")),
        (413, api.post("/notes/store", content=b'{"text":"' + b"x" * 5_000_000 + b'"}')),
    ):
        assert answer.status_code == status, answer.text
        assert answer.json()["message"]
    nobody = httpx.get(f"{server.address}/api/v1/me", timeout=60)
    assert nobody.status_code == 401
    assert nobody.headers["www-authenticate"].startswith("Bearer")


def test_errors_are_pages_for_people(server: Serving) -> None:
    browser = server.administrator()
    missing = browser.get("/nowhere")
    assert missing.status_code == 404
    assert "There is nothing at this address." in missing.text
    assert "Maxine" in missing.text, "an error keeps the frame"
    assert browser.delete("/notes/store").status_code in {403, 405}


def test_a_mistake_of_ours_shows_a_reference_and_logs_the_rest(
    server: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        page = server.administrator().get("/broken")
        api = server.api()
        document = api.get("/broken")
    assert page.status_code == document.status_code == 500
    assert "secret of the house" not in page.text + document.text
    assert "Traceback" not in page.text + document.text
    assert document.json()["reference"] in caplog.text
    assert "secret of the house" in caplog.text
    assert document.json()["reference"].startswith("err_")


@pytest.mark.parametrize(
    "header", ["Bearer wrong", "Bearer", "Basic !!!", "Basic " + base64.b64encode(b"git:").decode(), "Digest x", "é"]
)
def test_wrong_credentials_are_never_taken_for_none(server: Serving, header: str) -> None:
    answer = httpx.get(f"{server.address}/open", headers=[(b"authorization", header.encode())], timeout=60)
    assert answer.status_code == 401


def test_git_sends_its_token_as_a_password(server: Serving) -> None:
    answer = httpx.get(f"{server.address}/open", auth=("anything", server.operator), timeout=60)
    assert "Hello operator" in answer.text
    assert "Hello a stranger" in httpx.get(f"{server.address}/open", timeout=60).text


def test_services_of_others_are_not_there(server: Serving) -> None:
    browser = server.person("Brent", [{"role": "operator", "service": "store"}])
    assert browser.get("/notes/store").status_code == 200
    hidden, nothing = browser.get("/notes/payment"), browser.get("/notes/never-made")
    assert hidden.status_code == nothing.status_code == 404
    assert hidden.text.replace("payment", "X") == nothing.text.replace("never-made", "X")
    api = server.api()
    api.post("/notes/payment", json={"text": "hidden"})
    api.post("/notes/store", json={"text": "seen"})
    shown = api.get("/events?type=test.*&limit=2").json()["events"]
    assert [one["data"]["text"] for one in shown] == ["seen", "hidden"]
    texts = [one["data"]["text"] for one in browser.get("/api/v1/events?type=test.*").json()["events"]]
    assert texts[0] == "seen"
    assert "hidden" not in texts
    unseen = next(one["id"] for one in shown if one["data"]["text"] == "hidden")
    assert browser.get(f"/record/{unseen}").status_code == 404
    assert browser.get(f"/api/v1/events/{unseen}").status_code == 404
    assert browser.get("/api/v1/people").status_code == 403
    assert browser.get("/dead-letters").status_code == 403


def test_a_tokens_scopes_hold(server: Serving) -> None:
    api = server.api()
    reader = api.post("/tokens", json={"label": "r", "scopes": ["read"], "services": ["store"]}).json()["secret"]
    api = server.api(reader)
    assert api.get("/notes/store").status_code == 200
    assert api.get("/notes/payment").status_code == 404
    assert api.post("/notes/store", json={"text": "x"}).status_code == 403
    assert api.get("/people").status_code == 403
    assert api.post("/tokens", json={"label": "more"}).status_code == 403


def test_a_page_that_is_too_long_a_form(server: Serving) -> None:
    browser = server.administrator()
    assert browser.post("/notes/store", data={"text": "x" * 2_000_000}).status_code == 413


def test_static_files_are_kept_for_ever_under_their_mark(server: Serving) -> None:
    browser = server.browser()
    link = browser.get("/login").text.partition('rel="stylesheet" href="')[2].partition('"')[0]
    style = browser.get(link)
    assert style.status_code == 200
    assert "immutable" in style.headers["cache-control"]
    assert style.headers["content-encoding"] == "gzip"
    assert style.headers["content-type"].startswith("text/css")
    plain = browser.get("/static/console.css")
    assert plain.headers["cache-control"] == "no-cache"
    again = browser.get("/static/console.css", headers={"if-none-match": plain.headers["etag"]})
    assert again.status_code == 304
    for path in ("/static/nothing.css", "/static/../room.py", "/static/%2e%2e/room.py", "/static//etc/passwd"):
        assert browser.get(path).status_code == 404


def test_the_api_describes_itself(server: Serving) -> None:
    api = server.api()
    document = api.get("/openapi.json").json()
    operation = document["paths"]["/api/v1/notes/{service}"]["post"]
    assert operation["operationId"] == "write_note"
    assert {"201", "400", "401", "403", "404", "409"} <= set(operation["responses"])
    assert "/login" not in document["paths"]
    problem = operation["responses"]["404"]["content"]
    assert list(problem) == ["application/problem+json"]


def test_the_light_the_palette_and_the_search(server: Serving) -> None:
    browser = server.administrator()
    assert "A note is old" in browser.get("/account").text
    assert "A note is old" in browser.get("/light").text
    assert {"label": "the store", "href": "/notes/store", "kind": "service", "note": "notes"} in json.loads(
        browser.get("/palette.json").text
    )["entries"]
    assert browser.get("/search?q=the store").headers["location"] == "/notes/store"
    assert "0 found" in browser.get("/search?q=%3Cb%3E").text


def newest(server: Serving) -> int:
    api = server.api()
    position = api.get("/events?limit=1").json()["events"][0]["andonposition"]
    assert isinstance(position, int)
    return position


def test_a_request_that_never_gets_to_its_point_is_given_up(server: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("andon.web.http.connection.HEAD_SECONDS", 0.2)
    with socket.create_connection(("127.0.0.1", server.settings.web.port), timeout=60) as slow:
        slow.sendall(b"GET /login HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        # reset, where the server had given it up before it came to read this
        with contextlib.suppress(ConnectionResetError):
            assert slow.recv(1) == b"", "the connection was closed, not answered"


@pytest.mark.parametrize(
    "begun",
    [
        b"GET /login HTTP/1.1\r\nHost: localhost\r\nX-Large: ",
        b"POST /login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Large: ",
        b"GET /login HTTP/1.1\r\nHost: localhost\r\n\r\nGET /login HTTP/1.1\r\nX-Large: ",
    ],
    ids=["head", "trailer", "second head"],
)
def test_a_request_whose_head_does_not_end_is_cut_off_before_it_fills_the_memory(server: Serving, begun: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.settings.web.port), timeout=60) as large:
        large.sendall(begun)
        with pytest.raises(ConnectionError):
            large.sendall(b"x" * 2**26)


def test_a_long_upload_in_small_chunks_is_not_taken_for_a_large_head(server: Serving) -> None:
    with httpx.Client(base_url=server.address, timeout=30) as patient:
        answer = patient.post("/login", content=(b"x" * 10 for _ in range(60_000)))
    assert answer.status_code < 500


def test_a_slow_answer_is_not_taken_for_a_slow_request(server: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("andon.web.http.connection.HEAD_SECONDS", 2.0)
    api = server.api()
    for _ in range(2):
        answer = api.get(f"/events?after={newest(server)}&wait=3&type=never.*")
        assert (answer.status_code, answer.json()["events"]) == (200, [])
