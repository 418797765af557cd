"""A service that Andon does not run has its graphs as soon as it sends something."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from andon.feedback.telemetry.contract.metrics import Kind
from tests.databases import Databases
from tests.feedback.graphs.shop import DAY, Shop, now_ms, record, served
from tests.serving import Browser, Serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[Serving]:
    shop = Shop(now_ms(), days=1, step=300_000, dense=60_000)
    ones = np.ones(len(shop.times))
    shop.add("login_success", ones, Kind.DELTA, {"service": "unknown_service:php", "environment": "production"})
    shop.add("target_info", ones, Kind.GAUGE, {"service": "unknown_service:php", "environment": "production"})
    shop.add("logins_of_old", np.ones(1), Kind.DELTA, {"service": "gone"}, times=np.array([shop.now - 9 * DAY]))
    url = databases.url("sqlite")
    record(url, shop)
    with served(tmp_path_factory.mktemp("graphs"), url, shop) as running:
        yield running


@pytest.fixture(scope="module")
def reader(server: Serving) -> Browser:
    return server.administrator()


def test_it_has_a_card_and_a_dashboard_without_the_machine_of_others(reader: Browser) -> None:
    assert 'href="/graphs/services/unknown_service%3Aphp"' in reader.get("/graphs").text
    page = reader.get("/graphs/services/unknown_service%3Aphp").text
    assert "unknown_service:php in production is measured" in page
    assert "Login success" in page
    assert "Target info" not in page, "it says who sends, and nothing of how it does"
    assert "Memory left on the machine" not in page
    assert 'href="/registry/unknown_service%3Aphp"' in page
    assert "Memory left on the machine" in reader.get("/graphs/services/store").text


def test_who_has_sent_nothing_within_a_week_is_not_known(reader: Browser) -> None:
    assert reader.get("/graphs/services/gone").status_code == 404
    assert reader.get("/graphs/services/nobody").status_code == 404
    assert "gone" not in reader.get("/graphs").text


def test_it_is_seen_by_whoever_may_see_it(server: Serving) -> None:
    stranger = server.person("Sarah", [{"role": "developer", "service": "catalogue"}])
    assert stranger.get("/graphs/services/unknown_service%3Aphp").status_code == 404
    assert "unknown_service" not in stranger.get("/graphs").text
