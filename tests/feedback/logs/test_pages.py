"""The pages of logs, as a browser without script reads them."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from urllib.parse import quote

import httpx
import pytest

from andon.feedback.telemetry.contract.logs import LogLine, LogQuery, Severity
from andon.feedback.telemetry.memory_logs import MemoryLogs
from andon.flow.deployments.contract import DeploymentFinished, DeploymentId, DeploymentState, Kind
from andon.flow.sources.contract import CommitHash, Service
from andon.kernel.events import Actor, ActorKind, append
from tests.feedback.logs.chatter import COMPLAINT, HOUR, MINUTE, NEW, OLD, SECOND, TRACE, Chatter
from tests.serving import Browser, Serving

PAGES = ("/logs", "/logs/tail", "/logs/templates", "/logs/counted", "/logs/count?service=store&query=bank")


class Read(HTMLParser):
    """What of a page a browser takes for markup, and what for text."""

    def __init__(self, page: httpx.Response) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(page.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def links(self) -> list[str]:
        return [at["href"] for _, at in self.tags if "href" in at]

    def lines(self) -> list[str]:
        """The marks of the lines, as they stand on the page."""
        return [at["id"] for tag, at in self.tags if tag == "li" and re.fullmatch(r"l[0-9a-f]{10}", at.get("id", ""))]

    def values(self, name: str) -> list[str]:
        return [at.get("value", "") for _, at in self.tags if at.get("name") == name]


@pytest.fixture(scope="module")
def page(server: Serving) -> Browser:
    return server.administrator()


@pytest.fixture(scope="module")
def outsider(server: Serving, page: Browser) -> Browser:
    """Somebody who may read the catalogue only."""
    return server.person("Brent", [{"role": "viewer", "service": "catalogue"}])


@pytest.mark.parametrize("address", PAGES)
def test_every_page_is_there(page: Browser, address: str) -> None:
    answer = page.get(address)
    assert answer.status_code == 200, answer.text[:3000]
    assert not re.search(r' style="|<script>', answer.text), "the security policy would block it"


def test_a_search_finds_words_marks_them_and_says_how_many(page: Browser, logs: MemoryLogs, chatter: Chatter) -> None:
    answer = page.get("/logs?q=payment+refused&from=1d")
    found = sum("payment refused" in line.body for line in all_lines(logs, chatter))
    assert found > 3
    text = " ".join(Read(answer).text.split())
    assert f"{found} lines in the last day, all of them errors" in text
    assert answer.text.count("<mark>payment</mark> <mark>refused</mark> by the bank") == found


def test_a_severity_floor_leaves_out_what_is_less_grave(page: Browser) -> None:
    grave = set(re.findall(r'class="line s-\w+ line-(\w+)', page.get("/logs?severity=error&from=1d").text))
    assert grave == {"error", "fatal"}
    assert page.get("/logs?severity=loud").status_code == 400


def test_what_others_wrote_is_text_and_nothing_else(page: Browser) -> None:
    for address in ("/logs?q=has:no&add=hostile:0", "/logs?from=15m", "/logs/tail", "/logs/templates"):
        answer = page.get(address, follow_redirects=True)
        read = Read(answer)
        assert all(at.get("src", "").startswith("/static/") for tag, at in read.tags if tag == "script")
        assert not any(tag in {"img", "iframe"} for tag, _ in read.tags)
        assert not any(name.startswith("on") for _, at in read.tags for name in at)
        assert all(link.startswith(("/", "#", "?")) for link in read.links())
        assert not re.search("[\x00\x1b\x07\u202e]", re.sub(r'value="[^"]*"', "", answer.text))
    lines = page.get("/logs?from=15m").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &lt;img src=x onerror=alert(2)&gt;" in lines
    assert '<span class="fg-1">red </span><span class="b fg-1">and bold</span> and plain again' in lines


def test_every_field_can_be_searched_for_and_against(page: Browser, chatter: Chatter) -> None:
    read = Read(page.get("/logs?q=hostile:0"))
    (mark,) = read.lines()
    wanted = read.values("add")
    assert len(wanted) == len(set(wanted)) > 10
    for term in wanted:
        answer = page.get("/logs?q=hostile:0", params={"q": "hostile:0", "add": term}, follow_redirects=True)
        assert answer.status_code == 200
        assert f'value="hostile:0 {term}"' in unescape(answer.text)
        assert Read(answer).lines() == ([] if term.startswith("-") else [mark]), term


def test_pages_go_back_through_every_line_once(page: Browser, logs: MemoryLogs, chatter: Chatter) -> None:
    address, seen = "/logs?q=service:store&from=3h", list[str]()
    start = chatter.now - 3 * HOUR
    while address:
        read = Read(page.get(address))
        seen += read.lines()
        address = next((at["href"] for tag, at in read.tags if tag == "a" and at.get("rel") == "next"), "")
    expected = [one for one in all_lines(logs, chatter) if one.service == "store" and one.time > start + 10 * SECOND]
    assert len(expected) > 200
    assert len(set(seen)) == len(seen) >= len(expected)


def test_a_facet_adds_its_term_and_takes_it_away_again(page: Browser) -> None:
    read = Read(page.get("/logs?from=12h"))
    added = next(link for link in read.links() if "service%3Acatalogue" in link)
    chosen = page.get(added)
    assert 'value="service:catalogue"' in chosen.text
    assert "GET /products" not in chosen.text
    assert "/logs?from=12h" in Read(chosen).links(), "the same link takes it away"


def test_a_bar_of_the_histogram_leads_to_its_lines(page: Browser) -> None:
    read = Read(page.get("/logs?q=payment+refused&from=1d"))
    bars = [(at["href"], at["aria-label"]) for tag, at in read.tags if tag == "a" and at.get("tabindex") == "-1"]
    for href, says in bars[:3]:
        told = re.search(r": (\d+) error", says)
        assert told
        assert len(Read(page.get(href)).lines()) == int(told[1])


def test_deployments_are_lines_in_the_histogram(page: Browser, chatter: Chatter) -> None:
    text = page.get("/logs?q=service:store&from=1h").text
    assert re.search(rf'href="/deployments/dep_1" class="s-run" aria-label="Deployed {NEW} to store/production', text)
    assert "/deployments/dep_0" not in text


def test_a_wrong_search_is_told_where_it_was_typed(page: Browser) -> None:
    answer = page.get("/logs?q=%22oops")
    assert answer.status_code == 400
    assert 'aria-describedby="trouble"' in answer.text
    assert 'value="&#34;oops"' in answer.text
    for address in ("/logs?from=yesterday", "/logs/templates?q=%22oops", "/logs/tail?q=%22oops", "/logs?before=x"):
        assert page.get(address).status_code == 400
    assert page.get("/logs?q=" + "x" * 9_000).status_code == 400


@pytest.mark.parametrize("address", [*PAGES[:3], PAGES[4]])
def test_pages_say_that_the_store_does_not_answer(page: Browser, logs: MemoryLogs, address: str) -> None:
    logs.down = True
    try:
        answer = page.get(address)
    finally:
        logs.down = False
    assert "The telemetry store does not answer" in answer.text
    assert 'name="query"' in answer.text or 'name="q"' in answer.text, "the search is still there"


def test_a_line_has_an_address_with_what_was_said_around_it(page: Browser) -> None:
    read = Read(page.get("/logs?q=checkout"))
    (mark,) = read.lines()
    address = next(link for link in read.links() if link.startswith("/logs/line?"))
    answer = page.get(address)
    assert "TypeError: unsupported operand" in unescape(answer.text)
    around = Read(answer)
    assert f"/traces/{TRACE}" in around.links()
    assert any(
        re.fullmatch(r"/services/store/environments/production/instances/ins_1#L\d+", one) for one in around.links()
    )
    assert mark in around.lines()
    assert 20 < len(around.lines()) <= 41
    assert 'line-here" id="' + mark in answer.text
    assert page.get("/logs/line?at=1&is=0123456789").status_code == 404
    assert page.get("/logs/line?at=now&is=<script>").status_code == 404


def test_a_list_is_bounded_whatever_lines_hold_and_the_page_of_a_line_has_all_of_it(
    page: Browser, logs: MemoryLogs, chatter: Chatter
) -> None:
    fields = {f"field.{turn:02}": f"{turn:02}" + "<" * 1_000 + "end" for turn in range(64)}
    body = "enormous " + "\n".join("&" * 80 for _ in range(700)) + " the end"
    logs.add(*(chatter.said(chatter.now - 2 * HOUR + turn, body, fields=fields) for turn in range(20)))
    answer = page.get("/logs?q=enormous&from=3h")
    assert len(Read(answer).lines()) == 20
    assert len(answer.content) < 20 * 100_000
    assert "the end" not in answer.text
    assert re.search(r"\d+ fields more", answer.text)
    line = page.get(next(link for link in Read(answer).links() if link.startswith("/logs/line?")))
    assert "the end" in Read(line).text
    assert Read(line).text.count("<" * 1_000 + "end") == 64


def test_nobody_reads_the_lines_of_a_service_out_of_sight(page: Browser, outsider: Browser) -> None:
    for address in ("/logs?from=1d", "/logs/tail", "/logs/templates?from=1d", "/logs?q=service:store&from=1d"):
        text = outsider.get(address).text
        assert "basket" not in text
        assert COMPLAINT[:8] not in text
        assert NEW not in text
    assert "indexed" in outsider.get("/logs?from=1d").text
    line = next(one for one in Read(page.get("/logs?q=checkout")).links() if one.startswith("/logs/line?"))
    assert outsider.get(line).status_code == 404
    assert outsider.get("/logs/count?service=store&query=bank").status_code == 404


def test_patterns_that_came_with_the_last_deployment_stand_first(page: Browser) -> None:
    read = " ".join(Read(page.get("/logs/templates?from=12h")).text.split())
    assert "new since the last deployment" in read
    new, _, old = read.partition("Said before")
    assert "stock of product value is negative: value" in new.replace("  ", " ")
    assert f"new since {NEW}" in new
    assert "payment refused by the bank for order value" in old
    assert f"in {OLD}" in old
    assert NEW not in old


def test_the_list_of_a_service_tells_of_patterns_that_came_with_its_deployment(page: Browser) -> None:
    answer = page.get("/logs?q=service:store&from=1h")
    text = " ".join(Read(answer).text.split())
    assert re.search(rf"\d+ patterns came with {NEW}, the last deployment of store", text)
    assert "the last deployment of" not in page.get("/logs?q=service:catalogue&from=1h").text
    pattern = next(link for link in Read(answer).links() if "q=template%3A" in link)
    assert Read(page.get(pattern)).lines(), "it leads to its lines"


def test_a_pattern_leads_to_its_lines(page: Browser) -> None:
    read = Read(page.get("/logs/templates?from=12h"))
    lines = page.get(next(link for link in read.links() if "template%3A" in link))
    assert lines.status_code == 200
    assert Read(lines).lines()


def test_a_line_becomes_a_metric_with_two_clicks(server: Serving, page: Browser) -> None:
    read = Read(page.get("/logs?q=payment+refused&from=1d"))
    form = page.get(next(link for link in read.links() if link.startswith("/logs/count?at=")))
    assert Read(form).values("metric")[0] == "payment_refused_bank_order"
    query = Read(form).values("query")[0]
    assert query == '"payment refused by the bank for order"'
    assert re.search(r"It finds \d+ lines? of the last hour", form.text)
    address = f"/logs/count?service=store&metric=payment_refused_bank_order&query={quote(query)}"
    sent = {"service": "store", "metric": "payment_refused_bank_order", "query": query}
    made = page.submit(address, "/logs/counted", **sent)
    assert made.headers["location"] == "/logs/counted#store"
    listed = page.get("/logs/counted")
    assert "payment_refused_bank_order" in listed.text
    assert "Maxine" in listed.text
    assert "had lines of the log counted as" in page.get("/record").text
    again = page.submit(address, "/logs/counted", **sent)
    assert again.status_code == 409
    ending = re.search(r'action="(/logs/counted/count_\w+/end)"', listed.text)
    assert ending
    assert page.submit("/logs/counted", ending[1]).status_code == 303
    assert "payment_refused_bank_order" not in page.get("/logs/counted").text
    assert "ended the counting of" in page.get("/record").text
    assert page.post(ending[1]).status_code == 403, "a deed needs a form of ours"


def test_who_may_only_read_counts_nothing(server: Serving, page: Browser) -> None:
    reader = server.person("Sarah", [{"role": "viewer", "service": "store"}])
    form = reader.get("/logs/count?service=store&metric=refused&query=refused")
    assert "contributor" in form.text
    sent = {"service": "store", "metric": "refused", "query": "refused"}
    assert reader.submit("/logs/count?service=store&query=x&metric=m", "/logs/counted", **sent).status_code == 403
    assert "refused" not in page.get("/logs/counted").text


def test_a_metric_or_search_that_cannot_be_is_told_in_the_form(page: Browser) -> None:
    place = "/logs/count?service=store&metric=m&query=bank"
    for metric, query in (("2 bad", "bank"), ("fine", '"open'), ("fine", "x" * 501)):
        answer = page.submit(place, "/logs/counted", service="store", metric=metric, query=query)
        assert answer.status_code == 400
        assert 'class="field-error"' in answer.text
    assert "No line is counted yet" in page.get("/logs/counted").text


def test_without_script_the_tail_says_how_to_follow_in_a_terminal(page: Browser) -> None:
    text = page.get("/logs/tail?q=service:store+%22it%27s%22").text
    hidden = re.search(r"<noscript>.*?</noscript>", text, re.DOTALL)
    assert hidden
    assert """andon lines 'service:store "it'"'"'s"' --follow""" in unescape(hidden[0])


def all_lines(logs: MemoryLogs, chatter: Chatter) -> tuple[LogLine, ...]:
    query = LogQuery(start=chatter.now - 24 * HOUR, end=chatter.now + MINUTE, at_least=Severity.UNKNOWN)
    return logs.search(query, sight=None, limit=100_000).lines


def test_a_version_that_came_back_brings_no_new_patterns(server: Serving, page: Browser) -> None:
    """Changes what was deployed: stays the last."""
    happened = DeploymentFinished(
        deployment=DeploymentId("dep_back"),
        service=Service("store"),
        environment="production",
        kind=Kind.ROLL_BACK,
        commit=CommitHash((OLD * 6)[:40]),
        state=DeploymentState.SUCCEEDED,
        reason="",
        lead_time=None,
    )
    with server.database.transaction() as tx:
        append(tx, happened, by=Actor(ActorKind.PERSON, "Maxine", "Maxine"))
    read = " ".join(Read(page.get("/logs/templates?from=12h")).text.split())
    assert "payment refused by the bank for order value" in read
    assert "new since" not in read
