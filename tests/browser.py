"""A real browser for tests: `from tests.browser import browser, …` and take `browser` as a fixture.

It is Debian's Chromium (ANDON_CHROMIUM names another), one for the tests of a module: Playwright keeps an event loop
running in the thread of the tests, which others in the same process would stumble over. The headless shell, which is
Chromium without its windows, takes half the processor time (9 pages and axe: 8 s instead of 18 s).
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from httpx import Client
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from andon.kernel.errors import Missing

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP, PHONE = (1440, 900), (390, 844)
PATIENCE = 30_000
"""Milliseconds that a window waits for what it is told to wait for, and that ``expect`` waits for what it asserts."""

expect.set_options(timeout=PATIENCE)  # a quarter of it by itself, which a loaded machine uses up now and then


def find_chromium() -> str:
    """Its program. Raises :class:`Missing`."""
    found = os.environ.get("ANDON_CHROMIUM") or shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if found is None:
        raise Missing(
            "There is no Chromium.", remedy="apt-get install chromium-headless-shell, or name one in ANDON_CHROMIUM."
        )
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = find_chromium()
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        yield opened
        opened.close()


def opened(browser: Browser, client: Client, size: tuple[int, int] = DESKTOP, **options: object) -> BrowserContext:
    """A window of somebody who has signed in already: with the cookies of ``client``, at its address."""
    made = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        reduced_motion="reduce",
        **options,  # type: ignore[arg-type]  # handed on
    )
    made.set_default_timeout(PATIENCE)
    address = str(client.base_url)
    cookies = [{"name": one.name, "value": one.value or "", "url": address} for one in client.cookies.jar]
    made.add_cookies(cookies)  # type: ignore[arg-type]  # as many keys as are needed
    return made


def until(page: Page, true: Callable[[], object], says: str) -> None:
    """Wait for what ``expect`` has no words for; what the page tells meanwhile is heard."""
    end = time.monotonic() + PATIENCE / 1000
    while not true():
        assert time.monotonic() < end, f"it never came to this: {says}"
        page.wait_for_timeout(50)


def go_by_keys(page: Page, letter: str) -> None:
    """Press ``g`` and the letter of a room. The page's clock stands meanwhile: the keys have to follow each other
    within a second and a half, and a busy machine may take longer.
    """
    page.evaluate("(() => { const now = Date.now(); Date.now = () => now })()")
    page.keyboard.press("g")
    page.keyboard.press(letter)


def troubles(page: Page) -> list[str]:
    """A list that fills with what the page complains of while it is used; look at it in the end."""
    found: list[str] = []

    def said(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            found.append(f"{message.type}: {message.text}")

    page.on("console", said)
    page.on("pageerror", lambda error: found.append(f"exception: {error}"))
    return found


def violations(page: Page) -> list[str]:
    """What axe finds, one line each."""
    found = []
    for one in Axe().run(page).response["violations"]:
        places = ", ".join(str(node["target"]) for node in one["nodes"][:5])
        found.append(f"{one['id']}: {one['help']} at {places}")
    return found
