"""Pages, API and commands of traces, over HTTP."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
import typer
from typer.testing import CliRunner

from andon.feedback.telemetry.memory_traces import MemoryTraces
from andon.feedback.traces.commands import add_to
from andon.feedback.traces.views import Traces, TraceShape
from tests.feedback.traces.request import CHECKOUT
from tests.serving import Browser, Serving

WIDE = "bada55ed" * 4


@pytest.fixture(scope="module")
def reader(server: Serving) -> Browser:
    return server.administrator()


@pytest.fixture(scope="module")
def stranger(server: Serving) -> Browser:
    """Sees the catalogue only."""
    return server.person("Sarah", [{"role": "developer", "service": "catalogue"}])


def test_a_request_is_found_by_where_it_went_how_long_it_took_and_that_it_failed(reader: Browser) -> None:
    page = reader.get("/traces", params={"service": "payment", "failed": "1", "at_least": "200ms"}).text
    assert "1 traced request through payment that failed in the last hour" in page
    assert f'href="/traces/{CHECKOUT}"' in page
    assert "No traced requests" in reader.get("/traces", params={"service": "payment", "at_least": "10s"}).text
    by_attribute = reader.get("/traces", params={"attributes": "http.route=/checkout"}).text
    assert by_attribute.count('class="trace-when"') == 1


def test_a_mistake_is_told_beside_the_form_which_keeps_what_was_written(reader: Browser) -> None:
    answer = reader.get("/traces", params={"at_least": "fast", "name": "<b>"})
    assert answer.status_code == 200
    assert "is no duration" in answer.text
    assert "&lt;b&gt;" in answer.text
    assert "<b>" not in answer.text


def test_a_trace_is_gone_to_by_its_id(reader: Browser) -> None:
    answer = reader.get("/traces", params={"id": CHECKOUT.upper()})
    assert answer.headers["location"] == f"/traces/{CHECKOUT}"


def test_a_trace_says_what_it_took_where_it_failed_and_where_to_go_on(reader: Browser) -> None:
    page = reader.get(f"/traces/{CHECKOUT}").text
    assert "POST /checkout took 412 ms through 4 services, 61 % of it in payment; 4 spans failed" in page
    assert "TimeoutError: the bank did not answer in 200 ms" in page
    assert f"/logs?q=trace%3A{CHECKOUT}" in page
    assert 'href="/deployments/dep_7"' in page, "the version's deployment"
    assert re.search(r"/graphs/services/store\?environment=production&amp;from=\d{13}&amp;to=\d{13}", page)
    assert "/graphs/services/mail" not in page, "it has no repository, and so no graphs of its own"
    assert "40 times in one request" in page
    assert f'href="/traces/{"ab" * 16}#span-{"cd" * 8}"' in page, "a linked trace"


def test_what_programs_sent_is_shown_as_text(reader: Browser) -> None:
    page = reader.get(f"/traces/{CHECKOUT}").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert(1)" not in page


def test_a_part_of_a_trace_is_looked_at_by_itself(reader: Browser) -> None:
    page = reader.get(f"/traces/{CHECKOUT}", params={"focus": f"{5:016x}", "open": f"{5:016x}"}).text
    assert "Inside GET /stock" in page
    assert page.count('class="fall-row v-') == 41
    assert reader.get(f"/traces/{CHECKOUT}", params={"focus": "gone"}).status_code == 200


def test_a_trace_of_twenty_thousand_spans_is_a_page_that_can_be_read(reader: Browser) -> None:
    answer = reader.get(f"/traces/{WIDE}")
    assert "300 of 20,000 spans drawn" in answer.text
    assert len(answer.content) < 800_000
    assert "Only its first 20,000 spans are read" in answer.text


def test_spans_of_services_that_may_not_be_seen_are_not_shown(stranger: Browser, server: Serving) -> None:
    page = stranger.get(f"/traces/{CHECKOUT}").text
    assert "SELECT stock" in page
    assert "POST /payments" not in page
    assert "1 span without its caller" in page
    assert stranger.get("/traces", params={"service": "payment"}).status_code == 404
    assert stranger.get(f"/traces/{'0' * 32}").status_code == 404
    nobody = server.person("Nobody")
    assert nobody.get(f"/traces/{CHECKOUT}").status_code == 403


def test_the_api_finds_and_shows(server: Serving) -> None:
    api = server.api()
    found = msgspec.json.decode(api.get("/traces", params={"service": "payment"}).content, type=Traces)
    assert [(one.trace, one.errors, one.services) for one in found.traces] == [
        (CHECKOUT, 4, ["catalogue", "mail", "payment", "store"])
    ]
    assert not found.more
    shown = msgspec.json.decode(api.get(f"/traces/{CHECKOUT}").content, type=TraceShape)
    assert len(shown.spans) == 49
    assert shown.complete
    assert [one.name for one in shown.spans if one.depth == 1][:2] == ["read basket", "GET /stock"]
    assert next(one for one in shown.spans if one.name == "charge").moved == 80_000_000
    assert api.get("/traces", params={"at_least": "soon"}).status_code == 400
    assert api.get("/traces/none").status_code == 404


def test_a_store_that_does_not_answer_is_told(reader: Browser, store: MemoryTraces) -> None:
    store.down = True
    try:
        answer = reader.get("/traces")
    finally:
        store.down = False
    assert answer.status_code == 503
    assert "does not answer" in answer.text


def test_the_terminal_draws_the_waterfall(server: Serving, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ANDON_URL", server.address)
    monkeypatch.setenv("ANDON_TOKEN", server.operator)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "120")
    cli = typer.Typer()
    add_to(cli)
    shown = CliRunner().invoke(cli, ["trace", CHECKOUT])
    assert shown.exit_code == 0, shown.output
    lines = shown.output.splitlines()
    assert "49 spans, 4 failed" in lines[0]
    assert any(line.lstrip().startswith("✗ payment charge") and "━" in line for line in lines)
    found = CliRunner().invoke(cli, ["traces", "--service", "payment"])
    assert CHECKOUT in found.output
