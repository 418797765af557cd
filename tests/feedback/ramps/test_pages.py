"""The verdict on a ramp, as a page and over the API."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser as Chromium

from andon.feedback.judge.service import Statistics
from andon.feedback.ramps.room import build_ramps
from andon.feedback.ramps.views import RampVerdict
from andon.flow.flags.contract import Judging, RampId, RampState
from andon.kernel.access import Grant, Role
from andon.kernel.clock import SettableClock
from andon.kernel.db import Database, open_engine
from tests.browser import DESKTOP, browser, opened, troubles, violations
from tests.databases import Databases
from tests.feedback.ramps.world import World, changed
from tests.flow.flags.conftest import flagged
from tests.flow.installation import Installation
from tests.flow.site import Site
from tests.serving import serving, settings_for

__all__ = ["browser"]  # the fixture


class Seen:
    """A ramp that was taken back, and one that nobody watches."""

    def __init__(self, site: Site, halted: RampId, alone: RampId) -> None:
        self.site, self.halted, self.alone = site, halted, alone


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[Seen]:
    folder = tmp_path_factory.mktemp("ramps")
    settings = settings_for(folder / "data", databases.url("sqlite"))
    clock = SettableClock()
    database = Database(open_engine(settings.database_url), clock)
    local = Installation(database, folder)
    local.create()
    place = flagged(local)
    people = {"Maxine": place.maxine, "Erik": local.sign_up("Erik", Grant(Role.DEVELOPER, "mailer"))}
    world = World(place, clock)
    changed(world, failing=0.3)
    world.live(2)
    world.start()
    world.live(60, until_ended=True)
    halted = world.ramp
    assert halted.state is RampState.HALTED
    world.start(Judging.NONE)
    room = build_ramps(
        database=database, flags=place.flags, judge=Statistics(), outcomes=world.store, people=local.people
    ).room
    with serving(settings, database, (*local.rooms(), room), local.passwords, local.bell) as running:
        yield Seen(Site(local, running, people), halted.id, world.ramp.id)


def test_the_page_says_what_was_taken_back_and_by_which_numbers(seen: Seen) -> None:
    page = seen.site.page(f"/ramps/{seen.halted}")
    assert "The ramp of “on” of new-checkout in production was taken back" in page
    assert "“on” fails. Errors" in page
    assert "orders.placed" in page
    assert page.count('<th scope="row">') == 6
    assert "every 3s" not in page, "it is over"
    assert "The ramp of" not in seen.site.page(f"/ramps/{seen.halted}/now")


def test_a_ramp_that_nobody_watches_says_so_first(seen: Seen) -> None:
    page = seen.site.page(f"/ramps/{seen.alone}")
    assert "40 % get “on” of new-checkout in production" in page
    assert "Nobody watches this ramp" in page
    assert "every 3s" in page


def test_a_ramp_is_held_on_its_page(seen: Seen) -> None:
    maxine, address = seen.site.browser("Maxine"), f"/ramps/{seen.alone}"
    held = {"step": "1"}
    assert maxine.submit(address, f"{address}/wish", wish="pause", why="calls", **held).status_code == 303
    page = seen.site.page(address)
    assert "The ramp of “on” of new-checkout in production is paused at 40 %" in page
    assert "Maxine paused it: calls. Nobody more gets it until it goes on; left of its step: 20" in page.replace(
        "\N{NO-BREAK SPACE}", " "
    )
    assert "Go to 60 % now" in page
    assert 'aria-label="Go to 60 % now: on in production"' in page, "the same buttons as on the page of the flag"
    again = maxine.submit(address, f"{address}/wish", wish="pause", **held)
    assert again.status_code == 409
    assert "is paused already" in again.text
    assert maxine.submit(address, f"{address}/wish", wish="resume", **held).status_code == 303
    assert "40 % get “on” of new-checkout in production" in seen.site.page(address)
    assert "Pause at this step" not in seen.site.page(f"/ramps/{seen.halted}"), "it is over"
    erik = seen.site.browser("Erik")
    assert erik.submit("/flags", f"{address}/wish", wish="pause", **held).status_code == 404


def test_the_api_has_the_numbers(seen: Seen) -> None:
    api = seen.site.serving.api(seen.site.installation.token(seen.site.people["Maxine"]))
    found = api.get(f"/flags/ramps/{seen.halted}/verdict").json()
    alone = api.get(f"/flags/ramps/{seen.alone}/verdict").json()
    assert set(found) == set(RampVerdict.__struct_fields__)
    assert (found["verdict"], found["judged"]) == ("fail", True)
    assert 0 < found["failed"] < found["requests"]
    (errors,) = (one for one in found["metrics"] if one["metric"] == "errors")
    assert errors["verdict"] == "fail"
    assert errors["others"] == 0 < errors["variant"]
    assert (alone["verdict"], alone["judged"], alone["metrics"]) == (None, False, [])


def test_whoever_may_not_see_the_service_finds_nothing(seen: Seen) -> None:
    assert seen.site.browser("Erik").get(f"/ramps/{seen.halted}").status_code == 404
    api = seen.site.serving.api(seen.site.installation.token(seen.site.people["Erik"]))
    assert api.get(f"/flags/ramps/{seen.halted}/verdict").status_code == 404


@pytest.mark.browser
def test_the_page_is_accessible_and_fits(browser: Chromium, seen: Seen) -> None:
    shots = os.environ.get("ANDON_SCREENSHOTS")
    with opened(browser, seen.site.browser("Maxine"), DESKTOP) as context:
        page = context.new_page()
        said = troubles(page)
        page.goto(f"{seen.site.serving.address}/ramps/{seen.halted}")
        assert not violations(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= DESKTOP[0]
        if shots:
            page.screenshot(path=f"{shots}/ramp.png", full_page=True)
    assert not said
