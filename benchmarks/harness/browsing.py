"""A real browser that is signed in and says when it has painted what."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Error, Page, sync_playwright

from andon.kernel.errors import Missing, Unavailable

_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")
_PASSWORD = "correct horse battery staple"

# A graph says when it has drawn; what it has drawn is on the screen once the frame after that has been painted.
_WATCHING = """
window.painted = { points: {}, causes: {} };
const onceSeen = (into, keys) => requestAnimationFrame(() => setTimeout(() => {
  for (const key of keys) into[key] ??= Date.now();
}));
document.addEventListener("andon:drawn", (event) => {
  const drawn = event.target.answer.lines.filter((line) => !line.past)
    .map((line) => `${line.query} ${line.values.findLast((value) => value != null)}`);
  onceSeen(window.painted.points, drawn);
}, true);
new MutationObserver(() => {
  const flags = [...document.querySelectorAll(".cause-flag")].flatMap((flag) => flag.dataset.cause.split(" "));
  onceSeen(window.painted.causes, flags.filter((id) => !(id in window.painted.causes)));
}).observe(document, { subtree: true, childList: true });
"""


class OpenPage:
    """A page with graphs. Times are milliseconds since 1970, of this machine's clock."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def open(self, address: str) -> None:
        self._page.goto(address)
        self._page.locator("andon-graph .u-over").first.wait_for()

    def point(self, query: int, value: int, seconds: float = 30.0) -> int:
        """When the value was painted as the newest of the question of this number. Raises ``Unavailable``."""
        return self._await("points", f"{query} {value}", seconds)

    def cause(self, event: str, seconds: float = 30.0) -> int:
        """When the line of this event was painted. Raises ``Unavailable``."""
        return self._await("causes", event, seconds)

    def _await(self, kind: str, key: str, seconds: float) -> int:
        # looked at from here and not awaited in the page, whose timers should have nothing to do but its own
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = self._page.evaluate("([kind, key]) => window.painted[kind][key] ?? null", [kind, key])
            if found is not None:
                return int(found)
            time.sleep(0.1)
        raise Unavailable(f"It was not painted within {seconds:g} s: {kind} {key}.")


@contextmanager
def browsing(welcome: str) -> Iterator[OpenPage]:
    """Chromium, in which the first administrator is made with the one-time link. Raises ``Missing``."""
    program = os.environ.get("ANDON_CHROMIUM") or shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if program is None:
        raise Missing(
            "There is no Chromium.", remedy="apt-get install chromium-headless-shell, or name one in ANDON_CHROMIUM."
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_ARGUMENTS))
        try:
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(welcome)
            page.get_by_label("Name").fill("Maxine")
            page.locator("[name=password]").fill(_PASSWORD)
            page.get_by_label("Password again").fill(_PASSWORD)
            page.get_by_role("button", name="Create the administrator").click()
            page.get_by_role("navigation", name="Rooms").wait_for()
            page.add_init_script(_WATCHING)
            yield OpenPage(page)
        except Error as error:
            raise Unavailable(f"The browser failed: {error}") from error
        finally:
            browser.close()
