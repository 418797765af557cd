"""How old a graph is that somebody looks at: from a metric sent to its point, from a deployment to its line."""

from __future__ import annotations

import json
import random
import socket
import sys
import time
from collections.abc import Callable
from urllib.parse import urlencode

import httpx
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from andon.kernel.errors import Unavailable
from benchmarks.harness.browsing import OpenPage, browsing
from benchmarks.harness.crashing import PRODUCTION, SERVICE, Line
from benchmarks.harness.figures import Figure, Goal, median
from benchmarks.harness.installation import Andon, left_behind, until
from benchmarks.harness.ports import free_stretch
from benchmarks.harness.record import Seen
from benchmarks.harness.telling import Options, Outcome, chosen, main

POINT = Goal(at_most=2000)
LINE = Goal(at_most=1000)
_PAUSE = (0.3, 1.5)
"""Seconds between two metrics: not in step with the page, which asks once a second."""


def measure(options: Options, tell: Callable[[str], None]) -> Outcome:
    chance = random.Random(options.seed)
    points = chosen(options, quick=4, full=20)
    deployments = chosen(options, quick=2, full=8)
    outcome = Outcome()
    statsd, otlp = (first := free_stretch(2)), first + 1
    ports = {"ANDON_TELEMETRY_STATSD_PORT": str(statsd), "ANDON_TELEMETRY_OTLP_PORT": str(otlp)}
    with Andon(settings=ports) as andon:
        until((andon.data / "telemetry" / "state.json").exists, "telemetry listens")
        tell("two versions of a service go to production")
        line = Line(andon)
        for _ in range(2):
            line.await_run(line.push())
        with browsing(_welcome(andon)) as page:
            ways = (("StatsD over UDP", _statsd(statsd)), ("OTLP over HTTP", _otlp(otlp)))
            for _, send in ways:
                send(0)
            asked = [("query", "freshness_statsd"), ("query", "freshness_otlp"), ("service", SERVICE)]
            time.sleep(1)
            page.open(f"{andon.address}/graphs/explore?{urlencode(asked)}")
            for number, (name, send) in enumerate(ways):
                tell(f"{points} metrics over {name}")
                took = [_point(page, number, send, value, chance) for value in range(1, points + 1)]
                outcome.figures += _told(f"{name}: sent → painted on an open graph", took, POINT)
            tell(f"{deployments} deployments")
            took = []
            since_traffic = []
            for _ in range(deployments):
                finished, switched = _deployed(line)
                painted = page.cause(finished.id)
                took.append(painted - finished.time.timestamp() * 1000)
                since_traffic.append(painted - switched.time.timestamp() * 1000)
            outcome.figures += _told("deployment finished → its line painted on an open graph", took, LINE)
            outcome.figures.append(
                Figure(
                    name="its traffic switched → its line painted, median",
                    value=median(since_traffic),
                    unit="ms",
                    note="the version before is retired in between, and only then is it finished",
                )
            )
        folder = andon.folder
    outcome.faults += [f"left running: {one}" for one in left_behind(folder)]
    outcome.notes.append("the graph shows six hours, as it is opened; painted: in Chromium, after the frame was drawn")
    return outcome


def _told(name: str, took: list[float], goal: Goal) -> tuple[Figure, ...]:
    return (
        Figure(name=f"{name}, median of {len(took)}", value=median(took), unit="ms", goal=goal),
        Figure(name=f"{name}, largest", value=max(took), unit="ms", goal=goal),
    )


def _point(page: OpenPage, query: int, send: Callable[[int], None], value: int, chance: random.Random) -> float:
    time.sleep(chance.uniform(*_PAUSE))
    began = time.time() * 1000
    send(value)
    return page.point(query, value) - began


def _statsd(port: int) -> Callable[[int], None]:
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def send(value: int) -> None:
        out.sendto(f"freshness.statsd:{value}|g|#service:{SERVICE}".encode(), ("127.0.0.1", port))

    return send


def _otlp(port: int) -> Callable[[int], None]:
    client = httpx.Client(headers={"Content-Type": "application/x-protobuf"}, timeout=30)

    def send(value: int) -> None:
        request = ExportMetricsServiceRequest()
        told = request.resource_metrics.add()
        told.resource.attributes.add(key="service.name").value.string_value = SERVICE
        points = told.scope_metrics.add().metrics.add(name="freshness.otlp").gauge.data_points
        points.add(time_unix_nano=time.time_ns(), as_int=value)
        answer = client.post(f"http://127.0.0.1:{port}/v1/metrics", content=request.SerializeToString())
        if answer.status_code != 200:
            raise Unavailable(f"OTLP was answered with {answer.status_code}.")

    return send


def _deployed(line: Line) -> tuple[Seen, Seen]:
    """Roll production back to the version before: the end of that deployment, and the switch of its traffic."""
    made = line.roll_back()
    line.await_deployment(made)
    finished = line.record.await_event("deployment.finished", deployment=made.id, environment=PRODUCTION)
    return finished, line.record.await_event("traffic.switched", deployment=made.id)


def _welcome(andon: Andon) -> str:
    """The one-time link for the first administrator, as ``andon up --json`` says it."""
    for text in (andon.folder / "up.out").read_text("utf-8").splitlines():
        if text.startswith("{"):
            return str(json.loads(text)["first_administrator"])
    raise Unavailable("Andon told of no address for the first administrator.")


if __name__ == "__main__":
    sys.exit(main("freshness", __doc__, measure))
