"""Logs in a real browser."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from andon.feedback.telemetry.memory_logs import MemoryLogs
from andon.web.rendering import STATIC
from tests.browser import DESKTOP, PHONE, opened, troubles, violations
from tests.feedback.logs.chatter import Chatter, now_us
from tests.serving import Browser as Client
from tests.serving import Serving

pytestmark = pytest.mark.browser
PAGES = (
    "/logs?q=service:store+negative&from=6h",
    "/logs?q=checkout",
    "/logs/tail?q=negative",
    "/logs/templates?from=6h",
    "/logs/counted",
    '/logs/count?service=store&query="refused by the bank"&metric=refused',
)
"""With few lines each: axe looks at every element."""


@pytest.fixture(scope="module")
def client(server: Serving) -> Client:
    return server.administrator()


@pytest.fixture
def context(browser: Browser, client: Client) -> Iterator[BrowserContext]:
    with opened(browser, client) as made:
        yield made


@pytest.mark.parametrize(
    ("size", "theme"), [(DESKTOP, "light"), (DESKTOP, "dark"), (PHONE, "light")], ids=["light", "dark", "phone"]
)
def test_pages_are_accessible_and_fit(
    browser: Browser, server: Serving, client: Client, size: tuple[int, int], theme: str
) -> None:
    with opened(browser, client, size, color_scheme=theme) as context:
        page = context.new_page()
        said = troubles(page)
        for address in PAGES:
            page.goto(server.address + address)
            if "checkout" in address:
                page.locator(".line summary").first.click()
            assert not violations(page), address
            assert not page.evaluate("document.documentElement.scrollWidth > innerWidth"), address
        assert not said, "the security policy was broken, or something else"


def test_the_page_of_a_line_is_accessible_in_the_dark(browser: Browser, server: Serving, client: Client) -> None:
    with opened(browser, client, color_scheme="dark") as context:
        page = context.new_page()
        page.goto(server.address + "/logs?q=checkout")
        page.locator(".line summary").first.click()
        page.get_by_role("link", name="Around this line").click()
        page.wait_for_url("**/logs/line*")
        expect(page.locator(".line-here")).to_contain_text("checkout")
        assert not violations(page)


def test_what_others_wrote_does_nothing_in_a_browser(context: BrowserContext, server: Serving) -> None:
    page = context.new_page()
    said = troubles(page)
    page.on("dialog", lambda dialog: said.append(f"dialog: {dialog.message}"))
    for address in ("/logs?from=15m", "/logs/templates?from=15m", "/logs/tail"):
        page.goto(server.address + address)
        expect(page.locator("main")).to_contain_text("<img src=x onerror=")
        expect(page.locator("main img, main script, main a[href^='javascript']")).to_have_count(0)
    page.goto(server.address + "/logs?from=15m")
    red = page.get_by_text("red", exact=True)
    assert red.evaluate("one => getComputedStyle(one).color") != page.locator("main .line-text").first.evaluate(
        "one => getComputedStyle(one).color"
    )
    assert not said


def test_dragging_over_the_histogram_narrows_the_time(context: BrowserContext, server: Serving) -> None:
    page = context.new_page()
    page.goto(server.address + "/logs?q=service:store&from=6h")
    box = page.locator("[data-histogram]").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 40, steps=5)
    page.mouse.up()
    page.wait_for_url(re.compile(r"q=service.*from=\d{13}&to=\d{13}"))
    found = dict(part.split("=") for part in page.url.partition("?")[2].split("&"))
    assert 0.2 < (int(found["to"]) - int(found["from"])) / (6 * 3_600_000) < 0.3
    page.go_back()
    expect(page.locator(".seg a[aria-current]")).to_have_text("6h")


def test_a_field_is_added_to_the_search_with_a_click(context: BrowserContext, server: Serving) -> None:
    page = context.new_page()
    page.goto(server.address + "/logs?q=payment&from=12h")
    page.locator(".line summary").first.click()
    page.get_by_role("button", name="Only lines with bank north").first.click()
    expect(page.locator("#narrow input[name=q]")).to_have_value("payment bank:north")
    expect(page).to_have_url(re.compile("from=12h"))


def test_the_search_is_sent_by_enter_and_keeps_its_range(context: BrowserContext, server: Serving) -> None:
    page = context.new_page()
    page.goto(server.address + "/logs?from=6h")
    page.locator("#narrow input[name=q]").fill('"signed in"')
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("q="))
    expect(page.locator(".seg a[aria-current]")).to_have_text("6h")
    expect(page.locator(".line mark").first).to_have_text("signed in")


def test_new_lines_appear_by_themselves_and_wait_while_paused(
    context: BrowserContext, server: Serving, logs: MemoryLogs, chatter: Chatter
) -> None:
    page = context.new_page()
    said = troubles(page)
    page.goto(server.address + "/logs/tail?q=watched")
    expect(page.locator(".tail-dot")).to_have_attribute("data-state", "on")
    expect(page.locator("[data-tail-empty]")).to_be_visible()
    logs.add(chatter.said(now_us(), "watched <b>one</b>"))
    first = page.locator(".line").first
    expect(first).to_contain_text("watched <b>one</b>")
    first.locator("summary").click()
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("[data-tail-word]")).to_have_text("paused")
    logs.add(chatter.said(now_us(), "watched two"), chatter.said(now_us() + 1, "watched three"))
    expect(page.locator("[data-tail-said]")).to_have_text("2 new")
    expect(page.locator(".line")).to_have_count(1)
    page.get_by_role("button", name="Go on").click()
    expect(page.locator(".line .line-text")).to_contain_text(["watched three", "watched two", "watched <b>one"])
    expect(page.locator(".line details[open]")).to_have_count(1)
    assert not said


def test_a_tail_that_lost_its_stream_comes_back_and_misses_nothing(
    context: BrowserContext, server: Serving, logs: MemoryLogs, chatter: Chatter
) -> None:
    page = context.new_page()
    page.goto(server.address + "/logs/tail?q=returning")
    dot = page.locator(".tail-dot")
    expect(dot).to_have_attribute("data-state", "on")
    logs.down = True
    try:
        expect(dot).to_have_attribute("data-state", "retry")
    finally:
        logs.down = False
    logs.add(chatter.said(now_us(), "returning line"))
    expect(page.locator(".line .line-text")).to_have_text("returning line")
    expect(dot).to_have_attribute("data-state", "on")


def test_the_script_and_style_of_logs_are_small() -> None:
    squeezed = {name: len(gzip.compress((STATIC / name).read_bytes())) for name in ("lines.js", "lines.css")}
    assert squeezed["lines.js"] < 3_000
    assert squeezed["lines.css"] < 5_000


def test_a_line_reads_on_a_phone(browser: Browser, server: Serving, client: Client) -> None:
    with opened(browser, client, PHONE) as context:
        page: Page = context.new_page()
        page.goto(server.address + "/logs?q=checkout")
        text = page.locator(".line-text").first.bounding_box()
        time = page.locator(".line time").first.bounding_box()
        assert text
        assert time
        assert text["y"] > time["y"], "the text has the whole width, below its head"
        assert text["width"] > 300
