"""Whatever programs send as names, values and lines: in a real browser it is text, on every page that shows it."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest
from google.protobuf.message import Message  # type: ignore[import-untyped]  # carries no types
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, expect

from benchmarks.harness.installation import Andon, left_behind, until
from benchmarks.harness.ports import free_port
from tests.browser import PATIENCE, browser, troubles
from tests.feedback.telemetry.ways.otlp_messages import gauge, logs, metrics, traces

__all__ = ["browser"]
pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(300)]

EVIL = "\"'><img src=x onerror=hurt=1><script>hurt=2</script><svg onload=hurt=3>{{7*7}}${7*7}\x1b[31mred\x1b]0;t\x07"
SEEN = EVIL.replace("\x1b", "").replace("\x07", "")
"""Without what is refused where somebody types it."""
LINK = "javascript:hurt=4"
TRACE = bytes.fromhex("bad0" * 8)
GAUGE = '{__name__=~"evil_gauge.*"}'
"""Its unit is a part of its name."""
MOST_PAGES = 45
TELLING = ("/logs", "/traces", "/graphs", "/registry", "/hosts", "/telemetry")
LINKS = """[...document.querySelectorAll('main a[href]:not([download])')]
    .map((one) => new URL(one.getAttribute('href'), location).href)"""


@dataclass(frozen=True, slots=True)
class Told:
    andon: Andon
    headers: dict[str, str]

    def get(self, path: str, **asked: str) -> httpx.Response:
        return httpx.get(f"{self.andon.address}{path}", params=asked, headers=self.headers, timeout=30)


def evil_attributes() -> list[KeyValue]:
    told = {"user": EVIL, EVIL: "value", "url.full": LINK, "exception.stacktrace": EVIL, "http.url": LINK}
    return [KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in told.items()]


def resource() -> Resource:
    told = {
        "service.name": EVIL,
        "deployment.environment.name": EVIL,
        "service.version": EVIL,
        "service.instance.id": EVIL,
        "host.name": EVIL,
    }
    return Resource(attributes=[KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in told.items()])


def span(number: int, name: str, parent: int = 0) -> Span:
    now = time.time_ns()
    found = Span(
        trace_id=TRACE,
        span_id=number.to_bytes(8, "big"),
        parent_span_id=parent.to_bytes(8, "big") if parent else b"",
        name=name,
        kind=Span.SPAN_KIND_SERVER if number == 1 else Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=now - 10**9 // number,
        end_time_unix_nano=now,
        attributes=evil_attributes(),
        status=Status(code=Status.STATUS_CODE_ERROR, message=EVIL),
    )
    found.events.add(time_unix_nano=now, name=EVIL).attributes.extend(evil_attributes())
    return found


@pytest.fixture(scope="module")
def told() -> Iterator[Told]:
    ports = {name: free_port() for name in ("STATSD", "OTLP", "SYSLOG")}
    with Andon(settings={f"ANDON_TELEMETRY_{name}_PORT": str(port) for name, port in ports.items()}) as andon:
        until((andon.data / "telemetry" / "state.json").exists, "telemetry listens")
        found = Told(andon, {"Authorization": f"Bearer {andon.token}"})
        _send(found, ports)
        yield found
    assert left_behind(andon.folder) == []


def _send(told: Told, ports: dict[str, int]) -> None:
    now = time.time_ns()

    def export(signal: str, message: Message) -> None:
        answer = httpx.post(
            f"http://127.0.0.1:{ports['OTLP']}/v1/{signal}",
            content=message.SerializeToString(),
            headers={"content-type": "application/x-protobuf"},
            timeout=30,
        )
        assert (answer.status_code, answer.content) == (200, b"")

    metric = gauge("evil.gauge", 1.0, time=now // 1_000_000, unit=EVIL[:50], user=EVIL)
    metric.description = EVIL
    export("metrics", metrics(metric, of=resource(), scope=EVIL))
    for body in (EVIL, f"user {EVIL} failed", LINK, f'{{"msg": {json.dumps(EVIL)}}}'):
        record = LogRecord(
            time_unix_nano=now,
            severity_number=17,  # type: ignore[arg-type]  # an enum's number, as on the wire
            body=AnyValue(string_value=body),
            attributes=evil_attributes(),
            trace_id=TRACE,
            span_id=(1).to_bytes(8, "big"),
        )
        export("logs", logs(record, of=resource()))
    export("traces", traces(span(1, EVIL), span(2, EVIL, 1), of=resource()))
    lines = json.dumps({"msg": EVIL, "service": EVIL, "env": EVIL, "level": "error", EVIL: EVIL})
    httpx.post(f"http://127.0.0.1:{ports['OTLP']}/v1/lines", content=lines + "\n" + EVIL, timeout=30)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        tag = EVIL.replace(",", "").replace("|", "").replace("\x1b", "").replace("\x07", "")
        sender.sendto(f"evil.hits:1|c|#service:shop,user:{tag}".encode(), ("127.0.0.1", ports["STATSD"]))
        title, text = EVIL.encode(), LINK.encode()
        event = f"_e{{{len(title)},{len(text)}}}:".encode() + title + b"|" + text + b"|#service:shop"
        sender.sendto(event, ("127.0.0.1", ports["STATSD"]))
        sender.sendto(f"<11>1 - {'h' * 5} app - - - {EVIL}".encode(), ("127.0.0.1", ports["SYSLOG"]))
    annotation = httpx.post(
        f"{told.andon.address}/api/v1/annotations", json={"text": SEEN}, headers=told.headers, timeout=30
    )
    assert annotation.status_code == 201, annotation.text
    until(
        lambda: (
            len(told.get("/api/v1/logs/search", q="").json()["lines"]) >= 7
            and all(
                told.get("/prometheus/api/v1/query", query=query).json()["data"]["result"]
                for query in ("evil_hits", GAUGE)
            )
            and len(told.get(f"/api/v1/traces/{TRACE.hex()}").json().get("spans", ())) == 2
        ),
        "everything is stored",
    )
    counted = {"query": "andon_telemetry_series"}
    until(
        lambda: any(
            one["metric"].get("service") == EVIL
            for one in told.get("/prometheus/api/v1/query", **counted).json()["data"]["result"]
        ),
        "Andon has counted its series",
    )


@pytest.fixture
def context(browser: Browser, told: Told) -> Iterator[BrowserContext]:
    with browser.new_context(extra_http_headers=told.headers, reduced_motion="reduce") as made:
        made.set_default_timeout(PATIENCE)
        yield made


def form(path: str) -> tuple[str, tuple[str, ...]]:
    """Pages of one form differ in nothing that matters here: a path, and what is asked."""
    parts = urlsplit(path)
    return parts.path, tuple(sorted({name for name, _ in parse_qsl(parts.query)} - {"from", "to", "at", "is"}))


def looked_at(page: Page, said: list[str], *, refused: bool = False) -> list[str]:
    """What became more than text. Everything that can be opened has been. ``refused``: the page may say that it is not
    there.
    """
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    found = []
    if page.evaluate("typeof hurt") != "undefined":
        found.append(f"a script ran: {page.evaluate('hurt')}")
    for made in ("img[src=x]", "svg[onload]", "[onerror]", "a[href^='javascript:' i]"):
        if page.locator(made).count():
            found.append(f"it became an element: {made}")
    if page.evaluate("document.body.innerText.includes('49$')"):
        found.append("a template was evaluated")
    if "\x1b" in "".join(page.locator(".line").all_inner_texts()):
        found.append("an escape sequence was shown as it is")
    found += [one for one in said if not (refused and "Failed to load resource" in one)]
    said.clear()
    return found


def test_nothing_that_was_sent_is_more_than_text_on_any_page(context: BrowserContext, told: Told) -> None:
    week = "from=1h"
    named = told.get("/prometheus/api/v1/query", query=GAUGE).json()["data"]["result"][0]["metric"]["__name__"]
    begin = [
        "/logs?" + week,
        "/logs?" + urlencode({"q": EVIL[:40].replace('"', ""), "from": "1h"}),
        "/logs/tail",
        "/logs/templates?" + week,
        "/logs/count?" + urlencode({"service": EVIL, "query": EVIL.replace('"', ""), "metric": EVIL}),
        "/traces",
        f"/traces/{TRACE.hex()}",
        f"/traces/{TRACE.hex()}?focus={1:016x}",
        "/graphs",
        "/graphs/explore?" + urlencode({"metric": named}),
        "/graphs/explore?" + urlencode({"query": "evil_hits", "title": EVIL, "unit": EVIL, "from": "1h"}),
        "/graphs/explore?" + urlencode({"query": GAUGE, "as": "table", "from": "1h"}),
        "/graphs/explore?" + urlencode({"query": GAUGE.replace("}", f", user={json.dumps(EVIL)}}}"), "from": "1h"}),
        "/graphs/services/shop?" + week,
        "/registry",
        "/hosts",
        "/telemetry",
        "/record",
    ]
    waiting, seen, wrong = list(begin), {form(one) for one in begin}, dict[str, list[str]]()
    page = context.new_page()

    def opened(dialog: Dialog) -> None:
        wrong.setdefault("a dialog", []).append(dialog.message)
        dialog.dismiss()

    page.on("dialog", opened)
    said = troubles(page)
    visited = 0
    showing: set[str] = set()
    while waiting and visited < MOST_PAGES:
        path = waiting.pop(0)
        answer = page.goto(told.andon.address + path)
        visited += 1
        assert answer is not None
        if answer.status >= 500:
            wrong.setdefault(path, []).append(f"answered {answer.status}")
        if page.locator("andon-graph").count():
            page.locator("andon-graph").locator(".legend-line, .empty, .trouble, .plot-note").first.wait_for()
        if found := looked_at(page, said, refused=answer.status >= 400):
            wrong.setdefault(path, []).extend(found)
        if "<img src=x onerror=hurt=1>" in page.locator("main").inner_text():
            showing.add(urlsplit(path).path)
        for link in page.evaluate(LINKS):
            parts = urlsplit(link)
            there = parts.path + (f"?{parts.query}" if parts.query else "")
            if parts.netloc == urlsplit(page.url).netloc and parts.path.startswith(TELLING) and form(there) not in seen:
                seen.add(form(there))
                waiting.append(there)
    assert not wrong
    told_on = {
        "/logs",
        "/logs/templates",
        "/logs/count",
        "/traces",
        "/graphs",
        "/graphs/explore",
        "/hosts",
        "/telemetry",
    }
    assert showing >= {*told_on, f"/traces/{TRACE.hex()}"}, "it is there to be read"
    assert visited > 2 * len(begin), "links of these pages were followed"


def test_lines_that_come_while_somebody_looks_are_text_too(context: BrowserContext, told: Told) -> None:
    page = context.new_page()
    said = troubles(page)
    page.goto(f"{told.andon.address}/logs/tail")
    expect(page.locator(".tail-dot")).to_have_attribute("data-state", "on")
    ports = json.loads((told.andon.data / "telemetry" / "state.json").read_bytes())["places"]
    where = next(one["address"] for one in ports if one["what"] == "OpenTelemetry over HTTP")
    sent = httpx.post(f"http://{where}/v1/lines", content=f"only just said {EVIL}", timeout=30)
    assert sent.is_success, sent.text
    came = page.locator(".line", has_text="only just said")
    expect(came).to_contain_text("<img src=x onerror=hurt=1>")
    assert looked_at(page, said) == []
