"""Deploying from a terminal: what is printed, what is asked, and with which code it ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from andon.flow.environments.memory import Behaviour
from andon.kernel.errors import Invalid
from andon.web.terminal.durations import seconds_of
from tests.app.conftest import Terminal
from tests.databases import Databases
from tests.flow.installation import STORE, Installation
from tests.flow.refuting import refute
from tests.flow.site import Site, open_site


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[Site]:
    """With a worker's reactions beside the server."""
    with open_site(tmp_path_factory.mktemp("site"), databases) as opened:
        opened.installation.reactor.start()
        yield opened
        opened.installation.reactor.stop()
        opened.installation.workflows.join()


@pytest.fixture
def andon(site: Site, tmp_path: Path) -> Terminal:
    """The command line on the server's own machine."""
    return Terminal(tmp_path, site.serving.settings.data, site.serving.address)


def request_and_wait(installation: Installation, *commits: str) -> None:
    for commit in commits:
        made = installation.request(installation.sources.resolve(STORE, commit))
        installation.deployments.await_end(made, lambda: False)


def test_deploy_follows_the_steps_and_says_what_came_of_it(site: Site, andon: Terminal) -> None:
    commit = site.installation.built()
    said = andon("deploy", "store", "production")
    assert said.code == 0, said.err
    assert f"{commit[:7]} to production of store, by operator" in said.out
    for step in ("expand the database", "smoke tests", "switch the traffic", "keep former sets warm"):
        assert f"{step} passed after" in said.out
    assert f"{commit[:7]} serves production of store" in said.out
    assert "/deployments/dep_" in said.out.strip().splitlines()[-1]
    again = andon("deploy", "store", "production", commit[:10], "--json").json
    assert again["deployment"]["state"] == "succeeded"
    assert [one["name"] for one in again["commands"]] == ["expand", "one order", "one order (clean-up)"]
    listed = andon("deployments", "store", "production")
    assert listed.out.count("succeeded") == 2
    status = andon("status")
    assert f"Production of store runs {commit[:7]}, healthy" in status.out
    assert andon("status", "--json").json["services"][0]["service"] == "store"


def test_the_list_says_what_nobody_confirmed_and_what_was_refuted(site: Site, andon: Terminal) -> None:
    installation = site.installation
    good, bad = installation.built(), installation.built()
    request_and_wait(installation, good, bad)
    with installation.database.reading() as reading:
        version = installation.deployments.recent(reading, STORE, "production", limit=1)[0]
    refute(installation, version)
    with installation.database.reading() as reading:
        back = installation.deployments.recent(reading, STORE, "production", limit=1)[0]
    installation.deployments.await_end(back.id, lambda: False)
    newest, refuted, first = andon("deployments", "store", "production").out.splitlines()[-3:]
    assert "roll-back" in newest
    assert "refuted" in refuted
    assert f"telemetry found harm in it; {good[:7]} has all traffic again" in refuted
    assert "not confirmed" in first, "there was nothing to compare it with"


def test_a_failure_shows_the_last_lines_of_the_command_and_leaves_with_1(site: Site, andon: Terminal) -> None:
    commit = site.installation.built()
    output = "\n".join(f"line {number}" for number in range(40)) + "\n\x1b[31mValueError: voucher\n"
    site.installation.environments.imagine(commit, Behaviour(commands={"one order": 1}, outputs={"one order": output}))
    said = andon("deploy", "store", "production")
    assert said.code == 1
    assert "one order ended with 1: python3 -m smoke" in said.out
    assert "ValueError: voucher" in said.out
    assert "line 39" in said.out
    assert "line 1\n" not in said.out
    assert "\x1b" not in said.out + said.err
    assert f"{commit[:7]} did not go to production of store" in said.err
    assert "Its traffic was never touched." in said.err
    assert andon("deploy", "store", "production", "--json").code == 1


def test_what_may_not_go_is_refused_and_an_override_gives_a_reason(site: Site, andon: Terminal) -> None:
    assert andon("deploy", "store", "production").code == 5
    commit = site.installation.built(through="commit", failed="acceptance")
    refused = andon("deploy", "store", "production", commit)
    assert refused.code == 5
    assert "--override REASON" in refused.err
    listed = andon("deploy", "store", "production", "--list")
    assert (listed.code, "failed in acceptance" in listed.out) == (0, True)
    done = andon("deploy", "store", "production", commit, "--override", "The test is wrong", "--json")
    assert done.code == 0
    assert done.json["deployment"]["override"] == "The test is wrong"
    assert andon("deploy", "unknown", "production").code == 3


def test_rollback_asks_before_a_cold_start_only(site: Site, andon: Terminal) -> None:
    installation = site.installation
    commits = [installation.built() for _ in range(4)]
    nothing = andon("rollback", "store", "production")
    assert nothing.code == 5
    request_and_wait(installation, *commits)
    warm = andon("rollback", "store", "production")
    assert warm.code == 0, warm.err
    assert installation.live() == commits[2]
    asked = andon("rollback", "store", "production", commits[0][:8], typed="n\n")
    assert asked.code == 1
    assert "does not run any more" in asked.err
    assert installation.live() == commits[2]
    told = andon("rollback", "store", "production", commits[0][:8], "--yes")
    assert told.code == 0, told.err
    assert andon("rollback", "store", "production").code == 5, "all others are newer"
    assert installation.live() == commits[0]
    assert andon("rebuild", "store", "production").code == 0


def test_contract_wants_the_name_before_ways_back_are_given_up(site: Site, andon: Terminal) -> None:
    old, new = site.installation.built(), site.installation.built()
    request_and_wait(site.installation, old, new)
    refused = andon("contract", "store", "production")
    assert refused.code == 5
    assert "--give-up-rollback" in refused.err
    wrong = andon("contract", "store", "production", "--give-up-rollback", typed="staging\n")
    assert wrong.code == 2
    assert f"{old[:7]} can then never be rolled back to." in wrong.err
    right = andon("contract", "store", "production", "--give-up-rollback", typed="production\n")
    assert right.code == 0, right.err
    assert "is contracted" in right.out


def test_an_environment_of_ones_own_comes_and_goes(site: Site, andon: Terminal) -> None:
    commit = site.installation.built(through="commit")
    made = andon("env", "create", "store", "mine", "--from", commit, "--like", "acceptance", "--ttl", "2h")
    assert made.code == 0, made.err
    assert site.installation.live("mine") == commit
    taken = andon("env", "create", "store", "mine", "--from", commit, "--like", "acceptance")
    assert taken.code == 5
    kept = andon("env", "destroy", "store", "mine", typed="yours\n")
    assert kept.code == 2
    alone = andon("env", "destroy", "store", "mine")
    assert (alone.code, "go on:\nerror: Nobody is there to answer." in alone.err) == (2, True), alone.err
    gone = andon("env", "destroy", "store", "mine", typed="mine\n")
    assert gone.code == 0, gone.err
    assert "store/mine is gone." in gone.out


def test_cancelling_says_what_is_cancelled(site: Site, andon: Terminal) -> None:
    nothing = andon("deploy", "store", "production", "--cancel")
    assert nothing.code == 3
    site.installation.reactor.stop()
    commit = site.installation.built()
    site.installation.request(commit)
    said = andon("deploy", "store", "production", "--cancel")
    assert said.code == 0, said.err
    assert f"{commit[:7]} to production of store" in said.out


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("30m", 1800), ("8h", 28_800), ("2d", 172_800), ("0", 0)])
def test_lengths_of_time(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-1h", "1.5h", "8 hours", "9999999h"])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        seconds_of(text)
