"""Telemetry that takes nothing in, or does not answer at all: it is said, and nothing waits for it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest

from benchmarks.harness.checkouts import Checkout
from benchmarks.harness.crashing import SERVICE
from benchmarks.harness.installation import Andon, left_behind, until
from benchmarks.harness.ports import free_port
from benchmarks.harness.record import Record
from tests.app.test_supervisor import ONLY_PRODUCTION

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

FULL = "telemetry takes nothing in"
CLIENT = """
import time
from andon_client import metric
began = time.monotonic()
for number in range(100_000):
    metric.increment("login.success")
    metric.timing("login.took", 1.5)
print(time.monotonic() - began < 60)
"""


class Running:
    def __init__(self, andon: Andon, ports: dict[str, int]) -> None:
        self.andon, self.ports = andon, ports
        self.checkout = Checkout(andon.folder / "service", andon.create(SERVICE), andon.token)
        self._page = 0

    @property
    def telemetry(self) -> psutil.Process:
        return self.andon.role("telemetry")

    def deploy(self) -> None:
        """Push a new page, and wait until it is in production."""
        self._page += 1
        commit = self.checkout.commit({"andon.yaml": ONLY_PRODUCTION, "page.html": f"page {self._page}"}, "A page")
        self.checkout.push()
        record = Record(self.andon.client)
        record.await_event("deployment.finished", environment="production", state="succeeded", commit=commit)

    def page(self, path: str, patience: float = 60) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.andon.token}"}
        return httpx.get(f"{self.andon.address}{path}", headers=headers, timeout=patience)

    def command(self, *words: str) -> str:
        told = subprocess.run(
            [sys.executable, "-m", "andon", *words],
            env={
                **self.andon.environment(),
                "ANDON_DATA": str(self.andon.data),
                "XDG_CONFIG_HOME": str(self.andon.folder / "config"),
                "COLUMNS": "300",
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return told.stdout + told.stderr

    def export(self, timeout: float) -> httpx.Response:
        line = b'{"msg": "one line"}'
        return httpx.post(f"http://127.0.0.1:{self.ports['OTLP']}/v1/lines", content=line, timeout=timeout)

    def client_goes_on(self) -> bool:
        host = {"STATSD_HOST": "127.0.0.1", "STATSD_PORT": str(self.ports["STATSD"])}
        told = subprocess.run(
            [sys.executable, "-c", CLIENT], env={**os.environ, **host}, capture_output=True, text=True, check=True
        )
        return told.stdout == "True\n"


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    ports = {name: free_port() for name in ("STATSD", "OTLP")}
    settings = {f"ANDON_TELEMETRY_{name}_PORT": str(port) for name, port in ports.items()}
    # no disk has so much: as full as it can be
    settings["ANDON_TELEMETRY_DISK_RESERVE"] = "1000000GiB"
    with Andon(settings=settings) as andon:
        until((andon.data / "telemetry" / "state.json").exists, "telemetry listens")
        yield Running(andon, ports)
    assert left_behind(andon.folder) == []


def test_with_a_full_disk_telemetry_says_that_it_takes_nothing_in_and_andon_deploys(running: Running) -> None:
    refused = running.export(30)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    assert FULL in refused.json()["message"]
    running.deploy()
    assert running.client_goes_on()
    page = running.page("/telemetry")
    assert page.status_code == 200
    assert FULL in page.text
    assert FULL in running.command("telemetry", "show")
    assert FULL in running.command("doctor")
    assert FULL in (running.andon.data / "log" / "telemetry.log").read_text()
    until(lambda: FULL in (running.andon.folder / "up.out").read_text(), "whoever started it is told")


def test_a_store_that_hangs_holds_up_neither_clients_nor_deployments_nor_other_pages(running: Running) -> None:
    hung = running.telemetry
    hung.suspend()
    crowd = ThreadPoolExecutor(80)  # twice as many as there are threads to answer them
    try:
        looking = [crowd.submit(running.page, path, 200) for path in ("/graphs", "/logs", "/traces", "/telemetry") * 20]
        running.deploy()
        assert running.client_goes_on()
        with pytest.raises(httpx.TimeoutException):
            running.export(1)  # a sender that waits does so by its own patience
        assert running.page("/record").status_code == 200
        assert running.page("/").status_code == 200
    finally:
        hung.resume()
        crowd.shutdown()
    assert {one.result().status_code for one in looking} <= {200, 503}
    until(lambda: running.export(30).status_code == 503, "it goes on where it was")


def test_a_store_that_is_gone_holds_up_nothing_either(running: Running) -> None:
    # stopped first: the supervisor would have it up again in a moment
    supervisor = running.andon.roles()[0]
    supervisor.suspend()
    try:
        running.telemetry.kill()
        assert running.client_goes_on()
        with pytest.raises(httpx.TransportError):
            running.export(30)
        running.deploy()
        assert "does not answer" in running.page("/telemetry").text
    finally:
        supervisor.resume()
    until(lambda: running.page("/telemetry").text.count("does not answer") == 0, "it is started again")
