"""The deploy console, a deployment and the history, as people with different roles see them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import quote

import pytest

from andon.flow.deployments.contract import DeploymentState, DeploymentView
from andon.flow.environments.memory import Behaviour
from andon.flow.routing.contract import Served
from andon.flow.sources.contract import CommitHash
from andon.kernel.access import SYSTEM
from tests.databases import Databases
from tests.flow.installation import STORE, Installation, definition
from tests.flow.refuting import refute
from tests.flow.site import Site, open_site

PRODUCTION = "/services/store/environments/production"
CONSOLE = f"{PRODUCTION}/deploy"
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[Site]:
    with open_site(tmp_path_factory.mktemp("site"), databases) as opened:
        yield opened


def heading(page: str) -> str:
    found = re.search(r"<h1>(.*?)</h1>", page, re.DOTALL)
    assert found, "the page has no heading"
    return words(found[1])


def words(markup: str) -> str:
    """What is read, without tags and in one line."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", markup)).split())


def buttons(page: str) -> list[str]:
    """The labels of what can be done: buttons of forms, and summaries that open one."""
    forms = re.findall(r"<button class=\"button[^>]*type=\"submit\">(.*?)</button>", page, re.DOTALL)
    return [words(one) for one in forms]


def newest(installation: Installation) -> DeploymentView:
    with installation.database.reading() as reading:
        return installation.deployments.recent(reading, STORE, limit=1)[0]


def two_versions(installation: Installation) -> tuple[CommitHash, CommitHash]:
    """What runs, and what could go."""
    live = installation.built(message="What runs")
    installation.deploy(live)
    files = {"app/migrations/0002.py": "x = 1\n", "app/web.py": "y = 2\n"}
    return live, installation.built(files, message="What could go")


def test_is_and_could_be_stand_side_by_side_with_the_difference(site: Site) -> None:
    live, could = two_versions(site.installation)
    page = site.page(CONSOLE)
    assert heading(page) == f"Production of store runs {live[:7]}, healthy; {could[:7]} could go"
    read = words(page)
    assert "What runs" in read
    assert "What could go" in read
    assert "1 commit by 1 person · 3 files · 1 migration" in read
    assert "app/migrations/0002.py" in read
    assert f"Deploy {could[:7]} to production" in buttons(page)
    assert f"Rebuild production at {live[:7]}" in buttons(page)


def test_the_button_deploys_and_its_effect_is_seen_in_the_same_place(site: Site) -> None:
    _live, could = two_versions(site.installation)
    browser = site.browser("Maxine")
    answer = browser.submit(CONSOLE, f"{PRODUCTION}/deployments", commit=could)
    assert (answer.status_code, answer.headers["location"]) == (303, CONSOLE)
    waiting = site.page(CONSOLE)
    assert "It is on its way already." in waiting
    assert f"Cancel {could[:7]}" in buttons(waiting)
    site.installation.settle()
    page = site.page(CONSOLE)
    assert heading(page) == f"Production of store runs {could[:7]}, healthy; nothing newer waits"
    assert newest(site.installation).person == site.people["Maxine"].person


def test_failures_of_what_serves_are_told_in_a_line_of_their_own(site: Site) -> None:
    live, _ = two_versions(site.installation)
    assert "set-counted" not in site.page(CONSOLE), "nothing was asked yet"
    counts = site.installation.plane.counts
    found = next(one.id for one in site.installation.place().sets if one.commit == live)
    for failed, shown in (
        (0, '"set-counted">0 of 12,345 requests failed<'),
        (7, '"set-counted s-bad">7 of 12,345 requests failed<'),
    ):
        counts[found] = Served(requests=12_345, failed=failed, active=0)
        assert f"<span class={shown}/span>" in site.page(CONSOLE)


def test_who_may_only_look_gets_no_button_and_no_way_round(site: Site) -> None:
    live, could = two_versions(site.installation)
    site.installation.deploy(could)
    site.installation.built(message="A third")
    page = site.page(CONSOLE, "Wes")
    assert [one for one in buttons(page) if one != "Sign out"] == []
    assert "You may look, and not deploy here." in page
    browser = site.browser("Wes")
    for to, fields in (
        (f"{PRODUCTION}/deployments", {"commit": live}),
        (f"{PRODUCTION}/rollback", {"to": live}),
        (f"{PRODUCTION}/rebuild", {}),
        (f"{PRODUCTION}/contract", {}),
        (f"/deployments/{newest(site.installation).id}/cancel", {}),
    ):
        assert browser.submit("/account", to, **fields).status_code == 403, to
    assert site.installation.live() == could


def test_other_peoples_services_are_not_there(site: Site) -> None:
    _live, could = two_versions(site.installation)
    deployment = newest(site.installation)
    browser = site.browser("Erik")
    unknown = browser.get("/deployments/dep_00000000000000000000000000")
    for path in (CONSOLE, f"{CONSOLE}/now", f"{CONSOLE}/sentence", f"/deployments/{deployment.id}"):
        answer = browser.get(path)
        assert answer.status_code == 404, path
        assert could[:7] not in answer.text
    assert unknown.status_code == 404
    assert words(unknown.text) == words(browser.get(f"/deployments/{deployment.id}").text)
    assert browser.submit("/account", f"{PRODUCTION}/deployments", commit=could).status_code == 404
    assert "store" not in words(browser.get("/deployments").text)
    assert "store" not in words(browser.get("/deploy").text)


def test_names_and_messages_of_others_are_text(site: Site) -> None:
    installation = site.installation
    commit = installation.commit(message=HOSTILE, author=f'{HOSTILE}"')
    installation.build(installation.push(commit), through="production")
    installation.environments.imagine(commit, Behaviour(commands={"expand": 1}, outputs={"expand": HOSTILE}))
    installation.deploy(commit)
    for path in (CONSOLE, "/deployments", f"/deployments/{newest(installation).id}"):
        page = site.page(path)
        assert "alert(1)" in page, path
        assert HOSTILE not in page, path
    answer = site.browser("Maxine").get(f"/services/store/environments/{quote(HOSTILE, safe='')}/deploy")
    assert answer.status_code == 404
    assert HOSTILE not in answer.text
    odd = site.browser("Maxine").get("/deployments", params={"environment": HOSTILE})
    assert HOSTILE not in odd.text


def test_a_build_that_failed_shows_why_and_who_may_overrides_with_a_reason(site: Site) -> None:
    installation = site.installation
    commit = installation.built(through="commit", failed="acceptance", message="Too early")
    for_developers = site.page(CONSOLE)
    assert "Its pipeline failed in acceptance. An administrator may override." in words(for_developers)
    assert "Deploy it all the same" not in for_developers
    page = site.page(CONSOLE, "Patty")
    assert "Deploy it all the same" in page
    patty = site.browser("Patty")
    without = patty.submit(CONSOLE, f"{PRODUCTION}/deployments", commit=commit, override="  ")
    assert without.status_code == 400
    assert "An override needs a reason." in without.text
    made = patty.submit(CONSOLE, f"{PRODUCTION}/deployments", commit=commit, override="The test is wrong")
    assert made.status_code == 303
    shown = site.page(f"/deployments/{newest(installation).id}")
    assert "The test is wrong" in shown
    refused = site.browser("Maxine").submit(CONSOLE, f"{PRODUCTION}/deployments", commit=commit, override="I want it")
    assert refused.status_code == 403


def test_ways_back_say_beforehand_whether_they_are_warm(site: Site) -> None:
    installation = site.installation
    commits = [installation.built(message=f"Version {number}") for number in range(4)]
    for commit in commits:
        installation.deploy(commit)
    page = site.page(CONSOLE)
    read = words(page)
    assert "warm: 3 of its instances still run, so traffic is back at once" in read
    assert "cold: its instances are started and tested first, as in a deployment" in read
    browser = site.browser("Maxine")
    unknown = browser.submit(CONSOLE, f"{PRODUCTION}/rollback", to="f" * 40)
    assert unknown.status_code == 409
    done = browser.submit(CONSOLE, f"{PRODUCTION}/rollback", to=commits[2])
    assert done.status_code == 303
    installation.settle()
    assert installation.live() == commits[2]
    shown = heading(site.page(f"/deployments/{newest(installation).id}"))
    assert shown == f"done Production of store was rolled back to {commits[2][:7]}"
    page = words(site.page(CONSOLE))
    assert f"Return to {commits[3][:7]}" in page, "the way to what is newer is no way back"
    assert "newer than what runs; warm" in page
    assert f"Roll back to {commits[1][:7]}" in page
    assert f"Roll back to {commits[3][:7]}" not in page


def test_an_older_build_says_what_it_would_take_away(site: Site) -> None:
    installation = site.installation
    old = installation.built(message="The old way")
    new = installation.built(message="The new way")
    installation.deploy(new)
    page = site.page(f"{CONSOLE}?commit={old}")
    assert "It takes 1 commit away that runs now" in words(page)
    assert f"Deploy {old[:7]} to production" in buttons(page)


def test_contract_asks_for_the_name_before_a_way_back_is_given_up(site: Site) -> None:
    installation = site.installation
    old, new = two_versions(installation)
    installation.deploy(new)
    patty = site.browser("Patty")
    assert f"It removes what {old[:7]} may need." in words(site.page(CONSOLE, "Patty"))
    refused = patty.submit(CONSOLE, f"{PRODUCTION}/contract")
    assert refused.status_code == 409
    assert old[:7] in refused.text
    wrong = patty.submit(CONSOLE, f"{PRODUCTION}/contract", give_up_rollback="yes", confirm="staging")
    assert wrong.status_code == 400
    right = patty.submit(CONSOLE, f"{PRODUCTION}/contract", give_up_rollback="yes", confirm="production")
    assert right.status_code == 303
    installation.settle()
    assert newest(installation).state is DeploymentState.SUCCEEDED
    assert "given up for the contract migration" in words(site.page(CONSOLE, "Patty"))


def test_a_contract_that_has_run_is_not_offered_again_at_the_price_of_a_way_back(site: Site) -> None:
    installation = site.installation
    folder = definition().replace("  expand: python3", "  folder: sql\n  database: sqlite\n  expand: python3")
    installation.deploy(installation.built({"andon.yaml": folder, "sql/0001_a.contract.sql": "DROP TABLE x;\n"}))
    patty = site.browser("Patty")
    assert patty.submit(CONSOLE, f"{PRODUCTION}/contract").status_code == 303
    installation.settle()
    installation.deploy(installation.built({"page.html": "new\n"}))
    page = words(site.page(CONSOLE, "Patty"))
    assert "Nothing is left to contract." in page
    assert "can then never be rolled back to" not in page


def test_the_queue_names_who_holds_the_lock_and_why(site: Site) -> None:
    installation = site.installation
    first, second = installation.built(message="First"), installation.built(message="Second")
    running = installation.request(first, by=site.people["Maxine"])
    installation.request(second, by=site.people["Patty"])
    with installation.database.transaction() as tx:
        installation.deployments.dispatch(tx, STORE, "production")
    page = site.page(CONSOLE)
    assert heading(page) == f"{first[:7]} is going to production of store: it is about to begin"
    assert f"{first[:7]}, asked for by Maxine, holds the lock of production: it is about to begin; 1 wait." in words(
        page
    )
    assert {f"Cancel {first[:7]}", f"Cancel {second[:7]}"} <= set(buttons(page))
    cancelled = site.browser("Maxine").submit(CONSOLE, f"/deployments/{running}/cancel")
    assert cancelled.headers["location"] == f"/deployments/{running}"


def test_a_failed_deployment_tells_its_steps_commands_and_what_is_safe(site: Site) -> None:
    installation = site.installation
    installation.deploy(installation.built())
    bad = installation.built(message="A bad one")
    installation.environments.imagine(
        bad, Behaviour(commands={"one order": 1}, outputs={"one order": "POST /orders 500\n"})
    )
    installation.deploy(bad, by=site.people["Maxine"])
    page = site.page(f"/deployments/{newest(installation).id}")
    read = words(page)
    assert heading(page).endswith(f"{bad[:7]} did not go to production of store; its traffic was never touched")
    assert "The traffic never left the version that had it." in read
    assert "POST /orders 500" in read
    assert "$ python3 -m smoke --cleanup" in read
    assert "Run by Andon by authority of Maxine, in production of store" in read
    assert "Maxine asked to deploy" in read
    assert "A bad one" in read
    assert "failed here" in words(site.page(CONSOLE))


def test_what_was_refuted_later_says_what_harm_it_did_and_where_the_traffic_is(site: Site) -> None:
    installation = site.installation
    good = installation.deploy(installation.built())
    bad = installation.deploy(installation.built())
    refute(installation, bad)
    shown = words(site.page(f"/deployments/{bad.id}"))
    assert f"{bad.commit[:7]} went to production of store, and telemetry found harm in it later: it is being" in shown
    assert "3 % of requests failed" in shown
    assert f"All traffic is to go back to {good.commit[:7]}." in shown
    installation.settle()
    shown = words(site.page(f"/deployments/{bad.id}"))
    assert "telemetry found harm in it later: it was taken back" in shown
    assert f"{good.commit[:7]} has all traffic again" in shown
    assert "All traffic is to go back" not in shown
    assert "taken back; kept to be looked at" in words(site.page(CONSOLE))


def test_history_is_filtered_by_its_address_and_paged(site: Site) -> None:
    installation = site.installation
    commits = [installation.built(message=f"Version {number}") for number in range(3)]
    installation.deploy(commits[0], "acceptance")
    installation.environments.imagine(commits[1], Behaviour(never_healthy="web 1 never listened"))
    for commit in commits[:2]:
        installation.deploy(commit)
    page = site.page("/deployments")
    assert words(page).count("of store") >= 3
    failed = words(site.page("/deployments?state=failed"))
    assert "State Waits its turn Under way Done Failed before the switch" in failed, "labels begin as elsewhere"
    assert "web 1 never listened" in failed
    assert f"{commits[0][:7]} to" not in failed
    only = words(site.page("/deployments?service=store&environment=acceptance"))
    assert f"{commits[0][:7]} to acceptance of store" in only
    assert "to production of store" not in only
    assert "No deployment is like that." in site.page("/deployments?state=rolled-back")
    odd = site.page("/deployments?state=nonsense&older=nonsense")
    assert "Deployments" in odd


def test_missing_secrets_block_the_button_with_the_command_that_helps(site: Site) -> None:
    secret = definition().replace("    keep_warm: 2", "    keep_warm: 2\n    secrets: [PAYMENT_KEY]")
    site.installation.built({"andon.yaml": secret})
    read = words(site.page(CONSOLE))
    assert "production has no value for PAYMENT_KEY: andon secret set store production PAYMENT_KEY" in read


def test_settings_that_changed_are_named_and_never_shown(site: Site) -> None:
    installation = site.installation
    two_versions(installation)
    with installation.database.transaction() as tx:
        for name, value, secret in (("CURRENCY", "EUR", False), ("PAYMENT_KEY", "sesame", True)):
            installation.configuration.set(tx, SYSTEM, STORE, "production", name, value, secret=secret)
    page = site.page(CONSOLE)
    read = words(page)
    assert "setting CURRENCY set since the last deployment" in read
    assert "setting PAYMENT_KEY set since the last deployment" in read
    assert "sesame" not in page


def test_before_anything_was_built_the_console_says_what_to_do(site: Site) -> None:
    site.installation.push(site.installation.commit())
    page = site.page(CONSOLE)
    assert heading(page) == "Nothing runs in production of store yet"
    assert "git push andon" in page
    assert "What could go to production" in words(site.page("/deploy"))


def test_parts_for_live_updates_are_the_regions_of_the_page(site: Site) -> None:
    two_versions(site.installation)
    page = site.page(CONSOLE)
    for address, identity in (("now", "deploy"), ("sentence", "deploy-sentence"), ("actions", "deploy-actions")):
        part = site.page(f"{CONSOLE}/{address}")
        assert f'id="{identity}"' in part
        assert f'id="{identity}"' in page
        assert "<html" not in part
    view = newest(site.installation)
    for address, identity in (("now", "deployment"), ("sentence", "deployment-sentence")):
        assert f'id="{identity}"' in site.page(f"/deployments/{view.id}/{address}")
    assert 'data-live="environment:store/production service:store"' in page
