"""Sample data around one moment, so that "3 min ago" stays true on every page."""

from __future__ import annotations

from datetime import datetime, timedelta

from andon.web.model import (
    Commit,
    EventLine,
    Instance,
    Job,
    Share,
    Stage,
    State,
    Step,
    Task,
    Trend,
)

OK, RUN, WARN, BAD, HOLD, NONE = State.OK, State.RUN, State.WARN, State.BAD, State.HOLD, State.NONE


def minutes(value: float) -> timedelta:
    return timedelta(minutes=value)


def seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


class Samples:
    def __init__(self, now: datetime) -> None:
        self.now = now

    def ago(self, value: timedelta) -> datetime:
        return self.now - value

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
            EventLine(
                48_213,
                self.ago(seconds(20)),
                "Andon",
                "started the job",
                "browser tests",
                "#",
                "pipeline",
                RUN,
                "run 128, acceptance, attempt 1",
            ),
            EventLine(
                48_209,
                self.ago(minutes(2.4)),
                "Andon",
                "finished the stage",
                "commit",
                "#",
                "pipeline",
                OK,
                "5 jobs in 1 m 12 s, 412 tests passed",
            ),
            EventLine(
                48_204,
                self.ago(minutes(3.8)),
                "Andon",
                "stored the package",
                "store 3f2c91a",
                "#",
                "artifact",
                None,
                "sha256 7c1f0e4, 8.4 MB, signed",
            ),
            EventLine(
                48_198,
                self.ago(minutes(9)),
                "Maxine Chambers",
                "pushed",
                "3f2c91a",
                "#",
                "change",
                None,
                "Show the delivery date in the basket",
            ),
            EventLine(
                48_190,
                self.ago(minutes(41)),
                "Brent Geller",
                "took the lock of",
                "production",
                "#",
                "lock",
                None,
                "“watching the payment change”",
            ),
            EventLine(
                48_171,
                self.ago(timedelta(hours=2)),
                "Brent Geller",
                "rolled back",
                "store in production",
                "#",
                "back",
                WARN,
                "from d07b2e5 to a81f3c0 in 1.2 s, 0 of 18,204 requests failed",
            ),
            EventLine(
                48_166,
                self.ago(timedelta(hours=2, minutes=4)),
                "Andon",
                "found errors after the switch of",
                "d07b2e5",
                "#",
                "alert",
                BAD,
                "5.2 % of 1,904 requests, 0.1 % before",
            ),
            EventLine(
                48_102,
                self.ago(day),
                "Patty McKee",
                "deployed",
                "a81f3c0 to production",
                "#",
                "deploy",
                OK,
                "lead time 14 m 3 s, 0 of 22,871 requests failed",
            ),
            EventLine(
                48_077,
                self.ago(day + minutes(22)),
                "Andon",
                "sealed",
                "events 47,900 to 48,070",
                "#",
                "shield",
                None,
                "signed, chain whole",
            ),
            EventLine(
                48_031,
                self.ago(day + minutes(64)),
                "Wes Davis",
                "changed the setting",
                "SHOP_CURRENCY in staging",
                "#",
                "settings",
                None,
                "version 12, takes effect with the next deployment",
            ),
        )

    def commits(self) -> tuple[Commit, ...]:
        return (
            Commit("3f2c91a4d1", "Show the delivery date in the basket", "Maxine", self.ago(minutes(9)), "#"),
            Commit("b1d90e2c77", "Read the stock from the new column", "Maxine", self.ago(minutes(52)), "#"),
            Commit("77ac0f1b09", "Add orders.promised_on, empty for now", "Brent", self.ago(minutes(75)), "#"),
            Commit(
                "0c4e8812ab",
                "Say what is out of stock before the payment page",
                "Shannon",
                self.ago(timedelta(hours=3)),
                "#",
            ),
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
                output="0007_promised_on ... adding column orders.promised_on (nullable)\n"
                "0007_promised_on ... done in 812 ms\n1 migration applied, 6 already there",
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
                output="GET /health                         200   4 ms\n"
                "GET /basket                         200  11 ms\nPOST /orders (marked smoke-4812)    …",
                open=True,
            ),
            Task("Switch traffic", NONE, "next"),
            Task("Confirm", NONE, "then, for 30 s"),
        )

    def shares(self) -> tuple[Share, ...]:
        def instances(version: str, series: int, state: State, word: str) -> tuple[Instance, ...]:
            return tuple(Instance(f"{version[:4]}-{i}", version, series, state, word) for i in range(1, 4))

        return (
            Share(
                "a81f3c0",
                1.0,
                1,
                OK,
                "3 healthy",
                "serves since yesterday, 214 requests/s",
                "#",
                instances("a81f3c0", 1, OK, "healthy"),
            ),
            Share(
                "3f2c91a",
                0.0,
                2,
                RUN,
                "smoke tests",
                "started 12 s ago, takes traffic after the switch",
                "#",
                instances("3f2c91a", 2, RUN, "starting"),
            ),
            Share(
                "d07b2e5",
                0.0,
                3,
                NONE,
                "warm",
                "kept for a rollback until tomorrow",
                "#",
                instances("d07b2e5", 3, NONE, "warm"),
            ),
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
