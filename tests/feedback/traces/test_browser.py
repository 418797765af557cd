"""Traces in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import DESKTOP, PHONE, troubles, violations
from tests.feedback.traces.request import CHECKOUT
from tests.serving import Browser as Client
from tests.serving import Serving

pytestmark = pytest.mark.browser
WIDE = "bada55ed" * 4
PAGES = ("/traces", f"/traces/{WIDE}", f"/traces/{CHECKOUT}", f"/traces/{CHECKOUT}?focus={8:016x}", "/traces?name=none")


@pytest.fixture(scope="module")
def client(server: Serving) -> Client:
    return server.administrator()


@pytest.mark.parametrize(("theme", "size"), [("light", DESKTOP), ("dark", PHONE)])
def test_pages_are_accessible_and_fit(
    browser: Browser, server: Serving, client: Client, theme: str, size: tuple[int, int]
) -> None:
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        reduced_motion="reduce",
        color_scheme="light" if theme == "light" else "dark",
    )
    context.add_cookies(
        [{"name": one.name, "value": one.value or "", "url": server.address} for one in client.cookies.jar]
    )
    wrong: dict[str, list[str]] = {}
    with context:
        page = context.new_page()
        said = troubles(page)
        for path in PAGES:
            page.goto(server.address + path)
            over_wide = page.evaluate("document.documentElement.scrollWidth") - size[0]
            found = violations(page) + ([f"{over_wide} px wider than the window"] if over_wide > 0 else [])
            if found:
                wrong[path] = found
    assert not wrong
    assert not said


def test_a_trace_reads_without_script(browser: Browser, server: Serving, client: Client) -> None:
    context = browser.new_context(java_script_enabled=False)
    context.add_cookies(
        [{"name": one.name, "value": one.value or "", "url": server.address} for one in client.cookies.jar]
    )
    with context:
        page = context.new_page()
        page.goto(f"{server.address}/traces/{CHECKOUT}")
        row = page.locator(f"#span-{8:016x}")
        expect(row.get_by_text("Parts & Sons")).to_be_hidden()
        row.locator("summary").click()
        expect(row.get_by_text("Parts & Sons")).to_be_visible()
        page.get_by_role("link", name="Show them").click()
        expect(page.locator(".fall-row")).to_have_count(41)
        page.get_by_role("link", name="Show all of it").click()
        expect(page.locator(".fall-row")).to_have_count(13)
