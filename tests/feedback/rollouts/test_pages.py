"""The pages of rollouts, in a real browser and without one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser as Chromium

from andon.feedback.judge.service import Statistics
from andon.feedback.rollouts.contract import RolloutState
from andon.feedback.rollouts.model.records import Rollout
from andon.feedback.rollouts.room import rollouts_room
from andon.kernel.clock import SettableClock
from andon.kernel.db import Database, open_engine
from andon.kernel.workflows import Interrupted
from tests.browser import DESKTOP, PHONE, browser, opened, troubles, violations
from tests.databases import Databases
from tests.feedback.rollouts.world import World
from tests.flow.installation import Installation
from tests.flow.site import ROLES, Site
from tests.serving import serving, settings_for

__all__ = ["browser"]  # the fixture


class Seen:
    """Rollouts in every state, each with the id it is found under."""

    def __init__(self, site: Site, world: World, running: Rollout, passed: Rollout, failed: Rollout) -> None:
        self.site, self.world = site, world
        self.running, self.passed, self.failed = running, passed, failed


@contextmanager
def shown(folder: Path, databases: Databases) -> Iterator[Seen]:
    settings = settings_for(folder / "data", databases.url("sqlite"))
    clock = SettableClock()
    database = Database(open_engine(settings.database_url), clock)
    local = Installation(database, folder)
    local.create()
    people = {name: local.sign_up(name, *grants) for name, grants in ROLES.items()}
    world = World(local, clock, judge=Statistics())
    world.rate = 200.0
    world.deploy(slow=0.01)
    passed = world.rollout(world.deploy(slow=0.01))
    failed = world.rollout(world.deploy(failing=0.2))
    assert (passed.state, failed.state) == (RolloutState.PASSED, RolloutState.FAILED)
    third = world.version(slow=0.01)
    found: list[Rollout] = []

    def stop(rollout: Rollout) -> None:
        if rollout.stage == 1 and len(world.looks(rollout)) > 20:
            found.append(rollout)
            raise Interrupted

    world.asked = stop
    local.request(third)
    with pytest.raises(Interrupted):
        local.settle()
    world.asked = lambda _rollout: None
    room = rollouts_room(world.service, world.takeovers, world.foretelling, local.deployments, "http://127.0.0.1")
    with serving(settings, database, (*local.rooms(), room), local.passwords, local.bell) as running:
        yield Seen(Site(local, running, people), world, found[0], passed, failed)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[Seen]:
    with shown(tmp_path_factory.mktemp("rollouts"), databases) as found:
        yield found


def test_the_list_begins_with_what_is_on_its_way(seen: Seen) -> None:
    page = seen.site.page("/rollouts")
    assert f"{seen.running.service} {seen.running.commit[:7]} is on its way" in page
    assert page.index(seen.running.id) < page.index(seen.failed.id) < page.index(seen.passed.id)


def test_the_verdict_answers_first_and_says_why(seen: Seen) -> None:
    failed = seen.site.page(f"/rollouts/{seen.failed.id}")
    assert f"{seen.failed.commit[:7]} was taken back from store production: Errors" in failed
    assert "All traffic is on" in failed
    assert f"{seen.failed.commit[:7]} served " in failed
    assert failed.count('<li class="verdict-row') == len(seen.failed.watched)
    assert '<li class="verdict-row verdict-bad' in failed
    assert failed.count("<dt>Old → new, old scaled to the new one&#39;s share</dt>") == 1, "traffic alone"
    assert "/wish" not in failed, "nothing can be asked of one that is over"
    passed = seen.site.page(f"/rollouts/{seen.passed.id}")
    assert "did well in every stage" in passed
    assert "undecided" not in passed


def test_whoever_may_deploy_has_a_say_and_others_are_told_why_not(seen: Seen) -> None:
    address = f"/rollouts/{seen.running.id}"
    assert "Pause at this stage" in seen.site.page(address)
    asked = seen.site.browser("Maxine").submit(address, f"{address}/wish", wish="pause")
    assert asked.status_code in {200, 303}, asked.text
    page = seen.site.page(address)
    assert "somebody paused it" in page
    assert "Go on" in page
    assert "You may not deploy here." in seen.site.page(address, by="Wes")
    assert seen.site.browser("Erik").get(address).status_code == 404
    seen.site.browser("Maxine").submit(address, f"{address}/wish", wish="resume")
    assert "Pause at this stage" in seen.site.page(address)


@pytest.mark.browser
@pytest.mark.parametrize(("theme", "size"), [("light", DESKTOP), ("dark", PHONE)])
def test_pages_are_accessible_and_fit(browser: Chromium, seen: Seen, theme: str, size: tuple[int, int]) -> None:
    wrong: dict[str, list[str]] = {}
    paths = ["/rollouts", *(f"/rollouts/{one.id}" for one in (seen.running, seen.failed, seen.passed))]
    shots = os.environ.get("ANDON_SCREENSHOTS")
    with opened(browser, seen.site.browser("Maxine"), size, color_scheme=theme) as context:
        page = context.new_page()
        said = troubles(page)
        for path in paths:
            page.goto(seen.site.serving.address + path)
            over_wide = page.evaluate("document.documentElement.scrollWidth") - size[0]
            found = violations(page) + ([f"{over_wide} px wider than the window"] if over_wide > 0 else [])
            if found:
                wrong[path] = found
            if shots:
                page.screenshot(path=f"{shots}/{theme}-{paths.index(path)}.png", full_page=True)
    assert not wrong
    assert not said
