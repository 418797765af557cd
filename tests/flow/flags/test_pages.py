"""The pages of flags: what they conclude, what their forms do, and what axe says of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import expect

from andon.flow.flags.contract import EvaluationsSeen, RampState, RampView, Served
from andon.flow.flags.model.wishes import percent_of
from andon.flow.sources.contract import Service
from andon.kernel.errors import Unavailable
from tests.browser import PHONE, browser, opened, troubles, violations
from tests.databases import Databases
from tests.flow.flags.serving import FLAGS, PRODUCTION, FlagSite, create_flag, open_flag_site, set_flag
from tests.flow.installation import PASSWORD, STORE
from tests.serving import Browser

__all__ = ["browser"]

PAGE = "/flags/store/new-checkout"


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[FlagSite]:
    with open_flag_site(tmp_path_factory.mktemp("pages"), databases) as found:
        create_flag(found, description="The checkout of spring", owner="team-store")
        rule = {"when": [{"attribute": "country", "is": "in", "values": ["CH"]}], "serve": "on"}
        set_flag(found, {"default": {"on": 5, "off": 95}, "rules": [rule]})
        yield found


def sign_in(site: FlagSite, name: str = "Maxine") -> Browser:
    found = site.serving.browser()
    assert found.sign_in(name, PASSWORD).status_code == 303
    return found


def share(site: FlagSite) -> float:
    with site.installation.database.reading() as reading:
        return site.built.flags.share(reading, STORE, "production", "new-checkout", "on")


def test_a_page_opens_with_who_gets_what(site: FlagSite) -> None:
    maxine = sign_in(site)
    text = maxine.get(PAGE).text
    assert "new-checkout in production: country is CH: on · 5 % of others: on · rest: off" in text
    assert "The checkout of spring" in text
    listed = maxine.get("/flags").text
    assert "1 flag" in listed
    assert "5 % of others: on" in listed
    assert maxine.get("/flags/store").status_code == 200


def test_shares_are_set_and_what_cannot_be_is_said_where_it_was_written(site: FlagSite) -> None:
    maxine = sign_in(site)
    fields = {"share-on": "25", "share-off": "75", "base": "1", "why": "more"}
    done = maxine.submit(PAGE, f"{PAGE}/production/shares", **fields)
    assert done.status_code == 303
    assert share(site) == 25
    again = maxine.submit(PAGE, f"{PAGE}/production/shares", **fields)
    assert again.status_code == 409
    assert "Somebody changed new-checkout in production since you read it." in again.text
    wrong = maxine.submit(PAGE, f"{PAGE}/production/shares", **{"share-on": "25", "share-off": "76", "base": "2"})
    assert wrong.status_code == 400
    assert "101 %" in wrong.text
    assert share(site) == 25


def test_a_whole_setting_is_written_and_what_was_written_is_not_lost(site: FlagSite) -> None:
    maxine = sign_in(site)
    wrong = maxine.submit(PAGE, f"{PAGE}/production/setting", setting="default: {on: 50}\n", base="1")
    assert wrong.status_code == 400
    assert "Say who gets the other 50 %" in wrong.text
    assert "default: {on: 50}" in wrong.text
    done = maxine.submit(PAGE, f"{PAGE}/production/setting", setting="default: {on: 50, off: 50}\n", base="1")
    assert done.status_code == 303
    assert share(site) == 50


def test_a_flag_whose_time_has_not_come_is_said_to_wait_for_it(site: FlagSite) -> None:
    maxine = sign_in(site)
    assert "some get it" in maxine.get(PAGE).text
    for moment, word in (("from: 2126-12-01T09:00:00Z", "not yet"), ("until: 2026-01-01T09:00:00Z", "over")):
        base = str(settled(site))
        setting = f"default: {{on: 5, off: 95}}\n{moment}\n"
        done = maxine.submit(PAGE, f"{PAGE}/production/setting", setting=setting, base=base)
        assert done.status_code == 303
        text = maxine.get(PAGE).text
        assert f"{word}</span>" in text
        assert "some get it" not in text


def settled(site: FlagSite) -> int:
    """The version that counts in production."""
    with site.installation.database.reading() as reading:
        flag = site.built.flags.get(reading, site.people["Maxine"], STORE, "new-checkout")
        return site.built.flags.setting(reading, flag, "production").version


def test_what_a_page_shows_of_a_setting_is_the_setting(site: FlagSite) -> None:
    """Saved as it is shown, it changes nothing."""
    maxine = sign_in(site)
    text = maxine.get(PAGE).text
    shown = text.partition('name="setting"')[2].partition(">")[2].partition("</textarea>")[0]
    if "production" not in text.partition(shown)[0].rpartition("<h2>")[2]:
        rest = text.partition("</textarea>")[2]
        shown = rest.partition('name="setting"')[2].partition(">")[2].partition("</textarea>")[0]
    done = maxine.submit(PAGE, f"{PAGE}/production/setting", setting=shown.replace("&#39;", "'"), base="1")
    assert done.status_code == 303
    with site.installation.database.reading() as reading:
        flag = site.built.flags.get(reading, site.people["Maxine"], STORE, "new-checkout")
        now = site.built.flags.setting(reading, flag, "production")
    assert now.version == 1
    assert percent_of(now.setting.default) == {"off": 95, "on": 5}


def test_flags_are_found_in_the_palette_by_whoever_may_see_them(site: FlagSite) -> None:
    assert sign_in(site).get("/search?q=new-ch").headers["location"] == PAGE
    assert "location" not in sign_in(site, "Erik").get("/search?q=new-ch").headers


def test_the_switch_is_pulled_and_released(site: FlagSite) -> None:
    maxine = sign_in(site)
    assert maxine.submit(PAGE, f"{PAGE}/production/kill").status_code == 303
    text = maxine.get(PAGE).text
    assert "killed: everybody gets off" in text
    assert "Revive in production" in text
    assert maxine.submit(PAGE, f"{PAGE}/production/revive").status_code == 303
    assert "Kill in production" in maxine.get(PAGE).text


def test_a_former_version_is_restored_by_the_word_of_the_command(site: FlagSite) -> None:
    maxine = sign_in(site)
    before = share(site)
    fields = {"share-on": "25", "share-off": "75", "base": "1"}
    assert maxine.submit(PAGE, f"{PAGE}/production/shares", **fields).status_code == 303
    text = maxine.get(PAGE).text
    assert "Restore version 1 of production" in text
    assert "<span>Restore</span>" in text
    assert maxine.submit(PAGE, f"{PAGE}/production/restore", version="1").status_code == 303
    assert share(site) == before


def ramps(site: FlagSite) -> list[RampView]:
    """Newest first."""
    with site.installation.database.reading() as reading:
        flag = site.built.flags.get(reading, site.people["Maxine"], STORE, "new-checkout")
        return list(site.built.flags.ramps_of(reading, flag))


def test_a_ramp_is_begun_and_held_on_the_page(site: FlagSite) -> None:
    maxine = sign_in(site)
    rule = ramps_rule(site)
    fields = {"ramp-variant": "on", "ramp-rule": "", "ramp-judge": "auto", "ramp-why": "spring"}
    for steps, said in (
        ("6 later@1h", "&#39;later@1h&#39; is no step."),
        ("6 101@1h", "Step 2: 101 % is not between 0 and 100 %."),
        ("6 100@soon", "&#39;soon&#39; is no length of time."),
    ):
        wrong = maxine.submit(PAGE, f"{PAGE}/production/ramp", **fields, **{"ramp-steps": steps})
        assert wrong.status_code == 400
        (field,) = re.findall(
            r'id="hint-production-ramp-steps" class="field-error">(?:<svg.*?</svg>)?(.*?)</small>', wrong.text
        )
        assert field.startswith(said)
        assert f'value="{steps}" aria-invalid="true"' in wrong.text, "what was written is not lost"
        assert 'value="spring"' in wrong.text
    gone = maxine.submit(PAGE, f"{PAGE}/production/ramp", **{**fields, "ramp-rule": "r9", "ramp-steps": "6"})
    assert "There is no rule &#39;r9&#39;." in gone.text
    assert ramps(site) == []

    done = maxine.submit(PAGE, f"{PAGE}/production/ramp", **fields, **{"ramp-steps": "6 25@1h 100@2126-01-01T09:00"})
    assert done.status_code == 400, "no step waits for longer than a year"
    done = maxine.submit(PAGE, f"{PAGE}/production/ramp", **fields, **{"ramp-steps": "6 25@1h 100@1d"})
    assert done.status_code == 303, done.text
    again = maxine.submit(PAGE, f"{PAGE}/production/ramp", **fields, **{"ramp-steps": "7"})
    assert again.status_code == 409
    assert "A ramp for others is under way already." in again.text
    of_rule = {**fields, "ramp-rule": rule, "ramp-steps": "50 100@1h"}
    assert maxine.submit(PAGE, f"{PAGE}/production/ramp", **of_rule).status_code == 303
    assert f"of rule <code>{rule}</code>: 50 %, step 1 of 2" in maxine.get(PAGE).text

    ramp = ramps(site)[1]
    hands = {"ramp": ramp.id, "step": "1"}
    assert "Go to 25 % now" in maxine.get(PAGE).text
    assert maxine.submit(PAGE, f"{PAGE}/production/wish", **hands, wish="pause", why="calls").status_code == 303
    text = maxine.get(PAGE).text
    assert re.search(r"Maxine paused it</strong> .*?: calls\. Nobody more gets it", text)
    assert "Go on</span>" in text
    assert maxine.submit(PAGE, f"{PAGE}/production/wish", **hands, wish="promote").status_code == 303
    late = maxine.submit(PAGE, f"{PAGE}/production/wish", **hands, wish="promote")
    assert late.status_code == 409
    assert "is not where you saw it: it is at 25 %, step 2 of 3." in late.text
    assert maxine.submit(PAGE, f"{PAGE}/production/wish", **hands, wish="take-back").status_code == 303
    assert (ramps(site)[1].state, share(site)) == (RampState.STOPPED, 0)
    assert maxine.submit(PAGE, f"{PAGE}/production/wish", **hands, wish="explode").status_code == 400


def ramps_rule(site: FlagSite) -> str:
    """The rule that the flag has in production."""
    with site.installation.database.reading() as reading:
        flag = site.built.flags.get(reading, site.people["Maxine"], STORE, "new-checkout")
        (rule,) = site.built.flags.setting(reading, flag, "production").setting.rules
    return rule.id


def test_the_tester_says_why(site: FlagSite) -> None:
    maxine = sign_in(site)
    text = maxine.get(f"{PAGE}?who=u42&attributes=country%3DCH&in=production").text
    assert "TARGETING_MATCH" in text
    assert "country" in text
    assert "is no NAME=VALUE" in maxine.get(f"{PAGE}?who=u42&attributes=nonsense&in=production").text


def test_whoever_may_only_look_is_offered_nothing(site: FlagSite) -> None:
    wes = sign_in(site, "Wes")
    text = wes.get(PAGE).text
    assert "Kill in production" not in text
    assert "Set these shares" not in text
    assert "this ramp in production" not in text
    assert sign_in(site, "Erik").get(PAGE).status_code == 404


def test_a_second_person_approves_on_the_page(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> None:
    with open_flag_site(tmp_path_factory.mktemp("second"), databases, second_person=True) as site:
        create_flag(site)
        waits = set_flag(site, {"default": {"on": 5, "off": 95}})
        own = sign_in(site).get("/flags").text
        assert "1 change waits for a second person" in own
        assert "You proposed it" in own
        patty = sign_in(site, "Patty")
        done = patty.submit("/flags", f"/flags/proposals/{waits['proposal']}/approve")
        assert done.status_code == 303
        assert share(site) == 5


def test_a_flag_is_created_and_archived(site: FlagSite) -> None:
    maxine = sign_in(site)
    made = maxine.submit("/flags/store", "/flags/store", name="banner", description="Blue")
    assert made.headers["location"] == "/flags/store/banner"
    untyped = maxine.submit("/flags/store/banner", "/flags/store/banner/archive", confirm="")
    assert untyped.status_code == 400
    assert maxine.submit("/flags/store/banner", "/flags/store/banner/archive", confirm="banner").status_code == 303
    archived = maxine.get("/flags/store/banner").text
    assert "banner is archived" in archived
    assert "Restore banner" in archived
    assert maxine.submit("/flags/store/banner", "/flags/store/banner/unarchive").status_code == 303


class Counting(EvaluationsSeen):
    """Telemetry, as far as flags ask it."""

    def __init__(self, counts: dict[str, float], *, away: bool = False) -> None:
        self.counts, self.away = counts, away

    def last_asked(self, service: Service, environment: str, flag: str) -> datetime | None:
        return None

    def served(
        self, service: Service, environment: str, flag: str, *, start: datetime, end: datetime, parts: int
    ) -> Served | None:
        if self.away:
            raise Unavailable("The store does not answer.")
        found = {name: (0.0,) * (parts - 1) + (count,) for name, count in self.counts.items()}
        return Served(start=start, end=end, counts=found, more="/graphs/explore")


def test_each_part_of_a_page_is_drawn_anew_at_its_own_address(site: FlagSite) -> None:
    maxine = sign_in(site)
    text = maxine.get(PAGE).text
    parts = set(re.findall(r'id="([\w-]+)" class="[\w-]+"(?: data-live="[^"]*")? hx-get="(/flags/[^"]+)"', text))
    assert {name for name, _ in parts} >= {
        "flag-sentence",
        "flag-waiting",
        "now-production",
        "now-acceptance",
        "served-production",
        "flag-code",
        "flag-past",
        "flag-record",
    }
    for name, address in parts:
        answer = maxine.get(address.replace("&amp;", "&"))
        assert answer.status_code == 200, address
        assert f'id="{name}"' in answer.text
        assert "<html" not in answer.text
    assert sign_in(site, "Erik").get(f"{PAGE}/production/now").status_code == 404
    assert maxine.get(f"{PAGE}/nowhere/now").status_code == 404


def test_what_was_served_is_drawn_and_no_data_is_said_as_such(site: FlagSite) -> None:
    maxine = sign_in(site)
    assert "No data: telemetry is off, so nobody counts." in maxine.get(PAGE).text
    site.built.counted_by(Counting({"on": 7, "off": 93}))
    text = maxine.get(f"{PAGE}/production/served?over=1h").text
    assert "Served in the last hour: on 7 %, off 93 %" in text
    assert "100 evaluations" in text
    site.built.counted_by(Counting({}))
    nobody = maxine.get(f"{PAGE}/production/served?over=nonsense").text
    assert "No data: no service counted an evaluation in the last 24 hours." in nobody
    site.built.counted_by(Counting({}, away=True))
    assert "No data: telemetry does not answer." in maxine.get(PAGE).text


def test_lines_of_code_that_ask_for_the_flag_are_shown_with_their_age(site: FlagSite) -> None:
    maxine = sign_in(site)
    unnamed = maxine.get(f"{PAGE}/code").text
    assert "No line names it." in unnamed
    assert "flags.boolean(&#34;new-checkout&#34;, {&#34;targetingKey&#34;: user})" in unnamed
    site.installation.commit(files={"app/pay.py": '\n\nif flags.boolean("new-checkout", {}):\n    pass\n'})
    assert "The code is looked through." in maxine.get(PAGE).text
    text = maxine.get(f"{PAGE}?code=yes").text
    assert "app/pay.py:3" in text
    assert "age not known" not in text
    assert "app/pay.py:3" in maxine.get(PAGE).text  # what was found is remembered


@pytest.mark.browser
def test_a_page_shows_a_change_by_itself_and_leaves_what_is_written(site: FlagSite, browser: Chromium) -> None:
    window = opened(browser, sign_in(site))
    tab = window.new_page()
    tab.goto(f"{site.serving.address}{PAGE}")
    tab.locator('[data-live-dot][data-state="on"]').wait_for()
    tab.fill("#production input[name=share-on]", "33")
    assert site.api().post(f"{PRODUCTION}/kill", json={}).status_code == 200
    tab.get_by_text("Revive in production").wait_for()
    tab.locator("h1", has_text="killed: everybody gets off").wait_for()
    expect(tab.locator("#production input[name=share-on]")).to_have_value("33")
    window.close()


@pytest.mark.browser
def test_pages_of_flags_are_sound(site: FlagSite, browser: Chromium) -> None:
    """On a desk and on a phone: axe finds nothing, nobody complains, and nothing is wider than the window."""
    site.api().put("/segments/friends", json={"service": "store"})
    site.api().post("/segments/friends/members", json={"add": ["u1", "<b>u2</b>"]})
    assert (
        site.api()
        .post(
            f"{FLAGS}/new-checkout/environments/production/ramp",
            json={"steps": [{"percent": 6}, {"percent": 100, "after": 3600}]},
        )
        .status_code
        == 201
    )
    maxine = sign_in(site)
    for size in (None, PHONE):
        window = opened(browser, maxine) if size is None else opened(browser, maxine, size)
        tab = window.new_page()
        said = troubles(tab)
        for path in (
            "/flags",
            "/flags/store",
            f"{PAGE}?who=u1&attributes=&in=production",
            "/segments",
            "/segments/friends",
        ):
            tab.goto(f"{site.serving.address}{path}")
            assert violations(tab) == [], path
            assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
        assert said == []
        window.close()
