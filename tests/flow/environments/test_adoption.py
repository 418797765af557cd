"""What runs outlives Andon, and is found again; what the machine took is brought back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from andon.flow.environments.contract import InstanceReplaced, ReplacementReason, SetId, SetState, Standing
from andon.flow.sources.contract import Service
from andon.kernel.keeper import control
from andon.kernel.sandbox.identity import alive
from tests.flow.environments.place import Place, Project, wait_until
from tests.flow.sources.installation import Checkout

ROOT = Path(__file__).parents[3]


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    # So deep that no socket could be below it: they have to lie elsewhere, and be found again.
    deep = tmp_path / ("deep" * 20)
    deep.mkdir()
    yield deep
    for one in control.kept(deep / "keepers"):
        control.stop(deep / "keepers", one.id, timeout=1)


def test_a_new_andon_adopts_what_a_killed_one_left(data: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.flow.environments.worker", str(data)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout as said:
        made = SetId(said.readline().strip())
    assert made, "the worker did not come up"
    before = {one.id: one for one in control.kept(data / "keepers")}
    assert len(before) == 3
    process.send_signal(signal.SIGKILL)
    process.wait()

    place = Place(data)
    shop = Project(place, Service("shop"), Checkout(data))
    assert shop.get().text == "v1"
    place.plane.start()
    place.router.apply()
    place.built.watch.reconcile()
    place.built.watch.check_health()
    place.built.watch.check_drift()
    assert {one.id: one for one in control.kept(data / "keepers")} == before
    assert not place.events(InstanceReplaced)
    assert place.view(made).state is SetState.HEALTHY

    # The machine starts anew: nothing runs any more, and the folder of sockets is gone.
    for one in before.values():
        os.kill(one.keeper.pid, signal.SIGKILL)
    wait_until(lambda: not any(control.is_kept(data / "keepers", one) for one in before))
    # what they kept goes with them, a moment later: until then the router's ports are taken
    inside = [one.init for one in before.values() if one.init is not None]
    wait_until(lambda: not any(alive(one) for one in inside))
    place.database.close()
    place = Place(data)
    shop = Project(place, Service("shop"), Checkout(data))
    place.plane.start()
    place.built.watch.reconcile()
    place.router.apply()
    report = place.built.environments.await_healthy(made, lambda: False)
    assert report.healthy, report.reason
    wait_until(lambda: shop.get().text == "v1")
    assert [one.reason for one in place.events(InstanceReplaced)] == [ReplacementReason.LOST] * 2

    # A retired set that nobody stopped is ended; so is a life nobody knows.
    with place.database.transaction() as tx:
        place.built.environments.mark(tx, made, Standing.RETIRED, reason="test")
    place.built.watch.reconcile()
    assert [one.id for one in control.kept(data / "keepers")] == ["router"]
    place.stop_everything()
