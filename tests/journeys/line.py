"""A whole line to look at: a private Andon, the example shop in two versions, and what went wrong beside it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from andon.app.demo.shop import SERVICE, Checkout
from andon.app.demo.story import Deployment, Deployments, RunDetails, Runs
from andon.app.people.views import Invitation, InvitationLink, NewTokenView, PasswordSignIn, RoleView
from andon.flow.deployments.views import EnvironmentRequest
from andon.kernel.access.model import Role
from andon.web.terminal.client import Client, connect
from andon.web.terminal.contexts import Context
from benchmarks.harness.installation import Andon, until
from benchmarks.harness.ports import free_stretch

NAME, PASSWORD = "Maxine Chambers", "wrenches under the bonnet"
WAYS = ("OTLP", "OTLP_GRPC", "STATSD", "GRAPHITE")
"""Telemetry's, each with a port of its own."""
OVER = {"passed", "failed", "cancelled", "superseded"}
TALKER = """\
stages:
  talk:
    jobs:
      count:
        run: |
          for number in $(seq 1 3000); do echo "part $number is on the shelf"; sleep 0.2; done
"""
"""A pipeline whose one job goes on talking for longer than anybody listens; it is cancelled."""


class Started(msgspec.Struct):
    address: str
    first_administrator: str


@dataclass(frozen=True, slots=True)
class Line:
    """``commits`` are the shop's two versions, the older first."""

    andon: Andon
    console: str
    """The address under which its pages are seen; a session belongs to that name alone."""
    token: str
    folder: Path
    commits: tuple[str, ...]
    otlp_port: int
    """Where its telemetry takes in OpenTelemetry over HTTP."""

    def run_of(self, commit: str, service: str = SERVICE) -> str:
        found: list[str] = []

        def look() -> bool:
            listed = self.andon.client.get("/runs", Runs, service=service, limit=20).runs
            found[:] = [one.id for one in listed if one.commit == commit]
            return bool(found)

        until(look, "a run of the commit")
        return found[0]

    def asked(self) -> AbstractContextManager[Client]:
        """The API as the administrator asks it, by name and not as the operator of this machine."""
        return connect(Context(url=self.andon.address, token=self.token, source="the test"))

    def passes(self, commit: str) -> None:
        run = self.run_of(commit)
        until(lambda: self._state(run) in OVER, "the run is over")
        assert self._state(run) == "passed"

    def _state(self, run: str) -> str:
        return self.andon.client.get(f"/runs/{run}", RunDetails).run.state

    def deployments(self, environment: str) -> list[Deployment]:
        """The newest first."""
        return self.andon.client.get(
            "/deployments", Deployments, service=SERVICE, environment=environment, limit=20
        ).deployments

    def settled(self, environment: str) -> bool:
        return all(one.state not in {"queued", "running"} for one in self.deployments(environment))


@contextmanager
def installation() -> Iterator[tuple[Andon, Started]]:
    """An empty Andon with its telemetry, and what it said when it was up."""
    first = free_stretch(len(WAYS))
    settings = {f"ANDON_TELEMETRY_{way}_PORT": str(first + number) for number, way in enumerate(WAYS)}
    # A short name: sockets lie below it.
    with (
        TemporaryDirectory(prefix="andon-console-") as folder,
        Andon(folder=Path(folder), settings=settings) as andon,
    ):
        until((andon.data / "telemetry" / "state.json").exists, "telemetry listens")
        lines = (andon.folder / "up.out").read_bytes().splitlines()
        started = next(one for one in lines if b'"address"' in one)
        yield andon, msgspec.json.decode(started, type=Started)


def token(andon: Andon) -> str:
    """One of the administrator's own, as their command line gets it: what it pushes was pushed by a person."""
    return andon.client.post("/sign-in", NewTokenView, PasswordSignIn(name=NAME, password=PASSWORD)).secret


def shop(andon: Andon, console: str, secret: str) -> Line:
    """Push both versions of the shop; return when both are through."""
    folder = andon.folder / "work"
    folder.mkdir()
    remote = andon.create(SERVICE)
    checkout = Checkout(folder / "store", remote, secret)
    first = checkout.commit("Open the shop")
    checkout.push()
    port = int(andon.environment()["ANDON_TELEMETRY_OTLP_PORT"])
    Line(andon, console, secret, folder, (first,), port).passes(first)
    second = checkout.commit(checkout.apply("02-reviews"))
    checkout.push()
    line = Line(andon, console, secret, folder, (first, second), port)
    line.passes(second)
    return line


def refuse(line: Line) -> str:
    """Push an ``andon.yaml`` that makes no sense, on a branch; the commit."""
    git(line, "switch", "--quiet", "--create", "shelves")
    definition = line.folder / "store" / "andon.yaml"
    whole = definition.read_text("utf-8")
    definition.write_text(whole.replace("reports: [", "raports: [", 1), "utf-8")
    git(line, "commit", "--quiet", "--all", "--message", "Number the shelves")
    git(line, "push", "--quiet", "andon", "shelves")
    commit = git(line, "rev-parse", "HEAD").strip()
    git(line, "switch", "--quiet", "main")
    return commit


def talk(line: Line) -> str:
    """A second service, whose job talks for a long time; the run's id once it has begun."""
    source = line.folder / "talker-source"
    source.mkdir()
    (source / "andon.yaml").write_text(TALKER, "utf-8")
    checkout = Checkout(line.folder / "talker", line.andon.create("talker"), line.token, source=source)
    commit = checkout.commit("Count the parts")
    checkout.push()
    return line.run_of(commit, "talker")


def make_environment(line: Line, name: str) -> None:
    """One of somebody's own, from the newest version; return once it is up."""
    wanted = EnvironmentRequest(name=name, revision=line.commits[-1], like="acceptance", time_to_live=3600.0)
    with line.asked() as client:
        client.post(f"/services/{SERVICE}/environments", msgspec.Raw, wanted)
    until(lambda: line.settled(name), f"{name} is up")
    assert [one.state for one in line.deployments(name)] == ["succeeded"]


def invite_colleagues(line: Line) -> None:
    """Some who were invited, with roles in several places, and one who was erased."""
    anywhere = RoleView(role=Role.VIEWER)
    for name, roles in (
        ("Bill Palmer", [RoleView(role=Role.ADMINISTRATOR)]),
        ("Brent Geller", [RoleView(role=Role.OPERATOR, service=SERVICE, environment="production"), anywhere]),
        ("Patty McKee", [anywhere]),
        ("Shannon Law", [RoleView(role=Role.CONTRIBUTOR, service=SERVICE)]),
        ("Wes Davis", [RoleView(role=Role.DEVELOPER, service=SERVICE)]),
        ("John Pesche", []),
        ("Steve Masters", []),
    ):
        email = f"{name.split()[0].lower()}@parts-unlimited.example"
        line.andon.client.post("/people", InvitationLink, Invitation(name=name, email=email, roles=roles))
    line.andon.client.delete("/people/steve@parts-unlimited.example")


def git(line: Line, *arguments: str) -> str:
    author = ["-c", "user.name=Maxine Chambers", "-c", "user.email=maxine@parts-unlimited.example"]
    header = ["-c", f"http.extraHeader=Authorization: Bearer {line.token}"]
    done = subprocess.run(
        ["git", *author, *header, *arguments], cwd=line.folder / "store", capture_output=True, text=True, check=True
    )
    return done.stdout
