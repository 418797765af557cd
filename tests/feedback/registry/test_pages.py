"""Pages, API and commands of the registry, over HTTP."""

from __future__ import annotations

from pathlib import Path

import httpx
import msgspec
import pytest
import typer
from typer.testing import CliRunner

from andon.feedback.registry.commands import add_to
from andon.feedback.registry.views import AboutShape, AffectedShape, Hosts, Services, StatusData
from andon.feedback.telemetry.memory_traces import MemoryTraces
from tests.serving import Browser, Serving


@pytest.fixture(scope="module")
def reader(server: Serving) -> Browser:
    return server.administrator()


@pytest.fixture(scope="module")
def api(server: Serving) -> httpx.Client:
    return server.api()


def test_services_are_listed_with_owner_needs_levels_and_availability(api: httpx.Client) -> None:
    found = msgspec.json.decode(api.get("/registry").content, type=Services)
    assert found.measured
    by_name = {one.name: one for one in found.services}
    assert list(by_name) == ["catalogue", "idle", "store", "batch", "cron", "front", "legacy"]
    store = by_name["store"]
    assert (store.owner, store.needs, store.needed_by) == ("team-shop", ["catalogue"], ["front"])
    assert [(one.environment, one.version, one.health) for one in store.running] == [
        ("acceptance", "3f2c91a", "healthy"),
        ("production", "3f2c91a", "healthy"),
    ]
    assert store.silent == ["client"]
    assert store.availability == pytest.approx(1000 / 1001)
    assert by_name["catalogue"].availability is None, "nobody asked: no data, not 100 %"
    assert by_name["idle"].silent == ["business", "application", "client", "infrastructure", "pipeline"]


def test_a_service_that_only_sends_telemetry_registers_itself(api: httpx.Client, reader: Browser) -> None:
    found = msgspec.json.decode(api.get("/registry/legacy").content, type=AboutShape)
    assert found.service.seen == "telemetry"
    assert [(one.id, one.host, one.version) for one in found.instances] == [("l-1", "annex", "1.4")]
    assert "legacy is seen in telemetry only: Andon did not deploy it" in reader.get("/registry/legacy").text


def test_a_service_is_told_of_with_what_is_missing(reader: Browser) -> None:
    page = reader.get("/registry/store").text
    assert "store runs 3f2c91a in production, healthy; silent on client" in page
    assert "team-shop answers for it; it needs catalogue; batch and front need it." in page
    assert "shop/pay.py:10" in page
    assert "POST /pay/&lt;b&gt;" in page
    assert "cron is seen in telemetry only" in reader.get("/registry/cron").text
    assert 'href="/graphs/services/cron"' in reader.get("/registry/cron").text
    assert "batch is seen in telemetry only" in reader.get("/registry/batch").text
    assert "/graphs/services/batch" not in reader.get("/registry/batch").text, "it sends spans, of which there are none"
    assert reader.get("/registry/nobody").status_code == 404
    assert "It needs legacy; store needs it." in reader.get("/registry/catalogue").text
    assert "As far as one can tell from the text" in page
    assert "1 changed file of code was looked at" in page
    assert "the router&#39;s log, a sample" in page
    assert "No data: nobody asked in 90 days" in page
    assert "/beacon.js&#34; data-service=&#34;store&#34;" in page, "the line that fills the silent level"


def test_a_caller_without_spans_of_the_callee_is_known_from_the_routers_log(api: httpx.Client) -> None:
    found = msgspec.json.decode(api.get("/registry/store").content, type=AboutShape)
    links = {(one.caller, one.callee): (one.source, one.calls, one.errors) for one in found.links}
    assert links == {
        ("store", "catalogue"): ("traces", 2, 1),
        ("front", "store"): ("traces", 1, 0),
        ("batch", "store"): ("router", 1, 1),
    }


def test_a_sick_machine_says_who_is_affected_and_by_which_way(api: httpx.Client, reader: Browser) -> None:
    found = msgspec.json.decode(api.get("/hosts/annex").content, type=AffectedShape)
    assert found.sentence == "legacy runs on annex (production); catalogue, store and front need it"
    assert found.reached[2].path == ["front", "store", "catalogue", "legacy"]
    page = reader.get("/hosts/forge").text
    assert "catalogue and store run on forge (acceptance and production); front needs them" in page
    assert "0.7 on 4 processors" in page
    assert reader.get("/hosts/nowhere").status_code == 404
    hosts = msgspec.json.decode(api.get("/hosts").content, type=Hosts)
    assert [one.name for one in hosts.hosts] == ["forge", "annex"]
    assert "2 machines with 6 instances" in reader.get("/hosts").text


def test_the_data_of_a_status_page_have_every_day_and_no_share_where_nobody_asked(api: httpx.Client) -> None:
    found = msgspec.json.decode(api.get("/availability").content, type=StatusData)
    places = {(one.service, one.environment): one for one in found.services}
    assert set(places) == {("store", "acceptance"), ("store", "production"), ("catalogue", "production")}
    production = places["store", "production"]
    assert len(production.days) == 90
    assert production.days[0].share is None
    assert production.days[-2].share == pytest.approx(1000 / 1001)
    assert production.requests == sum(one.requests for one in production.days) > 0
    nobody = places["catalogue", "production"]
    assert (nobody.share, nobody.days_without_data) == (None, 90)
    assert api.get("/availability", params={"days": 0}).status_code == 400


def test_only_what_may_be_seen_is_told(server: Serving) -> None:
    stranger = server.person("Sarah", [{"role": "developer", "service": "catalogue"}])
    page = stranger.get("/registry").text
    assert "catalogue" in page
    assert "store" not in page
    assert stranger.get("/registry/store").status_code == 404
    affected = stranger.get("/hosts/forge").text
    assert "catalogue runs on forge" in affected
    assert "store" not in affected
    nobody = server.person("Nobody")
    assert nobody.get("/registry").status_code == 403
    assert nobody.get("/hosts").status_code == 403


def test_what_runs_is_told_while_the_store_does_not_answer(reader: Browser, spans: MemoryTraces) -> None:
    spans.down = True
    try:
        listing, one, host = (reader.get(path) for path in ("/registry", "/registry/store", "/hosts/forge"))
        other = reader.get("/hosts/annex")
    finally:
        spans.down = False
    assert "The telemetry store does not answer" in listing.text
    assert "3f2c91a" in listing.text
    assert "store runs 3f2c91a in production, healthy" in one.text
    assert "catalogue and store run on forge (acceptance and production)" in host.text
    assert "who needs it is not" in host.text
    assert other.status_code == 503


def test_a_service_of_which_nothing_was_heard_is_not_there(reader: Browser) -> None:
    assert reader.get("/registry/none").status_code == 404


def test_the_terminal_lists_services_and_who_is_affected(
    server: Serving, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ANDON_URL", server.address)
    monkeypatch.setenv("ANDON_TOKEN", server.operator)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    cli = typer.Typer()
    add_to(cli)
    listed = CliRunner().invoke(cli, ["services"])
    assert listed.exit_code == 0, listed.output
    line = next(one for one in listed.output.splitlines() if one.startswith("store"))
    assert line.split("\t")[1] == "team-shop"
    assert line.endswith("99.9 %")
    told = CliRunner().invoke(cli, ["who-is-affected", "annex"])
    assert told.output.startswith("legacy runs on annex (production); catalogue, store and front need it")
    assert "front → store → catalogue → legacy" in told.output
