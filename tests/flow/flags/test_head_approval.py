"""What holds for a flag in all environments, and the archive, wait for a second person, whichever way somebody goes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from andon.flow.flags.codefile import CodeFlag
from andon.flow.flags.model.flag import Head
from andon.flow.flags.model.outcomes import Outcome
from andon.flow.flags.service.code import CodeService
from andon.flow.flags.service.heads import MOST_WAITING
from andon.flow.sources.contract import CommitHash
from andon.kernel.errors import Conflict
from andon_flags.document import Kind
from tests.app.conftest import Terminal
from tests.databases import Databases
from tests.flow.flags.conftest import SECOND_PERSON, flagged
from tests.flow.flags.serving import FLAGS, FlagSite, create_flag, open_flag_site, set_flag
from tests.flow.installation import PASSWORD, STORE, Installation
from tests.serving import Browser

LIMITS = {"small": {"limit": 1}, "large": {"limit": 100}}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[FlagSite]:
    """Production asks for a second person. Each test has a flag of its own."""
    with open_flag_site(tmp_path_factory.mktemp("heads"), databases, second_person=True) as found:
        yield found


@pytest.fixture
def andon(site: FlagSite, tmp_path: Path) -> Terminal:
    return Terminal(tmp_path, site.serving.settings.data, site.serving.address)


def approve(site: FlagSite, proposal: str) -> None:
    answer = site.api("Patty").post(f"/flags/proposals/{proposal}/approve")
    assert answer.status_code == 200, answer.text


def released(site: FlagSite, name: str) -> None:
    """In production everybody gets ``small``, which two people have agreed to."""
    create_flag(site, name, kind="object", variants=LIMITS, off="small")
    approve(site, set_flag(site, {"default": {"small": 50, "large": 50}}, name)["proposal"])


def edit(site: FlagSite, name: str, **said: Any) -> dict[str, Any]:
    answer = site.api().put(f"{FLAGS}/{name}", json=said)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def browser(site: FlagSite, name: str) -> Browser:
    found = site.serving.browser()
    assert found.sign_in(name, PASSWORD).status_code == 303
    return found


def served(site: FlagSite, name: str) -> Any:
    """As services of production receive it; ``None`` for a flag that is in no document."""
    with site.installation.database.reading() as reading:
        found = site.built.flags.document(reading, STORE, "production")
    return json.loads(found.content)["flags"].get(name)


def waiting(site: FlagSite, name: str) -> list[dict[str, Any]]:
    return [one for one in site.api().get("/flags/proposals").json()["proposals"] if one["flag"] == name]


def test_no_change_of_what_is_served_everywhere_goes_around_the_second_person(site: FlagSite, andon: Terminal) -> None:
    released(site, "limits")
    before = served(site, "limits")
    attacks: list[dict[str, Any]] = [
        {"variants": LIMITS | {"small": {"limit": 7}}},
        # to Python the same
        {"variants": LIMITS | {"small": {"limit": True}}, "description": "Nothing special"},
        {"unit": "account"},
        {"variants": LIMITS | {"small": {"limit": 7}, "huge": {"limit": 9}}, "owner": "team-store"},
    ]
    proposals = [edit(site, "limits", **one)["proposal"] for one in attacks]
    assert all(proposals)
    said = andon("flags", "edit", "store", "limits", "--variant", 'small={"limit": 7}', "--variant", "large={}").out
    assert "It waits for a second person" in said
    api, page = site.api(), browser(site, "Maxine")
    for one in proposals:
        assert api.post(f"/flags/proposals/{one}/approve").status_code == 403
        assert page.submit("/flags/store/limits", f"/flags/proposals/{one}/approve").status_code == 403
        assert site.api("Wes").post(f"/flags/proposals/{one}/approve").status_code == 403
        assert site.api("Erik").post(f"/flags/proposals/{one}/approve").status_code == 404
    assert served(site, "limits") == before
    approve(site, proposals[0])
    assert served(site, "limits")["variants"]["small"] == {"limit": 7}
    assert waiting(site, "limits") == []  # what was made from the former one is overtaken
    assert site.api("Patty").post(f"/flags/proposals/{proposals[1]}/approve").status_code == 409


def test_what_nobody_is_served_changes_at_once(site: FlagSite) -> None:
    released(site, "banner")
    before = served(site, "banner")
    done = edit(
        site, "banner", description="Blue", owner="team-store", ends="2027-03-01", card="CARD-1", code="store/banner.py"
    )
    assert (done["changed"], done["proposal"]) == (True, None)
    assert served(site, "banner") == before
    # nothing serves it yet, and what is to serve it waits
    assert edit(site, "banner", variants=LIMITS | {"huge": {"limit": 9}})["changed"]
    assert served(site, "banner")["variants"]["huge"] == {"limit": 9}
    assert set_flag(site, {"default": "huge"}, "banner")["proposal"]
    # agreed to was a value, not a name
    assert edit(site, "banner", variants=LIMITS | {"huge": {"limit": 666}})["proposal"]


def test_what_somebody_is_about_to_agree_to_does_not_change_underneath(site: FlagSite) -> None:
    """Nothing is set in production yet: another value counts at once, and what waits is to be proposed anew."""
    create_flag(site, "fresh", kind="object", variants=LIMITS, off="small")
    waits = set_flag(site, {"default": "large"}, "fresh")["proposal"]
    assert edit(site, "fresh", variants=LIMITS | {"large": {"limit": 666}})["changed"]
    assert site.api("Patty").post(f"/flags/proposals/{waits}/approve").status_code == 409
    # but what everybody gets where nothing is set, they get now
    assert edit(site, "fresh", off="large")["proposal"]
    assert edit(site, "fresh", variants=LIMITS | {"small": {"limit": 666}})["proposal"]
    # a ramp that begins tomorrow was agreed to with the values of today
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    order = {"variant": "large", "steps": [{"percent": 100, "at": tomorrow.isoformat()}]}
    ramp = site.api().post(f"{FLAGS}/fresh/environments/production/ramp", json=order).json()["proposal"]
    approve(site, ramp)
    assert edit(site, "fresh", variants=LIMITS)["proposal"]


def test_the_archive_is_no_way_around_the_second_person(site: FlagSite, andon: Terminal) -> None:
    released(site, "sale")
    before, address = served(site, "sale"), f"{FLAGS}/sale"
    api, page = site.api(), browser(site, "Maxine")
    waits = api.post(f"{address}/archive", json={"why": "It is over"}).json()
    assert waits["archived_at"] is None
    assert api.post(f"{address}/archive", json={}).status_code == 409
    assert page.submit("/flags/store/sale", "/flags/store/sale/archive", confirm="sale").status_code == 409
    assert "waits for a second person already" in andon("flags", "archive", "store", "sale").err
    assert api.post(f"/flags/proposals/{waits['proposal']}/approve").status_code == 403
    assert served(site, "sale") == before
    approve(site, waits["proposal"])
    assert served(site, "sale") is None
    said = andon("flags", "restore", "store", "sale").out
    assert "sale stays as it is. It waits for a second person: andon flags approve prop_" in said
    assert page.submit("/flags/store/sale", "/flags/store/sale/unarchive").status_code == 409
    proposal = said.split()[-1]
    assert f"{proposal}\tstore\tproduction\tsale\t" in andon("flags", "approve").out
    assert served(site, "sale") is None
    assert andon("flags", "reject", proposal, ANDON_TOKEN=site.token("Patty")).code == 0
    assert page.submit("/flags/store/sale", "/flags/store/sale/unarchive").status_code == 303
    assert served(site, "sale") is None
    approve(site, waiting(site, "sale")[0]["id"])
    assert served(site, "sale") == before
    # where nothing was ever set nobody agreed to anything
    create_flag(site, "idea")
    assert api.post(f"{FLAGS}/idea/archive", json={}).json()["archived_at"]
    assert api.post(f"{FLAGS}/idea/unarchive").json()["archived_at"] is None


def test_a_change_of_the_head_is_seen_and_agreed_to_on_the_pages(site: FlagSite) -> None:
    released(site, "theme")
    proposal = edit(site, "theme", variants=LIMITS | {"small": {"limit": 7}}, why="They asked")["proposal"]
    maxine, patty, wes = (browser(site, name) for name in ("Maxine", "Patty", "Wes"))
    for address in ("/flags", "/flags/store", "/flags/store/theme"):
        text = patty.get(address).text
        assert "everywhere: another value of the variant small" in text
        assert "served in production" in text
        assert "They asked" in text
        assert "+ variant small: {&#34;limit&#34;:7}" in text
    assert "You proposed it: somebody else has to agree." in maxine.get("/flags/store/theme").text
    assert "This needs the role developer on production." in wes.get("/flags/store/theme").text
    done = patty.submit("/flags/store/theme", f"/flags/proposals/{proposal}/approve")
    assert done.headers["location"] == "/flags/store/theme"
    assert served(site, "theme")["variants"]["small"] == {"limit": 7}
    text = patty.get("/flags/store/theme").text
    assert "approved the change of" in text


def test_what_waits_is_bounded_and_drawn_in_short(site: FlagSite) -> None:
    released(site, "many")
    for number in range(MOST_WAITING):
        assert edit(site, "many", variants={"small": {"limit": number + 7}, "large": {"note": "x" * 60_000}})[
            "proposal"
        ]
    refused = site.api().put(f"{FLAGS}/many", json={"unit": "account"})
    assert (refused.status_code, "wait for a second person already" in refused.text) == (409, True)
    text = browser(site, "Patty").get("/flags/store/many").text
    assert "characters more, which the API tells" in text
    assert len(text) < 400_000


def test_a_head_that_waits_is_kept_whole_and_overtaken_by_that_of_a_file_which_waits_too(
    installation: Installation,
) -> None:
    here = flagged(installation, SECOND_PERSON)

    def edited(value: str) -> Outcome:
        with installation.database.transaction() as tx:
            return here.flags.set_head(
                tx, here.maxine, STORE, "theme", lambda head: replace(head, variants={**head.variants, "old": value})
            )

    with installation.database.transaction() as tx:
        head = Head(kind=Kind.STRING, variants={"old": "blue", "new": "red"}, off="old")
        here.flags.create(tx, here.maxine, STORE, "theme", head)
    waits, other = edited("green").proposal, edited("grey").proposal
    with installation.database.transaction() as tx:
        here.flags.approve(tx, here.patty, str(waits))
    with pytest.raises(Conflict, match="overtaken"), installation.database.transaction() as tx:
        here.flags.approve(tx, here.patty, str(other))
    last = edited("black").proposal
    said = replace(head, variants={"old": "white", "new": "red", "more": "black"}, owner="team-store")

    def pushed() -> tuple[int, int]:
        with installation.database.transaction() as tx:
            file = [CodeFlag("theme", said, {})]
            applied = CodeService(here.flags).apply(tx, here.maxine, STORE, CommitHash("0" * 40), file)
            return applied.changed, applied.proposed

    assert pushed() == (2, 1), "the flag is the file's now, and what concerns nobody counts"
    for _ in range(MOST_WAITING + 1):
        assert pushed() == (0, 1), "it waits once, however often somebody pushes"
    with pytest.raises(Conflict, match="overtaken"), installation.database.transaction() as tx:
        here.flags.approve(tx, here.patty, str(last))
    with installation.database.reading() as reading:
        found = here.flags.get(reading, here.maxine, STORE, "theme")
        (waits_now,) = here.flags.proposals(reading, here.patty, service=STORE)
    assert found.head.variants == {"old": "green", "new": "red", "more": "black"}
    assert (found.head.owner, found.head_version) == ("team-store", 3)
    with installation.database.transaction() as tx:
        here.flags.approve(tx, here.patty, waits_now.id)
    with installation.database.reading() as reading:
        found = here.flags.get(reading, here.maxine, STORE, "theme")
    assert (found.head.variants["old"], found.head_version) == ("white", 4)
