"""All pattern pages and components in a real browser: accessible in both themes, wide and narrow, no complaint."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, expect

from andon.web.gallery.pages import Gallery
from andon.web.rendering import STATIC
from tests.browser import DESKTOP, PHONE, troubles, violations
from tests.web.site import Site

PAGES = tuple(Gallery(datetime.now(UTC)).pages())
pytestmark = pytest.mark.browser


# Structure depends on the width, colour on the theme: the two that are left out could find nothing new.
@pytest.mark.parametrize(("theme", "width"), [("light", "desktop"), ("dark", "phone")])
def test_pages_are_accessible_and_fit(browser: Browser, site: Site, theme: str, width: str) -> None:
    size = DESKTOP if width == "desktop" else PHONE
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if theme == "dark" else "light",
        reduced_motion="reduce",  # axe must not measure colours in the middle of a fade
    )
    wrong: dict[str, list[str]] = {}
    for name in PAGES:
        page = context.new_page()
        said = troubles(page)
        page.goto(f"{site.address}/{name}.html")
        if name == "run":
            page.get_by_text("45 lines, complete").wait_for()
        overflow = page.evaluate("document.documentElement.scrollWidth") - size[0]
        found = violations(page) + said + ([f"{overflow} px wider than the window"] if overflow > 0 else [])
        if found:
            wrong[name] = found
        page.close()
    context.close()
    assert not wrong


def test_pages_read_without_script(browser: Browser, site: Site) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(f"{site.address}/run.html")
    expect(page.get_by_text("AssertionError: assert 'Monday, 23 November'")).to_be_visible()
    expect(page.get_by_text("9 min ago").first).to_be_visible()
    expect(page.locator(".js-only").filter(visible=True)).to_have_count(0)
    page.goto(f"{site.address}/environment.html")
    page.get_by_text("Destroy production…").click()
    expect(page.get_by_label("Type production to confirm")).to_be_visible()
    context.close()


def test_the_script_and_style_are_small() -> None:
    squeezed = {name: len(gzip.compress((STATIC / name).read_bytes())) for name in ("console.js", "console.css")}
    assert squeezed["console.js"] < 40_000
    assert squeezed["console.css"] < 20_000


def test_it_prints_on_white_without_the_frame(browser: Browser, site: Site) -> None:
    context = browser.new_context(viewport={"width": 1000, "height": 800}, color_scheme="dark")
    page = context.new_page()
    page.goto(f"{site.address}/record.html")
    page.emulate_media(media="print")
    expect(page.locator(".rail")).to_be_hidden()
    expect(page.get_by_text("rolled back").first).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    context.close()
