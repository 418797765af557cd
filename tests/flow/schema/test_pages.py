"""The console's page of migrations: what has run, a backfill under way, and why a contract waits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import unescape
from pathlib import Path

import pytest

from andon.flow.environments.memory import Behaviour
from andon.flow.schema.contract.backfills import BackfillState
from andon.flow.schema.model import Said, Wish
from andon.flow.schema.room import schema_room
from andon.kernel.access import SYSTEM, Grant, Role
from andon.kernel.clock import SystemClock
from andon.kernel.db import Database, open_engine
from tests.databases import Databases
from tests.flow.installation import PASSWORD, STORE
from tests.flow.schema.test_backfill import DEFINITION, Place
from tests.serving import Browser, Serving, serving, settings_for

FILES = {
    "andon.yaml": DEFINITION.replace("  expand: python3", "  folder: sql\n  database: sqlite\n  expand: python3"),
    "sql/0001_state.expand.sql": "ALTER TABLE orders ADD COLUMN state TEXT;",
    "sql/0001_state.backfill.sql": "UPDATE orders SET state = 'placed' WHERE id IN (SELECT id FROM orders);",
    "sql/0001_state.contract.sql": "ALTER TABLE orders DROP COLUMN old;",
}
PAGE = "/services/store/environments/production/migrations"
LATELY = r"(?:just now|\d+ (?:s|min) ago)"
"""As long ago as a test takes."""


class Ahead(SystemClock):
    """The machine's clock, and some seconds more."""

    seconds = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.seconds)


@dataclass(frozen=True)
class Console:
    place: Place
    serving: Serving
    clock: Ahead

    def browser(self, name: str) -> Browser:
        browser = self.serving.browser()
        assert browser.sign_in(name, PASSWORD).status_code == 303
        return browser

    def text(self, browser: Browser, path: str = PAGE) -> str:
        """What stands on the page, without its marks, each blank one space."""
        answer = browser.get(path)
        assert answer.status_code == 200, answer.text
        main = answer.text.partition("<main")[2] or answer.text
        return " ".join(unescape(re.sub(r"<svg.*?</svg>|<[^>]*>", " ", main, flags=re.DOTALL)).split())


@pytest.fixture
def console(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[Console]:
    folder: Path = tmp_path_factory.mktemp("place")
    settings = settings_for(folder / "data", databases.url("sqlite"))
    clock = Ahead()
    place = Place(Database(open_engine(settings.database_url), clock), folder)
    place.create()
    place.sign_up("Maxine", Grant(Role.DEVELOPER, "store"))
    place.sign_up("Wes", Grant(Role.VIEWER, "store"))
    room = schema_room(
        place.backfills,
        place.filling,
        place.workflows,
        ledger=place.ledger,
        environments=place.environments,
        sources=place.sources,
    )
    with serving(settings, place.database, (*place.rooms(), room), place.passwords, place.bell) as running:
        yield Console(place, running, clock)


def test_each_phase_has_its_file_its_time_and_its_commit_and_a_contract_says_who_needs_the_old_shape(
    console: Console,
) -> None:
    place = console.place
    place.shop.fill(5)
    first = place.built({"andon.yaml": FILES["andon.yaml"]})
    place.deploy(first)
    second = place.built(FILES)
    place.deploy(second)
    browser = console.browser("Wes")
    told = console.text(browser)
    assert "1 contract migration of production of store waits: the old shape is still needed" in told
    for phase, word in (("expand", "expanded"), ("backfill", "filled")):
        assert re.search(rf"{word} {LATELY} by {second[:7]} sql/ ?0001_state\.{phase}\.sql", told), told
    assert "Contract waits sql/ 0001_state.contract.sql" in told
    assert f"{first[:7]} can be rolled back to 3 instances of it still run" in told
    with place.database.transaction() as tx:
        place.deployments.contract(tx, SYSTEM, STORE, "production", give_up_rollback=True)
    place.settle()
    assert re.search(rf"contracted {LATELY} by {second[:7]} sql/ ?0001_state\.contract\.sql", console.text(browser))
    assert "Nothing is left to contract" in console.text(browser)


def test_a_backfill_tells_its_progress_its_pace_and_its_last_error_and_is_held_up_by_a_button(console: Console) -> None:
    place = console.place
    place.shop.fill(5)
    place.shop.break_()
    commit = place.built(FILES)
    place.deploy(commit)
    assert place.backfill.state is BackfillState.FAILED
    maxine = console.browser("Maxine")
    told = console.text(maxine)
    assert f"The backfill of {commit[:7]} in production of store failed" in told
    assert "database is locked" in told
    assert "What is filled stays filled" in told
    place.ask(Wish.RESUME)
    for left in (4040, 3040, 2040, 1520, 1000):
        console.clock.seconds += 10
        with place.database.transaction() as tx:
            place.backfills.note_batch(tx, place.backfill.id, Said(done=False, left=left), 3.0, 10)
    told = console.text(maxine)
    assert re.search(r"is under way at 75 %; 1\d s to (19|2\d) s remain", told), told
    assert "3,040 of 4,040 rows since its first count" in told
    assert re.search(r"7\d rows/s over its last 4 batches, with their pauses", told), told
    assert "1 of 10: batches took longer than 2 s" in told
    assert "A batch failed" in told
    for wish, state in (("pause", "paused"), ("resume", "under way"), ("stop", "stopped")):
        assert maxine.submit("/account", f"{PAGE}/backfill", wish=wish).status_code == 303
        assert (
            f"Backfill of {commit[:7]} Fills what expand has added, in batches, while customers are served {state}"
            in (console.text(maxine))
        )


def test_who_may_only_look_gets_no_buttons_and_who_may_not_see_it_gets_nothing(console: Console) -> None:
    place = console.place
    place.shop.fill(5)
    place.shop.break_()
    place.deploy(place.built(FILES))
    wes = console.browser("Wes")
    assert "Let the backfill go on" not in console.text(wes)
    assert wes.submit("/account", f"{PAGE}/backfill", wish="resume").status_code == 403
    assert wes.submit("/account", f"{PAGE}/backfill", wish="perhaps").status_code == 400
    place.sign_up("Erik", Grant(Role.DEVELOPER, "mailer"))
    erik = console.browser("Erik")
    assert erik.get(PAGE).status_code == 404
    assert "store" not in console.text(erik, "/migrations")
    assert "store in production" in console.text(wes, "/migrations")


def test_an_expand_that_broke_off_stands_first_with_what_is_safe_and_the_next_step(console: Console) -> None:
    place = console.place
    place.shop.fill(0)
    old = place.built({"andon.yaml": FILES["andon.yaml"]})
    place.deploy(old)
    new = place.built(FILES)
    place.environments.imagine(
        new, Behaviour(commands={"expand": 1}, outputs={"expand": "0001_state.expand.sql:1: no such table: orders\n"})
    )
    place.deploy(new)
    told = console.text(console.browser("Maxine"))
    assert f"The expand migration of {new[:7]} failed in production of store; {old[:7]} serves as before" in told
    assert "0001_state.expand.sql:1: no such table: orders" in told
    assert "The version that serves has the traffic as before" in told
    assert "Mend the migration and deploy again" in told
    assert re.search(rf"Expand failed {LATELY} by {new[:7]} sql/ ?0001_state\.expand\.sql", told)
    assert "Backfill comes with its version" in told
