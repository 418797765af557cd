"""Graphs in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.browser import DESKTOP, PHONE, opened, troubles, until, violations
from tests.feedback.graphs.shop import HOUR, SLOW_TRACE, Shop
from tests.serving import Browser as Client
from tests.serving import Serving

pytestmark = pytest.mark.browser
SERVICE = "/graphs/services/store?from=7d"
PAGES = (
    SERVICE,
    "/graphs",
    "/graphs/explore?metric=logins_total",
    "/graphs/wall/day",
    "/graphs/dashboards/day",
    SERVICE + "&as=table",
    "/graphs/dashboards/day/edit",
    "/graphs/dashboards/day/history",
)
OPEN = "andon-graph[data-title='Baskets open']"
DURATION = "andon-graph[data-title='Request duration']"
UNLIKE_THE_LAST = f"""(() => {{
    const {{ times, lines: [{{ values }}] }} = document.querySelector(`{OPEN}`).answer;
    const apart = (at) => (values[at] == null ? 0 : Math.abs(values[at] - values.findLast((one) => one != null)));
    const middle = times.map((_, at) => at).slice(times.length * 0.1, times.length * 0.9);
    return middle.reduce((best, at) => (apart(at) > apart(best) ? at : best)) / times.length }})()"""
"""How far along the open baskets a value stands that is plainly another than the last."""


@pytest.fixture(scope="module")
def client(server: Serving) -> Client:
    return server.administrator()


@pytest.fixture
def context(browser: Browser, client: Client) -> Iterator[BrowserContext]:
    with opened(browser, client) as made:
        yield made


def drawn(page: Page, address: str) -> Page:
    page.goto(address)
    page.locator("#graph-1 .u-over").wait_for()
    page.locator("#graph-1 .legend-line").first.wait_for()
    return page


def over(page: Page, part: float, graph: int = 0) -> None:
    """Put the pointer on a graph."""
    page.mouse.move(0, 0)
    page.locator("andon-graph .u-over").nth(graph).scroll_into_view_if_needed()
    box = page.locator("andon-graph .u-over").nth(graph).bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * part, box["y"] + box["height"] / 2)


def test_all_graphs_of_a_page_share_the_cursor_and_legends_follow_it(context: BrowserContext, server: Serving) -> None:
    page = context.new_page()
    said = troubles(page)
    drawn(page, server.address + SERVICE)
    page.locator(f"{OPEN} .legend-line").first.wait_for()
    before = page.locator(f"{OPEN} .legend-now").nth(1).inner_text()
    over(page, page.evaluate(UNLIKE_THE_LAST))
    expect(page.locator(f"{OPEN} thead .legend-now")).to_have_text("at cursor")
    expect(page.locator(f"{OPEN} .legend-now").nth(1)).not_to_have_text(before)
    expect(page.locator(f"{OPEN} .plot-time")).to_have_text(page.locator("#graph-1 .plot-time").inner_text())
    assert not said, "the security policy was broken, or something else"


def test_a_brush_zooms_all_graphs_into_the_address_and_back_takes_it_back(
    context: BrowserContext, server: Serving
) -> None:
    page = drawn(context.new_page(), server.address + SERVICE)
    over(page, 0.3)
    page.mouse.down()
    over_box = page.locator("andon-graph .u-over").first.bounding_box()
    assert over_box
    page.mouse.move(over_box["x"] + over_box["width"] * 0.6, over_box["y"] + 40, steps=5)
    page.mouse.up()
    page.wait_for_url(re.compile(r"from=\d{13}&to=\d{13}"))
    expect(page.locator("[data-range-own]")).to_be_visible()
    expect(page.locator("[data-graph-live]")).to_have_attribute("data-state", "off")
    found = dict(part.split("=") for part in urlsplit(page.url).query.split("&"))
    length = int(found["to"]) - int(found["from"])
    assert 0.2 < length / (7 * 86_400_000) < 0.4
    page.go_back()
    expect(page.locator("[data-range='7d']")).to_have_attribute("aria-current", "true")
    expect(page).not_to_have_url(re.compile("to="))


def test_a_range_is_chosen_without_loading_the_page_anew(context: BrowserContext, server: Serving) -> None:
    page = drawn(context.new_page(), server.address + SERVICE)
    page.evaluate("window.kept = true")
    with page.expect_response(re.compile(r"/graphs/data\?.*from=24h")):
        page.locator("[data-range='24h']").click()
    expect(page).to_have_url(re.compile("from=24h"))
    with page.expect_response(re.compile(r"/graphs/data\?.*compare=1w")):
        page.get_by_role("link", name="Week before").click()
    expect(page.locator("#graph-1 thead .legend-then")).to_have_text("then")
    assert page.evaluate("window.kept")


def test_a_young_service_opens_with_its_life_and_a_link_to_another_range_is_kept(
    context: BrowserContext, server: Serving
) -> None:
    page = drawn(context.new_page(), server.address + "/graphs/services/wishlist")
    expect(page.locator("[data-range='15m']")).to_have_attribute("aria-current", "true")
    expect(page.locator("[data-graph-live]")).to_have_attribute("data-state", "on")
    span = "(() => { const { min, max } = document.querySelector('#graph-1').plotted.scales.x; return max - min })()"
    assert page.evaluate(span) == pytest.approx(900_000, rel=0.01)
    drawn(page, server.address + "/graphs/services/wishlist?from=24h")
    assert page.evaluate(span) == pytest.approx(86_400_000, rel=0.01)


def test_a_time_in_words_is_the_same_for_the_page_and_the_pages_that_it_leads_to(
    context: BrowserContext, server: Serving
) -> None:
    page = drawn(context.new_page(), server.address + "/graphs/services/store?from=now-2h&to=90m")
    expect(page.locator("[data-graph-live]")).to_have_attribute("data-state", "off")
    first, last, step = page.evaluate(
        "(() => { const { times, step } = document.querySelector('#graph-1').answer;"
        " return [times[0], times.at(-1), step] })()"
    )
    assert last - first == pytest.approx(30 * 60_000, abs=2 * step)
    menu = page.locator("#graph-1 .plot-menu")
    menu.locator("summary").click()
    for name in ("Lines of this time", "Traces of this time"):
        address = menu.get_by_role("link", name=name).get_attribute("href")
        assert address
        assert {"from=now-2h", "to=90m"} <= set(urlsplit(address).query.split("&"))


def test_a_flag_says_who_did_what_and_links_to_it_by_pointer_and_by_keyboard(
    context: BrowserContext, server: Serving
) -> None:
    page = drawn(context.new_page(), server.address + SERVICE)
    flag = page.locator("#graph-1 .cause-flag").first
    flag.hover()
    pop = page.locator(".graph-pop")
    expect(pop).to_contain_text("Deployed b81d07e")
    expect(pop).to_contain_text("Maxine · store/production")
    expect(pop.get_by_role("link").first).to_have_attribute("href", "/deployments/dep_1")
    page.keyboard.press("Escape")
    expect(pop).to_have_count(0)
    page.mouse.move(0, 0)
    flag.focus()
    expect(pop).to_be_visible()
    page.keyboard.press("Enter")
    expect(pop.get_by_role("link").first).to_be_focused()
    expect(page.locator("#graph-1 .cause-flag.s-bad")).to_have_count(1)


def test_what_happens_is_on_open_graphs_and_in_the_list_at_once(context: BrowserContext, server: Serving) -> None:
    page = drawn(context.new_page(), server.address + "/graphs/services/store?from=1h")
    expect(page.locator("[data-live-dot]")).to_have_attribute("data-state", "on")
    page.locator("#graph-1 .cause-flag").first.wait_for(state="detached")
    made = server.api().post("/annotations", json={"text": "The sale began", "service": "store"})
    assert made.status_code == 201, made.text
    flag = page.locator("#graph-1 .cause-flag").first
    expect(flag).to_have_attribute("aria-label", re.compile("The sale began"))
    expect(page.locator("#causes")).to_contain_text("The sale began")
    server.api().delete(f"/annotations/{made.json()['id']}")
    expect(page.locator("#graph-1 .cause-flag")).to_have_count(0)


def test_new_points_arrive_by_themselves(context: BrowserContext, server: Serving, shop: Shop) -> None:
    page = drawn(context.new_page(), server.address + "/graphs/services/store?from=15m")
    expect(page.locator("[data-graph-live]")).to_have_attribute("data-state", "on")
    ends = "document.querySelector('#graph-1').plotted.data[0].at(-1)"
    first = page.evaluate(ends)
    until(page, lambda: page.evaluate(ends) >= first + 1500, "a point came")
    # none where the step ends this very moment
    until(page, lambda: page.evaluate("document.querySelector('#graph-1').answer.head"), "the newest is provisional")
    assert page.evaluate("(() => { const t = document.querySelector('#graph-1').answer.times; "
                         "return t.every((at, i) => !i || at > t[i - 1]) })()")  # fmt: skip


def test_a_lost_connection_is_said_and_found_again_by_itself(context: BrowserContext, server: Serving) -> None:
    page = drawn(context.new_page(), server.address + "/graphs/services/store?from=15m")
    lamp = page.locator("[data-graph-live]")
    expect(lamp).to_have_attribute("data-state", "on")
    context.set_offline(True)
    expect(lamp).to_have_text("reconnecting")
    expect(page.locator("#graph-1 .u-over")).to_be_visible()
    context.set_offline(False)
    expect(lamp).to_have_text("live")


def test_a_line_is_shown_alone_and_hidden_by_its_name(context: BrowserContext, server: Serving) -> None:
    page = drawn(context.new_page(), server.address + SERVICE)
    lines = page.locator("#graph-1 .legend-line")
    expect(lines).to_have_count(3)
    lines.nth(1).click()
    expect_pressed(lines, "false", "true", "false")
    lines.nth(1).click()
    expect_pressed(lines, "true", "true", "true")
    lines.nth(0).click(modifiers=["Shift"])
    expect_pressed(lines, "false", "true", "true")


def expect_pressed(lines: Locator, *pressed: str) -> None:
    for place, one in enumerate(pressed):
        expect(lines.nth(place)).to_have_attribute("aria-pressed", one)


def test_a_counter_that_is_sent_now_and_then_is_bars_and_not_lonely_dots(
    context: BrowserContext, server: Serving
) -> None:
    page = context.new_page()
    said = troubles(page)
    page.goto(server.address + "/graphs/explore")
    page.locator("textarea[name=query]").fill("wishes_made")
    page.keyboard.press("Control+Enter")
    page.locator("#graph-1[data-kind=bars] .legend-line").nth(1).wait_for()
    inked = page.evaluate(
        "(() => { const c = document.querySelector('#graph-1 canvas');"
        " const u = document.querySelector('#graph-1').plotted; const { left, top, width, height } = u.bbox;"
        " const d = new Uint32Array(c.getContext('2d').getImageData(left, top, width, height).data.buffer);"
        " const times = u.data[0]; const filled = u.data[1].filter((one) => one != null).length;"
        " const counts = new Map(); for (const one of d) counts.set(one, (counts.get(one) ?? 0) + 1);"
        " const most = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 3).map(([, n]) => n / d.length);"
        " return [filled, most] })()"
    )
    assert inked[0] >= 1
    assert inked[1][1] > 0.005, "an area of one colour"
    over(page, 0.999)
    expect(page.locator("#graph-1 thead .legend-now")).to_have_text("at cursor")
    expect(page.locator("select[name=kind]")).to_have_value("line")
    assert not said


def test_a_hundred_thousand_points_are_drawn(context: BrowserContext, server: Serving) -> None:
    page = context.new_page()
    said = troubles(page)
    query = "&".join(f"query=last_over_time(baskets_open[15m])%2B{number}" for number in range(12))
    drawn(page, f"{server.address}/graphs/explore?{query}&from=6d&points=10000")
    points = page.evaluate(
        "(() => { const a = document.querySelector('#graph-1').answer;"
        " return a.lines.reduce((sum, line) => sum + line.values.filter((v) => v != null).length, 0) })()"
    )
    assert points > 100_000
    over(page, 0.5)
    expect(page.locator("#graph-1 thead .legend-now")).to_have_text("at cursor")
    assert (
        page.evaluate(
            "(() => { const c = document.querySelector('#graph-1 canvas');"
            " const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
            " return new Set(new Uint32Array(d.buffer)).size })()"
        )
        > 20
    ), "there are lines in several colours"
    assert not said


def test_a_graph_says_its_conclusion_and_a_wrong_question_is_told_in_its_place(
    context: BrowserContext, server: Serving
) -> None:
    page = drawn(context.new_page(), server.address + SERVICE)
    words = re.compile(r"^Baskets open: last \d+; from \d+ to \d+\. \d+ causes, 1 failed\.$")
    expect(page.locator(f"{OPEN} [role=img]")).to_have_attribute("aria-label", words)
    page.goto(server.address + "/graphs/explore?query=rate(")
    expect(page.locator("textarea[name=query]")).to_have_attribute("aria-describedby", "trouble")
    expect(page.locator("#trouble")).not_to_be_empty()


def test_a_trace_behind_a_graph_is_one_click_or_key_away(context: BrowserContext, server: Serving, shop: Shop) -> None:
    # a time that stands still: of one that goes on, the first trace may leave while it has the focus
    hour = f"from={shop.now - HOUR}&to={shop.now}"
    page = drawn(context.new_page(), f"{server.address}/graphs/services/store?{hour}")
    duration = page.locator(DURATION)
    duration.scroll_into_view_if_needed()
    slow = duration.locator(f"a.exemplar[href='/traces/{SLOW_TRACE}']")
    slow.hover()
    pop = page.locator(".graph-pop")
    expect(pop).to_contain_text("7.5 s")
    expect(pop).to_contain_text(SLOW_TRACE)
    expect(duration.get_by_role("img")).to_have_attribute("aria-label", re.compile(r"\d+ traces behind it\.$"))
    page.keyboard.press("Escape")
    expect(pop).to_have_count(0)
    expect(duration.locator("a.exemplar[tabindex='0']")).to_have_count(1)  # one stop of the Tab key
    duration.locator("a.exemplar[tabindex='0']").focus()
    page.keyboard.press("Home")
    expect(duration.locator("a.exemplar").first).to_be_focused()
    expect(pop).to_be_visible()
    page.keyboard.press("ArrowRight")
    second = duration.locator("a.exemplar").nth(1)
    expect(second).to_be_focused()
    expect(second).to_have_attribute("aria-label", re.compile(r"Trace [0-9a-f]{7} "))
    address = second.get_attribute("href")
    assert address
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{address}")
    page.go_back()
    duration.scroll_into_view_if_needed()
    slow.click()
    page.wait_for_url(f"**/traces/{SLOW_TRACE}")


def test_what_took_longer_than_the_axis_reaches_stands_at_its_edge_and_the_lines_stay_readable(
    context: BrowserContext, server: Serving
) -> None:
    page = drawn(context.new_page(), server.address + "/graphs/services/store?from=1h")
    duration = page.locator(DURATION)
    duration.scroll_into_view_if_needed()
    slow = duration.locator(f"a.exemplar[href='/traces/{SLOW_TRACE}']")
    expect(slow).to_have_class(re.compile("exemplar-above"))
    most, top = page.evaluate(
        "(() => { const one = document.querySelector(`" + DURATION + "`);"
        " return [Math.max(...one.answer.lines.flatMap((line) => line.values)), one.plotted.scales.y.max] })()"
    )
    assert most < top < 2.5 * most


def test_a_moment_is_annotated_by_a_click_on_the_time_axis(context: BrowserContext, server: Serving) -> None:
    page = drawn(context.new_page(), server.address + SERVICE)
    page.locator("#graph-1 .axis-annotate").click(position={"x": 200, "y": 10})
    expect(page.locator("[data-annotate] [name=text]")).to_be_focused()
    page.keyboard.type("Newsletter went out")
    page.keyboard.press("Enter")
    page.locator("#causes").get_by_text("Newsletter went out").wait_for()
    with page.expect_navigation():
        page.get_by_role("button", name="Remove “Newsletter went out”").click()
    expect(page.get_by_text("Newsletter went out")).to_have_count(0)


def test_a_graph_is_saved_as_a_picture(context: BrowserContext, server: Serving) -> None:
    page = drawn(context.new_page(), server.address + SERVICE)
    page.locator("#graph-1 .plot-menu summary").click()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as PNG").click()
    assert saved.value.path().read_bytes().startswith(b"\x89PNG")
    assert saved.value.suggested_filename == "basket-value-euros.png"


def test_pages_read_without_script(browser: Browser, server: Serving, client: Client) -> None:
    with opened(browser, client, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(server.address + SERVICE)
        picture = page.locator("andon-graph img").first
        expect(picture).to_be_visible()
        expect(picture).to_have_js_property("naturalWidth", 640)
        expect(page.locator("#causes").get_by_text("Could not deploy 51c8ea9")).to_be_visible()
        page.get_by_role("link", name="As a table").first.click()
        expect(page.locator(".graph-table").first.get_by_role("rowheader", name="least")).to_be_visible()


@pytest.mark.parametrize(("theme", "size"), [("light", DESKTOP), ("dark", PHONE)])
def test_pages_are_accessible_and_fit(
    browser: Browser, server: Serving, client: Client, theme: str, size: tuple[int, int]
) -> None:
    definition = {"title": "Day", "panels": [{"title": "Open", "queries": [{"text": "baskets_open"}]}]}
    assert server.api().put("/dashboards/day", json=definition).status_code == 200
    wrong: dict[str, list[str]] = {}
    with opened(browser, client, size, color_scheme=theme) as context:
        page = context.new_page()
        said = troubles(page)
        # structure is looked at in the light and wide, widths and colours again where they differ
        for path in PAGES if theme == "light" else PAGES[:4]:
            page.goto(server.address + path)
            if page.locator("andon-graph").count():
                page.locator("andon-graph .u-over").first.wait_for()
            over_wide = page.evaluate("document.documentElement.scrollWidth") - size[0]
            found = violations(page) + ([f"{over_wide} px wider than the window"] if over_wide > 0 else [])
            if found:
                wrong[path] = found
    assert not wrong
    assert not said
