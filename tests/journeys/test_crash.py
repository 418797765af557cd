"""Andon killed at chosen moments between a push and production; benchmarks/crash.py does it a hundred times."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.harness.crashing import PRODUCTION, SERVICE, Line
from benchmarks.harness.hollow import Fault
from benchmarks.harness.installation import Andon, left_behind, until

pytestmark = [pytest.mark.journey, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def line() -> Iterator[Line]:
    """A first version is in production, and customers ask it all the time."""
    with Andon() as andon:
        line = Line(andon)
        line.await_run(line.push())
        line.open_shop()
        try:
            yield line
        finally:
            line.close_shop()
        folder = andon.folder
    assert left_behind(folder) == []


def test_killed_at_chosen_moments_every_run_ends_as_it_would_have(line: Line) -> None:
    envoy = line.andon.keepers()["router"]

    # Between git's moving of the branch and the record of it: nobody has told Andon of the push yet.
    # Its job takes long enough to be killed in the middle of, however slow the machine.
    pushed = line.commit(work=8.0)
    branch = line.andon.data / "repositories" / f"{SERVICE}.git" / "refs" / "heads" / "main"
    push = line.checkout.start_push()
    until(lambda: holds(branch, pushed.commit), "git has moved the branch", every=0.0005)
    line.kill()
    line.finish_push(push)

    # While a job runs.
    run = line.record.await_event("run.queued", every=0.02, commit=pushed.commit).says().run
    line.record.await_event("job.started", every=0.02, run=run, stage="first", name="work")
    line.kill()
    line.await_run(pushed)

    # Before the switch in production, of a version that will fail there; then behind the switch of a good one.
    broken = line.push(Fault.PRODUCTION)
    made = line.record.await_event("deployment.requested", every=0.02, commit=broken.commit, environment=PRODUCTION)
    identity = made.says().deployment
    line.record.await_event("deployment.step-started", every=0.02, deployment=identity, step="start")
    line.kill()
    line.await_run(broken)

    back = line.push()
    made = line.record.await_event("deployment.requested", every=0.02, commit=back.commit, environment=PRODUCTION)
    line.record.await_event("traffic.switched", every=0.02, deployment=made.says().deployment)
    line.kill()
    line.await_run(back)

    line.close_shop()
    assert line.kills == 4
    assert line.faults() == []
    assert line.record.first("job.lost") is not None, "the job that was under way has run again"
    assert line.andon.keepers()["router"] == envoy, "Envoy went on all the time"


def holds(branch: Path, commit: str) -> bool:
    try:
        return branch.read_text("ascii").strip() == commit
    except OSError:
        return False
