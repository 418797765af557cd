"""The pattern pages: what the rooms' own pages are measured by."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from andon.web.gallery import log
from andon.web.gallery.samples import BAD, NONE, OK, RUN, WARN, Samples, minutes, seconds
from andon.web.gallery.services import service_rows
from andon.web.model import Change, Choice, Diff, Facet, Fact, Instance, Light, State, TestRow
from andon.web.rendering import Renderer
from andon.web.shell import Action, Crumb, Frame, Navigation, NavItem, Page, Scope, Theme, Viewer


class Gallery:
    """Draws each page with its sample data."""

    def __init__(self, now: datetime, theme: Theme = Theme.SYSTEM) -> None:
        self.samples = Samples(now)
        self.renderer = Renderer({"gallery": "andon.web.gallery"}, clock=lambda: now, static=lambda name: name)
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
            csrf_token="sample",  # noqa: S106 - sample data, guards nothing
            theme=theme,
            scopes=(
                Scope("Service", "store", (Choice("store", "#", current=True), Choice("catalogue", "#"))),
                Scope("Environment", "production", (Choice("production", "#", current=True),)),
            ),
            live="",
            version="0.1.0",
        )

    def page(self, name: str, page: Page, /, **values: object) -> str:
        frame = replace(self.frame, path=f"{name}.html")
        if name == "run":
            frame = replace(frame, light=Light(RUN, "3f2c91a is on its way", "run.html"))
        if name == "error":
            frame = replace(frame, light=Light(BAD, "The line is stopped: catalogue fails its build", "run.html"))
        template = f"gallery/{name}.html" if name not in ("login", "welcome") else f"web/{name}.html"
        return self.renderer.page(template, page=page, frame=frame, **values)

    def pages(self) -> dict[str, str]:
        return {
            "overview": self.overview(),
            "run": self.run(),
            "deploy": self.deploy(),
            "environment": self.environment(),
            "record": self.record(),
            "login": self.page("login", Page("Sign in", "Sign in to Parts Unlimited"), error="", name="", next="/"),
            "welcome": self.page(
                "welcome",
                Page(
                    "Welcome", "Make the first administrator", lede="Nothing else is set up yet, and nobody can get in."
                ),
                token="sample",  # noqa: S106 - sample data, opens nothing
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

    def overview(self) -> str:
        return self.page(
            "overview",
            Page(
                "Overview",
                "Production is healthy in 3 of 3 services; 4 changes wait and one is stopped",
                lede="Lead time over the last 30 days: 19 m (median of 107 changes). 4.7 % of 107 deployments were "
                "taken back.",
                wide=True,
            ),
            rows=service_rows(self.samples),
            environments=("Acceptance", "Staging", "Production"),
            line=self.samples.line(),
            broken=self.samples.broken_line(),
            done=self.samples.done_line(),
            events=self.samples.events()[:6],
            ago=self.samples.ago,
            minutes=minutes,
        )

    def run(self) -> str:
        return self.page(
            "run",
            Page(
                "Run 128",
                "Show the delivery date in the basket",
                lede="Run 128 of store is in acceptance. 1 of 9 jobs failed; the rest usually takes 50 s more.",
                crumbs=(Crumb("store", "#"), Crumb("Runs", "#"), Crumb("128", "#")),
                state=RUN,
                word="running",
                wide=True,
            ),
            line=self.samples.line(),
            stages=self.samples.stages(),
            lines=log.drawn(),
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
                self.samples.commits(),
                (
                    Change(
                        "migration",
                        "0007_promised_on",
                        OK,
                        "expand",
                        "Adds a column; a81f3c0 can go on with it, so a rollback stays possible.",
                    ),
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
            steps=self.samples.tasks(),
            shares=self.samples.shares(),
            events=self.samples.events()[5:8],
            ago=self.samples.ago,
            minutes=minutes,
        )

    def environment(self) -> str:
        def tile(name: str, series: int, state: State, word: str, note: str) -> Instance:
            version = {1: "a81f3c0", 2: "3f2c91a", 3: "d07b2e5"}[series]
            return Instance(name, version, series, state, word, self.samples.ago(timedelta(hours=26)), note, "#")

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
            shares=self.samples.shares(),
            facts=(
                Fact("Definition", "a81f3c0:andon.yaml", "#", mono=True),
                Fact("Made", self.samples.ago(timedelta(days=41))),
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
            events=self.samples.events()[4:8],
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
            events=self.samples.events(),
            facets=(
                Facet(
                    "Who",
                    (
                        Choice("Andon", "#", 41_022),
                        Choice("Maxine Chambers", "#", 2_914),
                        Choice("Brent Geller", "#", 2_402),
                        Choice("Shannon Bell", "#", 1_190),
                    ),
                ),
                Facet(
                    "What",
                    (
                        Choice("Deployments", "#", 388, True),
                        Choice("Runs", "#", 31_204, True),
                        Choice("Pushes", "#", 1_822, True),
                        Choice("Environments", "#", 907),
                        Choice("Access", "#", 611),
                    ),
                ),
                Facet(
                    "Service",
                    (
                        Choice("store", "#", 21_944, True),
                        Choice("catalogue", "#", 18_101),
                        Choice("payment", "#", 7_402),
                    ),
                ),
                Facet(
                    "When",
                    (
                        Choice("Today", "#", 311),
                        Choice("Last 7 days", "#", 2_718, True),
                        Choice("All time", "#", 48_213),
                    ),
                ),
            ),
        )

    def components(self) -> str:
        return self.page(
            "components",
            Page(
                "Components",
                "Every component, in every state",
                lede="What pages are made of. Look here before making a new one.",
            ),
            line=self.samples.line(),
            done=self.samples.done_line(),
            broken=self.samples.broken_line(),
            stages=self.samples.stages(),
            trend=self.samples.trend(2, "13 m lead", 61),
            tests=(
                TestRow(
                    "test_date_is_shown",
                    BAD,
                    "failed",
                    seconds(1.8),
                    "AssertionError: 'Monday, 23 November' == 'Tuesday, 24 November'",
                    (OK, OK, OK, BAD, OK, OK, BAD),
                    "browser",
                ),
                TestRow("test_basket_total", OK, "passed", seconds(0.41), "", (OK,) * 7, "browser"),
                TestRow("test_voucher", NONE, "skipped", None, "", (NONE, NONE, OK, OK, NONE), "browser"),
            ),
            commits=self.samples.commits(),
            steps=self.samples.tasks(),
            events=self.samples.events()[:3],
            tabs=(Choice("Log", "#", None, True), Choice("Tests", "#", 38, False, BAD), Choice("Artifacts", "#", 2)),
            facets=(Facet("Result", (Choice("Failed", "#", 3, True), Choice("Passed", "#", 409))),),
            facts=(
                Fact("Commit", "3f2c91a4d1", "#", mono=True, copy=True),
                Fact("Took", seconds(192)),
                Fact("Coverage", None),
            ),
            instance=Instance("store-1", "a81f3c0", 1, OK, "healthy", self.samples.ago(minutes(90)), "31 % CPU"),
            plain=Action("Retry unit tests", "#", icon="retry"),
            primary=Action("Deploy 3f2c91a to staging", "#", kind="primary", icon="deploy"),
            danger=Action(
                "Destroy staging",
                "#",
                kind="danger",
                icon="trash",
                confirm="staging",
                warning="Stops 3 instances and removes their data.",
            ),
            blocked=Action("Deploy 9be0d17", "#", kind="primary", blocked="Its acceptance stage failed."),
            undo=Action("Undo", "#"),
        )
