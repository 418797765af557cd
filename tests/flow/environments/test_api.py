"""Environments, configuration and secrets over the API and from the terminal."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from andon.app.people.room import people_room
from andon.flow.configuration.api import configuration_routes
from andon.flow.definition.contract import EnvironmentDefinition
from andon.flow.environments.api import environment_routes
from andon.flow.environments.contract import InstanceReplaced
from andon.flow.sources.adapters.sources import GitSources
from andon.kernel.access import SYSTEM
from andon.web.room import Room
from tests.app.conftest import Terminal
from tests.flow.environments.place import Place, Project, opened_place, wait_until
from tests.serving import Serving, quick_passwords, serving, settings_for


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with opened_place(tmp_path_factory.mktemp("data")) as opened:
        yield opened


@pytest.fixture(scope="module")
def shop(place: Place) -> Project:
    shop = place.service("shop")
    with place.database.transaction() as tx:
        place.configuration.set(tx, SYSTEM, shop.service, "production", "KEY", "correct-horse", secret=True)
    shop.commit("v1", instances=1).go_live()
    return shop


@pytest.fixture(scope="module")
def server(place: Place, shop: Project) -> Iterator[Serving]:
    passwords = quick_passwords()
    settings = settings_for(place.data, f"sqlite:///{place.data / 'andon.db'}")
    rooms = (
        people_room(settings, passwords),
        Room(name="environments", handlers=tuple(environment_routes(place.built.service))),
        Room(name="configuration", handlers=tuple(configuration_routes(place.configuration, GitSources(place.git)))),
    )
    with serving(settings, place.database, rooms, passwords) as running:
        yield running


@pytest.fixture(scope="module")
def api(server: Serving) -> httpx.Client:
    return server.api()


@pytest.fixture
def andon(server: Serving, tmp_path: Path) -> Terminal:
    return Terminal(tmp_path, server.settings.data, server.address)


HERE = "/services/shop/environments/production"


def found(answer: httpx.Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()


def test_what_runs_is_told(api: httpx.Client) -> None:
    (one,) = found(api.get("/environments"))["environments"]
    assert found(api.get(HERE)) == one
    assert found(api.get("/services/shop/environments"))["environments"] == [one]
    (version,) = one["sets"]
    assert (version["standing"], version["state"], version["drift"]) == ("live", "healthy", "")
    assert [(each["process"], each["number"], each["health"]) for each in version["instances"]] == [
        ("web", 1, "healthy")
    ]


def test_an_instances_log_is_read_by_its_name_or_id(api: httpx.Client) -> None:
    # it answers as soon as it has said so; its keeper writes that down a moment later
    wait_until(lambda: "listening\n" in api.get(f"{HERE}/instances/web-1/log/text").text)
    page = found(api.get(f"{HERE}/instances/web-1/log"))
    told = ["".join(text for text, _classes in line["spans"]) for line in page["lines"]]
    assert "listening" in told
    assert found(api.get(f"{HERE}/instances/{page['instance']}/log", params={"start": 0, "limit": 1}))["total"] > 0
    assert found(api.get(f"{HERE}/instances/web-9/log"), 404)


def test_an_instance_is_replaced_by_the_worker(api: httpx.Client, place: Place, shop: Project) -> None:
    before = place.events(InstanceReplaced)
    found(api.post(f"{HERE}/instances/web-1/replace"), 202)
    assert place.events(InstanceReplaced) == before
    place.built.watch.check_health()
    wait_until(lambda: len(place.events(InstanceReplaced)) == len(before) + 1)
    assert shop.get().text == "v1"


def test_an_environment_is_given_more_time(
    api: httpx.Client, andon: Terminal, server: Serving, place: Place, shop: Project
) -> None:
    own = EnvironmentDefinition(name="mine", instances={"web": 1}, time_to_live=3600)
    with place.database.transaction() as tx:
        place.built.service.ensure(tx, SYSTEM, shop.service, own, like="production")
    here = "/services/shop/environments/mine"
    before = datetime.fromisoformat(found(api.get(here))["expires_at"])
    after = found(api.post(f"{here}/extend", json={"by": 7200}))["expires_at"]
    assert datetime.fromisoformat(after) - before == timedelta(hours=2)
    said = andon("env", "extend", "shop", "mine", "--by", "2d")
    assert (said.code, said.err) == (0, "")
    assert "shop/mine lives until" in said.out
    assert datetime.fromisoformat(found(api.get(here))["expires_at"]) - before == timedelta(days=2, hours=2)
    assert "nothing to extend" in found(api.post(f"{HERE}/extend", json={"by": 7200}), 409)["remedy"]
    for by in (0, -1, 1e9, "soon", None):
        found(api.post(f"{here}/extend", json={"by": by}), 400)
    reading = server.api(found(api.post("/tokens", json={"label": "r", "scopes": ["read"]}), 201)["secret"])
    found(reading.post(f"{here}/extend", json={"by": 60}), 403)
    with place.database.transaction() as tx:
        place.built.service.remove(tx, shop.service, "mine", reason="done", by=SYSTEM.actor)
    assert "it has ended" in found(api.post(f"{here}/extend", json={"by": 60}), 404)["message"]


def test_other_peoples_services_are_not_there(server: Serving) -> None:
    stranger = server.person("Stranger", [{"role": "operator", "service": "other"}])
    prefix = f"{server.address}/api/v1"
    for path in (HERE, "/services/shop/environments", f"{HERE}/config", f"{HERE}/instances/web-1/log"):
        assert stranger.get(prefix + path).status_code == 404, path
    assert stranger.get(f"{prefix}/environments").json() == {"environments": []}
    assert httpx.get(prefix + HERE, trust_env=False).status_code == 401


def test_configuration_and_secrets(api: httpx.Client) -> None:
    set_ = found(api.put(f"{HERE}/config", json={"values": {"REGION": "us", "GREETING": "hi"}}))
    shown = {one["name"]: one["value"] for one in set_["values"]}
    assert shown == {"REGION": "us", "GREETING": "hi", "KEY": None}
    found(api.put(f"{HERE}/config", json={"values": {"GOOD": "x", "bad": "y"}}), 400)
    assert "GOOD" not in api.get(f"{HERE}/config").text
    found(api.put(f"{HERE}/secrets/OTHER", json={"value": ""}), 400)
    found(api.put(f"{HERE}/config", json={"values": {"EMPTY": ""}}))
    assert api.delete(f"{HERE}/config/EMPTY").status_code == 204
    answer = api.put(f"{HERE}/secrets/OTHER", json={"value": "battery-staple"})
    assert answer.status_code == 200
    assert "battery-staple" not in answer.text
    assert "battery-staple" not in api.get(f"{HERE}/config").text
    assert api.delete(f"{HERE}/secrets/OTHER").status_code == 204
    assert api.delete(f"{HERE}/config/REGION").status_code == 204
    found(api.delete(f"{HERE}/config/KEY"), 404)
    found(api.get("/services/nothing/environments/production/config"), 404)
    found(api.get("/services/shop/environments/No/config"), 400)


def test_the_terminal_says_the_same(andon: Terminal) -> None:
    listed = andon("env", "list", "--json")
    assert listed.code == 0, listed.err
    assert listed.json["environments"][0]["name"] == "production"
    assert "healthy" in andon("env", "show", "shop", "production").out
    wait_until(lambda: "listening" in andon("env", "logs", "shop", "production").out)
    assert andon("env", "show", "shop", "staging").code == 3
    for service, environment, said in (
        ("shp", "production", "There is no service 'shp'; did you mean 'shop'?"),
        ("quite-another", "production", "There is no service 'quite-another'."),
        ("shop", "prodution", "There is no environment 'prodution' of shop; did you mean 'production'?"),
    ):
        told = andon("env", "show", service, environment)
        assert (told.code, said in told.err) == (3, True), told.err
    restarted = andon("env", "restart", "shop", "production")
    assert (restarted.code, "web-1: will be replaced" in restarted.out) == (0, True)
    assert andon("config", "set", "shop", "production", "COLOUR=blue=green").code == 0
    assert "blue=green" in andon("config", "list", "shop", "production").out
    assert andon("config", "set", "shop", "production", "COLOUR").code == 2
    assert andon("config", "unset", "shop", "production", "COLOUR").code == 0
    typed = andon("secret", "set", "shop", "production", "TOKEN", typed="battery-staple\n")
    assert typed.code == 0, typed.err
    assert "battery-staple" not in typed.out + andon("secret", "list", "shop", "production").out
    assert "TOKEN" in andon("secret", "list", "shop", "production").out
    before = andon("secret", "list", "shop", "production", "--json").json["version"]
    nothing = andon("secret", "set", "shop", "production", "TOKEN")
    assert (nothing.code, "Nothing was given as the value of TOKEN." in nothing.err) == (2, True), nothing.err
    assert andon("secret", "list", "shop", "production", "--json").json["version"] == before
    assert andon("secret", "unset", "shop", "production", "TOKEN").code == 0


def test_following_a_log_shows_what_comes(andon: Terminal, shop: Project) -> None:
    process = andon.start("env", "logs", "shop", "production", "-f", "-n", "1")
    try:
        assert process.stdout is not None
        assert process.stdout.readline()
    finally:
        process.kill()
        try:
            process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            pytest.fail("it did not end")
