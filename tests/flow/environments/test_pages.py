"""The pages of environments, without a browser: what they say, what they offer to whom, what they never show."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from andon.flow.definition.contract import EnvironmentDefinition, FlagState
from andon.flow.environments.contract import EnvironmentView, Health, InstanceReplacementRequested, InstanceView
from andon.flow.flags.room import build_pretences
from andon.flow.pipelines.contract import RunId
from andon.flow.sources.contract import NO_COMMIT, Service
from andon.kernel.access import SYSTEM, Principal, Role
from andon.kernel.db import Database, open_engine
from andon.kernel.events import ANDON
from andon.kernel.logs.writer import LogWriter
from andon.web.rendering import exact
from tests.databases import Databases
from tests.flow.installation import STORE, definition, roles
from tests.flow.pipelines.shown import Console, Shown, console_of

PLACE = "/services/store/environments/production"
SECRET = "sk_live_never_to_be_seen"
HOSTILE = "<img src=x onerror=alert(1)>\x1b[31m"
DEFINITION = definition().replace(
    "    instances: 3\n",
    "    instances: 2\n    config: {REGION: eu, CURRENCY: EUR}\n    secrets: [PAYMENT_KEY, MAIL_KEY]\n",
)


@dataclass
class Seeded:
    console: Console
    shown: Shown
    maxine: Principal

    def page(self, path: str, who: Principal | None = None, status: int = 200) -> str:
        with self.console.browser(who or self.maxine) as browser:
            answer = browser.get(path)
        assert answer.status_code == status, (path, answer.status_code, answer.text[:500])
        return answer.text

    def person(self, name: str, role: Role, service: str | None = None) -> Principal:
        return self.shown.sign_up(name, *roles(role, service=service))

    def place(self, environment: str = "production", service: Service = STORE) -> EnvironmentView:
        return self.shown.place(environment, service)

    def set(self, name: str, value: str, *, secret: bool = False, service: Service = STORE) -> None:
        with self.shown.database.transaction() as tx:
            self.shown.configuration.set(tx, self.maxine, service, "production", name, value, secret=secret)

    def service(self, name: str) -> Service:
        """A service of a test's own, with a version live in production."""
        made = Service(name)
        self.shown.create(made)
        for key in ("PAYMENT_KEY", "MAIL_KEY"):
            self.set(key, SECRET, secret=True, service=made)
        commit = self.shown.commit(made, {"andon.yaml": DEFINITION}, message=HOSTILE)
        self.shown.build(self.shown.push(commit, by=self.maxine, service=made), through="acceptance")
        self.shown.deploy(commit, by=self.maxine, service=made)
        assert self.place(service=made).live is not None
        return made

    def instance(self, service: Service = STORE, number: int = 1) -> InstanceView:
        live = self.place(service=service).live
        assert live is not None
        return live.instances[number - 1]


@pytest.fixture(scope="module")
def seeded(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seeded]:
    """The store in production: tests only read it."""
    shown = Shown(Database(open_engine(databases.url("sqlite"))), tmp_path_factory.mktemp("environments"))
    maxine = shown.sign_up("Maxine Chambers", *roles(Role.ADMINISTRATOR))
    with console_of(shown) as console:
        found = Seeded(console, shown, maxine)
        found.service("store")
        yield found


def text_of(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def heading(page: str) -> str:
    found = re.search(r"<h1>(.*?)</h1>", page, re.S)
    assert found
    return text_of(found[1])


def buttons(page: str) -> set[str]:
    return {text_of(one) for one in re.findall(r'<button[^>]*type="submit"[^>]*>(.*?)</button>', page, re.S)}


def test_an_environment_opens_with_what_runs_there(seeded: Seeded) -> None:
    live = seeded.place().live
    assert live is not None
    page = seeded.page(PLACE)
    assert heading(page) == f"healthy Production runs {live.commit[:7]}, healthy, 2 instances"
    said = text_of(page)
    assert "by Maxine Chambers" in said
    assert "2 of 2 instances healthy" in said
    assert "files are as they were deployed" in said
    assert seeded.place().address in page


def test_an_environment_whose_flags_are_set_for_tests_says_so(seeded: Seeded) -> None:
    own, run = seeded.service("pretending"), RunId("run_tests")
    place = f"/services/{own}/environments/acceptance"
    pretences = build_pretences(seeded.shown.flags, Path("/nowhere"))
    with seeded.shown.database.transaction() as tx:
        seeded.shown.environments.ensure(tx, SYSTEM, own, EnvironmentDefinition(name="acceptance"))
        pretences.begin(
            tx,
            service=own,
            environment="acceptance",
            state=FlagState.ALL_OFF,
            like="production",
            run=run,
            stage=1,
            commit=NO_COMMIT,
            by=ANDON,
        )
    assert "Its flags are all off, for tests of" in text_of(seeded.page(place))
    with seeded.shown.database.transaction() as tx:
        pretences.end(tx, run, why="the tests are over", by=ANDON)
    assert "Its flags are" not in text_of(seeded.page(place))


def test_instances_are_tiles_with_a_word_for_their_health(seeded: Seeded) -> None:
    own = seeded.service("ill")
    with seeded.shown.database.transaction() as tx:
        service = seeded.shown.environments.recorded
        service.note_health(tx, seeded.instance(own, 2).id, Health.UNHEALTHY, "GET /<b>health</b> answered 500")
        service.note_restarts(tx, seeded.instance(own, 1).id, 3, "it ended with 1")
    page = seeded.page("/services/ill/environments/production")
    assert "but 1 of 2 instances is not healthy" in heading(page)
    tiles = [text_of(one) for one in re.findall(r'<article class="tile.*?</article>', page, re.S)]
    assert len(tiles) == 2
    assert "healthy" in tiles[0]
    assert "3 restarts" in tiles[0]
    assert "not healthy" in tiles[1]
    assert "GET /<b>health</b> answered 500" in tiles[1]
    assert "<b>health" not in page
    assert "1 of" in seeded.page("/environments")


def test_former_versions_are_kept_warm_beside_the_live_one(seeded: Seeded) -> None:
    own = seeded.service("twice")
    commit = seeded.shown.commit(own, message="Once more")
    seeded.shown.build(seeded.shown.push(commit, by=seeded.maxine, service=own), through="acceptance")
    seeded.shown.deploy(commit, by=seeded.maxine, service=own)
    page = text_of(seeded.page("/services/twice/environments/production"))
    assert page.index("Live 2") < page.index(f"{commit[:7]} Once more") < page.index("Warm 2")
    assert "going back to it takes no start" in page


def test_drift_is_told_with_what_differs(seeded: Seeded) -> None:
    own = seeded.service("drifting")
    live = seeded.place(service=own).live
    assert live is not None
    with seeded.shown.database.transaction() as tx:
        seeded.shown.environments.recorded.note_drift(tx, live.id, "app/main.py was changed")
    page = text_of(seeded.page("/services/drifting/environments/production"))
    assert "It differs from what was deployed: app/main.py was changed." in page


def test_configuration_shows_values_and_of_secrets_only_their_names(seeded: Seeded) -> None:
    own = seeded.service("settings")
    seeded.set("CURRENCY", "<i>USD</i>", service=own)
    page = seeded.page("/services/settings/environments/production")
    said = text_of(page)
    assert "1 name changed since the version that runs was deployed." in said
    assert "CURRENCY with the next deployment <i>USD</i> Maxine Chambers" in said
    assert "REGION eu andon.yaml" in said
    assert "PAYMENT_KEY set by Maxine Chambers" in said
    assert "<i>USD" not in page
    assert SECRET not in page


def test_values_are_set_and_removed_from_the_page(seeded: Seeded) -> None:
    seeded.service("changing")
    place = "/services/changing/environments/production"
    with seeded.console.browser(seeded.maxine) as browser:
        answer = browser.submit(place, f"{place}/config", name="BANNER", value="Parts week")
        assert answer.status_code == 303
        assert answer.headers["location"] == f"{place}#configuration"
        assert "BANNER with the next deployment Parts week" in text_of(browser.get(place).text)
        browser.submit(place, f"{place}/config/remove", name="BANNER")
        assert "Parts week" not in browser.get(place).text
        browser.submit(place, f"{place}/secrets", name="MAIL_KEY", value="another-secret")
        page = browser.get(place).text
        assert "another-secret" not in page
        # Gone for good, so the name is asked for, whatever the script did.
        assert browser.submit(place, f"{place}/secrets/remove", name="MAIL_KEY", confirm="MAIL").status_code == 400
        assert "MAIL_KEY with the next deployment set by" in text_of(browser.get(place).text)
        browser.submit(place, f"{place}/secrets/remove", name="MAIL_KEY", confirm="MAIL_KEY")
        assert "MAIL_KEY missing: nothing is deployed here until it is set" in text_of(browser.get(place).text)


def test_a_form_comes_back_with_its_mistake_but_never_with_a_secret(seeded: Seeded) -> None:
    with seeded.console.browser(seeded.maxine) as browser:
        answer = browser.submit(PLACE, f"{PLACE}/config", name='no"name', value="kept <here>")
        assert answer.status_code == 400
        assert "is no name for a variable" in answer.text
        assert 'value="no&#34;name"' in answer.text
        assert 'value="kept &lt;here&gt;"' in answer.text
        answer = browser.submit(PLACE, f"{PLACE}/secrets", name="1X", value="do-not-send-me-back")
        assert answer.status_code == 400
        assert "do-not-send-me-back" not in answer.text


def test_buttons_and_forms_are_for_those_who_may(seeded: Seeded) -> None:
    viewer = seeded.person("Dwayne Lee", Role.VIEWER)
    developer = seeded.person("Brent Geller", Role.DEVELOPER)
    page = seeded.page(PLACE, viewer)
    assert buttons(page) == {"Sign out"}
    assert "Setting secrets needs the role operator on production." in page
    assert buttons(seeded.page(PLACE, developer)) == {"Sign out", "Rebuild production"}
    operator = seeded.page(PLACE)
    assert {"Rebuild production", "Destroy production", "Set it for production"} <= buttons(operator)
    with seeded.console.browser(viewer) as browser:
        for deed, fields in {
            "config": {"name": "A", "value": "b"},
            "secrets": {"name": "A", "value": "b"},
            "config/remove": {"name": "A"},
            "secrets/remove": {"name": "PAYMENT_KEY", "confirm": "PAYMENT_KEY"},
            "destroy": {"confirm": "production"},
            f"instances/{seeded.instance().id}/replace": {},
        }.items():
            assert browser.submit("/account", f"{PLACE}/{deed}", **fields).status_code == 403, deed


def test_an_environment_is_destroyed_by_whoever_types_its_name(seeded: Seeded) -> None:
    own = seeded.service("doomed")
    place = "/services/doomed/environments/production"
    with seeded.console.browser(seeded.maxine) as browser:
        assert "Stops 2 instances and removes the data of production." in text_of(browser.get(place).text)
        assert browser.submit(place, f"{place}/destroy", confirm="prod").status_code == 400
        assert seeded.place(service=own).live is not None
        assert browser.submit(place, f"{place}/destroy", confirm="production").status_code == 303
        assert browser.get(place).status_code == 404
    seeded.shown.settle()


def test_an_instance_shows_what_it_says(seeded: Seeded) -> None:
    one = seeded.instance()
    writer = LogWriter(one.log)
    writer.write(b"\x1b[32mINFO\x1b[0m <script>alert('log')</script>\n")
    writer.close()
    page = seeded.page(f"{PLACE}/instances/web-1")
    assert heading(page) == "healthy web-1 in production of store is healthy"
    assert "&lt;script&gt;alert(&#39;log&#39;)&lt;/script&gt;" in page
    assert "<script>alert" not in page
    with seeded.console.browser(seeded.maxine) as browser:
        said = browser.get(f"{PLACE}/instances/{one.id}/log").json()
        raw = browser.get(f"{PLACE}/instances/{one.id}/log.txt")
    assert said["lines"][0]["spans"] == [["INFO", "fg-2"], [" <script>alert('log')</script>", ""]]
    assert raw.text == "INFO <script>alert('log')</script>\n"


def test_an_instance_is_replaced_on_request(seeded: Seeded) -> None:
    own = seeded.service("tired")
    address = f"/services/tired/environments/production/instances/{seeded.instance(own).id}"
    with seeded.console.browser(seeded.maxine) as browser:
        assert browser.submit(address, f"{address}/replace").headers["location"] == address
        page = browser.get(address).text
    assert "is being replaced" in heading(page)
    assert "Replace web-1" not in buttons(page)  # once is enough
    assert len(seeded.shown.events(InstanceReplacementRequested)) == 1


def test_an_environment_with_an_end_is_kept_longer(seeded: Seeded) -> None:
    own = EnvironmentDefinition(name="mine", time_to_live=86 * 86400)
    with seeded.shown.database.transaction() as tx:
        seeded.shown.environments.ensure(tx, seeded.maxine, STORE, own, like="production")
    address = "/services/store/environments/mine"
    end = seeded.place("mine").expires_at
    assert end is not None
    page = seeded.page(address)
    assert "Keep it" in buttons(page)
    assert re.findall(r'<option value="(\d+)">', page) == ["28800", "86400", "172800"]  # no more than 90 days ahead
    assert f"{exact(end + timedelta(days=2))}, 2 days longer" in text_of(page)
    for path, who in ((PLACE, seeded.maxine), (address, seeded.person("Erik", Role.VIEWER))):
        assert "Keep it" not in buttons(seeded.page(path, who))  # no end, or nobody who may
    contributor = seeded.person("Chris Allers", Role.CONTRIBUTOR)
    ends = end.isoformat()
    with seeded.console.browser(contributor) as browser:
        for by, moment in (("-1", ends), ("x", ends), ("9" * 10, ends), ("60", "soon"), ("60", "2026-01-05T09:00:00")):
            assert browser.submit(address, f"{address}/extend", by=by, ends=moment).status_code == 400, (by, moment)
        answer = browser.submit(address, f"{address}/extend", by="172800", ends=ends)
        assert (answer.status_code, answer.headers["location"]) == (303, address)
        again = browser.submit(address, f"{address}/extend", by="172800", ends=ends)
        assert again.status_code == 409
        assert "in the meantime" in again.text
    assert seeded.place("mine").expires_at == end + timedelta(days=2)


def test_other_peoples_environments_are_not_there(seeded: Seeded) -> None:
    stranger = seeded.person("Sarah Moulton", Role.OPERATOR, service="payment")
    one = f"{PLACE}/instances/{seeded.instance().id}"
    with seeded.console.browser(stranger) as browser:
        for path in (PLACE, f"{PLACE}/now", one, f"{one}/now", f"{one}/log", f"{one}/log.txt"):
            assert browser.get(path).status_code == 404, path
        for path in (f"{PLACE}/config", f"{PLACE}/destroy", f"{PLACE}/extend", f"{one}/replace"):
            fields = {"name": "A", "value": "b", "confirm": "production", "by": "60", "ends": "2026-01-05T09:00:00Z"}
            assert browser.submit("/account", path, **fields).status_code == 404, path
        listed = browser.get("/environments").text
    assert "No environment yet" in listed
    assert "production" not in text_of(listed)
    assert seeded.place().live is not None


def test_what_is_not_there_is_said_to_be_so(seeded: Seeded) -> None:
    for path in ("/services/store/environments/nowhere", f"{PLACE}/instances/web-9", f"{PLACE}/instances/%3Cb%3E"):
        assert "<b>" not in seeded.page(path, status=404)


def test_hostile_subjects_are_shown_as_text(seeded: Seeded) -> None:
    for path in ("/environments", PLACE):
        page = seeded.page(path)
        assert "<img src=x" not in page
        assert "&lt;img src=x onerror=alert(1)&gt;" in page
        assert "\x1b" not in page


def test_the_live_part_is_the_region_the_heading_and_the_lists(seeded: Seeded) -> None:
    part = seeded.page(f"{PLACE}/now")
    assert part.lstrip().startswith('<div id="environment-body"')
    assert 'data-live="environment:store/production"' in part
    for name in ("environment-sentence", "config-list", "secret-list"):
        assert f'id="{name}" hx-swap-oob="outerMorph"' in part
    assert "<form" not in part.replace('class="deed"', "").split('id="config-list"')[0]
    assert "hx-swap-oob" not in seeded.page(PLACE)


def test_nothing_yet_says_what_to_type(databases: Databases, tmp_path: Path) -> None:
    shown = Shown(Database(open_engine(databases.url("sqlite"))), tmp_path)
    maxine = shown.sign_up("Maxine", *roles(Role.ADMINISTRATOR))
    with console_of(shown) as console, console.browser(maxine) as browser:
        page = browser.get("/environments").text
    assert heading(page) == "No environment yet"
    assert "git push andon" in page
