"""A change of a segment waits for a second person, whichever way somebody sends it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.conftest import Terminal
from tests.databases import Databases
from tests.flow.flags.serving import FlagSite, create_flag, open_flag_site, set_flag
from tests.flow.installation import PASSWORD, STORE
from tests.serving import Browser

PAGE = "/segments/friends"
TEAM = "/segments/team"
EVERYBODY = [{"attribute": "targetingKey", "is": "present"}]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[FlagSite]:
    """Production asks for a second person. Each test has a segment of its own."""
    with open_flag_site(tmp_path_factory.mktemp("approval"), databases, second_person=True) as found:
        yield found


@pytest.fixture
def andon(site: FlagSite, tmp_path: Path) -> Terminal:
    return Terminal(tmp_path, site.serving.settings.data, site.serving.address)


def name(site: FlagSite, segment: str) -> None:
    """A flag of the same name serves in production whoever is in the segment, which is ``u1``."""
    maxine = site.api()
    maxine.put(f"/segments/{segment}", json={"service": "store"})
    maxine.post(f"/segments/{segment}/members", json={"add": ["u1"]})
    create_flag(site, segment)
    rule = {"when": [{"attribute": "targetingKey", "is": "in-segment", "values": [segment]}], "serve": "on"}
    waits = set_flag(site, {"default": "off", "rules": [rule]}, segment)
    assert site.api("Patty").post(f"/flags/proposals/{waits['proposal']}/approve").status_code == 200


def browser(site: FlagSite, name: str) -> Browser:
    found = site.serving.browser()
    assert found.sign_in(name, PASSWORD).status_code == 303
    return found


def served(site: FlagSite, segment: str) -> Any:
    """As services of production receive it."""
    with site.installation.database.reading() as reading:
        found = site.built.flags.document(reading, STORE, "production")
    return json.loads(found.content)["segments"][segment]


def test_no_way_of_changing_a_segment_goes_around_the_second_person(
    site: FlagSite, andon: Terminal, tmp_path: Path
) -> None:
    name(site, "friends")
    before = served(site, "friends")
    assert before["members"] == ["u1"]
    people, everybody = tmp_path / "people.csv", tmp_path / "when.json"
    people.write_text("intruder\n")
    everybody.write_text(json.dumps([EVERYBODY]))
    api, page = site.api(), browser(site, "Maxine")

    def uploaded() -> Any:
        number = api.post(f"{PAGE}/uploads").json()["upload"]
        api.post(f"{PAGE}/uploads/{number}", json={"members": ["intruder"]})
        found = api.post(f"{PAGE}/uploads/{number}/complete", params={"why": "more of them"}).json()
        assert api.post(f"{PAGE}/uploads/{number}", json={"members": ["late"]}).status_code == 409
        return found

    by_api = [
        api.put(PAGE, json={"service": "store", "when": [EVERYBODY]}).json(),
        api.post(f"{PAGE}/members", json={"add": ["intruder"]}).json(),
        uploaded(),
    ]
    assert all(one["proposal"].startswith("segprop_") for one in by_api)
    assert api.delete(PAGE).status_code == 409
    for form, written in (
        ("add", {"members": "intruder"}),
        ("drop", {"members": "u1"}),
        ("conditions", {"when": "- - {attribute: targetingKey, is: present}", "base": "2"}),
    ):
        assert page.submit(PAGE, f"{PAGE}/{form}", **written).status_code == 303
    assert page.submit(PAGE, f"{PAGE}/exchange", members="intruder").status_code == 409  # a list waits already
    assert page.submit(PAGE, f"{PAGE}/remove", confirm="friends").status_code == 409
    both = andon("flags", "segment", "friends", "--service", "store", "--when", str(everybody), "--add", "intruder").out
    assert both.count("Your change waits for a second person") == 2
    assert "Another list" in andon("flags", "upload", "friends", str(people)).err
    assert andon("flags", "segment", "friends", "--delete").code != 0
    # an archived flag comes back as it was
    agreed = site.api("Patty")
    waits = api.post("/services/store/flags/friends/archive", json={}).json()["proposal"]
    assert agreed.post(f"/flags/proposals/{waits}/approve").status_code == 200
    assert api.delete(PAGE).status_code == 409
    assert api.post(f"{PAGE}/members", json={"add": ["other"]}).json()["proposal"]
    waits = api.post("/services/store/flags/friends/unarchive").json()["proposal"]
    assert agreed.post(f"/flags/proposals/{waits}/approve").status_code == 200
    assert served(site, "friends") == before
    found = [one for one in api.get("/flags/proposals").json()["segments"] if one["segment"] == "friends"]
    assert len(found) == 9
    own = [one for one in found if one["by"] == "Maxine"]
    assert len(own) == 7  # the terminal's are the operator's
    for one in own:
        assert api.post(f"/flags/proposals/{one['id']}/approve").status_code == 403
    assert served(site, "friends") == before


def test_a_change_is_seen_and_agreed_to_on_the_pages(site: FlagSite) -> None:
    name(site, "team")
    maxine, patty, erik = (browser(site, name) for name in ("Maxine", "Patty", "Erik"))
    maxine.submit(TEAM, f"{TEAM}/add", members="u2", why="She asked")
    for address in (TEAM, "/flags", "/flags/store"):
        text = patty.get(address).text
        assert "1 added: 2 members, was 1" in text
        assert "She asked" in text
        assert "+ u2" in text
    assert "for a second person" in patty.get("/flags").text.partition("</h1>")[0]
    assert "You proposed it: somebody else has to agree." in maxine.get(TEAM).text
    proposal = site.api().get(TEAM).json()["waiting"][0]["id"]
    assert erik.submit("/flags", f"/flags/proposals/{proposal}/approve").status_code == 404
    assert "u2" not in erik.get("/flags").text
    done = patty.submit(TEAM, f"/flags/proposals/{proposal}/approve")
    assert done.headers["location"] == TEAM
    assert served(site, "team")["members"] == ["u1", "u2"]
    maxine.submit(TEAM, f"{TEAM}/drop", members="u1")
    proposal = site.api().get(TEAM).json()["waiting"][0]["id"]
    assert maxine.submit(TEAM, f"/flags/proposals/{proposal}/reject").headers["location"] == TEAM
    assert served(site, "team")["members"] == ["u1", "u2"]
    text = patty.get(TEAM).text
    assert "version 3" in text
    assert "turned down the change of the segment" in text
    assert "approved the change of the segment" in text


def test_changes_of_segments_are_listed_decided_and_told_in_the_terminal(site: FlagSite, andon: Terminal) -> None:
    name(site, "partners")
    waits = andon("flags", "segment", "partners", "--add", "u2", "--why", "She asked").out
    proposal = waits.split()[-1]
    assert "  + u2" in waits
    assert f"{proposal}\tstore\tstore/production\tpartners\t" in andon("flags", "approve").out
    done = andon("flags", "approve", proposal, ANDON_TOKEN=site.token("Patty"))
    assert done.out == "Approved: 1 added: 2 members, was 1.\n"
    told = andon("flags", "segment", "partners", "--history").out.splitlines()
    assert told[0].startswith("version 3, ")
    assert told[0].endswith("1 added: 2 members, was 1 (She asked)")
    assert told[1] == "  + u2"
