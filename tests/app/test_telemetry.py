"""A whole Andon keeps telemetry: what it acknowledged survives, what is asked is answered, and nothing waits for it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import psutil
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from benchmarks.harness.installation import Andon, left_behind, until
from benchmarks.harness.ports import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def ports() -> dict[str, int]:
    return {name: free_port() for name in ("STATSD", "OTLP")}


@pytest.fixture(scope="module")
def taken() -> Iterator[socket.socket]:
    """Somebody else's, at the port that Graphite is to come in by."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        yield found


@pytest.fixture(scope="module")
def andon(ports: dict[str, int], taken: socket.socket) -> Iterator[Andon]:
    settings = {f"ANDON_TELEMETRY_{name}_PORT": str(port) for name, port in ports.items()}
    settings["ANDON_TELEMETRY_GRAPHITE_PORT"] = str(taken.getsockname()[1])
    with Andon(settings=settings) as running:
        until((running.data / "telemetry" / "state.json").exists, "telemetry listens")
        yield running
    assert left_behind(running.data) == []


def role(andon: Andon) -> psutil.Process:
    return andon.role("telemetry")


def ask(andon: Andon, query: str) -> dict[str, float] | None:
    """The answer by the label ``service``; ``None`` while the store does not answer."""
    answer = httpx.get(
        f"{andon.address}/prometheus/api/v1/query",
        params={"query": query},
        headers={"Authorization": f"Bearer {andon.token}"},
        timeout=30,
    )
    if answer.status_code == 503:
        return None
    found = answer.json()["data"]["result"]
    return {one["metric"].get("service", ""): float(one["value"][1]) for one in found}


def export(port: int, name: str, value: float, **attributes: str) -> int:
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    for key, told in attributes.items():
        resource.resource.attributes.add(key=key.replace("__", ".")).value.string_value = told
    point = resource.scope_metrics.add().metrics.add(name=name).gauge.data_points.add()
    point.time_unix_nano = time.time_ns()
    point.as_double = value
    try:
        sent = httpx.post(
            f"http://127.0.0.1:{port}/v1/metrics",
            content=request.SerializeToString(),
            headers={"Content-Type": "application/x-protobuf"},
            timeout=30,
        )
    except httpx.TransportError:  # it is being started again
        return 0
    return sent.status_code


def command(andon: Andon, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "andon", *words],
        env={**andon.environment(), "ANDON_DATA": str(andon.data), "XDG_CONFIG_HOME": str(andon.folder / "config")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_metric_that_was_sent_is_answered_for(andon: Andon, ports: dict[str, int]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
        sending.sendto(
            b"login.success:3|c|#service:shop\nlogin.success:4|c|#service:till", ("127.0.0.1", ports["STATSD"])
        )
    until(
        lambda: ask(andon, "sum by (service) (increase(login_success[5m]))") == {"shop": 3.0, "till": 4.0},
        "both counters can be asked for",
    )
    assert export(ports["OTLP"], "basket.value", 12.5, service__name="shop") == 200
    assert ask(andon, "basket_value") == {"shop": 12.5}, "what was acknowledged can be read at once"


def test_a_port_that_is_taken_is_told_wherever_one_looks_and_listened_at_once_it_is_free(
    andon: Andon, taken: socket.socket
) -> None:
    port = taken.getsockname()[1]
    told = f"Graphite is not taken in: Telemetry cannot listen on 127.0.0.1:{port}"
    until(lambda: told in (andon.folder / "up.out").read_text(), "whoever started it is told")
    assert "telemetry.graphite_port" in (andon.folder / "up.out").read_text()
    assert told in (andon.data / "log" / "telemetry.log").read_text()
    assert told in command(andon, "doctor").stdout.replace("\n", " ").replace("  ", " ")

    def page() -> str:
        return httpx.get(
            f"{andon.address}/telemetry", headers={"Authorization": f"Bearer {andon.token}"}, timeout=30
        ).text

    assert "not listening" in page()
    taken.close()
    until(lambda: "not listening" not in page(), "it is tried again")
    with socket.create_connection(("127.0.0.1", port)) as sender:
        sender.sendall(b"by.graphite 7 -1\n")
        until(lambda: ask(andon, "by_graphite") == {"": 7.0}, "it is taken in")


def test_acknowledged_data_survive_the_sudden_end_of_the_process_and_nothing_else_ends(
    andon: Andon, ports: dict[str, int]
) -> None:
    before = {one.pid for one in andon.roles()}
    acknowledged = 0
    for number in range(20):
        acknowledged += export(ports["OTLP"], "order.number", number, service__name=f"shop-{number}") == 200
    killed = role(andon)
    killed.kill()
    assert httpx.get(f"{andon.address}/health", timeout=60).status_code < 500
    until(lambda: bool(ask(andon, "vector(1)")), "questions without samples are answered")
    until(
        lambda: len(ask(andon, "last_over_time(order_number[10m])") or {}) == acknowledged == 20,
        "all that was acknowledged is there",
    )
    assert {one.pid for one in andon.roles()} & before == before - {killed.pid}


def test_a_copy_is_made_while_it_goes_on_and_put_back_by_one_command(andon: Andon, ports: dict[str, int]) -> None:
    until(lambda: export(ports["OTLP"], "kept", 1, service__name="shop") == 200, "it takes in again")
    made = command(andon, "telemetry", "backup", "first")
    assert made.returncode == 0, made.stderr
    assert export(ports["OTLP"], "later", 1, service__name="shop") == 200
    assert json.loads(command(andon, "telemetry", "backups", "--json").stdout)["backups"][0]["name"] == "first"
    old = role(andon)
    put_back = command(andon, "telemetry", "restore", "first", "--yes")
    assert put_back.returncode == 0, put_back.stderr
    until(lambda: not old.is_running() and bool(ask(andon, "kept")), "the copy is in its place")
    assert ask(andon, "later") == {}


def test_what_telemetry_says_of_itself_is_shown(andon: Andon) -> None:
    until(lambda: bool(ask(andon, "andon_telemetry_received_total")), "it has told of itself")
    # the store answers a moment before the ways in are open
    until((andon.data / "telemetry" / "state.json").exists, "telemetry listens")
    shown = command(andon, "telemetry", "show", "--json")
    assert shown.returncode == 0, shown.stderr
    told = json.loads(shown.stdout)
    assert told["running"] is True
    assert told["fault"] == ""
    assert {place["what"] for place in told["places"]} == {"StatsD", "OpenTelemetry over HTTP", "Graphite"}
    page = httpx.get(f"{andon.address}/telemetry", headers={"Authorization": f"Bearer {andon.token}"}, timeout=30)
    assert page.status_code == 200, page.text
    for title in ("Ways in", "Where it listens", "Series today", "What is kept", "Copies"):
        assert f"<h2>{title}" in page.text


def test_a_store_that_does_not_answer_is_said_to_be_so_and_deployments_go_on(andon: Andon) -> None:
    until(lambda: bool(ask(andon, "kept")), "it answers")
    # stopped first: the supervisor would have it up again in a moment
    supervisor = andon.roles()[0]
    supervisor.suspend()
    try:
        role(andon).kill()
        until(lambda: ask(andon, "kept") is None, "it does not answer")
        assert command(andon, "status").returncode == 0
    finally:
        supervisor.resume()
    until(lambda: bool(ask(andon, "kept")), "it answers again")
