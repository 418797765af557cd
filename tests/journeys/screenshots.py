"""Pictures of every page: ``python -m tests.journeys.screenshots FOLDER [NAME …]``.

Each page three times: wide and light, wide and dark, on a phone. ``NAME`` is a picture, such as ``run-dark``; without
one all are taken. The few that the documentation shows lie in docs/images; take them anew when their page changes:
``python -m tests.journeys.screenshots docs/images $(ls docs/images | cut -d. -f1)``.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from andon.app.demo.shop import SERVICE, examples
from andon.app.demo.story import Revision
from andon.feedback.rollouts.contract import RolloutState
from andon.feedback.rollouts.views import RolloutList
from benchmarks.harness.installation import until
from tests.browser import ARGUMENTS, find_chromium
from tests.journeys.customers import customers, send_traces
from tests.journeys.line import Line, git, installation, invite_colleagues, make_environment, refuse, shop, token
from tests.journeys.pages import PLACE, addresses, begin, signed_in

_CUSTOMERS_SECONDS = 90.0
"""So that there is something on graphs."""
_GRAPHS_ARE_DRAWN = """() => [...document.querySelectorAll("andon-graph")].every(
  one => one.getBoundingClientRect().top > innerHeight || one.querySelector("canvas, .plot-note"))"""
LOOKS = {"light": (False, False), "dark": (True, False), "phone": (False, True)}


def main(folder: Path, wanted: frozenset[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright, installation() as (andon, started):
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(ARGUMENTS))
        visitor = begin(browser, started.first_administrator)
        page = visitor.new_page()
        page.goto(started.address)
        if not wanted or "first-light" in wanted:
            take(page, folder / "first-light.png")
        line = shop(andon, started.address, token(andon))
        with customers(line):
            time.sleep(_CUSTOMERS_SECONDS)
        send_traces(line)
        make_environment(line, "maxine")
        refuse(line)
        invite_colleagues(line)
        found = addresses(line, page)
        console = {"deploy-console": found.pop("deploy-console")}
        shoot(browser, visitor, line, folder, found, wanted)
        # with a newer version that could go, the deploy console has something to show
        with line.asked() as client:
            client.post(f"{PLACE}/production/rollback", msgspec.Raw, Revision(line.commits[0]))
        until(lambda: line.settled("production"), "production is rolled back")
        shoot(browser, visitor, line, folder, console, wanted)
        shoot(browser, visitor, line, folder, released(line), wanted)
        browser.close()


def released(line: Line) -> Mapping[str, str]:
    """Pages of what comes to customers bit by bit: a flag on its ramp, and a version that was taken back."""
    with line.asked() as client:
        flags, place = f"/services/{SERVICE}/flags", f"/services/{SERVICE}/flags/new-checkout/environments/production"
        client.put("/segments/employees", msgspec.Raw, {"service": SERVICE})
        client.post("/segments/employees/members", msgspec.Raw, {"add": ["maxine", "brent", "patty"]})
        new = {
            "name": "new-checkout",
            "owner": "team-store",
            "description": "The checkout of spring, with one page less",
        }
        client.post(flags, msgspec.Raw, new)
        insiders = {"when": [{"attribute": "targetingKey", "is": "in-segment", "values": ["employees"]}], "serve": "on"}
        client.put(
            place,
            msgspec.Raw,
            {"setting": {"default": {"on": 1, "off": 99}, "rules": [insiders]}, "why": "colleagues first"},
        )
        steps = [{"percent": 5}, {"percent": 25, "after": 3600}, {"percent": 100, "after": 3600}]
        client.post(f"{place}/ramp", msgspec.Raw, {"steps": steps, "judge": "none", "why": "Monday's release"})
    # only under load does the version show what is wrong with it
    with customers(line, pause=0.004):
        shop = line.folder / "store"
        shutil.copytree(
            examples() / "store-changes" / "04-recommendations",
            shop,
            dirs_exist_ok=True,
            ignore=shutil.ignore_patterns("MESSAGE"),
        )
        git(line, "add", "--all")
        git(line, "commit", "--quiet", "--message", "Recommend what others bought")
        git(line, "push", "--quiet", "andon", "main")
        commit = git(line, "rev-parse", "HEAD").strip()
        until(lambda: refused(line, commit) is not None, "the version is taken back", 300)
    return {
        "flags": "/flags",
        "flag": f"/flags/{SERVICE}/new-checkout?who=maxine&attributes=&in=production",
        "segment": "/segments/employees",
        "rollouts": "/rollouts",
        "rollout": f"/rollouts/{refused(line, commit)}",
    }


def refused(line: Line, commit: str) -> str | None:
    """The rollout of the commit, once it has failed."""
    found = line.andon.client.get("/rollouts", RolloutList, of=SERVICE).rollouts
    return next((one.id for one in found if one.commit == commit and one.state is RolloutState.FAILED), None)


def shoot(
    browser: Browser,
    visitor: BrowserContext,
    line: Line,
    folder: Path,
    found: Mapping[str, str],
    wanted: frozenset[str],
) -> None:
    """Every page in every look, or those that are wanted."""
    for look, (dark, phone) in LOOKS.items():
        context = signed_in(browser, visitor, dark=dark, phone=phone)
        page = context.new_page()
        for name, address in found.items():
            if not wanted or f"{name}-{look}" in wanted:
                page.goto(line.console + address)
                take(page, folder / f"{name}-{look}.png")
        context.close()


def take(page: Page, path: Path) -> None:
    # the log is drawn, and the line under what runs stands still
    page.wait_for_load_state("load")
    page.wait_for_function(_GRAPHS_ARE_DRAWN)
    page.wait_for_timeout(300)
    page.screenshot(path=path)


if __name__ == "__main__":
    main(Path(sys.argv[1]), frozenset(sys.argv[2:]))
