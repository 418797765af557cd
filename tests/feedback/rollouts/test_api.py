"""The API of rollouts, and the commands that speak to it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from andon.feedback.judge.service import Statistics
from andon.feedback.rollouts.contract import RolloutState
from andon.feedback.rollouts.model.records import Rollout
from andon.feedback.rollouts.room import rollouts_room
from andon.kernel.access import Grant, Role
from andon.kernel.clock import SettableClock
from andon.kernel.db import Database, open_engine
from andon.kernel.workflows import Interrupted
from tests.databases import Databases
from tests.feedback.rollouts.moving import CATALOGUE
from tests.feedback.rollouts.world import World
from tests.flow.installation import PASSWORD, Installation
from tests.flow.site import ROLES
from tests.serving import Serving, serving, settings_for


class Running:
    """A rollout that is on its way, another that was taken back, and programs that ask about them."""

    def __init__(self, local: Installation, served: Serving, world: World, one: Rollout, failed: Rollout) -> None:
        self.local, self.served, self.world, self.one, self.failed = local, served, world, one, failed
        self._people = {name: local.sign_up(name, *grants) for name, grants in ROLES.items()}
        self._people["Steve"] = local.sign_up("Steve", Grant(Role.DEVELOPER))  # of every service

    def api(self, name: str = "Maxine") -> httpx.Client:
        return self.served.api(self.local.token(self._people[name]))

    def andon(self, *words: str, by: str = "Maxine") -> subprocess.CompletedProcess[str]:
        environment = {"ANDON_URL": self.served.address, "ANDON_TOKEN": self.local.token(self._people[by])}
        return subprocess.run(
            [sys.executable, "-m", "andon", *words],
            env={**environment, "HOME": str(self.local.folder), "PATH": "/usr/bin"},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[Running]:
    folder: Path = tmp_path_factory.mktemp("rollouts-api")
    settings = settings_for(folder / "data", databases.url("sqlite"))
    database = Database(open_engine(settings.database_url), SettableClock())
    local = Installation(database, folder)
    local.create()
    assert isinstance(database.clock, SettableClock)
    world = World(local, database.clock, judge=Statistics())
    local.create(CATALOGUE)
    local.deploy(local.built(service=CATALOGUE), service=CATALOGUE)
    world.deploy()
    failed = world.rollout(world.deploy(failing=0.4))
    found: list[Rollout] = []

    def stop(rollout: Rollout) -> None:
        if len(world.looks(rollout)) > 5:
            found.append(rollout)
            raise Interrupted

    world.asked = stop
    local.request(world.version())
    with pytest.raises(Interrupted):
        local.settle()
    world.asked = lambda _rollout: None
    room = rollouts_room(world.service, world.takeovers, world.foretelling, local.deployments, "http://127.0.0.1")
    with serving(settings, database, (*local.rooms(), room), local.passwords, local.bell) as served:
        yield Running(local, served, world, found[0], failed)


def test_rollouts_are_listed_newest_first(running: Running) -> None:
    listed = running.api().get("/rollouts", params={"of": "store"}).json()["rollouts"]
    assert [one["id"] for one in listed] == [running.one.id, running.failed.id]
    only = running.api().get("/rollouts", params={"running": True}).json()["rollouts"]
    assert [one["id"] for one in only] == [running.one.id]
    assert running.api("Erik").get("/rollouts").json()["rollouts"] == []


def test_one_is_told_with_its_stages_and_the_verdict_of_each_metric(running: Running) -> None:
    found = running.api("Wes").get(f"/rollouts/{running.failed.id}").json()
    assert found["state"] == RolloutState.FAILED
    assert [one["share"] for one in found["stages"]] == [0.05, 0.5]
    assert [one["left"] for one in found["stages"]] == ["failed", None]
    errors = next(one for one in found["metrics"] if one["metric"] == "errors")
    assert errors["verdict"] == "fail"
    assert errors["sentence"] == found["reason"]
    assert found["failed"] > 0
    newest = running.api("Wes").get("/services/store/rollout").json()
    assert newest["id"] == running.one.id
    assert "its time" in newest["waits_for"]
    assert running.api("Erik").get(f"/rollouts/{running.failed.id}").status_code == 404


def test_only_whoever_may_deploy_has_a_say(running: Running) -> None:
    path = f"/rollouts/{running.one.id}/wish"
    refused = running.api("Wes").post(path, json={"wish": "pause"})
    assert refused.status_code == 403
    assert running.api("Maxine").post(path, json={"wish": "sing"}).status_code == 400
    paused = running.api("Maxine").post(path, json={"wish": "pause"})
    assert paused.status_code == 202
    assert (paused.json()["state"], paused.json()["hold"]) == ("paused", "person")
    assert running.api("Maxine").post(path, json={"wish": "pause"}).status_code == 409
    assert running.api("Maxine").post(path, json={"wish": "resume"}).json()["state"] == "running"
    over = running.api("Maxine").post(f"/rollouts/{running.failed.id}/wish", json={"wish": "abort"})
    assert over.status_code == 409
    assert over.json()["code"] == "rollouts.ended"
    assert "is over: it was taken back." in over.text


def test_the_command_shows_the_line_and_a_verdict_for_each_metric(running: Running) -> None:
    shown = running.andon("rollout", "show", "store")
    assert shown.returncode == 0, shown.stderr
    assert (
        f"{running.one.commit[:7]} is on its way to production of store: few, 5 %, waits for its time" in shown.stdout
    )
    assert "◐ few 5 % ── ○ half 50 % ── ○ everybody" in shown.stdout
    assert "Latency (p99)" in shown.stdout
    told = json.loads(running.andon("rollout", "show", "store", "--json").stdout)
    assert told["id"] == running.one.id
    listed = running.andon("rollout", "list").stdout
    assert "taken back" in listed
    assert "on its way" in listed


def test_commands_ask_for_what_they_say(running: Running) -> None:
    paused = running.andon("rollout", "pause", "store", "-e", "production")
    assert paused.returncode == 0, paused.stderr
    assert f"{running.one.commit[:7]} is paused in production of store." in paused.stdout
    assert "somebody paused it" in running.andon("rollout", "show", "store").stdout
    assert running.andon("rollout", "resume", "store").returncode == 0
    refused = running.andon("rollout", "abort", "store", by="Wes")
    assert refused.returncode == 4
    asked = running.andon("rollout", "promote", "store", "--json")
    assert json.loads(asked.stdout)["wish"] == "promote"
    nothing = running.andon("rollout", "show", "nonesuch")
    assert nothing.returncode == 3


def test_a_new_service_takes_over_by_one_command(running: Running) -> None:
    words = ("rollout", "takeover", "store", "production", "--to", "catalogue/production", "--path", "/parts")
    assert running.andon(*words, by="Wes").returncode == 4
    odd = running.andon(*words, "--stages", "half")
    assert "'half' is no share." in odd.stderr
    begun = running.andon(*words, "--stages", "1%, 50%, 100%", "--for", "10m", "--requests", "300", by="Steve")
    assert begun.returncode == 0, begun.stderr
    assert "catalogue/production is taking over /parts/… of store/production: 1 %, waits for its time" in begun.stdout
    assert "nothing can be said of what this takeover could see." in begun.stdout
    name = begun.stdout.rsplit("/", 1)[1].strip()
    found = running.api("Steve").get(f"/rollouts/{name}").json()
    assert (found["deployment"], found["takeover"]["requests"]) == (None, "/parts/…")
    stages = [(one["share"], one["seconds"], one["requests"]) for one in found["stages"]]
    assert stages == [(0.01, 600, 300), (0.5, 600, 300)]
    shown = running.andon("rollout", "show", name)
    assert "◐ 1 % ── ○ 50 % ── ○ everything" in shown.stdout
    assert "not watched" in shown.stdout
    browser = running.served.browser()
    assert browser.sign_in("Steve", PASSWORD).status_code == 303
    page = browser.get(f"/rollouts/{name}").text
    assert "1 % of /parts/… of store production go to catalogue/production" in page
    assert "Everything" in page
    assert "v-0" not in page, "no series has that colour"
    assert f"rollout:{name}" in page
    assert "/parts/… to catalogue/production" in browser.get("/rollouts").text
    assert "began to move" in page, "the record, below"
    assert running.andon("rollout", "promote", name).returncode == 4, "Maxine may not release the other service"
    assert running.andon("rollout", "abort", name).returncode == 0, "she may go back where customers are served"
