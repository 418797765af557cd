"""What Grafana's data source for Graphite sends, answered over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest

from andon.app.people.room import people_room
from andon.feedback.graphite.room import graphite_room
from andon.feedback.telemetry.contract.metrics import Kind
from andon.kernel.db import Database, open_engine
from tests.databases import Databases
from tests.feedback.graphite.measured import START, Told, every
from tests.serving import Serving, quick_passwords, serving, settings_for

WINDOW = {"from": str(START), "until": str(START + 60)}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[Serving]:
    told = (
        Told()
        .statsd("login.success", Kind.DELTA, [(12, 3), (40, 1)], service="shop")
        .graphite("servers.a.load", every(10, 1, None, 3, 4, 5, 6))
        .counter("jobs_total", every(10, 1, 2, 3, 4, 5, 6), service="stock", state="done")
    )
    settings = settings_for(tmp_path_factory.mktemp("andon"), databases.url("sqlite"))
    passwords = quick_passwords()
    rooms = (people_room(settings, passwords), graphite_room(told.measurements()))
    with serving(settings, Database(open_engine(settings.database_url)), rooms, passwords) as running:
        yield running


@pytest.fixture
def grafana(server: Serving) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {server.operator}"}
    with httpx.Client(base_url=f"{server.address}/graphite", headers=headers, timeout=30, verify=False) as client:
        yield client


def test_a_panel_posts_its_targets_as_a_form_and_is_answered_points(grafana: httpx.Client) -> None:
    answer = grafana.post(
        "/render",
        data={
            "target": ["aliasByNode(servers.a.load,1)", "stats.counters.login.success.count"],
            **WINDOW,
            "format": "json",
            "maxDataPoints": "1000",
        },
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    first, second = answer.json()
    assert first["target"] == "a"
    assert first["tags"]["name"] == "servers.a.load"
    assert first["datapoints"][:3] == [[1.0, START + 10], [None, START + 20], [3.0, START + 30]]
    assert second["datapoints"][0] == [3.0, START + 10]


def test_the_query_is_as_good_as_a_form(grafana: httpx.Client) -> None:
    answer = grafana.get("/render", params={"target": "servers.*.load", **WINDOW, "format": "csv"})
    assert answer.text.splitlines()[0] == "servers.a.load,2026-01-01 10:00:10,1.0"
    answer = grafana.get("/render/", params={"target": "servers.*.load", **WINDOW, "format": "raw"})
    assert answer.text.startswith(f"servers.a.load,{START + 10},{START + 70},10|1.0,None,")
    answer = grafana.get(
        "/render",
        params={"target": "servers.*.load", "from": "10:00_20260101", "until": "10:01_20260101", "format": "json"},
    )
    assert len(answer.json()[0]["datapoints"]) == 6


def test_pictures_are_refused_with_what_draws_them(grafana: httpx.Client) -> None:
    for format_ in ("png", "svg", ""):
        answer = grafana.get("/render", params={"target": "a", **({"format": format_} if format_ else {})})
        assert answer.status_code == 400
        assert answer.headers["content-type"].startswith("text/plain")
        assert "format=json" in answer.text


@pytest.mark.parametrize(
    "fields",
    [
        {"target": "scale(", "format": "json"},
        {"target": "scale(a)", "format": "json"},
        {"target": "a", "format": "tuna"},
        {"target": "a", "format": "json", "from": "tuna"},
        {"target": "a", "format": "json", "from": "-1h", "until": "-1h"},
        {"target": "a", "format": "json", "maxDataPoints": "x"},
        {"target": ["a"] * 51, "format": "json"},
        {"target": ["a"] * 1_001, "format": "json"},
    ],
)
def test_what_graphite_refuses_is_refused_as_text(grafana: httpx.Client, fields: dict[str, str | list[str]]) -> None:
    answer = grafana.post("/render", data=fields)
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/plain")
    assert len(answer.text) > 10


def test_a_query_is_completed_node_by_node(grafana: httpx.Client) -> None:
    root = grafana.get("/metrics/find", params={"query": "*", **WINDOW}).json()
    assert {"text": "stats", "id": "stats", "allowChildren": 1, "expandable": 1, "leaf": 0} in root
    leaves = grafana.post("/metrics/find", data={"query": "stats.counters.login.success.*", **WINDOW}).json()
    assert [(one["id"], one["leaf"]) for one in leaves] == [
        ("stats.counters.login.success.count", 1),
        ("stats.counters.login.success.rate", 1),
    ]
    found = grafana.get("/metrics/find", params={"query": "servers.", "format": "completer", **WINDOW}).json()
    assert found == {"metrics": [{"name": "a", "path": "servers.a.", "is_leaf": "0"}]}
    expanded = grafana.get("/metrics/expand", params={"query": "servers.*.*", **WINDOW}).json()
    assert expanded == {"results": ["servers.a.load"]}
    assert "servers.a.load" in grafana.get("/metrics/index.json", params=WINDOW).json()
    assert grafana.get("/metrics/find").status_code == 400


def test_tags_are_completed(grafana: httpx.Client) -> None:
    assert grafana.get("/tags", params=WINDOW).json() == [{"tag": "name"}, {"tag": "service"}, {"tag": "state"}]
    assert grafana.get("/tags/state", params=WINDOW).json() == {
        "tag": "state",
        "values": [{"value": "done", "count": 1}],
    }
    tags = grafana.get("/tags/autoComplete/tags", params={"expr": "name=jobs_total", "tagPrefix": "s", **WINDOW})
    assert tags.json() == ["service", "state"]
    values = grafana.get("/tags/autoComplete/values", params={"tag": "service", "valuePrefix": "s", **WINDOW})
    assert values.json() == ["shop", "stock"]
    series = grafana.get("/tags/findSeries", params={"expr": "state=done", **WINDOW})
    assert series.json() == ["jobs_total;service=stock;state=done"]


def test_functions_tell_their_parameters(grafana: httpx.Client) -> None:
    found = grafana.get("/functions").json()
    assert found["scale"]["params"] == [
        {"name": "seriesList", "type": "seriesList", "required": True},
        {"name": "factor", "type": "float", "required": True},
    ]
    assert found["movingAverage"]["group"] == "Calculate"
    assert "average" in found["summarize"]["params"][2]["options"]
    assert grafana.get("/version").text == "1.1.8"


def test_a_stranger_is_answered_nothing(server: Serving) -> None:
    for path in ("/render?target=a&format=json", "/metrics/find?query=*", "/tags", "/functions", "/version"):
        answer = httpx.get(f"{server.address}/graphite{path}", timeout=30, verify=False)
        assert answer.status_code == 401, path


def test_somebody_sees_their_own_services_and_what_belongs_to_none(server: Serving) -> None:
    person = server.person(f"Bill {time.monotonic_ns()}", [{"role": "viewer", "service": "shop"}])
    names = [
        one["target"]
        for one in person.get(
            "/graphite/render", params={"target": "seriesByTag('name=~.+')", **WINDOW, "format": "json"}
        ).json()
    ]
    assert names == ["login.success;service=shop", "servers.a.load"]
    nobody = server.person(f"Nobody {time.monotonic_ns()}")
    assert nobody.get("/graphite/render", params={"target": "*", "format": "json"}).status_code == 403
