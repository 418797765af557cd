"""The story: four versions of a shop, two of them bad, the ways back, and a release without a deployment."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import httpx
import msgspec

from andon.app.demo.production import Production, graphs
from andon.app.demo.release import FLAG, Release
from andon.app.demo.server import DemoServer
from andon.app.demo.shop import SERVICE, Checkout
from andon.app.demo.telling import Row, Teller
from andon.app.demo.traffic import Counted, Traffic
from andon.kernel.errors import AndonError, Unavailable
from andon.web.terminal.output import report

RUN_SECONDS = 240.0
PRODUCTION = "production"
_ENDED = {"passed", "failed", "cancelled", "superseded"}


class Stage(msgspec.Struct):
    name: str
    state: str
    environment: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None


class Run(msgspec.Struct):
    id: str
    number: int
    commit: str
    state: str
    reason: str
    stages: list[Stage]


class Runs(msgspec.Struct):
    runs: list[Run]


class Job(msgspec.Struct):
    stage: str
    name: str
    state: str
    tests: int = 0


class RunDetails(msgspec.Struct):
    run: Run
    jobs: list[Job]


class Step(msgspec.Struct):
    name: str
    state: str
    started_at: datetime
    ended_at: datetime | None
    reason: str


class Deployment(msgspec.Struct):
    id: str
    number: int
    kind: str
    state: str
    reason: str
    commit: str
    requested_at: datetime
    switched_at: datetime | None
    lead_time: float | None
    steps: list[Step]


class Details(msgspec.Struct):
    deployment: Deployment


class Deployments(msgspec.Struct):
    deployments: list[Deployment]


class Environment(msgspec.Struct):
    name: str
    address: str


class Environments(msgspec.Struct):
    environments: list[Environment]


class Revision(msgspec.Struct):
    to: str


class NewRepository(msgspec.Struct):
    name: str


class Version(msgspec.Struct):
    version: str


def tell(*, once: bool, keep: Path | None) -> int:
    """Tell the story; 0 when everything went as it should, else an exit code. Leaves nothing running."""
    signal.signal(signal.SIGTERM, _interrupt)
    teller = Teller()
    try:
        teller.chapter("Andon starts: console, worker, router and telemetry, in a folder and on ports of their own")
        began = time.monotonic()
        with DemoServer(keep) as server:
            teller.fact(f"It is up after {time.monotonic() - began:.1f} s: {server.address}", good=True)
            story = _Story(server, teller)
            good = story.tell()
            if once:
                return 0 if good else 1
            _invite(server, teller)
            with ExitStack() as things:
                traffic = Traffic(story.address(), customers=1, pause=0.1, buys=True)
                things.callback(traffic.end)
                traffic.start()
                while server.process.poll() is None:
                    time.sleep(0.5)
            raise Unavailable("Andon has ended by itself.", remedy=f"Read {server.data / 'log'}.")
    except KeyboardInterrupt:
        sys.stdout.write("\nEnded; nothing is left running.\n")
        return 0 if not once else 130
    except AndonError as error:
        report(error.message, error.safe, error.remedy, code=error.code)
        return error.exit_code


def _invite(server: DemoServer, teller: Teller) -> None:
    teller.chapter("Look around")
    teller.fact(f"The console: {server.address}")
    if server.first_administrator is not None:
        teller.fact(f"Create your account (works once): {server.first_administrator}")
    teller.fact(f"Its graphs: {graphs(server.address)}")
    teller.fact("Put something of your own on them, from bash:")
    line = f"login.success:1|c|#service:{SERVICE},env:{PRODUCTION}"
    teller.fact(f'echo "{line}" > /dev/udp/127.0.0.1/{server.statsd_port}')
    teller.fact("The command line asks this Andon, and git pushes to it, after this line in another terminal:")
    teller.fact(server.line_for_shells)
    teller.fact(f"The shop's checkout, to change and to push: {server.checkout}")
    teller.fact(f"The flag, to play with: andon flags show {SERVICE} {FLAG}")
    teller.detail("Two customers stay. Ctrl-C ends everything and leaves nothing behind.")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


class _Story:
    def __init__(self, server: DemoServer, teller: Teller) -> None:
        self._server = server
        self._client = server.client
        self._tell = teller
        self._good = True
        self._commits: dict[str, str] = {}
        self._began = datetime.now(UTC)

    def tell(self) -> bool:
        self._client.post("/repositories", msgspec.Raw, NewRepository(SERVICE))
        shop = Checkout(self._server.checkout, f"{self._server.local}/git/{SERVICE}.git", self._server.token)
        with ExitStack() as things:
            self._first_version(shop)
            traffic = Traffic(self.address(), buys=True)
            things.callback(traffic.end)
            traffic.start()
            self._second_version(shop, traffic)
            self._third_version(shop, traffic)
            self._back(traffic)
            harmed = self._fourth_version(shop, traffic)
            self._flag(traffic)
            self._production()
            traffic.end()
            self._sum_up(traffic, harmed)
        return self._good

    # Chapters

    def _first_version(self, shop: Checkout) -> None:
        self._tell.chapter("1  The first version: push, and it goes to production")
        self._push(shop, "Open the shop: parts, orders, stock", "first")
        self._expect("passed", "first")
        self._tell.fact(f"The shop is open at {self.address()}", good=self._serves("first"))

    def _second_version(self, shop: Checkout, traffic: Traffic) -> None:
        self._tell.chapter("2  The second version changes the schema, while customers are shopping")
        before = traffic.count()
        self._push(shop, shop.apply("02-reviews"), "second")
        self._expect("passed", "second")
        time.sleep(0.5)
        self._told_traffic(traffic.count().since(before), "while it was built, tested and switched blue-green")
        self._check("Production shows reviews now", self._serves("second"))

    def _third_version(self, shop: Checkout, traffic: Traffic) -> None:
        self._tell.chapter("3  The third version has a fault that only production can show")
        before = traffic.count()
        self._push(shop, shop.apply("03-broken"), "third")
        self._expect("failed", "third")
        self._told_traffic(traffic.count().since(before), "and production never noticed")
        self._check("Production still runs the second version", self._serves("second"))

    def _back(self, traffic: Traffic) -> None:
        self._tell.chapter("4  Back to the first version, with one command")
        before = traffic.count()
        wanted = self._commits["first"]
        self._tell.detail(f"andon rollback {SERVICE} {PRODUCTION} {wanted[:7]}")
        made = self._client.post(
            f"/services/{SERVICE}/environments/{PRODUCTION}/rollback", Deployment, Revision(wanted)
        )
        self._follow_deployment(made.id)
        ended = self._deployment(made.id)
        self._check("The roll-back succeeded", ended.state == "succeeded")
        if ended.switched_at is not None:
            seconds = (ended.switched_at - ended.requested_at).total_seconds()
            self._tell.fact(f"Traffic was back after {seconds:.1f} s")
        time.sleep(0.5)
        self._told_traffic(traffic.count().since(before), "meanwhile")
        self._check("Production runs the first version", self._serves("first"))

    def _fourth_version(self, shop: Checkout, traffic: Traffic) -> int:
        """How many customers it did harm."""
        self._tell.chapter("5  The fourth version passes every test: only production's load shows its fault")
        shop.undo()
        before = traffic.count()

        def customers() -> Row:
            counted = traffic.count().since(before)
            return Row("customers", "harmed" if counted.failed else "unharmed", None, _harm(counted))

        self._push(shop, shop.apply("04-recommendations"), "fourth")
        self._expect("failed", "fourth", customers)
        time.sleep(0.5)
        counted = traffic.count().since(before)
        self._tell.detail("andon.yaml gives it a tenth of the customers first, and nobody had to watch.")
        self._check(f"Production took it back by itself: {_harm(counted)}", 0 < counted.failed < counted.served / 20)
        self._check("Production still runs the first version", self._serves("first"))
        return counted.failed

    def _flag(self, traffic: Traffic) -> None:
        self._tell.chapter("6  The new checkout comes to customers by a flag, without a deployment")
        before = traffic.count()
        Release(self._server, self._tell, self._check).tell(traffic)
        self._told_traffic(traffic.count().since(before), "while it came to everybody")

    def _production(self) -> None:
        self._tell.chapter("7  What production said meanwhile")
        served = {self._commits[name]: name for name in ("first", "second", "fourth")}
        Production(self._server, self._tell, self._check).tell(served, self._began, tried=self._commits["fourth"])

    def _sum_up(self, traffic: Traffic, harmed: int) -> None:
        self._tell.chapter("What the record says")
        listed = self._client.get("/deployments", Deployments, service=SERVICE, environment=PRODUCTION, limit=20)
        names = {commit: name for name, commit in self._commits.items()}
        rows = [
            (
                names.get(one.commit, "?"),
                one.commit[:7],
                one.kind,
                one.state,
                "—" if one.lead_time is None else f"{one.lead_time:.1f} s",
            )
            for one in reversed(listed.deployments)
        ]
        self._tell.table(("version", "commit", "what", "outcome", ">lead time"), rows)
        total = traffic.count()
        self._check(
            f"{total.served:,} requests served, {total.failed} failed, all of them while the fourth version was tried",
            total.failed == harmed,
        )
        for problem, count in traffic.failures.most_common(5):
            self._tell.detail(f"{count} × {problem}")
        self._tell.detail("Lead time: from the push to traffic on it.")

    # Steps of the chapters

    def _push(self, shop: Checkout, message: str, name: str) -> None:
        commit = shop.commit(message)
        self._commits[name] = commit
        self._tell.detail(f"git push andon main    # {commit[:7]} {message.splitlines()[0]}")
        for line in shop.push().splitlines():
            if line.startswith("remote:") and line.removeprefix("remote:").strip():
                self._tell.detail(line.rstrip())

    def _expect(self, outcome: str, name: str, more: Callable[[], Row] | None = None) -> None:
        """Follow the version's run to its end, with one row more below its stages."""
        commit = self._commits[name]
        deadline = time.monotonic() + RUN_SECONDS
        run = self._run(commit)
        while run is None:
            if time.monotonic() > deadline:
                raise Unavailable("No run began for the push.", remedy=f"Read {self._server.data / 'log'}.")
            time.sleep(0.05)
            run = self._run(commit)

        identity = run.id

        def look() -> tuple[Sequence[Row], bool]:
            found = self._client.get(f"/runs/{identity}", RunDetails)
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"Run {found.run.number} has not ended within {RUN_SECONDS:g} s.",
                    remedy=f"Read {self._server.data / 'log'}.",
                )
            rows = [self._stage_row(stage, found.jobs) for stage in found.run.stages]
            return [*rows, *([more()] if more is not None else ())], found.run.state in _ENDED

        self._tell.follow(look)
        ended = self._client.get(f"/runs/{identity}", RunDetails).run
        if ended.state == "passed":
            self._check(f"Run {ended.number} passed", outcome == "passed")
        else:
            expected = ", as it should" if outcome == ended.state else ""
            self._check(f"Run {ended.number} {ended.state}{expected}", outcome == ended.state)
            self._tell.detail(ended.reason)

    def _stage_row(self, stage: Stage, jobs: Sequence[Job]) -> Row:
        """A stage with a word on what is going on in it."""
        note = ""
        if stage.state == "deploying" and stage.environment is not None:
            note = self._step_under_way(stage.environment)
        elif stage.state == "running":
            note = ", ".join(one.name for one in jobs if one.stage == stage.name and one.state == "running")
        elif stage.state == "passed":
            own = [one for one in jobs if one.stage == stage.name]
            tests = sum(one.tests for one in own)
            note = ", ".join(one.name for one in own) + (f": {tests} tests" if tests else "")
        row = _row(stage)
        return Row(row.label, row.state, row.seconds, note)

    def _step_under_way(self, environment: str) -> str:
        listed = self._client.get("/deployments", Deployments, service=SERVICE, environment=environment, limit=1)
        under_way = [one for one in listed.deployments if one.state in {"queued", "running"}]
        return under_way[0].steps[-1].name if under_way and under_way[0].steps else ""

    def _run(self, commit: str) -> Run | None:
        runs = self._client.get("/runs", Runs, service=SERVICE, limit=10).runs
        return next((one for one in runs if one.commit == commit), None)

    def _deployment(self, identity: str) -> Deployment:
        return self._client.get(f"/deployments/{identity}", Details).deployment

    def _follow_deployment(self, identity: str) -> None:
        def look() -> tuple[Sequence[Row], bool]:
            found = self._deployment(identity)
            return [_row(step) for step in found.steps], found.state not in {"queued", "running"}

        self._tell.follow(look)

    def address(self) -> str:
        found = self._client.get(f"/services/{SERVICE}/environments", Environments).environments
        place = next((one for one in found if one.name == PRODUCTION), None)
        if place is None:
            raise Unavailable("There is no production environment.", remedy=f"Read {self._server.data / 'log'}.")
        return place.address

    def _serves(self, name: str) -> bool:
        """Whether production answers with this version."""
        answer = httpx.get(f"{self.address()}/version", timeout=10, trust_env=False)
        return msgspec.json.decode(answer.content, type=Version).version.startswith(self._commits[name][:7])

    def _told_traffic(self, counted: Counted, when: str) -> None:
        self._check(f"{counted.served:,} requests served, {counted.failed} failed, {when}", counted.failed == 0)

    def _check(self, text: str, good: bool) -> None:
        self._good = self._good and good
        self._tell.fact(text, good=good)


def _harm(counted: Counted) -> str:
    return f"{counted.failed:,} of {counted.served + counted.failed:,} requests failed"


def _row(thing: Stage | Step) -> Row:
    seconds: float | None = None
    if thing.started_at is not None:
        seconds = max(0.0, ((thing.ended_at or datetime.now(UTC)) - thing.started_at).total_seconds())
    return Row(thing.name, thing.state, seconds)
