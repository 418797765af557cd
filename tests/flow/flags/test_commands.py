"""Flags from a terminal."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.app.conftest import Terminal
from tests.databases import Databases
from tests.flow.flags.serving import FlagSite, create_flag, open_flag_site, set_flag
from tests.flow.installation import STORE


@pytest.fixture
def site(tmp_path: Path, databases: Databases) -> Iterator[FlagSite]:
    with open_flag_site(tmp_path, databases) as found:
        yield found


@pytest.fixture
def andon(site: FlagSite, tmp_path: Path) -> Terminal:
    """As a developer."""
    return Terminal(tmp_path, site.serving.settings.data, site.serving.address)


def test_a_flag_lives_its_life_in_the_terminal(site: FlagSite, andon: Terminal, tmp_path: Path) -> None:
    made = andon("flags", "create", "store", "new-checkout", "--owner", "team-store", "--ends", "2027-03-01")
    assert made.code == 0, made.err
    said = andon("flags", "set", "store", "new-checkout", "production", "on=5", "--why", "try it")
    assert said.out == "new-checkout in production: on for 5 % of everybody, was 0 %.\n"
    rules = tmp_path / "setting.yaml"
    rules.write_text(
        "default: {on: 5, off: 95}\n"
        "rules: [{when: [{attribute: country, is: in, values: [CH]}], serve: on, id: swiss}]\n"
    )
    said = andon("flags", "set", "store", "new-checkout", "production", "--file", str(rules))
    assert said.out == "new-checkout in production: on for country is CH.\n"
    listed = andon("flags", "list", "store", "-e", "production").out
    assert listed == "new-checkout\tproduction\tcountry is CH: on · 5 % of others: on · rest: off\tteam-store\n"
    why = andon("flags", "why", "store", "new-checkout", "production", "--for", "u1", "--for", "country=CH").out
    assert "country" in why
    assert why.splitlines()[-1].startswith("→ on = true (TARGETING_MATCH")
    shown = andon("flags", "show", "store", "new-checkout").out
    assert "rule swiss" in shown
    killed = andon("flags", "kill", "store", "new-checkout", "production", "--why", "it burns")
    assert killed.out == "new-checkout in production: killed: everybody gets off.\n"
    assert andon("flags", "revive", "store", "new-checkout", "production").code == 0
    history = andon("flags", "history", "store", "new-checkout", "-e", "production").out.splitlines()
    assert len(history) == 4
    assert "it burns" in history[1]
    back = andon("flags", "restore", "store", "new-checkout", "production", "1")
    assert "no longer on for country is CH" in back.out
    everybody = andon("flags", "set", "store", "new-checkout", "production", "on", "--json").json
    assert everybody["changed"] is True


def test_what_is_refused_says_what_is_wrong_and_what_is_safe(site: FlagSite, andon: Terminal) -> None:
    andon("flags", "create", "store", "new-checkout")
    wrong = andon("flags", "set", "store", "new-checkout", "production", "on=50", "off=51")
    assert wrong.code == 2
    assert "101 %" in wrong.err
    assert "Nothing was changed." in wrong.err
    absent = andon("flags", "show", "store", "nothing")
    assert absent.code == 3
    assert "andon flags create store NAME" in absent.err
    assert andon("flags", "set", "store", "new-checkout", "production").code == 2


def test_a_ramp_is_begun_and_ended(site: FlagSite, andon: Terminal) -> None:
    andon("flags", "create", "store", "new-checkout")
    begun = andon("flags", "ramp", "store", "new-checkout", "production", "1", "5@1h", "100@1d")
    said, doubt = begun.out.splitlines()
    assert said == "new-checkout in production: on for everybody: 1 % now, 5 % after 1 h, 100 % after 1 d."
    assert "Nobody watches this ramp" in doubt
    shown = andon("flags", "show", "store", "new-checkout").out
    assert "step 1 of 3, the next step 59 min from now" in shown
    assert "nobody watches it" in shown
    ended = andon("flags", "ramp", "store", "new-checkout", "production", "--take-back")
    assert "ended at 0 %" in ended.out
    judged = andon("flags", "ramp", "store", "new-checkout", "production", "1", "100@1d", "--judge", "judged")
    assert "will wait after step 1" in judged.out
    assert andon("flags", "ramp", "store", "new-checkout", "production", "--stop").code == 0
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    planned = andon("flags", "ramp", "store", "new-checkout", "production", f"100@{tomorrow:%Y-%m-%dT%H:%M}", "--json")
    assert planned.code == 0, planned.err


def test_a_ramp_is_paused_resumed_and_promoted(site: FlagSite, andon: Terminal) -> None:
    create_flag(site)
    ramp = ("flags", "ramp", "store", "new-checkout", "production")
    assert andon(*ramp, "1", "5@1h", "100@1d").code == 0
    paused = andon(*ramp, "--pause", "--why", "support is flooded")
    assert paused.out == "The ramp of new-checkout in production is paused at 1 %.\n"
    again = andon(*ramp, "--pause")
    assert again.code != 0
    assert "is paused already." in again.err
    assert "Its share stays at 1 %." in again.err
    shown = andon("flags", "show", "store", "new-checkout").out
    assert re.search(r"paused (\d+ s|1 min) ago by \w+: support is flooded; left of its step: (1 h|59 min)", shown), (
        shown
    )
    assert "goes on at 1 %, the next step 59 min from now." in andon(*ramp, "--resume").out
    assert "is at 5 %, step 2 of 3." in andon(*ramp, "--promote").out
    assert "One thing at a time" in andon(*ramp, "--promote", "--pause").err
    assert "has ended at 100 %." in andon(*ramp, "--promote").out
    over = andon(*ramp, "--resume")
    assert over.code == 3
    assert "No ramp of new-checkout is under way in production." in over.err


def test_what_andon_does_in_a_ramp_is_not_laid_to_whoever_began_it(site: FlagSite, andon: Terminal) -> None:
    andon("flags", "create", "store", "new-checkout")
    assert andon("flags", "ramp", "store", "new-checkout", "production", "1", "5@1s", "100@1d").code == 0
    deadline = time.monotonic() + 90
    lines: list[str] = []
    while len(lines) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.2)
        site.built.flags.ramping.turn(site.installation.database)
        lines = andon("flags", "history", "store", "new-checkout").out.splitlines()
    assert ["Andon" in one for one in lines] == [True, False, False], lines
    assert "step 2 of 3" in lines[0]


def test_segments_are_made_filled_and_named(site: FlagSite, andon: Terminal, tmp_path: Path) -> None:
    made = andon("flags", "segment", "friends", "--service", "store", "--add", "u1", "--add", "u2")
    assert made.code == 0, made.err
    assert "friends of store: 2 members" in made.out
    people = tmp_path / "people.csv"
    people.write_text("".join(f"user-{number},x\n" for number in range(2500)))
    assert andon("flags", "upload", "friends", str(people)).out == "friends has 2,500 members.\n"
    assert andon("flags", "segments").out.split("\t")[:3] == ["friends", "store", "2,500"]
    assert andon("flags", "segment", "friends", "--delete").code == 0


def test_prune_names_the_lines_and_what_to_do(site: FlagSite, andon: Terminal) -> None:
    site.installation.commit(
        files={"app/shop.py": "if flags.enabled('old-banner'):\n    show()\nold_banner = 1\nx = 'old-banner-2'\n"}
    )
    andon("flags", "create", "store", "old-banner", "--ends", "2026-01-01")
    andon("flags", "set", "store", "old-banner", "production", "on")
    andon("flags", "set", "store", "old-banner", "acceptance", "on")
    found = andon("flags", "prune", "store", "--json").json
    assert found["complete"] is True
    (stale,) = found["flags"]
    assert (stale["flag"], stale["keep"], stale["value"]) == ("old-banner", "on", True)
    assert [(one["path"], one["line"]) for one in stale["references"]] == [("app/shop.py", 1)]
    assert "to be gone by 2026-01-01" in stale["why"][0]
    assert "Put the value of on in 1 line" in andon("flags", "prune", "store").out


def test_prune_proposes_a_branch_that_takes_the_flag_out(site: FlagSite, andon: Terminal, tmp_path: Path) -> None:
    base = site.installation.commit(
        files={
            "app/shop.py": "from andon_flags import flags\n\n\ndef shop(user):\n"
            '    if flags.boolean("old-banner", {"targetingKey": user}):\n        return "new"\n'
            "    else:\n        return None\n",
            "web/shop.js": "if (get('old-banner')) { show() }\n",
        }
    )
    create_flag(site, "old-banner", ends="2026-01-01")
    create_flag(site, "in-use")
    set_flag(site, {"default": "on"}, "old-banner")
    bare = str(site.installation.git.path(STORE))

    def git(*arguments: str, folder: str = bare) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, env=andon.environment(), capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    checkout = str(tmp_path / "checkout")
    git("clone", "-q", "-o", "andon", bare, checkout, folder=str(tmp_path))
    git("config", "user.name", "Maxine", folder=checkout)
    git("config", "user.email", "maxine@parts.example", folder=checkout)
    before = git("status", "--porcelain", "--branch", folder=checkout)
    here = ("--folder", checkout)
    default = andon("flags", "prune", "store", "--branch", "main", *here)
    assert default.code != 0
    assert "main is the default branch of store" in default.err
    used = andon("flags", "prune", "store", "in-use", "--branch", "gone", *here)
    assert used.code != 0
    assert "in-use is not stale" in used.err
    assert git("branch", "--list", "gone") == ""
    done = andon("flags", "prune", "store", "--branch", "gone", *here, "--json")
    assert done.code == 0, done.err
    (flag,) = done.json["flags"]
    assert flag["rewritten"] == {"app/shop.py": 1}
    assert flag["by_hand"] == ["web/shop.js:1: if (get('old-banner')) { show() }"]
    assert git("show", "gone:app/shop.py").splitlines()[3:] == ["def shop(user):", '    return "new"']
    said = git("log", "-1", "--format=%an%n%P%n%B", "gone")
    assert said.startswith(f"Maxine\n{base}\nTake the flag old-banner out of the code\n")
    assert "web/shop.js:1" in said
    assert git("rev-parse", "main") == base
    assert git("status", "--porcelain", "--branch", folder=checkout) == before
    assert len(git("worktree", "list", folder=checkout).splitlines()) == 1
    again = andon("flags", "prune", "store", "--branch", "gone", *here)
    assert "There is a branch gone already." in again.err
    forced = andon("flags", "prune", "store", "in-use", "--force", "--keep", "off", "--branch", "off", *here)
    assert forced.code == 0, forced.err
    assert "the code does not name it" in forced.out


def test_changes_that_wait_are_listed_and_decided(tmp_path: Path, databases: Databases) -> None:
    with open_flag_site(tmp_path, databases, second_person=True) as site:
        terminal = Terminal(tmp_path, site.serving.settings.data, site.serving.address)
        terminal("flags", "create", "store", "new-checkout")
        waits = terminal("flags", "set", "store", "new-checkout", "production", "on=5")
        assert "It waits for a second person" in waits.out
        proposal = waits.out.split()[-1]
        assert proposal in terminal("flags", "approve").out
        own = terminal("flags", "approve", proposal)
        assert own.code == 4
        token = site.token("Maxine")
        done = terminal("flags", "approve", proposal, ANDON_TOKEN=token)
        assert done.code == 0, done.err
        waits = terminal("flags", "set", "store", "new-checkout", "production", "on=6")
        assert terminal("flags", "reject", waits.out.split()[-1]).code == 0
