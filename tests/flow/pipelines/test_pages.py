"""The pages of runs, without a browser: what they say, what they offer to whom, and what they never let through."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from andon.flow.pipelines.contract import FailureKind, JobId, JobState, RunId, StageState
from andon.flow.pipelines.model import Expected, Job, JobKind, JobResult, Stage, TestCase, TestState
from andon.flow.pipelines.pages.graph import Axis, critical_path, draw
from andon.flow.pipelines.pages.refused import read_faults
from andon.flow.sources.contract import Service
from andon.kernel.access import Principal, Role
from andon.kernel.db import Database, open_engine
from andon.kernel.logs.layout import CLOSED
from tests.databases import Databases
from tests.flow.installation import definition, roles
from tests.flow.pipelines.shown import Console, Shown, console_of

HOSTILE = "<img src=x onerror=alert(1)> & \x1b[31mred"
BRANCH = "feature/<b>bold</b>"
LOG = b"\x1b[32mok\x1b[0m first\n<script>alert('log')</script>\nAssertionError: \x1b[1;31mno\x1b[0m stock\n"
JOB_FAILED = JobResult(
    outcome=JobState.FAILED,
    failure=FailureKind.EXIT,
    exit_code=1,
    tests=(
        TestCase(suite="shop", name="test_basket", state=TestState.PASSED, seconds=0.2, message=""),
        TestCase(
            suite="shop", name="test_<i>date</i>", state=TestState.FAILED, seconds=0.1, message="<u>not</u> today"
        ),
    ),
)


SHORT = """
stages:
  commit:
    jobs:
      unit: {run: python3 -m unittest}
  production:
    environment: production
    when: WHEN
package:
  files: [app/**]
run:
  web: {command: exec python3 -m app, port: 8000}
environments:
  production: {instances: 1}
"""


@dataclass
class Seeded:
    console: Console
    shown: Shown
    maxine: Principal
    passed: RunId
    failed: RunId
    running: RunId
    waiting: RunId
    branch: RunId

    def page(self, path: str, who: Principal | None = None) -> str:
        with self.console.browser(who or self.maxine) as browser:
            answer = browser.get(path)
        assert answer.status_code == 200, (path, answer.status_code, answer.text[:500])
        return answer.text

    def person(self, name: str, *given: Role, service: str | None = None) -> Principal:
        return self.shown.sign_up(name, *roles(*given, service=service))


@pytest.fixture(scope="module")
def seeded(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seeded]:
    """Runs of the store in every state; tests only read them."""
    yield from seed(Database(open_engine(databases.url("sqlite"))), tmp_path_factory.mktemp("runs"))


@dataclass
class Workshop:
    """A service of a test's own beside the others, with runs that it may change."""

    seeded: Seeded
    service: Service

    def push(self, *, when: str = "automatic") -> RunId:
        shown = self.seeded.shown
        commit = shown.commit(self.service, {"andon.yaml": SHORT.replace("WHEN", when)}, message="Change it")
        return shown.push(commit, by=self.seeded.maxine, service=self.service)

    def running(self) -> RunId:
        run = self.push()
        self.seeded.shown.enter(run, 0)
        self.seeded.shown.start_job(run, "unit", says=b"still at it\n")
        return run

    def failed(self) -> RunId:
        run = self.push()
        shown = self.seeded.shown
        shown.enter(run, 0)
        shown.start_job(run, "unit", says=LOG)
        shown.end_job(run, "unit", JOB_FAILED)
        shown.end_stage(run, 0)
        return run

    def waiting(self) -> RunId:
        run = self.push(when="manual")
        self.seeded.shown.pass_jobs(run, 0)
        assert not self.seeded.shown.deploy_stage(run, 1)
        return run


@pytest.fixture
def own(seeded: Seeded, request: pytest.FixtureRequest) -> Workshop:
    name = Service(f"w{abs(hash(request.node.name)) % 10**8}")
    seeded.shown.create(name)
    return Workshop(seeded, name)


def seed(database: Database, folder: Path) -> Iterator[Seeded]:
    shown = Shown(database, folder)
    maxine = shown.sign_up("Maxine Chambers", *roles(Role.ADMINISTRATOR))
    shown.create()

    def push(message: str, *, when: str = "automatic", branch: str = "main") -> RunId:
        commit = shown.commit(files={"andon.yaml": definition(when=when)}, message=message, branch=branch)
        return shown.push(commit, by=maxine, branch=branch)

    passed = push("Show the stock")
    shown.pass_jobs(passed, 0)
    shown.deploy_stage(passed, 1)
    shown.pass_jobs(passed, 1)
    shown.deploy_stage(passed, 2)
    assert shown.enter(passed, 2)
    shown.end_stage(passed, 2)

    failed = push(HOSTILE)
    shown.pass_jobs(failed, 0)
    shown.deploy_stage(failed, 1)
    shown.enter(failed, 1)
    shown.start_job(failed, "journeys", says=LOG)
    shown.end_job(failed, "journeys", JOB_FAILED)
    shown.end_stage(failed, 1)

    branch = push("Try it", branch=BRANCH)
    shown.refuse({"andon.yaml": "stages:\n  commit:\n    jobs:\n      unit: {run: a, timout: 5m}\n"}, by=maxine)

    waiting = push("Hold it", when="manual")
    shown.pass_jobs(waiting, 0)
    shown.deploy_stage(waiting, 1)
    shown.pass_jobs(waiting, 1)
    assert not shown.deploy_stage(waiting, 2)

    running = push("Go on")
    shown.enter(running, 0)
    shown.start_job(running, "unit", says=b"still at it\n")
    with console_of(shown) as console:
        yield Seeded(console, shown, maxine, passed, failed, running, waiting, branch)


def text_of(page: str) -> str:
    """What a reader sees of a page, on one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def heading(page: str) -> str:
    found = re.search(r"<h1>(.*?)</h1>", page, re.S)
    assert found
    return text_of(found[1])


def buttons(page: str) -> list[str]:
    return [text_of(one) for one in re.findall(r'<button[^>]*type="submit"[^>]*>(.*?)</button>', page, re.S)]


# What they say


@pytest.mark.parametrize(
    ("which", "says"),
    [
        ("passed", "passed Run 1 of store passed and runs in production"),
        ("failed", "failed Run 2 of store failed in acceptance: journeys (1 of 2 tests)"),
        ("branch", "queued Run 3 of store waits to begin"),
        ("waiting", "waits for a person Run 4 of store waits to go on to production"),
        ("running", "running Run 5 of store is in commit: 0 of 2 jobs passed"),
    ],
)
def test_a_run_opens_with_its_conclusion(seeded: Seeded, which: str, says: str) -> None:
    assert heading(seeded.page(f"/runs/{getattr(seeded, which)}")) == says


def test_the_line_goes_from_the_commit_to_confirmed(seeded: Seeded) -> None:
    page = seeded.page(f"/runs/{seeded.passed}")
    stations = [text_of(one) for one in re.findall(r'<span class="station-name">(.*?)</span>', page, re.S)]
    assert stations == ["Commit", "Build", "Acceptance", "Production", "Confirmed"]
    failed = text_of(seeded.page(f"/runs/{seeded.failed}"))
    assert "Acceptance failed" in failed
    assert "Production not reached" in failed
    assert "Production was not touched." in failed


def test_a_failed_run_shows_the_job_that_failed_with_its_log(seeded: Seeded) -> None:
    page = seeded.page(f"/runs/{seeded.failed}")
    assert "<h2>journeys</h2>" in page
    assert "failed: 1 of 2 tests" in page
    assert "AssertionError: " in page  # drawn by the server, for readers without script
    assert 'data-log-jump="error"' in page
    assert 'data-log-complete="true"' in page


def test_failed_tests_come_first_with_their_past(seeded: Seeded) -> None:
    page = seeded.page(f"/runs/{seeded.failed}?job=acceptance/journeys&tab=tests")
    assert page.index("test_&lt;i&gt;date&lt;/i&gt;") < page.index("test_basket")
    assert "&lt;u&gt;not&lt;/u&gt; today" in page
    assert "Last 1 result: 1 failed" in page


def test_a_job_can_be_chosen_by_name_or_by_id(seeded: Seeded) -> None:
    job = seeded.shown.job(seeded.passed, "unit")
    for asked in ("commit/unit", job.id):
        page = seeded.page(f"/runs/{seeded.passed}?job={asked}")
        assert "<h2>unit</h2>" in page
        assert "unit says so" in page


def test_a_package_shows_its_digest_and_where_it_comes_from(seeded: Seeded) -> None:
    page = text_of(seeded.page(f"/runs/{seeded.passed}?job=commit/package&tab=package"))
    assert "sha256:" in page
    assert "Builder andon 0.1.0" in page
    definition_tab = text_of(seeded.page(f"/runs/{seeded.passed}?job=commit/unit&tab=definition"))
    assert "python3 -m unittest" in definition_tab


def test_the_deployment_of_a_stage_shows_its_steps(seeded: Seeded) -> None:
    page = text_of(seeded.page(f"/runs/{seeded.passed}?job=production/"))
    assert "deploy to production deployed" in page
    assert "Smoke" in page


def test_a_run_that_waits_says_who_may_let_it_go_on(seeded: Seeded, own: Workshop) -> None:
    brent = seeded.person("Brent Geller", Role.DEVELOPER, service=own.service)
    contributor = seeded.person("Shannon Bell", Role.CONTRIBUTOR, service=own.service)
    address = f"/runs/{own.waiting()}"
    assert "You may let it go on. So may Brent Geller." in seeded.page(address)
    page = seeded.page(address, contributor)
    assert "Maxine Chambers and Brent Geller may let it go on." in page
    assert not [one for one in buttons(page) if one.startswith("Let ")]
    assert [one for one in buttons(seeded.page(address, brent)) if one.startswith("Let ")]


def test_nonsense_in_the_address_shows_the_run_all_the_same(seeded: Seeded) -> None:
    for words in ("job=nothing/there", "tab=<b>", "attempt=99", "attempt=x", "job=%00", "job=commit/&tab=package"):
        assert "Run 2 of store failed" in seeded.page(f"/runs/{seeded.failed}?{words}")


# The list


def test_the_list_shows_every_run_and_what_was_refused(seeded: Seeded) -> None:
    page = seeded.page("/runs?service=store")
    assert heading(page) == "3 runs are under way of store"
    for number in range(1, 6):
        assert f'<span class="run-name">store {number}</span>' in page
    assert "unknown key &#39;timout&#39;" in page


def test_a_refused_push_shows_every_fault_with_its_place(seeded: Seeded) -> None:
    found = re.search(r'href="(/runs/refused/[^"]+)"', seeded.page("/runs?service=store&state=refused"))
    assert found
    page = seeded.page(found[1])
    assert "its andon.yaml has 1 fault" in heading(page)
    assert "<code>andon.yaml:4:22</code>" in page
    assert "what is deployed stays as it is" in page


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        ("state=failed", {2}),
        ("state=passed", {1}),
        ("state=open", {3, 4, 5}),
        ("state=refused", set()),
        ("branch=feature/%3Cb%3Ebold%3C/b%3E", {3}),
        ("state=waiting", {4}),
        ("branch=nothing", set()),
    ],
)
def test_filters_are_in_the_address(seeded: Seeded, words: str, numbers: set[int]) -> None:
    page = seeded.page(f"/runs?service=store&{words}")
    assert {int(one) for one in re.findall(r'run-name">store (\d+)<', page)} == numbers
    assert 'aria-current="true"' in page


def test_the_list_is_paged_by_a_cursor_and_loses_nothing(seeded: Seeded, own: Workshop) -> None:
    shown = seeded.shown
    commit = shown.run(own.push()).commit
    for turn in range(33):
        shown.push(commit, by=seeded.maxine, service=own.service)
        if turn % 10 == 0:
            shown.refuse({"andon.yaml": f"stages: {turn}\n"}, by=seeded.maxine, service=own.service)
    seen: list[str] = []
    address: str | None = f"/runs?service={own.service}"
    while address:
        page = seeded.page(address)
        rows = re.findall(r'<p class="row-title"><a href="([^"]+)"', page)
        assert 0 < len(rows) <= 30
        seen += rows
        older = re.search(r'rel="next" href="([^"]+)"', page)
        address = html.unescape(older[1]) if older else None
    assert len(seen) == len(set(seen)) == 34 + 4


def test_a_branch_of_which_every_push_was_refused_can_be_chosen(seeded: Seeded, own: Workshop) -> None:
    own.push()
    seeded.shown.refuse({"andon.yaml": "stages: 1\n"}, by=seeded.maxine, service=own.service, branch="shelves")
    page = seeded.page(f"/runs?service={own.service}")
    assert f"/runs?service={own.service}&amp;branch=shelves" in page
    assert "andon.yaml" in seeded.page(f"/runs?service={own.service}&branch=shelves")


def test_nothing_yet_says_what_to_type(databases: Databases, tmp_path: Path) -> None:
    shown = Shown(Database(open_engine(databases.url("sqlite"))), tmp_path)
    maxine = shown.sign_up("Maxine", *roles(Role.ADMINISTRATOR))
    with console_of(shown) as console, console.browser(maxine) as browser:
        page = browser.get("/runs").text
        assert "andon init" in page
        shown.create()
        assert "git push andon" in browser.get("/runs").text


# What they offer, and to whom


def test_buttons_are_for_those_who_may(seeded: Seeded) -> None:
    viewer = seeded.person("Wes Davis", Role.VIEWER)
    contributor = seeded.person("Patty McKee", Role.CONTRIBUTOR)
    for run in (seeded.passed, seeded.failed, seeded.running, seeded.waiting):
        assert buttons(seeded.page(f"/runs/{run}", viewer)) == ["Sign out"]
    commit = seeded.shown.run(seeded.failed).commit[:7]
    offered = set(buttons(seeded.page(f"/runs/{seeded.failed}", contributor)))
    assert {"Retry journeys as Patty McKee", f"Run {commit} again"} <= offered, "what it lends is said before"
    assert "Retry journeys" in buttons(seeded.page(f"/runs/{seeded.failed}")), "it is her run, and her authority"
    assert {"Cancel run 5", "Cancel unit"} <= set(buttons(seeded.page(f"/runs/{seeded.running}", contributor)))
    package = seeded.page(f"/runs/{seeded.passed}?job=commit/package", contributor)
    assert "The package is published, and it is built once." in package


def test_a_job_is_retried_and_its_former_attempt_stays_readable(seeded: Seeded, own: Workshop) -> None:
    run = own.failed()
    job = seeded.shown.job(run, "unit")
    with seeded.console.browser(seeded.maxine) as browser:
        answer = browser.submit(f"/runs/{run}", f"/runs/{run}/jobs/{job.id}/retry")
        assert answer.headers["location"] == f"/runs/{run}?job=commit/unit"
    page = seeded.page(f"/runs/{run}?job=commit/unit")
    assert "attempt 2 of 2" in page
    assert "This job has not begun" in page
    seeded.shown.enter(run, 0)
    seeded.shown.start_job(run, "unit", says=b"better now\n")
    assert "better now" in seeded.page(f"/runs/{run}?job=commit/unit")
    former = seeded.page(f"/runs/{run}?job=commit/unit&attempt=1")
    assert "AssertionError" in former
    assert "better now" not in former
    attempts = text_of(seeded.page(f"/runs/{run}?job=commit/unit&tab=attempts"))
    assert attempts.index("Attempt 2") < attempts.index("Attempt 1 failed: 1 of 2 tests · 1 of 2 tests passed")


def test_runs_are_cancelled_let_go_on_and_started_again_from_their_page(seeded: Seeded, own: Workshop) -> None:
    running, waiting, failed = own.running(), own.waiting(), own.failed()
    with seeded.console.browser(seeded.maxine) as browser:
        assert browser.submit(f"/runs/{running}", f"/runs/{running}/cancel").status_code == 303
        assert f"Run 1 of {own.service} is being cancelled" in browser.get(f"/runs/{running}").text
        browser.submit(f"/runs/{waiting}", f"/runs/{waiting}/proceed")
        assert f"Run 2 of {own.service} is about to go on" in browser.get(f"/runs/{waiting}").text
        answer = browser.submit(f"/runs/{failed}", f"/runs/{failed}/again")
        assert f"Run 4 of {own.service} waits to begin" in browser.get(answer.headers["location"]).text


def test_deeds_are_refused_to_those_who_may_not(seeded: Seeded, own: Workshop) -> None:
    viewer = seeded.person("Erik Reid", Role.VIEWER)
    failed, waiting = own.failed(), own.waiting()
    job = seeded.shown.job(failed, "unit")
    deeds = (
        f"{failed}/cancel",
        f"{failed}/again",
        f"{failed}/jobs/{job.id}/retry",
        f"{failed}/jobs/{job.id}/cancel",
        f"{waiting}/proceed",
    )
    with seeded.console.browser(viewer) as browser:
        for name in deeds:
            assert browser.submit("/account", f"/runs/{name}").status_code == 403, name
    with seeded.console.browser(seeded.maxine) as browser:  # a job belongs to its own run, whatever the address says
        assert browser.submit("/account", f"/runs/{waiting}/jobs/{job.id}/retry").status_code == 404


def test_other_peoples_services_are_not_there(seeded: Seeded) -> None:
    stranger = seeded.person("Sarah Moulton", Role.DEVELOPER, service="payment")
    job = seeded.shown.job(seeded.failed, "journeys")
    refused = re.search(r'href="(/runs/refused/[^"]+)"', seeded.page("/runs?service=store&state=refused"))
    assert refused
    run, log = f"/runs/{seeded.failed}", f"/runs/{seeded.failed}/jobs/{job.id}/1/log"
    with seeded.console.browser(stranger) as browser:
        for path in (run, f"{run}/now", f"{run}/compare", log, f"{log}.txt", refused[1], "/runs?service=store"):
            assert browser.get(path).status_code == 404, path
        assert browser.get("/runs/run_00000000000000000000000000").status_code == 404
        assert browser.submit("/account", f"{run}/again").status_code == 404
        listed = browser.get("/runs").text
    assert "No runs yet" in listed
    assert "store" not in text_of(listed)
    assert "feature" not in listed


# What they never let through


def test_hostile_text_is_shown_as_text(seeded: Seeded) -> None:
    pages = [
        seeded.page("/runs?service=store"),
        seeded.page(f"/runs/{seeded.failed}"),
        seeded.page(f"/runs/{seeded.failed}?job=acceptance/journeys&tab=tests"),
        seeded.page(f"/runs/{seeded.failed}/compare"),
        seeded.page(f"/runs/{seeded.branch}"),
        seeded.page(f"/runs/{seeded.failed}/now?job=%22%3E%3Cscript%3E"),
    ]
    for page in pages:
        assert "<img src=x" not in page
        assert "<script>" not in page
        assert "<b>bold" not in page
        assert "\x1b" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in pages[0]
    assert "feature/&lt;b&gt;bold&lt;/b&gt;" in pages[4]


def test_a_log_is_text_for_the_viewer_and_for_the_disk(seeded: Seeded) -> None:
    job = seeded.shown.job(seeded.failed, "journeys")
    address = f"/runs/{seeded.failed}/jobs/{job.id}/1/log"
    with seeded.console.browser(seeded.maxine) as browser:
        said = browser.get(address)
        assert said.headers["content-type"].startswith("application/json")
        lines = said.json()
        raw = browser.get(f"{address}.txt")
        assert browser.get(f"{address}?find=error").json() == {"first_error": 3}
        assert browser.get(f"/runs/{seeded.failed}/jobs/{job.id}/7/log").status_code == 404
    assert lines["complete"] is True
    assert lines["lines"][0]["spans"] == [["ok", "fg-2"], [" first", ""]]
    assert lines["lines"][1]["spans"] == [["<script>alert('log')</script>", ""]]
    assert raw.headers["content-type"].startswith("text/plain")
    assert raw.headers["content-disposition"].startswith("attachment")
    assert raw.text == "ok first\n<script>alert('log')</script>\nAssertionError: no stock\n"


def test_the_log_of_an_attempt_that_was_lost_ends(seeded: Seeded, own: Workshop) -> None:
    """Its writer was killed, so the log itself never says that it is complete."""
    run = own.running()
    job = seeded.shown.job(run, "unit")
    (seeded.shown.folders.log(run, job.id, 1) / CLOSED).unlink()
    address = f"/runs/{run}/jobs/{job.id}/1/log"
    with seeded.console.browser(seeded.maxine) as browser:
        assert browser.get(address).json()["complete"] is False
        seeded.shown.end_job(run, "unit")
        assert browser.get(address).json()["complete"] is True


# Live


def test_the_live_part_is_the_region_and_the_heading(seeded: Seeded) -> None:
    part = seeded.page(f"/runs/{seeded.running}/now")
    assert part.lstrip().startswith('<div id="run-body"')
    assert f'data-live="run:{seeded.running}"' in part
    assert '<span id="run-sentence" hx-swap-oob="outerMorph">' in part
    assert '<div id="run-actions" class="run-actions" hx-swap-oob="outerMorph">' in part
    assert "<h1>" not in part
    whole = seeded.page(f"/runs/{seeded.running}")
    assert "hx-swap-oob" not in whole
    assert "The log follows the run." in whole
    pinned = seeded.page(f"/runs/{seeded.running}?job=commit/unit")
    assert f'hx-get="/runs/{seeded.running}/now?job=commit/unit"' in pinned
    assert "The log follows the run." not in pinned


def test_a_run_is_compared_with_the_last_green_one(seeded: Seeded) -> None:
    page = seeded.page(f"/runs/{seeded.failed}/compare")
    assert "Since run 1, the last that passed: journeys passed before and failed now" in heading(page)
    assert "Commits between" in page
    with seeded.console.browser(seeded.maxine) as browser:
        nothing = browser.get(f"/runs/{seeded.passed}/compare")
    assert nothing.status_code == 404
    assert "No run of main passed before run 1." in html.unescape(nothing.text)


# The graph, as values

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def a_job(name: str, start: float | None, end: float | None, *needs: str, state: JobState = JobState.PASSED) -> Job:
    return Job(
        id=JobId(f"job_{name}"),
        run=RunId("run_x"),
        stage=0,
        position=0,
        name=name,
        kind=JobKind.JOB,
        needs=needs,
        state=state,
        attempt=1,
        failure=None,
        exit_code=None,
        reason="",
        started_at=None if start is None else at(start),
        ended_at=None if end is None else at(end),
        tests=0,
        tests_failed=0,
    )


A_STAGE = Stage(
    run=RunId("run_x"),
    position=0,
    name="commit",
    state=StageState.RUNNING,
    environment=None,
    deployment=None,
    approved_by=None,
    approved=False,
    started_at=NOON,
    ended_at=None,
    reason="",
)


def test_the_critical_path_is_the_chain_that_was_waited_for() -> None:
    jobs = (a_job("lint", 0, 4), a_job("unit", 0, 40), a_job("types", 0, 20), a_job("package", 40, 50, "lint", "unit"))
    assert critical_path(jobs) == {JobId("job_unit"), JobId("job_package")}
    running = (*jobs[:3], a_job("package", 40, None, "lint", "unit", state=JobState.RUNNING))
    assert critical_path(running) == {JobId("job_unit"), JobId("job_package")}
    assert critical_path([a_job("unit", None, None, state=JobState.PENDING)]) == frozenset()


def test_a_night_between_two_attempts_takes_no_room() -> None:
    axis = Axis([(at(0), at(10)), (at(5), at(20)), (at(40_000), at(40_030))])
    assert axis.length == 50
    assert [axis.at(at(moment)) for moment in (0, 20, 30_000, 40_000, 40_015)] == [0, 20, 20, 20, 35]


def test_what_is_still_to_come_lies_behind_what_it_needs() -> None:
    jobs = (
        a_job("unit", 0, None, state=JobState.RUNNING),
        a_job("package", None, None, "unit", state=JobState.PENDING),
    )
    usual: dict[tuple[str, str | None], Expected] = {}
    usual |= {("commit", "unit"): Expected(seconds=40, n=3), ("commit", "package"): Expected(seconds=10, n=3)}
    (column,) = draw([A_STAGE], jobs, usual, at(20))
    unit, package = column.rows
    assert unit.bar is not None
    assert unit.usual is not None
    assert (unit.bar.x, unit.bar.width) == (0, 40)  # 20 of 50 s
    assert (unit.usual.x, unit.usual.width) == (40, 40)
    assert package.bar is None
    assert package.usual is not None
    assert (package.usual.x, package.usual.width) == (80, 20)
    (late,) = draw([A_STAGE], [jobs[0]], usual, at(90))
    assert late.rows[0].usual is None  # longer than usual: nothing is promised
    (unknown,) = draw([replace(A_STAGE)], jobs, {}, at(20))
    assert unknown.rows[1].usual is None


def test_printed_faults_are_taken_apart() -> None:
    faults, closing = read_faults(
        (
            "andon.yaml:4:22: unknown key 'timout'; did you mean 'timeout'?",
            "    unit: {run: a, timout: 5m}",
            "                   ^",
            "    expected: run, needs or timeout",
            "andon.yaml has 1 fault. Nothing was run.",
        )
    )
    (fault,) = faults
    assert (fault.place, fault.says) == ("andon.yaml:4:22", "unknown key 'timout'; did you mean 'timeout'?")
    assert fault.excerpt.splitlines()[1].index("^") == fault.excerpt.splitlines()[0].index("timout")
    assert fault.expected == "run, needs or timeout"
    assert closing == "andon.yaml has 1 fault. Nothing was run."
    assert read_faults(("3f2c91a has no andon.yaml, so nothing runs.",)) == (
        (),
        "3f2c91a has no andon.yaml, so nothing runs.",
    )
