"""The registry in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.browser import DESKTOP, PHONE, troubles, violations
from tests.serving import Serving

pytestmark = pytest.mark.browser
PAGES = ("/registry", "/registry/store", "/registry/legacy", "/hosts", "/hosts/annex")


@pytest.mark.parametrize(("theme", "size"), [("light", DESKTOP), ("dark", PHONE)])
def test_pages_are_accessible_and_fit(browser: Browser, server: Serving, theme: str, size: tuple[int, int]) -> None:
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        reduced_motion="reduce",
        color_scheme="light" if theme == "light" else "dark",
    )
    jar = server.administrator().cookies.jar
    context.add_cookies([{"name": one.name, "value": one.value or "", "url": server.address} for one in jar])
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
