"""Prometheus' HTTP interface, as its clients see it."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from andon.app.people.room import people_room
from andon.feedback.promql.room import promql_room
from andon.feedback.promql.service import Engine
from andon.feedback.telemetry.contract.metrics import Exemplar, Kind
from andon.feedback.telemetry.memory import MemoryMeasurements
from andon.kernel.db import Database, open_engine
from tests.databases import Databases
from tests.feedback.promql.measured import every
from tests.serving import Serving, quick_passwords, serving, settings_for

START = 1_700_000_000_000
AT = START // 1_000 + 300
TRACE = "ab" * 16


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[Serving]:
    folder: Path = tmp_path_factory.mktemp("andon")
    settings = settings_for(folder, databases.url("sqlite"))
    told = [
        every(15, [float(n) for n in range(40)], "hits", Kind.COUNTER, start=START, service="shop", code="200"),
        every(15, [2.0 * n for n in range(40)], "hits", Kind.COUNTER, start=START, service="bank", code="200"),
        every(15, [math.nan, math.inf, -math.inf, 1e-9, 0.1, 1e21] * 7, "odd", start=START, word='ü"\\'),
    ]
    told = [(replace(one, help="Requests", unit="1"), times, values) for one, times, values in told]
    measured = MemoryMeasurements(
        [one for one, _, _ in told],
        {one.id: (times, values) for one, times, values in told},
        exemplars=[Exemplar(series=told[0][0].id, time=START + 1_500, value=0.25, trace=TRACE)],
    )
    rooms = (people_room(settings, quick_passwords()), promql_room(Engine(measured), measured))
    with serving(settings, Database(open_engine(settings.database_url)), rooms, quick_passwords()) as running:
        yield running


@pytest.fixture
def asked(server: Serving) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=f"{server.address}/prometheus/api/v1",
        headers={"authorization": f"Bearer {server.operator}"},
        timeout=30,
        verify=False,
    ) as client:
        yield client


def test_a_vector_is_labels_and_a_pair_of_seconds_and_text(asked: httpx.Client) -> None:
    answer = asked.get("/query", params={"query": 'hits{service="shop"}', "time": f"{AT}.5"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "status": "success",
        "data": {
            "resultType": "vector",
            "result": [{"metric": {"__name__": "hits", "code": "200", "service": "shop"}, "value": [AT + 0.5, "20"]}],
        },
    }


def test_numbers_are_spelt_as_prometheus_spells_them(asked: httpx.Client) -> None:
    answer = asked.get("/query", params={"query": "odd[90s]", "time": f"{AT - 210}"}).json()
    assert answer["data"]["resultType"] == "matrix"
    (line,) = answer["data"]["result"]
    assert line["metric"]["word"] == 'ü"\\'
    assert [value for _, value in line["values"]] == ["+Inf", "-Inf", "1e-09", "0.1", "1e+21", "NaN"]
    for query, value in (("1", "1"), ("-0.5", "-0.5"), ("1e16", "10000000000000000"), ("-Inf", "-Inf")):
        scalar = asked.get("/query", params={"query": query, "time": "1.25"}).json()
        assert scalar["data"] == {"resultType": "scalar", "result": [1.25, value]}
    text = asked.get("/query", params={"query": '"a\\"b"', "time": "1"}).json()
    assert text["data"] == {"resultType": "string", "result": [1, 'a"b']}


def test_a_range_may_be_asked_by_form_with_dates_and_durations(asked: httpx.Client) -> None:
    given = {"query": "sum(hits)", "start": "2023-11-14T22:18:20Z", "end": str(AT + 60), "step": "30s"}
    by_form, by_query = asked.post("/query_range", data=given), asked.get("/query_range", params=given)
    assert by_form.json() == by_query.json()
    assert by_form.json()["data"] == {
        "resultType": "matrix",
        "result": [{"metric": {}, "values": [[AT, "60"], [AT + 30, "66"], [AT + 60, "72"]]}],
    }


@pytest.mark.parametrize(
    ("path", "given", "status", "kind"),
    [
        ("/query", {"query": "rate("}, 400, "bad_data"),
        ("/query", {}, 400, "bad_data"),
        ("/query", {"query": "up", "time": "yesterday"}, 400, "bad_data"),
        ("/query", {"query": "up", "time": "1e300"}, 400, "bad_data"),
        ("/query", {"query": "up", "timeout": "soon"}, 400, "bad_data"),
        ("/query", {"query": "hits + on(code) hits", "time": str(AT)}, 422, "execution"),
        ("/query", {"query": 'label_replace(hits, "a", "", "b", "(")', "time": str(AT)}, 422, "execution"),
        ("/query_range", {"query": "up", "start": "0", "end": "1", "step": "0"}, 400, "bad_data"),
        ("/query_range", {"query": "up", "start": "0", "end": "1"}, 400, "bad_data"),
        *(
            ("/query_range", {"query": "up", "start": "0", "end": "1", "step": step}, 400, "bad_data")
            for step in ("inf", "NaN", "1e400", "9" * 30, "9" * 18 + "y", "5m5m", "-5m", "é")
        ),
        ("/query", {"query": "rate(up[1e400])"}, 400, "bad_data"),
        ("/format_query", {"query": "up offset 1e308"}, 400, "bad_data"),
        ("/query_range", {"query": "up", "start": "0", "end": "99999999", "step": "1"}, 400, "bad_data"),
        ("/series", {}, 400, "bad_data"),
        ("/series", {"match[]": "rate(up[5m])"}, 400, "bad_data"),
        ("/labels", {"limit": "-1"}, 400, "bad_data"),
        ("/labels", {"match[]": '{a=~"("}'}, 400, "bad_data"),
    ],
)
def test_what_cannot_be_answered_is_said_in_prometheus_words(
    asked: httpx.Client, path: str, given: dict[str, str], status: int, kind: str
) -> None:
    answer = asked.get(path, params=given)
    assert answer.status_code == status, answer.text
    assert answer.json()["status"] == "error"
    assert answer.json()["errorType"] == kind
    assert answer.json()["error"]


def test_series_labels_and_values_are_listed(asked: httpx.Client) -> None:
    times = {"start": str(AT - 60), "end": str(AT)}
    series = asked.post("/series", data={"match[]": 'hits{service=~"s.*"}', **times}).json()
    assert series["data"] == [{"__name__": "hits", "code": "200", "service": "shop"}]
    assert asked.get("/labels", params=times).json()["data"] == ["__name__", "code", "service", "word"]
    assert asked.get("/label/service/values", params=times).json()["data"] == ["bank", "shop"]
    narrowed = asked.get("/label/__name__/values", params={"match[]": '{code="200"}'}).json()
    assert narrowed == {"status": "success", "data": ["hits"]}
    cut = asked.get("/label/service/values", params={"limit": "1"}).json()
    assert cut["data"] == ["bank"]
    assert cut["warnings"] == ["results truncated due to limit"]


def test_everything_else_that_grafana_asks_has_an_answer(asked: httpx.Client) -> None:
    assert asked.get("/metadata").json()["status"] == "success"
    assert asked.get("/status/buildinfo").json()["data"]["version"] == "3.0.0"
    assert asked.get("/rules").json()["data"] == {"groups": []}
    assert asked.get("/alerts").json()["data"] == {"alerts": []}
    laid_out = asked.post("/format_query", data={"query": "sum(rate(hits[5m]))by(code)"}).json()["data"]
    assert laid_out.startswith("sum by (code)")
    found = asked.get("/query_exemplars", params={"query": "rate(hits[5m])", "start": AT - 300, "end": AT}).json()
    assert found["data"] == [
        {
            "seriesLabels": {"__name__": "hits", "code": "200", "service": "shop"},
            "exemplars": [{"labels": {"trace_id": TRACE}, "value": "0.25", "timestamp": START / 1_000 + 1.5}],
        }
    ]


def test_a_stranger_is_refused_and_nothing_answers_without_a_token(server: Serving) -> None:
    with httpx.Client(base_url=server.address, timeout=30, verify=False) as stranger:
        answer = stranger.get("/prometheus/api/v1/query", params={"query": "1"})
        assert answer.status_code == 401
        assert "www-authenticate" in answer.headers
        refused = stranger.get("/prometheus/api/v1/query", headers={"authorization": "Bearer nobody"})
        assert refused.status_code == 401


def test_somebody_sees_the_services_that_they_may_read(server: Serving) -> None:
    browser = server.person("Bill", [{"role": "viewer", "service": "shop"}])
    path = "/prometheus/api/v1"
    found = browser.get(f"{path}/query", params={"query": "count by (service) (hits)", "time": AT}).json()
    assert [one["metric"] for one in found["data"]["result"]] == [{"service": "shop"}]
    assert browser.get(f"{path}/label/service/values").json()["data"] == ["shop"]
    assert len(browser.get(f"{path}/series", params={"match[]": "hits"}).json()["data"]) == 1
    nobody = server.person("Brent")
    assert nobody.get(f"{path}/query", params={"query": "hits"}).status_code == 403


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")
def test_promtool_reads_it_unchanged(server: Serving) -> None:
    address = re.sub("//", f"//token:{server.operator}@", server.address, count=1) + "/prometheus"

    def promtool(*words: str) -> str:
        ended = subprocess.run(["promtool", "query", *words], capture_output=True, text=True, check=False, timeout=60)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    times = (f"--start={AT - 60}", f"--end={AT}")
    assert promtool("instant", f"--time={AT}", address, "sum(hits)") == f"{{}} => 60 @[{AT}]\n"
    ranged = promtool("range", *times, "--step=30s", address, "sum(hits)")
    assert ranged == f"{{}} =>\n48 @[{AT - 60}]\n54 @[{AT - 30}]\n60 @[{AT}]\n"
    assert promtool("series", *times, "--match=hits", address).count('code="200"') == 2
    assert promtool("labels", *times, address, "service").split() == ["bank", "shop"]
