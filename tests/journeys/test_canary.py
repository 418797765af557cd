"""A version comes to a few customers first: with a real Envoy, real requests, and Andon killed in the middle of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from andon.app.demo.traffic import Traffic
from andon.feedback.rollouts.contract import RolloutState
from andon.feedback.rollouts.views import RolloutList, RolloutShape
from benchmarks.harness.checkouts import Checkout
from benchmarks.harness.crashing import address_of
from benchmarks.harness.installation import Andon, left_behind, until
from benchmarks.harness.record import Record

pytestmark = [pytest.mark.journey, pytest.mark.slow, pytest.mark.timeout(500)]

SERVICE, PRODUCTION = "teller", "production"
DEFINITION = """\
stages:
  first: {jobs: {work: {run: "true"}}}
  production: {environment: production, when: automatic}
package: {files: [teller.py, failing]}
run:
  web:
    command: exec python3 teller.py
    port: 8000
    health: {path: /health, every: 200ms, within: 20s}
environments:
  production:
    instances: 1
    release:
      strategy: canary
      sticky: none
      stages:
        few: {share: 30%, for: 12s, requests: 100}
        half: {share: 50%, for: 8s, requests: 100}
"""
TELLER = """\
import http.server
import pathlib
import random

failing = float(pathlib.Path("failing").read_text())


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        bad = self.path != "/health" and random.random() < failing
        self.send_response(500 if bad else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"no" if bad else b"ok")

    def log_message(self, *arguments):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128


Server(("0.0.0.0", 8000), Answer).serve_forever()
"""


class Line:
    """Pushes versions of a teller and follows what becomes of them."""

    def __init__(self, andon: Andon) -> None:
        self.andon = andon
        self.record = Record(andon.client)
        self.checkout = Checkout(andon.folder / SERVICE, andon.create(SERVICE), andon.token)

    def push(self, failing: float = 0.0) -> str:
        files = {"andon.yaml": DEFINITION, "teller.py": TELLER, "failing": f"{failing}\n"}
        commit = self.checkout.commit({**files, "stamp": str(len(self.record.read()))}, f"Fail {failing:.0%}")
        self.checkout.push()
        return commit

    def rollout(self, commit: str) -> RolloutShape | None:
        found = self.andon.client.get("/rollouts", RolloutList, of=SERVICE).rollouts
        return next((one for one in found if one.commit == commit), None)

    def state(self, commit: str) -> RolloutState | None:
        found = self.rollout(commit)
        return None if found is None else found.state

    def ended(self, commit: str) -> str:
        return self.record.await_event("deployment.finished", 240, commit=commit).says().state


@pytest.fixture(scope="module")
def line() -> Iterator[Line]:
    with Andon() as andon:
        yield Line(andon)
        folder = andon.folder
    assert left_behind(folder) == []


def test_a_good_version_reaches_everybody_though_andon_is_killed_and_a_bad_one_is_taken_back(
    line: Line, tmp_path: Path
) -> None:
    first = line.push()
    assert line.ended(first) == "succeeded"
    traffic = Traffic(address_of(line.andon, SERVICE, PRODUCTION), customers=4, pause=0.01)
    traffic.start()
    try:
        good = line.push()
        until(lambda: looked_at(line, good), "the second version is looked at by its first customers", 240, every=0.2)
        line.andon.kill()
        line.andon.start()
        assert line.ended(good) == "succeeded"
        found = judged(line, good)
        assert found.state is RolloutState.PASSED, found.reason
        assert [one.served >= 100 for one in found.stages] == [True, True]
        started = list(line.record.find("rollout.started", commit=good))
        assert len(started) == 1
        assert traffic.count().failed == 0, traffic.failures

        bad = line.push(failing=0.3)
        assert line.ended(bad) == "failed"
        taken = judged(line, bad)
        assert taken.state is RolloutState.FAILED
        assert "Errors" in taken.reason
        (failed,) = line.record.find("rollout.failed", commit=bad)
        assert "Errors" in failed.says().reason
        now = traffic.count()
        # what was asked for before the end has been answered by then
        until(lambda: traffic.count().served > now.served + 100, "customers have their answers")
        before = traffic.count()
        until(lambda: traffic.count().served > before.served + 300, "customers go on asking")
        assert traffic.count().failed == before.failed, "nobody is served by the bad version any more"
    finally:
        traffic.end()


def looked_at(line: Line, commit: str) -> bool:
    found = line.rollout(commit)
    return found is not None and found.requests > 50


def judged(line: Line, commit: str) -> RolloutShape:
    """Its rollout, once it has ended."""
    found: list[RolloutShape] = []

    def ended() -> bool:
        seen = line.rollout(commit)
        found[:] = [] if seen is None else [seen]
        return seen is not None and seen.state.ended

    until(ended, "the rollout has ended")
    return found[0]
