"""A service that knows nothing of telemetry, behind a real router: rate, errors, duration, saturation and logs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from andon.feedback.telemetry.contract.logs import LogSource, Severity
from andon.feedback.telemetry.memory_intake import MemoryIntake
from andon.feedback.telemetry.own.access import AccessFollower, Endpoints
from andon.feedback.telemetry.own.discovery import Discovery
from andon.feedback.telemetry.own.follower import LogFollower
from andon.feedback.telemetry.own.instances import InstanceMetrics
from andon.feedback.telemetry.own.router import Places, RouterMetrics
from andon.flow.artifacts.service import ArtifactService
from andon.flow.pipelines.folders import RunFolders
from andon.flow.pipelines.service import PipelineService
from andon.flow.routing.access import EnvoyAccessLog
from andon.flow.sources.adapters.sources import GitSources
from andon.kernel.access import SYSTEM
from andon.kernel.keeper import control
from tests.feedback.telemetry.own.conftest import undeclared
from tests.feedback.telemetry.own.test_follower import Nothing
from tests.flow.environments.place import DEFINITION, Place, opened_place

SECRET = "s3cret-of-the-shop"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SERVER = """
import os
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(500 if self.path == "/broken" else 200)
        self.end_headers()
        self.wfile.write(b"here")
    def log_message(self, *arguments):
        pass

print("the key is " + os.environ["KEY"], flush=True)
print("ERROR: no parts left", flush=True)
HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with opened_place(tmp_path) as opened:
        yield opened


def until(condition: Callable[[], object], *rounds: Callable[[], None], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came to this"
        for one in rounds:
            one()
        time.sleep(0.1)


def test_a_service_that_says_nothing_of_itself_is_measured_and_its_failed_request_is_found(place: Place) -> None:
    environments, reading = place.built.environments, place.database.reading
    intake = MemoryIntake()
    places = Places(environments, reading)
    router = RouterMetrics(intake, statistics=place.router.statistics, places=places)
    requests = AccessFollower(
        intake,
        log=EnvoyAccessLog(place.data / "router"),
        positions=Nothing(),
        places=places,
        endpoints=Endpoints(environments, reading),
    )
    instances = InstanceMetrics(
        intake,
        environments=environments,
        reading=reading,
        kept=lambda: control.kept(place.built.layout.keepers),
    )
    sources = GitSources(place.git)
    artifacts = ArtifactService(place.store, keep_days=30)
    logs = LogFollower(
        intake,
        discovery=Discovery(
            reading=reading,
            environments=environments,
            pipelines=PipelineService(sources=sources, definitions=place.definitions, artifacts=artifacts),
            set_folder=place.built.layout.set,
            job_log=RunFolders(place.data / "runs").log,
            kept=timedelta(days=14),
        ),
        positions=Nothing(),
    )
    project = place.service("shop")
    with place.database.transaction() as tx:
        place.configuration.set(tx, SYSTEM, project.service, "production", "KEY", SECRET, secret=True)
    (project.checkout.folder / "app").mkdir(parents=True)
    (project.checkout.folder / "andon.yaml").write_text(DEFINITION.format(instances=1, within="20s"))
    (project.checkout.folder / "app" / "server.py").write_text(SERVER)
    router.round()
    owner = place.view(project.publish("v1", ["app/**"]).go_live())
    (instance,) = owner.instances
    for path, headers in (("/", {}), ("/", {}), ("/broken", {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})):
        httpx.get(f"http://127.0.0.1:{project.port()}{path}", headers=headers, timeout=20, trust_env=False)
    where = {"service": "shop", "environment": "production", "version": owner.commit[:7]}

    def last(name: str, **labels: str) -> float:
        found = intake.samples(name, **where, **labels)
        return found[-1][1] if found else 0.0

    until(lambda: last("andon_request_duration_seconds_count") == 3, router.round)
    assert (last("andon_requests_total", code_class="2xx"), last("andon_requests_total", code_class="5xx")) == (2, 1)
    assert last("andon_request_duration_seconds_bucket", le="+Inf") == 3
    assert 0 < last("andon_request_duration_seconds_sum") < 60
    first = intake.samples("andon_requests_total", **where, code_class="5xx")[0]
    assert first[1] == 0  # its first requests show as growth

    until(lambda: len([one for one in intake.logs if one.source is LogSource.ROUTER]) >= 3, requests.round)
    (failed,) = (one for one in intake.logs if one.severity is Severity.ERROR)
    assert failed.body.startswith("GET /broken 500 ")
    assert (failed.trace, failed.version, failed.instance) == (TRACE, owner.commit[:7], instance.id)

    (exemplar,) = intake.exemplars
    counted = {one.id: one for batch in intake.batches for one in batch.series}[exemplar.series]
    assert (counted.name, counted.label("le")) == ("andon_request_duration_seconds_bucket", "+Inf")
    assert (exemplar.trace, 0 < exemplar.value < 60) == (TRACE, True)

    until(lambda: last("andon_instance_memory_bytes") > 1_000_000, instances.round)
    assert last("andon_instance_up", instance=instance.id) == 1
    assert last("andon_instance_processes") >= 1
    assert last("andon_instance_cpu_seconds_total") > 0
    assert undeclared(intake) == set()

    until(lambda: any(one.source is LogSource.INSTANCE and "ERROR" in one.body for one in intake.logs), logs.round)
    said = [one for one in intake.logs if one.source is LogSource.INSTANCE]
    assert "the key is ***" in [one.body for one in said]
    assert not [one for one in intake.logs if SECRET in repr(one)]
    (error,) = (one for one in said if one.severity is Severity.ERROR)
    assert (error.instance, error.service, error.environment) == (instance.id, "shop", "production")
    assert error.origin == f"instance:{instance.id}/{instance.log.name.rpartition('-')[2]}"
