"""Every page of the console in a real browser, on a real line, and what one does there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

from andon.app.demo.shop import SERVICE
from andon.app.people.views import Invitation, InvitationLink
from benchmarks.harness.installation import until
from tests.browser import PATIENCE, PHONE, browser, go_by_keys, troubles, violations
from tests.browser import until as until_shown
from tests.journeys.customers import customers, send_traces
from tests.journeys.line import (
    NAME,
    PASSWORD,
    Line,
    installation,
    invite_colleagues,
    make_environment,
    refuse,
    shop,
    talk,
    token,
)
from tests.journeys.pages import PLACE, addresses, begin, signed_in

__all__ = ["browser"]
pytestmark = [pytest.mark.journey, pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]

SECRET = "a spanner nobody may see 7f3"
EMPTY = (
    *("/", "/runs", "/deploy", "/deployments", "/environments", "/record", "/people"),
    *("/graphs", "/logs", "/traces", "/registry", "/telemetry"),
)
LATER = 120_000
"""Milliseconds for a deployment on a busy machine."""
WIDTH = """new Promise((told) => requestAnimationFrame(() => requestAnimationFrame(() =>
    told(document.documentElement.scrollWidth))))"""
"""Of a page whose window has just become another: what watches its size has drawn by the second frame."""


@dataclass(frozen=True, slots=True)
class Console:
    line: Line
    visitor: BrowserContext
    empty: list[str]
    """What was wrong with the pages while there was nothing on them."""

    @property
    def address(self) -> str:
        return self.line.console


@pytest.fixture(scope="module")
def console(browser: Browser) -> Iterator[Console]:
    """One installation for all: made by its first administrator, empty, and then with a shop in two versions."""
    with installation() as (andon, started):
        visitor = begin(browser, started.first_administrator)
        visitor.set_default_timeout(PATIENCE)
        empty = []
        for path in EMPTY:
            with looked_at(visitor) as (page, wrong):
                page.goto(started.address + path)
                wrong.extend(faults(page))
            empty += [f"{path}: {one}" for one in wrong]
        with looked_at(visitor) as (page, _):
            page.goto(started.address)
            empty += [] if "andon init" in page.inner_text("main") else ["/: it does not say what to do next"]
        line = shop(andon, started.address, token(andon))
        with customers(line):
            send_traces(line)
            refuse(line)
            make_environment(line, "maxine")
        invite_colleagues(line)
        yield Console(line, visitor, empty)
        visitor.close()


@contextmanager
def looked_at(context: BrowserContext, *, refused: bool = False) -> Iterator[tuple[Page, list[str]]]:
    """A page, and a list of what is wrong with it. ``refused``: its own answer is an error, which Chromium tells of."""
    page = context.new_page()
    wrong: list[str] = []
    said = troubles(page)
    page.on("request", lambda asked: wrong.extend(_elsewhere(asked)))
    page.on("requestfailed", lambda asked: wrong.extend(_broken(asked)))
    yield page, wrong
    page.close()
    wrong += [one for one in said if not (refused and "Failed to load resource" in one)]


def _elsewhere(asked: Request) -> list[str]:
    here = urlsplit(asked.url)
    return (
        [] if here.hostname in {"127.0.0.1", "localhost"} or here.scheme in {"data", "blob"} else [f"asked {asked.url}"]
    )


def _broken(asked: Request) -> list[str]:
    # Leaving a page ends its stream of events and whatever it was asking for.
    return [] if asked.failure == "net::ERR_ABORTED" else [f"{asked.url} failed: {asked.failure}"]


def faults(page: Page) -> list[str]:
    """Of a page that is open: its heading, its title, and what axe says."""
    found = []
    if page.locator("h1").count() != 1:
        found.append(f"{page.locator('h1').count()} headings of the first order")
    if not re.fullmatch(r".+ · Andon", page.title()):
        found.append(f"its title is {page.title()!r}")
    return found + violations(page)


def test_an_empty_installation_says_what_to_do_next(console: Console) -> None:
    assert console.empty == []


def test_every_page_is_accessible_fits_and_is_at_peace(console: Console, browser: Browser) -> None:
    finder = console.visitor.new_page()
    pages = addresses(console.line, finder)
    finder.close()
    desktop = signed_in(browser, console.visitor)
    phone = signed_in(browser, console.visitor, dark=True, phone=True)
    wrong: dict[str, list[str]] = {}
    for turn, (name, path) in enumerate(pages.items()):
        # One look each: structure depends on the width and colour on the theme, and pages share both.
        context = phone if turn % 2 else desktop
        with looked_at(context, refused=name == "not-found") as (page, found):
            page.goto(console.address + path)
            found.extend(faults(page))
            page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
            over = page.evaluate(WIDTH) - PHONE[0]
            found.extend([f"{over} px wider than a phone"] if over > 0 else [])
        if found:
            wrong[name] = found
    desktop.close()
    phone.close()
    assert not wrong


def test_signing_in_and_out(console: Console, browser: Browser) -> None:
    context = browser.new_context()
    with looked_at(context, refused=True) as (page, wrong):
        page.goto(f"{console.address}/runs")
        assert urlsplit(page.url).path == "/login"
        sign_in(page, NAME, "not the password")
        expect(page.locator("main")).to_contain_text("Your password was not stored")
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()
        expect(page.locator("[name=password]")).to_have_value("")
        sign_in(page, NAME, PASSWORD)
        page.wait_for_url(f"{console.address}/runs")  # it goes on to what was asked for
        page.locator(".viewer summary").click()
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url(re.compile(r"/login\b"))
        page.goto(f"{console.address}/runs")
        assert urlsplit(page.url).path == "/login"
    context.close()
    assert wrong == []


def sign_in(page: Page, name: str, password: str) -> None:
    page.locator("[name=name]").fill(name)
    page.locator("[name=password]").fill(password)
    page.get_by_role("button", name="Sign in").click()


def test_a_log_grows_while_its_job_talks_and_a_line_has_an_address(console: Console) -> None:
    run = talk(console.line)
    with looked_at(console.visitor) as (page, wrong):
        page.goto(f"{console.address}/runs/{run}?job=talk/count")
        page.evaluate("window.first = true")
        expect(page.locator(".log-t", has_text="is on the shelf").first).to_be_visible(timeout=LATER)
        before = newest_part(page)
        until_shown(page, lambda: newest_part(page) > before + 6, "the log grows")
        assert page.evaluate("window.first") is True, "the log grew without the page being loaded again"

        page.get_by_placeholder("Find in this log").fill("part 3 is")
        expect(page.locator(".log mark").first).to_have_text("part 3 is")
        page.locator(".log-row", has=page.locator("mark")).locator("a.log-n").click()
        page.wait_for_url(re.compile(r"#L\d+$"))
        link = page.url
        page.get_by_role("button", name=re.compile("^Cancel run")).click()
        expect(page.locator("#run-sentence")).to_contain_text("cancelled", timeout=LATER)

        page.goto("about:blank")
        page.goto(link)
        expect(page.locator(".log-row.chosen .log-t")).to_have_text("part 3 is on the shelf")
        page.get_by_role("tab", name="Tests").or_(page.get_by_role("link", name="Tests")).first.click()
        expect(page.locator("#job")).to_contain_text("no tests")
    assert wrong == []


def newest_part(page: Page) -> int:
    """How far the job that talks has come, of what is drawn: a log that follows its end shows the end alone."""
    shown = "\n".join(page.locator(".log-t").all_inner_texts())
    return max((int(number) for number in re.findall(r"part (\d+) is on the shelf", shown)), default=0)


def test_deploying_and_rolling_back_are_one_button_each(console: Console) -> None:
    older, newer = (one[:7] for one in console.line.commits)
    with looked_at(console.visitor) as (page, wrong):
        page.goto(f"{console.address}{PLACE}/production/deploy")
        page.locator(".choices").get_by_role("link", name="Open the shop").click()
        page.locator(".isbe-could").get_by_role("button", name=re.compile(older)).click()
        expect(page.get_by_role("heading", name="This deployment")).to_be_visible()
        page.evaluate("window.first = true")
        expect(page.locator(".task").first).to_be_visible()
        expect(page.locator("#deploy-sentence")).to_contain_text(f"runs {older}", timeout=LATER)
        until(lambda: console.line.settled("production"), "the deployment has ended")
        back = page.locator(".page-actions").get_by_role("button", name=f"Return to {newer}")
        expect(back).to_be_visible()
        assert page.evaluate("window.first") is True, "all of this was shown without the page being loaded again"
        back.click()
        expect(page.locator("#deploy-sentence")).to_contain_text(f"runs {newer}", timeout=LATER)
        until(lambda: console.line.settled("production"), "the rollback has ended")
    assert [(one.kind, one.state) for one in console.line.deployments("production")[:2]] == [
        ("roll-back", "succeeded"),
        ("deploy", "succeeded"),
    ]
    assert wrong == []


def test_a_setting_is_seen_and_a_secret_never(console: Console) -> None:
    environment = f"{console.address}{PLACE}/acceptance"
    with looked_at(console.visitor) as (page, wrong):
        page.goto(environment)
        form = page.locator("form[action$='/config']")
        form.locator("[name=name]").fill("STORE_SHELVES")
        form.locator("[name=value]").fill("forty-two")
        form.get_by_role("button").click()
        expect(page.locator("#config-list")).to_contain_text("forty-two")
        form = page.locator("form[action$='/secrets']")
        form.locator("[name=name]").fill("PAYMENT_KEY")
        form.locator("[name=value]").fill(SECRET)
        form.get_by_role("button").click()
        expect(page.locator("#secret-list")).to_contain_text("PAYMENT_KEY")
        for path in (environment, f"{console.address}/record", f"{console.address}/", f"{environment}/deploy"):
            page.goto(path)
            assert SECRET not in page.content(), path
        page.goto(f"{console.address}/record?type=dev.andon.secret.*")
        event = page.locator(".event-at a").first
        address = event.get_attribute("href")
        event.click()
        page.wait_for_url(f"{console.address}{address}")
        expect(page.locator("main")).to_contain_text("PAYMENT_KEY")
        assert SECRET not in page.content()
    assert wrong == []


def test_destroying_asks_for_the_name(console: Console) -> None:
    with looked_at(console.visitor, refused=True) as (page, wrong):
        page.goto(f"{console.address}{PLACE}/maxine")
        page.get_by_text("Destroy maxine…").click()
        field = page.get_by_label("Type maxine to confirm")
        field.fill("maxim")
        button = page.get_by_role("button", name="Destroy maxine")
        expect(button).to_be_disabled()
        field.fill("maxine")
        button.click()
        page.wait_for_url(f"{console.address}/environments")
        expect(page.locator("main")).to_contain_text("production")
        gone = page.locator(".environment-rows .row-title a", has_text="maxine")
        expect(gone).to_have_count(0, timeout=LATER)
    assert wrong == []


def test_somebody_is_invited_given_a_role_and_it_is_taken_back(console: Console, browser: Browser) -> None:
    with looked_at(console.visitor) as (page, wrong):
        page.goto(console.address)
        go_by_keys(page, "u")
        page.wait_for_url("**/people")
        page.get_by_role("link", name="Invite a person").click()
        page.get_by_label("Name").fill("Dwayne Cox")
        page.get_by_label(re.compile("^Viewer")).check()
        page.get_by_role("combobox", name="Service").fill(SERVICE)
        page.get_by_role("button", name="Make the invitation link").click()
        expect(page.get_by_role("heading", name="Hand this link to Dwayne Cox")).to_be_visible()
        link = page.locator(".once .command code").inner_text()
        assert "token=" not in page.url
        assert violations(page) == []
        page.get_by_role("link", name="To Dwayne Cox").click()
        revoke = page.get_by_role("button", name=f"Revoke viewer on {SERVICE}")
        expect(revoke).to_be_visible()
        assert link.partition("token=")[2] not in page.content()
        revoke.click()
        expect(page.locator(".toast")).to_contain_text("no longer viewer")
        page.locator(".toast").hover()  # or it goes while axe looks
        assert violations(page) == []
        page.get_by_role("button", name="Undo").click()
        expect(page.locator(".held")).to_contain_text("Viewer")
        page.wait_for_load_state()
        page.keyboard.press("Control+k")
        page.get_by_role("combobox", name="Search or jump to").fill("dwayne")
        expect(page.get_by_role("option", name=re.compile("Dwayne Cox"))).to_be_visible()
    stranger = browser.new_context(java_script_enabled=False)
    with looked_at(stranger) as (page, more):
        page.goto(link)
        expect(page.locator("h1")).to_contain_text("Welcome, Dwayne Cox")
    stranger.close()
    assert wrong + more == []


def test_the_record_is_filtered_searched_and_verified(console: Console) -> None:
    with looked_at(console.visitor) as (page, wrong):
        page.goto(f"{console.address}/record")
        filters = page.get_by_role("navigation", name="Filters")
        filters.get_by_role("link", name="Push", exact=True).click()
        page.wait_for_url("**/record?*type=*push*")
        lines = page.locator("#record-lines .event-text")
        expect(lines.nth(2)).to_be_attached()
        expect(lines.filter(has_not_text="push")).to_have_count(0)
        page.go_back()
        field = page.get_by_placeholder("A commit, a person, an id, a kind")
        field.fill(console.line.commits[0])
        field.press("Enter")
        page.wait_for_url(re.compile(console.line.commits[0]))
        expect(lines.nth(2)).to_be_attached()
        page.goto(f"{console.address}/record")
        page.get_by_role("link", name="Verify the chain").click()
        expect(page.locator("h1")).to_contain_text("events are whole")
    assert wrong == []


def test_hands_stay_on_the_keyboard(console: Console) -> None:
    with looked_at(console.visitor) as (page, wrong):
        page.goto(console.address)
        page.keyboard.press("Control+k")
        page.get_by_role("combobox", name="Search or jump to").fill(SERVICE)
        option = page.get_by_role("option", name=re.compile(rf"^{SERVICE}\b")).first
        expect(option).to_be_visible()
        assert violations(page) == []
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/services/{SERVICE}**")
        go_by_keys(page, "r")
        page.wait_for_url("**/record")
        page.keyboard.press("/")
        expect(page.locator("main [data-search]")).to_be_focused()
        page.locator("h1").click()
        page.keyboard.press("?")
        expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog", name="Keyboard")).to_have_count(0)
    assert wrong == []


def test_the_theme_is_switched_and_kept(console: Console, browser: Browser) -> None:
    context = signed_in(browser, console.visitor)
    with looked_at(context) as (page, wrong):
        page.goto(console.address)
        light = page.evaluate("getComputedStyle(document.body).backgroundColor")
        switch = page.get_by_role("button", name=re.compile("^Theme"))
        root = page.locator("html")
        switch.click()
        expect(root).to_have_attribute("data-theme", "light")
        switch.click()
        expect(root).to_have_attribute("data-theme", "dark")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
        page.reload()
        expect(root).to_have_attribute("data-theme", "dark")
    context.close()
    assert wrong == []


def test_what_is_not_there_and_what_one_may_not_see(console: Console, browser: Browser) -> None:
    with looked_at(console.visitor, refused=True) as (page, wrong):
        answer = page.goto(f"{console.address}/runs/run_of_nothing")
        assert answer is not None
        assert answer.status == 404
        expect(page.locator("main")).to_contain_text("What to do next")
    invited = console.line.andon.client.post("/people", InvitationLink, Invitation(name="Visitor"))
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)
    with looked_at(context, refused=True) as (page, more):
        page.goto(invited.link)
        page.locator("[name=password]").fill(PASSWORD)
        page.locator("[name=again]").fill(PASSWORD)
        page.get_by_role("button", name="Choose this password").click()
        page.get_by_role("navigation", name="Rooms").wait_for()
        answer = page.goto(f"{console.address}/dead-letters")
        assert answer is not None
        assert answer.status == 403
        expect(page.locator("main")).to_contain_text("What to do next")
        assert faults(page) == []
        answer = page.goto(f"{console.address}/services/{SERVICE}")
        assert answer is not None
        assert answer.status == 404, "who has no role there learns not even that it exists"
        answer = page.goto(f"{console.address}/people")
        assert answer is not None
        assert answer.status == 403
        expect(page.locator("h1")).to_contain_text(NAME)  # it says whom to ask
        expect(page.get_by_role("link", name="People")).to_have_count(0)
        assert faults(page) == []
    context.close()
    assert wrong + more == []


def test_it_works_without_script(console: Console, browser: Browser) -> None:
    older, newer = (one[:7] for one in console.line.commits)
    context = signed_in(browser, console.visitor, script=False)
    context.set_default_timeout(PATIENCE)
    with looked_at(context) as (page, wrong):
        page.goto(console.address)
        expect(page.locator("main")).to_contain_text(newer)
        page.goto(f"{console.address}/runs/{console.line.run_of(console.line.commits[-1])}?job=commit/lint")
        expect(page.locator(".log-static li")).not_to_have_count(0)
        page.goto(f"{console.address}{PLACE}/acceptance/deploy")
        page.locator(".choices").get_by_role("link", name="Open the shop").click()
        page.locator(".isbe-could").get_by_role("button", name=re.compile(older)).click()
        page.wait_for_url(f"{console.address}{PLACE}/acceptance/deploy")
        until(lambda: console.line.settled("acceptance"), "the deployment has ended")
        page.reload()
        expect(page.locator("h1")).to_contain_text(f"runs {older}")
        page.goto(f"{console.address}/people")
        page.get_by_role("link", name="Patty McKee").click()
        page.get_by_role("combobox", name="Role").select_option("developer")
        page.get_by_role("combobox", name="Service").fill(SERVICE)
        page.get_by_role("button", name="Grant this role").click()
        expect(page.locator(".toast")).to_contain_text("is now developer")
        page.get_by_role("button", name="Undo").click()
        expect(page.locator(".toast")).to_contain_text("is no longer developer")
    context.close()
    assert wrong == []
