"""An environment that was given more time is not taken away for the old one, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from andon.flow.configuration.contract import ConfigForgotten
from andon.flow.environments.contract import EnvironmentDestroyed, EnvironmentExtended
from andon.flow.sources.contract import Service
from andon.kernel.access import SYSTEM
from andon.kernel.clock import SettableClock
from andon.kernel.db import Reading
from andon.kernel.errors import NotFound
from tests.flow.installation import STORE, Installation

HOUR = 3600.0


@pytest.fixture
def reap(installation: Installation) -> Callable[[], None]:
    """What the worker does every twenty seconds."""
    found = [one for room in installation.rooms() for one in room.reconcilers if one.name == "expired environments"]
    (reconciler,) = found
    return reconciler.run


@pytest.fixture
def mine(installation: Installation) -> str:
    """The name of an environment that lives for an hour."""
    commit = installation.built()
    with installation.database.transaction() as tx:
        installation.deployments.create_environment(
            tx, SYSTEM, STORE, commit, name="mine", like="acceptance", time_to_live=HOUR
        )
    installation.settle()
    assert installation.live("mine") == commit
    return "mine"


def is_there(installation: Installation, name: str) -> bool:
    with installation.database.reading() as reading:
        return installation.environments.find(reading, STORE, name) is not None


def test_what_is_over_is_taken_away(
    installation: Installation, mine: str, clock: SettableClock, reap: Callable[[], None]
) -> None:
    reap()
    assert is_there(installation, mine)
    clock.advance(HOUR)
    reap()
    reap()
    assert not is_there(installation, mine)
    (event,) = installation.events(EnvironmentDestroyed)
    assert isinstance(event, EnvironmentDestroyed)
    assert event.reason == "its time to live is over"


def test_what_was_set_goes_with_an_environment_made_by_hand_and_stays_for_one_that_is_declared(
    installation: Installation, mine: str, clock: SettableClock, reap: Callable[[], None]
) -> None:
    installation.deploy(installation.built(through="acceptance"), "acceptance")

    def names(environment: str) -> list[str]:
        with installation.database.reading() as reading:
            return [one.name for one in installation.configuration.shown(reading, SYSTEM, STORE, environment)]

    with installation.database.transaction() as tx:
        for environment in (mine, "acceptance"):
            installation.configuration.set(tx, SYSTEM, STORE, environment, "KEY", "horse", secret=True)
            installation.configuration.set(tx, SYSTEM, STORE, environment, "REGION", "us", secret=False)
        installation.deployments.destroy(tx, SYSTEM, STORE, "acceptance", reason="on request")
    clock.advance(HOUR)
    reap()
    assert (names(mine), names("acceptance")) == ([], ["KEY", "REGION"])
    assert installation.events(ConfigForgotten) == [
        ConfigForgotten(environment=mine, service=STORE, settings=("REGION",), secrets=("KEY",))
    ]
    assert not is_there(installation, mine)
    assert not is_there(installation, "acceptance")


def test_an_extension_that_commits_while_the_end_is_decided_wins(
    installation: Installation,
    mine: str,
    clock: SettableClock,
    reap: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked = threading.Event()
    expired = installation.environments.expired

    def look(reading: Reading) -> tuple[tuple[Service, str], ...]:
        found = expired(reading)
        assert found == ((STORE, mine),)
        looked.set()
        return found

    monkeypatch.setattr(installation.environments, "expired", look)
    clock.advance(HOUR - 1)
    reaper = threading.Thread(target=reap)
    with installation.database.transaction() as tx:
        installation.environments.recorded.extend(tx, SYSTEM, STORE, mine, HOUR)
        clock.advance(1)
        reaper.start()
        assert looked.wait(60)  # it has seen the old end; from here on it waits for this transaction
    reaper.join(60)
    assert not reaper.is_alive()
    assert is_there(installation, mine)
    assert installation.live(mine) is not None
    assert installation.events(EnvironmentDestroyed) == []
    assert len(installation.events(EnvironmentExtended)) == 1


def test_an_end_that_commits_while_somebody_extends_wins(
    installation: Installation, mine: str, clock: SettableClock
) -> None:
    refused: list[str] = []

    def extend() -> None:
        try:
            with installation.database.transaction() as tx:
                asked.set()
                installation.environments.recorded.extend(tx, SYSTEM, STORE, mine, HOUR)
        except NotFound as error:
            refused.append(error.message)

    asked = threading.Event()
    late = threading.Thread(target=extend)
    clock.advance(HOUR)
    with installation.database.transaction() as tx:
        installation.deployments.end_if_over(tx, STORE, mine)
        clock.advance(-1)  # whoever extends began in time, and comes to wait here
        late.start()
        if not installation.database.is_sqlite:  # there a second writer does not even begin
            assert asked.wait(60)
    late.join(60)
    assert not late.is_alive()
    assert "it has ended" in refused[0]
    assert not is_there(installation, mine)
    assert installation.events(EnvironmentExtended) == []


def test_what_was_found_is_looked_at_again(
    installation: Installation,
    mine: str,
    clock: SettableClock,
    reap: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Destroyed by hand in between, and made anew under its name: the new one has its own time."""
    monkeypatch.setattr(installation.environments, "expired", lambda _reading: ((STORE, mine), (STORE, "never")))
    clock.advance(HOUR)
    with installation.database.transaction() as tx:
        installation.deployments.destroy(tx, SYSTEM, STORE, mine, reason="by hand")
    reap()
    commit = installation.built()
    with installation.database.transaction() as tx:
        installation.deployments.create_environment(
            tx, SYSTEM, STORE, commit, name=mine, like="acceptance", time_to_live=HOUR
        )
    installation.settle()
    reap()
    assert installation.live(mine) == commit
