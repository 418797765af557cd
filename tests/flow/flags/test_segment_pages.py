"""The pages of segments: what their forms do, and what is refused where it was written."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from andon.flow.flags.contract.audiences import AudienceUses
from andon.flow.sources.contract import Service
from andon.kernel.db import Reading
from tests.databases import Databases
from tests.flow.flags.serving import FlagSite, create_flag, open_flag_site, set_flag
from tests.flow.installation import PASSWORD, STORE
from tests.serving import Browser

PAGE = "/segments/friends"
CONDITIONS = "- - {attribute: country, is: in, values: [CH]}\n"


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[FlagSite]:
    with open_flag_site(tmp_path_factory.mktemp("segments"), databases, second_person=True) as found:
        yield found


def sign_in(site: FlagSite, name: str = "Maxine") -> Browser:
    found = site.serving.browser()
    assert found.sign_in(name, PASSWORD).status_code == 303
    return found


def members(site: FlagSite) -> list[str]:
    found: list[str] = site.api().get(PAGE).json()["members"]
    return found


def test_a_segment_is_made_filled_and_deleted_on_its_page(site: FlagSite) -> None:
    maxine = sign_in(site)
    made = maxine.submit("/segments", "/segments", name="friends", service="store", description="Ours")
    assert made.headers["location"] == PAGE
    again = maxine.submit("/segments", "/segments", name="friends", service="store", description="Others")
    assert again.status_code == 409
    assert "There is a segment friends already." in again.text
    assert maxine.submit(PAGE, f"{PAGE}/add", members="u1\n\n u2 \nu1\n").status_code == 303
    assert members(site) == ["u1", "u2"]
    looked = maxine.get(f"{PAGE}?member=u2").text
    assert "Remove u2" in looked
    assert maxine.submit(PAGE, f"{PAGE}/drop", members="u2").status_code == 303
    assert "Add u2" in maxine.get(f"{PAGE}?member=u2").text
    assert maxine.submit(PAGE, f"{PAGE}/exchange", members="\n".join(f"p{n}" for n in range(3))).status_code == 303
    assert members(site) == ["p0", "p1", "p2"]
    nobody = maxine.submit(PAGE, f"{PAGE}/exchange", members=" \n")
    assert nobody.status_code == 400
    assert members(site) == ["p0", "p1", "p2"]
    assert maxine.submit(PAGE, f"{PAGE}/remove", confirm="fiends").status_code == 400
    assert maxine.submit(PAGE, f"{PAGE}/remove", confirm="friends").headers["location"] == "/segments"
    assert maxine.get(PAGE).status_code == 404


def test_conditions_are_changed_by_whoever_has_read_the_newest(site: FlagSite) -> None:
    site.api().put(PAGE, json={"service": "store"})
    maxine = sign_in(site)
    assert maxine.submit(PAGE, f"{PAGE}/conditions", when=CONDITIONS, base="1").status_code == 303
    assert "country is CH" in maxine.get(PAGE).text
    late = maxine.submit(PAGE, f"{PAGE}/conditions", when="", base="1")
    assert late.status_code == 409
    assert "Somebody changed friends since you read it." in late.text
    wrong = maxine.submit(
        PAGE, f"{PAGE}/conditions", when="- - {attribute: country, is: in-segment, values: [x]}", base="2"
    )
    assert wrong.status_code == 400
    assert "a segment cannot be made of segments" in wrong.text
    assert "is: in-segment" in wrong.text  # what was written is not lost
    for text in ("when: [", "- 5", "- - {attribute: x, is: nonsense}", "- &a [*a]"):
        assert maxine.submit(PAGE, f"{PAGE}/conditions", when=text, base="2").status_code == 400
    text = maxine.get(PAGE).text
    shown = text.partition('name="when"')[2].partition(">")[2].partition("</textarea>")[0]
    assert maxine.submit(PAGE, f"{PAGE}/conditions", when=shown, base="2").status_code == 303
    assert site.api().get(PAGE).json()["segment"]["version"] == 2  # saved as it is shown, it changes nothing


def test_a_segment_in_use_says_by_what_and_offers_no_deletion(site: FlagSite) -> None:
    site.api().put(PAGE, json={"service": "store"})
    create_flag(site)
    rule = {"when": [{"attribute": "targetingKey", "is": "in-segment", "values": ["friends"]}], "serve": "on"}
    waits = set_flag(site, {"default": "off", "rules": [rule]})
    assert site.api("Patty").post(f"/flags/proposals/{waits['proposal']}/approve").status_code == 200
    maxine = sign_in(site)
    text = maxine.get(PAGE).text
    assert "It is named by new-checkout (store/production). Take it out of their rules first." in text
    assert "A second person has to agree in store/production" in text
    assert maxine.submit(PAGE, f"{PAGE}/remove", confirm="friends").status_code == 409


class Released(AudienceUses):
    """As if a release of production named each segment."""

    def places(self, reading: Reading, name: str) -> tuple[tuple[Service, str], ...]:
        return ((STORE, "production"),)


def test_a_release_under_way_that_names_it_is_shown_and_asks_for_its_second_person(site: FlagSite) -> None:
    site.api().put(PAGE, json={"service": "store"})
    assert site.api().get(PAGE).json()["releases"] == []
    maxine = sign_in(site)
    assert "No flag names it, and no release." in maxine.get(PAGE).text
    site.built.audiences.used_by(Released())
    assert site.api().get(PAGE).json()["releases"] == ["store/production"]
    text = maxine.get(PAGE).text
    assert "store/production: its members get the new version first" in text
    assert "A second person has to agree in store/production" in text
    assert site.api().post(f"{PAGE}/members", json={"add": ["u1"]}).json()["proposal"]
    assert members(site) == []
    assert maxine.submit(PAGE, f"{PAGE}/remove", confirm="friends").status_code == 409


def test_whoever_may_only_look_is_offered_no_form(site: FlagSite) -> None:
    site.api().put(PAGE, json={"service": "store"})
    wes = sign_in(site, "Wes")
    assert "Change it" not in wes.get(PAGE).text
    assert "A new segment" not in wes.get("/segments").text
    assert wes.submit(PAGE, f"{PAGE}/add", members="u1").status_code == 403
    erik = sign_in(site, "Erik")
    assert erik.get(PAGE).status_code == erik.get(f"{PAGE}/now").status_code == 404
