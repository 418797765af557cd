"""Environments that really run, behind a real Envoy, with small services to put into them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import httpx

from andon.app.tables import load_all_tables
from andon.flow.artifacts.contract import Digest
from andon.flow.artifacts.service import ArtifactService
from andon.flow.artifacts.store import FileStore
from andon.flow.configuration.contract import ConfigVersion
from andon.flow.configuration.sealing import FileSecretBox
from andon.flow.configuration.service import ConfigurationService
from andon.flow.definition.reader import YamlDefinitionReader
from andon.flow.environments.contract import InstanceView, SetId, SetSpec, SetView, Standing
from andon.flow.environments.contract.equipment import BARE, Equipper
from andon.flow.environments.room import Built, build_environments
from andon.flow.routing.adapters import EnvoyDataPlane, envoy_binary
from andon.flow.routing.service import RouterService
from andon.flow.sources.adapters.sources import GitSources
from andon.flow.sources.contract import CommitHash, Service
from andon.flow.sources.git import Git
from andon.flow.sources.service import create_repository
from andon.kernel.access import SYSTEM
from andon.kernel.db import Database, open_engine
from andon.kernel.events import Event, Facets, page
from andon.kernel.ids import new_id
from andon.kernel.keeper import control
from andon.kernel.keeper.model import KeptState
from andon.kernel.settings import EnvironmentSettings, Settings
from benchmarks.harness.ports import free_stretch
from tests.flow.sources.installation import Checkout, new_checkout

_E = TypeVar("_E", bound=Event)
_PORTS = 60

SERVER = """
import os, signal, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 512

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path.startswith("/slow"):
            print("slowly", flush=True)
            time.sleep(1.0)
        status, said = 200, VERSION
        if self.path == "/health" and os.path.exists("/data/ill-" + VERSION):
            status, said = 500, "ill"
        if self.path.startswith("/env/"):
            said = os.environ.get(self.path[5:], "unset")
        if self.path.startswith("/see/"):
            try:
                said = " ".join(sorted(os.listdir(self.path[4:]))) or "empty"
            except OSError as error:
                said = error.__class__.__name__
        body = said.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *arguments):
        pass

server = Server(("127.0.0.1", int(os.environ["PORT"])), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
print("listening", flush=True)
server.serve_forever(0.05)
server.server_close()
"""

DEFINITION = """
stages:
  commit: {{ jobs: {{ test: {{ run: "true" }} }} }}
package: {{ files: ["app/**"] }}
run:
  web:
    command: exec python3 app/server.py
    port: 8000
    memory: 256MiB
    health: {{ path: /health, every: 200ms, within: {within}, timeout: 20s }}
    stop: 30s
environments:
  production:
    instances: {instances}
    config: {{ GREETING: hello }}
    secrets: [KEY]
"""


@dataclass
class Place:
    """An installation without its processes; ``follow`` is what the worker's rooms would do."""

    data: Path
    database: Database = field(init=False)
    built: Built = field(init=False)
    configuration: ConfigurationService = field(init=False)
    plane: EnvoyDataPlane = field(init=False)
    router: RouterService = field(init=False)
    fence: int = 0
    equipper: Equipper = BARE

    def __post_init__(self) -> None:
        self.database = Database(open_engine(f"sqlite:///{self.data / 'andon.db'}"))
        load_all_tables().create_all(self.database.engine)
        first = free_stretch(_PORTS)  # not the usual ones: other tests have routers of their own
        ports = EnvironmentSettings(first_port=first, last_port=first + _PORTS - 1)
        self.settings = Settings(data=self.data, environments=ports)
        self.git = Git(self.data / "repositories")
        self.git.prepare()
        self.store = FileStore(self.data / "artifacts")
        self.artifacts = ArtifactService(self.store, keep_days=30)
        self.configuration = ConfigurationService(FileSecretBox(self.data / "keys" / "secrets.key"))
        self.build()

    def build(self) -> None:
        """As at a start of Andon."""
        self.definitions = YamlDefinitionReader()
        self.built = build_environments(
            self.settings,
            self.database,
            sources=GitSources(self.git),
            definitions=self.definitions,
            artifacts=self.artifacts,
            configuration=self.configuration,
            equipper=self.equipper,
        )
        self.plane = EnvoyDataPlane(
            binary=envoy_binary(),
            folder=self.data / "router",
            sockets=self.built.layout.sockets,
            keepers=self.built.layout.keepers,
        )
        self.router = RouterService(
            database=self.database, environments=self.built.environments, plane=self.plane, host="127.0.0.1"
        )
        self.built.routed_by(self.router.apply)

    # Services

    def service(self, name: str | None = None) -> Project:
        service = Service(name or f"shop-{new_id('s')[-8:]}")
        with self.database.transaction() as tx:
            create_repository(tx, self.git, SYSTEM, service, "main")
        return Project(self, service, new_checkout(self.data / f"checkout-{service}"))

    # Questions

    def view(self, set_id: SetId) -> SetView:
        with self.database.reading() as reading:
            return self.built.environments.set(reading, set_id)

    def events(self, kind: type[_E]) -> list[_E]:
        with self.database.reading() as reading:
            found = [one.decode() for one in page(reading, Facets(), after=0, limit=5000)]
        return [one for one in found if isinstance(one, kind)]

    def kept(self, instance: InstanceView) -> KeptState:
        found = [one for one in control.kept(self.built.layout.keepers) if one.id.startswith(f"{instance.id}.")]
        assert len(found) == 1, found
        return found[0]

    def looked(self, condition: Callable[[], object]) -> bool:
        """Whether it is so after another look of the watch."""
        self.built.watch.check_health()
        return bool(condition())

    def stop_everything(self) -> None:
        self.built.watch.close()
        kept = control.kept(self.built.layout.keepers)
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda one: control.stop(self.built.layout.keepers, one.id, timeout=1), kept))
        self.database.close()


@dataclass
class Project:
    """One service: its repository, packages and environment."""

    place: Place
    service: Service
    checkout: Checkout
    environment: str = "production"

    def commit(
        self, version: str = "v1", *, instances: int = 2, within: str = "60s", definition: str | None = None
    ) -> Version:
        """A commit of a small service that answers with its version."""
        own = {
            "andon.yaml": definition or DEFINITION.format(instances=instances, within=within),
            "app/server.py": f"VERSION = {version!r}\n{SERVER}",
        }
        for name, content in own.items():
            path = self.checkout.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return self.publish(version, ["app/**"])

    def publish(self, message: str, globs: list[str]) -> Version:
        self.checkout.git("add", "--all")
        self.checkout.git("commit", "-q", "--allow-empty", "-m", message)
        self.checkout.git("push", "-q", str(self.place.git.path(self.service)), "HEAD:main")
        digest, _size, _files = self.place.artifacts.pack(self.checkout.folder, globs)
        return Version(self, self.checkout.head, digest)

    def port(self) -> int:
        with self.place.database.reading() as reading:
            found = self.place.built.environments.find(reading, self.service, self.environment)
        assert found is not None
        return found.port

    def get(self, path: str = "/") -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.port()}{path}", timeout=60, trust_env=False)


@dataclass
class Version:
    project: Project
    commit: CommitHash
    digest: Digest

    def prepare(self) -> SetId:
        place, project = self.project.place, self.project
        source = GitSources(place.git).read(project.service, self.commit, "andon.yaml")
        assert source is not None
        definition = place.definitions.read(source).environment("production")
        assert definition is not None
        definition = replace(definition, name=project.environment)
        with place.database.transaction() as tx:
            place.built.environments.ensure(tx, SYSTEM, project.service, definition)
            version = place.configuration.current_version(tx, project.service, project.environment)
            return place.built.environments.prepare(
                tx,
                SetSpec(
                    service=project.service,
                    environment=project.environment,
                    deployment=new_id("dep"),
                    commit=self.commit,
                    digest=self.digest,
                    config_version=ConfigVersion(version),
                ),
            )

    def start(self) -> SetId:
        """A healthy set without traffic."""
        made = self.prepare()
        self.project.place.built.environments.start(made)
        report = self.project.place.built.environments.await_healthy(made, lambda: False)
        assert report.healthy, report.reason
        return made

    def go_live(self) -> SetId:
        made = self.start()
        switch(self.project, made)
        return made


def switch(project: Project, to: SetId) -> None:
    """As a deployment does it."""
    place = project.place
    place.fence += 1
    with place.database.transaction() as tx:
        before = place.router.point(tx, project.service, project.environment, to=to, fence=place.fence, deployment="d")
        if before is not None and before != to:
            place.built.environments.mark(tx, before, Standing.WARM, reason="test")
        place.built.environments.mark(tx, to, Standing.LIVE, reason="test")
    place.router.apply()


@contextmanager
def opened_place(data: Path, equipper: Equipper = BARE) -> Iterator[Place]:
    """With the router running; nothing is left behind."""
    place = Place(data, equipper=equipper)
    try:
        place.plane.start()
        yield place
    finally:
        place.stop_everything()


def wait_until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came to this"
        time.sleep(0.02)
