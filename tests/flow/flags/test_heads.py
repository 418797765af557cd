"""What is known of a flag besides who gets what: owner, end of life, card and code; and each change in a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import pytest

from andon.flow.flags.model import words
from andon.flow.flags.model.flag import Head, Setting
from andon_flags.document import Condition, Kind, Operator, Prerequisite, Rule
from tests.app.conftest import Terminal
from tests.databases import Databases
from tests.flow.flags.serving import FLAGS, FlagSite, create_flag, open_flag_site
from tests.flow.installation import PASSWORD

CARD, CODE = "https://board.example/cards/12", "https://code.example/store/app/shop.py#L3"


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[FlagSite]:
    with open_flag_site(tmp_path_factory.mktemp("heads"), databases) as found:
        yield found


def test_owner_end_of_life_card_and_code_are_kept_shown_and_their_changes_told(site: FlagSite) -> None:
    create_flag(site, owner="team-store", ends="2027-03-01", card=CARD, code=CODE)
    maxine = site.serving.browser()
    assert maxine.sign_in("Maxine", PASSWORD).status_code == 303
    text = maxine.get("/flags/store/new-checkout").text
    assert "team-store" in text
    assert "2027-03-01" in text
    assert f'href="{CARD}"' in text
    assert f'href="{CODE}"' in text
    other = {"card": "https://board.example/cards/13", "why": "it moved"}
    assert site.api().put(f"{FLAGS}/new-checkout", json=other).status_code == 200
    head = site.api().get(f"{FLAGS}/new-checkout").json()["head"]
    kept = (head["owner"], head["ends"], head["card"], head["code"])
    assert kept == ("team-store", "2027-03-01", other["card"], CODE), "what was not said stays"
    assert f"card: {other['card']}" in maxine.get("/flags/store/new-checkout").text, "in its history"
    terminal = Terminal(site.installation.folder, site.serving.settings.data, site.serving.address)
    shown = terminal("flags", "show", "store", "new-checkout").out.splitlines()
    assert {"owner: team-store", "to be gone by 2027-03-01", f"card: {other['card']}", f"code: {CODE}"} <= set(shown)


def test_what_is_no_address_of_the_web_is_shown_and_leads_nowhere(site: FlagSite) -> None:
    create_flag(site, card="javascript:alert(1)", code="app/shop.py:3")
    maxine = site.serving.browser()
    assert maxine.sign_in("Maxine", PASSWORD).status_code == 303
    text = maxine.get("/flags/store/new-checkout").text
    assert "javascript:alert(1)" in text
    assert "app/shop.py:3" in text
    assert 'href="javascript' not in text
    assert 'href="app/shop' not in text


def test_a_rule_that_never_matches_is_told_where_it_was_saved_and_as_long_as_it_is_there(site: FlagSite) -> None:
    create_flag(site)
    maxine = site.serving.browser()
    assert maxine.sign_in("Maxine", PASSWORD).status_code == 303
    page = "/flags/store/new-checkout"
    assert "Doubtful" not in maxine.get(page).text
    swiss = "{attribute: country, is: in, values: [CH]}"
    others = "{attribute: country, is: not-in, values: [CH]}"
    never = f"rules: [{{when: [{swiss}], serve: on}}, {{when: [{swiss}, {others}], serve: on}}]\ndefault: off\n"
    done = maxine.submit(page, f"{page}/production/setting", setting=never, base="0")
    assert done.status_code == 303, done.text
    told = maxine.get(page).text
    assert told.count("Doubtful: ") == 1, "in production alone"
    assert "rules[1]" in told
    assert "contradicts itself" in told
    once = maxine.submit(page, f"{page}/production/setting", setting="default: off\n", base="1")
    assert once.status_code == 303, once.text
    assert "Doubtful" not in maxine.get(page).text


SWISS = Rule(id="swiss", when=(Condition("country", Operator.IN, ("CH",)),), serve="on")
OLD = Setting(
    off="off",
    default="off",
    prerequisites=(Prerequisite("payments", ("on",)),),
    individuals={"u1": "on"},
    rules=(SWISS,),
)


@pytest.mark.parametrize(
    ("new", "says"),
    [
        (replace(OLD, enabled=False), "killed: everybody gets off"),
        (replace(OLD, off="on"), "serves on when it is off, was off"),
        (replace(OLD, begins=1.8e9), "begins 2027-01-15 08:00 UTC"),
        (replace(OLD, ends=1.8e9), "ends 2027-01-15 08:00 UTC"),
        (replace(OLD, prerequisites=()), "asks for no other flag"),
        (replace(OLD, prerequisites=(Prerequisite("payments", ("off",)),)), "only where payments is off"),
        (replace(OLD, individuals={"u1": "on", "u2": "on"}), "1 user named"),
        (replace(OLD, individuals={}), "1 user no longer named"),
        (replace(OLD, rules=()), "no longer on for country is CH"),
        (replace(OLD, rules=(replace(SWISS, serve="off"),)), "on for 0 % of country is CH, was 100 %"),
        (
            replace(OLD, rules=(replace(SWISS, when=(Condition("country", Operator.IN, ("DE",)),)),)),
            "for country is DE, was for country is CH",
        ),
        (replace(OLD, rules=(SWISS, replace(SWISS, id="again"))), "on for country is CH"),
        (replace(OLD, default="on"), "on for 100 % of others, was 0 %"),
    ],
)
def test_whatever_changes_who_gets_what_is_one_sentence_and_nothing_is_none(new: Setting, says: str) -> None:
    assert words.changes(OLD, new) == (says,)
    assert words.changes(new, new) == ()


HEAD = Head(kind=Kind.BOOLEAN, variants={"on": True, "off": False}, off="off", salt="f")


@pytest.mark.parametrize(
    ("new", "says"),
    [
        (replace(HEAD, variants={**HEAD.variants, "third": True}), "with the variant third"),
        (replace(HEAD, variants={"off": False}), "without the variant on"),
        (replace(HEAD, variants={"on": False, "off": False}), "another value of the variant on"),
        (replace(HEAD, description="Why"), "another description"),
        (replace(HEAD, owner="team-store"), "owner: team-store"),
        (replace(HEAD, card=CARD), f"card: {CARD}"),
        (replace(HEAD, code=CODE), f"link to the code: {CODE}"),
        (replace(HEAD, ends=date(2027, 3, 1)), "to be gone by 2027-03-01"),
        (replace(HEAD, permanent=True), "stays for good"),
        (replace(HEAD, off="on"), "serves on where nothing is set"),
        (replace(HEAD, unit="account"), "draws by account, was targetingKey: other users than before"),
    ],
)
def test_whatever_changes_in_all_environments_is_one_sentence(new: Head, says: str) -> None:
    assert words.head_changes(HEAD, new) == (says,)
