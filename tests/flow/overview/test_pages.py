"""The overview and a service's page: what they conclude, and what each reader may see and do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

import pytest

from andon.flow.environments.contract import Health, InstanceHealthChanged
from andon.flow.environments.memory import Behaviour
from andon.flow.pipelines import storage as runs
from andon.flow.pipelines.contract import RunRefused, RunState
from andon.flow.sources.contract import Service
from andon.kernel.access import SYSTEM
from andon.kernel.events import append
from tests.databases import Databases
from tests.flow.installation import STORE, Installation, definition
from tests.flow.refuting import refute
from tests.flow.site import Site, open_site

HOSTILE = "<img src=x onerror=alert(1)>"
MANUAL = {"andon.yaml": definition(when="manual")}


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[Site]:
    with open_site(tmp_path_factory.mktemp("site"), databases) as opened:
        yield opened


def words(markup: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", markup)).split())


def heading(page: str) -> str:
    found = re.search(r"<h1>(.*?)</h1>", page, re.DOTALL)
    assert found, "the page has no heading"
    return words(found[1])


def light(page: str) -> str:
    """The Andon light: its state and its sentence."""
    found = re.search(r'<a class="light s-(\w+)".*?<span class="light-text">(.*?)</span>', page, re.DOTALL)
    assert found, "the page has no light"
    return f"{found[1]}: {words(found[2])}"


def columns(page: str) -> list[str]:
    return [words(one) for one in re.findall(r'<th scope="col"[^>]*>(.*?)</th>', page)]


def make_unhealthy(installation: Installation, count: int) -> None:
    live = installation.place().live
    assert live is not None
    for instance in live.instances[:count]:
        with installation.database.transaction() as tx:
            installation.environments._service.note_health(tx, instance.id, Health.UNHEALTHY, "it answers 500")


def test_an_empty_repository_is_told_how_to_begin(site: Site) -> None:
    page = site.page("/services/store")
    assert heading(page) == "Nothing was pushed to store yet"
    assert "git push andon main" in page
    overview = site.page("/")
    assert heading(overview) == "Nothing serves customers yet in 1 service"
    assert "nothing pushed yet" in overview
    assert light(overview) == "none: Nothing has run yet"


def test_whoever_sees_nothing_is_shown_how_to_add_the_first_repository(site: Site) -> None:
    page = site.page("/", "Erik")
    assert heading(page) == "There is no repository yet"
    for command in ("andon init", "git push andon", "andon login http://127.0.0.1:7766"):
        assert f'data-copy="{command}"' in page
    assert "store" not in page


def test_a_change_in_production_is_said_first_with_its_lead_time_and_who(site: Site) -> None:
    commit = site.installation.built(message="Cache the price list", by=site.people["Maxine"])
    for place in ("acceptance", "production"):
        site.installation.deploy(commit, place, by=site.people["Maxine"])
    page = site.page("/")
    assert heading(page) == f"Production of store runs {commit[:7]}, healthy"
    assert light(page) == "ok: The line is green"
    read = words(page)
    assert "Cache the price list" in read
    assert "lead" in read
    assert "n = 1" in read
    assert "0 % taken back" in read
    assert "Maxine deployed" in read
    assert columns(page) == ["Service", "Newest change", "Acceptance", "Production", "30 days"]


def test_no_deployment_is_no_data(site: Site) -> None:
    site.installation.push(site.installation.commit())
    read = words(site.page("/"))
    assert "no data" in read
    assert "0 %" not in read


def test_a_failed_run_turns_the_light_red_and_waits_for_a_person(site: Site) -> None:
    good = site.installation.built()
    site.installation.deploy(good)
    bad = site.installation.built(through="commit", failed="acceptance", by=site.people["Maxine"])
    page = site.page("/")
    assert light(page) == f"bad: The line of store is stopped: {bad[:7]} failed in acceptance"
    assert heading(page) == f"Production of store runs {good[:7]}, healthy; the line of store is stopped"
    read = words(page)
    assert f"{bad[:7]} of store failed in acceptance" in read
    assert "pushed by Maxine" in read
    assert "See the failure" in read


def test_what_is_refuted_later_stops_the_line_until_a_newer_change_comes(site: Site) -> None:
    local = site.installation
    good = local.built()
    local.deploy(good)
    bad = local.built(by=site.people["Maxine"])
    deployed = local.deploy(bad)
    with local.database.transaction() as tx:
        (run,) = local.pipelines.list_runs(tx, service=STORE, limit=1)
        last = [stage.environment for stage in run.stages].index("production")
        runs.update_stage(tx.connection, run.run, last, deployment=deployed.id)
    assert light(site.page("/")).startswith("ok:")
    refute(local, deployed)
    stopped = f"bad: The line of store is stopped: {bad[:7]} was refuted in production"
    page = site.page("/")
    assert light(page) == stopped
    assert heading(page).endswith("the line of store is stopped")
    assert f"{bad[:7]} of store was refuted in production" in words(page)
    assert f'href="/deployments/{deployed.id}"' in page
    local.settle()
    assert local.live() == good
    assert light(site.page("/services/store")) == stopped, "also when it was taken back"
    local.built()
    assert light(site.page("/")).startswith("ok:")


def test_what_was_brought_by_hand_and_is_refuted_owns_the_light_while_it_serves(site: Site) -> None:
    local = site.installation
    good = local.built()
    local.deploy(good)
    bad = local.built()
    refute(local, local.deploy(bad))
    assert light(site.page("/")) == f"bad: Production of store runs {bad[:7]}, which does harm"
    assert "refuted" in words(site.page("/"))
    local.settle()
    assert local.live() == good
    assert light(site.page("/")).startswith("ok:")


def test_a_faulty_definition_turns_the_light_red_and_its_fault_is_text(site: Site) -> None:
    commit = site.installation.commit()
    with site.installation.database.transaction() as tx:
        refused = RunRefused(service=STORE, commit=commit, branch="main", faults=(f"andon.yaml:3:1: {HOSTILE}",))
        append(tx, refused, by=SYSTEM.actor)
    page = site.page("/")
    assert light(page) == "bad: The line of store is stopped: andon.yaml is faulty"
    assert HOSTILE not in page
    assert "alert(1)" in page
    service = site.page("/services/store")
    assert "has not begun: its andon.yaml is faulty" in words(service)
    assert HOSTILE not in service
    site.installation.push(site.installation.commit())
    assert light(site.page("/")).startswith("ok:")


def test_production_without_a_healthy_instance_is_red_and_with_some_amber(site: Site) -> None:
    site.installation.deploy(site.installation.built())
    make_unhealthy(site.installation, 1)
    page = site.page("/")
    assert light(page) == "warn: Production of store: 2 of 3 healthy"
    assert "2 of 3 healthy" in heading(page)
    make_unhealthy(site.installation, 3)
    page = site.page("/")
    assert light(page) == "bad: Production of store has no healthy instance"
    assert site.installation.events(InstanceHealthChanged)


def test_a_manual_stage_waits_with_the_button_for_who_may(site: Site) -> None:
    installation = site.installation
    commit = installation.commit(STORE, MANUAL, message="Retry the bank once")
    run = installation.push(commit)
    installation.build(run, through="acceptance", state=RunState.WAITING)
    page = site.page("/")
    assert light(page) == f"warn: {commit[:7]} of store waits for a person"
    assert f"Let {commit[:7]} go on to production" in page
    watching = site.page("/", "Wes")
    assert "Retry the bank once" in watching
    assert f"Let {commit[:7]} go on to production" not in watching
    refused = site.browser("Wes").submit("/account", f"/overview/runs/{run}/proceed")
    assert refused.status_code == 403
    assert site.browser("Erik").submit("/account", f"/overview/runs/{run}/proceed").status_code == 404
    done = site.browser("Maxine").submit("/", f"/overview/runs/{run}/proceed")
    assert (done.status_code, done.headers["location"]) == (303, "/")
    assert installation.run(run).state is RunState.QUEUED
    assert "Nobody is waited for." in site.page("/")


def test_what_is_on_its_way_is_drawn_between_the_cells(site: Site) -> None:
    installation = site.installation
    old, new = installation.built(), installation.built(message="On its way")
    installation.deploy(old)
    waits = words(site.page("/"))
    assert "1 change waits for" in waits or "has never been in acceptance" in waits
    installation.request(new, by=site.people["Maxine"])
    with installation.database.transaction() as tx:
        installation.deployments.dispatch(tx, STORE, "production")
    page = site.page("/")
    assert f"{new[:7]} is on its way to production" in page
    assert f"{new[:7]} to production of store" in words(page)


def test_a_failed_first_deployment_is_told_today(site: Site) -> None:
    installation = site.installation
    commit = installation.built()
    installation.environments.imagine(commit, Behaviour(never_healthy="web 1 never listened"))
    installation.deploy(commit, by=site.people["Maxine"])
    read = words(site.page("/"))
    assert f"Andon for Maxine could not deploy {commit[:7]} to production" in read
    assert "web 1 never listened" in read


def test_environments_made_by_hand_stand_beside_the_line(site: Site) -> None:
    installation = site.installation
    commit = installation.built()
    with installation.database.transaction() as tx:
        installation.deployments.create_environment(
            tx, site.people["Maxine"], STORE, commit, name="maxine-try", like="acceptance", time_to_live=3600
        )
    installation.settle()
    assert "1 more place" in site.page("/")
    read = words(site.page("/services/store"))
    assert "maxine-try" in read
    assert "ends in" in read


def test_a_service_shows_its_line_places_runs_and_how_to_push(site: Site) -> None:
    installation = site.installation
    commit = installation.built(message="Cache the price list", by=site.people["Maxine"])
    installation.deploy(commit, by=site.people["Maxine"])
    newer = installation.built(message="Round prices", by=site.people["Maxine"])
    page = site.page("/services/store")
    assert heading(page) == f"Production runs {commit[:7]}, healthy; 1 change waits"
    read = words(page)
    assert f"run 2 · {newer[:7]} on main · Maxine" in read
    assert "git clone http://127.0.0.1:7766/git/store.git" in read
    assert '<a class="button button-plain" href="/services/store/environments/production/deploy">' in page
    assert "You may look at this service, not push to it." in site.page("/services/store", "Wes")


def test_other_peoples_services_and_odd_names_are_not_there(site: Site) -> None:
    for path in ("/services/store", "/services/store/line"):
        assert site.browser("Erik").get(path).status_code == 404
    odd = site.browser("Maxine").get("/services/%3Cscript%3E")
    assert odd.status_code == 404
    assert "<script>" not in odd.text.replace('<script src="', "")
    unknown = site.browser("Patty").get("/services/unknown")
    assert unknown.status_code == 404


def test_commit_messages_and_names_are_text(site: Site) -> None:
    installation = site.installation
    commit = installation.commit(message=HOSTILE, author="A <b>bold</b> one")
    installation.build(installation.push(commit), through="production")
    installation.deploy(commit, "acceptance")
    for path in ("/", "/services/store"):
        page = site.page(path)
        assert "alert(1)" in page
        assert HOSTILE not in page


def test_the_palette_finds_services_places_and_runs_that_one_may_see(site: Site) -> None:
    site.installation.deploy(site.installation.built())
    found = {(one["kind"], one["label"]) for one in site.browser("Wes").get("/palette.json").json()["entries"]}
    assert {("service", "store"), ("environment", "store/production"), ("run", "Run 1 of store")} <= found
    others = {one["label"] for one in site.browser("Erik").get("/palette.json").json()["entries"]}
    assert not any("store" in one for one in others)


def test_the_api_tells_the_same(site: Site) -> None:
    commit = site.installation.built()
    site.installation.deploy(commit, by=site.people["Maxine"])
    token = site.installation.token(site.people["Maxine"])
    status = site.serving.api(token).get("/status").json()
    assert status["light"] == "ok"
    assert status["sentence"] == f"Production of store runs {commit[:7]}, healthy"
    (service,) = status["services"]
    production = service["places"][-1]
    assert (production["environment"], production["commit"], production["by"]) == ("production", commit, "Maxine")
    assert site.serving.api(site.installation.token(site.people["Erik"])).get("/status").json()["services"] == []


def test_regions_answer_with_themselves(site: Site) -> None:
    site.installation.deploy(site.installation.built())
    for address, identity in (("/overview", "overview"), ("/overview/sentence", "overview-sentence")):
        assert f'id="{identity}"' in site.page(address)
        assert f'id="{identity}"' in site.page("/")
    assert 'id="service"' in site.page("/services/store/line")


def test_two_services_with_different_lines_share_the_columns(site: Site) -> None:
    installation = site.installation
    mailer = Service("mailer")
    installation.create(mailer)
    staged = (
        definition()
        .replace(
            "  production:\n    environment: production",
            "  staging:\n    environment: staging\n  production:\n    environment: production",
            1,
        )
        .replace("environments:\n", "environments:\n  staging: {}\n")
    )
    installation.built({"andon.yaml": staged}, service=mailer)
    installation.built()
    page = site.page("/", "Patty")
    assert columns(page)[2:-1] == ["Acceptance", "Staging", "Production"]
    assert "not on its line" in page
