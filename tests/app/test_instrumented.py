"""Services that were instrumented with what everybody uses: OpenTelemetry's own SDK, and pages read in a real browser.

The shop in tests/app/instrumented names no address of Andon's. What it tells has to arrive, and to be found again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from sysconfig import get_path

import httpx
import pytest
from playwright.sync_api import Browser

from andon.app.demo.shop import Checkout
from andon.app.demo.story import Deployment, Deployments
from andon.feedback.logs.views import FoundLines, LogLineShape
from andon.feedback.traces.views import TraceShape
from andon.flow.environments.views import EnvironmentShape
from andon.web.terminal.client import Refusal
from benchmarks.harness.installation import Andon, left_behind, until
from benchmarks.harness.ports import free_port
from tests.browser import browser, troubles
from tests.browser import until as until_shown

__all__ = ["browser"]
pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(300)]

SOURCE = Path(__file__).parent / "instrumented"
PACKAGES = get_path("platlib")


@dataclass(frozen=True, slots=True)
class Shop:
    """A service in production. ``version`` is as labels have it; ``ports`` are the machine's, by the protocol."""

    andon: Andon
    address: str
    version: str
    ports: dict[str, int]

    def ask(self, query: str) -> list[tuple[dict[str, str], float]]:
        found = httpx.get(
            f"{self.andon.address}/prometheus/api/v1/query", params={"query": query}, headers=self._token, timeout=30
        ).json()
        return [(one["metric"], float(one["value"][1])) for one in found.get("data", {}).get("result", ())]

    def exemplars(self, query: str) -> set[str]:
        """The traces that a metric leads to."""
        asked = {"query": query, "start": "0", "end": "9999999999"}
        found = httpx.get(
            f"{self.andon.address}/prometheus/api/v1/query_exemplars", params=asked, headers=self._token, timeout=30
        ).json()
        return {each["labels"]["trace_id"] for one in found["data"] for each in one["exemplars"]}

    def lines(self, query: str) -> list[LogLineShape]:
        return self.andon.client.get("/logs/search", FoundLines, q=query).lines

    def trace(self, id: str) -> TraceShape | None:
        try:
            return self.andon.client.get(f"/traces/{id}", TraceShape)
        except Refusal as refusal:
            if refusal.answered == httpx.codes.NOT_FOUND:
                return None
            raise

    def page(self, path: str) -> str:
        answer = httpx.get(f"{self.andon.address}{path}", headers=self._token, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.text

    @property
    def _token(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.andon.token}"}


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    ports = {"http/protobuf": free_port(), "grpc": free_port()}
    settings = {
        "ANDON_TELEMETRY_OTLP_PORT": str(ports["http/protobuf"]),
        "ANDON_TELEMETRY_OTLP_GRPC_PORT": str(ports["grpc"]),
        "ANDON_JOBS_TOOLCHAINS": PACKAGES,
    }
    with Andon(settings=settings) as running:
        until((running.data / "telemetry" / "state.json").exists, "telemetry listens")
        source = running.folder / "source"
        shutil.copytree(SOURCE, source)
        definition = source / "andon.yaml"
        definition.write_text(definition.read_text("utf-8").replace("PACKAGES", PACKAGES), "utf-8")
        checkout = Checkout(running.folder / "work", running.create("shop"), running.token, source=source)
        version = checkout.commit("Open the shop")[:7]
        assert "fault" not in checkout.push()
        found: list[Deployment] = []

        def settled() -> bool:
            found[:] = running.client.get("/deployments", Deployments, service="shop").deployments
            return any(one.state not in {"queued", "running"} for one in found)

        until(settled, "the shop is in production")
        assert [(one.state, one.reason) for one in found] == [("succeeded", "")]
        address = running.client.get("/services/shop/environments/production", EnvironmentShape).address
        yield Shop(running, address, version, ports)
    assert left_behind(running.folder) == []


@pytest.mark.parametrize("way", ["", "/grpc"])
def test_a_deployed_service_with_the_opentelemetry_sdk_names_no_address_and_is_understood(shop: Shop, way: str) -> None:
    plan = f"deployed{way.replace('/', '-')}"
    answer = httpx.post(f"{shop.address}{way}/orders/{plan}", timeout=60)
    assert answer.status_code == 200, answer.text
    whose = {"service": "shop", "environment": "production", "version": shop.version}
    instance = assert_told(shop, plan, answer.text, whose)
    assert instance, "which of its instances is told too"


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_program_outside_is_understood_when_it_is_told_the_endpoint(shop: Shop, protocol: str) -> None:
    plan = f"outside-{protocol.partition('/')[0]}"
    environment = {
        "PATH": os.environ["PATH"],
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{shop.ports[protocol]}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_SERVICE_NAME": "till",
    }
    told = subprocess.run(
        [sys.executable, SOURCE / "orders.py", plan], env=environment, capture_output=True, text=True, check=False
    )
    assert (told.returncode, told.stderr) == (0, "")
    assert_told(shop, plan, told.stdout.strip(), {"service": "till"})


def assert_told(shop: Shop, plan: str, trace: str, whose: dict[str, str]) -> str:
    """The counter, the line and the trace of an order are there, under the same names; the instance they are of."""
    query = f'orders_placed_total{{plan="{plan}"}}'
    until(lambda: bool(shop.ask(query)), "the counter is there")
    [(labels, count)] = shop.ask(query)
    assert {name: labels.get(name, "") for name in whose} == whose
    assert count == 1
    until(lambda: bool(shop.lines(f'"the {plan} plan is sold out"')), "the line is there")
    [line] = shop.lines(f'"the {plan} plan is sold out"')
    assert (line.severity, line.trace, line.fields["plan"]) == ("warn", trace, plan)
    assert {name: getattr(line, name) for name in whose} == whose
    found = await_trace(shop, trace, 2)
    assert [(span.name, span.kind, span.depth) for span in found.spans] == [
        ("POST /orders", "server", 0),
        ("charge the card", "internal", 1),
    ]
    assert {name: getattr(found.spans[1], name) for name in whose} == whose
    assert found.spans[1].attributes["plan"] == plan
    assert line.span == found.spans[0].id
    bucket = f'http_server_request_duration_seconds_bucket{{service="{whose["service"]}"}}'
    until(lambda: trace in shop.exemplars(bucket), "the histogram leads to the trace")
    took = f'max(histogram_quantile(1, http_server_request_duration_seconds_bucket{{service="{whose["service"]}"}}))'
    until(lambda: bool(shop.ask(took)), "the histogram is there")
    assert shop.ask(took) == [({}, 0.25)], "the bound above the 0.12 s that it took"
    assert {line.instance, found.spans[0].instance, labels.get("instance", "")} == {line.instance}
    return line.instance


def await_trace(shop: Shop, trace: str, spans: int) -> TraceShape:
    """Signals come each in its own time: the one of a trace with all its spans."""
    found: list[TraceShape] = []

    def whole() -> bool:
        seen = shop.trace(trace)
        found[:] = [] if seen is None else [seen]
        return seen is not None and len(seen.spans) >= spans

    until(whole, "the trace is there")
    return found[0]


def test_what_a_page_does_in_a_browser_is_measured_as_the_client_level_of_its_service(
    shop: Shop, browser: Browser
) -> None:
    window = browser.new_context()
    page = window.new_page()
    said = troubles(page)
    refused: list[str] = []
    page.on("response", lambda answer: refused.append(answer.url) if answer.status >= 400 else None)
    page.goto(shop.address)
    painted = "performance.getEntriesByName('first-contentful-paint').length"
    until_shown(page, lambda: page.evaluate(painted), "the page is painted")
    page.get_by_role("button", name="Put into the basket").click()
    until_shown(page, lambda: any("basket" in one for one in said), "the button has failed")
    page.goto(f"{shop.address}/orders/4711?name=ada")  # what a page has seen it tells when it is left
    page.goto("about:blank")

    labels = f'service="shop",environment="production",version="{shop.version}"'
    views = f"sum by (page) (sum_over_time(browser_page_views{{{labels}}}[10m]))"
    until(lambda: len(shop.ask(views)) >= 2, "both pages were seen")
    window.close()  # not sooner: what was told last may be under way
    assert refused == []
    assert [one for one in said if "basket" not in one] == []
    assert {seen["page"]: count for seen, count in shop.ask(views)} == {"/": 1, "/orders/:id": 1}
    for name in ("navigation_load", "navigation_interactive", "time_to_first_byte", "first_contentful_paint"):
        query = f'max(max_over_time(browser_{name}_seconds{{{labels},page="/"}}[10m]))'
        until(lambda query=query: bool(shop.ask(query)), name)  # type: ignore[misc]  # a default is no parameter
        [(_, seconds)] = shop.ask(query)
        assert 0 < seconds < 60, name
    assert shop.ask(f"sum by (page) (sum_over_time(browser_errors{{{labels}}}[10m]))") == [({"page": "/"}, 1.0)]
    failed = '"basket is not defined" service:shop'
    until(lambda: bool(shop.lines(failed)), "its line is there")
    [line] = shop.lines(failed)
    assert (line.severity, line.source, line.environment, line.version) == (
        "error",
        "browser",
        "production",
        shop.version,
    )
    assert line.fields["page"] == "/"
    assert not shop.lines("4711 service:shop source:browser"), "nothing of the visitor"
    assert "browser_navigation_load_seconds" in shop.page("/graphs/services/shop?environment=production")
