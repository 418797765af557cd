from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.feedback.telemetry.contract.intake import Dropped
from andon.feedback.telemetry.contract.logs import LogSource, Severity
from andon.feedback.telemetry.contract.metrics import Kind, Level
from andon.feedback.telemetry.memory_intake import MemoryIntake
from andon.feedback.telemetry.ways.browser.beacons import Allowed, Beacons
from andon.feedback.telemetry.ways.browser.pages import OTHER, Few, page_of
from andon.feedback.telemetry.ways.browser.patience import Patience
from tests.feedback.telemetry.ways.places import NOW, opened

ALLOWED = Allowed(
    knows=lambda service, environment: (service, environment) == ("shop", "production"),
    origins={"https://shop.example"},
    metrics={"cart.add"},
)
BEACON = {"service": "shop", "environment": "production", "version": "0123456789abcdef0123456789abcdef01234567"}


@pytest.fixture
def intake() -> MemoryIntake:
    return MemoryIntake()


@pytest.fixture
def client(intake: MemoryIntake) -> Iterator[httpx.Client]:
    with opened(
        lambda to, window, executor: Beacons(to, window, executor, ALLOWED, Patience(20)).routes(), intake
    ) as client:
        yield client


def test_vitals_and_timings_are_observations_of_the_client_level(client: httpx.Client, intake: MemoryIntake) -> None:
    beacon = {
        **BEACON,
        "page": "/orders/4711?token=secret",
        "view": 1,
        "vitals": {"LCP": 1250.0, "CLS": 0.02, "EVIL": 1},
        "timing": {"load": 900},
        "metrics": [["cart.add", 2], ["not.allowed", 1]],
    }
    answer = client.post("/beacon", json=beacon)
    assert (answer.status_code, answer.content) == (204, b"")
    assert "set-cookie" not in answer.headers
    assert intake.samples("browser_largest_contentful_paint_seconds", page="/orders/:id") == [(NOW, 1.25)]
    assert intake.samples("browser_cumulative_layout_shift", version="0123456") == [(NOW, 0.02)]
    assert intake.samples("browser_navigation_load_seconds") == [(NOW, 0.9)]
    assert intake.samples("browser_cart_add") == [(NOW, 2.0)]
    assert intake.samples("browser_page_views") == [(NOW, 1.0)]
    assert {one.level for one in intake.series} == {Level.CLIENT}
    assert {one.name: one.kind for one in intake.series}["browser_page_views"] is Kind.DELTA
    assert {one.kind for one in intake.series if one.name != "browser_page_views"} == {Kind.OBSERVATION}
    assert len(intake.series) == 5
    assert intake.count(Dropped.NAME) == 2
    assert "secret" not in repr(intake.batches)


def test_errors_become_lines_and_are_counted(client: httpx.Client, intake: MemoryIntake) -> None:
    broken = {"message": "x is <b>undefined</b>", "stack": "at f (app.js:1:2)", "at": "app.js:1:2"}
    client.post("/beacon", content=httpx.Request("POST", "http://x", json={**BEACON, "errors": [broken] * 30}).content,
                headers={"content-type": "text/plain;charset=UTF-8"})  # fmt: skip
    assert len(intake.logs) == 10
    line = intake.logs[0]
    assert (line.body, line.severity, line.source) == ("x is <b>undefined</b>", Severity.ERROR, LogSource.BROWSER)
    assert dict(line.fields) == {"page": "/", "stack": "at f (app.js:1:2)", "at": "app.js:1:2"}
    assert intake.samples("browser_errors") == [(NOW, 10.0)]


def test_only_pages_of_the_same_host_or_of_named_origins_may_send(client: httpx.Client, intake: MemoryIntake) -> None:
    def origin(value: str) -> httpx.Response:
        return client.post("/beacon", json={**BEACON, "view": 1}, headers={"origin": value})

    assert origin("https://evil.example").status_code == 403
    assert origin("null").status_code == 403
    assert not intake.batches
    named = origin("https://shop.example")
    assert named.headers["access-control-allow-origin"] == "https://shop.example"
    assert "access-control-allow-credentials" not in named.headers
    assert origin(str(client.base_url).rstrip("/")).status_code == 204
    asked = client.options("/beacon", headers={"origin": "https://shop.example"})
    assert (asked.status_code, asked.headers["access-control-allow-methods"]) == (204, "POST")


def test_one_address_may_not_send_without_end(client: httpx.Client, intake: MemoryIntake) -> None:
    def send(address: str) -> int:
        headers = {"x-forwarded-for": f"1.2.3.4, {address}"}
        return client.post("/beacon", json={**BEACON, "view": 1}, headers=headers).status_code

    assert [send("10.0.0.1") for _ in range(21)] == [204] * 20 + [429]
    assert send("10.0.0.2") == 204
    assert intake.count(Dropped.FULL) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"service":"nobody"}',
        b'{"service":"shop","environment":"made up"}',
        b'{"service":"shop","environment":"production","vitals":{"LCP":"x"}}',
        b'{"service":"shop","environment":"production","metrics":' + b"[" * 5000,
    ],
)
def test_what_is_no_beacon_is_refused(client: httpx.Client, intake: MemoryIntake, body: bytes) -> None:
    assert client.post("/beacon", content=body).status_code == 400
    assert not intake.batches


def test_a_large_beacon_is_refused(client: httpx.Client) -> None:
    assert client.post("/beacon", content=b" " * 65_537).status_code == 413


def test_values_no_browser_can_measure_are_dropped(client: httpx.Client, intake: MemoryIntake) -> None:
    client.post("/beacon", json={**BEACON, "vitals": {"LCP": -1, "FCP": 1e300}})
    assert intake.count(Dropped.NOT_A_NUMBER) == 2
    assert not intake.batches


def test_the_script_is_small_and_served_from_the_same_place(client: httpx.Client) -> None:
    answer = client.get("/beacon.js")
    assert answer.headers["content-type"].startswith("text/javascript")
    assert 0 < len(answer.content) < 2000
    assert b"sendBeacon" in answer.content


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/", "/"),
        ("", "/"),
        ("/a/b/", "/a/b"),
        ("/users/42/orders/0b9f8c7d-1234-4321-9999-001122334455", "/users/:id/orders/:id"),
        ("/u/anna@example.org", "/u/:id"),
        ("/commit/0123456789abcdef", "/commit/:id"),
        ("/s/eyJhbGciOiJIUzI1NiJ9", "/s/:id"),
        ("/x/cus_9s6XKzkNRiz8i3q7", "/x/:id"),
        ("/x/<script>", "/x/:id"),
        ("/privacy-policy?x=1#y", "/privacy-policy"),
        ("/" + "a/" * 50, "/a/a/a/a/a/a/a/a/…"),
        ("/" + "a" * 500, "/:id"),
    ],
)
def test_paths_of_pages_name_nobody(path: str, page: str) -> None:
    assert page_of(path) == page


@given(st.text(max_size=3000))
def test_every_path_becomes_a_short_page(path: str) -> None:
    assert len(page_of(path)) < 400


def test_a_service_has_few_pages_and_new_ones_on_the_next_day() -> None:
    now = [0.0]
    few = Few(2, lambda: now[0])
    assert [few.label("shop", value) for value in ("/a", "/b", "/c", "/a")] == ["/a", "/b", OTHER, "/a"]
    now[0] = 86_400.0
    assert few.label("shop", "/c") == "/c"
