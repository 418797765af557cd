"""The pages of webhooks in a real browser: accessible, and within the window of a phone."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser as Chromium

from tests.browser import DESKTOP, PHONE, browser, opened, troubles, violations
from tests.databases import Databases
from tests.feedback.webhooks.receiver import receiving
from tests.feedback.webhooks.test_edges import webhooks_served
from tests.serving import Serving

__all__ = ["browser"]  # the fixture

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[Serving]:
    with webhooks_served(tmp_path_factory.mktemp("webhooks"), databases) as running:
        yield running


def test_pages_are_accessible_and_fit(browser: Chromium, server: Serving) -> None:
    api, somebody, wrong = server.api(), server.administrator(), dict[str, list[str]]()
    with receiving() as receiver:
        address = f"{receiver.url}/parts-unlimited/a-long-address-with-a-key-in-it"
        made = api.post("/webhooks", json={"url": address, "types": ["dev.andon.webhook.*", "*"]})
        name = made.json()["webhook"]["id"]
        for status in (204, 500):
            receiver.answers = lambda _, status=status: (status, {})  # type: ignore[misc] # a default is no parameter
            api.post(f"/webhooks/{name}/test")
    shots = os.environ.get("ANDON_SCREENSHOTS")
    for theme, size in (("light", DESKTOP), ("dark", PHONE)):
        with opened(browser, somebody, size, color_scheme=theme) as context:
            page = context.new_page()
            said = troubles(page)
            for path in ("/webhooks", "/webhooks/add", f"/webhooks/{name}"):
                page.goto(server.address + path)
                over_wide = page.evaluate("document.documentElement.scrollWidth") - size[0]
                found = violations(page) + ([f"{over_wide} px wider than the window"] if over_wide > 0 else [])
                if found:
                    wrong[f"{theme} {path}"] = found
                if shots:
                    page.screenshot(path=f"{shots}/{theme}-{path.count('/')}-{path[-3:]}.png", full_page=True)
            assert not said
    assert not wrong
