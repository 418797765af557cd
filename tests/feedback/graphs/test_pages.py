"""Pages, data and the API of graphs, over HTTP."""

from __future__ import annotations

import csv
import io
import re
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
import msgspec
import pytest
import typer
from ruamel.yaml import YAML

from andon.feedback.graphs.commands import add_to
from andon.feedback.graphs.model.exemplars import MOST as MOST_MARKS
from andon.feedback.graphs.views import AnswerShape, ExemplarShape, ExemplarsShape
from andon.feedback.telemetry.contract.metrics import Matcher, Series, Sight
from andon.feedback.telemetry.memory import MemoryMeasurements
from andon.kernel.errors import Unavailable
from tests.databases import Databases
from tests.feedback.graphs.shop import DAY, SLOW_TRACE, SLOWEST, Shop, record, served
from tests.serving import Browser, Serving

REQUESTS = "sum by (version) (rate(andon_requests_total[$window]))"


@pytest.fixture(scope="module")
def browser_(server: Serving) -> Browser:
    return server.administrator()


@pytest.fixture(scope="module")
def stranger(server: Serving) -> Browser:
    """Sees another service only."""
    return server.person("Sarah", [{"role": "developer", "service": "catalogue"}])


def data(browser: Browser, **query: str | list[str]) -> AnswerShape:
    answer = browser.get("/graphs/data", params=query, headers={"accept": "application/json"})
    assert answer.status_code == 200, answer.text
    return msgspec.json.decode(answer.content, type=AnswerShape)


def test_data_are_columns_with_gaps_and_colours_of_versions(browser_: Browser) -> None:
    found = data(browser_, **{"query": REQUESTS, "from": "10d", "service": "store"})
    assert {len(line.values) for line in found.lines} == {len(found.times)}
    assert len(found.lines) == 5
    assert len({line.colour for line in found.lines}) == 5, "versions side by side have colours of their own"
    assert any(value is None for value in found.lines[0].values), "a version that is not there is a gap, not zero"
    assert all(b - a == found.step for a, b in zip(found.times[:-1], found.times[1:-1], strict=False))


def test_only_what_is_new_is_sent_to_who_has_the_rest(browser_: Browser) -> None:
    whole = data(browser_, **{"query": "baskets_open", "from": "1h"})
    assert whole.head
    since = whole.times[-4]
    news = data(browser_, **{"query": "baskets_open", "from": "1h", "since": str(since)})
    assert news.times[0] == since + whole.step
    assert len(news.times) < 6
    fixed = data(browser_, **{"query": "baskets_open", "from": "2h", "to": "1h"})
    assert not fixed.head


def test_what_was_a_week_before_lies_at_the_same_times(browser_: Browser) -> None:
    found = data(browser_, **{"query": "baskets_open", "from": "1d", "compare": "1w"})
    now, then = found.lines
    assert (now.past, then.past) == (False, True)
    assert now.labels == then.labels
    earlier = data(
        browser_, query="baskets_open", **{"from": str(found.start - 7 * DAY), "to": str(found.times[-2] - 7 * DAY)}
    )
    assert list(then.values[:-1]) == list(earlier.lines[0].values)


def test_a_question_that_is_none_is_refused_with_the_one_that_is_meant(browser_: Browser) -> None:
    for query, said in ((["rate("], ""), (["baskets_open", "rate("], "Query 2: ")):
        answer = browser_.get("/graphs/data", params={"query": query}, headers={"accept": "application/json"})
        assert answer.status_code == 400
        assert answer.json()["message"].startswith(said)
    for wrong in ({}, {"query": "up", "kind": "pie"}, {"query": "up", "compare": "2y"}, {"query": "x" * 40_000}):
        answer = browser_.get("/graphs/data", params=wrong, headers={"accept": "application/json"})
        assert answer.status_code in {400, 414, 431}, wrong


def test_everything_is_cut_by_sight(server: Serving, stranger: Browser) -> None:
    assert data(stranger, query="baskets_open", **{"from": "1h"}).lines == []
    assert data(stranger, query="host_memory_available_bytes", **{"from": "1h"}).lines
    assert stranger.get("/graphs/services/store").status_code == 404
    assert stranger.get("/graphs/causes", params={"service": "store"}).status_code == 404
    assert stranger.get("/graphs/image.svg", params={"service": "store", "query": "up"}).status_code == 404
    everything = stranger.get("/graphs/causes", params={"from": "10d"}).json()
    assert everything["causes"] == []
    page = stranger.get("/graphs").text
    assert "baskets_open" not in page
    assert "/graphs/services/store" not in page
    nobody = server.person("Nobody")
    assert nobody.get("/graphs/data", params={"query": "up"}).status_code == 403
    assert nobody.get("/graphs/causes").status_code == 403


CURRENT = r'data-range="(\w+)" aria-current="true"'
DURATION = "histogram_quantile(0.95, sum by (le) (rate(andon_request_duration_seconds_bucket[$window])))"


def exemplars(browser: Browser, **query: str) -> list[ExemplarShape]:
    answer = browser.get("/graphs/exemplars", params=query, headers={"accept": "application/json"})
    assert answer.status_code == 200, answer.text
    return msgspec.json.decode(answer.content, type=ExemplarsShape).exemplars


def test_of_the_traces_behind_a_graph_a_few_are_told_and_the_slowest_is_among_them(
    browser_: Browser, shop: Shop
) -> None:
    found = exemplars(browser_, **{"query": DURATION, "from": "10d"})
    assert len(found) < len(shop.exemplars) / 10
    assert len(found) <= MOST_MARKS
    assert [one.time for one in found] == sorted(one.time for one in found)
    slowest = max(found, key=lambda one: one.value or 0)
    assert (slowest.trace, slowest.value, slowest.href) == (SLOW_TRACE, SLOWEST, f"/traces/{SLOW_TRACE}")
    assert slowest.labels["service"] == "store"
    assert "le" not in slowest.labels
    near = exemplars(browser_, **{"query": DURATION, "from": "10m"})
    assert SLOW_TRACE in {one.trace for one in near}
    assert min(one.time for one in near) > shop.now - 11 * 60_000
    rates = exemplars(browser_, **{"query": "rate(andon_request_duration_seconds_bucket[$window])", "from": "10d"})
    assert {one.value for one in rates} == {None}, "a rate has no place for what one request took"
    assert not exemplars(browser_, **{"query": "baskets_open", "from": "10d"})
    assert not exemplars(browser_, **{"query": DURATION.replace("])", "] offset 1d)"), "from": "10d"})


def test_traces_are_told_of_services_in_sight_alone(browser_: Browser, stranger: Browser) -> None:
    assert exemplars(browser_, **{"query": DURATION, "from": "24h"})
    assert not exemplars(stranger, **{"query": DURATION, "from": "24h"})


def test_a_table_lists_the_traces_behind_it_the_highest_first(browser_: Browser) -> None:
    page = browser_.get("/graphs/services/store", params={"from": "1h", "as": "table"})
    table = page.text.split('aria-label="Request duration"')[1].split("</section>")[0]
    traces = re.findall(r'href="/traces/([0-9a-f]{32})"', table)
    assert traces[0] == SLOW_TRACE
    assert 1 < len(traces) <= 20
    often = page.text.split('aria-label="Request duration, how often"')[1].split("</table>")[0]
    assert " /s</td>" in often, "how often is no duration"


def test_a_counter_that_is_sent_as_differences_is_drawn_as_bars_of_what_came_in_each_step(
    browser_: Browser, shop: Shop
) -> None:
    def drawn(path: str, **query: str) -> str:
        found = re.search(r'<andon-graph[^>]* data-kind="(\w+)"', browser_.get(path, params=query).text)
        assert found
        return found[1]

    explore = "/graphs/explore"
    assert drawn(explore, query="wishes_made") == "bars"
    assert drawn(explore, query="wishes_made", kind="line") == "bars"
    assert drawn(explore, query='sum by (outcome) (wishes_made{service="wishlist"})') == "bars"
    assert drawn(explore, query="wishes_made", kind="dots") == "dots"
    for other in ("baskets_open", "logins_total", "rate(wishes_made[5m])", "sum(wishes_made) * 2", "nothing_known"):
        assert drawn(explore, query=other) == "line"
    asked = browser_.get(explore, params={"metric": "wishes_made", "function": "increase"}, follow_redirects=False)
    assert "kind=bars" in asked.headers["location"]
    assert "the running total" not in browser_.get(explore, params={"metric": "wishes_made"}).text
    found = data(browser_, **{"query": "sum(wishes_made)", "kind": "bars", "from": "15m", "points": "15"})
    whole = [one for one in shop.series if one.name == "wishes_made"]
    inside = sum(
        float(values[(times > found.times[0] - found.step) & (times <= found.times[-1])].sum())
        for times, values in (shop.samples[one.id] for one in whole)
    )
    assert found.head
    assert sum(value or 0 for value in found.lines[0].values) == inside, "each is in one bar, the last one's too"


def test_causes_say_who_and_what(browser_: Browser) -> None:
    found = browser_.get("/graphs/causes", params={"service": "store", "from": "10d"}).json()
    said = [(one["kind"], one["title"], one["failed"]) for one in found["causes"]]
    assert ("deployment", "Deployed d07f3b5", False) in said
    assert ("roll-back", "Rolled back to 9e4a2c6", False) in said
    assert ("migration", "Migrated: expand the database", False) in said
    assert ("deployment", "Could not deploy 51c8ea9", True) in said
    assert [one["time"] for one in found["causes"]] == sorted(one["time"] for one in found["causes"])
    assert (
        browser_.get("/graphs/causes", params={"service": "store", "environment": "elsewhere"}).json()["causes"] == []
    )


def test_csv_is_for_spreadsheets_and_never_a_formula(browser_: Browser) -> None:
    query = 'label_replace(baskets_open, "x", "=cmd()", "", "") or host_memory_available_bytes'
    answer = browser_.get("/graphs/data.csv", params={"query": query, "from": "1h"})
    assert answer.headers["content-type"].startswith("text/csv")
    head, *rows = csv.reader(io.StringIO(answer.text))
    assert head[0] == "time"
    assert not [name for name in head if name.startswith("=")]
    assert rows[0][0].endswith("+00:00")


def test_from_a_graph_of_a_service_one_click_leads_to_the_lines_and_traces_of_its_time(browser_: Browser) -> None:
    page = browser_.get("/graphs/services/store?environment=production&from=3h").text
    assert 'href="/logs?q=service%3Astore+environment%3Aproduction&amp;from=3h"' in page
    assert 'href="/traces?service=store&amp;environment=production&amp;from=3h"' in page
    assert "Lines of this time" not in browser_.get("/graphs/explore?query=up").text


def test_the_dashboard_of_a_service_begins_with_business_and_names_its_gap(browser_: Browser) -> None:
    page = browser_.get("/graphs/services/store?from=24h").text
    heads = [page.index(f'id="head-{level}"') for level in
             ("business", "application", "client", "infrastructure", "pipeline")]  # fmt: skip
    assert heads == sorted(heads)
    assert "silent on client" in page
    silent = browser_.get("/graphs/services/catalogue").text
    assert "catalogue is not measured yet" in silent
    assert silent.count("Nothing is measured here") == 4
    assert "Nothing of the service is measured here" in silent
    assert "data-service=&#34;catalogue&#34;" in silent
    assert browser_.get("/graphs/services/nothing").status_code == 404


def test_a_young_service_opens_with_a_range_that_holds_its_life_unless_the_address_says_another(
    browser_: Browser,
) -> None:
    def chosen(path: str) -> str:
        return str(re.findall(CURRENT, browser_.get(path).text)[0])

    page = browser_.get("/graphs/services/wishlist").text
    assert re.search(r"Measured for \d+ minutes so far\.", page)
    assert 'data-graphs="15m"' in page
    assert "from=15m" in re.findall(r'<a href="(/logs[^"]*)"', page)[0]
    assert chosen("/graphs/services/wishlist") == "15m"
    assert chosen("/graphs/services/wishlist?from=6h") == "6h"
    assert chosen("/graphs/services/store") == "6h"
    assert "Measured for" not in browser_.get("/graphs/services/store").text
    fixed = browser_.get("/graphs/services/wishlist", params={"to": "1h"}).text
    assert "6h to 1h" in fixed


def test_the_first_page_has_figures_of_each_service(browser_: Browser) -> None:
    page = browser_.get("/graphs").text
    card = page[page.index('href="/graphs/services/store"') :]
    assert re.findall(r"<dt>([^<]+)</dt>", card)[:2] == ["Logins", "Requests"], "business first"
    told = re.findall(r"<dd>([^<]+)</dd>", card)[1:4]
    assert re.fullmatch(r"[\d.]+ /s", told[0])
    assert told[1].endswith(" %")
    assert told[2].endswith(" ms")
    other = page[page.index('href="/graphs/services/catalogue"') :]
    assert re.findall(r"<dd[^>]*>([^<]+)</dd>", other)[:4] == ["no data"] * 4


def test_what_happened_is_seen_while_the_store_is_down(tmp_path: Path, databases: Databases, shop: Shop) -> None:
    url = databases.url("sqlite")
    record(url, shop)
    with served(tmp_path, url, shop, measurements=Down()) as running:
        browser = running.administrator()
        home = browser.get("/graphs")
        assert home.status_code == 200
        assert "The store does not answer." in home.text
        page = browser.get("/graphs/services/store?from=10d")
        assert page.status_code == 200
        assert "The store does not answer." in page.text
        assert "Could not deploy 51c8ea9" in page.text
        answer = browser.get("/graphs/data?query=up", headers={"accept": "application/json"})
        assert answer.status_code == 503


class Down(MemoryMeasurements):
    """A store that does not answer."""

    def __init__(self) -> None:
        super().__init__((), {})

    def select(
        self, matchers: Sequence[Matcher], start: int, end: int, *, sight: Sight, limit: int = 100_000
    ) -> tuple[Series, ...]:
        raise Unavailable("The store does not answer.", remedy="Look at andon doctor.")

    def label_values(
        self, label: str, matchers: Sequence[Matcher], start: int, end: int, *, sight: Sight, limit: int = 100_000
    ) -> tuple[str, ...]:
        raise Unavailable("The store does not answer.", remedy="Look at andon doctor.")


def test_explore_writes_the_question_that_was_chosen(browser_: Browser) -> None:
    chosen = {
        "metric": "logins_total",
        "function": "rate",
        "by": "result",
        "label1": "result",
        "is1": "!=",
        "value1": "x",
    }
    answer = browser_.get("/graphs/explore", params=chosen)
    assert answer.status_code == 303
    page = browser_.get(answer.headers["location"]).text
    assert "sum by (result) (rate(logins_total{result!=&#34;x&#34;}[$window]))" in page
    assert "Nothing called" in browser_.get("/graphs/explore", params={"metric": "nope"}).text


def test_a_dashboard_is_edited_without_script(browser_: Browser) -> None:
    panel: dict[str, str | list[str]] = {
        "panel-title": ["One", "Two"],
        "panel-queries": ["baskets_open # open\nlogins_total", "searches_total"],
        "panel-kind": ["line", "stack"],
        "panel-unit": ["", "1/s"],
        "panel-note": ["", ""],
    }
    form = {"name": "by-hand", "title": "By hand", "note": "", "service": "", "environment": "", "fresh": "yes"}
    swapped = browser_.submit("/graphs/new", "/graphs/dashboards", **form, **panel, act="down 1")
    assert swapped.text.index('value="Two"') < swapped.text.index('value="One"')
    fewer = browser_.submit("/graphs/new", "/graphs/dashboards", **form, **panel, act="remove 1")
    assert 'value="One"' not in fewer.text
    wrong = browser_.submit("/graphs/new", "/graphs/dashboards", **(form | {"name": "No!"}), **panel, act="save")
    assert wrong.status_code == 400
    assert "baskets_open # open" in wrong.text, "what was typed is kept"
    saved = browser_.submit("/graphs/new", "/graphs/dashboards", **form, **panel, act="save")
    assert saved.headers["location"] == "/graphs/dashboards/by-hand"
    text = browser_.get("/graphs/dashboards/by-hand/definition").text
    code = YAML(typ="safe").load(text)
    assert code["panels"][0]["queries"] == [{"text": "baskets_open", "legend": "open"}, {"text": "logins_total"}]
    browser_.submit("/graphs/dashboards/by-hand/edit", "/graphs/dashboards/by-hand/remove")
    assert browser_.get("/graphs/dashboards/by-hand").status_code == 404


def test_a_dashboard_goes_out_as_code_and_comes_back(server: Serving, browser_: Browser) -> None:
    api = server.api()
    definition = {
        "title": "Code",
        "panels": [{"title": "Open", "queries": [{"text": "baskets_open"}], "unit": "1", "wide": True}],
        "service": "store",
    }
    assert api.put("/dashboards/code", json=definition).json()["version"] == 1
    found = api.get("/dashboards/code").json()
    assert found["definition"] == definition
    assert api.put("/dashboards/code", json=found["definition"]).json()["version"] == 1
    assert [one["name"] for one in api.get("/dashboards").json()["dashboards"] if one["name"] == "code"] == ["code"]
    assert api.put("/dashboards/code", json=definition | {"panles": []}).status_code == 400
    pie = {"title": "x", "panels": [{"title": "x", "kind": "pie", "queries": [{"text": "up"}]}]}
    assert "kind" in api.put("/dashboards/code", json=pie).json()["message"]
    wall = browser_.get("/graphs/wall/code?next=code&seconds=5").text
    assert 'data-wall-next="/graphs/wall/code?' in wall
    assert 'class="rail"' not in wall
    assert api.delete("/dashboards/code").status_code == 204


def test_annotations_come_by_form_and_by_program(server: Serving, browser_: Browser, stranger: Browser) -> None:
    done = browser_.submit(
        "/graphs/services/store", "/graphs/annotations", text="Ad on TV", service="store", back="/graphs/services/store"
    )
    assert done.headers["location"] == "/graphs/services/store"
    assert "Ad on TV" in browser_.get("/graphs/services/store").text
    away = browser_.submit("/graphs/services/store", "/graphs/annotations", text="x", back="//elsewhere.example")
    assert away.headers["location"] == "/graphs"
    late = browser_.submit("/graphs/services/store", "/graphs/annotations", text="x", at="tomorrow-ish")
    assert late.status_code == 400
    refused = stranger.submit("/graphs/services/catalogue", "/graphs/annotations", text="x", service="store")
    assert refused.status_code == 404
    api = server.api()
    assert api.post("/annotations", json={"text": "x", "at": "2026-01-01T00:00:00"}).status_code == 400
    made = api.post("/annotations", json={"text": "Campaign", "service": "store"})
    now = time.time()
    found = api.get("/causes", params={"since": stamp(now - 60), "until": stamp(now + 60), "service": "store"}).json()
    assert {"Ad on TV", "Campaign"} <= {one["title"] for one in found["causes"]}
    assert api.delete(f"/annotations/{made.json()['id']}").status_code == 204
    assert api.delete(f"/annotations/{made.json()['id']}").status_code == 404


def test_hostile_text_is_shown_as_text(server: Serving, browser_: Browser) -> None:
    text = '<img src=x onerror="alert(1)">'
    made = server.api().post("/annotations", json={"text": text})
    assert made.status_code == 201
    assert text not in browser_.get("/graphs/services/store").text
    picture: httpx.Response = browser_.get("/graphs/image.svg", params={"query": "baskets_open", "title": text})
    assert picture.headers["content-type"].startswith("image/svg+xml")
    assert "<img" not in picture.text


def test_the_palette_finds_graphs(browser_: Browser, shop: Shop) -> None:
    found = browser_.get("/palette.json").json()["entries"]
    assert "/graphs/services/store" in {one["href"] for one in found}


def test_commands_can_be_added() -> None:
    cli = typer.Typer()
    add_to(cli)
    assert {one.name or one.callback.__name__ for one in cli.registered_commands if one.callback} == {"annotate"}
    assert [one.name for one in cli.registered_groups] == ["dashboards"]


def stamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
