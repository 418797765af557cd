"""The machine's clock is set back while Andon is down: everything still happens, and nothing is negative."""

from __future__ import annotations

from pathlib import Path

import msgspec

from andon.flow.deployments.contract import DeploymentFinished, DeploymentState
from andon.kernel.access import SYSTEM
from andon.kernel.clock import SettableClock
from andon.kernel.events import Facets, page
from andon.kernel.events.seal import SealingKey, seal_next, verify
from tests.flow.installation import STORE, Installation

HOUR = 3600.0


def test_a_clock_set_back_stops_nothing(installation: Installation, clock: SettableClock, tmp_path: Path) -> None:
    """By hours, each time something is under way. Within a process, the clock itself stands still instead."""
    key = SealingKey.at(tmp_path / "record.pem")
    first = installation.built(message="first")
    asked = installation.request(first)
    seal(installation, key)
    clock.advance(-HOUR)
    installation.settle()
    assert installation.state(asked) is DeploymentState.SUCCEEDED
    assert installation.live() == first

    clock.advance(-HOUR)
    second = installation.built(message="second")
    clock.advance(-HOUR)
    assert installation.deploy(second).state is DeploymentState.SUCCEEDED
    assert installation.live() == second

    clock.advance(-HOUR)
    with installation.database.transaction() as tx:
        back = installation.deployments.roll_back(tx, SYSTEM, STORE, "production")
    seal(installation, key)
    clock.advance(-HOUR)
    installation.settle()
    assert installation.state(back) is DeploymentState.SUCCEEDED
    assert installation.live() == first

    seal(installation, key)
    with installation.database.reading() as reading:
        checked = verify(reading)
        told = page(reading, Facets(), after=0, limit=1000)
    assert (checked.fault, checked.unsealed) == (None, 0)
    assert [one.position for one in told] == sorted(one.position for one in told)
    finished = [one.decode() for one in told if isinstance(one.decode(), DeploymentFinished)]
    assert [one.deployment for one in finished if isinstance(one, DeploymentFinished)][-1] == back
    assert [figure for one in told for figure in figures(msgspec.json.decode(one.data)) if figure < 0] == []


def seal(installation: Installation, key: SealingKey) -> None:
    with installation.database.transaction() as tx:
        while seal_next(tx, key) is not None:
            pass


def figures(said: object) -> list[float]:
    """Every number in an event's data."""
    if isinstance(said, dict):
        return [figure for value in said.values() for figure in figures(value)]
    if isinstance(said, list):
        return [figure for value in said for figure in figures(value)]
    return [said] if isinstance(said, int | float) else []
