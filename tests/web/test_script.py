"""What the console's script adds, in a real browser under the real content security policy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from andon.kernel.logs.writer import LogWriter
from tests.browser import go_by_keys, troubles, until, violations
from tests.web.site import DETAILS, REGION, Site

pytestmark = pytest.mark.browser
LINES = 1_000_000
ERROR_AT = 777_001
NOTED = """([place, name]) => {
    window.noted = [];
    new MutationObserver(() => noted.push(document.querySelector(place).getAttribute(name)))
        .observe(document.querySelector(place), {attributes: true, attributeFilter: [name]});
}"""
"""Has the page write down what an attribute comes to: for what may be gone before anybody looks."""


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(
        viewport={"width": 1440, "height": 900}, reduced_motion="reduce", timezone_id="Europe/Berlin"
    )
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened = context.new_page()
    said = troubles(opened)
    yield opened
    context.close()
    assert not said


def test_the_theme_turns_and_is_kept(page: Page, site: Site) -> None:
    page.goto(f"{site.address}/components.html")
    switch = page.locator("[data-theme-switch]")
    root = page.locator("html")
    expect(switch).to_have_accessible_name("Theme: as the device")
    switch.click()
    expect(root).to_have_attribute("data-theme", "light")
    switch.click()
    expect(root).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(root).to_have_attribute("data-theme", "dark")
    switch.click()
    expect(switch).to_have_accessible_name("Theme: as the device")


def test_a_hash_is_copied_whole(page: Page, site: Site) -> None:
    page.goto(f"{site.address}/components.html")
    page.evaluate(NOTED, ["button[aria-label='Copy 3f2c91a']", "class"])
    page.get_by_role("button", name="Copy 3f2c91a").click()
    until(page, lambda: "copied" in page.evaluate("noted.join(' ')"), "it says so")
    assert page.evaluate("navigator.clipboard.readText()") == "3f2c91a4d1b7"


def test_times_go_on_and_tell_the_readers_zone(page: Page, site: Site) -> None:
    page.clock.install()
    page.goto(f"{site.address}/overview.html")
    time = page.locator(".vs time").first
    began = datetime.fromisoformat(time.get_attribute("datetime") or "")
    page.clock.set_system_time(began + timedelta(seconds=125))
    page.clock.run_for(2_000)
    expect(time).to_have_text("2 min ago")
    page.clock.run_for(3_600_000)
    expect(time).to_have_text("1 h ago")
    time.dispatch_event("mouseover")  # a hover waits for animation frames, and the clock stands
    expect(time).to_have_attribute("title", re.compile(r"UTC\n.* here"))


def test_the_palette_finds_and_goes(page: Page, site: Site) -> None:
    page.goto(f"{site.address}/overview.html")
    page.keyboard.press("Control+k")
    field = page.get_by_role("combobox")
    expect(field).to_be_focused()
    expect(page.get_by_role("option", name="Run 128")).to_be_visible()
    expect(page.get_by_role("option", name="elsewhere")).to_have_count(0)  # addresses of other hosts are left out
    assert violations(page) == []
    field.fill("run store")
    expect(page.get_by_role("option")).to_have_count(1)
    field.fill("zzz")
    expect(page.get_by_text("Nothing found")).to_be_visible()
    field.fill("128")
    page.keyboard.press("Enter")
    page.wait_for_url("**/run.html")


def test_short_cuts(page: Page, site: Site) -> None:
    page.goto(f"{site.address}/overview.html")
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("g d")
    assert violations(page) == []
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    go_by_keys(page, "r")
    page.wait_for_url("**/record.html")
    page.keyboard.press("/")
    search = page.get_by_placeholder("A commit, a person, a word")
    expect(search).to_be_focused()
    page.keyboard.type("g d")
    expect(search).to_have_value("g d")


def test_an_irreversible_deed_wants_the_name(page: Page, site: Site) -> None:
    page.goto(f"{site.address}/environment.html")
    page.get_by_text("Destroy production…").click()
    field = page.get_by_label("Type production to confirm")
    button = page.get_by_role("button", name="Destroy production", exact=True)
    expect(field).to_be_focused()
    expect(button).to_be_disabled()
    field.fill("productio")
    expect(button).to_be_disabled()
    field.fill("production")
    expect(button).to_be_enabled()
    assert violations(page) == []
    page.keyboard.press("Escape")
    expect(field).not_to_be_visible()


@pytest.fixture
def live_address(site: Site) -> str:
    return site.adapt(
        "live",
        "login",
        **{
            '<body class="bare">': '<body class="bare" data-live-source="/live">'
            '<span data-live-dot data-state="off"><span data-live-word></span></span>',
            '<form class="form"': f'{REGION}as it came{DETAILS}</div><form class="form"',
        },
    )


def test_a_region_draws_itself_anew_when_told(page: Page, site: Site, live_address: str) -> None:
    page.goto(live_address)
    dot = page.locator("[data-live-dot]")
    expect(dot).to_have_attribute("data-state", "on")
    before = site.drawn
    site.tell("run:999")
    site.tell("run:128")
    region = page.locator("#region")
    expect(region).to_contain_text(f"drawn {before + 1} times")
    page.get_by_text("more", exact=True).click()
    site.tell("run:128", "light")
    expect(region).to_contain_text(f"drawn {before + 2} times")
    expect(page.get_by_text("hidden at first")).to_be_visible()  # what the reader opened stays open


def test_a_lost_stream_comes_back_and_catches_up(page: Page, site: Site, live_address: str) -> None:
    page.goto(live_address)
    dot = page.locator("[data-live-dot]")
    expect(dot).to_have_attribute("data-state", "on")
    before = site.drawn
    page.evaluate(NOTED, ["[data-live-dot]", "data-state"])
    site.hang_up()
    until(page, lambda: page.evaluate("noted").count("retry") and page.evaluate("noted.at(-1)") == "on", "it is back")
    # nobody told it: what happened in between may have been missed
    until(page, lambda: site.drawn > before, "the region is drawn anew")


@pytest.fixture(scope="module")
def long_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("logs") / "long"
    writer = LogWriter(folder)
    writer.section("setup")
    writer.write(b"".join(b"line %d\n" % n for n in range(1, 501)))
    writer.section("tests")
    writer.write(b"".join(b"line %d\n" % n for n in range(501, ERROR_AT)))
    writer.write(b"\x1b[31mERROR: the needle <b>\x1b[0m\n")
    writer.write(b"".join(b"line %d\n" % n for n in range(ERROR_AT + 1, LINES + 1)))
    writer.close()
    return folder


@pytest.fixture
def log_page(site: Site, long_log: Path) -> str:
    site.logs["long"] = long_log
    return site.adapt("long", "run", **{'data-log="log.json"': 'data-log="/logs/long"'})


def test_a_million_lines_of_which_a_few_are_in_the_page(page: Page, log_page: str) -> None:
    page.goto(log_page)
    expect(page.get_by_text("1,000,000 lines, complete")).to_be_visible()
    expect(page.locator(".log-row:has(.log-n[data-n='500']) .log-t")).to_have_count(0)
    view = page.locator("[data-log-lines]")
    view.evaluate("view => { view.scrollTop = view.scrollHeight }")
    expect(page.locator(".log-row:has(.log-n[data-n='1000000']) .log-t")).to_have_text("line 1000000")
    last = "document.querySelector(`.log-row:has(.log-n[data-n='1000000'])`)"
    within = (
        f"{last}?.getBoundingClientRect().bottom <= {last}?.closest('[data-log-lines]').getBoundingClientRect().bottom"
    )
    until(page, lambda: page.evaluate(within), "the last line is not cut off")
    assert page.evaluate("document.querySelectorAll(`.log-row`).length") < 150


def test_an_address_leads_to_its_lines(page: Page, log_page: str) -> None:
    page.goto(f"{log_page}#L500002-L500004")
    expect(page.locator(".log-row.chosen .log-t")).to_have_text(
        ["line 500002", "line 500003", "line 500004"],
    )
    page.locator(".log-n[data-n='500001']").click()
    page.wait_for_url("**#L500001")
    page.locator(".log-n[data-n='500003']").click(modifiers=["Shift"])
    page.wait_for_url("**#L500001-L500003")
    expect(page.locator(".log-row.chosen")).to_have_count(3)


def test_the_first_error_and_a_search(page: Page, log_page: str) -> None:
    page.goto(log_page)
    page.get_by_role("button", name="Jump to the first error").click()
    row = page.locator(f".log-row:has(.log-n[data-n='{ERROR_AT}']) .log-t")
    expect(row).to_have_text("ERROR: the needle <b>")
    expect(row.locator(".fg-1")).to_have_count(1)
    page.wait_for_url(f"**#L{ERROR_AT}")
    page.get_by_label("Find in this log").fill("line 99999")
    # from where one is, not from the top
    expect(page.get_by_text("2 of 11")).to_be_visible()
    expect(page.locator("mark.now")).to_have_text("line 99999")
    page.keyboard.press("Enter")
    expect(page.get_by_text("3 of 11")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".log mark")).to_have_count(0)


def test_sections_fold(page: Page, log_page: str) -> None:
    page.goto(log_page)
    setup = page.get_by_role("button", name="Section setup")
    expect(setup).to_have_attribute("aria-expanded", "true")
    setup.click()
    expect(page.get_by_role("button", name="Section setup")).to_have_attribute("aria-expanded", "false")
    expect(page.locator(".log-row:has(.log-n[data-n='501']) .log-t")).to_have_text("line 501")
    expect(page.locator(".log-row:has(.log-n[data-n='1'])")).to_have_count(0)


def test_it_follows_a_log_that_grows(page: Page, site: Site, tmp_path: Path) -> None:
    writer = LogWriter(tmp_path / "growing")
    writer.write(b"".join(b"line %d\n" % n for n in range(1, 1500)))
    site.logs["growing"] = tmp_path / "growing"
    address = site.adapt(
        "growing", "run", **{'data-log="log.json"': 'data-log="/logs/growing"', 'complete="true"': 'complete="false"'}
    )
    page.goto(address)
    expect(page.locator(".log-row", has_text="line 1499")).to_be_in_viewport()
    writer.write(b"".join(b"line %d\n" % n for n in range(1500, 2600)))
    expect(page.locator(".log-row", has_text="line 2599")).to_be_in_viewport()
    for _ in range(3):
        page.wait_for_event("response", lambda answer: "/logs/growing" in answer.url)  # nothing new, and it stays there
    page.locator("[data-log-lines]").evaluate("view => { view.scrollTop = 0 }")
    expect(page.get_by_role("button", name="Follow the end")).to_have_attribute("aria-pressed", "false")
    writer.write(b"the end\n")
    writer.close()
    expect(page.get_by_text("2,600 lines, complete")).to_be_visible()
    expect(page.locator(".log-row", has_text="line 1").first).to_be_in_viewport()


def test_lines_left_out_are_one_row(page: Page, site: Site, tmp_path: Path) -> None:
    writer = LogWriter(tmp_path / "bounded", head=8192, tail=8192, segment=4096)
    for n in range(1, 5001):
        writer.write(b"line %d\n" % n)
    writer.close()
    site.logs["bounded"] = tmp_path / "bounded"
    page.goto(site.adapt("bounded", "run", **{'data-log="log.json"': 'data-log="/logs/bounded"'}))
    expect(page.get_by_text("5,000 lines, complete")).to_be_visible()
    page.locator("[data-log-lines]").evaluate("view => { view.scrollTop = view.scrollHeight }")
    expect(page.locator(".log-row", has_text="line 5000")).to_be_in_viewport()
    height = page.locator(".log-space").evaluate("space => space.clientHeight")
    assert 0 < height < 5000 * 20 / 2, "what was left out takes no room"
