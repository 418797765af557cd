"""Two applications that nobody here wrote go to production, as docs/guide/real-applications.md says; one comes back.

datasette speaks ASGI, httpbin WSGI. Each becomes a repository of its published source, the wheels of what it needs,
and ``andon.yaml``. scripts/fetch_apps.py has fetched them by their hashes; here is no network beyond this machine.
"""

from __future__ import annotations

import shutil
import socket
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import httpx
import pytest

from andon.app.demo.server import DemoServer
from andon.app.demo.shop import Checkout
from andon.app.demo.story import NewRepository
from andon.flow.artifacts.views import ArtifactList, ArtifactShape
from andon.flow.deployments.contract import DeploymentState
from andon.flow.deployments.views import DeploymentDetails, DeploymentList, DeploymentShape, RollbackRequest
from andon.flow.environments.views import EnvironmentShape, SetShape
from andon.flow.pipelines.contract import JobState, RunState
from andon.flow.pipelines.views import JobShape, LogShape, RunDetails, Runs
from andon.flow.pipelines.views import Tests as Reported
from andon.kernel.errors import Missing
from andon.web.terminal.client import Refusal

pytestmark = [pytest.mark.journey, pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
APPS = ROOT / "tests" / "journeys" / "apps"
FETCHED = ROOT / ".cache" / "apps"
PATIENCE = 400.0
MEBIBYTE = 1024**2

T = TypeVar("T")


@pytest.fixture(scope="module")
def andon() -> Iterator[DemoServer]:
    # not pytest's own folder: its name is long, and sockets lie below this one
    folder = Path(tempfile.mkdtemp(prefix="andon-apps-"))
    try:
        with DemoServer(folder) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Application:
    """One of the two as a service of a private Andon."""

    def __init__(self, andon: DemoServer, name: str, files: Mapping[str, str]) -> None:
        self.name = name
        self.folder = andon.folder / name
        self._client = andon.client
        remote = f"{andon.address}/git/{name}.git"
        self._checkout = Checkout(self.folder, remote, andon.token, source=repository(andon.folder, name, files))
        self._client.post("/repositories", dict, NewRepository(name))

    def push(self, message: str) -> RunDetails:
        """Commit everything and push it; the run, ended and passed."""
        commit = self._checkout.commit(message)
        self._checkout.push()

        def ended() -> str | None:
            found = self._client.get("/runs", Runs, service=self.name).runs
            return next((run.id for run in found if run.commit == commit and run.state.ended), None)

        run = self._client.get(f"/runs/{until(ended)}", RunDetails)
        assert run.run.state is RunState.PASSED, f"{run.run.reason}\n{self._said(run)}"
        return run

    def job(self, run: RunDetails, name: str) -> JobShape:
        return next(job for job in run.jobs if job.name == name)

    def tests(self, job: JobShape) -> Reported:
        return self._client.get(f"/jobs/{job.id}/tests", Reported)

    def packages(self) -> list[ArtifactShape]:
        return self._client.get("/artifacts", ArtifactList, service=self.name).artifacts

    def deployments(self) -> list[DeploymentShape]:
        """Oldest first."""
        found = self._client.get("/deployments", DeploymentList, service=self.name).deployments
        return sorted(found, key=lambda one: one.number)

    def roll_back(self) -> DeploymentShape:
        made = self._client.post(
            f"/services/{self.name}/environments/production/rollback", DeploymentShape, RollbackRequest()
        )

        def ended() -> DeploymentShape | None:
            found = self._client.get(f"/deployments/{made.id}", DeploymentDetails).deployment
            return found if found.state.ended else None

        return until(ended)

    def environment(self, name: str = "production") -> EnvironmentShape:
        return self._client.get(f"/services/{self.name}/environments/{name}", EnvironmentShape)

    def live(self, name: str = "production") -> SetShape:
        found = self.environment(name).live
        assert found is not None
        return found

    @contextmanager
    def visitor(self) -> Iterator[httpx.Client]:
        """Somebody who asks production through the router."""
        with httpx.Client(base_url=self.environment().address, timeout=30, trust_env=False) as client:
            yield client

    def _said(self, run: RunDetails) -> str:
        """What failed jobs and deployments have printed."""
        said = [f"{job.name}: {job.reason}\n{self._log(job)}" for job in run.jobs if job.state is JobState.FAILED]
        for one in self.deployments():
            if one.state is not DeploymentState.SUCCEEDED:
                details = self._client.get(f"/deployments/{one.id}", DeploymentDetails)
                steps = "\n".join(f"{step.name} {step.state} {step.reason}" for step in one.steps)
                output = "\n".join(f"{command.command}\n{command.output}" for command in details.commands)
                said.append(f"{one.environment}: {one.reason}\n{steps}\n{output}")
        return "\n\n".join(said)

    def _log(self, job: JobShape) -> str:
        try:
            log = self._client.get(f"/jobs/{job.id}/log", LogShape)
        except Refusal as problem:
            return problem.message
        return "\n".join("".join(text for text, _ in line.spans) for line in log.lines[-200:])


def repository(folder: Path, name: str, files: Mapping[str, str]) -> Path:
    """The unpacked source distribution with its wheels, ``andon.yaml`` and ``files`` beside it."""
    fetched = FETCHED / name
    if not (fetched / "stamp").is_file():
        raise Missing(f"{name} has not been fetched.", remedy="Run scripts/fetch_apps.py where there is a network.")
    (archive,) = (fetched / "source").glob("*.tar.gz")
    unpacked = folder / f"{name}-as-published"
    with tarfile.open(archive) as source:
        source.extractall(unpacked, filter="data")
    (tree,) = unpacked.iterdir()
    shutil.copytree(fetched / "wheels", tree / "wheels")
    shutil.copy(APPS / name / "andon.yaml", tree)
    for path, content in files.items():
        (tree / path).write_text(content, "utf-8")
    return tree


def until(look: Callable[[], T | None]) -> T:
    deadline = time.monotonic() + PATIENCE
    while (found := look()) is None:
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.1)
    return found


def assert_well(application: Application, run: RunDetails) -> None:
    """The package was built once, and the same bytes run in both environments, healthy and as deployed."""
    assert [stage.state.value for stage in run.run.stages] == ["passed", "passed", "passed"]
    (package,) = [one for one in application.packages() if one.run == run.run.id]
    assert package.digest == run.package
    deployed = [one for one in application.deployments() if one.run == run.run.id]
    assert [(one.environment, one.digest) for one in deployed] == [
        ("acceptance", package.digest),
        ("production", package.digest),
    ]
    for environment, instances in (("acceptance", 1), ("production", 2)):
        live = application.live(environment)
        assert live.commit == run.run.commit
        assert (live.state, live.drift) == ("healthy", "")
        assert [one.health for one in live.instances] == ["healthy"] * instances


def test_datasette_goes_to_production_and_back(andon: DemoServer) -> None:
    datasette = Application(andon, "datasette", {"metadata.yaml": "title: Parts in stock\n"})

    first = datasette.push("Bring in datasette as it is published")

    assert_well(datasette, first)
    job = datasette.job(first, "test")
    found = datasette.tests(job)
    assert (job.tests, job.tests_failed) == (found.total, 0)
    assert job.tests > 300
    assert any("test_table_permissions" in case.suite for case in found.tests)
    with datasette.visitor() as visitor:
        answer = visitor.get(
            "/parts.json", params={"sql": "select name from parts where price > 10", "_shape": "array"}
        )
        assert answer.json() == [{"name": "Brake pad"}, {"name": "Wiper blade"}]
        assert visitor.get("/-/metadata.json").json() == {"title": "Parts in stock"}
        # a stream whose length nobody knows before it ends
        rows = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 900) select i, hex(i) from n"
        table = visitor.get("/parts.csv", params={"sql": rows, "_size": "max"})
        assert table.headers["content-type"].startswith("text/plain")
        assert table.text.splitlines()[-1].startswith("900,")
        # an answer without a body, and one that leads elsewhere: to where the question went, port and all
        assert visitor.head("/parts").status_code == httpx.codes.OK
        moved = visitor.get("/parts/parts/")
        assert (moved.status_code, moved.headers["location"]) == (httpx.codes.FOUND, "/parts/parts")
        absolute = visitor.get("/parts/parts.json", params={"_size": "1"}).json()["next_url"]
        assert absolute.startswith(f"{datasette.environment().address}/parts/parts.json")

    (datasette.folder / "metadata.yaml").write_text("title: Parts, and where they lie\n")
    second = datasette.push("Say where the parts lie")

    assert_well(datasette, second)
    assert second.package != first.package
    with datasette.visitor() as visitor:
        assert visitor.get("/-/metadata.json").json() == {"title": "Parts, and where they lie"}
        back = datasette.roll_back()
        assert (back.state, back.commit) == (DeploymentState.SUCCEEDED, first.run.commit)
        assert visitor.get("/-/metadata.json").json() == {"title": "Parts in stock"}
        assert len(visitor.get("/parts/parts.json", params={"_shape": "array"}).json()) == 3


def test_httpbin_goes_to_production(andon: DemoServer) -> None:
    httpbin = Application(andon, "httpbin", {})

    first = httpbin.push("Bring in httpbin as it is published")

    assert_well(httpbin, first)
    job = httpbin.job(first, "test")
    assert (job.tests, job.tests_failed, httpbin.tests(job).total) == (70, 0, 70)
    with httpbin.visitor() as visitor:
        told = visitor.get("/get", params={"part": "EN-2004"}, headers={"x-part": "brake"}).json()
        assert told["args"] == {"part": "EN-2004"}
        assert told["headers"]["X-Part"] == "brake"
        # the application is told what the visitor asked for, and by whom it was asked
        assert told["url"] == str(visitor.base_url.copy_with(path="/get", query=b"part=EN-2004"))
        ip_address(told["origin"])
        teapot = visitor.get("/status/418")
        assert teapot.status_code == 418
        assert "teapot" in teapot.text
        assert_http(visitor)


def assert_http(visitor: httpx.Client) -> None:
    """What HTTP can do survives the way through the router and the sandbox."""
    here = str(visitor.base_url).rstrip("/")
    # who stands before the application, and what the visitor claims of himself
    seen = visitor.get("/headers", params={"show_env": 1}, headers={"x-forwarded-for": "203.0.113.9"}).json()["headers"]
    assert seen["X-Forwarded-Proto"] == "http"
    claimed, _, came_from = seen["X-Forwarded-For"].rpartition(",")
    assert claimed == "203.0.113.9"
    assert ip_address(came_from.strip()) != ip_address(claimed)
    assert seen["Host"] == urlsplit(here).netloc
    # leads elsewhere, by a path and by a whole address
    assert visitor.get("/redirect/1").headers["location"] == "/get"
    assert visitor.get("/absolute-redirect/1").headers["location"] == f"{here}/get"
    assert visitor.get("/redirect/3", follow_redirects=True).json()["url"] == f"{here}/get"
    # every method
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert visitor.request(method, f"/{method.lower()}", content=method).json()["data"] == method
    assert "GET" in visitor.options("/get").headers["allow"]
    asked = visitor.head("/bytes/4000")
    assert (asked.status_code, asked.headers["content-length"], asked.content) == (200, "4000", b"")
    # large bodies, of a length that is known and of one that is not
    large = b"x" * (16 * MEBIBYTE)
    echoed = visitor.post("/post", content=large, headers={"content-type": "text/plain"})
    assert len(echoed.json()["data"]) == len(large)
    pieces = visitor.post("/post", content=iter([b"brake ", b"pad"]), headers={"content-type": "text/plain"})
    assert pieces.json()["headers"]["Transfer-Encoding"] == "chunked"
    assert pieces.json()["data"] == "brake pad"
    form = visitor.post("/post", data={"part": "EN-2004"}, files={"drawing": ("drawing.txt", b"round")}).json()
    assert (form["form"], form["files"]) == ({"part": "EN-2004"}, {"drawing": "round"})
    # answers in pieces, parts of answers, compressed ones, none at all
    with visitor.stream("GET", "/stream/20") as stream:
        assert stream.headers["transfer-encoding"] == "chunked"
        assert len(list(stream.iter_lines())) == 20
    assert len(visitor.get("/stream-bytes/50000").content) == 50_000
    part = visitor.get("/range/26", headers={"range": "bytes=3-5"})
    assert (part.status_code, part.text, part.headers["content-range"]) == (206, "def", "bytes 3-5/26")
    assert visitor.get("/gzip").json()["gzipped"] is True
    assert visitor.get("/status/304").status_code == 304
    # signed in, with cookies
    assert visitor.get("/basic-auth/maxine/brake").status_code == 401
    assert visitor.get("/basic-auth/maxine/brake", auth=("maxine", "brake")).json()["authenticated"] is True
    assert visitor.get("/cookies/set/cart/7", follow_redirects=True).json() == {"cookies": {"cart": "7"}}
    # old and odd manners
    assert raw(here, b"GET /get HTTP/1.0\r\nHost: parts.example\r\n\r\n").startswith(b"HTTP/1.1 426")
    waits = raw(
        here,
        b"POST /post HTTP/1.1\r\nHost: parts.example\r\nExpect: 100-continue\r\nContent-Length: 4\r\n"
        b"Connection: close\r\n\r\n",
        b"pads",
    )
    assert waits.startswith(b"HTTP/1.1 100")
    assert b'"data": "pads"' in waits


def raw(address: str, request: bytes, body: bytes = b"") -> bytes:
    """All that is answered to a request as it stands; the body is sent when the first answer comes."""
    parts = urlsplit(address)
    with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=30) as connection:
        connection.sendall(request)
        told = connection.recv(65536)
        connection.sendall(body)
        while piece := connection.recv(65536):
            told += piece
        return told
