"""Pictures of every page for the documentation: ``python -m tests.journeys.screenshots FOLDER``.

Each page three times: wide and light, wide and dark, on a phone. The few that the documentation shows are kept in
docs/images; take them anew when a page changes.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.browser import ARGUMENTS
from tests.journeys.line import Line, installation, make_environment, refuse, shop, token
from tests.journeys.pages import addresses, begin, signed_in

LOOKS = {"light": (False, False), "dark": (True, False), "phone": (False, True)}


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    program = os.environ.get("ANDON_CHROMIUM") or shutil.which("chromium")
    if program is None:
        raise SystemExit("Chromium is missing: apt-get install chromium, or set ANDON_CHROMIUM.")
    with sync_playwright() as playwright, installation() as (andon, link):
        browser = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        visitor = begin(browser, link)
        page = visitor.new_page()
        page.goto(andon.address)
        take(page, folder / "first-light.png")
        line = shop(andon, token(andon))
        make_environment(line, "maxine")
        refuse(line)
        shoot(browser, visitor, line, folder)
        browser.close()


def shoot(browser: Browser, visitor: BrowserContext, line: Line, folder: Path) -> None:
    """Every page in every look."""
    found = addresses(line, visitor.new_page())
    for look, (dark, phone) in LOOKS.items():
        context = signed_in(browser, visitor, dark=dark, phone=phone)
        page = context.new_page()
        for name, address in found.items():
            page.goto(line.andon.address + address)
            take(page, folder / f"{name}-{look}.png")
        context.close()


def take(page: Page, path: Path) -> None:
    # the log is drawn, and the line under what runs stands still
    page.wait_for_load_state("load")
    page.wait_for_timeout(300)
    page.screenshot(path=path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
