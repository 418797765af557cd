"""A takeover is begun in the console: asked for, looked at, begun; and what is wrong is told where it was written."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from html import unescape

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import expect

from andon.feedback.judge.service import Statistics
from andon.feedback.rollouts.beginning import FORM, form_of, takeover_offer
from andon.feedback.rollouts.model.takeovers import TakeoverStage
from andon.feedback.rollouts.room import rollouts_room
from andon.feedback.rollouts.written import Written, read
from andon.flow.routing.contract import Comparison, Condition, Where
from andon.flow.routing.contract.offering import TrafficOffers
from andon.flow.routing.room import routing_room
from andon.flow.sources.contract import Service
from andon.kernel.access import Grant, Role
from andon.kernel.clock import SettableClock
from andon.kernel.db import Database, open_engine
from tests.browser import DESKTOP, PHONE, browser, opened, troubles, violations
from tests.databases import Databases
from tests.feedback.rollouts.moving import CATALOGUE, Moving
from tests.flow.installation import STORE
from tests.flow.site import ROLES, Site
from tests.serving import serving, settings_for

__all__ = ["browser"]  # the fixture

GIVER, TAKER = "store/production", "catalogue/production"
STAGES = {"share-0": "1 %", "lasts-0": "10m", "requests-0": "500", "share-1": "50", "lasts-1": "1h", "requests-1": "0"}


class Asked:
    """Two services, customers of the old one in the router's log, and people who may do different things."""

    def __init__(self, site: Site, moving: Moving) -> None:
        self.site, self.moving = site, moving

    def send(self, step: str, by: str = "Steve", **fields: str) -> tuple[int, str, str]:
        """Status, page without entities, and where it leads to."""
        form = {
            "giver": GIVER,
            "taker": TAKER,
            **STAGES,
            **{name.replace("_", "-"): one for name, one in fields.items()},
        }
        found = self.site.browser(by).submit("/account", FORM, step=step, **form)
        return found.status_code, unescape(found.text), found.headers.get("location", "")


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[Asked]:
    folder = tmp_path_factory.mktemp("beginning")
    settings = settings_for(folder / "data", databases.url("sqlite"))
    clock = SettableClock()
    moving = Moving(Database(open_engine(settings.database_url), clock), clock, folder, Statistics())
    local, world = moving.local, moving.world
    local.create(Service("empty"))
    people = {name: local.sign_up(name, *grants) for name, grants in ROLES.items()}
    both = [Grant(Role.DEVELOPER, one) for one in (STORE, CATALOGUE, Service("empty"))]
    people["Steve"] = local.sign_up("Steve", *both)
    moving.before(6_000, seconds=1_200, failing=200)
    room = rollouts_room(world.service, world.takeovers, world.foretelling, local.deployments, "http://127.0.0.1")
    offers = TrafficOffers()
    offers.add(takeover_offer)
    traffic = routing_room(
        local.router, local.plane, environments=local.environments, folder=folder / "router", offers=offers
    )
    with serving(settings, local.database, (*local.rooms(), room, traffic), local.passwords, local.bell) as running:
        yield Asked(Site(local, running, people), moving)


def hidden(page: str) -> Mapping[str, str]:
    """What goes along with the buttons of a page's form."""
    return dict(re.findall(r'<input type="hidden" name="([^"_][^"]*)" value="([^"]*)">', page))


def test_a_takeover_is_looked_at_and_begun_with_what_was_looked_at(asked: Asked) -> None:
    before = asked.moving.forwarding()
    status, page, _ = asked.send("look", path="/parts")
    assert status == 200
    assert "catalogue/production would take over /parts/… of store/production" in page
    assert "Errors: from 0.5 % to " in page
    assert "6,000 such requests in the router's log, of the last 20 min." in page
    assert "Begin: 1 % to catalogue/production" in page
    assert asked.moving.forwarding() == before, "nothing is begun by looking"
    sent = hidden(page)
    assert sent["lasts-1"] == "1h"
    found = asked.site.browser("Steve").submit("/account", FORM, step="begin", **sent)
    assert found.status_code == 303, found.text
    (rule,) = asked.moving.forwarding().forwards
    assert (rule.service, rule.parts) == (CATALOGUE, 1_000)
    assert rule.when == (Condition(Where.PATH, how=Comparison.PREFIX, value="/parts"),)
    begun = unescape(asked.site.page(found.headers["location"], by="Steve"))
    assert "1 % of /parts/… of store production go to catalogue/production" in begun
    assert "Errors: from 0.5 % to " in begun, "what it could see stays with it"
    status, page, _ = asked.send("look", path="/parts")
    assert status == 409
    assert "catalogue/production is taking over /parts/… already." in page
    assert 'value="/parts"' in page


def test_what_is_wrong_stands_beside_its_field_and_everything_typed_is_kept(asked: Asked) -> None:
    status, page, _ = asked.send(
        "look",
        path="parts?x",
        share_1="0.5",
        name_0="x shop",
        value_0="<seven>",
        name_1="x-andon",
        where_1="cookie",
    )
    assert status == 400
    for name in ("path", "share-1", "name-0", "value-1"):
        field = re.search(rf'<(?:input|select) name="{name}"[^>]*>', page)
        assert field, name
        assert f'aria-invalid="true" aria-describedby="hint-{name}"' in field[0]
        assert f'<small id="hint-{name}" class="field-error">' in page
    assert page.count('class="field-error"') == 4
    assert "A stage of 0.5 % behind one of 1 %." in page
    for kept in ("parts?x", "10m", "500", "0.5", "1h", "x shop", "x-andon"):
        assert f'value="{kept}"' in page
    assert '<option value="store/production" selected>' in page
    assert '<option value="cookie" selected>' in page
    assert "<details open" in page.replace('<details class="flag-edit" open', "<details open")


def test_what_was_typed_is_only_text_on_the_page(asked: Asked) -> None:
    fields = {"path": '"><script>alert(1)</script>', "giver": GIVER, "taker": TAKER, **STAGES}
    found = asked.site.browser("Steve").submit("/account", FORM, step="look", **fields)
    assert found.status_code == 400
    assert "<script>alert" not in found.text
    assert "&#34;&gt;&lt;script&gt;alert(1)" in found.text


def test_the_fields_come_back_when_somebody_wants_to_change_them(asked: Asked) -> None:
    _, page, _ = asked.send("look", path="/about", path_how="is", name_0="x-shop", value_0="7", how_0="prefix")
    assert "would take over /about and header x-shop 7… of" in page
    assert "does not tell which requests have header x-shop 7…" in page
    found = asked.site.browser("Steve").submit("/account", FORM, step="change", **hidden(page))
    assert found.status_code == 200
    for kept in ('value="/about"', 'value="x-shop"', 'value="7"', 'value="50"'):
        assert kept in found.text
    for chosen in ("is", "prefix", GIVER, TAKER):
        assert f'<option value="{chosen}" selected>' in found.text


def test_where_nothing_is_live_it_is_said_before_it_begins(asked: Asked) -> None:
    assert '<option value="empty/production"' not in asked.site.page(FORM, by="Steve")
    status, page, _ = asked.send("look", taker="empty/production", path="/nothing")
    assert status == 409
    assert "Nothing is live in empty/production." in page
    status, page, _ = asked.send("begin", taker=GIVER)
    assert (status, page.count("It has these requests already")) == (400, 1)
    status, page, _ = asked.send("look", taker="")
    assert (status, page.count("Choose one.")) == (400, 1)


def test_only_places_in_which_somebody_may_release_are_offered(asked: Asked) -> None:
    assert f'href="{FORM}"' in asked.site.page("/rollouts", by="Steve")
    page = asked.site.page(form_of("store", "production"), by="Steve")
    assert f'<option value="{GIVER}" selected>' in page
    assert page.count(f'<option value="{TAKER}"') == 2
    alone = asked.site.page(form_of("store", "production"), by="Maxine")
    assert '<option value="catalogue' not in alone
    assert "is between two environments in which something is live" in alone
    assert "is between two environments in which something is live" in asked.site.page(FORM, by="Erik")


def test_the_page_of_traffic_leads_to_the_form_for_whoever_may_give_some_away(asked: Asked) -> None:
    traffic = "/services/store/environments/production/traffic"
    page = unescape(asked.site.page(traffic, by="Steve"))
    assert f'href="{form_of("store", "production")}"' in page
    assert FORM not in asked.site.page(traffic, by="Wes")


def test_who_may_not_begin_it_sees_no_action_and_is_refused(asked: Asked) -> None:
    before = asked.moving.forwarding()
    assert FORM not in asked.site.page("/rollouts", by="Wes")
    wes = asked.site.browser("Wes")
    assert wes.get(FORM).status_code == 403
    for step in ("look", "change", "begin"):
        assert asked.send(step, by="Wes", path="/w")[0] == 403
    # Maxine may release the store alone; of the catalogue she does not even know
    for step in ("look", "begin"):
        status, page, _ = asked.send(step, by="Maxine", path="/m")
        assert status == 404
        _, other, _ = asked.send(step, by="Maxine", path="/m", taker="nothing/production")
        assert re.sub(r"nothing|catalogue", "…", page).count("…") == re.sub(r"nothing|catalogue", "…", other).count("…")
    assert asked.site.browser("Maxine").get(form_of("catalogue", "production")).status_code == 404
    assert asked.site.browser("Maxine").get(form_of("nothing", "production")).status_code == 404
    assert asked.site.browser("Steve").post(FORM, data={"step": "begin", "giver": GIVER}).status_code == 403, "no token"
    assert asked.moving.forwarding() == before


def test_rows_without_a_share_are_no_stage_and_a_last_one_of_everything_says_nothing_new() -> None:
    rows = {"share-0": "", "lasts-0": "5m", "share-1": "1", "lasts-1": "30s", "requests-1": "0"}
    rest = {"share-3": "10 %", "lasts-3": "2h", "requests-3": "7", "share-4": "100%", "lasts-4": "x", "requests-4": ""}
    found = read(Written.of({"giver": GIVER, "taker": TAKER, **rows, **rest}))
    assert found.wrong == {}
    assert found.wanted is not None
    assert (found.wanted.when, found.wanted.to) == ((), CATALOGUE)
    assert found.wanted.stages == (
        TakeoverStage(parts=1_000, seconds=30, requests=0),
        TakeoverStage(parts=10_000, seconds=7_200, requests=7),
    )


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"share-0": ""}, "share-0"),
        ({"share-0": "100 %"}, "share-0"),
        ({"share-0": "a few"}, "share-0"),
        ({"share-0": "0.0001"}, "share-0"),
        ({"share-0": "1", "lasts-0": "40d"}, "lasts-0"),
        ({"share-0": "1", "lasts-0": "soon"}, "lasts-0"),
        ({"share-0": "1", "lasts-0": "1m", "requests-0": "-1"}, "requests-0"),
        ({"share-0": "1", "lasts-0": "1m", "requests-0": "\u0663"}, "requests-0"),
        ({"share-0": "1", "lasts-0": "1m", "requests-0": "99999999999"}, "requests-0"),
        ({"where-0": "cookie", "name-0": "andon-visitor"}, "name-0"),
        ({"where-0": "path", "name-0": "x"}, "name-0"),
        ({"name-0": "x", "how-0": "member-of", "value-0": "staff"}, "name-0"),
        ({"name-0": "x", "how-0": "present", "value-0": "y"}, "value-0"),
        ({"name-0": "x", "value-0": "\u00fc"}, "value-0"),
        ({"value-0": "7"}, "name-0"),
        ({"giver": "store"}, "giver"),
    ],
)
def test_each_fault_has_its_field(fields: Mapping[str, str], wrong: str) -> None:
    stages = {} if any(one.startswith("share") for one in fields) else STAGES
    found = read(Written.of({"giver": GIVER, "taker": TAKER, **stages, **fields}))
    assert list(found.wrong) == [wrong]
    assert found.wanted is None


def test_no_form_is_longer_than_a_takeover_can_be() -> None:
    many = {f"share-{row}": str(row + 1) for row in range(60)} | {f"name-{row}": "x" for row in range(60)}
    written = Written.of({**many, "path": "/" * 9_000})
    assert (len(written.stages), len(written.conditions), len(written.path)) == (21, 7, 1_100)
    assert (len(written.stage_rows), len(written.condition_rows)) == (21, 7)
    assert Written.of(dict(written.fields)) == written


@pytest.mark.browser
@pytest.mark.parametrize(("theme", "size"), [("light", DESKTOP), ("dark", PHONE)])
def test_it_is_begun_with_the_keyboard_and_pages_fit(
    browser: Chromium, asked: Asked, theme: str, size: tuple[int, int]
) -> None:
    shots = os.environ.get("ANDON_SCREENSHOTS")
    wrong: dict[str, list[str]] = {}
    with opened(browser, asked.site.browser("Steve"), size, color_scheme=theme) as context:
        page = context.new_page()
        said = troubles(page)

        def seen(name: str) -> None:
            over = page.evaluate("document.documentElement.scrollWidth") - size[0]
            found = violations(page) + ([f"{over} px wider than the window"] if over > 0 else [])
            if found:
                wrong[name] = found
            if shots:
                page.screenshot(path=f"{shots}/{theme}-{name}.png", full_page=True)

        page.goto(asked.site.serving.address + "/rollouts")
        page.get_by_role("link", name="Begin a takeover").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Let another service take over some requests")
        page.get_by_label("Who serves the requests now").select_option(GIVER)
        page.get_by_label("Who takes them over").select_option(TAKER)
        page.get_by_label("Path, such as /api/parts").fill(f"api/{theme}")
        page.get_by_text("Only with a certain header").click()
        page.get_by_label("Name, condition 1").fill("x-shop")
        page.get_by_label("Value, condition 1").fill("7")
        page.get_by_label("Share, stage 2").fill("0.1 %")
        page.keyboard.press("Enter")
        expect(page.locator(".field-error")).to_have_count(2)
        expect(page.get_by_label("Path, such as /api/parts")).to_have_value(f"api/{theme}")
        seen("wrong")
        page.get_by_label("Path, such as /api/parts").fill(f"/api/{theme}")
        page.get_by_label("Name, condition 1").fill("")
        page.get_by_label("Value, condition 1").fill("")
        page.get_by_label("Share, stage 2").fill("10 %")
        page.keyboard.press("Enter")
        begin = page.get_by_role("button", name="Begin: 1 % to catalogue/production")
        expect(begin).to_be_visible()
        seen("ahead")
        begin.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_contain_text(
            f"1 % of /api/{theme}/… of store production go to catalogue/production"
        )
    assert wrong == {}
    assert [one for one in said if "400 (Bad Request)" not in one] == [], "the browser tells of the refusal as well"
