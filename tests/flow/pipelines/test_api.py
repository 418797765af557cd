"""Runs over the API and on the terminal, against a real server and a worker beside it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from andon.app.people.room import people_room
from andon.flow.artifacts.room import artifacts_room
from andon.flow.definition.schema import json_schema
from andon.flow.deployments.contract import DeploymentState
from andon.flow.pipelines.adapters import RunAnnouncer
from andon.flow.pipelines.contract import RunState
from andon.flow.pipelines.room import pipelines_room
from andon.flow.sources.contract import NO_COMMIT, BranchPushed, PushId
from tests.flow.pipelines.line import SHOP, Line, wait_for
from tests.forking import forks
from tests.serving import PASSWORD, Serving, quick_passwords, serving, settings_for

YAML = """\
stages:
  commit:
    jobs:
      unit:
        run: |
          printf '\\033[31mred\\033[0m <b>text</b>\\n'
          mkdir r
          echo '<testsuite><testcase name="ok"/>' >r/u.xml
          echo '<testcase name="bad"><failure>why</failure></testcase></testsuite>' >>r/u.xml
          test -e app/good
        reports: [r/*.xml]
package: {files: [app/**]}
run:
  web: {command: ./app/serve}
"""


@dataclass
class Site:
    line: Line
    server: Serving

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.line.data),
            "ANDON_URL": self.server.address,
            "ANDON_TOKEN": self.server.operator,
        }
        return forks().run(words, environment, folder=self.line.data)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    data = tmp_path_factory.mktemp("site")
    line = Line(data)
    line.create()
    settings = settings_for(data, f"sqlite:///{data / 'andon.db'}")
    rooms = (
        pipelines_room(
            database=line.database,
            service=line.service,
            progress=line.progress,
            execution=line.execution,
            runner=line.runner,
            workflows=line.workflows,
            artifacts=line.artifacts,
            console=settings.address,
            keep_days=90,
            schema=json_schema(),
        ),
        artifacts_room(line.database, line.artifacts),
        people_room(settings, quick_passwords()),
    )
    line.start()
    try:
        with serving(settings, line.database, rooms, quick_passwords()) as server:
            yield Site(line, server)
    finally:
        line.stop()


@pytest.fixture(scope="module")
def api(site: Site) -> httpx.Client:
    return site.server.api()


@pytest.fixture(scope="module")
def passed(site: Site) -> str:
    """The id of a run that passed."""
    commit = site.line.push({"andon.yaml": YAML, "app/good": "", "app/serve": "#!/bin/sh\n"})
    return site.line.await_run(commit).run


@pytest.fixture(scope="module")
def failed(site: Site, passed: str) -> str:
    """The id of a run that failed, after the one that passed."""
    commit = site.line.push({"andon.yaml": YAML, "app/serve": "#!/bin/sh\n"})
    return site.line.await_run(commit).run


def test_runs_are_listed_page_by_page(api: httpx.Client, passed: str, failed: str) -> None:
    first = api.get("/runs", params={"service": "shop", "limit": 1}).json()
    assert [one["id"] for one in first["runs"]] == [failed]
    second = api.get("/runs", params={"older_than": first["next"], "limit": 1}).json()
    assert [one["id"] for one in second["runs"]] == [passed]
    assert second["next"] is None
    only = api.get("/runs", params={"in_state": "passed"}).json()["runs"]
    assert [(one["id"], one["number"]) for one in only] == [(passed, 1)]
    commit = only[0]["commit"]
    assert [one["id"] for one in api.get("/runs", params={"commit": commit[:8]}).json()["runs"]] == [passed]
    assert api.get("/runs", params={"commit": "ab"}).status_code == 400


def test_a_run_tells_its_jobs_and_how_long_they_usually_take(api: httpx.Client, passed: str, failed: str) -> None:
    found = api.get(f"/runs/{failed}").json()
    assert found["run"]["state"] == "failed"
    assert found["run"]["reason"] == "commit: unit failed (1 of 2 tests)"
    unit = found["jobs"][0]
    assert (unit["name"], unit["failure"], unit["tests"], unit["tests_failed"]) == ("unit", "exit", 2, 1)
    assert unit["expected"] > 0
    assert found["run"]["stages"][0]["expected"] > 0
    assert found["package"] is None
    assert api.get("/services/shop/runs/1").json()["package"]
    compared = api.get(f"/runs/{failed}/comparison").json()
    assert (compared["run"], compared["number"]) == (passed, 1)
    assert [(one["name"], one["before_state"], one["state"]) for one in compared["jobs"]] == [
        ("unit", "passed", "failed"),
        ("package", "passed", "skipped"),
    ]
    assert api.get(f"/runs/{passed}/comparison").json()["run"] is None


def test_tests_come_with_their_history(api: httpx.Client, failed: str) -> None:
    job = api.get(f"/runs/{failed}").json()["jobs"][0]["id"]
    found = api.get(f"/jobs/{job}/tests").json()
    assert found["total"] == 2
    assert [one["name"] for one in found["tests"]] == ["bad", "ok"]
    assert found["tests"][0]["message"] == "why"
    assert found["tests"][0]["history"] == ["failed", "failed"]


def test_a_log_is_read_searched_and_downloaded(api: httpx.Client, failed: str) -> None:
    job = api.get(f"/runs/{failed}").json()["jobs"][0]["id"]
    page = api.get(f"/jobs/{job}/log").json()
    assert page["complete"]
    assert [one["name"] for one in page["sections"]] == ["setup", "command", "reports"]
    red = next(one for one in page["lines"] if one["section"] == "command")
    assert [text for text, _ in red["spans"]] == ["red", " <b>text</b>"]
    assert red["spans"][0][1]
    assert api.get(f"/jobs/{job}/log", params={"start": red["n"], "limit": 1}).json()["lines"] == [red]
    assert api.get(f"/jobs/{job}/log/search", params={"q": "RED"}).json() == {"matches": [red["n"]], "more": False}
    text = api.get(f"/jobs/{job}/log/text")
    assert text.headers["content-type"].startswith("text/plain")
    assert "\nred <b>text</b>\n" in text.text
    assert api.get(f"/jobs/{job}/log", params={"attempt": 7}).status_code == 404
    assert api.get(f"/jobs/{job}/log", params={"start": 0}).status_code == 400


def test_a_log_is_waited_for(site: Site, api: httpx.Client) -> None:
    commit = site.line.push(
        {"andon.yaml": "stages:\n  commit:\n    jobs:\n      slow: {run: 'sleep 1; echo late; sleep 600'}\n"}
    )
    run = site.line.await_run(commit, RunState.RUNNING).run
    job = wait_for(lambda: next((one for one in site.line.jobs(run).values() if one.attempt), None))
    begun = wait_for(lambda: ((page := api.get(f"/jobs/{job.id}/log").json())["total"] and page) or None)
    more = api.get(f"/jobs/{job.id}/log", params={"start": begun["next"], "wait": 30}).json()
    assert [one["spans"][0][0] for one in more["lines"]] == ["late"]
    assert not more["complete"]
    assert api.post(f"/jobs/{job.id}/retry").status_code == 409
    assert api.post(f"/runs/{run}/cancel").status_code == 202
    assert site.line.await_run(commit).state is RunState.CANCELLED
    assert api.post(f"/runs/{run}/cancel").status_code == 409
    assert api.post(f"/runs/{run}/proceed").status_code == 409


def test_other_peoples_runs_are_not_there(site: Site, api: httpx.Client, passed: str, failed: str) -> None:
    site.server.administrator()
    site.server.person("Brent", [{"role": "operator", "service": "other"}])
    signed_in = httpx.post(
        f"{site.server.address}/api/v1/sign-in", json={"name": "Brent", "password": PASSWORD, "label": "x"}
    )
    assert signed_in.status_code == 201, signed_in.text
    made = api.get(f"/runs/{passed}").json()
    job, digest = made["jobs"][0]["id"], made["package"]
    outsider = site.server.api(signed_in.json()["secret"])
    for path in (
        f"/runs/{passed}",
        f"/runs/{passed}/comparison",
        "/services/shop/runs/1",
        f"/jobs/{job}",
        f"/jobs/{job}/tests",
        f"/jobs/{job}/log",
        f"/jobs/{job}/log/search?q=x",
        f"/jobs/{job}/log/text",
        f"/artifacts/{digest}",
        f"/artifacts/{digest}/content",
        "/runs?service=shop",
        "/artifacts?service=shop",
    ):
        answer = outsider.get(path)
        assert answer.status_code == 404, path
    for path in (f"/runs/{passed}/cancel", f"/runs/{passed}/proceed", f"/jobs/{job}/cancel", f"/jobs/{job}/retry"):
        here, nowhere = outsider.post(path), outsider.post(path.replace(passed, passed[:-4] + "0000"))
        assert here.status_code == 404, path
        if path.startswith("/runs"):
            assert here.json()["message"] == nowhere.json()["message"]
    assert outsider.post("/runs", json={"service": "shop", "revision": "main"}).status_code == 404
    assert outsider.get("/runs").json()["runs"] == []
    assert outsider.get("/artifacts").json()["artifacts"] == []


def test_a_package_is_shown_and_downloaded(api: httpx.Client, passed: str) -> None:
    digest = api.get(f"/runs/{passed}").json()["package"]
    listed = api.get("/artifacts", params={"service": "shop"}).json()["artifacts"]
    assert [one["digest"] for one in listed] == [digest]
    shown = api.get(f"/artifacts/{digest[:12]}").json()
    assert (shown["run"], shown["files"], shown["builder"]) == (passed, 2, "andon tests")
    content = api.get(f"/artifacts/{digest}/content")
    assert len(content.content) == shown["size"]
    assert api.get("/artifacts/00000000").status_code == 404
    assert api.get("/artifacts/..%2f..%2fandon.db/content").status_code in {400, 404}


def test_the_schema_is_there_for_editors(site: Site) -> None:
    found = httpx.get(f"{site.server.address}/schema/andon.json")
    assert found.status_code == 200
    assert found.json()["title"] == "andon.yaml"


def test_runs_on_the_terminal(site: Site, passed: str, failed: str) -> None:
    listed = site.command("runs", "--state", "passed")
    assert listed.returncode == 0, listed.stderr
    assert listed.stdout.splitlines()[0].startswith("shop#1\tpassed\t")
    assert "unit\t✗ failed\t1\t" in site.command("runs", "show", "shop#2").stdout
    assert site.command("runs", "show", "99").returncode == 2, "no checkout says which service is meant"
    assert "red <b>text</b>" in site.command("logs", "shop#2").stdout
    packages = json.loads(site.command("artifacts", "--json").stdout)["artifacts"]
    assert [one["run"] for one in packages] == [passed]


def test_a_run_is_followed_to_its_end(site: Site, api: httpx.Client, passed: str, failed: str) -> None:
    good, bad = (api.get(f"/runs/{one}").json()["run"]["commit"] for one in (passed, failed))
    followed = site.command("run", good, "--service", "shop")
    assert followed.returncode == 0, followed.stderr
    lines = followed.stdout.splitlines()
    assert any(line.startswith("commit passed after ") for line in lines)
    assert lines[-1].startswith(f"{site.server.address}/runs/run_")
    followed = site.command("run", bad, "--service", "shop")
    assert followed.returncode == 1
    assert "commit/unit: it ended with exit code 1" in followed.stdout
    assert "red <b>text</b>" in followed.stdout, "the failing lines come at once"
    assert "did not pass" in followed.stderr
    again = api.get("/runs", params={"limit": 1}).json()["runs"][0]
    retried = site.command("retry", f"shop#{again['number']}")
    assert retried.returncode == 0, retried.stderr
    assert site.command("runs", "show", again["id"], "--watch").returncode == 1
    assert api.get(f"/runs/{again['id']}").json()["jobs"][0]["attempt"] == 2


def test_a_pusher_is_told_of_the_run_and_how_it_goes_on(site: Site, failed: str) -> None:
    line = site.line
    announcer = RunAnnouncer(
        database=line.database, bell=line.bell, service=line.service, folders=line.runner.folders, console="http://here"
    )
    pushed = [one for one in line.events(BranchPushed) if isinstance(one, BranchPushed)][1]
    (told,) = announcer.announce([pushed])
    number = line.run_of(pushed.commit)
    assert number is not None
    assert told == f"run {number.number} of {SHOP}: http://here/runs/{number.run}"
    said = [one for one in announcer.follow([pushed]) if one]
    assert said[0] == "commit"
    assert any(one.startswith("  ✗ unit  failed") for one in said)
    assert any("red <b>text</b>" in one for one in said)
    assert said[-1] == f"http://here/runs/{number.run}"


@pytest.mark.parametrize("refused", [True, False])
def test_a_failed_deployment_is_named_where_no_job_failed(site: Site, refused: bool) -> None:
    """On the terminal, by retry and logs alike. ``refused``: it was never begun."""
    deploying = YAML.replace("package:", "  production: {environment: production}\npackage:", 1)
    deploying += "environments:\n  production: {}\n"
    site.line.deployments.outcome = DeploymentState.FAILED
    site.line.deployments.missing = "production has no value for KEY." if refused else ""
    try:
        pushed = site.line.push({"andon.yaml": deploying, "app/good": str(refused), "app/serve": "#!/bin/sh\n"})
        run = site.line.await_run(pushed, RunState.FAILED)
    finally:
        site.line.deployments.outcome, site.line.deployments.missing = DeploymentState.SUCCEEDED, ""
    assert run.state is RunState.FAILED, run.reason
    for command in ("retry", "logs"):
        said = site.command(command, f"shop#{run.number}")
        assert said.returncode == 5, said.stderr
        assert said.stdout == ""
        assert f"No job of run shop#{run.number} failed: the deployment of its stage production did" in said.stderr
        assert f"andon deploy shop production {pushed[:7]}" in said.stderr
        assert ("has no value for KEY" in said.stderr) is refused
        assert (f"{site.server.address}/deployments/dep_" in said.stderr) is not refused
    assert site.command("logs", f"shop#{run.number}", "--job", "unit").returncode == 0


@pytest.mark.parametrize("files", [{"andon.yaml": "nonsense: 1\n"}, {"README": "no definition"}])
def test_a_pusher_is_promised_no_run_where_the_definition_is_refused(site: Site, files: dict[str, str]) -> None:
    """The faults are told by the push itself; nothing is waited for."""
    line = site.line
    announcer = RunAnnouncer(
        database=line.database, bell=line.bell, service=line.service, folders=line.runner.folders, console="http://here"
    )
    pushed = BranchPushed(
        push=PushId("push_refused"),
        service=SHOP,
        branch="refused",
        before=NO_COMMIT,
        commit=line.commit(files, "refused"),
        forced=False,
    )
    assert list(announcer.announce([pushed])) == []
    assert list(announcer.follow([pushed])) == []
