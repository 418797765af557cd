"""Every component and the pattern pages with sample data, as static files: `python -m andon.web.gallery OUT_DIR`.

It is where a component is looked at while it is made, and what the tests show to a browser. The data is invented; the
shop is the one of the examples.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from andon.web.model import (
    Cell,
    Change,
    Choice,
    Commit,
    Diff,
    EventLine,
    Facet,
    Fact,
    Gap,
    Instance,
    Job,
    Light,
    ServiceRow,
    Share,
    Stage,
    State,
    Step,
    Task,
    TestRow,
    Trend,
)
from andon.web.rendering import STATIC, Renderer
from andon.web.shell import Action, Crumb, Frame, Navigation, NavItem, Page, Scope, Theme, Viewer

OK, RUN, WARN, BAD, HOLD, NONE = State.OK, State.RUN, State.WARN, State.BAD, State.HOLD, State.NONE


def minutes(value: float) -> timedelta:
    return timedelta(minutes=value)


def seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


class Gallery:
    """Sample data around one moment, so that "3 min ago" stays true on every page."""

    def __init__(self, now: datetime, theme: Theme = Theme.SYSTEM) -> None:
        self.now = now
        self.renderer = Renderer(clock=lambda: now, static=lambda name: name)
        self.frame = Frame(
            navigation=Navigation(
                (
                    NavItem("", "Overview", "overview.html", "overview", "o"),
                    NavItem("Flow", "Changes", "components.html", "change", "c"),
                    NavItem("Flow", "Pipelines", "run.html", "pipeline", "p"),
                    NavItem("Flow", "Deploy", "deploy.html", "deploy", "d"),
                    NavItem("Flow", "Environments", "environment.html", "environment", "e"),
                    NavItem("Record", "Record", "record.html", "record", "r"),
                )
            ),
            light=Light(OK, "The line is green", "overview.html"),
            viewer=Viewer.named("Maxine Chambers"),
            csrf_token="sample",
            theme=theme,
            scopes=(
                Scope("Service", "store", (Choice("store", "#", current=True), Choice("catalogue", "#"))),
                Scope("Environment", "production", (Choice("production", "#", current=True),)),
            ),
            live="",
            version="0.1.0",
        )

    def ago(self, value: timedelta) -> datetime:
        return self.now - value

    def page(self, name: str, page: Page, /, **values: object) -> str:
        frame = replace(self.frame, path=f"{name}.html")
        if name == "run":
            frame = replace(frame, light=Light(RUN, "3f2c91a is on its way", "run.html"))
        if name == "error":
            frame = replace(frame, light=Light(BAD, "The line is stopped: catalogue fails its build", "run.html"))
        template = f"web/gallery/{name}.html" if name not in ("login", "welcome") else f"web/{name}.html"
        return self.renderer.page(template, page=page, frame=frame, **values)

    def pages(self) -> dict[str, str]:
        return {
            "overview": self.overview(),
            "run": self.run(),
            "deploy": self.deploy(),
            "environment": self.environment(),
            "record": self.record(),
            "login": self.page(
                "login", Page("Sign in", "Sign in to Parts Unlimited"), error="", name="", next="/"
            ),
            "welcome": self.page(
                "welcome",
                Page("Welcome", "Make the first administrator", lede="Nothing else is set up yet, and nobody can get in."),
                token="sample",
                name="maxine",
                errors={"password": "This has 8 characters; 12 are needed."},
            ),
            "error": self.page(
                "error",
                Page("Not deployed", "The build of 9be0d17 failed its tests, so it was not deployed"),
                code="deployments.build_failed",
                safe="Production still runs 3f2c91a; no request noticed anything.",
                remedy="Mend the test and push, or deploy an earlier build. Who may override is set per environment.",
                reference="01JD8Z3K",
            ),
            "components": self.components(),
        }

    # ---- pieces ----

    def line(self) -> tuple[Step, ...]:
        return (
            Step("Commit", OK, "3f2c91a", at=self.ago(minutes(9)), note="Maxine Chambers"),
            Step("Build", OK, "passed", took=seconds(72), href="run.html", at=self.ago(minutes(7.5))),
            Step("Acceptance", RUN, "4 of 6 jobs", took=seconds(141), href="run.html", note="about 50 s to go"),
            Step("Production", HOLD, "waits for you", note="after acceptance"),
            Step("Confirmed", NONE, "not yet"),
        )

    def done_line(self) -> tuple[Step, ...]:
        return (
            Step("Commit", OK, "a81f3c0"),
            Step("Build", OK, "passed"),
            Step("Acceptance", OK, "passed"),
            Step("Production", OK, "deployed"),
            Step("Confirmed", OK, "healthy"),
        )

    def broken_line(self) -> tuple[Step, ...]:
        return (
            Step("Commit", OK, "9be0d17"),
            Step("Build", OK, "passed"),
            Step("Acceptance", BAD, "failed"),
            Step("Production", NONE, ""),
            Step("Confirmed", NONE, ""),
        )

    def events(self) -> tuple[EventLine, ...]:
        day = timedelta(days=1)
        return (
            EventLine(48_213, self.ago(seconds(20)), "Andon", "started the job", "browser tests", "#", "pipeline", RUN, "run 128, acceptance, attempt 1"),
            EventLine(48_209, self.ago(minutes(2.4)), "Andon", "finished the stage", "commit", "#", "pipeline", OK, "5 jobs in 1 m 12 s, 412 tests passed"),
            EventLine(48_204, self.ago(minutes(3.8)), "Andon", "stored the package", "store 3f2c91a", "#", "artifact", None, "sha256 7c1f0e4, 8.4 MB, signed"),
            EventLine(48_198, self.ago(minutes(9)), "Maxine Chambers", "pushed", "3f2c91a", "#", "change", None, "Show the delivery date in the basket"),
            EventLine(48_190, self.ago(minutes(41)), "Brent Geller", "took the lock of", "production", "#", "lock", None, "“watching the payment change”"),
            EventLine(48_171, self.ago(timedelta(hours=2)), "Brent Geller", "rolled back", "store in production", "#", "back", WARN, "from d07b2e5 to a81f3c0 in 1.2 s, 0 of 18,204 requests failed"),
            EventLine(48_166, self.ago(timedelta(hours=2, minutes=4)), "Andon", "found errors after the switch of", "d07b2e5", "#", "alert", BAD, "5.2 % of 1,904 requests, 0.1 % before"),
            EventLine(48_102, self.ago(day), "Patty McKee", "deployed", "a81f3c0 to production", "#", "deploy", OK, "lead time 14 m 3 s, 0 of 22,871 requests failed"),
            EventLine(48_077, self.ago(day + minutes(22)), "Andon", "sealed", "events 47,900 to 48,070", "#", "shield", None, "signed, chain whole"),
            EventLine(48_031, self.ago(day + minutes(64)), "Wes Davis", "changed the setting", "SHOP_CURRENCY in staging", "#", "settings", None, "version 12, takes effect with the next deployment"),
        )

    def commits(self) -> tuple[Commit, ...]:
        return (
            Commit("3f2c91a4d1", "Show the delivery date in the basket", "Maxine", self.ago(minutes(9)), "#"),
            Commit("b1d90e2c77", "Read the stock from the new column", "Maxine", self.ago(minutes(52)), "#"),
            Commit("77ac0f1b09", "Add orders.promised_on, empty for now", "Brent", self.ago(minutes(75)), "#"),
            Commit("0c4e8812ab", "Say what is out of stock before the payment page", "Shannon", self.ago(timedelta(hours=3)), "#"),
        )

    def tasks(self) -> tuple[Task, ...]:
        return (
            Task("Lock taken", OK, "done", took=seconds(0.004), note="production, by this deployment"),
            Task(
                "Expand",
                OK,
                "done",
                took=seconds(1.3),
                note="1 migration",
                command="python -m store.migrate expand",
                output="0007_promised_on ... adding column orders.promised_on (nullable)\n0007_promised_on ... done in 812 ms\n1 migration applied, 6 already there",
                authority="By authority of Maxine Chambers, who may deploy store to production",
            ),
            Task("Start the new set", OK, "done", took=seconds(2.1), note="3 instances of 3f2c91a"),
            Task("Health", OK, "done", took=seconds(3.4), note="3 of 3 healthy, 2 checks each"),
            Task(
                "Smoke tests",
                RUN,
                "running for 4 s",
                note="2 of 3",
                command="python -m store.smoke --url $ANDON_URL --as smoke-4812",
                output="GET /health                         200   4 ms\nGET /basket                         200  11 ms\nPOST /orders (marked smoke-4812)    …",
                open=True,
            ),
            Task("Switch traffic", NONE, "next"),
            Task("Confirm", NONE, "then, for 30 s"),
        )

    def shares(self) -> tuple[Share, ...]:
        def instances(version: str, series: int, state: State, word: str) -> tuple[Instance, ...]:
            return tuple(
                Instance(f"{version[:4]}-{i}", version, series, state, word) for i in range(1, 4)
            )

        return (
            Share("a81f3c0", 1.0, 1, OK, "3 healthy", "serves since yesterday, 214 requests/s", "#", instances("a81f3c0", 1, OK, "healthy")),
            Share("3f2c91a", 0.0, 2, RUN, "smoke tests", "started 12 s ago, takes traffic after the switch", "#", instances("3f2c91a", 2, RUN, "starting")),
            Share("d07b2e5", 0.0, 3, NONE, "warm", "kept for a rollback until tomorrow", "#", instances("d07b2e5", 3, NONE, "warm")),
        )

    def stages(self) -> tuple[Stage, ...]:
        return (
            Stage(
                "commit",
                OK,
                "passed",
                (
                    Job("lint", OK, "passed", 0.4, 8.2, href="#"),
                    Job("types", OK, "passed", 0.4, 21.4, href="#"),
                    Job("unit tests", OK, "passed", 0.4, 48.9, critical=True, href="#"),
                    Job("package", OK, "passed", 49.6, 22.4, critical=True, href="#"),
                ),
                seconds(72),
            ),
            Stage(
                "acceptance",
                RUN,
                "running",
                (
                    Job("environment", OK, "passed", 72.1, 11.0, critical=True, href="#"),
                    Job("api tests", BAD, "failed", 83.3, 36.0, href="#"),
                    Job("browser tests", RUN, "running", 83.3, 58.0, critical=True, attempt=2, href="#", selected=True),
                    Job("migration both ways", OK, "passed", 83.3, 24.1, href="#"),
                    Job("load", NONE, "waits", href="#"),
                ),
                seconds(141),
            ),
            Stage("production", HOLD, "waits for you", (Job("deploy", HOLD, "waits", href="#"),)),
        )

    def trend(self, base: float, says: str, n: int) -> Trend:
        wave = [6, 7, 5, 8, 6, 5, None, None, 6, 7, 9, 6, 5, 5, 6, 4, 5, 7, 5, 4, None, 4, 5, 4, 3, 4, 5, 4, 3, 3]
        return Trend([None if value is None else value * base for value in wave], n, says)

    # ---- pages ----

    def overview(self) -> str:
        d, h, m = (lambda v: timedelta(days=v)), (lambda v: timedelta(hours=v)), minutes
        rows = (
            ServiceRow(
                "store",
                "#",
                (
                    Cell("acceptance", "3f2c91a", RUN, "acceptance runs", self.ago(m(2)), m(7), "Maxine", "Show the delivery date in the basket", "#"),
                    Cell("staging", "b1d90e2", OK, "healthy", self.ago(m(40)), m(12), "Maxine", "Read the stock from the new column", "#"),
                    Cell("production", "a81f3c0", OK, "healthy", self.ago(d(1)), m(14), "Patty", "Cache the price list for a minute", "#"),
                ),
                (Gap(RUN, 0, "3f2c91a is being deployed to staging", 0.6, "#"), Gap(OK, 3, "3 changes wait for production", None, "deploy.html")),
                ((OK, self.trend(2, "13 m lead", 61)), (BAD, Trend([0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0], 61, "6.6 % failed"))),
                "Orders",
            ),
            ServiceRow(
                "catalogue",
                "#",
                (
                    Cell("acceptance", "9be0d17", BAD, "api tests failed", self.ago(m(26)), None, "Shannon", "Sort parts by what fits the car", "#"),
                    Cell("staging", "5d20c4e", OK, "healthy", self.ago(h(5)), m(22), "Shannon", "Serve pictures in two sizes", "#"),
                    Cell("production", "5d20c4e", OK, "healthy", self.ago(h(4)), m(31), "Shannon", "Serve pictures in two sizes", "#"),
                ),
                (Gap(BAD, 0, "stopped: 9be0d17 failed acceptance", None, "run.html"), Gap(OK, 0, "same version")),
                ((OK, self.trend(3, "24 m lead", 34)), (NONE, Trend([0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0], 34, "2.9 % failed"))),
                "Parts",
            ),
            ServiceRow(
                "payment",
                "#",
                (
                    Cell("acceptance", "e77a015", OK, "healthy", self.ago(h(1)), m(18), "Brent", "Retry the bank once, then say so", "#"),
                    Cell("staging", "e77a015", OK, "healthy", self.ago(h(1)), m(25), "Brent", "Retry the bank once, then say so", "#"),
                    Cell("production", "2c9f6b3", WARN, "1 of 4 restarts", self.ago(d(3)), m(44), "Brent", "Log the bank's own reference", "#"),
                ),
                (Gap(OK, 0, "same version"), Gap(HOLD, 1, "1 change waits; Brent holds the lock", None, "deploy.html")),
                ((OK, self.trend(4, "41 m lead", 12)),),
                "Money",
            ),
            ServiceRow(
                "mailer",
                "#",
                (
                    Cell("acceptance", "c0ffee1", OK, "healthy", self.ago(d(6)), m(16), "Wes", "First version", "#"),
                    Cell("staging"),
                    Cell("production"),
                ),
                (Gap(NONE, 1, "1 change waits", None, "deploy.html"), Gap(NONE, 0, "nothing here yet")),
                (),
                "Orders",
            ),
        )
        return self.page(
            "overview",
            Page(
                "Overview",
                "Production is healthy in 3 of 3 services; 4 changes wait and one is stopped",
                lede="Lead time over the last 30 days: 19 m (median of 107 changes). 4.7 % of 107 deployments were taken back.",
                wide=True,
            ),
            rows=rows,
            environments=("Acceptance", "Staging", "Production"),
            line=self.line(),
            broken=self.broken_line(),
            done=self.done_line(),
            events=self.events()[:6],
            ago=self.ago,
            minutes=minutes,
        )

    def log_lines(self) -> list[dict[str, object]]:
        said: list[tuple[str, list[tuple[str, str]]]] = [
            ("setup", [("$ ", "a-dim"), ("python -m pip install --no-index -r requirements.txt", "a-bold")]),
            ("setup", [("Installed 41 packages from the cache in 2.1 s", "")]),
            ("setup", [("Playwright 1.49 with Chromium 131", "a-dim")]),
            ("tests", [("$ ", "a-dim"), ("python -m pytest tests/browser --junitxml=report.xml", "a-bold")]),
            ("tests", [("============================= test session starts ==============================", "a-bold")]),
            ("tests", [("collected 38 items", "")]),
            ("tests", [("", "")]),
        ]
        names = ("test_basket.py", "test_search.py", "test_checkout.py", "test_account.py", "test_delivery.py", "test_stock.py")
        for i in range(30):
            name = names[i % 6]
            if i == 20:
                said.append(("tests", [("tests/browser/test_delivery.py::test_date_is_shown ", ""), ("FAILED", "a-red a-bold"), ("             [ 55%]", "a-cyan")]))
                said.append(("tests", [("    def test_date_is_shown(page, shop):", "")]))
                said.append(("tests", [("        page.goto(shop.url + \"/basket\")", "")]))
                said.append(("tests", [(">       assert page.get_by_test_id(\"promised\").inner_text() == \"Tuesday, 24 November\"", "")]))
                said.append(("tests", [("E       AssertionError: assert 'Monday, 23 November' == 'Tuesday, 24 November'", "a-red")]))
            else:
                said.append(("tests", [(f"tests/browser/{name}::test_{i:02d} ", ""), ("PASSED", "a-green"), (f"                          [{(i + 1) * 100 // 38:3d}%]", "a-cyan")]))
        start = self.ago(seconds(58))
        return [
            {"n": n, "at": (start + seconds(n * 0.9)).isoformat(), "section": section, "spans": [list(span) for span in spans]}
            for n, (section, spans) in enumerate(said, 1)
        ]

    def run(self) -> str:
        lines = self.log_lines()
        return self.page(
            "run",
            Page(
                "Run 128",
                "Show the delivery date in the basket",
                lede="Run 128 of store has been in acceptance for 2 m 21 s. 1 of 9 jobs failed; the rest usually takes 50 s more.",
                crumbs=(Crumb("store", "#"), Crumb("Runs", "#"), Crumb("128", "#")),
                state=RUN,
                word="running",
                wide=True,
            ),
            line=self.line(),
            stages=self.stages(),
            lines=[(line["n"], line["at"], line["spans"]) for line in lines],
            tabs=(
                Choice("Log", "#", None, True),
                Choice("Tests", "#tests", 38, False, BAD),
                Choice("Artifacts", "#artifacts", 2),
                Choice("Commands", "#commands", 3),
            ),
            cancel=Action("Cancel run 128", "#", kind="plain", icon="cancel"),
            retry=Action("Retry browser tests", "#", kind="plain", icon="retry"),
        )

    def deploy(self) -> str:
        return self.page(
            "deploy",
            Page(
                "Deploy store",
                "3f2c91a is going to production and passes its smoke tests now",
                lede="Nothing has switched yet: customers are served by a81f3c0.",
                crumbs=(Crumb("store", "#"), Crumb("Deploy", "#")),
                wide=True,
            ),
            environments=(
                Choice("Acceptance", "#", None, False, OK),
                Choice("Staging", "#", None, False, OK),
                Choice("Production", "#", None, True, RUN),
            ),
            diff=Diff(
                self.commits(),
                (
                    Change("migration", "0007_promised_on", OK, "expand", "Adds a column; a81f3c0 can go on with it, so a rollback stays possible."),
                    Change("setting", "SHOP_CURRENCY", None, "EUR → USD"),
                ),
            ),
            action=Action("Deploy 3f2c91a to production", "#", kind="primary", icon="deploy"),
            blocked=Action(
                "Deploy 9be0d17 to production",
                "#",
                kind="primary",
                icon="deploy",
                blocked="Its acceptance stage failed. Shannon or an owner of production may override.",
            ),
            rollback=Action("Roll back to d07b2e5", "#", icon="back"),
            steps=self.tasks(),
            shares=self.shares(),
            events=self.events()[5:8],
            ago=self.ago,
            minutes=minutes,
        )

    def environment(self) -> str:
        def tile(name: str, series: int, state: State, word: str, note: str) -> Instance:
            version = {1: "a81f3c0", 2: "3f2c91a", 3: "d07b2e5"}[series]
            return Instance(name, version, series, state, word, self.ago(timedelta(hours=26)), note, "#")

        return self.page(
            "environment",
            Page(
                "production",
                "Production runs a81f3c0, healthy; one of seven instances is being replaced",
                lede="Made from the definition in a81f3c0. store-2 differed from it in one file, found 40 s ago.",
                crumbs=(Crumb("store", "#"), Crumb("Environments", "#"), Crumb("production", "#")),
            ),
            instances=(
                tile("store-1", 1, OK, "healthy", "31 % CPU, 84 MB"),
                tile("store-2", 1, WARN, "replaced for drift", "etc/store.toml"),
                tile("store-3", 1, OK, "healthy", "28 % CPU, 81 MB"),
                tile("store-4", 2, RUN, "starting", "health 1 of 2"),
                tile("store-5", 2, OK, "healthy", "2 % CPU, 79 MB"),
                tile("store-6", 3, NONE, "warm", "0.1 % CPU, 77 MB"),
                tile("store-7", 3, BAD, "exited with 137", "third restart in 40 s"),
            ),
            shares=self.shares(),
            facts=(
                Fact("Definition", "a81f3c0:andon.yaml", "#", mono=True),
                Fact("Made", self.ago(timedelta(days=41))),
                Fact("Address", "http://127.0.0.1:8080/", "#", mono=True, copy=True),
                Fact("Settings", "version 12 of 14 settings, 3 secrets"),
                Fact("Time to live", "kept until someone destroys it"),
                Fact("Rebuilt last", timedelta(minutes=1, seconds=48)),
                Fact("Drift", "1 instance differs", state=WARN),
                Fact("Error budget", None),
            ),
            rebuild=Action("Rebuild production", "#", icon="retry"),
            destroy=Action(
                "Destroy production",
                "#",
                kind="danger",
                icon="trash",
                confirm="production",
                warning="Stops 7 instances and removes their data. The record and the packages stay.",
            ),
            events=self.events()[4:8],
        )

    def record(self) -> str:
        return self.page(
            "record",
            Page(
                "Record",
                "48,213 events, whole and sealed up to 48,070",
                lede="The last seal is 22 minutes old; the 143 events since then are recorded and not yet signed.",
                wide=True,
            ),
            events=self.events(),
            facets=(
                Facet("Who", (Choice("Andon", "#", 41_022), Choice("Maxine Chambers", "#", 2_914), Choice("Brent Geller", "#", 2_402), Choice("Shannon Bell", "#", 1_190))),
                Facet("What", (Choice("Deployments", "#", 388, True), Choice("Runs", "#", 31_204, True), Choice("Pushes", "#", 1_822, True), Choice("Environments", "#", 907), Choice("Access", "#", 611))),
                Facet("Service", (Choice("store", "#", 21_944, True), Choice("catalogue", "#", 18_101), Choice("payment", "#", 7_402))),
                Facet("When", (Choice("Today", "#", 311), Choice("Last 7 days", "#", 2_718, True), Choice("All time", "#", 48_213))),
            ),
        )

    def components(self) -> str:
        return self.page(
            "components",
            Page("Components", "Every component, in every state", lede="What pages are made of. Look here before making a new one."),
            line=self.line(),
            done=self.done_line(),
            broken=self.broken_line(),
            stages=self.stages(),
            trend=self.trend(2, "13 m lead", 61),
            tests=(
                TestRow("test_date_is_shown", BAD, "failed", seconds(1.8), "AssertionError: 'Monday, 23 November' == 'Tuesday, 24 November'", (OK, OK, OK, BAD, OK, OK, BAD), "browser"),
                TestRow("test_basket_total", OK, "passed", seconds(0.41), "", (OK,) * 7, "browser"),
                TestRow("test_voucher", NONE, "skipped", None, "", (NONE, NONE, OK, OK, NONE), "browser"),
            ),
            commits=self.commits(),
            steps=self.tasks(),
            events=self.events()[:3],
            tabs=(Choice("Log", "#", None, True), Choice("Tests", "#", 38, False, BAD), Choice("Artifacts", "#", 2)),
            facets=(Facet("Result", (Choice("Failed", "#", 3, True), Choice("Passed", "#", 409))),),
            facts=(Fact("Commit", "3f2c91a4d1", "#", mono=True, copy=True), Fact("Took", seconds(192)), Fact("Coverage", None)),
            instance=Instance("store-1", "a81f3c0", 1, OK, "healthy", self.ago(minutes(90)), "31 % CPU"),
            plain=Action("Retry unit tests", "#", icon="retry"),
            primary=Action("Deploy 3f2c91a to staging", "#", kind="primary", icon="deploy"),
            danger=Action("Destroy staging", "#", kind="danger", icon="trash", confirm="staging", warning="Stops 3 instances and removes their data."),
            blocked=Action("Deploy 9be0d17", "#", kind="primary", blocked="Its acceptance stage failed."),
            undo=Action("Undo", "#"),
        )


def write(folder: Path, theme: Theme = Theme.SYSTEM) -> list[Path]:
    """Write all pages with their static files into `folder`; returns the pages' paths."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in STATIC.glob("*.*"):
        if file.suffix in (".js", ".css", ".svg"):
            shutil.copy2(file, folder / file.name)
    gallery = Gallery(datetime.now(UTC), theme)
    written = []
    for name, text in gallery.pages().items():
        path = folder / f"{name}.html"
        path.write_text(text, encoding="utf-8")
        written.append(path)
    log = gallery.log_lines()
    (folder / "log.json").write_text(
        json.dumps({"lines": log, "next": len(log) + 1, "total": len(log), "dropped": 0, "complete": True}), encoding="utf-8"
    )
    return written


if __name__ == "__main__":
    for written_page in write(Path(sys.argv[1] if len(sys.argv) > 1 else "gallery")):
        sys.stdout.write(f"{written_page}\n")
